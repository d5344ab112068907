"""Activate: a person types the code that an application shows, sees who asks, and lets it in or not."""

from __future__ import annotations

from flask import Blueprint, Response, request

from core import accounts, limits
from core.activity import record
from core.dates import now
from core.db import db
from core.errors import RuleBroken
from core.forms.account_forms import led_to, shown, typed
from core.grants import DeviceCode
from core.oauth import approvals
from core.pages.languages import zone
from core.pages.words import moment
from core.people import actor, me

bp = Blueprint("activate", __name__, url_prefix="/activate")


@bp.get("")
def page() -> Response:
    """The field for the code; with one, which application on which device asks for what."""
    text = request.args.get("user_code", "").strip()
    if not text or is_led_here():
        return shown("activate/code.html", user_code="")
    try:
        code = waiting(text)
    except RuleBroken as refused:
        return again(text, refused)
    db.session.commit()
    user_code, asked = approvals.readable(text), moment(code.made_at, zone())
    return shown("activate/answer.html", code=code, user_code=user_code, asked=asked)


@bp.post("/approve")
def approve() -> Response:
    """Let the application in, with the rights of the signed-in person."""
    try:
        code = waiting(typed("user_code"))
    except RuleBroken as refused:
        return again(typed("user_code"), refused)
    approvals.approve(code, me().id, me().organization_id, now())
    record(db.session, None, actor(), "program.approve", code, now())
    db.session.commit()
    return led_to("/activate/approved")


@bp.post("/decline")
def decline() -> Response:
    """Keep the application out."""
    try:
        code = waiting(typed("user_code"))
    except RuleBroken as refused:
        return again(typed("user_code"), refused)
    approvals.decline(code, now())
    record(db.session, None, actor(), "program.decline", code, now())
    db.session.commit()
    return led_to("/activate/declined")


@bp.get("/approved")
def approved() -> Response:
    """The application goes on by itself."""
    return shown("activate/done.html", is_approved=True)


@bp.get("/declined")
def declined() -> Response:
    """The application was told so."""
    return shown("activate/done.html", is_approved=False)


def is_led_here() -> bool:
    """Whether another site's link brings the code: then the person is to read it where the application shows it."""
    return request.headers.get("Sec-Fetch-Site") in {"cross-site", "same-site"}


def waiting(text: str) -> DeviceCode:
    """The application that waits with this code, locked.

    :raise RuleBroken: when none does, and after too many wrong codes.
    """
    accounts.begin_writing()  # a GET counts too, or codes could be guessed there
    subject = f"account {me().id}"
    # Counted before it is looked at, so that many guesses at one time are not all the first.
    limits.count("user-code", subject)
    code = approvals.waiting(db.session, text, now())
    limits.give_back("user-code", subject)
    return code


def again(text: str, refused: RuleBroken) -> Response:
    """The field with what was typed, and why it does not do."""
    db.session.rollback()
    return shown("activate/code.html", refused, user_code=text)
