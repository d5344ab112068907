"""Devices: the computers that a person's applications run on, and the sign-ins that were not his."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, make_response, render_template, request
from flask_babel import gettext as _

from core.dates import now
from core.db import db
from core.errors import BadInput, RuleBroken
from core.leases import Device
from core.lists import device_list
from core.pages.answers import answer, rule_broken
from core.pages.htmx import ask_again, htmx, say, vary
from core.pages.words import ngettext
from core.people import actor, me
from core.seats import devices

bp = Blueprint("devices", __name__, url_prefix="/devices")
BOARD = "devices/_board.html"


@bp.get("")
def page() -> str:
    """The devices with what runs on them, and the programs that are signed in and have not run yet."""
    return render_template("devices/index.html", **_board())


@bp.get("/<int:device_id>/rename")
def rename(device_id: int) -> str:
    """Ask for another name."""
    device = _device(device_id)
    return _renaming(device, device.name, "")


@bp.post("/<int:device_id>/rename")
def rename_submit(device_id: int) -> Response:
    """Give a device another name."""
    device, name = _device(device_id), request.form.get("name", "")
    try:
        devices.rename(db.session, device, name, actor(), now())
    except BadInput as refused:
        db.session.rollback()
        return ask_again(vary(make_response(_renaming(device, name, str(refused.message)), refused.status)))
    return _changed(_("The device is called %(name)s now.", name=device.name))


@bp.get("/<int:device_id>/unbind")
def unbind(device_id: int) -> str:
    """Ask before a device is signed out."""
    return _question("devices/unbind.html", device_id, _("Unbind %(name)s?"))


@bp.post("/<int:device_id>/unbind")
def unbind_submit(device_id: int) -> Response:
    """Forget a device's key, and sign its applications out."""
    device = _device(device_id)
    devices.unbind(db.session, device, actor(), now())
    return _changed(_("%(name)s is unbound.", name=device.name))


@bp.get("/<int:device_id>/remove")
def remove(device_id: int) -> str:
    """Ask before a device leaves the list."""
    return _question("devices/remove.html", device_id, _("Remove %(name)s?"))


@bp.post("/<int:device_id>/remove")
def remove_submit(device_id: int) -> Response:
    """Take a device from the list; its seats are free at once."""
    device = _device(device_id)
    ended = devices.remove(db.session, device, actor(), now())
    return _changed(_("%(name)s is removed.", name=device.name), _ended(ended))


@bp.get("/<int:device_id>/not-me")
def not_me(device_id: int) -> str:
    """Ask before everything of a device ends that somebody else used."""
    return _question("devices/not_me.html", device_id, _("Was somebody else on %(name)s?"))


@bp.post("/<int:device_id>/not-me")
def not_me_submit(device_id: int) -> Response:
    """End everything of a device at once."""
    device = _device(device_id)
    ended = devices.disown(db.session, device, actor(), now())
    return _changed(_("%(name)s is signed out and removed.", name=device.name), _ended(ended))


@bp.post("/sign-ins/<int:family_id>/not-me")
def sign_in_not_me(family_id: int) -> Response:
    """End the sign-in of a program that has not run yet."""
    devices.disown_sign_in(db.session, me().id, family_id, actor(), now())
    return _changed(_("The application is signed out."))


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _board() -> dict[str, Any]:
    return {"devices": device_list.rows(db.session, me().id, now(), me().shown_zone),
            "sign_ins": device_list.sign_ins(db.session, me().id, now(), me().shown_zone)}  # fmt: skip


def _device(device_id: int) -> Device:
    return devices.found(db.session, me().id, device_id)


def _question(name: str, device_id: int, title: str) -> str:
    device = _device(device_id)
    runs = device_list.running_on(db.session, me().id, device_id)
    return render_template(name, device=device, title=title % {"name": device.name}, runs=runs)


def _renaming(device: Device, name: str, error: str) -> str:
    template = "devices/_rename.html" if error and htmx.wants_fragment else "devices/rename.html"
    return render_template(template, device=device, name=name, error=error)


def _ended(count: int) -> str:
    return ngettext("%(num)s session has ended.", "%(num)s sessions have ended.", count) if count else ""


def _changed(*said: str) -> Response:
    """Commit, then the fresh list to htmx, and a redirect to a plain form."""
    db.session.commit()
    board = _board() if htmx.wants_fragment else {}
    return answer(BOARD, "/devices", said=" ".join(filter(None, said)), **board)


@bp.errorhandler(RuleBroken)
def refused(error: RuleBroken) -> Response:
    """A rule said no: the list as it is, and why."""
    if error.status != 409 or request.method == "GET":
        return rule_broken(error)
    db.session.rollback()
    if htmx.wants_fragment:
        return say(vary(make_response(render_template(BOARD, **_board()), error.status)), str(error.message), bad=True)
    page = render_template("devices/index.html", problem=str(error.message), **_board())
    return make_response(page, error.status)
