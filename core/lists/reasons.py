"""The chain of a person and a product as its page shows it: what is asked at each step, and the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flask_babel import gettext as _

from core.dates import LicenseType
from core.denials import Denied
from core.pages.words import moment, ngettext
from core.seats.explaining import Answer, Chain, Step
from core.seats.request import Line

#: What each step is about; functions, because the reader's language is not known yet.
TITLES: dict[str, Callable[[], str]] = {
    "account": lambda: _("Account"),
    "product": lambda: _("Product"),
    "member": lambda: _("Membership"),
    "enabled": lambda: _("State"),
    "kind": lambda: _("Kind of license"),
    "dates": lambda: _("Dates"),
    "permission": lambda: _("Permission"),
    "cool_down": lambda: _("Cool-down"),
    "device": lambda: _("Device"),
    "seats": lambda: _("Seats"),
}

SPEAK_OF_THINGS = ("product", "dates", "seats")


@dataclass(frozen=True, slots=True)
class Shown:
    """One step."""

    title: str
    icon: str
    tone: str
    answer: str
    sentence: str
    is_quoted: bool = False  # words of a denial that speak to the person


@dataclass(frozen=True, slots=True)
class Part:
    """A license with its steps."""

    id: int
    word: str
    facts: str
    steps: list[Shown]


def general(chain: Chain) -> list[Shown]:
    """The steps about the person and the product."""
    return _shown(chain.general)


def by_license(chain: Chain) -> list[Part]:
    """Every license with its steps, in the order in which seats are taken."""
    return [
        Part(line.row.license_id, LicenseType(line.row.type).word, _facts(line), _shown(steps))
        for line, steps in chain.by_license
    ]


def next_release(chain: Chain, zone: str) -> str:
    """When a seat is expected to come free, where all are in use; empty where nobody knows."""
    facts = chain.outcome.facts if isinstance(chain.outcome, Denied) else {}
    at = facts.get("next_expected_release")
    return moment(at, zone) if at is not None else ""


def _shown(steps: list[Step]) -> list[Shown]:
    """What was asked, and below it in one line what was not, because something before decides."""
    rest = [TITLES[step.key]() for step in steps if step.answer is Answer.NOT_REACHED]
    shown = [_one(step) for step in steps if step.answer is not Answer.NOT_REACHED]
    return [*shown, Shown(_("Not asked"), "minus", "off", "", ", ".join(rest))] if rest else shown


def _one(step: Step) -> Shown:
    is_no = step.answer is Answer.NO
    icon, tone = ("circle-x", "bad") if is_no else ("circle-check", "ok")
    return Shown(TITLES[step.key](), icon, tone, _("No") if is_no else _("Yes"), step.sentence,
                 is_no and step.key not in SPEAK_OF_THINGS)  # fmt: skip


def _facts(line: Line) -> str:
    return ngettext("%(num)s seat", "%(num)s seats", line.row.seats)
