"""Who asks for a seat, and everything that decides about it: one statement, a row for each license of the product."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    String,
    and_,
    bindparam,
    cast,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    union,
)
from sqlalchemy.orm import Session, aliased

from core.db import PLANNED_ONCE, Instant
from core.grants import TokenFamily
from core.leases import BY_ADMIN, COOL_DOWN, QUEUE_PATIENCE, Denial, Device, Lease, Station, Ticket
from models import Account, License, Member, Organization, Permission, PermissionKey, Product


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose token it is: a person's program, signed in for an organization or for himself, or a station.

    Without a sign-in (`family_id`) it is the person at the portal himself, whichever device it is about.
    """

    organization_id: int | None
    family_id: int | None = None
    account_id: int | None = None
    station_id: int | None = None


@dataclass(frozen=True, slots=True)
class Asking:
    """What a program says when it asks for a seat, renews one, or waits for one."""

    uuid: str
    product: str
    client_id: str
    device_name: str = ""
    os: str = ""
    public_key: str | None = None
    version: str = ""
    queue: bool = False
    idle_s: int = 0
    seq: int = 0


def lock_all(session: Session, caller: Caller, asking: Asking) -> None:
    """Let nobody else count the seats that a question is about until the transaction ends."""
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        values = {
            "organization": caller.organization_id, "account": caller.account_id, "product": asking.product,
            "uuid": asking.uuid,
        }  # fmt: skip
        connection.execute(LICENSES, values)


Facts = Row[Any]
known, held, holding = aliased(Lease), aliased(Lease), aliased(Device)


def facts_of(session: Session, caller: Caller, asking: Asking, now: datetime) -> list[Facts]:
    """One row for each license of the product on the caller's side; one without a license when there is none.

    Empty when the sign-in or the station has ended.
    """
    values = {
        "organization": caller.organization_id, "family": caller.family_id, "account": caller.account_id,
        "station": caller.station_id, "product": asking.product, "client": asking.client_id, "uuid": asking.uuid,
        "now": now, "cool": now - COOL_DOWN, "patient": now - QUEUE_PATIENCE,
    }  # fmt: skip
    of_person = OF_PERSON if caller.family_id else OF_ACCOUNT
    return list(session.connection().execute(OF_STATION if caller.station_id else of_person, values))


def facts_about(
    session: Session, organization_id: int | None, account_id: int, product: str, now: datetime
) -> list[Facts]:
    """As `facts_of`, of a person on a device that nobody knows yet, whether a program is signed in or not."""
    values = {
        "organization": organization_id, "account": account_id, "product": product, "client": "", "uuid": "",
        "now": now, "cool": now - COOL_DOWN, "patient": now - QUEUE_PATIENCE,
    }  # fmt: skip
    return list(session.connection().execute(OF_ACCOUNT, values))


def _holder(prefix: str, id_: Any) -> ColumnElement[str]:
    return literal(prefix) + cast(id_, String)


