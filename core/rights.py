"""What a person may run and, where not, why: computed here once, for pages, the license API and whoever explains.

A `Right` is facts and a `Reason`, no words of a page; `sentence` is the one place that turns it into words.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import Row, Select, and_, bindparam, select
from sqlalchemy.orm import Session

from core.dates import LicenseType, today
from core.leases import AccessRequest
from core.pages.words import day, ngettext
from models import License, Member, Permission, PermissionKey, Product


class Condition(StrEnum):
    """What a license is at a moment, whoever asks."""

    ACTIVE = "active"
    AHEAD = "ahead"
    EXPIRED = "expired"
    REVOKED = "revoked"

    @property
    def is_over(self) -> bool:
        """Whether nothing new can be given on it."""
        return self in (Condition.EXPIRED, Condition.REVOKED)


class Reason(StrEnum):
    """Why somebody may run a product, or why not; in the order in which the licenses of one product are preferred."""

    SEAT = "seat"  # named, and the seat is the person's
    RESERVED = "reserved"  # floating, and a seat is kept free
    POOL = "pool"  # floating, and open to every enabled member
    OWN = "own"  # a personal license
    STARTS_LATER = "starts_later"  # one of the above, not yet
    NO_PERMISSION = "no_permission"  # named, seats are free
    ALL_GIVEN = "all_given"  # named, no seat is free
    ALL_RESERVED = "all_reserved"  # floating, every seat is kept for somebody else
    NO_SEATS = "no_seats"
    DISABLED = "disabled"
    REVOKED = "revoked"
    EXPIRED = "expired"

    @property
    def may_run(self) -> bool:
        """Whether an application may ask for a seat now."""
        return self in MAY_RUN


MAY_RUN = frozenset({Reason.SEAT, Reason.RESERVED, Reason.POOL, Reason.OWN})
ORDER = list(Reason)


@dataclass(frozen=True, slots=True)
class Right:
    """One license as one person sees it; `days_left` is 0 on the last day, None when it never ends or is over."""

    license_id: int
    product_id: int
    product: str
    code: str
    type: LicenseType
    seats: int
    given: int
    start_on: date
    end_on: date | None
    days_left: int | None
    reason: Reason
    asked_at: datetime | None = None  # for access, without an answer so far

    @property
    def may_run(self) -> bool:
        """Whether an application may ask for a seat now."""
        return self.reason.may_run


def condition(row: Any, now: datetime) -> Condition:
    """The condition of a license, or of a row that has its dates and its key's `revoked_at`."""
    if row.revoked_at is not None:
        return Condition.REVOKED
    if row.ends_at is not None and row.ends_at <= now:
        return Condition.EXPIRED
    return Condition.AHEAD if row.starts_at is not None and row.starts_at > now else Condition.ACTIVE


def in_organization(
    session: Session, organization_id: int, zone: str, member_id: int | None, is_enabled: bool, now: datetime
) -> list[Right]:
    """What a member may run of his organization's products, one right a product."""
    values = {"organization_id": organization_id, "member_id": member_id}
    # Below the session: nothing is flushed first, and no entity is made of a row.
    rows = session.connection().execute(SHARED, values)
    return best(_right(row, _shared_reason(row, is_enabled, condition(row, now)), zone, now) for row in rows)


def personal(session: Session, account_id: int, zone: str, now: datetime) -> list[Right]:
    """What a person may run alone, one right a license: personal licenses never merge."""
    rows = session.connection().execute(PERSONAL, {"account_id": account_id})
    return [_right(row, _own_reason(row, condition(row, now)), zone, now) for row in rows]


def best(rights: Iterable[Right]) -> list[Right]:
    """The one right of each product that counts, by product: what runs before what does not, named before floating."""
    chosen: dict[int, Right] = {}
    for right in sorted(rights, key=_preference):
        chosen.setdefault(right.product_id, right)
    return sorted(chosen.values(), key=lambda right: (right.product.casefold(), right.product_id))


def _preference(right: Right) -> tuple[int, int, int]:
    # Among equals the license that ends last: it lasts, and its expiry hits the fewest.
    end = right.end_on or date.max
    return ORDER.index(right.reason), -end.toordinal(), right.license_id


def _shared_reason(row: Row[Any], is_enabled: bool, state: Condition) -> Reason:
    if state.is_over:
        return Reason.REVOKED if state is Condition.REVOKED else Reason.EXPIRED
    if not is_enabled:
        return Reason.DISABLED
    if not row.seats:
        return Reason.NO_SEATS
    reason = _pool_reason(row) if LicenseType(row.type).is_floating else _named_reason(row)
    return Reason.STARTS_LATER if reason.may_run and state is Condition.AHEAD else reason


def _named_reason(row: Row[Any]) -> Reason:
    if row.permission_id is not None:
        return Reason.SEAT
    return Reason.NO_PERMISSION if row.reserved < row.seats else Reason.ALL_GIVEN


def _pool_reason(row: Row[Any]) -> Reason:
    if row.permission_id is not None:
        return Reason.RESERVED
    return Reason.POOL if row.reserved < row.seats else Reason.ALL_RESERVED


