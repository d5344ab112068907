"""A seat that was counted is written down: lease, usage of the day, device, and that the launch waits no longer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, bindparam, case, delete, insert, update
from sqlalchemy.dialects import postgresql, sqlite

from core.dates import today
from core.grants import TokenFamily
from core.leases import LEASE, NOT_TRUE_WITHIN, Denial, Device, Lease, Ticket, UsageDay
from core.seats import freeing
from core.seats.asking import Caller
from core.seats.request import Line, Raced, Request, Seat

SEEN_EVERY = timedelta(hours=1)  # how exact `Device.seen_at` is: a program that runs costs one write an hour


def begun(
    request: Request, line: Line, holder: str, is_reserved: bool, device_id: int, count: tuple[int, int],
    *, copy: bool = False,
) -> Seat:  # fmt: skip
    """Write the lease, and the day's usage."""
    facts, asking, now = request.facts, request.asking, request.now
    until = min(filter(None, (now + LEASE, line.row.ends_at)))
    values = {
        "uuid": asking.uuid, "organization_id": None if line.is_personal else request.caller.organization_id,
        "license_id": line.row.license_id, "account_id": request.caller.account_id,
        "station_id": request.caller.station_id, "device_id": device_id,
        "permission_id": line.row.permission_id if is_reserved else None, "holder": holder, "takes_seat": not copy,
        "is_reserved": is_reserved, "seq": asking.seq, "app_version": asking.version, "idle_s": asking.idle_s,
        "taken_at": now, "renewed_at": now, "expires_at": until, "borrowed_until": None, "ending_at": None,
        "ending_reason": None, "ending_message": "", "ended_at": None, "ended_reason": None,
    }  # fmt: skip
    connection = request.session.connection()
    if facts.known_id is not None:
        lease_id = connection.execute(REVIVE, {"known_id": facts.known_id, **values}).scalar()
    else:
        lease_id = connection.execute(BEGIN, values).scalar()
    if lease_id is None:
        raise Raced  # the same launch came back twice at once
    note_day(request, line, peak=count[0], check_outs=1)
    _served(request)
    kind = "floating" if line.kind == "reserved" and not is_reserved else line.kind
    return Seat(lease_id, line.row.license_id, kind, *count, until, is_new=facts.known_id is None,
                line_ends_at=line.row.ends_at, line_end_on=line.row.end_on,
                public_key=request.public_key)  # fmt: skip


def _served(request: Request) -> None:
    """The launch has its seat: what it was denied shortly before was no denial, and it waits no longer."""
    facts, session = request.facts, request.session.connection()
    if facts.was_denied:
        since = request.now - NOT_TRUE_WITHIN
        untrue = (Denial.uuid == request.asking.uuid, Denial.at >= since, Denial.served_at.is_(None))
        session.execute(update(Denial).where(*untrue, is_askers(request.caller)).values(served_at=request.now))
    if request.ticket_id is not None:
        leaving = delete(Ticket).where(Ticket.id == request.ticket_id).returning(Ticket.license_id)
        left = session.execute(leaving).first()
        if request.is_offered and left is None:
            raise Raced  # the offer was taken back meanwhile
        if left is not None and left.license_id is not None and not request.is_offered:
            freeing.release_offer(request.session, left.license_id, request.now)  # not needed, or too late


def is_askers(caller: Caller) -> ColumnElement[bool]:
    """Whether a denial is the asker's own."""
    if caller.station_id is not None:
        return Denial.station_id == caller.station_id
    return Denial.account_id == caller.account_id


def note_day(request: Request, line: Line, *, peak: int = 0, check_outs: int = 0, denials: int = 0) -> None:
    """Count on the license's day, in its owner's zone."""
    zone = request.facts.own_zone if line.is_personal else request.facts.zone
    values = {
        "license_id": line.row.license_id, "day": today(request.now, zone or "UTC"), "peak": peak,
        "check_outs": check_outs, "denials": denials,
    }  # fmt: skip
    connection = request.session.connection()
    connection.execute(NOTE_DAY[connection.dialect.name], values)


def device(request: Request) -> int:
    """The asker's device, noted at its first question."""
    facts, asking, caller = request.facts, request.asking, request.caller
    connection = request.session.connection()
    device_id = facts.device_id
    if device_id is None:
        made = insert(Device).values(
            account_id=caller.account_id, station_id=caller.station_id, client_id=asking.client_id,
            public_key=asking.public_key, name=asking.device_name or asking.client_id, os=asking.os,
            seen_at=request.now,
        )  # fmt: skip
        device_id = connection.execute(made.returning(Device.id)).scalar_one()
    elif asking.public_key and not facts.public_key:
        connection.execute(update(Device).where(Device.id == device_id).values(public_key=asking.public_key))
    if caller.family_id is not None and facts.bound_device_id is None:
        binding = update(TokenFamily).where(TokenFamily.id == caller.family_id)
        connection.execute(binding.values(device_id=device_id))
    return int(device_id)


def seen(request: Request) -> None:
    """Note that the asker's device lives, once in a while; until then its running programs say so."""
    at, now = request.facts.seen_at, request.now
    if at is not None and at <= now - SEEN_EVERY:
        seeing = update(Device).where(Device.id == request.facts.device_id).values(seen_at=now)
        request.session.connection().execute(seeing)


def _note_day(dialect: Any) -> Any:
    fresh = dialect.insert(UsageDay)
    return fresh.on_conflict_do_update(
        index_elements=[UsageDay.license_id, UsageDay.day],
        set_={
            "peak": case((UsageDay.peak < fresh.excluded.peak, fresh.excluded.peak), else_=UsageDay.peak),
            "check_outs": UsageDay.check_outs + fresh.excluded.check_outs,
            "denials": UsageDay.denials + fresh.excluded.denials,
        },
    )


# Made once: what every check-out sends.
BEGIN = insert(Lease).returning(Lease.id)
REVIVE = update(Lease).where(Lease.id == bindparam("known_id"), Lease.ended_at.is_not(None)).returning(Lease.id)
NOTE_DAY = {"sqlite": _note_day(sqlite), "postgresql": _note_day(postgresql)}
