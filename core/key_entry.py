"""What somebody typed or pasted as permission keys: one answer per key. Reads only; whoever calls redeems."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from babel.lists import format_list
from flask_babel import get_locale
from flask_babel import gettext as _

from core import keys, limits
from core.activity import Actor
from core.db import db
from core.errors import BadInput, RuleBroken
from models import Account, License, Organization, PermissionKey

FIELD = "permission_key"
MOST_KEYS = 50  # of one paste
MOST_CHARACTERS = 30_000  # a long mail with its history


@dataclass(frozen=True, slots=True)
class Entered:
    """One key of a paste: genuine with its items, or with the problem that stands in its way."""

    typed: str
    key: PermissionKey | None = None
    problem: RuleBroken | None = None
    is_owned: bool = False

    @property
    def is_usable(self) -> bool:
        """Whether it can be redeemed now."""
        return self.key is not None and self.problem is None and not self.is_owned

    @property
    def licenses(self) -> list[License]:
        """What is inside; nothing while there is a problem, which is all that one is told then."""
        return self.key.licenses if self.key is not None and self.problem is None else []

    @property
    def shown(self) -> str:
        """The key as a result list names it: as typed while it has to be corrected, else hidden but for its end."""
        if self.key is None or self.problem is not None:
            return self.typed[:60]
        return keys.masked(self.key.last_group)

    @property
    def needs_organization(self) -> bool:
        """Whether only an organization can redeem it."""
        return self.key is not None and self.key.needs_organization

    def first_day(self, today: date) -> date | None:
        """The day from which the first of it works, when that is still ahead."""
        first = min((each.start_on for each in self.licenses), default=today)
        return first if first > today else None


def count(by: Actor) -> None:
    """Count one entry of a key, of the person and of where he is; before anything is loaded for it, since it commits.

    :raise TooMany: when there were too many.
    """
    limits.count("key", f"account {by.id}")
    limits.count("key-address", by.address)


def read(text: str, today: date, owner: Organization | Account | None = None) -> list[Entered]:
    """What a field that has to hold keys holds: at least one entry; `owner` may have some of them already.

    :raise BadInput: for more text or keys than anybody pastes.
    """
    if len(text) > MOST_CHARACTERS:
        raise BadInput(_("This is more text than the portal reads at once. Paste the keys only."), field=FIELD)
    found = keys.read_field(text)
    if len(found) > MOST_KEYS:
        raise BadInput(_("At most %(most)s keys at once.", most=MOST_KEYS), field=FIELD)
    return [_entered(each, today, owner) for each in found]


def _entered(found: keys.Found, today: date, owner: Organization | Account | None) -> Entered:
    if found.key is None:
        return Entered(found.typed, problem=BadInput(found.error and found.error.sentence, field=FIELD))
    try:
        key = PermissionKey.known(db.session, found.key)
    except RuleBroken as unknown:
        return Entered(found.key, problem=unknown)
    if owner is not None and key.is_owned_by(owner):
        return Entered(found.key, key, is_owned=True)
    try:
        key.check_usable(today)
    except RuleBroken as refused:
        return Entered(found.key, key, refused)
    return Entered(found.key, key)


def status(entries: Sequence[Entered]) -> int:
    """The status of an answer: 200 when anything is good, else that of the first problem."""
    problems = [each.problem.status for each in entries if each.problem is not None]
    return problems[0] if problems and len(problems) == len(entries) else 200


def left_over(entries: Iterable[Entered]) -> str:
    """What stays in the field: everything that has to be corrected, one a line."""
    return "\n".join(each.typed for each in entries if each.problem is not None)


def why_organization(key: PermissionKey) -> str:
    """Why the key belongs to an organization; empty when it does not."""
    reasons = [word for applies, word in _reasons(key) if applies]
    if not reasons:
        return ""
    what = format_list(reasons, locale=get_locale() or "en")
    return str(_("It holds %(what)s, so it belongs to an organization.", what=what))


def _reasons(key: PermissionKey) -> list[tuple[bool, Any]]:
    return [
        (key.has_floating, _("FLEX licenses")),
        (key.has_several_seats, _("more than one seat of a product")),
        (key.has_organization_only, _("a product that only organizations can use")),
    ]
