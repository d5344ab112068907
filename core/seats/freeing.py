"""Freeing seats: given back, expired, ended; a freed seat goes to the next copy of its holder, then to the queue.

The license's row is locked before any of its leases changes, so that two who end the same lease count it once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, case, delete, exists, func, or_, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, aliased

from core.db import Instant
from core.leases import BY_ADMIN, COOL_DOWN, EXPIRED, LINE_EXPIRED, OFFER, QUEUE_PATIENCE, Lease, Station, Ticket
from models import License, Member, PermissionKey

DEADLOCK = "40P01"


def is_alone(session: Session) -> bool:
    """Whether nobody else writes while this transaction does: so it is on SQLite."""
    return session.get_bind().dialect.name != "postgresql"


def lock(session: Session, license_id: int) -> None:
    """Let nobody else count this license's seats until the transaction ends; SQLite has one writer anyway."""
    if not is_alone(session):
        session.execute(select(License.id).where(License.id == license_id).with_for_update(key_share=True))


def check_met(error: Exception) -> None:
    """Let pass that two met, which a second try mends; PostgreSQL ends one of two that wait for each other.

    :raise OperationalError: anything else that the database says.
    """
    if isinstance(error, OperationalError) and getattr(error.orig, "sqlstate", None) != DEADLOCK:
        raise error


def hold(session: Session, lease_id: int) -> bool:
    """Keep a lease from ending until this transaction has; False when it has ended already."""
    # Its license first, as everywhere. Both are locked, so of both PostgreSQL reads what is true after the wait.
    alive = select(Lease.id).join(License, License.id == Lease.license_id).where(Lease.id == lease_id, *Lease.LIVE)
    return session.scalar(alive.with_for_update(of=[License, Lease], key_share=True)) is not None


def end(
    session: Session, license_id: int, which: ColumnElement[bool], reason: Any, now: datetime, *, copies: bool = True
) -> list[Row[Any]]:
    """End those live leases of a license that a condition names, and free their seats; returns what really ended.

    The license is locked by the caller, who may know that no holder has another copy running.
    """
    ending = update(Lease).where(Lease.license_id == license_id, *Lease.LIVE, which)
    ending = ending.values(ended_at=now, ended_reason=reason)
    ended = _run(session, ending.returning(Lease.id, Lease.holder, Lease.takes_seat, Lease.is_reserved))
    freed = [row for row in ended if row.takes_seat]
    if freed:
        kept = _passed_on(session, license_id, freed) if copies else set()
        _count_down(session, license_id, [row for row in freed if row.holder not in kept])
    return ended


def sweep(session: Session, license_id: int, now: datetime) -> int:
    """End what gave no sign of life in time, or whose window is over; returns how many leases and offers ended."""
    line_ended = _line_ended(license_id, now)
    reason = case(
        (Lease.ending_reason.is_not(None), Lease.ending_reason),  # also when it fell silent within its window
        (line_ended, LINE_EXPIRED),
        else_=EXPIRED,
    )
    lock(session, license_id)
    ended = end(session, license_id, or_(is_over(now), _is_beyond(line_ended, now)), reason, now)
    return len(ended) + forget_offers(session, license_id, now)


def is_over(now: datetime, lease: Any = Lease) -> ColumnElement[bool]:
    """Whether a live lease is dead: it said nothing in time, or its window is over."""
    return or_(lease.expires_at <= now, and_(lease.ending_at.is_not(None), lease.ending_at <= now))


def forget_offers(session: Session, license_id: int, now: datetime) -> int:
    """Take back the seats that were held for people who did not come for them."""
    late = delete(Ticket).where(Ticket.license_id == license_id, Ticket.offered_until <= now)
    gone = _run(session, late.returning(Ticket.id))
    if gone:
        _subtract(session, license_id, len(gone), 0)
    return len(gone)


