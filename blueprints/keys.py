"""The operator's permission keys: issue, search, show, extend, revoke, reinstate, release."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import Blueprint, Response, current_app, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from core import drafts, key_register, mail
from core.answers import answer
from core.dates import LicenseType, now
from core.db import db
from core.errors import BadInput, RuleBroken
from core.guard import operator_only
from models import Item, PermissionKey, Product

bp = Blueprint("keys", __name__, url_prefix="/operator/keys")
MOST_ITEMS = 20
FIELDS = ("product", "type", "seats", "start", "end")


@bp.get("")
def index() -> str:
    """The form to issue a key, and the register."""
    operator_only()
    return page([blank_item()], issued=drafts.take())


@bp.post("")
def issue() -> Any:
    """Issue a key and show its text once."""
    by = operator_only()
    rows = typed_items(request.form)
    try:
        _key, text = PermissionKey.issue(
            db.session, read_items(rows), current_app.extensions["sealer"], by, now(), note=request.form.get("note", "")
        )
    except BadInput as refused:
        db.session.rollback()
        return page(rows, refused=refused), refused.status
    db.session.commit()
    drafts.keep(text)
    return redirect(url_for(".index"), 303)


@bp.post("/items/add")
def add_item() -> str:
    """The form with one more item; nothing is saved."""
    operator_only()
    rows = typed_items(request.form)
    return page([*rows, blank_item()][:MOST_ITEMS])


@bp.post("/items/<int:number>/take-out")
def take_out_item(number: int) -> str:
    """The form without one item; nothing is saved."""
    operator_only()
    rows = [row for n, row in enumerate(typed_items(request.form), 1) if n != number]
    return page(rows or [blank_item()])


@bp.post("/<int:key_id>/reveal")
def reveal(key_id: int) -> Response:
    """The whole text of a key, recorded."""
    by, key = operator_only(), load(key_id)
    text = key.reveal(current_app.extensions["sealer"], by, now())
    db.session.commit()
    if not request.headers.get("HX-Request"):
        drafts.keep(text)
    return answer("keys/_rows.html", url_for(".index"), rows=[{**key_register.row(key), "text": text}])


@bp.get("/<int:key_id>/extend")
def extend(key_id: int) -> str:
    """Ask for new last days and numbers of seats."""
    operator_only()
    return render_template("keys/extend.html", key=load(key_id), refused=None)


@bp.post("/<int:key_id>/extend")
def extend_submit(key_id: int) -> Any:
    """Change the last day or the seats of its items."""
    by, key = operator_only(), load(key_id)
    try:
        for license in [each for each in key.licenses if is_changed(each)]:
            end, seats = read_day(request.form, license.position), read_seats(request.form, license.position)
            mail.license_changed(key.extend(by, now(), position=license.position, end=end, seats=seats))
    except BadInput as refused:
        db.session.rollback()
        return render_template("keys/extend.html", key=load(key_id), refused=refused), refused.status
    db.session.commit()
    return told(key, _("Key …%(group)s is changed.", group=key.last_group))


@bp.get("/<int:key_id>/revoke")
def revoke(key_id: int) -> str:
    """Ask before a key is withdrawn."""
    operator_only()
    return render_template("keys/revoke.html", key=load(key_id))


@bp.post("/<int:key_id>/revoke")
def revoke_submit(key_id: int) -> Response:
    """Withdraw a key."""
    by, key = operator_only(), load(key_id)
    if key.revoke(by, now(), request.form.get("why", "")):
        mail.key_revoked(key)
    db.session.commit()
    return told(key, _("Key …%(group)s is withdrawn.", group=key.last_group))


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
    return told(key, _("Key …%(group)s can be redeemed again.", group=key.last_group))


def load(key_id: int) -> PermissionKey:
    """The key with this id, or 404."""
    return db.get_or_abort(PermissionKey, key_id)


def told(key: PermissionKey, said: str) -> Response:
    """The key's changed row, and what was done."""
    return answer("keys/_rows.html", url_for(".index"), said=said, rows=[key_register.row(key)])


def page(items: list[dict[str, str]], *, issued: str | None = None, refused: RuleBroken | None = None) -> str:
    """The whole page; `items` are the form's rows as typed."""
    q, state = request.args.get("q", "")[:200], request.args.get("state", "")
    return render_template(
        "keys/index.html",
        items=items,
        issued=issued,
        refused=refused,
        note=request.form.get("note", ""),
        products=[(each.code, each.name) for each in db.session.scalars(select(Product).order_by(Product.name))],
        types=[(each.value, each.word) for each in LicenseType],
        register=key_register.find(q, state, request.args.get("after", type=int)),
        counts=key_register.counts(),
        q=q,
        state=state,
    )


def blank_item() -> dict[str, str]:
    """A row of the form, not filled in."""
    return {"product": "", "type": LicenseType.ANNUAL.value, "seats": "1", "start": "", "end": ""}


def typed_items(form: MultiDict[str, str]) -> list[dict[str, str]]:
    """The rows of the form as they were typed; a field that is missing counts as empty."""
    columns = [form.getlist(name)[:MOST_ITEMS] for name in FIELDS]
    length = max((len(column) for column in columns), default=0)
    padded = [column + [""] * (length - len(column)) for column in columns]
    return [dict(zip(FIELDS, values, strict=True)) for values in zip(*padded, strict=True)] or [blank_item()]


def read_items(rows: list[dict[str, str]]) -> list[Item]:
    """The items that the rows mean.

    :raise BadInput: with the number of the row in `facts["row"]`.
    """
    catalog = {each.code: each for each in db.session.scalars(select(Product))}
    items = []
    for number, row in enumerate(rows, 1):
        if row["product"] not in catalog or row["type"] not in set(LicenseType):
            raise BadInput(_("Item %(n)s: choose a product and a license type.", n=number), row=number)
        seats, start, end = read_number(row["seats"]), read_date(row["start"]), read_date(row["end"])
        items.append(Item(catalog[row["product"]], LicenseType(row["type"]), seats, start, end))
    return items


def is_changed(license: Any) -> bool:
    """Whether the form asks for another end or another number of seats of an item."""
    end, seats = read_day(request.form, license.position), read_seats(request.form, license.position)
    return (end is not None and end != license.end_on) or (seats is not None and seats != license.seats)


def read_day(form: MultiDict[str, str], position: int) -> date | None:
    """The last day typed for an item."""
    return read_date(form.get(f"end-{position}", ""))


def read_seats(form: MultiDict[str, str], position: int) -> int | None:
    """The number of seats typed for an item."""
    text = form.get(f"seats-{position}", "")
    return read_number(text) if text.strip() else None


def read_date(text: str) -> date | None:
    """A day as the browser sends it; None when it is empty."""
    try:
        return date.fromisoformat(text.strip()) if text.strip() else None
    except ValueError:
        raise BadInput(_("“%(text)s” is not a date.", text=text[:40]), field="end") from None


def read_number(text: str) -> int:
    """A number of seats; the model refuses what is too large."""
    if not (text.strip().isascii() and text.strip().isdecimal() and len(text.strip()) <= 9):
        raise BadInput(_("“%(text)s” is not a number of seats.", text=text[:40]), field="seats")
    return int(text)
