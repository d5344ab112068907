"""A person's own devices: renamed, signed out, removed, or disowned when it was somebody else who signed in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import Integer, Row, Select, bindparam, case, delete, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement

from core import grants
from core.activity import Actor, record
from core.db import Instant
from core.errors import Missing, RuleBroken
from core.grants import TokenFamily
from core.leases import DEVICE_NAME, DEVICE_REMOVED, GIVEN_BACK, Denial, Device, Lease, Ticket
from core.seats import ending, freeing
from models import License, Product, line


def mine(session: Session, account_id: int) -> Sequence[Row[Any]]:
    """The person's devices, the one seen last first, each with the number of programs that are signed in on it."""
    return session.connection().execute(MINE, {"account": account_id}).all()


def running(session: Session, account_id: int) -> Sequence[Row[Any]]:
    """What runs on a person's devices, and for whom: device, product, since when, until when it is borrowed."""
    return session.connection().execute(RUNNING, {"account": account_id}).all()


def unused(session: Session, account_id: int) -> Sequence[Row[Any]]:
    """Programs that somebody let in and that have asked for no seat yet, so that no device is known of them."""
    return session.connection().execute(UNUSED, {"account": account_id}).all()


def found(session: Session, account_id: int, device_id: int) -> Device:
    """The person's device with this id, locked on PostgreSQL.

    :raise Missing: when he has none.
    """
    is_his = (Device.id == device_id, Device.account_id == account_id, Device.removed_at.is_(None))
    query = select(Device).where(*is_his).with_for_update(key_share=True)
    query = query.execution_options(populate_existing=True)
    if (device := session.scalars(query).one_or_none()) is None:
        raise Missing(_l("There is no such device."))
    return device


def rename(session: Session, device: Device, name: str, by: Actor, now: datetime) -> bool:
    """Give a device another name; False when it has it already.

    :raise BadInput: when it is none.
    """
    name = line(name, field="name", longest=DEVICE_NAME)
    if name == device.name:
        return False
    device.name = name
    record(session, None, by, "device.rename", device, now)
    return True


def unbind(session: Session, device: Device, by: Actor, now: datetime) -> None:
    """Forget a device's key and end its sign-ins; what runs goes on until it would have asked again."""
    device.public_key = None
    count = grants.revoke(session, TokenFamily.device_id == device.id, now)
    record(session, None, by, "device.unbind", device, now, after={"sign_ins": count})


def remove(session: Session, device: Device, by: Actor, now: datetime) -> int:
    """Take a device from the list: its sign-ins end, and its seats are free at once; returns how many sessions ended.

    A window to save in would reach nobody, because the programs are signed out; what is open can be saved all the same.

    :raise RuleBroken: while a seat is borrowed on it, which works offline whatever is stored here.
    """
    borrowed = select(Lease.id).where(Lease.device_id == device.id, *Lease.LIVE, Lease.borrowed_until > now)
    if session.scalar(borrowed.limit(1)) is not None:
        raise RuleBroken(_l("A seat is borrowed on this device. Return it there, or ask for it to be written off."))
    return _gone(session, device, by, "device.remove", now)


def disown(session: Session, device: Device, by: Actor, now: datetime) -> int:
    """It was somebody else: the device's sign-ins and sessions end at once, borrowed seats too."""
    return _gone(session, device, by, "device.disown", now)


def disown_sign_in(session: Session, account_id: int, family_id: int, by: Actor, now: datetime) -> None:
    """It was somebody else who let a program in: its tokens end.

    :raise Missing: when the person has no such sign-in.
    """
    is_his = (TokenFamily.id == family_id, TokenFamily.account_id == account_id)
    if (family := session.scalars(select(TokenFamily).where(*is_his)).one_or_none()) is None:
        raise Missing(_l("There is no such sign-in."))
    if grants.revoke(session, TokenFamily.id == family_id, now):
        record(session, None, by, "program.disown", family, now)


def _gone(session: Session, device: Device, by: Actor, action: str, now: datetime) -> int:
    device.removed_at, device.public_key = now, None
    grants.revoke(session, TokenFamily.device_id == device.id, now)
    _leave_queue(session, device.id, now)
    ended = ending.end_all(session, Lease.device_id == device.id, DEVICE_REMOVED, now)
    record(session, None, by, action, device, now, after={"sessions": ended})
    return ended


def _leave_queue(session: Session, device_id: int, now: datetime) -> None:
    leaving = delete(Ticket).where(Ticket.device_id == device_id).returning(Ticket.license_id)
    for license_id in sorted(each for each in session.scalars(leaving).all() if each is not None):
        freeing.release_offer(session, license_id, now)


# ── statements, built once ───────────────────────────────────────────────────────────────────────────────────────────

_account = bindparam("account", type_=Integer)


class _Latest(FunctionElement[datetime]):
    """The latest of some moments."""

    type = Instant()
    inherit_cache = True


@compiles(_Latest, "sqlite")
def _in_sqlite(element: _Latest, compiler: Any, **how: Any) -> str:
    return f"max({compiler.process(element.clauses, **how)})"


@compiles(_Latest, "postgresql")
def _in_postgresql(element: _Latest, compiler: Any, **how: Any) -> str:
    return f"greatest({compiler.process(element.clauses, **how)})"


def _mine() -> Select[*tuple[Any, ...]]:
    his = Lease.device_id == Device.id
    heard = case((Lease.ended_reason == GIVEN_BACK, Lease.ended_at), else_=Lease.renewed_at)
    signs = (
        # Of the newest launch, not of all: a device may have had thousands. What others said last is noted by the hour.
        select(heard).where(his).order_by(Lease.id.desc()).limit(1),
        select(func.max(Lease.renewed_at)).where(his, Lease.account_id == _account, *Lease.LIVE),
        select(Denial.at).where(Denial.device_id == Device.id).order_by(Denial.id.desc()).limit(1),
        select(func.max(Ticket.polled_at)).where(Ticket.device_id == Device.id),
    )  # fmt: skip
    seen = _Latest(Device.seen_at, *(func.coalesce(each.scalar_subquery(), Device.seen_at) for each in signs))
    signed_in = select(func.count()).where(TokenFamily.device_id == Device.id, TokenFamily.revoked_at.is_(None))
    return (
        select(Device.id, Device.name, Device.os, seen.label("seen_at"), signed_in.scalar_subquery().label("sign_ins"))
        .where(Device.account_id == _account, Device.removed_at.is_(None))
        .order_by(seen.desc(), Device.id)
    )


MINE = _mine()
RUNNING: Select[*tuple[Any, ...]] = (
    select(Lease.device_id, Device.name.label("device"), Product.id.label("product_id"), Product.name.label("product"),
           Lease.organization_id, Lease.taken_at, Lease.borrowed_until)
    .join(Device, Device.id == Lease.device_id)
    .join(License, License.id == Lease.license_id)
    .join(Product, Product.id == License.product_id)
    .where(Lease.account_id == _account, *Lease.LIVE)
    .order_by(Product.name, Lease.id)
)  # fmt: skip
UNUSED: Select[*tuple[Any, ...]] = (
    select(TokenFamily.id, TokenFamily.client_name, TokenFamily.made_at)
    .where(TokenFamily.account_id == _account, TokenFamily.device_id.is_(None), TokenFamily.revoked_at.is_(None))
    .order_by(TokenFamily.made_at.desc(), TokenFamily.id)
)
