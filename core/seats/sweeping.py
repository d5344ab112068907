"""What ends by itself. Nobody's answer depends on it: who asks for a seat ends dead leases on the way."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from core.leases import QUEUE_PATIENCE, Lease, Ticket
from core.meta import Meta
from core.seats import freeing
from models import License, rows_changed

AWAY = timedelta(seconds=30)  # of silence, and nobody could renew
GONE_KEPT = timedelta(hours=1)  # so long a program that slept still finds how its launch stands


def sweep_due(session: Session, now: datetime) -> int:
    """End every lease and offer that is over, license by license, and serve who waits; returns how many. Commits."""
    dead = select(Lease.license_id).where(*Lease.LIVE, freeing.is_over(now))
    late = select(Ticket.license_id).where(Ticket.offered_until <= now)
    ended = 0
    for license_id in sorted(session.scalars(dead.union(late))):
        ended += freeing.sweep(session, license_id, now)
        freeing.serve_queue(session, license_id, now)
        session.commit()
    return ended


def remove_gone(session: Session, now: datetime) -> int:
    """Remove the places of those who left the queue without a word, and count them; the worker's, now and then."""
    silent = (Ticket.license_id.is_(None), Ticket.polled_at <= now - QUEUE_PATIENCE - GONE_KEPT)
    return rows_changed(session, delete(Ticket).where(*silent))


def forgive(session: Session, now: datetime) -> timedelta:
    """Add the time in which no process lived to what would have ended meanwhile; returns it. Commits.

    A borrowed seat keeps its day, and no lease outlives its license.
    """
    alive = select(Meta.last_alive).with_for_update()
    last = session.scalar(alive)
    gap = now - last if last is not None else timedelta()
    if last is not None and gap > AWAY:
        _extend(session, last, gap)
    session.execute(update(Meta).values(last_alive=now))
    session.commit()
    return gap if gap > AWAY else timedelta()


def _extend(session: Session, last: datetime, gap: timedelta) -> None:
    was_alive = and_(*Lease.LIVE, Lease.borrowed_until.is_(None), Lease.expires_at > last,
                     or_(Lease.ending_at.is_(None), Lease.ending_at > last))  # fmt: skip
    rows = session.execute(
        select(Lease.id, Lease.expires_at, Lease.ending_at, License.ends_at)
        .join(License, License.id == Lease.license_id)
        .where(was_alive)
    ).all()
    changed = [
        {
            "id": row.id,
            "expires_at": min(filter(None, (row.expires_at + gap, row.ends_at))),
            "ending_at": row.ending_at and row.ending_at + gap,
        }
        for row in rows
    ]
    if changed:
        session.execute(update(Lease), changed)
    for ticket in session.scalars(
        select(Ticket).where(func.coalesce(Ticket.offered_until, Ticket.polled_at) > last - AWAY)
    ):
        ticket.polled_at += gap
        ticket.offered_until = ticket.offered_until and ticket.offered_until + gap
