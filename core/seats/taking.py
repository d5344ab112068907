"""Taking a seat and keeping it: one idempotent question, asked at the start and again every few minutes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, case, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

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
from core.seats.asking import Asking, Caller, facts_of
from core.seats.beginning import Raced, begun, device
from core.seats.request import Line, Queued, Request, Seat, lines_of
from core.seats.waiting import queued_or_denied
from models import License

TRIES = 4  # of a request that lost a race for its own row


def ask(session: Session, caller: Caller, asking: Asking, now: datetime) -> Seat | Queued:
    """A seat for this launch: taken, renewed or revived; or a place in the queue. Commits, denials too.

    :raise Denied: with a code of `core.denials`.
    """
    for _number in range(TRIES):
        try:
            answer = answered(session, caller, asking, now)
            session.commit()
            return answer
        except Denied:
            session.commit()  # what was refused is kept, and so is what ended on the way
            raise
        except (IntegrityError, Raced):
            session.rollback()  # the same question came twice at once; now the other one's row is there
    raise Denied("maintenance", "Try again.", retry_after_s=1)


def answered(session: Session, caller: Caller, asking: Asking, now: datetime) -> Seat | Queued:
    """As `ask`, in the caller's transaction, once."""
    rows = facts_of(session, caller, asking, now)
    if not rows:
        raise refusing.signed_out()
    request = Request(session, caller, asking, now, rows[0], lines_of(rows))
    refusing.check_caller(request)
    if request.facts.known_id is not None:
        if not request.is_ours:
            raise Denied("lease_id_conflict", "This launch has another one's number.")
        if request.facts.known_device_id != request.facts.device_id:
            raise refusing.cloned()
        if request.facts.known_ended_at is None:
            return _kept(request)
        if request.facts.known_ended_reason != EXPIRED:
            raise refusing.ended(request.facts.known_ended_reason)
    return _taken(request)


# ── keeping ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _kept(request: Request) -> Seat:
    """Renew what is held; when the right to it is gone, begin its end."""
    facts, now = request.facts, request.now
    if request.asking.seq < facts.known_seq:
        raise refusing.cloned()
    if facts.known_ending_at is not None and facts.known_ending_at <= now:
        freeing.lock(request.session, facts.known_license_id)
        freeing.end(request.session, facts.known_license_id, Lease.id == facts.known_id, Lease.ending_reason, now)
        raise refusing.ended(facts.known_ending_reason)
    line = request.line(facts.known_license_id)
    gone = _why_gone(request, line)
    if gone == LINE_EXPIRED:
        return _moved(request)
    seat = _renewed(request, line, None if _is_borrowed(request) else gone)
    if gone in (DISABLED, REMOVED) and (refused := refusing.of_membership(request)) is not None:
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
    if line.condition(request.now) is Condition.EXPIRED:
        return LINE_EXPIRED
    if not line.is_personal and (refused := refusing.of_membership(request)) is not None:
        return REMOVED if refused.code == "not_a_member" else DISABLED
    is_mine = line.is_personal or line.row.permission_id is not None or not request.facts.known_is_reserved
    return None if is_mine else WITHDRAWN


def _renewed(request: Request, line: Line | None, gone: str | None) -> Seat:
    """Keep the seat for another while, not beyond its license, nor beyond the window in which it ends."""
    facts, now, asking = request.facts, request.now, request.asking
    until = now + LEASE
    if line is not None and line.row.ends_at is not None:
        until = min(until, line.row.ends_at)
    ending_at = func.coalesce(Lease.ending_at, now + SAVE_WINDOW) if gone else Lease.ending_at
    kept = (
        update(Lease)
        .where(Lease.id == facts.known_id, *Lease.LIVE, Lease.seq <= asking.seq)
        .values(
            renewed_at=now, seq=asking.seq, idle_s=asking.idle_s, app_version=asking.version,
            ending_at=ending_at, ending_reason=func.coalesce(Lease.ending_reason, gone),
            expires_at=case((Lease.borrowed_until > until, Lease.borrowed_until),
                            (Lease.ending_at < until, Lease.ending_at), else_=until),
            borrowed_until=case((Lease.borrowed_until > now, Lease.borrowed_until)),
        )
        .returning(Lease.ending_at, Lease.ending_message, Lease.expires_at, Lease.is_reserved, Lease.borrowed_until)
    )  # fmt: skip
    row = request.session.connection().execute(kept).first()
    if row is None:
        raise Raced
    used, total = (line.row.in_use, line.row.seats) if line is not None else (0, 0)
    kind = line.kind if line is not None else "floating"
    if kind == "reserved" and not row.is_reserved:
        kind = "floating"
    return Seat(facts.known_id, facts.known_license_id, kind, used, total, row.expires_at, ending_at=row.ending_at,
                message=row.ending_message, borrowed_until=row.borrowed_until,
                line_ends_at=line.row.ends_at if line is not None else None,
                public_key=request.public_key)  # fmt: skip


