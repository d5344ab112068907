"""Why?: may somebody run a product, step by step; administrators ask about anybody, everybody about himself."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, flash, make_response, redirect, render_template, request
from flask_babel import gettext as _

from core import access, limits, mail
from core.dates import now
from core.db import db
from core.errors import Missing
from core.guard import admin_desk, own_desk
from core.lists import reasons, request_list
from core.pages.words import listed
from core.people import me
from core.seats.explaining import Chain, Promise, explain
from models import Member, Organization

bp = Blueprint("why", __name__)
LONGEST_CODE = 50


@bp.get("/admin/users/<int:member_id>/why")
def of_member(member_id: int) -> str:
    """One member and one product of the organization; without a product, the choice."""
    desk = admin_desk(member_id)
    member, code = desk.member(member_id), asked_for()
    if member.account_id is None or member.confirmed_at is None:
        raise Missing(_("This person has not confirmed the invitation, and runs nothing."))
    products = request_list.products_of(db.session, desk.organization.id)
    chain = explain(
        db.session, desk.organization.id, member.account_id, code, now(), with_personal=member.id == desk.me.id
    ) if code else None  # fmt: skip
    return render_template("why/member.html", member=member, code=code, products=products, **shown(chain))


@bp.get("/products/why")
def of_myself() -> Any:
    """The signed-in person and one product."""
    code = asked_for()
    if not code:
        return redirect("/products", 303)
    chain = explain(db.session, me().organization_id, me().id, code, now())
    newest = request_list.newest_of(db.session, me().id, chain.request.facts.product_id)
    return render_template("why/myself.html", code=code, newest=newest, who=who_can(chain), **shown(chain))


@bp.post("/products/ask")
def ask() -> Response:
    """Ask the administrators for a permission."""
    limits.count("access", f"account {me().id}")
    desk, code = own_desk(), asked_for()
    asked, is_news = access.ask(desk.me, code, desk.actor, now())
    if is_news:
        mail.access_asked(asked)
    db.session.commit()
    flash(_("You asked for access. The answer comes by mail."))
    return make_response(redirect(address(code), 303))


def address(code: str) -> str:
    """The page of the signed-in person and a product."""
    return access.page_of(code)


def asked_for() -> str:
    """The product that the address or the form names."""
    return "".join(c for c in request.values.get("product", "").strip().lower() if c.isprintable())[:LONGEST_CODE]


def shown(chain: Chain | None) -> dict[str, Any]:
    """What the pieces of both pages need."""
    if chain is None:
        return {"chain": None}
    return {
        "chain": chain, "product": chain.request.facts.product or chain.request.asking.product,
        "runs": isinstance(chain.outcome, Promise), "general": reasons.general(chain),
        "parts": reasons.by_license(chain), "next_release": reasons.next_release(chain, me().shown_zone),
    }  # fmt: skip


def who_can(chain: Chain) -> str:
    """Who can change it, where it is the organization's to change."""
    organization_id = me().organization_id
    if organization_id is None or chain.code in (None, "unknown_product", "token_invalid"):
        return ""
    leaders = Organization.leaders_of(db.session, organization_id)
    return listed([leader.shown_name for leader in leaders if not is_me(leader)])


def is_me(member: Member) -> bool:
    """Whether a member is the signed-in person."""
    return member.id == me().member_id
