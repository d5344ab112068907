"""What a row of the list of users says: prepared here, because a call per row in a template costs more than the row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from flask import get_template_attribute
from flask_babel import gettext as _
from markupsafe import Markup, escape

from core.dates import today
from core.mail import state_of_invitation
from core.mailing.outbox import DROPPED, FAILED, KEPT, SENT, WAITING
from core.pages.words import address, ngettext, number, short_day, time
from core.pages.words import day as written_day
from core.people import initials
from models import (
    ADMINISTRATOR,
    CO_ADMINISTRATOR,
    DISABLED,
    ENABLED,
    INVITATION_AGE,
    MEMBER,
    PENDING,
    invitation_expired,
    state_of,
)

Note = tuple[str, str]  # class, text


@dataclass(frozen=True, slots=True)
class Shown:
    """One row as the template writes it."""

    id: int
    name: Markup
    mail: Markup | str
    face: str
    face_class: str
    role: str
    is_leader: bool
    state: str
    state_class: str
    notes: list[Note]
    given: str
    may_hold: bool  # permissions
    offer: str
    used: str
    is_used: bool  # ever
    acts: Markup


STATE_CLASSES = {PENDING: "state-warn state-open", ENABLED: "state-ok", DISABLED: "state-off state-open"}
LETTER_CLASSES = {WAITING: "note", KEPT: "note", FAILED: "note note-bad", DROPPED: "note note-bad"}
VALIDITY = ("", SENT, KEPT)  # a kept letter's link is handed over by Copy link
FACE_CLASSES = {PENDING: "face face-ask", ENABLED: "face", DISABLED: "face face-off"}


class Words:
    """The words and dates of one page in the reader's language, each looked up once."""

    def __init__(self, now: datetime, zone: str) -> None:
        self.now, self.zone, self.today = now, zone, today(now, zone)
        self.state = state_words()
        self.role = {
            ADMINISTRATOR: _("Administrator"), CO_ADMINISTRATOR: _("Co-administrator"), MEMBER: _("Member")
        }  # fmt: skip
        self.more = _("More for %(name)s")
        self.valid, self.sent = _("Link valid until %(day)s"), _("Sent. Link valid until %(day)s")
        self.expired = _("Link expired %(day)s")
        self.elsewhere = _("Cannot join now (part of another organization)")
        self.blocked = _("Blocked by the vendor")
        self.held, self.running, self.never = _("Borrowed seat held until %(day)s"), _("Now"), _("Never used")
        self._days: dict[date, str] = {}
        self._times: dict[datetime, str] = {}
        self._acts: dict[str, Markup] = {}
        self._numbers: dict[tuple[str, int], str] = {}

    def day(self, moment: datetime) -> str:
        """A day as short as it is clear; a page of fifty rows has few different ones."""
        day = today(moment, self.zone)
        if day not in self._days:
            self._days[day] = short_day(day) if day.year == self.today.year else written_day(day)
        return self._days[day]

    def used(self, row: Any) -> str:
        """When something ran last: now, the time of a moment of today, or its day."""
        if row.running_at is not None and (row.held_until is None or row.held_until <= self.now):
            return str(self.running)
        if (last := row.running_at or row.used_at) is None:
            return str(self.never)
        minute = last.replace(second=0, microsecond=0)
        if today(minute, self.zone) != self.today:
            return self.day(minute)
        if minute not in self._times:
            self._times[minute] = str(_("Today, %(time)s", time=time(minute)))
        return self._times[minute]

    def acts(self, kind: str, member_id: int, name: str) -> Markup:
        """The buttons of a row, from the ones of its kind."""
        if kind not in self._acts:
            self._acts[kind] = get_template_attribute("users/_acts.html", "acts")(kind).strip()
        # Markup.replace escapes what it puts in: the name is a person's text.
        more = self.more % {"name": name}
        return self._acts[kind].replace("{id}", str(member_id)).replace("{more}", more)

    def number(self, kind: str, n: int) -> str:
        """A number of licenses or earlier permissions in words."""
        if (kind, n) not in self._numbers:
            self._numbers[kind, n] = str(NUMBERS[kind](n))
        return self._numbers[kind, n]


NUMBERS: dict[str, Callable[[int], str]] = {
    "licenses": lambda n: ngettext("%(num)s license", "%(num)s licenses", n) if n else _("No licenses"),
    "had": lambda n: ngettext("Had %(num)s permission", "Had %(num)s permissions", n),
}


def state_words() -> dict[str, str]:
    """The states as the screen writes them."""
    return {PENDING: _("Pending"), ENABLED: _("Enabled"), DISABLED: _("Disabled")}


def offer(suspended: int, restorable: int) -> str:
    """What the button offers that gives earlier permissions back."""
    return str(_("Restore (%(n)s of %(num)s still free)", n=number(restorable), num=number(suspended)))


def shown(found: Sequence[Any], my_id: int, now: datetime, zone: str) -> list[Shown]:
    """The rows that were found, in words."""
    words = Words(now, zone)
    return [_shown(row, my_id, words) for row in found]


def _shown(row: Any, my_id: int, words: Words) -> Shown:
    state = state_of(row)
    name = row.email if state == PENDING else row.name
    is_over = state == PENDING and invitation_expired(row, words.now)
    return Shown(
        id=row.id,
        name=address(name) if state == PENDING else escape(name),
        mail="" if state == PENDING else address(row.account_email),
        face="" if state == PENDING else initials(name),
        face_class=FACE_CLASSES[state],
        role=words.role[row.role],
        is_leader=row.role != MEMBER,
        state=words.state[state],
        state_class=STATE_CLASSES[state],
        notes=list(_notes(row, state, is_over, words)),
        given=words.number("licenses", row.given),
        may_hold=state == ENABLED,
        offer=offer(row.suspended, row.restorable) if state == ENABLED and row.restorable else "",
        used="" if state == PENDING else words.used(row),
        is_used=row.running_at is not None or row.used_at is not None,
        acts=words.acts("expired" if is_over else _kind(row, state, my_id), row.id, name),
    )


def _kind(row: Any, state: str, my_id: int) -> str:
    """By what the actions of a row differ."""
    if row.id == my_id:
        return "myself-co-administrator" if row.role == CO_ADMINISTRATOR else "myself"
    if state != ENABLED:
        return state
    kind = "candidate" if row.role == MEMBER and row.is_slot_free else str(row.role)
    return f"{kind}-running" if row.running_at is not None else kind


def _notes(row: Any, state: str, is_over: bool, words: Words) -> list[Note]:
    notes: list[Note] = []
    if row.is_elsewhere:
        notes.append(("note note-warn", words.elsewhere))
    if row.blocked_at is not None:
        notes.append(("note note-bad", words.blocked))
    if row.held_until is not None and row.held_until > words.now:
        notes.append(("note", words.held % {"day": words.day(row.held_until)}))
    if state == DISABLED and row.suspended:
        notes.append(("note", words.number("had", row.suspended)))
    if state == PENDING:
        day = {"day": words.day(row.invited_at + INVITATION_AGE)}
        letter, told = state_of_invitation(row)
        if is_over:
            return [*notes, ("note note-warn", words.expired % day)]
        if letter in LETTER_CLASSES:
            notes.append((LETTER_CLASSES[letter], told))
        if letter in VALIDITY:
            notes.append(("note", (words.sent if letter == SENT else words.valid) % day))
    return notes