def leave_queue(session: Session, ticket_id: int, now: datetime) -> None:
    """Give up a place in the queue, and the seat that is held for it."""
    leaving = delete(Ticket).where(Ticket.id == ticket_id).returning(Ticket.license_id)
    if (offered := session.connection().execute(leaving).scalar()) is not None:
        release_offer(session, offered, now)


def release_offer(session: Session, license_id: int, now: datetime) -> None:
    """Take back the seat that was held for somebody who got another one; the next in the queue may have it."""
    _subtract(session, license_id, 1, 0)
    offer(session, license_id, now)


def serve_queue(session: Session, license_id: int, now: datetime) -> list[int]:
    """Hold free open seats for those who wait, in their order; returns their tickets."""
    served: list[int] = []
    while (ticket_id := offer(session, license_id, now)) is not None:
        served.append(ticket_id)
    return served


def offer(session: Session, license_id: int, now: datetime) -> int | None:
    """Hold a free open seat for the first in the queue, and return his ticket; None when there is no such two."""
    times = {"now": now, "patient": now - QUEUE_PATIENCE, "cool": now - COOL_DOWN}
    first = one(session, FIRST, license_id=license_id, **times)
    if first is None or take_open(session, license_id) is None:
        return None
    session.connection().execute(HOLD, {"ticket_id": first.id, "held_license_id": license_id, "until": now + OFFER})
    return int(first.id)


def take_open(session: Session, license_id: int) -> Row[Any] | None:
    """Count one more open seat in use, in one statement; None when none is free."""
    return one(session, TAKE_OPEN, license_id=license_id)


def take_reserved(session: Session, license_id: int) -> Row[Any] | None:
    """Count one more seat in use that was given or kept for its holder; None when even those are all in use."""
    return one(session, TAKE_RESERVED, license_id=license_id)


def has_dead(session: Session, license_id: int, now: datetime) -> bool:
    """Whether a sweep of a license, which has not ended itself, would end anything."""
    return bool(session.connection().execute(HAS_DEAD, {"license_id": license_id, "now": now}).scalar())


def _passed_on(session: Session, license_id: int, freed: Sequence[Row[Any]]) -> set[str]:
    """Let another running copy of the same holder take the seat over, as it is; the holders who had one."""
    heir = (
        select(func.min(Lease.id))
        .where(Lease.license_id == license_id, *Lease.LIVE, Lease.holder.in_([row.holder for row in freed]))
        .group_by(Lease.holder)
    )
    is_reserved = Lease.holder.in_([row.holder for row in freed if row.is_reserved])
    passing = update(Lease).where(Lease.id.in_(heir)).values(takes_seat=True, is_reserved=is_reserved)
    return {row.holder for row in _run(session, passing.returning(Lease.holder))}


def _count_down(session: Session, license_id: int, freed: Sequence[Row[Any]]) -> None:
    if freed:
        _subtract(session, license_id, len(freed), sum(row.is_reserved for row in freed))


def _subtract(session: Session, license_id: int, seats: int, reserved: int) -> None:
    counting = update(License).where(License.id == license_id)
    counting = counting.values(in_use=License.in_use - seats, reserved_in_use=License.reserved_in_use - reserved)
    session.connection().execute(counting)


def _is_beyond(line_ended: ColumnElement[bool], now: Any) -> ColumnElement[bool]:
    # Its end may have been moved to before the lease's; what is borrowed cannot be called back.
    return and_(line_ended, or_(Lease.borrowed_until.is_(None), Lease.borrowed_until <= now))


def _line_ended(license_id: Any, now: Any) -> ColumnElement[bool]:
    return select(License.id).where(License.id == license_id, License.ends_at <= now).exists()


def _run(session: Session, statement: Any) -> list[Row[Any]]:
    return list(session.connection().execute(statement))


def one(session: Session, statement: Any, **values: Any) -> Row[Any] | None:
    """The first row of a statement that is sent as it is."""
    return session.connection().execute(statement, values).first()


