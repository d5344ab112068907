"""Activity: who did what, and when, in an organization; and the vendor's own. Read, searched, taken along as a file."""

from __future__ import annotations

from datetime import date

from flask import Blueprint, Response, render_template, request
from flask_babel import gettext as _

from core.activity import PORTAL
from core.db import db
from core.guard import administrator, operator_only
from core.lists import activity_list
from core.lists.activity_list import Wanted
from core.people import me

bp = Blueprint("activity", __name__)


@bp.get("/admin/activity")
def index() -> str:
    """What was done in the organization, newest first, 50 at a time."""
    return _page(str(administrator()), ".index", ".export")


@bp.get("/admin/activity/export")
def export() -> Response:
    """The same as a file, all of it."""
    return _file(str(administrator()))


@bp.get("/operator/activity")
def operator_index() -> str:
    """What was done at the portal outside of organizations."""
    operator_only()
    return _page(PORTAL, ".operator_index", ".operator_export")


@bp.get("/operator/activity/export")
def operator_export() -> Response:
    """The same as a file, all of it."""
    operator_only()
    return _file(PORTAL)


def _page(stream: str, here: str, file: str) -> str:
    wanted = _wanted()
    before = request.args.get("before", type=int)
    page = activity_list.find(db.session, stream, wanted, before, me().shown_zone)
    return render_template(
        "activity/index.html", page=page, wanted=wanted, here=here, file=file, before=before,
        subjects=_subjects(stream), is_searched=wanted != Wanted(),
    )  # fmt: skip


def _file(stream: str) -> Response:
    lines = activity_list.file_of(db.session, stream, _wanted(), me().shown_zone)
    # Read before the answer begins: what fails is an error page then, and no half a file.
    text = "".join(lines)
    name = f"activity-{date.today():%Y-%m-%d}.csv"
    head = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response("\ufeff" + text, mimetype="text/csv", headers=head)


def _wanted() -> Wanted:
    """What the address asks for; what cannot be is left out."""
    subject = request.args.get("subject", "")
    return Wanted(
        q=request.args.get("q", "").strip()[:200],
        subject=subject if subject in activity_list.SUBJECTS else "",
        since=request.args.get("since", type=date.fromisoformat),
        until=request.args.get("until", type=date.fromisoformat),
    )


def _subjects(stream: str) -> list[tuple[str, str]]:
    words = {"people": _("People"), "licenses": _("Keys and products")}
    if stream != PORTAL:
        words |= {"permissions": _("Permissions"), "sessions": _("Sessions"), "organization": _("Organization")}
    return [("", _("Everything")), *words.items()]
