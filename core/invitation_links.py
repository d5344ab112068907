"""Links of invitations: the mailed one proves the mailbox, the copied one does not; each opens one state of one row."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote

from flask import current_app

from core import tokens
from core.tokens import Purpose, TokenInvalid

EVER = timedelta(days=36500)  # the row knows when a link is over, and whom a dead one made is asked, too


@dataclass(frozen=True, slots=True)
class Opened:
    """What a genuine link names; whether the row still has this nonce is the caller's to ask."""

    member_id: int
    nonce: str
    is_mailed: bool


def copied(member_id: int, nonce: str) -> str:
    """A link to hand over by another way than mail."""
    settings = current_app.extensions["settings"]
    token = tokens.make(settings.secret_key, Purpose.INVITATION_COPY, nonce, member_id)
    return f"{settings.base_url}/invitations/{quote(token)}"


def opened(token: str) -> Opened | None:
    """What the token names; None when it was never made here."""
    secret_key = current_app.extensions["settings"].secret_key
    for purpose in (Purpose.INVITATION, Purpose.INVITATION_COPY):
        with contextlib.suppress(TokenInvalid):
            return Opened(*tokens.read(secret_key, purpose, token, EVER), purpose is Purpose.INVITATION)
    return None
