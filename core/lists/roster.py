"""The list of users: pages by keyset, search, states and their counts, read as Core rows in one statement a page."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import current_app
from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, func, or_, select
from sqlalchemy.orm import Session, aliased

from core.db import Instant
from core.leases import Lease
from core.mail import INVITATION
from core.mailing.outbox import Outbox
from models import CO_ADMINISTRATOR, DISABLED, ENABLED, PENDING, Account, License, Member, Permission, PermissionKey

PAGE = 50
MOST_WORDS = 5
MOST_CACHED = 1000  # organizations whose counts a process remembers
LONGEST_SEARCH = 200
STATES = (ENABLED, PENDING, DISABLED)
MINE = (Member.organization_id == bindparam("organization"), *Member.LIVE)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What part of the list is asked for: search words, one state, and the member after whom the page begins."""

    q: str = ""
    state: str = ""
    after: int | None = None
    before: int = 0  # how many were shown on the pages before; for the eye only

    @property
    def is_narrow(self) -> bool:
        """Whether it leaves anybody out."""
        return bool(self.q or self.state)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many people a list has, by state."""

    enabled: int
    pending: int
    disabled: int

    @property
    def all(self) -> int:
        """Everybody."""
        return self.enabled + self.pending + self.disabled

    def of(self, state: str) -> int:
        """How many are in one state; everybody without one."""
        return int(getattr(self, state)) if state else self.all


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of members in the order of their addresses, and whether more follow."""

    found: Sequence[Row[Any]]
    has_more: bool


def read(session: Session, organization_id: int, wanted: Wanted, now: datetime, limit: int = PAGE) -> Page:
    """The members who are asked for, one more than the page holds instead of a count."""
    query = searched(_page(wanted.state, wanted.after is not None), wanted.q)
    values = {"now": now, "organization": organization_id, "after": wanted.after, "most": limit + 1}
    found = session.connection().execute(query, values).all()
    return Page(found[:limit], len(found) > limit)


def one(session: Session, organization_id: int, member_id: int, now: datetime) -> Row[Any] | None:
    """One live member as the list shows him; None when he is gone."""
    session.flush()  # what the action just changed; a connection's own statements flush nothing
    values = {"now": now, "organization": organization_id, "member": member_id}
    return session.connection().execute(ONE, values).one_or_none()


def count(session: Session, organization_id: int, q: str, version: int | None) -> Counts:
    """How many match the search, by state; without a search remembered until the organization's next activity."""
    if q or version is None:
        return _count(session, organization_id, q)
    remembered: dict[int, tuple[int, Counts]] = current_app.extensions.setdefault("roster", {})
    known = remembered.get(organization_id)
    if known is None or known[0] != version:
        if len(remembered) >= MOST_CACHED:
            remembered.clear()  # rare, and counting anew costs half a millisecond each
        known = remembered[organization_id] = (version, _count(session, organization_id, q))
    return known[1]


def _count(session: Session, organization_id: int, q: str) -> Counts:
    query = searched(_counted(bool(q)), q)
    enabled, pending, disabled = session.connection().execute(query, {"organization": organization_id}).one()
    return Counts(enabled, pending, disabled)


def searched(query: Select[*tuple[Any, ...]], q: str) -> Select[*tuple[Any, ...]]:
    """The query, for the members that every word of a search is found in."""
    return query.where(*(_says(word) for word in q[:LONGEST_SEARCH].split()[:MOST_WORDS]))


def _says(word: str) -> ColumnElement[bool]:
    # SQLite folds ASCII only, so a word is looked for in the spellings that names have.
    spellings = {word, word.lower(), word.upper(), word.title()}
    return or_(
        Member.email_key.contains(word.lower(), autoescape=True),
        Member.email.icontains(word, autoescape=True),
        Account.email.icontains(word, autoescape=True),
        *(Account.name.icontains(spelling, autoescape=True) for spelling in sorted(spellings)),
    )


def _is_in(state: str) -> ColumnElement[bool]:
    if state == PENDING:
        return Member.confirmed_at.is_(None)
    is_disabled = Member.disabled_at.is_not(None) if state == DISABLED else Member.disabled_at.is_(None)
    return and_(Member.confirmed_at.is_not(None), is_disabled)


def address_of(organization_id: Any, member_id: Any) -> Any:
    """The address of the member after whom a page begins, as a subquery."""
    # An ended row still says where the page began; another organization's says nothing.
    other = aliased(Member)
    query = select(other.email_key).where(other.id == member_id, other.organization_id == organization_id)
    return query.scalar_subquery()


# Statements are built once: building one costs more than running it.


@functools.cache
def _page(state: str, goes_on: bool) -> Select[*tuple[Any, ...]]:
    query = _rows().order_by(Member.email_key).limit(bindparam("most"))
    if state:
        query = query.where(_is_in(state))
    if goes_on:
        query = query.where(Member.email_key > address_of(bindparam("organization"), bindparam("after")))
    return query


