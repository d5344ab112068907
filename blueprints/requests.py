"""Requests: who asks for access, granted or declined with one click."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, flash, make_response, redirect, render_template, request
from flask_babel import lazy_gettext as _l

from core import access, mail
from core.activity import Actor
from core.dates import now
from core.db import db
from core.errors import RuleBroken
from core.guard import Desk, admin_desk
from core.leases import AccessRequest
from core.lists import request_list
from core.pages.answers import rule_broken
from models import Account, Product

bp = Blueprint("requests", __name__, url_prefix="/admin/requests")
HOME = "/admin/requests"
Answer = Callable[[AccessRequest, str, Actor, datetime], bool]


@bp.get("")
def index() -> str:
    """What waits for an answer."""
    return page(admin_desk())


@bp.post("/<int:request_id>/grant")
def grant(request_id: int) -> Response:
    """Give the permission that was asked for."""
    return answered(request_id, access.grant, _l("%(name)s has a permission for %(product)s."))


@bp.post("/<int:request_id>/decline")
def decline(request_id: int) -> Response:
    """Say no."""
    return answered(request_id, access.decline, _l("The request of %(name)s for %(product)s is declined."))


def answered(request_id: int, answer: Answer, said: Any) -> Response:
    """Answer, commit with the letter, and go back to the list; repeated, nothing is sent again."""
    desk = admin_desk()
    asked = access.found(db.session, desk.organization.id, request_id)
    if answer(asked, message(), desk.actor, now()):
        mail.access_answered(asked)
    db.session.commit()
    flash(said % names(asked))
    return make_response(redirect(HOME, 303))


def message() -> str:
    """What the administrator adds."""
    return request.form.get("message", "")


def names(asked: AccessRequest) -> dict[str, str]:
    """Who asks for what."""
    account, product = db.session.get_one(Account, asked.account_id), db.session.get_one(Product, asked.product_id)
    return {"name": account.name, "product": product.name}


def page(desk: Desk, problem: str = "", typed: dict[int, str] | None = None) -> str:
    """The list; `problem` says why an answer was refused, `typed` keeps what was written to it."""
    waiting = request_list.waiting(db.session, desk.organization.id, now())
    return render_template("requests/index.html", waiting=waiting, problem=problem, typed=typed or {})


@bp.errorhandler(RuleBroken)
def refused(error: RuleBroken) -> Response:
    """An answer that is not possible: the list as it is now, and why."""
    if request.method == "GET" or error.status not in (409, 422):
        return rule_broken(error)
    db.session.rollback()
    typed = {(request.view_args or {}).get("request_id", 0): message()}
    try:
        return make_response(page(admin_desk(), str(error.message), typed), error.status)
    except RuleBroken as also:
        return rule_broken(also)