_of_device = literal(":d") + cast(Device.id, String)
_own = _holder("a", bindparam("account"))  # `Request.own_holder` and `open_holder` write the same
_of_account = _own + _of_device
_of_station = _holder("s", bindparam("station")) + _of_device
_ours, _known_license = aliased(PermissionKey), aliased(License)
_other = aliased(Ticket)
_waiting = exists().where(
    _other.organization_id == bindparam("organization"), _other.product_id == Product.id,
    _other.license_id.is_(None), _other.polled_at > bindparam("patient"), _other.uuid != bindparam("uuid"),
)  # fmt: skip
_cooled = aliased(Lease)
# From the moment the end was asked for, however it came about: given back within the window, or run out.
_is_cooled = and_(
    _cooled.license_id == License.id, _cooled.ending_reason == BY_ADMIN,
    or_(_cooled.ended_at.is_(None), _cooled.ended_at > bindparam("cool")),
)  # fmt: skip
# Since when; while one is still ending, the time has not even begun.
_cooled_at = select(func.max(func.coalesce(_cooled.ended_at, bindparam("now", type_=Instant())))).where(_is_cooled)
_cooling = _cooled_at.where(_cooled.account_id == bindparam("account")).scalar_subquery()
# A station is many devices, of which one was ended.
_station_cooling = _cooled_at.where(
    _cooled.account_id.is_(None), _cooled.station_id == bindparam("station"), _cooled.device_id == Device.id
).scalar_subquery()
_denied = exists().where(Denial.uuid == bindparam("uuid"), Denial.served_at.is_(None))
_COLUMNS = (
    Product.id.label("product_id"), Product.name.label("product"),
    Device.id.label("device_id"), Device.public_key, Device.name.label("device_name"), Device.os,
    Device.seen_at,
    License.id.label("license_id"), License.type, License.seats, License.in_use, License.reserved,
    License.start_on, License.end_on, License.starts_at, License.ends_at, PermissionKey.revoked_at,
    PermissionKey.account_id.label("owner_id"),
    known.id.label("known_id"), known.license_id.label("known_license_id"),
    known.account_id.label("known_account_id"), known.station_id.label("known_station_id"),
    known.device_id.label("known_device_id"), known.seq.label("known_seq"), known.ended_at.label("known_ended_at"),
    known.ended_reason.label("known_ended_reason"), known.is_reserved.label("known_is_reserved"),
    known.expires_at.label("known_expires_at"), known.borrowed_until.label("known_borrowed_until"),
    _known_license.product_id.label("known_product_id"),
    known.ending_at.label("known_ending_at"), known.ending_reason.label("known_ending_reason"),
    held.id.label("held_id"), held.device_id.label("held_device_id"), held.holder.label("held_holder"),
    held.expires_at.label("held_expires_at"), held.taken_at.label("held_taken_at"),
    held.ending_at.label("held_ending_at"), holding.name.label("held_device_name"),
    Ticket.id.label("ticket_id"), Ticket.license_id.label("offered_license_id"), Ticket.offered_until,
    _waiting.label("is_waited_for"), _denied.label("was_denied"),
)  # fmt: skip


