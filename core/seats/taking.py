"""Taking a seat and keeping it: one idempotent question, asked at the start and again every few minutes.

On PostgreSQL a plain check-out or renewal locks nothing beforehand. Whatever is more than that (a second copy apart, a
dead lease, a full license, a queue) is thought through again after the licenses are locked; on SQLite there is one
writer at a time anyway.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Row, bindparam, case, func, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from core.db import Instant
from core.denials import Denied
from core.leases import (
    DISABLED,
    EXPIRED,
    KEY_REVOKED,
    LEASE,
    LINE_EXPIRED,
    REMOVED,
    SAVE_WINDOW,
    WITHDRAWN,
    Lease,
)  # fmt: skip
from core.rights import Condition
from core.seats import freeing, refusing
from core.seats.asking import Asking, Caller, Facts, facts_of, lock_all
from core.seats.beginning import begun, device, seen
from core.seats.request import TRIES, Line, Queued, Raced, Request, Seat, is_past, lines_of
from core.seats.waiting import leave, queued_or_denied


def ask(session: Session, caller: Caller, asking: Asking, now: datetime) -> Seat | Queued:
    """A seat for this launch: taken, renewed or revived; or a place in the queue. Commits, denials too.

    :raise Denied: with a code of `core.denials`.
    """
    for number in range(TRIES):
        try:
            answer = answered(session, caller, asking, now, is_locked=number > 0)
            session.commit()
            return answer
        except Denied:
            session.commit()  # what was refused is kept, and so is what ended on the way
            raise
        except (IntegrityError, OperationalError, Raced) as error:
            session.rollback()  # the same question came twice at once, or another one was in its way
            freeing.check_met(error)
    raise refusing.busy()


def answered(session: Session, caller: Caller, asking: Asking, now: datetime, *, is_locked: bool) -> Seat | Queued:
    """As `ask`, in the caller's transaction, once.

    :raise Raced: when it has to be asked again, with the licenses locked.
    """
    if is_locked:
        lock_all(session, caller, asking)
    rows = facts_of(session, caller, asking, now)
    if not rows:
        raise refusing.signed_out()
    request = Request(session, caller, asking, now, _ours(caller, rows), lines_of(rows))
    request.is_locked = is_locked or freeing.is_alone(session)
    refusing.check_caller(request)
    refusing.check_known(request)
    if dead := _dead(request):
        request.settle()
        for license_id in dead:
            freeing.sweep(session, license_id, now)
        return answered(session, caller, asking, now, is_locked=is_locked)
    if request.facts.known_id is None:
        return _taken(request)
    return _kept(request) if request.facts.known_ended_at is None else _again(request)


def _ours(caller: Caller, rows: list[Facts]) -> Facts:
    """The facts; a launch of somebody else with the same number does not hide one's own."""
    mine = (caller.account_id, caller.station_id)
    return next((row for row in rows if (row.known_account_id, row.known_station_id) == mine), rows[0])


# ── keeping ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _dead(request: Request) -> list[int]:
    """The licenses with a lease in the way that is over though nobody has ended it yet: of the launch, or a holder."""
    facts, now = request.facts, request.now
    if facts.known_id is not None and facts.known_ended_at is None:
        line = request.line(facts.known_license_id)
        is_beyond = line is not None and line.condition(now) is Condition.EXPIRED and not _is_borrowed(request)
        is_over = is_beyond or is_past(facts.known_expires_at, facts.known_ending_at, now)
        return [facts.known_license_id] if is_over else []
    held = [each for line in request.lines for each in line.held.values()]
    return sorted({each.license_id for each in held if is_past(each.held_expires_at, each.held_ending_at, now)})


def _again(request: Request) -> Seat | Queued:
    """Who only fell silent may come back; the session of whose license has ended goes on with another one's seat.

    :raise Denied: lease_ended for who did neither, and for whom there is no other seat.
    """
    reason = request.facts.known_ended_reason
    if reason == EXPIRED:
        return _taken(request)
    if reason == LINE_EXPIRED:
        try:
            return _taken(replace(request, asking=replace(request.asking, queue=False)))
        except Denied:
            pass
    raise refusing.ended(reason)


