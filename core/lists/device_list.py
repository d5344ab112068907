"""The list of a person's devices, prepared: last seen, what runs, whether programs are signed in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import gettext as _
from sqlalchemy.orm import Session

from core.lists.running_words import Words
from core.seats import devices

#: How systems are called; others as the program says.
SYSTEMS = {"windows": "Windows", "linux": "Linux", "macos": "macOS", "darwin": "macOS", "ios": "iOS",
           "android": "Android"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One device as its row shows it."""

    id: int
    name: str
    about: str
    seen: str
    runs: list[str]


@dataclass(frozen=True, slots=True)
class SignIn:
    """A program that is signed in and has not asked for a seat."""

    id: int
    name: str
    at: str


def rows(session: Session, account_id: int, now: datetime, zone: str) -> list[Row]:
    """The person's devices, the one seen last first."""
    words, runs = Words(now, zone), _running(session, account_id, now, zone)
    return [
        Row(row.id, row.name, _about(row.os, row.sign_ins), words.ago(row.seen_at), runs.get(row.id, []))
        for row in devices.mine(session, account_id)
    ]


def sign_ins(session: Session, account_id: int, now: datetime, zone: str) -> list[SignIn]:
    """The person's programs that are signed in and have not run yet."""
    words = Words(now, zone)
    return [SignIn(row.id, row.client_name, words.ago(row.made_at)) for row in devices.unused(session, account_id)]


def running_on(session: Session, account_id: int, device_id: int) -> list[str]:
    """The products that run on one device."""
    return [row.product for row in devices.running(session, account_id) if row.device_id == device_id]


def places(session: Session, account_id: int, organization_id: int | None, now: datetime, zone: str) -> dict[int, str]:
    """Where the organization's products run for a person, by the product's id."""
    words, found = Words(now, zone), dict[int, list[str]]()
    for row in devices.running(session, account_id) if organization_id is not None else ():
        if row.organization_id == organization_id:
            found.setdefault(row.product_id, []).append(_place(row, words))
    return {product_id: " · ".join(lines) for product_id, lines in found.items()}


def _place(row: Any, words: Words) -> str:
    if row.borrowed_until is not None and row.borrowed_until > words.now:
        return str(_("Borrowed on %(device)s until %(day)s", device=row.device, day=words.clock(row.borrowed_until)))
    return str(_("Running on %(device)s since %(time)s", device=row.device, time=words.clock(row.taken_at)))


def _running(session: Session, account_id: int, now: datetime, zone: str) -> dict[int, list[str]]:
    words, borrowed = Words(now, zone), _("%(product)s, borrowed until %(day)s")
    found: dict[int, list[str]] = {}
    for row in devices.running(session, account_id):
        text = row.product
        if row.borrowed_until is not None and row.borrowed_until > now:
            text = borrowed % {"product": row.product, "day": words.clock(row.borrowed_until)}
        found.setdefault(row.device_id, []).append(text)
    return found


def _about(system: str, sign_ins: int) -> str:
    state = _("signed in") if sign_ins else _("signed out")
    return " · ".join(filter(None, (SYSTEMS.get(system.lower(), system), state)))
