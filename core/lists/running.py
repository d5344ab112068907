"""What runs: an organization's licenses with their seats, its sessions page by page, and who was refused today.

Three statements, read as Core rows; the first one carries the facts by which a page sees that nothing has changed.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Integer, Row, Select, and_, bindparam, case, func, or_, select
from sqlalchemy.orm import Session, aliased

from core.db import Instant
from core.leases import (
    LINE_EXPIRED,
    QUEUE_PATIENCE,
    RENEW_AFTER_S,
    SAVE_WINDOW,
    Denial,
    Device,
    Lease,
    Station,
    Ticket,
)  # fmt: skip
from core.lists.roster import LONGEST_SEARCH, MOST_WORDS
from models import Account, License, Member, PermissionKey, Product

PAGE = 50
MOST_DENIALS = 50
SILENT_AFTER = timedelta(seconds=RENEW_AFTER_S * 1.2)  # a renewal is overdue, its jitter and a slow line included
IDLE_SHOWN_S = 300  # nobody has touched the application for so long
NOT_RESPONDING, ENDING, IDLE, BORROWED, RUNNING = range(5)  # in the order of need
_now, _silent, _soon = (bindparam(name, type_=Instant) for name in ("now", "silent", "soon"))
_organization, _product = bindparam("organization", type_=Integer), bindparam("product", type_=Integer)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What part of the sessions is asked for: search words, a product, and the session after which the page begins."""

    q: str = ""
    product: int | None = None
    after: int | None = None
    before: int = 0  # how many were shown on the pages before; for the eye only


@dataclass(frozen=True, slots=True)
class Page:
    """Sessions in the order of need, and whether more follow."""

    found: Sequence[Row[Any]]
    has_more: bool


def pools(session: Session, organization_id: int, today: datetime, now: datetime) -> list[Row[Any]]:
    """Every license of the organization with what its seats do, and the denials since `today` began."""
    values = _values(organization_id, now) | {"today": today, "patient": now - QUEUE_PATIENCE}
    return list(session.connection().execute(POOLS, values))


def read(session: Session, organization_id: int, wanted: Wanted, now: datetime) -> Page:
    """The sessions that are asked for, one more than the page holds instead of a count."""
    query = _searched(_page(wanted.product is not None, wanted.after is not None), wanted.q)
    more = {"product": wanted.product, "after": wanted.after, "most": PAGE + 1}
    found = session.connection().execute(query, _values(organization_id, now) | more).all()
    return Page(found[:PAGE], len(found) > PAGE)


def one(session: Session, organization_id: int, lease_id: int, now: datetime) -> Row[Any] | None:
    """One session as the list shows it; None when it has ended."""
    return session.connection().execute(ONE, _values(organization_id, now) | {"lease": lease_id}).one_or_none()


def count(session: Session, organization_id: int, wanted: Wanted) -> int:
    """How many sessions match the search."""
    query = _searched(_counted(wanted.product is not None), wanted.q)
    values = {"organization": organization_id, "product": wanted.product}
    return int(session.connection().execute(query, values).scalar_one())


def denials(session: Session, organization_id: int, product: int | None, today: datetime) -> Sequence[Row[Any]]:
    """Who was refused since `today` began, the newest first."""
    values = {"organization": organization_id, "product": product, "today": today, "most": MOST_DENIALS}
    return session.connection().execute(_denials(product is not None), values).all()


def _values(organization_id: int, now: datetime) -> dict[str, Any]:
    return {"organization": organization_id, "now": now, "silent": now - SILENT_AFTER, "soon": now + SAVE_WINDOW}


def _state(lease: Any, license: Any = License) -> ColumnElement[int]:
    return case(
        (lease.borrowed_until > _now, BORROWED),
        # A license's own end opens no window that is stored: programs and pages see it come.
        (or_(lease.ending_at.is_not(None), license.ends_at <= _soon), ENDING),
        (lease.renewed_at <= _silent, NOT_RESPONDING),
        (lease.idle_s >= IDLE_SHOWN_S, IDLE),
        else_=RUNNING,
    )  # fmt: skip


def _ending() -> tuple[ColumnElement[datetime], ColumnElement[str]]:
    """When a session ends that is ending, and why: its window, or its license's end where that comes first."""
    is_line = and_(License.ends_at <= _soon, or_(Lease.ending_at.is_(None), Lease.ending_at > License.ends_at))
    at = case((is_line, License.ends_at), else_=Lease.ending_at)
    return at.label("ending_at"), case((is_line, LINE_EXPIRED), else_=Lease.ending_reason).label("ending_reason")


def _rank(lease: Any, license: Any = License) -> ColumnElement[int]:
    """What waits for somebody first; the newest of the rest, whatever it is, so that rows keep their places."""
    state = _state(lease, license)
    return case((state <= ENDING, state), else_=RUNNING)


def _searched(query: Select[*tuple[Any, ...]], q: str) -> Select[*tuple[Any, ...]]:
    return query.where(*(_says(word) for word in q[:LONGEST_SEARCH].split()[:MOST_WORDS]))


def _says(word: str) -> ColumnElement[bool]:
    # SQLite folds ASCII only, so a word is looked for in the spellings that names have.
    spellings = sorted({word, word.lower(), word.upper(), word.title()})
    names = (Account.name, Station.name, Device.name)
    return or_(
        Account.email.icontains(word, autoescape=True),
        *(name.icontains(spelling, autoescape=True) for name in names for spelling in spellings),
    )


# Statements are built once: building one costs more than running it.