def _kept(request: Request) -> Seat:
    """Renew what is held; when the right to it is gone, begin its end."""
    facts = request.facts
    if request.asking.seq < facts.known_seq:
        raise refusing.cloned()
    line = request.line(facts.known_license_id)
    gone = _why_gone(request, line)
    seen(request)  # before the lease, as whoever removes a device does
    seat = _renewed(request, line, None if _is_borrowed(request) else gone)
    if gone in (DISABLED, REMOVED) and (refused := refusing.of_membership(request)) is not None:
        if seat.ending_at is not None:  # a borrowed seat has no window: it is held until its day
            refused.facts.update(ending_at=seat.ending_at)
        raise refused
    return seat


def _is_borrowed(request: Request) -> bool:
    # Nobody can call such a seat back: it is held until its day, or written off.
    until = request.facts.known_borrowed_until
    return until is not None and until > request.now


def _why_gone(request: Request, line: Line | None) -> str | None:
    """Why the right to a held seat is gone; None while it stands."""
    if line is None or line.row.revoked_at is not None:
        return REMOVED if line is None and request.facts.member_id is None else KEY_REVOKED
    if not line.is_personal and (refused := refusing.of_membership(request)) is not None:
        return REMOVED if refused.code == "not_a_member" else DISABLED
    is_mine = line.is_personal or line.row.permission_id is not None or not request.facts.known_is_reserved
    return None if is_mine else WITHDRAWN


def _renewed(request: Request, line: Line | None, gone: str | None) -> Seat:
    """Keep the seat for another while, not beyond its license, nor beyond the window in which it ends."""
    facts, now, asking = request.facts, request.now, request.asking
    until = min(filter(None, (now + LEASE, line and line.row.ends_at)))
    row = freeing.one(
        request.session, RENEW, known_id=facts.known_id, now=now, until=until, said=asking.seq, idle=asking.idle_s,
        version=asking.version, gone=gone, closes=now + SAVE_WINDOW if gone else None,
    )  # fmt: skip
    if row is None:
        raise Raced
    used, total = (line.row.in_use, line.row.seats) if line is not None else (0, 0)
    kind = line.kind if line is not None else "floating"
    if kind == "reserved" and not row.is_reserved:
        kind = "floating"
    return Seat(facts.known_id, facts.known_license_id, kind, used, total, row.expires_at, ending_at=row.ending_at,
                message=row.ending_message, borrowed_until=row.borrowed_until,
                line_ends_at=line.row.ends_at if line is not None else None,
                line_end_on=line.row.end_on if line is not None else None,
                public_key=request.public_key)  # fmt: skip


# ── taking ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Choice:
    """A way to a seat: on a license, for a holder, given to him or open to all."""

    line: Line
    holder: str
    is_reserved: bool

    @property
    def kind(self) -> str:
        """The word of the protocol for the seat."""
        return "floating" if self.line.is_floating and not self.is_reserved else self.line.kind


def _taken(request: Request) -> Seat | Queued:
    """The first seat that there is for the asker, in their order; else a place in the queue, else a denial."""
    if request.facts.is_waited_for or request.ticket_id is not None:
        request.settle()
    device_id, has_own = device(request), request.has_own
    lines = [line for line in request.lines if not (has_own and line.is_floating)]
    refusals = [(line, refused) for line in lines if (refused := refusing.of_line(request, line)) is not None]
    refusing_lines = [line for line, _refused in refusals]
    lines = [line for line in lines if line not in refusing_lines]
    if request.offered_id not in (None, *(line.row.license_id for line in lines)):
        leave(request)  # he may not have it any more
    choices = list(choices_of(request, lines, device_id))
    for choice in sorted(choices, key=lambda choice: not _is_shared(request, choice, device_id)):
        found = _chosen(request, choice, device_id)
        if isinstance(found, Seat):
            return found
        if not (choice.is_reserved and choice.line.is_floating):  # then an open seat is tried, and tells
            refusals.append((choice.line, found))
    return queued_or_denied(request, refusals, device_id)


