"""What is free on licenses once all that is over has ended and whoever waits is served; nothing of it is done here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, case, exists, func, select
from sqlalchemy.orm import aliased

from core.leases import QUEUE_PATIENCE, Lease, Ticket
from core.seats import freeing
from core.seats.request import Request
from models import License


@dataclass(slots=True)
class Queue:
    """How many wait for a seat of the product; each open seat that is looked at serves one of them first."""

    waiting: int


@dataclass(slots=True)
class Room:
    """The seats of one license."""

    in_use: int
    kept: int  # free for whom a seat was given or reserved
    open: int  # free for whoever comes
    queue: Queue
    next_release: datetime | None  # of a seat that is in use

    def draw(self) -> bool:
        """Whether an open seat is left once those who wait have theirs."""
        served = max(0, min(self.open, self.queue.waiting))
        self.queue.waiting -= served
        self.in_use, self.kept, self.open = self.in_use + served, self.kept - served, self.open - served
        return self.open > 0


def rooms(request: Request) -> dict[int, Room]:
    """The room on each license of a question, in one statement; none where there is no license."""
    ids = [line.row.license_id for line in request.lines]
    if not ids:
        return {}
    over, reserved = _over(request), func.coalesce(func.sum(case((Lease.is_reserved, 1), else_=0)), 0)
    counted = select(
        License.id, License.seats, License.in_use, License.reserved, License.reserved_in_use,
        over.with_only_columns(func.count()).scalar_subquery().label("over"),
        over.with_only_columns(reserved).scalar_subquery().label("over_reserved"),
        _late(request).scalar_subquery().label("late"), _waiting(request).scalar_subquery().label("waiting"),
        _release(request).scalar_subquery().label("next_release"),
    ).where(License.id.in_(ids))  # fmt: skip
    rows = request.session.connection().execute(counted).all()
    queue = Queue(rows[0].waiting)
    return {row.id: _room(row, queue) for row in rows}


def _room(row: Row[Any], queue: Queue) -> Room:
    in_use = row.in_use - row.over - row.late
    drawn = in_use - (row.reserved_in_use - row.over_reserved)
    kept = row.seats - in_use
    return Room(in_use, kept, min(kept, row.seats - row.reserved - drawn), queue, row.next_release)


def _over(request: Request) -> Select[Any]:
    """The leases that take a seat, are over, and have no living copy to take it over."""
    copy = aliased(Lease)
    lives_on = exists().where(copy.license_id == Lease.license_id, copy.holder == Lease.holder, copy.id != Lease.id,
                              copy.ended_at.is_(None), ~freeing.is_over(request.now, copy))  # fmt: skip
    over = select(Lease.id).where(Lease.license_id == License.id, *Lease.LIVE, Lease.takes_seat)
    return over.where(freeing.is_over(request.now), ~lives_on).correlate(License)


def _release(request: Request) -> Select[Any]:
    alive = (*Lease.LIVE, Lease.takes_seat, ~freeing.is_over(request.now))
    return select(freeing.RELEASE).where(Lease.license_id == License.id, *alive).correlate(License)


def _late(request: Request) -> Select[Any]:
    """The seats that are held for somebody who did not come."""
    late = select(func.count()).select_from(Ticket)
    return late.where(Ticket.license_id == License.id, Ticket.offered_until <= request.now).correlate(License)


def _waiting(request: Request) -> Select[Any]:
    patient = request.now - QUEUE_PATIENCE
    waits = select(func.count()).select_from(Ticket)
    return waits.where(
        Ticket.organization_id == request.caller.organization_id, Ticket.product_id == request.facts.product_id,
        Ticket.license_id.is_(None), Ticket.polled_at > patient,
    )  # fmt: skip
