"""Codes of programs that wait for a person's approval (RFC 8628): shown, typed, approved or declined, used once."""

from __future__ import annotations

import hmac
import secrets
from datetime import datetime, timedelta
from typing import cast

from flask import current_app
from flask_babel import lazy_gettext as _l
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from core.errors import BadInput
from core.grants import DeviceCode
from core.oauth.families import hashed
from models import rows_changed

AGE = timedelta(minutes=10)
COLLECTED_WITHIN = timedelta(minutes=1)  # so that an answer in the last second still reaches the program
INTERVAL_S = 5  # between two questions of a program; so much more after each that came too soon
JITTER = timedelta(seconds=1)  # by which a program that waits long enough may seem too early
#: Consonants that look like no other letter and no digit, and make no words.
LETTERS = "BCDFGHJKLMNPQRTVWX"
LENGTH = 8  # 10¹⁰ codes, of which a person may try ten in a quarter of an hour
KEPT = timedelta(days=1)  # what became of a code, for a program that asks late


def new_user_code() -> str:
    """A code as it is read and typed."""
    return readable("".join(secrets.choice(LETTERS) for _letter in range(LENGTH)))


def keep(session: Session, device_code: str, user_code: str, now: datetime, **known: str | None) -> None:
    """Let a program wait for an answer; `known` are its names and the thumbprint of its key."""
    hashes = {"device_hash": hashed(device_code), "user_code_hash": _hidden(typed(user_code))}
    session.add(DeviceCode(made_at=now, expires_at=now + AGE, interval_s=INTERVAL_S, **hashes, **known))


def typed(text: str) -> str:
    """The code in what a person typed: any case, with or without the hyphen."""
    return "".join(c for c in text.upper() if c.isalnum())


def readable(text: str) -> str:
    """A code that a person typed, as it is read."""
    letters = typed(text)
    return f"{letters[: LENGTH // 2]}-{letters[LENGTH // 2 :]}"


def waiting(session: Session, text: str, now: datetime) -> DeviceCode:
    """The program that waits with this code, locked, so that nobody else answers it meanwhile.

    :raise BadInput: when none does; whether one ever did is not told.
    """
    open_ = (DeviceCode.account_id.is_(None), DeviceCode.denied_at.is_(None), DeviceCode.used_at.is_(None))
    query = select(DeviceCode).where(DeviceCode.user_code_hash == _hidden(typed(text)), *open_)
    found = session.scalars(query.where(DeviceCode.expires_at > now).with_for_update()).one_or_none()
    if found is None:
        raise BadInput(
            _l("No application waits with this code; after 10 minutes it shows a new one."), field="user_code"
        )
    return found


def approve(code: DeviceCode, account_id: int, organization_id: int | None, now: datetime) -> None:
    """Let the program in: for the organization, or without one for the person's own products."""
    code.account_id, code.organization_id = account_id, organization_id
    code.expires_at = max(code.expires_at, now + COLLECTED_WITHIN)


def decline(code: DeviceCode, now: datetime) -> None:
    """Keep the program out."""
    code.denied_at = now


def of_program(session: Session, device_code: str) -> DeviceCode | None:
    """The code that a program asks about."""
    return session.scalars(select(DeviceCode).where(DeviceCode.device_hash == hashed(device_code))).one_or_none()


def is_too_soon(code: DeviceCode, now: datetime) -> bool:
    """Note that the program asked; True when it should have waited, and has to wait longer from now on."""
    wait = timedelta(seconds=code.interval_s) - JITTER
    is_early = code.polled_at is not None and now - code.polled_at < wait
    code.polled_at = now
    if is_early:
        code.interval_s += INTERVAL_S
    return is_early


def take(session: Session, code: DeviceCode, now: datetime) -> bool:
    """Use an approved code up; False when somebody has used it, by a moment even."""
    taking = update(DeviceCode).where(DeviceCode.id == code.id, DeviceCode.used_at.is_(None))
    return rows_changed(session, taking.values(used_at=now)) == 1


def remove_old(session: Session, now: datetime) -> int:
    """Remove codes that nobody asks about any more, and count them; the worker's, now and then."""
    return rows_changed(session, delete(DeviceCode).where(DeviceCode.expires_at < now - KEPT))


def _hidden(user_code: str) -> bytes:
    # With a key of ours: a code is short, and all of them would be hashed in an hour.
    secret = cast(str, current_app.extensions["settings"].secret_key)
    return hmac.digest(secret.encode(), f"portal.user-code {user_code}".encode(), "sha256")
