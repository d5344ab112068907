"""The first page: to sign-in, or to where the signed-in person works."""

from __future__ import annotations

from flask import Blueprint, Response
from flask_login import current_user

from core.accounts import SIGN_IN
from core.forms.account_forms import led_to

bp = Blueprint("home", __name__)


@bp.get("/")
def index() -> Response:
    """Lead to sign-in, or to the person's first page."""
    return led_to(current_user.first_page if current_user.is_authenticated else SIGN_IN)