def _licenses(query: Select[*tuple[Any, ...]], is_ours: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    # By the keys of one side, of which there are few, never by the product, which everybody has: hence the sum.
    is_wanted = and_(License.key_id.in_(select(_ours.id).where(is_ours)), License.product_id + 0 == Product.id)
    return query.outerjoin(License, is_wanted).outerjoin(PermissionKey, PermissionKey.id == License.key_id)


def _leases(
    query: Select[*tuple[Any, ...]], is_known: ColumnElement[bool], holders: list[Any], is_asking: Any
) -> Select[*tuple[Any, ...]]:
    is_held = and_(held.license_id == License.id, held.ended_at.is_(None), held.takes_seat, held.holder.in_(holders))
    return (
        query.outerjoin(known, and_(known.uuid == bindparam("uuid"), is_known))
        .outerjoin(_known_license, _known_license.id == known.license_id)
        .outerjoin(held, is_held)
        .outerjoin(holding, holding.id == held.device_id)
        .outerjoin(Ticket, and_(Ticket.uuid == bindparam("uuid"), is_asking))
    )


def _signed_in(query: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    query = query.select_from(TokenFamily).join(Account, Account.id == TokenFamily.account_id)
    return query.where(TokenFamily.id == bindparam("family"), TokenFamily.revoked_at.is_(None))


def _known_by_id(query: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    return query.select_from(Account).where(Account.id == bindparam("account"))


def _of_person(found: Callable[[Any], Select[*tuple[Any, ...]]], bound: Any, key: Any) -> Select[*tuple[Any, ...]]:
    is_mine = and_(Member.account_id == Account.id, Member.organization_id == bindparam("organization"),
                   Member.confirmed_at.is_not(None), Member.ended_at.is_(None))  # fmt: skip
    columns = select(
        *_COLUMNS, Account.id.label("account_id"), Account.name.label("person"), Account.blocked_at,
        Account.deleted_at, bound.label("bound_device_id"), key.label("bound_key"), Member.id.label("member_id"),
        Member.disabled_at, Permission.id.label("permission_id"), Organization.name.label("organization_name"),
        Account.zone.label("own_zone"), Organization.zone.label("zone"), _cooling.label("cooled_at"),
    )  # fmt: skip
    query = (
        found(columns)
        .outerjoin(Product, Product.code == bindparam("product"))
        .outerjoin(Member, is_mine)
        .outerjoin(Organization, Organization.id == Member.organization_id)
        .outerjoin(Device, and_(Device.account_id == Account.id, Device.client_id == bindparam("client"),
                                Device.removed_at.is_(None)))
    )  # fmt: skip
    ours = or_(_ours.organization_id == bindparam("organization"),
               _ours.account_id == bindparam("account"))  # fmt: skip
    query = _licenses(query, ours).outerjoin(
        Permission, and_(Permission.license_id == License.id, Permission.member_id == Member.id,
                         Permission.suspended_at.is_(None)),
    )  # fmt: skip
    own = and_(known.organization_id.is_(None), known.account_id == bindparam("account"))
    is_known = or_(known.organization_id == bindparam("organization"), own)
    return _leases(query, is_known, [_own, _of_account], Ticket.account_id == Account.id)


def _of_machine() -> Select[*tuple[Any, ...]]:
    query = (
        select(
            *_COLUMNS, null().label("account_id"), Station.name.label("person"), null().label("blocked_at"),
            null().label("deleted_at"), null().label("bound_device_id"), null().label("bound_key"),
            null().label("member_id"), null().label("disabled_at"), null().label("permission_id"),
            Organization.name.label("organization_name"),
            null().label("own_zone"), Organization.zone.label("zone"), _station_cooling.label("cooled_at"),
            Station.product_id.label("station_product_id"),
        )
        .select_from(Station)
        .join(Organization, Organization.id == Station.organization_id)
        .outerjoin(Product, Product.code == bindparam("product"))
        .outerjoin(Device, and_(Device.station_id == Station.id, Device.client_id == bindparam("client"),
                                Device.removed_at.is_(None)))
        .where(Station.id == bindparam("station"), Station.revoked_at.is_(None))
    )  # fmt: skip
    query = _licenses(query, _ours.organization_id == bindparam("organization"))
    is_known = known.organization_id == bindparam("organization")
    return _leases(query, is_known, [_of_station], Ticket.station_id == Station.id)


OF_PERSON = _of_person(_signed_in, TokenFamily.device_id, TokenFamily.key_thumbprint)
OF_PERSON, OF_STATION = (each.execution_options(**PLANNED_ONCE) for each in (OF_PERSON, _of_machine()))
OF_ACCOUNT = _of_person(_known_by_id, null(), null())
# Always in the order of their ids, so that two questions never wait for each other.
_of_side = select(PermissionKey.id).where(
    or_(PermissionKey.organization_id == bindparam("organization"), PermissionKey.account_id == bindparam("account"))
)
_of_product = select(Product.id).where(Product.code == bindparam("product")).scalar_subquery()
LICENSES = (
    select(License.id)
    .where(
        License.id.in_(
            union(
                select(License.id).where(License.key_id.in_(_of_side), License.product_id + 0 == _of_product),
                select(Lease.license_id).where(
                    Lease.uuid == bindparam("uuid"),
                    or_(Lease.organization_id == bindparam("organization"), Lease.account_id == bindparam("account")),
                ),
                select(Ticket.license_id).where(
                    Ticket.uuid == bindparam("uuid"), Ticket.organization_id == bindparam("organization")
                ),
            )
        )
    )
    .order_by(License.id)
    .with_for_update(key_share=True)
)
