"""What somebody typed or pasted as permission keys: one answer per key; `read` changes nothing, `redeem` consumes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from babel.lists import format_list
from flask import current_app
from flask_babel import get_locale
from flask_babel import gettext as _

from core import keys, limits
from core.activity import Actor
from core.db import db
from core.errors import BadInput, RuleBroken
from core.sealing import SealBroken
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
    is_added: bool = False

    @property
    def is_usable(self) -> bool:
        """Whether it can be redeemed now."""
        return self.key is not None and self.problem is None and not self.is_owned and not self.is_added

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
    """What a field that has to hold keys holds: at least one entry; `owner` may have some of them already."""
    if len(text) > MOST_CHARACTERS:
        return [_unread(text, _("This is more text than the portal reads at once. Paste the keys only."))]
    found = keys.read_field(text)
    if len(found) > MOST_KEYS:
        return [_unread(text, _("At most %(most)s keys at once.", most=MOST_KEYS))]
    return [_entered(each, today, owner) for each in found]


def redeem(
    entries: Sequence[Entered], owner: Organization | Account, by: Actor, now: datetime, today: date
) -> list[Entered]:
    """Make licenses of every key that is usable, each wholly or not at all; the others stay as they are."""
    # In one order for everybody: two pastes with the same keys must not wait for each other.
    done = {each.key.id: _redeemed(each, owner, by, now, today) for each in _by_id(entries) if each.key is not None}
    return [done[each.key.id] if each.key is not None else each for each in entries]


def revealed(key: PermissionKey, by: Actor, now: datetime) -> str:
    """The text of a redeemed key for somebody who may see it, recorded; the caller commits.

    :raise RuleBroken: when the portal has lost what it takes to read it.
    """
    try:
        return key.reveal(current_app.extensions["sealer"], by, now)
    except SealBroken:
        raise RuleBroken(_("The portal cannot read this key any more. The vendor can tell it.")) from None


def _by_id(entries: Iterable[Entered]) -> list[Entered]:
    return sorted(entries, key=lambda each: each.key.id if each.key is not None else 0)


def _redeemed(entered: Entered, owner: Organization | Account, by: Actor, now: datetime, today: date) -> Entered:
    if entered.key is None or not entered.is_usable:
        return entered
    try:
        entered.key.redeem(owner, by, now, today)
    except RuleBroken as refused:
        return replace(entered, problem=refused)
    return replace(entered, is_added=True)


def _unread(text: str, sentence: Any) -> Entered:
    return Entered(text, problem=BadInput(sentence, field=FIELD))


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
