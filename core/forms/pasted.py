"""A pasted list of addresses: refused as a whole, or invited one by one with a line for each."""

from __future__ import annotations

import json
from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from flask import session
from flask_babel import format_decimal
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from core import addresses, limits, mail
from core.addresses import LIMIT, Entry
from core.errors import BadInput
from core.guard import Desk
from core.pages.words import ngettext, number
from core.people import me
from models import (
    CANNOT_JOIN,
    CO_ADMINISTRATOR,
    ELSEWHERE,
    INVITED,
    IS_DISABLED,
    IS_MEMBER,
    NOT_AN_ADDRESS,
    SENT_AGAIN,
    YOURSELF,
    Invited,
    Member,
)

ENOUGH = "enough letters"  # an outcome of ours: the address was written to often today
REMEMBERED = "pasted"
MOST_REMEMBERED = 2000  # characters: the session is a cookie of 4 KB
MANY = 20  # lines; of more, failures come first and the rest is folded
TONES = {
    INVITED: "ok", SENT_AGAIN: "ok", IS_DISABLED: "warn", ELSEWHERE: "warn", CANNOT_JOIN: "warn", ENOUGH: "warn",
    IS_MEMBER: "off", YOURSELF: "off", NOT_AN_ADDRESS: "bad",
}  # fmt: skip
GOOD_FIRST = {outcome: place for place, outcome in enumerate(TONES)}


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one address, in words; the button of a disabled person stands in it."""

    typed: str
    tone: str
    outcome: str
    next: str = ""
    member_id: int | None = None
    label: str = ""  # of the button `Enable`; none without


@dataclass(slots=True)
class Results:
    """The list of lines with its heading; `rest` is folded."""

    heading: str
    sub: str
    lines: list[Line] = field(default_factory=list)
    rest: list[Line] = field(default_factory=list)


def checked(text: str) -> list[Entry]:
    """The entries of a list that is neither empty nor too long, which is found out before any is looked at.

    :raise BadInput: with one sentence.
    """
    number = addresses.count(text)
    if number > LIMIT:
        raise BadInput(
            _l("These are %(number)s addresses; %(limit)s fit at once. Nobody was invited.",
               number=format_decimal(number), limit=LIMIT), field="emails",
        )  # fmt: skip
    if not number:
        raise BadInput(_l("Enter at least one address."), field="emails")
    return addresses.split(text)


def count(entries: Sequence[Entry]) -> set[str]:
    """Count the letters of a list, before anything is locked; returns the addresses that got enough for today.

    :raise TooMany: when the organization has invited enough for today.
    """
    keys = [entry.key for entry in entries if entry.problem is None]
    # Who may not invite is refused when the desk is opened; he must not use up the organization's day.
    if not me().may_administer or not keys:
        return set()
    limits.count("invitation", f"organization {me().organization_id}", len(keys))
    beyond = limits.count_each("letter", [_subject(key) for key in keys])
    return {key for key in keys if _subject(key) in beyond}


def count_one(member: Member) -> None:
    """Count one more letter to a member, in the transaction that sends it.

    :raise TooMany: when the address got enough for today.
    """
    limits.count_within("letter", _subject(member.email_key))


def _subject(key: str) -> str:
    return f"invitation {key}"


def invite(desk: Desk, entries: Sequence[Entry], enough: Container[str], now: datetime) -> list[Invited]:
    """Invite everybody in the list, with a letter where one is due, in the caller's transaction."""
    known = desk.organization.known_among([entry.key for entry in entries if entry.problem is None])
    outcomes = []
    for entry in entries:
        invited, is_known = Invited(entry, ENOUGH), entry.key in known
        if entry.key not in enough:
            invited = desk.organization.invite(entry, desk.actor, desk.me, now, is_known=is_known)
        if invited.needs_letter and invited.member is not None:
            mail.invitation(invited.member, now, to_stranger=not is_known)
        outcomes.append(invited)
    return outcomes


