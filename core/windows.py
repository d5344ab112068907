"""Save windows: what people run ends when there was time to save, and what they wait or ask for is dropped.

The domain calls this when a right ends. Locks: an organization first, then licenses in the order of their ids, then
leases and tickets. A program takes no lock of an organization, and asks again for its right at every renewal.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    and_,
    case,
    column,
    delete,
    false,
    func,
    literal,
    null,
    or_,
    select,
    table,
    update,
)
from sqlalchemy.orm import Session

from core.dates import LicenseType
from core.db import Instant
from core.leases import (
    BLOCKED,
    DISABLED,
    LEFT,
    LINE_EXPIRED,
    REMOVED,
    SAVE_WINDOW,
    STATION_REVOKED,
    WITHDRAWN,
    AccessRequest,
    Lease,
    Ticket,
)  # fmt: skip

Which = ColumnElement[bool]
#: With these a reservation ends too: from then on the seat counts among the open ones.
GIVES_UP = (DISABLED, REMOVED, LEFT, WITHDRAWN)
#: With these the program is signed out and cannot renew: the seat is held for it while it saves.
SIGNS_OUT = (REMOVED, LEFT, BLOCKED, STATION_REVOKED)
# What is counted of a license; the domain's own class stands above this module.
_license = table(
    "license", column("id"), column("type"), column("ends_at", Instant()), column("in_use"), column("reserved_in_use")
)
_kind = _license.alias()
FLOATING = [each.value for each in LicenseType if each.is_floating]


def wind_down(session: Session, which: Which, reason: str, now: datetime, *, waits: Which | None = None) -> None:
    """Let those live leases end that a condition names, when there was time to save; `waits` names who stops waiting.

    A window that runs already keeps the earlier end, and none goes beyond the end of its license. A borrowed seat
    is held until its day.
    """
    session.flush()
    gives_up = and_(which, _is_reserved()) if reason in GIVES_UP else None
    lock(session, which, waits)
    if gives_up is not None or waits is not None:
        _count_back(session, gives_up, waits)
    _begin(session, which, gives_up, reason, now)
    if waits is not None:
        session.connection().execute(delete(Ticket).where(waits))


def go_on(session: Session, which: Which, reason: str, now: datetime) -> None:
    """Take those windows back that were opened for a reason that is gone."""
    mine = (*Lease.LIVE, which, Lease.ending_reason == reason, Lease.ending_at > now)
    lifting = update(Lease).where(*mine).values(ending_at=None, ending_reason=None, ending_message="")
    session.flush()
    session.connection().execute(lifting)


def call_back(session: Session, which: Which) -> None:
    """Make borrowed leases of ordinary ones, so that they end with a window like these."""
    session.connection().execute(update(Lease).where(*Lease.LIVE, which).values(borrowed_until=None))


def take_offers_back(session: Session, license_ids: list[int]) -> None:
    """Hold no seat of these licenses for anybody; whoever waited keeps his place in the queue."""
    offered = Ticket.license_id.in_(license_ids)
    session.flush()
    # Not only those with an offer: a seat that is given back now would be offered behind our back.
    _lock(session, license_ids)
    _count_back(session, None, offered)
    session.connection().execute(update(Ticket).where(offered).values(license_id=None, offered_until=None))


def end_with_license(session: Session, license_ids: list[int], now: datetime) -> None:
    """Let no lease outlive its license, whose end has moved: a nearer end opens a window, a later one takes it back."""
    which = Lease.license_id.in_(license_ids)
    ends = _ends_at()
    capped = update(Lease).where(*Lease.LIVE, which, Lease.expires_at > ends)
    borrowed = case((Lease.borrowed_until > ends, ends), else_=Lease.borrowed_until)
    session.flush()
    lock(session, which, None)
    session.connection().execute(capped.values(expires_at=ends, borrowed_until=borrowed))
    go_on(session, and_(which, or_(ends.is_(None), ends > now + SAVE_WINDOW)), LINE_EXPIRED, now)
    wind_down(session, and_(which, ends <= now + SAVE_WINDOW), LINE_EXPIRED, now)


def drop_requests(session: Session, organization_id: int, account_id: int, now: datetime) -> None:
    """Close what somebody has asked the administrators for."""
    his = (AccessRequest.organization_id == organization_id, AccessRequest.account_id == account_id)
    dropping = update(AccessRequest).where(*his, AccessRequest.closed_at.is_(None))
    session.connection().execute(dropping.values(closed_at=now, outcome="dropped"))


def lock(session: Session, which: Which, waits: Which | None) -> None:
    """Let nobody else count the seats that leases and tickets are about; SQLite has one writer anyway."""
    ids: Any = select(Lease.license_id).where(*Lease.LIVE, which)
    if waits is not None:
        ids = ids.union(select(Ticket.license_id).where(waits))
    _lock(session, ids)


def _lock(session: Session, ids: Any) -> None:
    if session.get_bind().dialect.name == "postgresql":
        locking = select(_license.c.id).where(_license.c.id.in_(ids)).order_by(_license.c.id).with_for_update()
        session.connection().execute(locking)


def _begin(session: Session, which: Which, gives_up: Which | None, reason: str, now: datetime) -> None:
    at = literal(now + SAVE_WINDOW, Instant())
    until = case((_ends_at() < at, _ends_at()), else_=at)
    is_here = or_(Lease.borrowed_until.is_(None), Lease.borrowed_until <= now)
    begins = and_(is_here, Lease.expires_at > now, or_(Lease.ending_at.is_(None), Lease.ending_at > until))
    values: dict[str, Any] = {
        "ending_at": case((begins, until), else_=Lease.ending_at),
        "ending_reason": case((begins, reason), else_=Lease.ending_reason),
        "ending_message": case((begins, ""), else_=Lease.ending_message),
    }
    if reason in SIGNS_OUT:
        values["expires_at"] = case((begins, until), else_=Lease.expires_at)
    if gives_up is not None:
        values["is_reserved"] = case((gives_up, false()), else_=Lease.is_reserved)
        values["permission_id"] = case((gives_up, null()), else_=Lease.permission_id)
    session.connection().execute(update(Lease).where(*Lease.LIVE, which).values(values))


def _count_back(session: Session, gives_up: Which | None, waits: Which | None) -> None:
    """Count the seats of offers as free, and those of reservations that end as open."""
    held = and_(*Lease.LIVE, gives_up if gives_up is not None else false())
    ids: Any = select(Lease.license_id).where(held)
    values = {_license.c.reserved_in_use: _license.c.reserved_in_use - _number(Lease, and_(held, Lease.takes_seat))}
    if waits is not None:
        ids = ids.union(select(Ticket.license_id).where(waits, Ticket.license_id.is_not(None)))
        values[_license.c.in_use] = _license.c.in_use - _number(Ticket, waits)
    session.connection().execute(update(_license).where(_license.c.id.in_(ids)).values(values))


def _number(of: type[Lease] | type[Ticket], which: Which) -> ScalarSelect[int]:
    query = select(func.count()).select_from(of).where(of.license_id == _license.c.id, which)
    return query.correlate(_license).scalar_subquery()


def _is_reserved() -> Which:
    """Whether a lease is on a seat that is kept for its person, of many that are open to others."""
    floating = select(_kind.c.id).where(_kind.c.type.in_(FLOATING))
    return and_(Lease.is_reserved, Lease.license_id.in_(floating))


def _ends_at() -> ScalarSelect[datetime]:
    return select(_kind.c.ends_at).where(_kind.c.id == Lease.license_id).correlate(Lease).scalar_subquery()
