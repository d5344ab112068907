"""Stations: the keys of labs and build machines. A key is shown once, in the answer to the form that made it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, make_response, render_template, request
from flask_babel import gettext as _
from sqlalchemy import select

from core.dates import now
from core.db import db
from core.errors import BadInput, Missing
from core.guard import Desk, admin_desk, administrator
from core.leases import Lease, Station
from core.lists import station_list
from core.oauth import stations
from core.pages.answers import answer
from core.pages.htmx import ask_again, htmx, vary
from core.people import me
from models import Product

bp = Blueprint("stations", __name__, url_prefix="/admin/stations")
BOARD = "stations/_board.html"


@bp.get("")
def page() -> str:
    """The stations, and the form that adds one."""
    return render_template("stations/index.html", **_board(administrator()))


@bp.post("")
def add() -> Response:
    """Add a station, and show its key once."""
    desk, typed = admin_desk(), {name: request.form.get(name, "") for name in ("name", "product")}
    try:
        station, key = stations.add(
            desk.organization, _product(desk, typed["product"]), typed["name"], desk.actor, now()
        )
    except BadInput as refused:
        db.session.rollback()
        faults = {str(refused.field): refused.message}
        return _answered(desk.organization.id, refused.status, typed=typed, faults=faults)
    db.session.commit()
    return _answered(desk.organization.id, 200, made=station, key=key)


@bp.get("/<int:station_id>/rename")
def rename(station_id: int) -> str:
    """Ask for another name."""
    found = _station(station_id)
    return _renaming(station_id, found.name, found.name, "")


@bp.post("/<int:station_id>/rename")
def rename_submit(station_id: int) -> Response:
    """Give a station another name; its key stays."""
    desk, name = admin_desk(), request.form.get("name", "")
    try:
        found = stations.rename(desk.organization, station_id, name, desk.actor, now())
    except BadInput as refused:
        db.session.rollback()
        page = _renaming(station_id, _station(station_id).name, name, str(refused.message))
        return ask_again(vary(make_response(page, refused.status)))
    return _changed(desk, _("The station is called %(name)s now.", name=found.name))


@bp.get("/<int:station_id>/revoke")
def revoke(station_id: int) -> str:
    """Ask before a station's key is dead."""
    found = _station(station_id)
    title = _("Revoke %(name)s?", name=found.name)
    return render_template("stations/revoke.html", station=found, title=title, running=_running(station_id))


@bp.post("/<int:station_id>/revoke")
def revoke_submit(station_id: int) -> Response:
    """End a station; what it runs gets time to save."""
    desk = admin_desk()
    found = stations.revoke(desk.organization, station_id, desk.actor, now())
    return _changed(desk, _("%(name)s is revoked.", name=found.name))


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _board(organization_id: int, **context: Any) -> dict[str, Any]:
    rows = station_list.rows(db.session, organization_id, now(), me().shown_zone)
    choices = station_list.products(db.session, organization_id, now())
    return {"rows": rows, "products": choices, "typed": {}, "faults": {}, "made": None, "key": "", **context}


def _answered(organization_id: int, status: int, **context: Any) -> Response:
    name = BOARD if htmx.wants_fragment else "stations/index.html"
    response = vary(make_response(render_template(name, **_board(organization_id, **context)), status))
    response.headers["Cache-Control"] = "no-store"
    return response


def _changed(desk: Desk, said: str) -> Response:
    db.session.commit()
    board = _board(desk.organization.id) if htmx.wants_fragment else {}
    return answer(BOARD, "/admin/stations", said=said, **board)


def _product(desk: Desk, text: str) -> Product:
    """The product that was chosen, one that stations of this organization can run."""
    known = dict(station_list.products(db.session, desk.organization.id, now()))
    chosen = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if chosen not in known:
        raise BadInput(_("Choose a product."), field="product")
    return db.session.get_one(Product, chosen)


def _station(station_id: int) -> Station:
    is_ours = (Station.id == station_id, Station.organization_id == administrator(), Station.revoked_at.is_(None))
    found = db.session.scalars(select(Station).where(*is_ours)).one_or_none()
    if found is None:
        raise Missing(_("There is no such station."))
    return found


def _running(station_id: int) -> int:
    return len(db.session.scalars(select(Lease.id).where(Lease.station_id == station_id, *Lease.LIVE)).all())


def _renaming(station_id: int, before: str, name: str, error: str) -> str:
    template = "stations/_rename.html" if error and htmx.wants_fragment else "stations/rename.html"
    return render_template(template, station_id=station_id, before=before, name=name, error=error)
