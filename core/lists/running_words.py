"""What the Status page says: prepared here, because a call per row in a template costs more than the row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from flask import get_template_attribute
from flask_babel import gettext as _
from markupsafe import Markup, escape

from core import leases
from core.dates import LicenseType, today
from core.denials import CODES
from core.leases import IDLE_AFTER_S
from core.lists.running import BORROWED, ENDING, IDLE, NOT_RESPONDING, RUNNING, SILENT_AFTER
from core.pages.words import day as written_day
from core.pages.words import ngettext, number, short_day
from core.pages.words import time as written_time

Note = tuple[str, str]  # class, text
STATE_CLASSES = {
    NOT_RESPONDING: "state-warn", ENDING: "state-bad", IDLE: "state-off", BORROWED: "state-info", RUNNING: "state-ok",
}  # fmt: skip
MINUTE, HOUR, DAY = 60, 3600, 86_400


@dataclass(frozen=True, slots=True)
class Shown:
    """One session as the template writes it."""

    id: int
    name: Markup
    about: str
    device: Markup
    version: str
    since: str
    seen: str
    ends: str
    state: str
    state_class: str
    notes: list[Note]
    acts: Markup


@dataclass(frozen=True, slots=True)
class Refused:
    """One denial as the template writes it, or several that are alike."""

    id: int
    at: str
    name: str
    device: str
    product: str
    why: str
    why_url: str  # empty for who is no member
    note: str  # that it was repeated, or came to a seat


@dataclass(frozen=True, slots=True)
class Pool:
    """One license with what its seats do."""

    id: int
    product_id: int
    product: str
    type: str
    given: str
    sentence: str
    is_full: bool
    seats: int
    used: int
    quiet: int
    borrowed: int
    keys: list[Note]
    waiting: str


class Words:
    """The words and times of one page in the reader's language, each looked up once."""

    def __init__(self, now: datetime, zone: str) -> None:
        self.now, self.zone, self.today = now, ZoneInfo(zone), today(now, zone)
        self.state = {
            NOT_RESPONDING: _("Not responding"), ENDING: _("Ending"), IDLE: _("Idle"), RUNNING: _("Running"),
            BORROWED: _("Borrowed until %(day)s"),
        }  # fmt: skip
        self.version, self.station, self.same = _("Version %(version)s"), _("Station"), _("same seat")
        self.just_now, self.minutes, self.hours = _("Just now"), _("%(num)s min ago"), _("%(num)s h ago")
        self.kept, self.released, self.releasing = (
            _("kept until %(time)s"),
            _("Released in %(time)s"),
            _("Released now"),
        )
        self.left, self.idle, self.asked = _("%(time)s left to save"), _("Idle for %(num)s min"), asked()
        self.away = _("Cannot be called back")
        self.reason = reasons()
        self._times: dict[tuple[date, int, int], str] = {}
        self._days: dict[date, str] = {}
        self._acts: dict[str, Markup] = {}

    def clock(self, moment: datetime) -> str:
        """The time of a moment of today, the day of another one."""
        local = moment.astimezone(self.zone)
        day = local.date()
        if day == self.today:
            key = (day, local.hour, local.minute)
            if key not in self._times:
                self._times[key] = written_time(moment)
            return self._times[key]
        if day not in self._days:
            self._days[day] = short_day(day) if day.year == self.today.year else written_day(day)
        return self._days[day]

    def ago(self, moment: datetime) -> str:
        """How long ago, as exact as it matters."""
        seconds = int((self.now - moment).total_seconds())
        if seconds < MINUTE:
            return str(self.just_now)
        if seconds < HOUR:
            return str(self.minutes % {"num": seconds // MINUTE})
        if seconds < DAY:
            return str(self.hours % {"num": seconds // HOUR})
        return ngettext("%(num)s day ago", "%(num)s days ago", seconds // DAY)

    def acts(self, kind: str, lease_id: int) -> Markup:
        """The button of a row, from the ones of its kind."""
        if kind not in self._acts:
            self._acts[kind] = get_template_attribute("status/_acts.html", "acts")(kind).strip()
        return self._acts[kind].replace("{id}", str(lease_id))


def asked() -> str:
    """When somebody idle is asked to give the seat back, beside how long he is."""
    return str(_("For %(num)s min, asked at %(most)s", num="%(num)s", most=IDLE_AFTER_S // MINUTE))


def reasons() -> dict[str, str]:
    """Why a session is ending."""
    return {
        leases.BY_ADMIN: _("By an administrator"), leases.DISABLED: _("Disabled"), leases.REMOVED: _("Removed"),
        leases.LEFT: _("Left the organization"), leases.WITHDRAWN: _("Permission taken back"),
        leases.KEY_REVOKED: _("Withdrawn by the vendor"), leases.LINE_EXPIRED: _("The license ends"),
        leases.BLOCKED: _("Blocked by the vendor"), leases.DEVICE_REMOVED: _("Device removed"),
        leases.STATION_REVOKED: _("Station revoked"),
    }  # fmt: skip


def countdown(left: timedelta) -> str:
    """What is left, to the second: 4:12."""
    seconds = max(0, int(left.total_seconds()))
    hours, rest = divmod(seconds, HOUR)
    minutes, seconds = divmod(rest, MINUTE)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


# ── sessions ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def shown(found: Sequence[Any], now: datetime, zone: str) -> list[Shown]:
    """The sessions that were found, in words."""
    words = Words(now, zone)
    return [_shown(row, words) for row in found]


def _shown(row: Any, words: Words) -> Shown:
    about = [row.product, words.station if row.station is not None else "", "" if row.takes_seat else words.same]
    state, is_away = words.state[row.state], row.state == BORROWED
    return Shown(
        id=row.id,
        name=escape(row.name if row.station is None else row.station),
        about=" · ".join(filter(None, about)),
        device=escape(row.device),
        version=words.version % {"version": row.app_version} if row.app_version else row.os,
        since=words.clock(row.taken_at),
        seen=words.ago(row.renewed_at),
        ends="" if row.state <= ENDING or is_away else words.kept % {"time": words.clock(row.expires_at)},
        state=state % {"day": words.clock(row.borrowed_until)} if is_away else state,
        state_class=STATE_CLASSES[row.state],
        notes=_notes(row, words),
        acts=words.acts("borrowed" if is_away else "silent" if row.state == NOT_RESPONDING else "quiet", row.id),
    )


def _notes(row: Any, words: Words) -> list[Note]:
    if row.state == NOT_RESPONDING:
        left = row.expires_at - words.now
        text = words.released % {"time": countdown(left)} if left > timedelta() else words.releasing
        return [("note note-warn", text)]
    if row.state == ENDING:
        # Who renews has the whole window; of who is silent the lease may run out before.
        is_heard = row.renewed_at > words.now - SILENT_AFTER
        left = (row.ending_at if is_heard else min(row.ending_at, row.expires_at)) - words.now
        reason = words.reason.get(row.ending_reason, "")
        return [("note note-bad", words.left % {"time": countdown(left)}), ("note", reason)]
    if row.state == BORROWED:
        return [("note", words.away)]
    minutes = {"num": row.idle_s // MINUTE}
    if row.state == IDLE:
        return [("note", words.asked % minutes)]
    return [("note", words.idle % minutes)] if row.idle_s >= MINUTE else []


# ── licenses ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def pool(row: Any) -> Pool:
    """A license with its seats, in words."""
    kind = LicenseType(row.type)
    numbers = {"n": number(row.in_use), "seats": number(row.seats)}
    # A named license in full use is in order: everybody on it has his seat.
    is_full = kind.is_floating and 0 < row.seats <= row.in_use
    return Pool(
        id=row.id, product_id=row.product_id, product=row.product, type=kind.word, given=_given(row, kind.is_floating),
        sentence=str(_("%(n)s of %(seats)s in use", **numbers)), is_full=is_full,
        seats=row.seats, used=row.running + row.ending, quiet=row.idle + row.silent + row.held, borrowed=row.borrowed,
        keys=[(css, text) for css, count, text in _keys(row) if count > 0],
        waiting=ngettext("One waits for a seat.", "%(num)s wait for a seat.", row.waiting) if row.waiting else "",
    )  # fmt: skip


def _given(row: Any, is_floating: bool) -> str:
    n = number(row.reserved)
    if is_floating:
        return str(_("%(n)s reserved", n=n)) if row.reserved else ""
    return str(_("%(n)s given away", n=n))


def _keys(row: Any) -> list[tuple[str, int, str]]:
    """What the seats do, as the picture beside it is colored."""
    free, over = row.seats - row.in_use, row.in_use - row.seats
    return [
        ("key-u", row.running, ngettext("%(num)s running", "%(num)s running", row.running)),
        ("key-u", row.ending, ngettext("%(num)s ending", "%(num)s ending", row.ending)),
        ("key-w", row.idle, str(_("%(n)s idle", n=number(row.idle)))),
        ("key-w", row.silent, str(_("%(n)s not responding", n=number(row.silent)))),
        ("key-w", row.held, str(_("%(n)s held for the queue", n=number(row.held)))),
        ("key-b", row.borrowed, str(_("%(n)s borrowed", n=number(row.borrowed)))),
        ("", free, str(_("%(n)s free", n=number(free)))),
        ("key-more", over, str(_("%(n)s more than there are", n=number(over)))),
    ]


# ── denials ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def refused(found: Sequence[Any], now: datetime, zone: str) -> list[Refused]:
    """The denials that were found, each in the words that the program showed; who tries again stays one row."""
    words, alike = Words(now, zone), dict[Any, list[Any]]()
    for row in found:
        alike.setdefault(_what_repeats(row), []).append(row)
    return [_refused(rows, words) for rows in alike.values()]


def _what_repeats(row: Any) -> Any:
    if row.served_at is not None:
        return row.id
    return row.name, row.member_id, row.station, row.device, row.product, row.code, row.detail


def _refused(rows: list[Any], words: Words) -> Refused:
    row = rows[0]
    return Refused(
        id=row.id, at=words.clock(row.at), name=row.name if row.station is None else row.station,
        device=row.device or "", product=row.product, why=row.detail or str(CODES[row.code].title),
        why_url=f"/admin/users/{row.member_id}/why?product={quote(row.product_code)}" if row.member_id else "",
        note=_what_became(rows, words),
    )  # fmt: skip


def _what_became(rows: list[Any], words: Words) -> str:
    if rows[0].served_at is not None:
        return str(_("Got a seat at %(time)s", time=words.clock(rows[0].served_at)))
    if len(rows) == 1:
        return ""
    since = words.clock(rows[-1].at)
    return ngettext("%(num)s time since %(time)s", "%(num)s times since %(time)s", len(rows), time=since)