# Made once: what every check-out sends.
_id: Any = bindparam("license_id")
_now: Any = bindparam("now", type_=Instant())
_COUNTED = License.in_use, License.seats
COUNTS = select(*_COUNTED).where(License.id == _id)
#: As far as anybody knows when nothing is renewed; a copy that inherits the seat keeps it longer.
RELEASE = func.min(case((Lease.ending_at < Lease.expires_at, Lease.ending_at), else_=Lease.expires_at))
FULL = select(
    License.in_use,
    select(RELEASE)
    .where(Lease.license_id == License.id, *Lease.LIVE, Lease.takes_seat)
    .scalar_subquery()
    .label("next_release"),
).where(License.id == _id)
TAKE_OPEN = (
    update(License)
    .where(
        License.id == _id, License.in_use < License.seats,
        License.in_use - License.reserved_in_use < License.seats - License.reserved,
    )
    .values(in_use=License.in_use + 1)
    .returning(*_COUNTED)
)  # fmt: skip
TAKE_RESERVED = (
    update(License)
    .where(License.id == _id, License.in_use < License.seats)
    .values(in_use=License.in_use + 1, reserved_in_use=License.reserved_in_use + 1)
    .returning(*_COUNTED)
)
_alive = Lease.license_id == _id, *Lease.LIVE
# The first end, not whether there is one: PostgreSQL would look for any from the table's beginning.
HAS_DEAD = select(
    or_(
        select(func.min(Lease.expires_at)).where(*_alive).scalar_subquery() <= _now,
        select(func.min(Lease.ending_at)).where(*_alive).scalar_subquery() <= _now,
        exists().where(Ticket.license_id == _id, Ticket.offered_until <= _now),
    )
)


def _first() -> Select[int]:
    """The first in the queue for a license's product who may take what he would be offered."""
    now, cool = _now, bindparam("cool", type_=Instant())
    enabled = exists().where(
        Member.account_id == Ticket.account_id, Member.organization_id == Ticket.organization_id,
        Member.confirmed_at.is_not(None), Member.disabled_at.is_(None), Member.ended_at.is_(None),
    )  # fmt: skip
    valid = exists().where(Station.id == Ticket.station_id, Station.revoked_at.is_(None))
    is_live = and_(
        PermissionKey.revoked_at.is_(None), or_(License.starts_at.is_(None), License.starts_at <= now),
        or_(License.ends_at.is_(None), License.ends_at > now),
    )  # fmt: skip
    is_same = or_(Lease.account_id == Ticket.account_id, Lease.device_id == Ticket.device_id)
    cooling = exists().where(
        Lease.license_id == License.id, is_same, Lease.ending_reason == BY_ADMIN,
        or_(Lease.ended_at.is_(None), Lease.ended_at > cool),
    )  # fmt: skip
    # A second launch on a device will share the seat of the first; held for both, it would be kept from others.
    other = aliased(Ticket)
    has_one = exists().where(
        other.device_id == Ticket.device_id, other.product_id == Ticket.product_id, other.offered_until > now
    )
    return (
        select(Ticket.id)
        .join(License, License.id == _id)
        .join(PermissionKey, PermissionKey.id == License.key_id)
        .where(
            Ticket.organization_id == PermissionKey.organization_id, Ticket.product_id == License.product_id,
            Ticket.license_id.is_(None), Ticket.polled_at > bindparam("patient", type_=Instant()),
            or_(enabled, valid), is_live, ~cooling, ~has_one,
        )
        .order_by(Ticket.id)
        .limit(1)
        .with_for_update(of=Ticket, skip_locked=True)
    )  # fmt: skip


FIRST = _first()
HOLD = (
    update(Ticket)
    .where(Ticket.id == bindparam("ticket_id"))
    .values(license_id=bindparam("held_license_id"), offered_until=bindparam("until", type_=Instant()))
)
