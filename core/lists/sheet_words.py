"""What a section of the Permissions page says, prepared once per license, so that a box costs a line of template."""

from __future__ import annotations

from dataclasses import dataclass, field

from flask_babel import gettext as _

from core.lists.sheet import Box, Line, Sheet, View
from core.pages.words import day, ngettext, number
from core.rights import Condition


@dataclass(frozen=True, slots=True)
class Section:
    """One license in words; `hint` names the line below the heading, `had` the boxes that came ticked."""

    line: Line
    facts: str
    count: str
    badge: tuple[str, str, bool] | None  # tone, word, whether the dot is a ring
    hint: str
    had: str
    is_open: bool

    @property
    def is_full(self) -> bool:
        """Whether an empty box cannot be ticked."""
        return self.line.free == 0


@dataclass(slots=True)
class Shown:
    """The sections of one product."""

    id: int
    name: str
    sections: list[Section] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Offer:
    """Somebody who was ticked but has another license of the product: the box that offers `Move`."""

    license_id: int
    member_id: int
    text: str


def present(sheet: Sheet, view: View, changed: int | None = None) -> list[Shown]:
    """The sheet in words; the section of the license that just changed stays unfolded."""
    facts = {line.id: facts_of(line) for line in sheet.lines.values()}
    shown = []
    for group in sheet.groups:
        shown.append(Shown(group.id, group.name))
        for line in group.lines:
            _note(line.boxes, facts)
            shown[-1].sections.append(_section(line, facts[line.id], changed == line.id or view.is_narrow))
    return shown


def facts_of(line: Line) -> str:
    """Type and end: “ANNUAL, until 6 Dec 2026”."""
    if line.end_on is None:
        return str(_("%(type)s, no end date", type=line.type.word))
    return str(_("%(type)s, until %(day)s", type=line.type.word, day=day(line.end_on)))


def count_of(line: Line) -> str:
    """How many seats are given away, or reserved."""
    n, seats = number(line.given), line.seats
    if line.type.is_floating:
        return ngettext("%(given)s of %(num)s seat reserved", "%(given)s of %(num)s seats reserved", seats, given=n)
    return ngettext("%(given)s of %(num)s seat given away", "%(given)s of %(num)s seats given away", seats, given=n)


def given(line: Line, name: str) -> str:
    """What happened, said aloud."""
    if line.type.is_floating:
        return str(_("%(product)s reserved for %(name)s", product=line.product, name=name))
    return str(_("%(product)s given to %(name)s", product=line.product, name=name))


def taken(line: Line, name: str) -> str:
    """What happened, said aloud."""
    if line.type.is_floating:
        return str(_("%(product)s no longer reserved for %(name)s", product=line.product, name=name))
    return str(_("%(product)s taken back from %(name)s", product=line.product, name=name))


def _section(line: Line, facts: str, is_open: bool) -> Section:
    had = " ".join(str(box.id) for box in line.boxes if box.ticked)
    return Section(line, facts, count_of(line), _badge(line), _hint(line), had, is_open)


def _note(boxes: list[Box], facts: dict[int, str]) -> None:
    for box in boxes:
        if box.other is not None:
            box.note = str(_("Has %(license)s", license=facts[box.other]))
        elif box.is_blocked:
            box.note = str(_("Blocked by the vendor"))


def _badge(line: Line) -> tuple[str, str, bool] | None:
    if line.condition is Condition.REVOKED:
        return "bad", str(_("Revoked")), False
    if line.condition is Condition.EXPIRED:
        return "off", str(_("Expired")), True
    if line.over:
        return "warn", str(_("Over-assigned")), False
    if line.condition is Condition.AHEAD:
        return "info", str(_("Starts on %(day)s", day=day(line.start_on))), True
    return ("warn", str(_("Full")), False) if line.seats and not line.free else None


def _hint(line: Line) -> str:
    if line.condition.is_over:
        return line.condition.value
    if line.over:
        return "over"
    if not line.seats:
        return "none"
    if line.free:
        return "pool" if line.type.is_floating else ""
    return ("reserved" if line.type.is_floating else "given") + ("-only" if line.seats == 1 else "")
