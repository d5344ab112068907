"""Activity as its pages show it: searched, filtered, newest first, read page by page; and whole, as a file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.orm import Session

from core.activity import PORTAL, Activity
from core.lists.activity_names import Entry, matching, names_of
from core.lists.activity_words import Said, said
from core.pages.words import day as day_of
from core.pages.words import time as time_of

PAGE = 50
AT_ONCE = 500  # entries of a file in memory at one time
#: What the entries are about, by the first word of their action.
SUBJECTS = {
    "people": ("member", "account", "access", "device", "program"),
    "permissions": ("permission", "access"),
    "licenses": ("key", "product"),
    "sessions": ("lease", "station"),
    "organization": ("organization",),
}
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for: words, a subject, and the days from and to which."""

    q: str = ""
    subject: str = ""
    since: date | None = None
    until: date | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """The same for an address; what is not looked for is left out."""
        return {"q": self.q or None, "subject": self.subject or None, "since": self.since, "until": self.until}

    def conditions(self, stream: str, zone: str) -> list[ColumnElement[bool]]:
        """The same for the database; days are those of a zone."""
        of_subject = [Activity.action.startswith(f"{word}.") for word in SUBJECTS.get(self.subject, ())]
        conditions = [Activity.stream == stream, *matching(self.q), *([or_(*of_subject)] if of_subject else [])]
        if self.since is not None:
            conditions.append(Activity.at >= _midnight(self.since, zone))
        if self.until is not None:
            conditions.append(Activity.at < _midnight(self.until + timedelta(days=1), zone))
        return conditions


@dataclass(frozen=True, slots=True)
class Shown:
    """One entry as its row shows it."""

    number: int
    day: str
    time: str
    said: Said
    address: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries, and before which number the next page begins."""

    rows: list[Shown]
    before: int | None


def find(session: Session, stream: str, wanted: Wanted, before: int | None, zone: str) -> Page:
    """The newest entries before a number that are looked for."""
    query = _entries(stream, wanted, zone).order_by(Activity.number.desc()).limit(PAGE + 1)
    found = session.execute(query if before is None else query.where(Activity.number < before)).all()
    names = names_of(session, found[:PAGE])
    to_vendor = stream == PORTAL
    rows = [
        Shown(entry.number, day_of(entry.at), time_of(entry.at), said(entry, names, to_vendor=to_vendor),
              _address(entry, to_vendor))
        for entry in found[:PAGE]
    ]  # fmt: skip
    return Page(rows, found[PAGE - 1].number if len(found) > PAGE else None)


def file_of(session: Session, stream: str, wanted: Wanted, zone: str) -> Iterator[str]:
    """Everything that is looked for as CSV, oldest first, in pieces."""
    query = _entries(stream, wanted, zone).order_by(Activity.number)
    to_vendor, there = stream == PORTAL, ZoneInfo(zone)
    yield _lines([[_("Number"), _("Time"), _("Who"), _("Action"), _("What"), _("Details"), _("From"), _("Before"),
                   _("After")]])  # fmt: skip
    for entries in session.execute(query.execution_options(yield_per=AT_ONCE)).partitions():
        names = names_of(session, entries)
        yield _lines(_cells(each, said(each, names, to_vendor=to_vendor), to_vendor, there) for each in entries)


def _cells(entry: Entry, words: Said, to_vendor: bool, there: ZoneInfo) -> list[Any]:
    kept = ("" if value is None else json.dumps(value, ensure_ascii=False) for value in (entry.before, entry.after))
    at = entry.at.astimezone(there).isoformat(timespec="seconds")
    return [entry.number, at, words.who, entry.action, words.what, words.more, _address(entry, to_vendor), *kept]


def _lines(rows: Iterable[list[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([_plain(cell) for cell in row] for row in rows)
    return text.getvalue()


def _plain(cell: Any) -> Any:
    # A program for tables would take it for a formula.
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def _address(entry: Entry, to_vendor: bool) -> str:
    # Where the vendor's people sit is the vendor's business.
    return entry.address if to_vendor or entry.actor_kind == "person" else ""


def _entries(stream: str, wanted: Wanted, zone: str) -> Select[Any]:
    columns = (
        Activity.number, Activity.at, Activity.actor_kind, Activity.actor_id, Activity.action, Activity.target_kind,
        Activity.target_id, Activity.before, Activity.after, Activity.address,
    )  # fmt: skip
    return select(*columns).where(*wanted.conditions(stream, zone))


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
