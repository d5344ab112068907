"""Giving a seat back, or a place in the queue; as often as a program likes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import Row, Select, and_, bindparam, exists, or_, select, union
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, aliased

from core.db import PLANNED_ONCE
from core.denials import Denied
from core.grants import TokenFamily
from core.leases import GIVEN_BACK, QUEUE_PATIENCE, Denial, Lease, Station, Ticket
from core.seats import freeing, refusing
from core.seats.asking import Caller
from core.seats.request import TRIES, Raced
from models import License


def give_back(session: Session, caller: Caller, uuid: str, now: datetime) -> None:
    """End the caller's lease with this uuid, or its waiting. Commits; done again, it changes nothing.

    :raise Denied: token_invalid, or unknown_lease where the caller has none of this uuid.
    """
    for _number in range(TRIES):
        try:
            _given_back(session, caller, uuid, now)
            session.commit()
            return
        except (OperationalError, Raced) as error:
            session.rollback()
            freeing.check_met(error)
    raise refusing.busy()


def _given_back(session: Session, caller: Caller, uuid: str, now: datetime) -> None:
    values = {
        "organization": caller.organization_id, "family": caller.family_id, "account": caller.account_id,
        "station": caller.station_id, "uuid": uuid, "patient": now - QUEUE_PATIENCE,
    }  # fmt: skip
    connection = session.connection()
    locked = None if freeing.is_alone(session) else set(connection.execute(LOCK, values).scalars())
    row = connection.execute(OF_STATION if caller.station_id else OF_PERSON, values).first()
    if row is None:
        raise refusing.signed_out()
    if row.lease_id is None and row.ticket_id is None and not connection.execute(HAS_ASKED, values).scalar():
        raise unknown()
    if locked is not None and not {row.license_id, row.offered_id} - {None} <= locked:
        raise Raced  # it came back on another license, or was offered a seat, while the lock was waited for
    _ended(session, row, now)


def unknown() -> Denied:
    """There is no such lease that is the caller's."""
    return Denied("unknown_lease", _("There is no such lease."))


def _ended(session: Session, row: Row[Any], now: datetime) -> None:
    if row.ticket_id is not None:
        freeing.leave_queue(session, row.ticket_id, now)
    if row.lease_id is not None and row.ended_at is None:
        freeing.end(session, row.license_id, Lease.id == row.lease_id, GIVEN_BACK, now, copies=row.has_copies)
        if row.is_waited_for:
            freeing.serve_queue(session, row.license_id, now)


_is_ours = or_(
    Lease.organization_id == bindparam("organization"),
    and_(Lease.organization_id.is_(None), Lease.account_id == bindparam("account")),
)
IS_MINE = and_(Lease.uuid == bindparam("uuid"), _is_ours)
_copy, _waiting = aliased(Lease), aliased(Ticket)
_has_copies = exists().where(
    _copy.license_id == Lease.license_id, _copy.holder == Lease.holder, _copy.id != Lease.id, _copy.ended_at.is_(None)
)
_is_waited_for = exists().where(
    _waiting.organization_id == Lease.organization_id, _waiting.product_id == License.product_id,
    _waiting.license_id.is_(None), _waiting.polled_at > bindparam("patient"),
)  # fmt: skip


def _facts(
    credential: type[TokenFamily] | type[Station], mine: Any, waits: Any, which: str
) -> Select[*tuple[Any, ...]]:
    return (
        select(
            Lease.id.label("lease_id"), Lease.license_id, Lease.ended_at, Ticket.id.label("ticket_id"),
            Ticket.license_id.label("offered_id"), _has_copies.label("has_copies"),
            _is_waited_for.label("is_waited_for"),
        )
        .select_from(credential)
        .outerjoin(Lease, and_(IS_MINE, mine))
        .outerjoin(License, License.id == Lease.license_id)
        .outerjoin(Ticket, and_(Ticket.uuid == bindparam("uuid"), waits))
        .where(credential.id == bindparam(which), credential.revoked_at.is_(None))
    )  # fmt: skip


# One statement more on PostgreSQL, which sees what is true once it holds the lock; in the order that `asking` has too.
_seats: Any = union(
    select(Lease.license_id).where(IS_MINE),
    select(Ticket.license_id).where(
        Ticket.uuid == bindparam("uuid"), Ticket.organization_id == bindparam("organization")
    ),
)
LOCK = select(License.id).where(License.id.in_(_seats)).order_by(License.id).with_for_update(key_share=True)
LOCK = LOCK.execution_options(**PLANNED_ONCE)
OF_PERSON = _facts(
    TokenFamily, Lease.account_id == TokenFamily.account_id, Ticket.account_id == TokenFamily.account_id, "family"
).execution_options(**PLANNED_ONCE)
OF_STATION = _facts(
    Station, Lease.station_id == Station.id, Ticket.station_id == Station.id, "station"
).execution_options(**PLANNED_ONCE)
#: Who waited, and left the queue, finds nothing any more; what he was told at first is kept.
HAS_ASKED = select(
    exists().where(
        Denial.uuid == bindparam("uuid"),
        or_(Denial.account_id == bindparam("account"), Denial.station_id == bindparam("station")),
    )
)