def status(outcomes: Sequence[Invited]) -> int:
    """422 when nothing in the list was an address."""
    return 422 if all(each.outcome == NOT_AN_ADDRESS for each in outcomes) else 200


def shown(outcomes: Sequence[Invited], me: Member) -> dict[str, Any]:
    """The context of the form afterwards: what is no address stays in the field."""
    failed = [each.entry.typed for each in outcomes if each.outcome == NOT_AN_ADDRESS]
    if failed and len(outcomes) == 1:
        return {"typed": failed[0], "error": " ".join(_words(outcomes[0], me)), "results": None}
    good = sum(each.needs_letter for each in outcomes)
    heading = ngettext(
        "%(good)s of %(num)s address invited", "%(good)s of %(num)s addresses invited", len(outcomes), good=number(good)
    )
    is_mixed = 0 < len(failed) < len(outcomes)
    results = Results(heading, _("What is not an address stays in the field.") if is_mixed else "")
    results.lines, results.rest = _ordered(outcomes, me)
    error = _("There is no address in it.") if len(failed) == len(outcomes) else ""
    return {"typed": "; ".join(failed), "error": error, "results": results}


def _ordered(outcomes: Sequence[Invited], me: Member) -> tuple[list[Line], list[Line]]:
    in_order = sorted(outcomes, key=lambda each: GOOD_FIRST[each.outcome])
    if len(outcomes) <= MANY:
        return [_line(each, me) for each in in_order], []
    first = [_line(each, me) for each in reversed(in_order) if TONES[each.outcome] in ("bad", "warn")]
    return first, [_line(each, me) for each in in_order if TONES[each.outcome] in ("ok", "off")]


def _line(invited: Invited, me: Member) -> Line:
    outcome, next_step = _words(invited, me)
    if invited.outcome != IS_DISABLED or invited.member is None:
        return Line(invited.entry.typed, TONES[invited.outcome], outcome, next_step)
    label = _("Enable %(email)s", email=invited.entry.address)
    return Line(invited.entry.typed, "warn", outcome, next_step, invited.member.id, label)


def _words(invited: Invited, me: Member) -> tuple[str, str]:
    you = _("You are the co-administrator") if me.role == CO_ADMINISTRATOR else _("You are the administrator")
    reason = str(invited.reason or "")
    return {
        INVITED: (_("Invited"), ""),
        SENT_AGAIN: (_("Invitation sent again."), _("The earlier link no longer works.")),
        IS_DISABLED: (_("Disabled."), _("Enable instead of inviting.")),
        ELSEWHERE: (_("Part of another organization."), _("Has to leave it first.")),
        CANNOT_JOIN: (_("Cannot be invited."), _("Works for the vendor.")),
        ENOUGH: (_("Not invited."), _("This address got enough letters for today. Try again tomorrow.")),
        IS_MEMBER: (_("Already a member"), ""),
        YOURSELF: (you, ""),
        NOT_AN_ADDRESS: (_("Not an address."), reason[:1].upper() + reason[1:]),
    }[invited.outcome]


def enabled(member: Member) -> Line:
    """The line of a disabled person who was enabled from it."""
    return Line(member.email, "ok", _("Enabled"), member_id=member.id)


def remember(context: dict[str, Any]) -> bool:
    """Keep the results for the page that a plain form is led to; False when they are too many for a cookie."""
    kept = json.dumps({**context, "results": asdict(context["results"])})
    if len(kept) > MOST_REMEMBERED:
        return False
    session[REMEMBERED] = kept
    return True


def recall() -> dict[str, Any]:
    """The results that were kept, once."""
    kept = json.loads(session.pop(REMEMBERED, "null")) if REMEMBERED in session else None
    if kept is None:
        return {"typed": "", "error": "", "results": None}
    for part in ("lines", "rest"):
        kept["results"][part] = [Line(**line) for line in kept["results"][part]]
    return {**kept, "results": Results(**kept["results"])}
