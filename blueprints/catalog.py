"""The operator's catalog of products."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from core.dates import now
from core.db import db
from core.errors import BadInput
from core.guard import operator_only
from models import Product

bp = Blueprint("catalog", __name__, url_prefix="/operator/products")


@bp.get("")
def index() -> str:
    """The catalog and the form to add to it."""
    operator_only()
    return page()


@bp.post("")
def add() -> Any:
    """Add a product."""
    by = operator_only()
    code, name = request.form.get("code", ""), request.form.get("name", "")
    try:
        product = Product.add(db.session, code, name, "organization_only" in request.form, by, now())
    except BadInput as refused:
        db.session.rollback()
        return page(refused), refused.status
    except IntegrityError:
        # Two added the same code at the same moment; the other one is in the catalog now.
        db.session.rollback()
        return page(BadInput(_("There is a product with this code already."), field="code")), BadInput.status
    db.session.commit()
    flash(_("%(name)s is in the catalog.", name=product.name))
    return redirect(url_for(".index"), 303)


def page(refused: BadInput | None = None) -> str:
    """The page, with what was typed when it was refused."""
    products = db.session.scalars(select(Product).order_by(Product.name, Product.id)).all()
    typed = request.form if refused else {}
    return render_template("catalog/index.html", products=products, typed=typed, refused=refused)
