"""Links in mail: a signed token per purpose, with an age of its own, bound to the nonce of a row."""

import hashlib
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from itsdangerous import BadData, TimestampSigner, URLSafeTimedSerializer
from itsdangerous.encoding import base64_decode, base64_encode

INVITATION_AGE = timedelta(days=14)
CONFIRM_AGE = timedelta(days=7)  # as long as an account waits: models.UNCONFIRMED_AGE
RESET_AGE = timedelta(hours=1)
CHANGE_EMAIL_AGE = timedelta(days=1)
SETUP_AGE = timedelta(days=1)

_LONGEST = 2048  # characters; ours have about 100


class TokenInvalid(Exception):
    """The token opens nothing: altered, expired, for another purpose, or no token; which is not told."""


class Purpose(StrEnum):
    """What a token is for; a token of one purpose is none for another."""

    INVITATION = "invitation"  # mailed: who follows it has the mailbox
    INVITATION_COPY = "invitation-copy"  # copied from the page: proves no mailbox
    CONFIRM = "confirm"
    RESET = "reset"
    CHANGE_EMAIL = "change-email"
    SETUP = "setup"

    @property
    def age(self) -> timedelta:
        """How long a link lives."""
        return _AGES[self]


_AGES = {
    Purpose.INVITATION: INVITATION_AGE,
    Purpose.INVITATION_COPY: INVITATION_AGE,
    Purpose.CONFIRM: CONFIRM_AGE,
    Purpose.RESET: RESET_AGE,
    Purpose.CHANGE_EMAIL: CHANGE_EMAIL_AGE,
    Purpose.SETUP: SETUP_AGE,
}


def make(secret_key: str, purpose: Purpose, nonce: str, ident: int, *, now: datetime | None = None) -> str:
    """Return a token that names a row and its nonce; it may stand in an address as it is."""
    return _serializer(secret_key, purpose, now).dumps([ident, nonce])


def read(
    secret_key: str, purpose: Purpose, token: str, max_age: timedelta | None = None, *, now: datetime | None = None
) -> tuple[int, str]:
    """Return the row's id and the nonce, which the caller compares with the row's; the age is the purpose's.

    :raise TokenInvalid: when the token is no living token of this purpose.
    """
    if not _is_canonical(token):
        raise TokenInvalid
    age = int((purpose.age if max_age is None else max_age).total_seconds())
    try:
        ident, nonce = _serializer(secret_key, purpose, now).loads(token, max_age=age)
    except (BadData, TypeError, ValueError):
        raise TokenInvalid from None
    # True is an int too, and no id.
    if type(ident) is not int or type(nonce) is not str:
        raise TokenInvalid
    return ident, nonce


def _is_canonical(token: str) -> bool:
    """Whether the token is written as it was made: base64 has several spellings for one signature."""
    if len(token) > _LONGEST or not token.isascii():
        return False
    signature = token.rpartition(".")[2]
    try:
        return base64_encode(base64_decode(signature)) == signature.encode()
    except BadData:
        return False


def _serializer(secret_key: str, purpose: Purpose, now: datetime | None) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(
        secret_key,
        salt=f"portal.{purpose.value}",
        signer=_Signer,
        # The library's defaults are SHA-1 and a derivation of its own.
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256, "now": now},
    )


class _Signer(TimestampSigner):
    def __init__(self, *args: Any, now: datetime | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._now = now

    def get_timestamp(self) -> int:
        return int((self._now or datetime.now(UTC)).timestamp())
