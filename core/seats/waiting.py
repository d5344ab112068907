"""No seat now: a denial that is kept with its reason, and a place in the queue for whoever wants one."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, func, insert, select, update

from core.denials import Denied
from core.leases import QUEUE_PATIENCE, Denial, Device, Ticket
from core.seats import freeing, refusing
from core.seats.beginning import is_askers, note_day
from core.seats.request import Line, Queued, Request

DETAIL = 300  # characters of a denial's sentence that are kept
DAY, MOST_A_DAY = timedelta(days=1), 10_000  # denials of one credential: nobody fills the table


def queued_or_denied(request: Request, refusals: list[tuple[Line, Denied]], device_id: int) -> Queued:
    """A place in the queue; who cannot or will not wait is denied.

    :raise Denied: with the reason that the person can do most about.
    """
    full = any(refused.code == "no_seat_available" and line.is_floating for line, refused in refusals)
    is_noted = request.ticket_id is not None or not _has_many(request)
    waits = full and request.asking.queue and is_noted
    if request.ticket_id is None or not waits:
        refused = refusing.worst([each for _line, each in refusals] or [refusing.nothing(request)])
        if is_noted:
            _note_denial(request, refusals, refused, device_id)
        else:
            _forget(request, device_id)
        if not waits:
            leave(request)  # who may not, or will not, wait keeps nobody behind him waiting
            raise refused
    return Queued(_queue(request, device_id))


def leave(request: Request) -> None:
    """Give up the asker's place in the queue, and the seat that is held for him; the next one may have it."""
    if request.ticket_id is not None:
        request.settle()
        freeing.leave_queue(request.session, request.ticket_id, request.now)
        request.has_left = True


def _has_many(request: Request) -> bool:
    """Whether so many of the asker's denials are kept of the last day that one more tells nobody anything."""
    newest = (
        select(Denial.at).where(is_askers(request.caller)).order_by(Denial.id.desc()).offset(MOST_A_DAY - 1).limit(1)
    )
    at = request.session.scalar(newest)
    return at is not None and at > request.now - DAY


def _forget(request: Request, device_id: int) -> None:
    """Keep no device of a station that comes with a new one for every question."""
    if request.caller.station_id is not None and request.facts.device_id is None:
        request.session.connection().execute(delete(Device).where(Device.id == device_id))


def _note_denial(request: Request, refusals: list[tuple[Line, Denied]], refused: Denied, device_id: int) -> None:
    # What a seat of his own says is no business of the organization.
    is_own = any(each is refused and line.is_personal for line, each in refusals)
    made = insert(Denial).values(
        organization_id=None if is_own else request.caller.organization_id, product_id=request.facts.product_id,
        account_id=request.caller.account_id, station_id=request.caller.station_id, device_id=device_id,
        uuid=request.asking.uuid, code=refused.code, detail=str(refused.message)[:DETAIL], at=request.now,
    )  # fmt: skip
    request.session.connection().execute(made)
    for line, each in refusals:
        if each is refused:
            note_day(request, line, denials=1)


def _queue(request: Request, device_id: int) -> int:
    """Note that the asker waits, once, and where in the queue he stands."""
    request.settle()
    ticket_id = _same_place(request) or _last_place(request, device_id)
    ahead = select(func.count()).select_from(Ticket).where(
        Ticket.organization_id == request.caller.organization_id, Ticket.product_id == request.facts.product_id,
        Ticket.id <= ticket_id, Ticket.polled_at > request.now - QUEUE_PATIENCE,
    )  # fmt: skip
    return int(request.session.connection().execute(ahead).scalar_one())


def _same_place(request: Request) -> int | None:
    """The asker's place as he had it; None for who has none, or lost it by his silence."""
    if request.ticket_id is None:
        return None
    mine, waits = Ticket.id == request.ticket_id, Ticket.polled_at > request.now - QUEUE_PATIENCE
    keeping = update(Ticket).where(mine, waits | Ticket.license_id.is_not(None)).values(polled_at=request.now)
    connection = request.session.connection()
    if (ticket_id := connection.execute(keeping.returning(Ticket.id)).scalar()) is None:
        connection.execute(delete(Ticket).where(mine))
    return ticket_id


def _last_place(request: Request, device_id: int) -> int:
    made = insert(Ticket).values(
        uuid=request.asking.uuid, organization_id=request.caller.organization_id,
        product_id=request.facts.product_id, account_id=request.caller.account_id,
        station_id=request.caller.station_id, device_id=device_id, asked_at=request.now, polled_at=request.now,
    )  # fmt: skip
    return request.session.connection().execute(made.returning(Ticket.id)).scalar_one()