_ours = select(License.id).join(PermissionKey, PermissionKey.id == License.key_id)
_ours = _ours.where(PermissionKey.organization_id == _organization)
# By license, of which few leases are live; those of an organization would be all that it ever had. Who still saves on
# a license for its last owner is nobody's business here.
_here = Lease.organization_id + 0 == _organization
_live = and_(Lease.license_id.in_(_ours.scalar_subquery()), _here, *Lease.LIVE)


def _pools() -> Select[*tuple[Any, ...]]:
    takes = Lease.takes_seat

    def seats(state: int) -> ColumnElement[int]:
        return func.count(Lease.id).filter(takes, _state(Lease) == state)

    waiting = select(func.count()).select_from(Ticket).where(
        Ticket.organization_id == _organization, Ticket.product_id == Product.id, Ticket.license_id.is_(None),
        Ticket.polled_at > bindparam("patient", type_=Instant),
    )  # fmt: skip
    held = select(func.count()).select_from(Ticket).where(Ticket.license_id == License.id)
    denied = select(func.count()).where(*_since_today())
    newest = select(func.max(Denial.id)).where(*_since_today())
    return (
        select(
            License.id, License.type, License.seats, License.reserved, License.in_use, License.starts_at,
            License.ends_at, PermissionKey.revoked_at, Product.id.label("product_id"), Product.name.label("product"),
            func.count(Lease.id).label("sessions"), seats(RUNNING).label("running"), seats(IDLE).label("idle"),
            seats(NOT_RESPONDING).label("silent"), seats(ENDING).label("ending"), seats(BORROWED).label("borrowed"),
            func.count(Lease.id).filter(_state(Lease) <= ENDING).label("counting"),
            func.max(Lease.renewed_at).label("renewed_at"), func.max(Lease.id).label("newest"),
            waiting.correlate(Product).scalar_subquery().label("waiting"),
            held.correlate(License).scalar_subquery().label("held"),
            denied.scalar_subquery().label("denied"), newest.scalar_subquery().label("newest_denial"),
        )
        .select_from(License)
        .join(PermissionKey, PermissionKey.id == License.key_id)
        .join(Product, Product.id == License.product_id + 0)  # by the keys of one side, never by the product
        .outerjoin(Lease, and_(Lease.license_id == License.id, _here, *Lease.LIVE))
        .where(PermissionKey.organization_id == _organization)
        .group_by(License.id, PermissionKey.id, Product.id)
        .order_by(Product.name, License.id)
    )  # fmt: skip


def _since_today() -> tuple[ColumnElement[bool], ...]:
    return Denial.organization_id == _organization, Denial.at >= bindparam("today", type_=Instant)


def _sessions(*columns: Any) -> Select[*tuple[Any, ...]]:
    return (
        select(*columns)
        .select_from(Lease)
        .join(License, License.id == Lease.license_id)
        .join(Device, Device.id == Lease.device_id)
        .outerjoin(Account, Account.id == Lease.account_id)
        .outerjoin(Station, Station.id == Lease.station_id)
        .where(_live)
    )


def _rows() -> Select[*tuple[Any, ...]]:
    return _sessions(
        Lease.id, Lease.app_version, Lease.idle_s, Lease.takes_seat, Lease.taken_at, Lease.renewed_at,
        Lease.expires_at, Lease.borrowed_until, *_ending(), _state(Lease).label("state"),
        Account.name, Station.name.label("station"), Device.name.label("device"), Device.os,
        Product.name.label("product"),
    ).join(Product, Product.id == License.product_id)  # fmt: skip


@functools.cache
def _page(is_one_product: bool, goes_on: bool) -> Select[*tuple[Any, ...]]:
    query = _rows().order_by(_rank(Lease), Lease.id.desc()).limit(bindparam("most"))
    if goes_on:
        # An ended lease still says where the page began; another organization's says nothing.
        other, its, after = aliased(Lease), aliased(License), bindparam("after", type_=Integer)
        begun = select(_rank(other, its)).join_from(other, its, its.id == other.license_id)
        there = begun.where(other.id == after, other.organization_id == _organization).scalar_subquery()
        query = query.where(or_(_rank(Lease) > there, and_(_rank(Lease) == there, Lease.id < after)))
    return query.where(License.product_id == _product) if is_one_product else query


@functools.cache
def _counted(is_one_product: bool) -> Select[*tuple[Any, ...]]:
    query = _sessions(func.count())
    return query.where(License.product_id == _product) if is_one_product else query


@functools.cache
def _denials(is_one_product: bool) -> Select[*tuple[Any, ...]]:
    is_here = and_(
        Member.account_id == Denial.account_id, Member.organization_id == Denial.organization_id,
        Member.confirmed_at.is_not(None), Member.ended_at.is_(None),
    )  # fmt: skip
    query = (
        select(
            Denial.id, Denial.at, Denial.code, Denial.detail, Denial.served_at, Account.name,
            Station.name.label("station"), Device.name.label("device"), Product.name.label("product"),
            Product.code.label("product_code"), Member.id.label("member_id"),
        )
        .join(Product, Product.id == Denial.product_id)
        .outerjoin(Member, is_here)
        .outerjoin(Account, Account.id == Denial.account_id)
        .outerjoin(Station, Station.id == Denial.station_id)
        .outerjoin(Device, Device.id == Denial.device_id)
        .where(*_since_today())
        .order_by(Denial.at.desc(), Denial.id.desc())
        .limit(bindparam("most"))
    )  # fmt: skip
    return query.where(Denial.product_id == _product) if is_one_product else query


POOLS = _pools()
ONE = _rows().where(Lease.id == bindparam("lease", type_=Integer))