@functools.cache
def _counted(with_names: bool) -> Select[*tuple[Any, ...]]:
    query = select(*(func.count().filter(_is_in(state)) for state in STATES)).select_from(Member).where(*MINE)
    return query.outerjoin(Account, Account.id == Member.account_id) if with_names else query


def _rows() -> Select[*tuple[Any, ...]]:
    """What a row needs, its permissions counted by index for the rows of the page only."""
    return select(
        Member.id, Member.email, Member.role, Member.invited_at, Member.confirmed_at, Member.disabled_at,
        Member.ended_at, Account.name, Account.email.label("account_email"), Account.blocked_at,
        _permissions(Permission.suspended_at.is_(None)).label("given"),
        _permissions(Permission.suspended_at.is_not(None)).label("suspended"),
        _restorable().label("restorable"),
        _is_elsewhere().label("is_elsewhere"),
        _is_slot_free().label("is_slot_free"),
        _of_sessions(func.max(Lease.renewed_at)).label("running_at"),
        _of_sessions(func.max(Lease.borrowed_until)).label("held_until"),
        _used_at().label("used_at"),
        Outbox.id.label("letter_id"), Outbox.sent_at, Outbox.dropped_at, Outbox.failed_at, Outbox.failed_reason,
        Outbox.tries,
    ).outerjoin(Account, Account.id == Member.account_id).outerjoin(Outbox, _is_invitation()).where(*MINE)  # fmt: skip


def _is_invitation() -> ColumnElement[bool]:
    """The newest invitation of somebody pending."""
    other = aliased(Outbox)
    newest = select(func.max(other.id)).where(other.member_id == Member.id, other.kind == INVITATION)
    return and_(Member.confirmed_at.is_(None), Outbox.id == newest.correlate(Member).scalar_subquery())


def _permissions(condition: ColumnElement[bool]) -> Any:
    query = select(func.count()).select_from(Permission).where(Permission.member_id == Member.id, condition)
    return query.correlate(Member).scalar_subquery()


def _of_sessions(what: ColumnElement[Any]) -> Any:
    """Something of what a member runs here now, personal licenses left out."""
    # By the account, of whose leases few are live; those of an organization would be all that it ever had.
    his = (Lease.account_id == Member.account_id, Lease.organization_id + 0 == Member.organization_id)
    query = select(what).where(*his, *Lease.LIVE, Lease.expires_at > bindparam("now", type_=Instant))
    return query.correlate(Member).scalar_subquery()


def _used_at() -> Any:
    """When something that a member ran here ended last."""
    his = (Lease.account_id == Member.account_id, Lease.organization_id + 0 == Member.organization_id)
    return select(func.max(Lease.ended_at)).where(*his).correlate(Member).scalar_subquery()


def _restorable() -> Any:
    """How many of the suspended permissions would fit now."""
    held, same = aliased(Permission), aliased(License)
    has_another = select(held.id).join(same, same.id == held.license_id)
    has_another = has_another.where(
        held.member_id == Member.id, held.suspended_at.is_(None), same.product_id == License.product_id
    )
    return (
        select(func.count())
        .select_from(Permission)
        .join(License, License.id == Permission.license_id)
        .join(PermissionKey, PermissionKey.id == License.key_id)
        .where(
            Permission.member_id == Member.id, Permission.suspended_at.is_not(None), License.reserved < License.seats,
            PermissionKey.revoked_at.is_(None),
            License.ends_at.is_(None) | (License.ends_at > bindparam("now", type_=Instant)),
            ~has_another.correlate(Member, License).exists(),
        )
        .correlate(Member)
        .scalar_subquery()
    )  # fmt: skip


def _is_slot_free() -> ColumnElement[bool]:
    """Whether the organization has no co-administrator, so that appointing one replaces nobody."""
    other = aliased(Member)
    query = select(other.id).where(other.organization_id == bindparam("organization"), other.role == CO_ADMINISTRATOR)
    return ~query.exists()


def _is_elsewhere() -> ColumnElement[bool]:
    """Whether somebody pending could not confirm now: a member of another organization, or an operator."""
    invited, other = aliased(Account), aliased(Member)
    query = select(invited.id).outerjoin(
        other, and_(other.account_id == invited.id, other.confirmed_at.is_not(None), other.ended_at.is_(None))
    )
    query = query.where(invited.email_key == Member.email_key, other.id.is_not(None) | invited.is_operator)
    # One row, not EXISTS: that PostgreSQL answers for all accounts of the portal at once.
    found = query.limit(1).correlate(Member).scalar_subquery()
    return and_(Member.confirmed_at.is_(None), found.is_not(None))


ONE = _rows().where(Member.id == bindparam("member"))
