"""The Status page and its pieces: one place that builds what their templates need and sees whether anything changed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from zoneinfo import ZoneInfo

from flask import request
from flask_babel import gettext as _

from core.dates import now
from core.db import db
from core.lists import roster_page, running, running_words
from core.lists.running import Wanted
from core.pages.words import ngettext, time
from core.people import me
from core.rights import Condition, condition

HOME = "/admin/status"
COUNTED_EVERY = timedelta(seconds=5)  # how exact a countdown is
TOLD_EVERY = timedelta(seconds=30)  # how exact “3 min ago” is


@dataclass(frozen=True, slots=True)
class Facts:
    """What the licenses do at a moment, and whether a page that knows `version` shows it already."""

    organization_id: int
    at: datetime
    today: datetime
    rows: Sequence[Any]
    version: str


def facts(organization_id: int) -> Facts:
    """What is true of an organization now."""
    at, zone = now(), ZoneInfo(me().shown_zone)
    today = at.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    rows = running.pools(db.session, organization_id, today, at)
    return Facts(organization_id, at, today, rows, _version(rows, at))


def _version(rows: Sequence[Any], at: datetime) -> str:
    every = COUNTED_EVERY if any(row.counting for row in rows) else TOLD_EVERY
    known = [tuple(row) for row in rows], me().activity, int(at.timestamp() / every.total_seconds())
    return hashlib.blake2s(repr(known).encode(), digest_size=8).hexdigest()


# ── what is asked for ────────────────────────────────────────────────────────────────────────────────────────────────


def wanted(arguments: Mapping[str, str]) -> Wanted:
    """What an address asks for; what makes no sense is left out."""
    same = roster_page.wanted(arguments)
    return Wanted(same.q, roster_page.whole(arguments.get("product", "")) or None, same.after, same.before)


def wanted_before() -> Wanted:
    """What the page asked for on which a button was pressed: the form of a question says so, else the address."""
    if any(name in request.form for name in fields(Wanted())):
        return wanted(request.form)
    address = urlsplit(request.headers.get("HX-Current-URL") or request.referrer or "")
    return wanted(dict(parse_qsl(address.query))) if address.path == HOME else Wanted()


def fields(wanted: Wanted) -> dict[str, str | int]:
    """The part of the list that is asked for, as fields of a form or an address."""
    return {"q": wanted.q, "product": wanted.product or "", "after": wanted.after or "", "before": wanted.before or ""}


def address(wanted: Wanted, path: str = HOME, **more: str | int) -> str:
    """The address of a part of the list."""
    query = urlencode({name: value for name, value in {**fields(wanted), **more}.items() if value})
    return f"{path}?{query}" if query else path


# ── what is shown ────────────────────────────────────────────────────────────────────────────────────────────────────


def board(known: Facts, wanted: Wanted, *, is_paused: bool = False) -> dict[str, Any]:
    """The context of everything that moves by itself."""
    page = running.read(db.session, known.organization_id, wanted, known.at)
    if wanted.after and not page.found:  # the last of this page have ended
        wanted = Wanted(wanted.q, wanted.product)
        page = running.read(db.session, known.organization_id, wanted, known.at)
    denied = running.denials(db.session, known.organization_id, wanted.product, known.today) if _denied(known) else []
    return {
        **_pools(known, wanted),
        **_sessions(known, wanted, page),
        "wanted": wanted,
        "denials": running_words.refused(denied, known.at, me().shown_zone),
        "denied": _denied_words(known, wanted, len(denied)),
        "is_paused": is_paused,
        "as_of": time(known.at),
        "live_url": address(wanted, f"{HOME}/live", v=known.version),
        "pause_url": address(wanted, paused="" if is_paused else 1),
    }


def row(organization_id: int, lease_id: int) -> list[running_words.Shown]:
    """One session, or none when it has ended."""
    at = now()
    found = running.one(db.session, organization_id, lease_id, at)
    return running_words.shown([found] if found else [], at, me().shown_zone)


def _pools(known: Facts, wanted: Wanted) -> dict[str, Any]:
    used = [row for row in known.rows if row.in_use or condition(row, known.at) is Condition.ACTIVE]
    found = [row for row in used if wanted.product in (None, row.product_id)]
    return {
        # Where somebody waits first; else in an order that stays, so that nothing jumps.
        "pools": [running_words.pool(row) for row in sorted(found, key=lambda row: row.waiting == 0)],
        "products": sorted({(row.product_id, row.product) for row in used}, key=lambda each: each[1]),
        "has_licenses": bool(known.rows),
        "news": _news(found),
    }


def _news(rows: Sequence[Any]) -> str:
    """What a screen reader says when it changes: what waits for the administrator, and nothing that counts down."""
    silent = sum(row.silent for row in rows)
    waiting = sum({row.product_id: row.waiting for row in rows}.values())
    return " ".join(
        [
            *([ngettext("%(num)s does not respond.", "%(num)s do not respond.", silent)] if silent else []),
            *([ngettext("One waits for a seat.", "%(num)s wait for a seat.", waiting)] if waiting else []),
        ]
    )


def _sessions(known: Facts, wanted: Wanted, page: running.Page) -> dict[str, Any]:
    rows = running_words.shown(page.found, known.at, me().shown_zone)
    total = sum(row.sessions for row in known.rows if wanted.product in (None, row.product_id))
    if wanted.q:
        total = running.count(db.session, known.organization_id, wanted)
    last = wanted.before + len(rows)
    after = rows[-1].id if page.has_more else 0
    return {
        "rows": rows,
        "total": total,
        "heading": _heading(total, wanted),
        "first": wanted.before + 1,
        "last": last,
        "more_url": address(wanted, after=after, before=last) if after else "",
        "first_url": address(Wanted(wanted.q, wanted.product)),
    }


def _heading(total: int, wanted: Wanted) -> str:
    if wanted.q:
        return ngettext("%(num)s session found", "%(num)s sessions found", total)
    return ngettext("%(num)s session", "%(num)s sessions", total) if total else str(_("No sessions"))


def _denied(known: Facts) -> int:
    return int(known.rows[0].denied) if known.rows else 0


def _denied_words(known: Facts, wanted: Wanted, shown: int) -> str:
    count = shown if wanted.product else _denied(known)
    if not count:
        return str(_("Nobody was refused a seat."))
    words = ngettext("%(num)s request for a seat", "%(num)s requests for a seat", count)
    return words if count <= shown else str(_("%(requests)s, the latest %(num)s shown", requests=words, num=shown))
