"""The two ways to tokens: a code that a person approves (RFC 8628), and a refresh token, which works once."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from authlib.oauth2.rfc6749.errors import AccessDeniedError, InvalidGrantError, InvalidRequestError
from authlib.oauth2.rfc6749.grants import RefreshTokenGrant
from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint, DeviceCodeGrant, DeviceCredentialMixin
from flask import request

from core import dates
from core.db import db
from core.grants import NAME, DeviceCode, TokenFamily
from core.oauth import approvals, dpop, families
from core.oauth.families import Reused
from core.oauth.request import DEVICE, PROGRAM, TOKEN, proved

ACTIVATE = "/activate"


class Endpoint(DeviceAuthorizationEndpoint):  # type: ignore[misc]
    """Begins a sign-in: codes for the program and for the person."""

    EXPIRES_IN = int(approvals.AGE.total_seconds())
    INTERVAL = approvals.INTERVAL_S

    def generate_device_code(self) -> str:
        """The code that the program keeps to itself."""
        return secrets.token_urlsafe(32)

    def generate_user_code(self) -> str:
        """The code that the program shows."""
        return approvals.new_user_code()

    def get_verification_uri(self) -> str:
        """Where the person types it."""
        return families.issuer() + ACTIVATE

    def save_device_credential(self, client_id: str, scope: str, data: dict[str, Any]) -> None:
        """Let the program wait, under the names that the person will read."""
        client_name = _named("client_name") or _named("client_id")
        if not client_name:
            raise InvalidRequestError("client_name is missing")
        known = {"client_name": client_name, "device_name": _named("device_name"), "key_thumbprint": _key_of_device()}
        approvals.keep(db.session, data["device_code"], data["user_code"], dates.now(), **known)


def _named(field: str) -> str:
    """One line that a program says of itself."""
    text = " ".join("".join(c if c.isprintable() else " " for c in request.form.get(field, "")).split())
    if len(text) > NAME:
        raise InvalidRequestError(f"{field} is longer than {NAME} characters")
    return text


def _key_of_device() -> str | None:
    """The thumbprint of the key that the tokens are to be bound to, where the program has one."""
    shown, said = proved(DEVICE, dates.now()), request.form.get("dpop_jkt") or None
    if said is not None and not dpop.is_thumbprint(said):
        raise InvalidRequestError("dpop_jkt is not the thumbprint of a key")
    if None not in (shown, said) and shown != said:
        raise InvalidRequestError("dpop_jkt is not the key of the proof")
    return shown or said


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def make_tokens(user: TokenFamily, include_refresh_token: bool, **_more: Any) -> dict[str, Any]:
    """The tokens of a sign-in, as the answer has them."""
    at = dates.now()
    refresh = {"refresh_token": families.refresh_token(db.session, user.id, at)} if include_refresh_token else {}
    return {
        **refresh,
        "access_token": families.access_token(db.session, user, at),
        "token_type": "DPoP" if user.key_thumbprint else "Bearer",
        "expires_in": int(families.ACCESS_TOKEN_AGE.total_seconds()),
    }


class Waiting(DeviceCredentialMixin):  # type: ignore[misc]
    """A code as Authlib asks about it."""

    def __init__(self, row: DeviceCode, now: datetime) -> None:
        self.row, self.now = row, now

    def get_client_id(self) -> str:
        """The one for all."""
        return PROGRAM.get_client_id()

    def get_scope(self) -> str:
        """There is one scope."""
        return ""

    def get_user_code(self) -> DeviceCode:
        """What `query_user_grant` is asked with; the code itself is kept nowhere."""
        return self.row

    def is_expired(self) -> bool:
        """Whether nobody can approve it any more."""
        return self.row.denied_at is None and self.row.expires_at <= self.now


class DeviceGrant(DeviceCodeGrant):  # type: ignore[misc]
    """Tokens for a code, once the person has approved it."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("none",)

    def query_device_credential(self, device_code: str) -> Waiting:
        """The code, for whoever proves to have the key that it is bound to."""
        self.now = dates.now()
        self.thumbprint = proved(TOKEN, self.now)
        row = approvals.of_program(db.session, device_code)
        if row is None or row.key_thumbprint not in (None, self.thumbprint):
            raise InvalidGrantError("the device code is unknown, or of another key")
        return Waiting(row, self.now)

    def query_user_grant(self, user_code: DeviceCode) -> tuple[DeviceCode | None, bool] | None:
        """What the person answered, None as long as nobody did."""
        if user_code.denied_at is not None:
            return None, False
        return (user_code, True) if user_code.account_id is not None else None

    def should_slow_down(self, credential: Waiting) -> bool:
        """Whether the program asks more often than it was told to."""
        return approvals.is_too_soon(credential.row, credential.now)

    def create_token_response(self) -> Any:
        """Begin the sign-in."""
        code: DeviceCode = self.request.user
        if not approvals.take(db.session, code, self.now):
            raise InvalidGrantError("the device code is used")
        self.request.user = families.begin(db.session, code, self.thumbprint, self.now)
        if not families.stands(db.session, self.request.user.id):
            # Since the approval the account was blocked, or the membership has ended.
            db.session.rollback()
            raise AccessDeniedError
        return super().create_token_response()


class Refreshed:
    """The sign-in of a refresh token as Authlib asks about it."""

    def __init__(self, family: TokenFamily) -> None:
        self.family = family

    def check_client(self, _client: Any) -> bool:
        """Whose it is, the key has proved."""
        return True

    def get_scope(self) -> str:
        """There is one scope."""
        return ""


class RefreshGrant(RefreshTokenGrant):  # type: ignore[misc]
    """Tokens for a refresh token, which works once."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("none",)
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Refreshed:
        """The sign-in; its token is used up."""
        now = dates.now()
        try:
            family = families.use(db.session, refresh_token, proved(TOKEN, now), now)
        except Reused:
            raise InvalidGrantError("the refresh token was used before; sign in again") from None
        if family is None:
            raise InvalidGrantError("the refresh token is unknown, has ended, or is of another key")
        return Refreshed(family)

    def authenticate_user(self, refresh_token: Refreshed) -> TokenFamily:
        """Whose tokens are made."""
        return refresh_token.family

    def revoke_old_credential(self, refresh_token: Refreshed) -> None:
        """It was used up before the next one was made."""