def choices_of(request: Request, lines: list[Line], device_id: int) -> Iterator[Choice]:
    """The seats that were given to the person, then those that are open to all, the one held for him first."""
    for line in lines:
        if line.is_personal or line.row.permission_id is not None:
            yield Choice(line, request.own_holder, True)
    pools = [line for line in lines if line.is_floating]
    for line in sorted(pools, key=lambda line: (line.row.license_id != request.offered_id, line.last_first)):
        yield Choice(line, request.open_holder(device_id), False)


def _is_shared(request: Request, choice: Choice, device_id: int) -> bool:
    """Whether the device has the seat already, so that one more copy costs none."""
    held = choice.line.held.get(choice.holder)
    return held is not None and held.held_device_id == device_id


def _chosen(request: Request, choice: Choice, device_id: int) -> Seat | Denied:
    """A copy on the seat that the holder has on this device, or a seat newly counted."""
    line, session, license_id = choice.line, request.session, choice.line.row.license_id
    write = partial(begun, request, line, choice.holder, choice.is_reserved, device_id)
    if (held := line.held.get(choice.holder)) is not None:
        if held.held_device_id != device_id:
            return refusing.elsewhere(request, line, held)
        if not (request.is_locked or freeing.hold(session, held.held_id)):
            raise Raced
        return write((line.row.in_use, line.row.seats), copy=True)
    if not choice.is_reserved and request.offered_id == license_id:
        request.is_offered = True
        return write((line.row.in_use, line.row.seats))
    if (counted := _drawn(request, choice)) is not None:
        return write((counted.in_use, counted.seats))
    counts = freeing.one(session, freeing.FULL, license_id=license_id)  # now that others may have been served
    return refusing.full(request, line, *(counts or (0, None)))


def _drawn(request: Request, choice: Choice) -> Row[Any] | None:
    """A seat newly counted, of one that is dead if need be; None when all are taken."""
    session, license_id = request.session, choice.line.row.license_id
    counted = _counted(request, choice)
    if counted is None and freeing.has_dead(session, license_id, request.now):
        request.settle()
        freeing.sweep(session, license_id, request.now)
        counted = _counted(request, choice)
    return counted


def _counted(request: Request, choice: Choice) -> Row[Any] | None:
    session, license_id = request.session, choice.line.row.license_id
    if choice.is_reserved:
        return freeing.take_reserved(session, license_id)
    if request.facts.is_waited_for:  # who came first is served first, and that may be the asker
        served = freeing.serve_queue(session, license_id, request.now)
        if request.ticket_id in served:
            request.is_offered = True
            return freeing.one(session, freeing.COUNTS, license_id=license_id)
    return freeing.take_open(session, license_id)


# Made once: what every renewal sends.
_now, _until, _closes = (bindparam(name, type_=Instant()) for name in ("now", "until", "closes"))
RENEW = (
    update(Lease)
    .where(Lease.id == bindparam("known_id"), *Lease.LIVE, Lease.seq <= bindparam("said"))
    .values(
        renewed_at=_now, seq=bindparam("said"), idle_s=bindparam("idle"), app_version=bindparam("version"),
        ending_at=func.coalesce(Lease.ending_at, _closes),
        ending_reason=func.coalesce(Lease.ending_reason, bindparam("gone")),
        expires_at=case((Lease.borrowed_until > _until, Lease.borrowed_until),
                        (Lease.ending_at < _until, Lease.ending_at), else_=_until),
        borrowed_until=case((Lease.borrowed_until > _now, Lease.borrowed_until)),
    )
    .returning(Lease.ending_at, Lease.ending_message, Lease.expires_at, Lease.is_reserved, Lease.borrowed_until)
)  # fmt: skip
