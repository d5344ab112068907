"""The operator's permission keys: issue, search, show, extend, revoke, reinstate, release."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, make_response, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy import select

from core import mail
from core.dates import LicenseType, now
from core.db import db
from core.errors import BadInput, RuleBroken
from core.forms import drafts, key_forms
from core.guard import operator_only
from core.lists import key_register
from core.pages.answers import answer
from core.pages.htmx import ask_again, htmx, vary
from core.sealing import SealBroken
from models import PermissionKey, Product

bp = Blueprint("keys", __name__, url_prefix="/operator/keys")


@bp.get("")
def index() -> str:
    """The form to issue a key, and the register."""
    operator_only()
    return page([key_forms.blank_row()], told=drafts.take())


@bp.post("")
def issue() -> Any:
    """Issue a key and show its text once."""
    by = operator_only()
    rows = key_forms.typed_rows(request.form)
    try:
        items, note = key_forms.read_items(rows), request.form.get("note", "")
        _key, text = PermissionKey.issue(db.session, items, current_app.extensions["sealer"], by, now(), note=note)
    except BadInput as refused:
        db.session.rollback()
        return page(rows, faults=key_forms.faults_of(refused)), refused.status
    db.session.commit()
    # Sealed into the cookie for the one page that follows: a redirect, and a key that is nowhere in an address.
    drafts.keep(text)
    return redirect(url_for(".index"), 303)


@bp.post("/items/add")
def add_item() -> Response:
    """The form with one more item; nothing is saved."""
    operator_only()
    rows = key_forms.typed_rows(request.form)
    return form([*rows, key_forms.blank_row()][: key_forms.MOST_ITEMS], fresh=len(rows) + 1)


@bp.post("/items/<int:number>/take-out")
def take_out_item(number: int) -> Response:
    """The form without one item; nothing is saved."""
    operator_only()
    rows = [row for n, row in enumerate(key_forms.typed_rows(request.form), 1) if n != number]
    return form(rows or [key_forms.blank_row()])


@bp.post("/<int:key_id>/reveal")
def reveal(key_id: int) -> Response:
    """The whole text of a key, recorded."""
    by, key = operator_only(), load(key_id)
    try:
        text = key.reveal(current_app.extensions["sealer"], by, now())
    except SealBroken:
        raise RuleBroken(_("The portal cannot read this key any more: it was sealed with another seal key.")) from None
    db.session.commit()
    contents = ", ".join(f"{seats} × {product} {word}" for seats, product, word in key_register.row(key)["items"])
    piece = "keys/_shown.html" if htmx.wants_fragment else "keys/shown.html"
    return vary(make_response(render_template(piece, key=key, text=text, contents=contents)))


@bp.get("/<int:key_id>/extend")
def extend(key_id: int) -> str:
    """Ask for new last days and numbers of seats."""
    operator_only()
    return render_template("keys/extend.html", key=load(key_id), faults={})


@bp.post("/<int:key_id>/extend")
def extend_submit(key_id: int) -> Response:
    """Change the last day or the seats of its items, all or none."""
    by, key = operator_only(), load(key_id).lock()
    try:
        changed = [change for change in key_forms.read_changes(request.form, key.licenses) if extended(key, by, change)]
    except BadInput as refused:
        db.session.rollback()
        return asked_again("extend", key_id, refused)
    for license, _end, _seats in changed:
        mail.license_changed(license)
    db.session.commit()
    if not changed:
        return told(key, _("Nothing was changed in key …%(group)s.", group=key.last_group))
    return told(key, _("Key …%(group)s is changed.", group=key.last_group))


@bp.get("/<int:key_id>/revoke")
def revoke(key_id: int) -> str:
    """Ask before a key is withdrawn."""
    operator_only()
    return render_template("keys/revoke.html", key=load(key_id), faults={})


@bp.post("/<int:key_id>/revoke")
def revoke_submit(key_id: int) -> Response:
    """Withdraw a key."""
    by, key = operator_only(), load(key_id)
    try:
        if key.revoke(by, now(), request.form.get("why", "")):
            mail.key_revoked(key)
    except BadInput as refused:
        db.session.rollback()
        return asked_again("revoke", key_id, refused)
    db.session.commit()
    return told(key, _("Key …%(group)s is revoked.", group=key.last_group))


@bp.post("/<int:key_id>/reinstate")
def reinstate(key_id: int) -> Response:
    """Take a withdrawal back."""
    by, key = operator_only(), load(key_id)
    if key.reinstate(by, now()):
        mail.key_reinstated(key)
    db.session.commit()
    return told(key, _("Key …%(group)s is good again.", group=key.last_group))


@bp.get("/<int:key_id>/release")
def release(key_id: int) -> str:
    """Ask before a key is taken from its owner."""
    operator_only()
    return render_template("keys/release.html", key=load(key_id))


@bp.post("/<int:key_id>/release")
def release_submit(key_id: int) -> Response:
    """Take a key from its owner, so that it can be redeemed again."""
    by, key = operator_only(), load(key_id)
    key.release(by, now())
    db.session.commit()
    return told(key, _("Key …%(group)s belongs to nobody now.", group=key.last_group))


def load(key_id: int) -> PermissionKey:
    """The key with this id, or 404."""
    return db.get_or_abort(PermissionKey, key_id)


def extended(key: PermissionKey, by: Any, change: Any) -> bool:
    """Whether one item of a key is another one now.

    :raise BadInput: with the number of the item in `facts["item"]`.
    """
    license, end, seats = change
    try:
        return key.extend(by, now(), position=license.position, end=end, seats=seats)
    except BadInput as refused:
        refused.facts["item"] = license.position
        raise


def told(key: PermissionKey, said: str) -> Response:
    """The key's changed row, and what was done."""
    to = url_for(".index", _anchor=f"key-{key.id}")
    return answer("keys/_rows.html", to, said=said, rows=[key_register.row(key)])


def asked_again(name: str, key_id: int, refused: BadInput) -> Response:
    """The same question with what was typed and what is wrong with it, in the dialog or as a page."""
    piece = f"keys/_{name}.html" if htmx.wants_fragment else f"keys/{name}.html"
    text = render_template(piece, key=load(key_id), faults=key_forms.faults_of(refused))
    response = vary(make_response(text, refused.status))
    return ask_again(response) if htmx.wants_fragment else response


def form(rows: list[key_forms.Row], fresh: int = 0) -> Response:
    """The form to issue a key for htmx, else the whole page; `fresh` is the number of the row that was added."""
    if htmx.wants_fragment:
        return vary(make_response(render_template("keys/_issue.html", **form_context(rows), fresh=fresh)))
    return vary(make_response(page(rows, fresh=fresh)))


def page(rows: list[key_forms.Row], *, told: str = "", faults: Any = (), fresh: int = 0) -> str:
    """The whole page: the form's rows as typed, and the register."""
    q, state = request.args.get("q", "")[:200], request.args.get("state", "")
    return render_template(
        "keys/index.html", **form_context(rows, faults), fresh=fresh, told=told,
        register=key_register.find(q, state, request.args.get("after", type=int)),
        q=q, state=state,
    )  # fmt: skip


def form_context(rows: list[key_forms.Row], faults: Any = ()) -> dict[str, Any]:
    """What the form to issue a key needs."""
    return {
        "items": rows,
        "faults": dict(faults),
        "note": request.form.get("note", ""),
        "products": [(each.code, each.name) for each in db.session.scalars(select(Product).order_by(Product.name))],
        "types": [(each.value, each.word) for each in LicenseType],
        "is_full": len(rows) >= key_forms.MOST_ITEMS,
    }
