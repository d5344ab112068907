"""Token families: one sign-in of a program, its access tokens, and refresh tokens that each work once."""

from __future__ import annotations

import hashlib
import logging
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from flask import current_app
from sqlalchemy import ColumnElement, Select, and_, bindparam, delete, exists, insert, or_, select, update
from sqlalchemy.orm import Session

from core import grants, signing
from core.grants import DeviceCode, RefreshToken, TokenFamily
from models import Account, Member, rows_changed

ACCESS_TOKEN_AGE = timedelta(minutes=15)
IDLE_AGE = timedelta(days=90)  # a program that nobody started for so long asks to be approved again
USED_KEPT = timedelta(days=7)  # so long a second use of a refresh token is told from one that never was
MOST_KNOWN_AGAIN = 1000  # used ones of a sign-in, of which a program needs 672 in a week; nobody fills the table
ENDED_KEPT = timedelta(days=30)
REFRESH_PREFIX = "rt_"  # by which scanners of source code know what somebody left there
KIND = "at+jwt"  # RFC 9068; no token of another kind opens the API
AUDIENCE = "/api/v1"
SKEW_S = 60  # by which the clocks of two of our own machines may differ
MOST_VERIFIED = 10_000  # tokens that a process knows again; 10 MB

log = logging.getLogger("portal.oauth")


class Reused(Exception):
    """A refresh token came a second time: whoever has it, somebody else has it too."""


# The sign-in stands, and so does everything that it stands on.
_member = exists().where(
    Member.account_id == Account.id, Member.organization_id == TokenFamily.organization_id,
    Member.confirmed_at.is_not(None), Member.ended_at.is_(None),
)  # fmt: skip
STANDS: tuple[ColumnElement[bool], ...] = (
    TokenFamily.revoked_at.is_(None), Account.blocked_at.is_(None), Account.deleted_at.is_(None),
    or_(TokenFamily.organization_id.is_(None), _member),
)  # fmt: skip


def _standing(*columns: Any) -> Select[Any]:
    return select(*columns).join(Account, Account.id == TokenFamily.account_id).where(*STANDS)


_STANDING_FAMILY = _standing(TokenFamily.id).where(TokenFamily.id == bindparam("family"))


def stands(session: Session, family_id: int) -> bool:
    """Whether a sign-in has not ended: by itself, with its account, or with the membership it is for."""
    return session.connection().execute(_STANDING_FAMILY, {"family": family_id}).first() is not None


def begin(session: Session, code: DeviceCode, thumbprint: str | None, now: datetime) -> TokenFamily:
    """The sign-in that an approved code stands for; bound to the key that was proved."""
    family = TokenFamily(
        account_id=code.account_id, organization_id=code.organization_id, client_name=code.client_name,
        key_thumbprint=thumbprint, made_at=now,
    )  # fmt: skip
    session.add(family)
    session.flush()
    return family


def use(session: Session, text: str, thumbprint: str | None, now: datetime) -> TokenFamily | None:
    """The sign-in of a refresh token, which is used up by this; None when it is none, or another key's.

    The caller commits, after `Reused` too: then the sign-in has ended.

    :raise Reused: when the token was used before.
    """
    of_text = (RefreshToken.token_hash == hashed(text)) & (RefreshToken.made_at > now - IDLE_AGE)
    family = session.scalars(
        select(TokenFamily).join(RefreshToken, RefreshToken.family_id == TokenFamily.id).where(of_text)
    ).one_or_none()
    # Looked at first: who lacks the key can neither use the token nor, by using it, end the sign-in of who has it.
    if family is None or family.key_thumbprint not in (None, thumbprint):
        return None
    using = update(RefreshToken).where(of_text, RefreshToken.used_at.is_(None)).values(used_at=now)
    if session.connection().execute(using.returning(RefreshToken.id)).first() is None:
        grants.revoke(session, TokenFamily.id == family.id, now)
        log.warning("a refresh token of sign-in %d came twice; the sign-in has ended", family.id)
        raise Reused
    return family if stands(session, family.id) else None


