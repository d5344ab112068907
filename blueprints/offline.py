"""Computers without a network: a person carries their files here, a request or a return, and a seat's file back."""

from __future__ import annotations

import json

from flask import Blueprint, Response, make_response, render_template, request
from flask_babel import gettext as _

from core.api import answers, files
from core.api.once import answer_once
from core.dates import now
from core.db import db
from core.denials import Denied
from core.errors import BadInput, RuleBroken
from core.pages.answers import away
from core.pages.words import moment
from core.people import me
from core.seats import borrowing
from core.seats.asking import Caller

bp = Blueprint("offline", __name__, url_prefix="/devices/offline")
MOST_BYTES = 8 * 1024


@bp.get("")
def page() -> str:
    """What to carry where, and the form that takes a file."""
    return render_template("offline/index.html", error="", code="")


@bp.post("")
def upload() -> Response:
    """Take a file: lend the seat that it asks for, or take the seat back that it returns."""
    try:
        text = uploaded()
        if files.is_request(text):
            return away(f"/devices/offline/{lent(text)}")
        return away("/devices", said=_("The seat of %(product)s is free again.", product=brought_back(text)))
    except RuleBroken as refused:
        db.session.rollback()
        code = refused.code if isinstance(refused, Denied) else ""
        answer = render_template("offline/index.html", error=refused.message, code=code)
        # 400 is for a form that is out of date.
        return make_response(answer, 422 if refused.status == 400 else refused.status)


@bp.get("/<launch>")
def show(launch: str) -> str:
    """A seat that was lent, and its file."""
    loan = borrowing.loan_of(db.session, person(), launch, now())
    return render_template("offline/loan.html", loan=loan, until=moment(loan.until, me().shown_zone))


@bp.get("/<launch>/file")
def download(launch: str) -> Response:
    """The file to carry back; however often it is fetched, it is the same seat."""
    at = now()
    loan = borrowing.loan_of(db.session, person(), launch, at)
    seat = answers.of_seat(db.session, person(), loan.borrowed.asking, loan.borrowed.seat, at)
    body = answers.with_keys(db.session, seat, at)
    response = Response(json.dumps(body, indent=2), mimetype="application/json")
    response.headers.set("Content-Disposition", "attachment", filename=f"{loan.borrowed.asking.product}.seat.json")
    return response


# ── what is carried ──────────────────────────────────────────────────────────────────────────────────────────────────


def uploaded() -> str:
    """The text of the file.

    :raise BadInput: when there is none, or it is too large to be one of ours.
    """
    file = request.files.get("file")
    data = file.read(MOST_BYTES + 1) if file is not None else b""
    if not data:
        raise BadInput(_("Choose a file."), field="file")
    if len(data) > MOST_BYTES:
        raise BadInput(_("This file is too large to be a request or a return."), field="file")
    return data.decode("ascii", "replace").strip()


def lent(text: str) -> str:
    """Lend the seat that a file asks for, and return the number of its launch."""
    wish, at = files.wish_of(text), now()

    def lend() -> tuple[int, None]:
        borrowing.lend(db.session, person(), wish.asking, wish.until, at)
        return 201, None

    answer_once(db.session, None, at, lend)
    return wish.asking.uuid


def brought_back(text: str) -> str:
    """Take a seat back, and return the name of its product."""
    launch, at = borrowing.launch_of(text), now()

    def bring_back() -> tuple[int, str]:
        return 200, borrowing.bring_back(db.session, person(), launch, text, at)

    return str(answer_once(db.session, None, at, bring_back)[1])


def person() -> Caller:
    """The signed-in person, whichever computer a file is about."""
    return Caller(me().organization_id, account_id=me().id)
