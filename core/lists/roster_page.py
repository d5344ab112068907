"""The Users page and its pieces: one place that builds what their templates need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from flask import render_template, request
from flask_babel import gettext as _

from core.dates import now
from core.db import db
from core.guard import Desk
from core.lists import roster, roster_words
from core.lists.roster import LONGEST_SEARCH, PAGE, STATES, Counts, Wanted
from core.pages.words import ngettext, number
from core.people import me

HOME = "/admin/users"
MOST_BEFORE = 1_000_000
MOST_SHOWN = 1000  # rows that an answer carries


def wanted(arguments: Mapping[str, str]) -> Wanted:
    """What an address asks for; what makes no sense is left out."""
    q = "".join(c if c.isprintable() else " " for c in arguments.get("q", ""))
    state, after, before = (arguments.get(name, "") for name in ("state", "after", "before"))
    return Wanted(
        " ".join(q.split())[:LONGEST_SEARCH],
        state if state in STATES else "",
        whole(after) or None,
        min(whole(before), MOST_BEFORE),
    )


def whole(text: str) -> int:
    """The number that an address says, 0 for what is none."""
    # isdigit alone lets through ² and the digits of other scripts; more than nine would be no id of PostgreSQL's.
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def wanted_before() -> Wanted:
    """What the page asked for on which a button was pressed: the form of a question says so, else the address."""
    if any(name in request.form for name in fields(Wanted())):
        return wanted(request.form)
    address = urlsplit(request.headers.get("HX-Current-URL") or request.referrer or "")
    return wanted(dict(parse_qsl(address.query))) if address.path == HOME else Wanted()


def address_before(member_id: int) -> str:
    """The address of the page on which a button was pressed, at the row that it changed."""
    query = urlencode({name: value for name, value in fields(wanted_before()).items() if value})
    return f"{HOME}{'?' * bool(query)}{query}#member-{member_id}"


def fields(wanted: Wanted) -> dict[str, str | int]:
    """The part of the list that is asked for, as fields of a form or an address."""
    return {"q": wanted.q, "state": wanted.state, "after": wanted.after or "", "before": wanted.before or ""}


def address(wanted: Wanted, **more: int) -> str:
    """The address of a part of the list, its first page unless `more` says after whom it begins."""
    known = {"q": wanted.q, "state": wanted.state, **more}
    query = urlencode({name: value for name, value in known.items() if value})
    return f"{HOME}?{query}" if query else HOME


def page(desk: Desk, wanted: Wanted, **context: Any) -> str:
    """The whole page; `context` holds the form's state, and `problem` when an action was refused."""
    known = {"typed": "", "error": "", "results": None, "problem": "", **context}
    listed = listing(desk, wanted)
    if wanted.after and not listed["rows"]:  # the last of this page have left the list
        listed = listing(desk, Wanted(wanted.q, wanted.state))
    first = listed["counts"].all == 1 and not wanted.is_narrow
    return render_template("users/page.html", **listed, **known, steps=_first_step(desk) if first else "")


def question(name: str, **context: Any) -> str:
    """A page that asks before a row changes; its form keeps what part of the list was looked at."""
    return render_template(name, keep=fields(wanted_before()), **context)


def counts(desk: Desk, wanted: Wanted) -> str:
    """Tabs and heading only."""
    return render_template("users/_counts.html", **_counted(desk, wanted))


def table(desk: Desk, wanted: Wanted) -> dict[str, Any]:
    """The context of the table alone."""
    shown = whole(request.form.get("shown", "")) - wanted.before  # rows may have joined the first page of them
    part = roster.read(db.session, desk.organization.id, wanted, now(), max(PAGE, min(shown, MOST_SHOWN)))
    return {"desk": desk, "rows": _in_words(desk, part.found), "has_more": part.has_more}


def row(desk: Desk, member_id: int) -> list[roster_words.Shown]:
    """One row, or none when the person left the list."""
    found = roster.one(db.session, desk.organization.id, member_id, now())
    return _in_words(desk, [found] if found else [])


def listing(desk: Desk, wanted: Wanted) -> dict[str, Any]:
    """The context of the list with its bar and foot."""
    context = {**table(desk, wanted), **_counted(desk, wanted)}
    rows, shown = context["rows"], wanted.before + len(context["rows"])
    more = address(wanted, after=rows[-1].id, before=shown) if context["has_more"] else ""
    return {**context, "shown": shown, "more_url": more, "list_url": address(wanted)}


def _counted(desk: Desk, wanted: Wanted) -> dict[str, Any]:
    version = me().activity if request.method == "GET" else None  # a POST has just written a newer entry
    counted = roster.count(db.session, desk.organization.id, wanted.q, version)
    counts_url = address(wanted).replace(HOME, f"{HOME}/counts")
    return {"counts": counted, "wanted": wanted, "tabs": _tabs(wanted, counted), "counts_url": counts_url}


def _tabs(wanted: Wanted, counted: Counts) -> list[dict[str, Any]]:
    words = {"": _("All"), **roster_words.state_words()}
    return [
        {
            "url": address(Wanted(wanted.q, state)),
            "word": words[state],
            "count": number(counted.of(state)),
            "is_current": state == wanted.state,
        }
        for state in ("", *STATES)
    ]


def _in_words(desk: Desk, found: Sequence[Any]) -> list[roster_words.Shown]:
    return roster_words.shown(found, desk.me.id, now(), me().shown_zone)


def _first_step(desk: Desk) -> str:
    licenses = desk.organization.licenses
    if not licenses:
        return str(_("Its licenses come with a permission key, under Products."))
    seats = sum(each.seats for each in licenses)
    held = ngettext("%(num)s license", "%(num)s licenses", len(licenses))
    return ngettext(
        "%(num)s seat in %(licenses)s is ready.", "%(num)s seats in %(licenses)s are ready.", seats, licenses=held
    )
