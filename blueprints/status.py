"""Status: which applications hold a seat now, ended or written off where they should not, and who was refused today."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, make_response, render_template, request
from flask_babel import gettext as _

from core.dates import now
from core.db import db
from core.errors import BadInput, Missing, RuleBroken
from core.guard import admin_desk, administrator
from core.leases import Lease
from core.lists import running, running_page
from core.pages.answers import answer, rule_broken
from core.pages.htmx import ask_again, fire, htmx, say, vary
from core.pages.words import moment
from core.people import me
from core.seats import ending

bp = Blueprint("status", __name__, url_prefix=running_page.HOME)


@bp.get("")
def page() -> str:
    """The licenses with their seats, the sessions 50 at a time, the denials of the day."""
    return _page(administrator(), running_page.wanted(request.args))


@bp.get("/live")
def live() -> Response:
    """What moves by itself, to a page that shows something else; 204 when it shows what is true."""
    known = running_page.facts(administrator())
    if request.args.get("v") == known.version:
        return make_response("", 204)
    board = running_page.board(known, running_page.wanted(request.args), is_paused="paused" in request.args)
    return vary(make_response(render_template("status/_board.html", **board)))


@bp.get("/<int:lease_id>/end")
def end(lease_id: int) -> str:
    """Ask before a session ends, with what its program is to show and how long it may take."""
    return _question(_running(lease_id), lease_id, {"message": "", "seconds": ending.DEFAULT_WINDOW_S}, {})


@bp.post("/<int:lease_id>/end")
def end_submit(lease_id: int) -> Response:
    """End a session, after the time to save."""
    desk = admin_desk()
    message, seconds = request.form.get("message", ""), request.form.get("seconds", "")
    try:
        lease = ending.end_session(
            db.session, desk.organization.id, lease_id, desk.actor, message, _seconds(seconds), now()
        )
    except BadInput as refused:
        db.session.rollback()
        return _asked_again(lease_id, {"message": message, "seconds": seconds}, refused)
    name = _name(lease)
    said = _("The session of %(name)s is ending.", name=name)
    return _changed(lease, _("The session of %(name)s has ended.", name=name) if lease.ended_at else said)


@bp.get("/<int:lease_id>/write-off")
def write_off(lease_id: int) -> str:
    """Ask before a borrowed seat is given up."""
    found = _running(lease_id)
    if found.borrowed_until is None:
        raise RuleBroken(_("This seat is not borrowed. End the session instead."))
    title = _("Write off the seat of %(name)s?", name=found.station or found.name)
    until = moment(found.borrowed_until, me().shown_zone)
    keep = running_page.fields(running_page.wanted_before())
    return render_template("status/write_off.html", lease_id=lease_id, found=found, title=title, until=until, keep=keep)


@bp.post("/<int:lease_id>/write-off")
def write_off_submit(lease_id: int) -> Response:
    """Free the seat of a device that will not come back."""
    desk = admin_desk()
    lease = ending.write_off(db.session, desk.organization.id, lease_id, desk.actor, now())
    return _changed(lease, _("The seat of %(name)s is written off.", name=_name(lease)))


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _page(organization_id: int, wanted: running.Wanted, problem: str = "") -> str:
    board = running_page.board(running_page.facts(organization_id), wanted, is_paused="paused" in request.args)
    return render_template("status/index.html", problem=problem, **board)


def _running(lease_id: int) -> Any:
    """The session that is asked about.

    :raise Missing: when the organization has none of this id, or it has ended.
    """
    found = running.one(db.session, administrator(), lease_id, now())
    if found is None:
        raise Missing(_("There is no such session. It may have ended."))
    return found


def _question(found: Any, lease_id: int, typed: dict[str, Any], faults: dict[str, Any]) -> str:
    title = _("End the session of %(name)s?", name=found.station or found.name)
    keep = running_page.fields(running_page.wanted_before())
    name = "status/_end.html" if faults and htmx.wants_fragment else "status/end.html"
    return render_template(name, lease_id=lease_id, found=found, title=title, keep=keep, typed=typed, faults=faults)


def _asked_again(lease_id: int, typed: dict[str, Any], refused: BadInput) -> Response:
    page = _question(_running(lease_id), lease_id, typed, {str(refused.field): refused.message})
    return ask_again(vary(make_response(page, refused.status)))


def _seconds(text: str) -> int:
    if not (text.strip().isascii() and text.strip().isdigit() and len(text.strip()) < 10):
        raise ending.no_window()
    return int(text)


def _name(lease: Lease) -> str:
    return ending.holder_name(db.session, lease)


def _changed(lease: Lease, said: str) -> Response:
    """Commit, then the fresh row to htmx, after which the board looks again, and a redirect to a plain form."""
    rows = running_page.row(administrator(), lease.id) if htmx.wants_fragment else []
    db.session.commit()
    to = running_page.address(running_page.wanted_before()) + f"#lease-{lease.id}"
    return fire(answer("status/_rows.html", to, said=said, rows=rows), "look")


@bp.errorhandler(RuleBroken)
def refused(error: RuleBroken) -> Response:
    """A rule said no: what is true now, and why, instead of what the page still showed."""
    if error.status != 409 or request.method == "GET":
        return rule_broken(error)
    db.session.rollback()
    if not htmx.wants_fragment:
        page = _page(administrator(), running_page.wanted_before(), str(error.message))
        return make_response(page, error.status)
    rows = running_page.row(administrator(), (request.view_args or {}).get("lease_id", 0))
    response = make_response(render_template("status/_rows.html", rows=rows), error.status)
    return fire(say(vary(response), str(error.message), bad=True), "look")
