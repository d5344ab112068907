"""The list under Products, prepared: a row per license in the order of need, totals per product, the heading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import gettext as _

from core import keys
from core.lists import sessions
from core.lists.license_states import AHEAD, ENDING, REVOKED, State, state_of
from core.pages.words import day, ngettext, number
from models import ENDS_SOON_DAYS, License, Organization, session_of

MOST_USERS = 20  # of a license are named in its details


@dataclass(frozen=True, slots=True)
class Row:
    """One license as its row and its details show it."""

    license: License
    state: State
    zone: str
    users: Sequence[tuple[str, str]] = ()  # who uses it now, and since when; read for the details only

    @property
    def id(self) -> int:
        """The license's id, of which the ids of the page are made."""
        return self.license.id

    @property
    def is_personal(self) -> bool:
        """Whether it is one person's, outside of every organization."""
        return self.license.key.account_id is not None

    @property
    def seats(self) -> str:
        """The sentence below the picture of its seats."""
        all_of_them = seats(self.license.seats)
        if self.state.rank == REVOKED:
            return str(_("%(seats)s, withdrawn", seats=all_of_them))
        if self.state.is_over:
            return str(_("%(seats)s, ended", seats=all_of_them))
        if self.is_personal:
            return str(_("%(seats)s, yours alone", seats=all_of_them))
        if self.state.rank == AHEAD and not self.license.reserved:
            return str(_("%(seats)s, from %(day)s", seats=all_of_them, day=day(self.license.start_on)))
        return self.given

    @property
    def given(self) -> str:
        """How many seats are given away, or reserved."""
        numbers = {"n": number(self.license.reserved), "seats": number(self.license.seats)}
        if self.license.is_floating:
            return str(_("%(n)s of %(seats)s reserved", **numbers))
        return str(_("%(n)s of %(seats)s given away", **numbers))

    @property
    def more_users(self) -> str:
        """What leads to those who are not named."""
        return str(_("All sessions")) if len(self.users) == MOST_USERS else ""

    @property
    def in_use(self) -> str:
        """How many of its seats are in use now; nothing while none is."""
        numbers = {"n": number(self.license.in_use), "seats": number(self.license.seats)}
        return str(_("%(n)s of %(seats)s in use", **numbers)) if self.license.in_use else ""

    @property
    def end(self) -> str:
        """The expiration date with what a day means, or that there is none."""
        if self.license.end_on is None:
            return str(_("No end date"))
        return str(_("%(day)s, end of day in %(zone)s", day=day(self.license.end_on), zone=self.zone))

    @property
    def left(self) -> str:
        """How many days are left, while that matters."""
        if self.state.days is None or self.state.is_over:
            return ""
        if self.state.days < 1:
            return str(_("the last day"))
        return str(ngettext("%(num)s day left", "%(num)s days left", self.state.days))

    @property
    def kind(self) -> str:
        """The license type, and how it is shared."""
        words = {"type": self.license.word}
        return str(_("%(type)s, floating", **words) if self.license.is_floating else _("%(type)s, named", **words))

    @property
    def masked(self) -> str:
        """The hidden groups of its permission key."""
        return keys.masked("")

    @property
    def order(self) -> tuple[Any, ...]:
        """By need: over-assigned or ending, then starting, then the rest by product; what is over last."""
        # Over-assigned needs somebody as much as ending does.
        rank = ENDING if self.license.over_assigned and not self.state.is_over else self.state.rank
        by_day = {ENDING: self.license.end_on, AHEAD: self.license.start_on}.get(rank)
        newest_first = -self.license.end_on.toordinal() if self.state.is_over and self.license.end_on else 0
        return rank, by_day.toordinal() if by_day else 0, newest_first, self.license.product.name, self.id


@dataclass(frozen=True, slots=True)
class Total:
    """The seats of one product across its lines: what works now, and what is still to come."""

    product: str
    lines: int
    seats: int
    given: int
    later: int


def rows(organization: Organization, now: datetime, opened: int | None = None) -> list[Row]:
    """A row per license, what needs attention first; with who uses the one whose details are shown."""
    zone = organization.zone
    found = [
        opened_row(each, now, zone) if each.id == opened else row(each, now, zone) for each in organization.licenses
    ]
    return sorted(found, key=lambda each: each.order)


def opened_row(license: License, now: datetime, zone: str) -> Row:
    """The row of a license with who uses it now."""
    running = sessions.on_license(session_of(license), license.key.organization_id, license.id, now, MOST_USERS)
    return row(license, now, zone, sessions.users(running, now, zone))


def row(license: License, now: datetime, zone: str, users: Sequence[tuple[str, str]] = ()) -> Row:
    """The row of one license."""
    return Row(license, state_of(license, now, zone), zone, users)


def totals(listed: Sequence[Row]) -> list[Total]:
    """A total for every product that has more than one line which is not over."""
    live: dict[int, list[Row]] = {}
    for each in listed:
        if not each.state.is_over:
            live.setdefault(each.license.product_id, []).append(each)
    return sorted((_total(lines) for lines in live.values() if len(lines) > 1), key=lambda each: each.product)


def _total(lines: Sequence[Row]) -> Total:
    works = [each.license for each in lines if each.state.rank != AHEAD]
    later = [each.license for each in lines if each.state.rank == AHEAD]
    given = sum(each.reserved for each in works)
    name = lines[0].license.product.name
    return Total(name, len(lines), sum(each.seats for each in works), given, sum(each.seats for each in later))


def heading(listed: Sequence[Row]) -> str:
    """The sentence with the true numbers."""
    if not listed:
        return str(_("No licenses yet. A permission key from the vendor brings them."))
    licenses = ngettext("%(num)s license", "%(num)s licenses", len(listed))
    products = len({each.license.product_id for each in listed})
    of_products = ngettext("%(num)s product", "%(num)s products", products)
    sentences = [_("%(licenses)s of %(products)s.", licenses=licenses, products=of_products)]
    sentences += _ending([each.state.days or 0 for each in listed if each.state.rank == ENDING])
    over = sum(1 for each in listed if each.license.over_assigned and not each.state.is_over)
    sentences += [ngettext("One is over-assigned.", "%(num)s are over-assigned.", over)] if over else []
    return " ".join(sentences)


def _ending(days: Sequence[int]) -> list[str]:
    if not days:
        return []
    if len(days) > 1:
        return [_("%(n)s end within %(days)s days.", n=len(days), days=ENDS_SOON_DAYS)]
    if days[0] < 1:
        return [_("One ends today.")]
    return [ngettext("One ends in %(num)s day.", "One ends in %(num)s days.", days[0])]


def inside(licenses: Sequence[License]) -> str:
    """What a key holds, in one line: “Draft Pro ANNUAL, 5 seats; Render Studio FLEX CLOUD, 2 seats”."""
    return "; ".join(f"{each.product.name} {each.word}, {seats(each.seats)}" for each in licenses)


def seats(number: int) -> str:
    """A number of seats in words."""
    return str(ngettext("%(num)s seat", "%(num)s seats", number))