def _own_reason(row: Row[Any], state: Condition) -> Reason:
    if state is Condition.ACTIVE:
        return Reason.OWN if row.seats else Reason.NO_SEATS
    return {
        Condition.AHEAD: Reason.STARTS_LATER, Condition.EXPIRED: Reason.EXPIRED, Condition.REVOKED: Reason.REVOKED,
    }[state]  # fmt: skip


def _right(row: Row[Any], reason: Reason, zone: str, now: datetime) -> Right:
    left = (row.end_on - today(now, zone)).days if row.end_on is not None else None
    return Right(
        row.id, row.product_id, row.product, row.code, LicenseType(row.type), row.seats, row.reserved, row.start_on,
        row.end_on, left if left is not None and left >= 0 else None, reason, getattr(row, "asked_at", None),
    )  # fmt: skip


def _licenses(*more: Any) -> Select[*tuple[Any, ...]]:
    query = select(
        License.id, License.product_id, Product.name.label("product"), Product.code, License.type, License.seats,
        License.reserved, License.start_on, License.end_on, License.starts_at, License.ends_at,
        PermissionKey.revoked_at, *more,
    )  # fmt: skip
    return query.join(License.key).join(License.product).order_by(Product.name, License.id)


_mine = and_(
    Permission.license_id == License.id,
    Permission.member_id == bindparam("member_id"),
    Permission.suspended_at.is_(None),
)
_asker = select(Member.account_id).where(Member.id == bindparam("member_id")).scalar_subquery()
_asked = and_(AccessRequest.product_id == License.product_id, AccessRequest.account_id == _asker,
              AccessRequest.closed_at.is_(None))  # fmt: skip
SHARED = (
    _licenses(Permission.id.label("permission_id"), AccessRequest.asked_at)
    .outerjoin(Permission, _mine)
    .outerjoin(AccessRequest, _asked)
    .where(PermissionKey.organization_id == bindparam("organization_id"))
)
PERSONAL = _licenses().where(PermissionKey.account_id == bindparam("account_id"))


# ── in words ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def sentence(right: Right, who: str = "") -> tuple[str, str]:
    """Whether it runs, and why or what now: two sentences. `who` names those who can change it: “Anna or Tom”.

    Without `who` the license is the person's own.
    """
    if right.may_run:
        return _("You can run it."), _why(right)
    return _no(right), _what_now(right, who)


def _why(right: Right) -> str:
    if right.reason is Reason.OWN:
        return _own_words(right)
    end = day(right.end_on) if right.end_on else ""
    if right.reason is Reason.SEAT:
        return str(_("A seat is yours until %(day)s.", day=end) if end else _("A seat is yours, with no end date."))
    if right.reason is Reason.RESERVED:
        return str(_("A seat is kept free for you until %(day)s.", day=end))
    return str(
        ngettext(
            "You may take the one seat while it is free, until %(day)s.",
            "You may take one of %(num)s seats while one is free, until %(day)s.",
            right.seats - right.given,
            day=end,
        )
    )


def _own_words(right: Right) -> str:
    if right.end_on is None:
        return str(_("It is yours, with no end date."))
    if not right.days_left:
        return str(_("Today is the last day."))
    end = day(right.end_on)
    return str(
        ngettext("%(num)s day left, until %(day)s.", "%(num)s days left, until %(day)s.", right.days_left, day=end)
    )


def _no(right: Right) -> str:
    words = {
        Reason.STARTS_LATER: _("It starts on %(day)s.", day=day(right.start_on)),
        Reason.NO_PERMISSION: _("You have no permission."),
        Reason.ALL_GIVEN: _("You have no permission."),
        Reason.ALL_RESERVED: _("No seat is left for you."),
        Reason.NO_SEATS: _("It has no seats."),
        Reason.DISABLED: _("You are disabled."),
        Reason.REVOKED: _("It was withdrawn by the vendor."),
        Reason.EXPIRED: _("It ended on %(day)s.", day=day(right.end_on or right.start_on)),
    }
    return str(words[right.reason])


def _what_now(right: Right, who: str) -> str:
    if right.reason is Reason.STARTS_LATER:
        return str(_("You can run it from then on."))
    if right.reason is Reason.EXPIRED:
        return str(_("%(who)s can add a new key.", who=who) if who else _("Add a new key to go on."))
    if right.reason is Reason.REVOKED and who:
        return str(_("%(who)s can ask the vendor why.", who=who))
    change = _("%(who)s can change that.", who=who) if who else _("Ask your vendor.")
    return " ".join(filter(None, (_full(right), str(change))))


def _full(right: Right) -> str:
    if right.reason is Reason.ALL_GIVEN:
        return str(ngettext("The only seat is given away.", "All %(num)s seats are given away.", right.seats))
    if right.reason is Reason.ALL_RESERVED:
        return str(ngettext("The only seat is reserved.", "All %(num)s seats are reserved.", right.seats))
    return ""
