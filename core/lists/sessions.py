"""What runs now, for the questions that end it and for whoever asks whose seat it is: one statement, in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, Row, func, select
from sqlalchemy.orm import Session

from core.dates import today
from core.leases import SAVE_WINDOW, Device, Lease, Station
from core.pages.words import day, ngettext, number, time
from models import Account, License, Member, Product

MOST = 5  # sessions that a question names; of more it says how many
MINUTES = int(SAVE_WINDOW.total_seconds()) // 60

_SESSIONS = (
    select(
        Lease.id, Lease.account_id, Lease.taken_at, Lease.borrowed_until, Lease.ending_at,
        Product.name.label("product"), Device.name.label("device"),
        func.coalesce(Account.name, Station.name).label("person"),
    )
    .join(License, License.id == Lease.license_id)
    .join(Product, Product.id == License.product_id)
    .join(Device, Device.id == Lease.device_id)
    .outerjoin(Account, Account.id == Lease.account_id)
    .outerjoin(Station, Station.id == Lease.station_id)
    .where(*Lease.LIVE)
    .order_by(Product.name, Lease.id)
)  # fmt: skip


def of_member(session: Session, organization_id: int, account_id: int | None, now: datetime) -> list[Row[Any]]:
    """What somebody runs in an organization, personal licenses left out."""
    return _read(session, (Lease.organization_id == organization_id) & (Lease.account_id == account_id), now)


def on_given_seats(session: Session, license_id: int, member_ids: Sequence[int], now: datetime) -> list[Row[Any]]:
    """What some members run on seats of a license that were given to them, not on such as anybody draws."""
    theirs = select(Member.account_id).where(Member.id.in_(member_ids))
    is_theirs = Lease.account_id.in_(theirs) & Lease.is_reserved
    return _read(session, (Lease.license_id == license_id) & is_theirs, now)


def on_license(
    session: Session, organization_id: int | None, license_id: int, now: datetime, most: int
) -> list[Row[Any]]:
    """Who uses a license of an organization now, the first of them; nobody who still saves on it for its last owner."""
    here = (Lease.license_id == license_id) & (Lease.organization_id == organization_id)
    return _read(session, here, now, most)


def _read(session: Session, which: ColumnElement[bool], now: datetime, most: int | None = None) -> list[Row[Any]]:
    session.flush()
    return list(session.connection().execute(_SESSIONS.where(which, Lease.expires_at > now).limit(most)))


def consequences(rows: Sequence[Row[Any]], now: datetime, zone: str, *, with_names: bool = False) -> list[str]:
    """What a session's end means, a sentence each: “Draft Pro on WS-14, since 10:35, keeps working …”."""
    named = [_consequence(row, now, zone, with_names) for row in rows[:MOST]]
    rest = len(rows) - MOST
    more = ngettext("%(num)s more session ends like these.", "%(num)s more sessions end like these.", rest)
    return [*named, more] if rest > 0 else named


def _consequence(row: Row[Any], now: datetime, zone: str, with_name: bool) -> str:
    words = {"product": row.product, "device": row.device, "since": since(row.taken_at, now, zone)}
    if with_name:
        words["product"] = _("%(product)s of %(name)s", product=row.product, name=row.person)
    if row.borrowed_until is not None and row.borrowed_until > now:
        words["day"] = day(row.borrowed_until)
        return str(_("%(product)s on %(device)s is borrowed and cannot be called back: held until %(day)s.", **words))
    if row.ending_at is not None:
        words["time"] = time(row.ending_at)
        return str(_("%(product)s on %(device)s, since %(since)s, ends at %(time)s already.", **words))
    words["minutes"] = str(MINUTES)
    return str(_("%(product)s on %(device)s, since %(since)s, keeps working for %(minutes)s minutes to save.", **words))


def said(rows: Sequence[Row[Any]], now: datetime) -> str:
    """What was ended just now, in one sentence for a message."""
    running = [row for row in rows if row.borrowed_until is None or row.borrowed_until <= now]
    if len(running) == 1:
        words = {"product": running[0].product, "device": running[0].device, "minutes": MINUTES}
        return str(_("%(product)s on %(device)s keeps working for %(minutes)s minutes to save.", **words))
    if not running:
        return ""
    words = {"num": number(len(running)), "minutes": MINUTES}
    return str(_("%(num)s sessions keep working for %(minutes)s minutes to save.", **words))


def users(rows: Sequence[Row[Any]], now: datetime, zone: str) -> list[tuple[str, str]]:
    """Who uses a license now: the name, and what else there is to say."""
    return [(row.person, _user(row, now, zone)) for row in rows]


def _user(row: Row[Any], now: datetime, zone: str) -> str:
    words = {"device": row.device, "since": since(row.taken_at, now, zone)}
    if row.borrowed_until is not None and row.borrowed_until > now:
        return str(_("%(device)s, borrowed until %(day)s", device=row.device, day=day(row.borrowed_until)))
    if row.ending_at is not None:
        return str(_("%(device)s, since %(since)s, ends at %(time)s", time=time(row.ending_at), **words))
    return str(_("%(device)s, since %(since)s", **words))


def since(moment: datetime, now: datetime, zone: str) -> str:
    """When something began: the time of a moment of today, else its day."""
    return time(moment) if today(moment, zone) == today(now, zone) else day(moment)