def _moved(request: Request) -> Seat:
    """Take a seat of another license when this one's has ended; when there is none, the session ends."""
    facts = request.facts
    freeing.lock(request.session, facts.known_license_id)
    freeing.end(request.session, facts.known_license_id, Lease.id == facts.known_id, LINE_EXPIRED, request.now)
    try:
        taken = _taken(request)
    except Denied:
        raise refusing.ended(LINE_EXPIRED) from None
    if isinstance(taken, Queued):
        raise refusing.ended(LINE_EXPIRED)
    return taken


# ── taking ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _taken(request: Request) -> Seat | Queued:
    """The first seat that there is for the asker, line by line in their order; else the queue, else a denial."""
    device_id = device(request)
    if (offered := _offered(request, device_id)) is not None:
        return offered
    refusals: list[tuple[Line, Denied]] = []
    has_own = request.has_own
    for line in request.lines:
        if has_own and line.is_floating:
            continue
        refused = refusing.of_line(request, line)
        found = refused if refused is not None else _on_line(request, line, device_id)
        if isinstance(found, Seat):
            return found
        refusals.append((line, found))
    return queued_or_denied(request, refusals, device_id)


def _on_line(request: Request, line: Line, device_id: int) -> Seat | Denied:
    whose = f"s{request.caller.station_id}" if request.caller.station_id else f"a{request.caller.account_id}"
    open_holder, refused = f"{whose}:d{device_id}", None
    if line.is_personal:
        return _held_or_taken(request, line, open_holder, True, device_id)
    if line.row.permission_id is not None:
        given = _held_or_taken(request, line, f"p{line.row.permission_id}", True, device_id)
        if isinstance(given, Seat) or not line.is_floating:
            return given
        refused = given
    drawn = _held_or_taken(request, line, open_holder, False, device_id)
    return drawn if isinstance(drawn, Seat) or refused is None else refused


def _held_or_taken(request: Request, line: Line, holder: str, is_reserved: bool, device_id: int) -> Seat | Denied:
    """A copy on the seat that the holder has on this device, or a seat newly counted."""
    held = line.held.get(holder)
    if held is not None and held.held_expires_at > request.now:
        if held.held_device_id != device_id:
            return refusing.elsewhere(request, line, held)
        return begun(request, line, holder, is_reserved, device_id, (line.row.in_use, line.row.seats), copy=True)
    if held is not None:
        freeing.sweep(request.session, line.row.license_id, request.now)
    counted = _counted(request, line, is_reserved)
    if counted is None and freeing.sweep(request.session, line.row.license_id, request.now):
        counted = _counted(request, line, is_reserved)
    if counted is None:
        return refusing.full(request, line)
    return begun(request, line, holder, is_reserved, device_id, (counted.in_use, counted.seats))


def _counted(request: Request, line: Line, is_reserved: bool) -> Row[Any] | None:
    if is_reserved:
        return freeing.take_reserved(request.session, line.row.license_id)
    if request.facts.is_waited_for:  # who came first is served first, and that may be the asker
        served = freeing.serve_queue(request.session, line.row.license_id, request.now)
        if request.facts.ticket_id in served:
            request.is_offered = True
            counts = select(License.in_use, License.seats).where(License.id == line.row.license_id)
            return freeing.one(request.session, counts)
    return freeing.take_open(request.session, line.row.license_id)


def _offered(request: Request, device_id: int) -> Seat | None:
    """The seat that was held for the asker while he waited; it is counted already."""
    facts = request.facts
    if facts.offered_license_id is None or facts.offered_until <= request.now:
        return None
    line = request.line(facts.offered_license_id)
    if line is None or refusing.of_line(request, line) is not None:
        return None
    whose = f"s{request.caller.station_id}" if request.caller.station_id else f"a{request.caller.account_id}"
    request.is_offered, count = True, (line.row.in_use, line.row.seats)
    return begun(request, line, f"{whose}:d{device_id}", False, device_id, count)
