"""What a page says about entered keys: a sentence beside the field, a message, or a line for each of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from flask_babel import gettext as _

from core.forms import key_entry
from core.forms.key_entry import Entered
from core.lists.product_list import inside
from core.pages.htmx import EARS
from core.pages.words import day, ngettext
from models import License


@dataclass(frozen=True, slots=True)
class Line:
    """One key of several."""

    tone: str
    what: str
    outcome: str
    next: str


@dataclass(frozen=True, slots=True)
class Results:
    """The answer to a field of keys; `adding` tells what was done from what could be done."""

    entries: Sequence[Entered]
    today: date
    adding: bool = False

    @property
    def status(self) -> int:
        """The status of the answer."""
        return key_entry.status(self.entries)

    @property
    def error(self) -> str:
        """The sentence beside the field, when there is nothing else to say."""
        if len(self.entries) > 1 or (problem := self.entries[0].problem) is None:
            return str(_("None of these keys can be added.")) if self.status != 200 else ""
        return str(problem.message)

    @property
    def heading(self) -> str:
        """The result in numbers."""
        good = sum(1 for each in self.entries if each.problem is None)
        numbers = {"good": good, "num": len(self.entries)}
        if self.adding:
            return str(_("%(good)s of %(num)s keys are in your list", **numbers))
        return str(_("%(good)s of %(num)s keys are good", **numbers))

    @property
    def lines(self) -> list[Line]:
        """A line for each of several keys, good ones first."""
        if len(self.entries) == 1:
            return []
        return [self._line(each) for each in sorted(self.entries, key=lambda each: each.problem is not None)]

    @property
    def message(self) -> tuple[str, str, str] | None:
        """Tone and sentences about the one key that was entered; None when the field or the list says it."""
        only = self.entries[0]
        if len(self.entries) > 1 or only.problem is not None or only.is_added:
            return None
        if only.is_owned:
            return "info", _("Already in your list."), inside(only.licenses)
        return (
            "ok",
            _("The key is genuine and unused."),
            " ".join(filter(None, (self.start, _("Nothing is used yet.")))),
        )

    @property
    def start(self) -> str:
        """From when the first key works, when that is ahead."""
        return self._start(self.entries[0])

    @property
    def contents(self) -> list[License]:
        """What is inside of the keys that can be added."""
        return [license for each in self.entries if each.is_usable for license in each.licenses]

    @property
    def licenses(self) -> list[License]:
        """The licenses that are in the list because of these keys, now or already."""
        good = (each for each in self.entries if each.is_added or each.is_owned)
        return [license for each in good for license in each.licenses]

    @property
    def said(self) -> str:
        """What happened or was found, in one sentence; empty when the focus goes to what is wrong."""
        added = [license for each in self.entries if each.is_added for license in each.licenses]
        if len(added) == 1:
            return str(_("%(product)s is in your list now.", product=added[0].product.name))
        if added:
            return str(
                ngettext("%(num)s license is in your list now.", "%(num)s licenses are in your list now.", len(added))
            )
        if self.status != 200:
            return ""
        # Not the words that stand on the page: found twice, they would be read twice.
        if self.contents:
            return str(_("What is inside is shown below the field."))
        return str(_("Nothing new: the licenses are here already."))

    @property
    def said_to(self) -> str:
        """Whom it is said to: what was only looked up stands on the page, where eyes have found it already."""
        return "message" if self.adding else EARS

    def _line(self, entered: Entered) -> Line:
        if entered.problem is not None:
            tone = "bad" if entered.problem.status == 422 else "warn"
            return Line(tone, entered.shown, _("Not added.") if self.adding else "", str(entered.problem.message))
        what = inside(entered.licenses)
        if entered.is_owned:
            return Line("off", entered.shown, _("Already in your list."), what)
        outcome = _("Added.") if entered.is_added else _("Genuine and unused.")
        return Line("ok", entered.shown, outcome, f"{what}. {self._start(entered)}".strip())

    def _start(self, entered: Entered) -> str:
        first = entered.first_day(self.today)
        return str(_("It starts on %(day)s.", day=day(first))) if first else ""