def refresh_token(session: Session, family_id: int, now: datetime) -> str:
    """The next refresh token of a sign-in; only its hash is kept, and those of the last ones before it."""
    text = REFRESH_PREFIX + secrets.token_urlsafe(32)
    values = {"family_id": family_id, "token_hash": hashed(text), "made_at": now}
    mine = RefreshToken.family_id == family_id
    beyond = select(RefreshToken.id).where(mine).order_by(RefreshToken.id.desc()).offset(MOST_KNOWN_AGAIN).limit(1)
    session.connection().execute(delete(RefreshToken).where(mine, RefreshToken.id <= beyond.scalar_subquery()))
    session.connection().execute(insert(RefreshToken).values(values))
    return text


def access_token(session: Session, family: TokenFamily, now: datetime) -> str:
    """A signed token that says whose sign-in it is; after the commit, for nothing is kept of it."""
    issued = int(now.timestamp())
    claims: dict[str, Any] = {
        "iss": issuer(), "aud": issuer() + AUDIENCE, "sub": str(family.account_id), "org": family.organization_id,
        "fam": family.id, "jti": secrets.token_urlsafe(12), "iat": issued,
        "exp": issued + int(ACCESS_TOKEN_AGE.total_seconds()),
    }  # fmt: skip
    if family.key_thumbprint is not None:
        claims["cnf"] = {"jkt": family.key_thumbprint}
    return signing.sign(session, claims, now, kind=KIND)


def remove_old(session: Session, now: datetime) -> int:
    """Remove tokens and sign-ins that ended long ago, and count them; the worker's, now and then."""
    used = or_(RefreshToken.used_at < now - USED_KEPT, RefreshToken.made_at < now - IDLE_AGE)
    tokens = exists().where(RefreshToken.family_id == TokenFamily.id)
    over = or_(TokenFamily.revoked_at < now - ENDED_KEPT, and_(TokenFamily.made_at < now - IDLE_AGE, ~tokens))
    removed = rows_changed(session, delete(RefreshToken).where(used))
    return removed + rows_changed(session, delete(TokenFamily).where(over))


@dataclass(frozen=True, slots=True)
class Access:
    """What an access token says."""

    family_id: int
    account_id: int
    organization_id: int | None
    thumbprint: str | None
    issued_at: int
    ends_at: int


def read(session: Session, token: str, now: datetime) -> Access:
    """What an access token of ours says, while it lives; whether its sign-in still stands is asked apart.

    :raise TokenRefused: when it is none.
    """
    # A signature that was right once is right for ever, and checking it is the dearest part of a renewal.
    verified: dict[str, Access] = current_app.extensions.setdefault("access-tokens", {})
    access = verified.get(token) or _verified(session, token, now)
    if not access.issued_at - SKEW_S <= now.timestamp() < access.ends_at:
        verified.pop(token, None)
        raise signing.TokenRefused
    if len(verified) >= MOST_VERIFIED:
        verified.clear()
    verified[token] = access
    return access


def _verified(session: Session, token: str, now: datetime) -> Access:
    claims = signing.verify(session, token, now, kind=KIND)
    if claims.get("iss") != issuer() or claims.get("aud") != issuer() + AUDIENCE:
        raise signing.TokenRefused
    bound = claims.get("cnf", {}).get("jkt")
    return Access(claims["fam"], int(claims["sub"]), claims["org"], bound, claims["iat"], claims["exp"])


def issuer() -> str:
    """Who signs: the portal under the address that people use."""
    return cast(str, current_app.extensions["settings"].base_url)


def hashed(text: str) -> bytes:
    """What is kept of a token or a code that is random enough not to be guessed."""
    return hashlib.sha256(text.encode()).digest()
