"""How a lease stands, or a place in the queue, without asking for anything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, bindparam, func, select
from sqlalchemy.orm import Session, aliased

from core.dates import LicenseType
from core.grants import TokenFamily
from core.leases import EXPIRED, QUEUE_PATIENCE, Device, Lease, Station, Ticket
from core.seats import giving, refusing
from core.seats.asking import Asking, Caller
from core.seats.request import Queued, Seat
from models import Account, License, PermissionKey, Product


@dataclass(frozen=True, slots=True)
class Shown:
    """A launch as it stands, and how it asked; None when it lost its seat and may ask for one again."""

    asking: Asking
    held: Seat | Queued | None


def shown(session: Session, caller: Caller, uuid: str, now: datetime) -> Shown:
    """The caller's launch with this uuid.

    :raise Denied: token_invalid, unknown_lease, or lease_ended.
    """
    row = found(session, caller, uuid, now)
    if row.lease_id is None and row.ticket_id is None:
        raise giving.unknown()
    asking = asking_of(row, uuid)
    if row.ticket_id is not None:
        return Shown(asking, Queued(row.position))
    if row.ended_reason not in (None, EXPIRED):
        raise refusing.ended(row.ended_reason)
    if row.ending_at is not None and row.ending_at <= now:
        raise refusing.ended(row.ending_reason)
    is_held = row.ended_reason is None and row.expires_at > now
    return Shown(asking, seat_of(row, now) if is_held else None)


def found(session: Session, caller: Caller, uuid: str, now: datetime) -> Row[Any]:
    """What is stored of a launch; a row without a lease when there is none.

    :raise Denied: token_invalid.
    """
    of_person = OF_PERSON if caller.family_id else OF_ACCOUNT
    statement = OF_STATION if caller.station_id else of_person
    row = session.connection().execute(statement, values_of(caller, uuid, now)).first()
    if row is None:
        raise refusing.signed_out()
    return row


def values_of(caller: Caller, uuid: str, now: datetime) -> dict[str, Any]:
    """What the statements about one launch of a caller are asked with."""
    return {
        "organization": caller.organization_id, "family": caller.family_id, "account": caller.account_id,
        "station": caller.station_id, "uuid": uuid, "patient": now - QUEUE_PATIENCE,
    }  # fmt: skip


def asking_of(row: Row[Any], uuid: str) -> Asking:
    """How a launch asked last."""
    return Asking(
        uuid, row.product or row.asked, row.client_id or "", version=row.app_version or "", public_key=row.public_key,
        idle_s=row.idle_s or 0, seq=row.seq or 0,
    )  # fmt: skip


def seat_of(row: Row[Any], now: datetime) -> Seat:
    """The seat of a live lease."""
    is_away = row.borrowed_until is not None and row.borrowed_until > now
    return Seat(
        row.lease_id, row.license_id, _kind(row), row.in_use, row.seats, row.expires_at, ending_at=row.ending_at,
        message=row.ending_message, borrowed_until=row.borrowed_until if is_away else None, line_ends_at=row.ends_at,
        line_end_on=row.end_on, public_key=row.public_key,
    )  # fmt: skip


def _kind(row: Row[Any]) -> str:
    if row.owner_id is not None:
        return "personal"
    if not LicenseType(row.type).is_floating:
        return "named"
    return "reserved" if row.is_reserved else "floating"


_ahead, _asked = aliased(Ticket), aliased(Product)
_position = (
    select(func.count())
    .select_from(_ahead)
    .where(
        _ahead.organization_id == Ticket.organization_id, _ahead.product_id == Ticket.product_id,
        _ahead.id <= Ticket.id, _ahead.polled_at > bindparam("patient"),
    )
    .correlate(Ticket)
    .scalar_subquery()
)  # fmt: skip


def _facts(whose: Any, mine: Any, waits: Any, *stands: Any) -> Select[*tuple[Any, ...]]:
    return (
        select(
            Lease.id.label("lease_id"), Lease.license_id, Lease.device_id, Lease.holder, Lease.seq, Lease.idle_s,
            Lease.app_version, Lease.expires_at, Lease.borrowed_until, Lease.ending_at, Lease.ending_reason,
            Lease.ending_message, Lease.ended_reason, Lease.is_reserved, License.type, License.in_use, License.seats,
            License.end_on, License.ends_at, PermissionKey.account_id.label("owner_id"), Product.code.label("product"),
            Product.name.label("product_name"), Device.name.label("device_name"),
            Device.client_id, Device.public_key, Ticket.id.label("ticket_id"), _asked.code.label("asked"),
            _position.label("position"),
        )
        .select_from(whose)
        .outerjoin(Lease, and_(giving.IS_MINE, mine))
        .outerjoin(License, License.id == Lease.license_id)
        .outerjoin(PermissionKey, PermissionKey.id == License.key_id)
        .outerjoin(Product, Product.id == License.product_id)
        .outerjoin(Device, Device.id == Lease.device_id)
        .outerjoin(Ticket, and_(Ticket.uuid == bindparam("uuid"), waits))
        .outerjoin(_asked, _asked.id == Ticket.product_id)
        .where(*stands)
    )  # fmt: skip


OF_PERSON = _facts(
    TokenFamily, Lease.account_id == TokenFamily.account_id, Ticket.account_id == TokenFamily.account_id,
    TokenFamily.id == bindparam("family"), TokenFamily.revoked_at.is_(None),
)  # fmt: skip
OF_ACCOUNT = _facts(
    Account, Lease.account_id == Account.id, Ticket.account_id == Account.id,
    Account.id == bindparam("account"), Account.blocked_at.is_(None), Account.deleted_at.is_(None),
)  # fmt: skip
OF_STATION = _facts(
    Station, Lease.station_id == Station.id, Ticket.station_id == Station.id,
    Station.id == bindparam("station"), Station.revoked_at.is_(None),
)  # fmt: skip
