"""The Permissions page's rows: every license, the people of one page, and who has what; two statements, no words.

Never people × licenses from the database: the permissions that are read are those of the people on the page.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, Select, bindparam, select
from sqlalchemy.orm import Session

from core.dates import LicenseType
from core.leases import Lease
from core.lists import roster
from core.rights import Condition, condition
from models import Account, License, Member, Permission, PermissionKey, Product

PAGE = 50


@dataclass(frozen=True, slots=True)
class View:
    """Whom the page shows: a search, only those with ticks, those after somebody, or one member alone."""

    q: str = ""
    only: bool = False
    after: int | None = None
    member: int | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether it leaves anybody out."""
        return bool(self.q or self.only or self.after or self.member)


@dataclass(slots=True)
class Box:
    """One check box: a member and one license; `other` is the license of the same product that he has."""

    id: int
    name: str
    ticked: bool
    is_blocked: bool
    runs: bool = False  # something, on the seat that was given
    other: int | None = None
    note: str = ""


@dataclass(slots=True)
class Line:
    """One license with its check boxes; `suspended` holds the members who had it when they were disabled."""

    id: int
    product_id: int
    product: str
    type: LicenseType
    seats: int
    given: int
    start_on: date
    end_on: date | None
    condition: Condition
    boxes: list[Box] = field(default_factory=list)
    suspended: list[int] = field(default_factory=list)

    @property
    def free(self) -> int:
        """Seats that can be given away now."""
        return 0 if self.condition.is_over else max(0, self.seats - self.given)

    @property
    def over(self) -> int:
        """By how many the ticks exceed the seats."""
        return max(0, self.given - self.seats)


@dataclass(slots=True)
class Group:
    """The licenses of one product: what changes together, because a member has one permission a product."""

    id: int
    name: str
    lines: list[Line]


@dataclass(slots=True)
class Sheet:
    """What the page shows; `after` is where the next page of people begins, None on the last."""

    groups: list[Group]
    people: Sequence[Row[Any]]
    after: int | None

    @property
    def lines(self) -> dict[int, Line]:
        """Every line by its license."""
        return {line.id: line for group in self.groups for line in group.lines}


class Held:
    """The permissions of the people on the page: one a member and product, and the suspended ones by license."""

    def __init__(self, rows: Iterable[Row[Any]], licenses: Sequence[Row[Any]]) -> None:
        product = {each.id: each.product_id for each in licenses}
        self.active: dict[tuple[int, int], int] = {}
        self.suspended: dict[int, list[int]] = {}
        self.running: set[tuple[int, int]] = set()  # member and license
        for row in rows:
            if row.lease_id is not None:
                self.running.add((row.id, row.license_id))
            if row.license_id in product and row.suspended_at is None:
                self.active[row.id, product[row.license_id]] = row.license_id
            elif row.license_id in product:
                self.suspended.setdefault(row.license_id, []).append(row.id)


def read(
    session: Session,
    organization_id: int,
    view: View,
    now: datetime,
    product_id: int | None = None,
    keep: int | None = None,
) -> Sheet:
    """The sheet of an organization, or one product's part of it; `keep` stays listed though its last tick went."""
    # What was ticked in this request; a connection's own statements flush nothing.
    session.flush()
    licenses = _read_licenses(session, organization_id, product_id)
    only = None if product_id is None else [row.id for row in licenses]
    rows = _read_people(session, organization_id, view, keep, only)
    # Each comes as often as he has permissions; the order of the addresses stays.
    found = list({row.id: row for row in rows}.values())
    people = sorted(found[:PAGE], key=_by_name)  # within the page: pages follow the index on addresses
    shown = {person.id for person in people}
    held = Held((row for row in rows if row.id in shown), licenses)
    lines = [_line(row, people, held, now, view, keep) for row in licenses]
    return Sheet(_grouped(lines), people, found[PAGE - 1].id if len(found) > PAGE else None)


def _read_licenses(session: Session, organization_id: int, product_id: int | None) -> Sequence[Row[Any]]:
    query = LICENSES if product_id is None else LICENSES.where(License.product_id == product_id)
    return session.connection().execute(query, {"organization_id": organization_id}).all()


