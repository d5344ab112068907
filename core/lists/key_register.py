"""The vendor's register of permission keys: searched, filtered by state, read page by page, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import joinedload

from core import keys
from core.dates import now, today
from core.db import db
from core.lists.license_states import ends_in
from core.pages.words import day as written_day
from core.pages.words import short_day, time
from core.people import me
from models import ENDS_SOON_DAYS, Account, License, Organization, PermissionKey

PAGE = 50
STATES = ("issued", "redeemed", "ended")


@dataclass(frozen=True, slots=True)
class Register:
    """One page of the register: prepared rows, how many there are in each state, and where the next page begins."""

    rows: list[dict[str, Any]]
    counts: dict[str, int]
    after: int | None


def find(q: str, state: str, after: int | None) -> Register:
    """The page of keys behind `after` that match a search and a state."""
    day = today(now(), me().shown_zone)
    searched = _search(q)
    query = select(PermissionKey).where(*searched, *_state(state, day)).order_by(PermissionKey.id.desc())
    query = query.options(joinedload(PermissionKey.organization), joinedload(PermissionKey.account)).limit(PAGE + 1)
    found = list(db.session.scalars(query if after is None else query.where(PermissionKey.id < after)).unique())
    rows = [row(key) for key in found[:PAGE]]
    return Register(rows, _counts(searched, day), found[PAGE - 1].id if len(found) > PAGE else None)


def _counts(searched: list[ColumnElement[bool]], day: date) -> dict[str, int]:
    each = [func.count().filter(and_(*_state(state, day))) for state in STATES]
    numbers = db.session.execute(select(func.count(), *each).select_from(PermissionKey).where(*searched)).one()
    return dict(zip(("", *STATES), numbers, strict=True))


def row(key: PermissionKey) -> dict[str, Any]:
    """What the table shows of a key."""
    day = today(now(), me().shown_zone)
    tone, word, is_open = badge(key, day)
    return {
        "id": key.id,
        "last_group": key.last_group,
        "items": [(each.seats, each.product.name, each.word) for each in key.licenses],
        "owner": key.owner_name,
        "is_personal": key.account_id is not None,
        "redeemed": key.redeemed_at and written_day(key.redeemed_at),
        "issued": _issued(key, day),
        "note": key.note,
        "tone": tone,
        "word": word,
        "is_open": is_open,
        "more": _revoked_line(key) or _empty_line(key),
        "is_revoked": key.revoked_at is not None,
        "is_redeemed": key.redeemed_at is not None,
    }


def badge(key: PermissionKey, day: date) -> tuple[str, str, bool]:
    """Tone, word, and whether the dot is a ring, of a key's state."""
    if key.revoked_at is not None:
        return "bad", _("Revoked"), False
    ends = [each.end_on for each in key.licenses]
    ahead = [end for end in ends if end is not None and end >= day]
    if not ahead and None not in ends:
        return "off", _("Expired"), True
    if key.redeemed_at is None:
        return "info", _("Issued"), True
    if ahead and (left := (min(ahead) - day).days) <= ENDS_SOON_DAYS:
        return "warn", ends_in(left), False
    return "ok", _("Redeemed"), False


def _issued(key: PermissionKey, day: date) -> str:
    if today(key.issued_at, me().shown_zone) == day:
        return str(_("Today, %(time)s", time=time(key.issued_at)))
    return written_day(key.issued_at)


def _revoked_line(key: PermissionKey) -> str:
    if key.revoked_at is None:
        return ""
    day = short_day(key.revoked_at)
    return f"{day}: {key.revoked_why}" if key.revoked_why else day


def _empty_line(key: PermissionKey) -> str:
    is_empty = key.redeemed_at is None and not any(each.seats for each in key.licenses)
    return str(_("It has no seats: nobody can redeem it.")) if is_empty else ""


def _search(q: str) -> list[ColumnElement[bool]]:
    text = q.strip()
    if not text:
        return []
    found = next((each.key for each in keys.find(text) if each.key), None)
    if found is not None:
        # The whole key is kept nowhere to be searched; only its hash finds it.
        return [PermissionKey.text_hash == keys.digest(found)]
    organization = select(Organization.id).where(Organization.name.icontains(text, autoescape=True))
    account = select(Account.id).where(Account.email_key.icontains(text, autoescape=True))
    return [
        or_(
            PermissionKey.organization_id.in_(organization),
            PermissionKey.account_id.in_(account),
            PermissionKey.note.icontains(text, autoescape=True),
            # Whoever reads a key's end aloud says O for 0.
            PermissionKey.last_group == keys.normalize(text)[-5:],
        )
    ]


def _state(state: str, day: date) -> list[ColumnElement[bool]]:
    # `ended`: withdrawn, or all that it holds is over.
    running = exists().where(License.key_id == PermissionKey.id, or_(License.end_on.is_(None), License.end_on >= day))
    alive, redeemed = PermissionKey.revoked_at.is_(None), PermissionKey.redeemed_at.is_not(None)
    conditions: dict[str, list[ColumnElement[bool]]] = {
        "issued": [alive, ~redeemed, running],
        "redeemed": [alive, redeemed, running],
        "ended": [or_(~alive, ~running)],
    }
    return conditions.get(state, [])
