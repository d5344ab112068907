"""My Products: what the signed-in person may run and, where not, why; own licenses and the keys that bring them."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, flash, make_response, redirect, render_template, request, url_for
from flask_babel import gettext as _

from core import personal, rights
from core.dates import LicenseType, now, today
from core.db import db
from core.errors import NotAllowed
from core.forms import drafts, key_entry
from core.lists import device_list
from core.lists.product_list import Row
from core.pages.answers import away
from core.pages.htmx import clip, htmx, vary
from core.pages.words import listed as in_words
from core.people import actor, me
from core.personal import PersonalResults
from models import ENABLED, Account, License, Organization

bp = Blueprint("my_products", __name__, url_prefix="/products")
BASE = "/products"


@bp.get("")
def index() -> Response:
    """What may run, and what to do where not; `open` names a license whose details are shown."""
    return board(opened=request.args.get("open", type=int))


@bp.post("/validate")
def validate() -> Response:
    """Show what is in the keys; nothing is consumed."""
    account, text = owner(), typed()
    day = today(now(), account.zone)
    results = PersonalResults(key_entry.read(text, day, account), day)
    keep(results)
    return board(text=text, results=results)


@bp.post("")
def add() -> Any:
    """Redeem the keys for the person alone, each wholly or not at all; those of an organization lead there."""
    account, text, at = owner(), typed(), now()
    day = today(at, account.zone)
    entries = key_entry.redeem(key_entry.read(text, day, account), account, actor(), at, day)
    results = PersonalResults(entries, day, adding=True)
    db.session.commit()
    keep(results)
    if results.said:
        flash(results.said, results.said_to)
    # They wait in the field there: `keep` put them into the session.
    if me().may_administer and results.for_organization:
        return away("/admin/products", said=_("This key is for an organization: add it here."))
    if all(each.is_added for each in entries) and not htmx.wants_fragment:
        return redirect(
            url_for(".index", open=results.licenses[0].id, _anchor=f"license-{results.licenses[0].id}"), 303
        )
    return board(text=text if results.status != 200 else key_entry.left_over(entries), results=results)


@bp.get("/<int:license_id>/details")
def details(license_id: int) -> str:
    """The row of an own license with its details, a fragment."""
    row = personal.shown(own(license_id), me().zone, now())
    return render_template("products/_rows.html", rows=[row], opened=license_id, base=BASE)


@bp.post("/<int:license_id>/reveal")
def reveal(license_id: int) -> Response:
    """Show the whole key of an own license, which is recorded."""
    license = own(license_id)
    text = key_entry.revealed(license.key, actor(), now())
    db.session.commit()
    if htmx.wants_fragment:
        row = personal.shown(license, me().zone, now())
        return vary(make_response(render_template("products/_key.html", row=row, revealed=text, base=BASE)))
    return board(opened=license_id, revealed=text)


@bp.post("/<int:license_id>/copy")
def copy(license_id: int) -> Response:
    """Put the whole key on the clipboard, which is recorded; without JavaScript it is shown."""
    text = key_entry.revealed(own(license_id).key, actor(), now())
    db.session.commit()
    if htmx.wants_fragment:
        return vary(clip(make_response("", 204), text))
    return board(opened=license_id, revealed=text)


def own(license_id: int) -> License:
    """The signed-in person's own license, 404 for every other id."""
    return personal.license(db.session, me().id, license_id)


def owner() -> Account:
    """The person who enters keys, counted; an operator redeems nothing.

    :raise NotAllowed: for an operator.
    """
    if me().is_operator:
        raise NotAllowed(_("An operator redeems no permission keys."))
    key_entry.count(actor())
    return db.session.get_one(Account, me().id)


def typed() -> str:
    """What is in the key field."""
    return request.form.get(key_entry.FIELD, "")


def keep(results: PersonalResults) -> None:
    """Have the keys that need an organization wait for the page where one is created, or its Products."""
    drafts.take()
    if results.for_organization:
        drafts.keep("\n".join(each.typed for each in results.for_organization))


# ── the page ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def board(
    *, text: str = "", results: PersonalResults | None = None, opened: int | None = None, revealed: str = ""
) -> Response:
    """The page, or its content for htmx."""
    listed, who = own_rows(), who_can()
    page = render_template(
        "my_products/_board.html" if htmx.wants_fragment else "my_products/index.html",
        base=BASE, text=text, results=results, opened=opened, revealed=revealed, who=who, shared=shared(who),
        places=device_list.places(db.session, me().id, me().organization_id, now(), me().shown_zone),
        rows=[each for each in listed if each.license.kind is not LicenseType.TRIAL],
        trials=[each for each in listed if each.license.kind is LicenseType.TRIAL],
        invitations=personal.waiting(db.session, me().email, now()) if me().organization_id is None else [],
        fresh={each.id for each in results.licenses} if results else set(),
    )  # fmt: skip
    return vary(make_response(page, results.status if results else 200))


def own_rows() -> list[Row]:
    """The person's own licenses, what needs attention first."""
    at = now()
    known = {right.license_id: right for right in rights.personal(db.session, me().id, me().zone, at)}
    found = personal.licenses(db.session, me().id)
    return sorted(
        (personal.shown(each, me().zone, at, known.get(each.id)) for each in found), key=lambda row: row.order
    )


def shared(who: str) -> list[tuple[rights.Right, tuple[str, str]]]:
    """What the person may run of the organization's products, each with its two sentences."""
    person = me()
    if person.organization_id is None:
        return []
    found = rights.in_organization(
        db.session, person.organization_id, person.shown_zone, person.member_id, person.state == ENABLED, now()
    )
    return [(right, rights.sentence(right, who)) for right in found]


def who_can() -> str:
    """Who of the organization can change what does not run: “Anna Brenner or Tom Achterberg”."""
    organization_id = me().organization_id
    if organization_id is None:
        return ""
    leaders = Organization.leaders_of(db.session, organization_id)
    names = [leader.shown_name for leader in leaders if leader.id != me().member_id]
    you = [str(_("You"))] if len(names) < len(leaders) else []
    return in_words([*you, *names])