def _read_people(
    session: Session, organization_id: int, view: View, keep: int | None, only: list[int] | None
) -> Sequence[Row[Any]]:
    """The people of a page and the one behind it, each as often as he has permissions, of all licenses or of some."""
    query = roster.searched(PEOPLE, view.q)
    if view.member is not None:
        query = query.where(Member.id == view.member)
    if view.only:
        query = query.where(HAS_ANY | (Member.id == keep))
    if view.after is not None:
        query = query.where(Member.email_key > roster.address_of(organization_id, view.after))
    with_permissions = _with_permissions(query, only)
    return session.connection().execute(with_permissions, {"organization_id": organization_id}).all()


def _with_permissions(people: Select[*tuple[Any, ...]], only: list[int] | None) -> Select[*tuple[Any, ...]]:
    page = people.subquery("page")
    his = Permission.member_id == page.c.id
    if only is not None:
        his &= Permission.license_id.in_(only)
    # One row, not EXISTS: that PostgreSQL answers for everybody's leases at once.
    runs = select(Lease.id).where(Lease.account_id == page.c.account_id, Lease.license_id == Permission.license_id)
    lease_id = runs.where(*Lease.LIVE, Lease.is_reserved).limit(1).correlate(page, Permission).scalar_subquery()
    query = select(page, Permission.license_id, Permission.suspended_at, lease_id.label("lease_id"))
    query = query.outerjoin_from(page, Permission, his)
    return query.order_by(page.c.email_key, Permission.license_id)


def _line(row: Row[Any], people: Sequence[Row[Any]], held: Held, now: datetime, view: View, keep: int | None) -> Line:
    line = Line(
        row.id, row.product_id, row.product, LicenseType(row.type), row.seats, row.reserved, row.start_on, row.end_on,
        condition(row, now), suspended=held.suspended.get(row.id, []),
    )  # fmt: skip
    boxes = (_box(person, held, row) for person in people)
    # Where nothing can be ticked, or only ticks are asked for, an empty box says nothing.
    hides_empty = view.only or line.condition.is_over
    line.boxes = [box for box in boxes if box.ticked or not hides_empty or box.id == keep]
    return line


def _box(person: Row[Any], held: Held, line: Row[Any]) -> Box:
    license_id = held.active.get((person.id, line.product_id))
    other, runs = license_id if license_id != line.id else None, (person.id, line.id) in held.running
    return Box(person.id, person.name, license_id == line.id, person.blocked_at is not None, runs, other)


def _by_name(person: Row[Any]) -> tuple[str, str, int]:
    # Accents sort with their letter.
    plain = "".join(c for c in unicodedata.normalize("NFKD", person.name) if not unicodedata.combining(c))
    return plain.translate(_LETTERS).casefold(), person.name, person.id


def _grouped(lines: Iterable[Line]) -> list[Group]:
    groups: dict[int, Group] = {}
    for line in lines:
        groups.setdefault(line.product_id, Group(line.product_id, line.product, [])).lines.append(line)
    for group in groups.values():
        group.lines.sort(key=_by_need)
    return sorted(groups.values(), key=lambda group: all(line.condition.is_over for line in group.lines))


def _by_need(line: Line) -> tuple[bool, date, int]:
    return line.condition.is_over, line.end_on or date.max, line.id


# Letters that Unicode does not take apart into one with an accent.
_LETTERS = str.maketrans({"Ł": "L", "ł": "l", "Đ": "D", "đ": "d", "Ø": "O", "ø": "o", "ı": "i"})

# Built once: building a statement costs more than running it.
LICENSES: Select[*tuple[Any, ...]] = (
    select(
        License.id, License.product_id, Product.name.label("product"), License.type, License.seats, License.reserved,
        License.start_on, License.end_on, License.starts_at, License.ends_at, PermissionKey.revoked_at,
    )
    .join(License.key)
    .join(License.product)
    .where(PermissionKey.organization_id == bindparam("organization_id"))
    .order_by(Product.name, License.product_id, License.id)
)  # fmt: skip
PEOPLE: Select[*tuple[Any, ...]] = (
    select(Member.id, Member.account_id, Member.email_key, Account.name, Account.blocked_at)
    .join(Account, Account.id == Member.account_id)
    .where(
        Member.organization_id == bindparam("organization_id"), *Member.LIVE, Member.confirmed_at.is_not(None),
        Member.disabled_at.is_(None),
    )
    .order_by(Member.email_key)
    .limit(PAGE + 1)
)  # fmt: skip
# One row, not EXISTS: that PostgreSQL answers for everybody's permissions at once.
HAS_ANY = (
    select(Permission.id)
    .where(Permission.member_id == Member.id, Permission.suspended_at.is_(None))
    .limit(1)
    .scalar_subquery()
    .is_not(None)
)
