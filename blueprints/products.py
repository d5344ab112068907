"""Products in Admin Space: the organization's licenses, and the permission keys that add more."""

from __future__ import annotations

from flask import Blueprint, Response, flash, make_response, render_template, request, url_for

from core.dates import now, today
from core.db import db
from core.forms import drafts, key_entry
from core.forms.key_results import Results
from core.guard import Desk, admin_desk
from core.lists import product_list
from core.pages.answers import away
from core.pages.htmx import clip, htmx, vary
from core.people import actor
from models import License

bp = Blueprint("products", __name__, url_prefix="/admin/products")


@bp.get("")
def index() -> Response:
    """The list; `open` names a license whose details are shown."""
    return board(admin_desk(), text=drafts.kept(), opened=request.args.get("open", type=int))


@bp.post("/validate")
def validate() -> Response:
    """Show what is in the keys; nothing is consumed."""
    key_entry.count(actor())
    desk, text = admin_desk(), typed()
    drafts.take()
    day = today(now(), desk.organization.zone)
    return board(desk, text=text, results=Results(key_entry.read(text, day, desk.organization), day))


@bp.get("/validate")
def validated() -> Response:
    """Whoever comes back to the address of an answer, as after signing in anew, finds the list."""
    admin_desk()
    return away(url_for(".index"))


@bp.post("")
def add() -> Response:
    """Redeem the keys, each wholly or not at all."""
    key_entry.count(actor())
    desk, text, at = admin_desk(), typed(), now()
    day = today(at, desk.organization.zone)
    entries = key_entry.read(text, day, desk.organization)
    results = Results(key_entry.redeem(entries, desk.organization, desk.actor, at, day), day, adding=True)
    db.session.commit()
    drafts.take()
    if all(each.is_added for each in results.entries) and not htmx.wants_fragment:
        return away(shown(results.licenses[0]), said=results.said)
    return board(desk, text=text if results.status != 200 else key_entry.left_over(results.entries), results=results)


@bp.get("/<int:license_id>/details")
def details(license_id: int) -> str:
    """The row of a license with its details, a fragment."""
    desk = admin_desk()
    row = product_list.opened_row(desk.license(license_id), now(), desk.organization.zone)
    return render_template("products/_rows.html", rows=[row], opened=license_id)


@bp.get("/<int:license_id>/reveal")
@bp.get("/<int:license_id>/copy")
def hidden(license_id: int) -> Response:
    """Whoever comes back to the address of a shown key finds it hidden."""
    return away(shown(admin_desk().license(license_id)))


@bp.post("/<int:license_id>/reveal")
def reveal(license_id: int) -> Response:
    """Show the whole key, which is recorded."""
    desk = admin_desk()
    license = desk.license(license_id)
    text = revealed(desk, license)
    if htmx.wants_fragment:
        row = product_list.row(license, now(), desk.organization.zone)
        return vary(make_response(render_template("products/_key.html", row=row, revealed=text)))
    return board(desk, opened=license_id, revealed=text)


@bp.post("/<int:license_id>/copy")
def copy(license_id: int) -> Response:
    """Put the whole key on the clipboard, which is recorded; without JavaScript it is shown."""
    desk = admin_desk()
    text = revealed(desk, desk.license(license_id))
    if htmx.wants_fragment:
        return vary(clip(make_response("", 204), text))
    return board(desk, opened=license_id, revealed=text)


def typed() -> str:
    """What is in the key field."""
    return request.form.get(key_entry.FIELD, "")


def shown(license: License) -> str:
    """The address of the list with a license's details open."""
    return url_for("products.index", open=license.id, _anchor=f"license-{license.id}")


def revealed(desk: Desk, license: License) -> str:
    """The text of a license's key, recorded."""
    text = key_entry.revealed(license.key, desk.actor, now())
    db.session.commit()
    return text


def board(
    desk: Desk, *, text: str = "", results: Results | None = None, opened: int | None = None, revealed: str = ""
) -> Response:
    """The page, or its content for htmx: field, results, list and totals."""
    if results is not None and results.said and (results.adding or htmx.wants_fragment):
        flash(results.said, results.said_to)
    listed = product_list.rows(desk.organization, now(), opened)
    page = render_template(
        "products/_board.html" if htmx.wants_fragment else "products/index.html",
        organization=desk.organization, rows=listed, totals=product_list.totals(listed),
        heading=product_list.heading(listed), text=text, results=results, opened=opened, revealed=revealed,
        fresh={each.id for each in results.licenses} if results else set(),
    )  # fmt: skip
    return vary(make_response(page, results.status if results else 200))
