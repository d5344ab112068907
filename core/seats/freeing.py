"""Freeing seats: given back, expired, ended; a freed seat goes to the next copy of its holder, then to the queue.

The license's row is locked before any of its leases changes, so that two who end the same lease count it once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, case, delete, func, or_, select, update
from sqlalchemy.orm import Session

from core.leases import EXPIRED, LINE_EXPIRED, OFFER, QUEUE_PATIENCE, Lease, Ticket
from models import License, PermissionKey


def lock(session: Session, license_id: int) -> None:
    """Let nobody else count this license's seats until the transaction ends; SQLite has one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(License.id).where(License.id == license_id).with_for_update())


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
        kept = _passed_on(session, license_id, [row.holder for row in freed]) if copies else set()
        _count_down(session, license_id, [row for row in freed if row.holder not in kept])
    return ended


def sweep(session: Session, license_id: int, now: datetime) -> int:
    """End what gave no sign of life in time, or whose window is over; returns how many leases and offers ended."""
    reason = case(
        (Lease.ending_reason.is_not(None), Lease.ending_reason),  # also when it fell silent within its window
        (_line_ended(license_id, now), LINE_EXPIRED),
        else_=EXPIRED,
    )
    lock(session, license_id)
    ended = end(session, license_id, is_over(now), reason, now)
    return len(ended) + forget_offers(session, license_id, now)


def is_over(now: datetime) -> ColumnElement[bool]:
    """Whether a live lease is dead: it said nothing in time, or its window is over."""
    return or_(Lease.expires_at <= now, and_(Lease.ending_at.is_not(None), Lease.ending_at <= now))


def forget_offers(session: Session, license_id: int, now: datetime) -> int:
    """Take back the seats that were held for people who did not come for them."""
    late = delete(Ticket).where(Ticket.license_id == license_id, Ticket.offered_until <= now)
    gone = _run(session, late.returning(Ticket.id))
    if gone:
        _subtract(session, license_id, len(gone), 0)
    return len(gone)


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
    waits = (
        select(Ticket.id)
        .join(License, License.id == license_id)
        .join(PermissionKey, PermissionKey.id == License.key_id)
        .where(
            Ticket.organization_id == PermissionKey.organization_id, Ticket.product_id == License.product_id,
            Ticket.license_id.is_(None), Ticket.polled_at > now - QUEUE_PATIENCE,
        )
        .order_by(Ticket.id)
        .limit(1)
        .with_for_update(of=Ticket)
    )  # fmt: skip
    ticket_id = session.scalar(waits)
    if ticket_id is None or take_open(session, license_id) is None:
        return None
    _run(session, update(Ticket).where(Ticket.id == ticket_id).values(license_id=license_id, offered_until=now + OFFER)
         .returning(Ticket.id))  # fmt: skip
    return ticket_id


def take_open(session: Session, license_id: int) -> Row[Any] | None:
    """Count one more open seat in use, in one statement; None when none is free."""
    is_free = and_(
        License.in_use < License.seats, License.in_use - License.reserved_in_use < License.seats - License.reserved
    )
    taking = update(License).where(License.id == license_id, is_free).values(in_use=License.in_use + 1)
    return one(session, taking.returning(License.in_use, License.seats))


def take_reserved(session: Session, license_id: int) -> Row[Any] | None:
    """Count one more seat in use that was given or kept for its holder; None when even those are all in use."""
    taking = update(License).where(License.id == license_id, License.in_use < License.seats)
    taking = taking.values(in_use=License.in_use + 1, reserved_in_use=License.reserved_in_use + 1)
    return one(session, taking.returning(License.in_use, License.seats))


def _passed_on(session: Session, license_id: int, holders: Sequence[str]) -> set[str]:
    """Let another running copy of the same holder take the seat over; the holders who had one."""
    heir = (
        select(func.min(Lease.id))
        .where(Lease.license_id == license_id, *Lease.LIVE, Lease.holder.in_(holders))
        .group_by(Lease.holder)
    )
    passing = update(Lease).where(Lease.id.in_(heir)).values(takes_seat=True)
    return {row.holder for row in _run(session, passing.returning(Lease.holder))}


def _count_down(session: Session, license_id: int, freed: Sequence[Row[Any]]) -> None:
    if freed:
        _subtract(session, license_id, len(freed), sum(row.is_reserved for row in freed))


def _subtract(session: Session, license_id: int, seats: int, reserved: int) -> None:
    counting = update(License).where(License.id == license_id)
    counting = counting.values(in_use=License.in_use - seats, reserved_in_use=License.reserved_in_use - reserved)
    session.connection().execute(counting)


def _line_ended(license_id: int, now: datetime) -> ColumnElement[bool]:
    return select(License.id).where(License.id == license_id, License.ends_at <= now).exists()


def _run(session: Session, statement: Any) -> list[Row[Any]]:
    return list(session.connection().execute(statement))


def one(session: Session, statement: Any) -> Row[Any] | None:
    """The first row of a statement that is sent as it is."""
    return session.connection().execute(statement).first()
