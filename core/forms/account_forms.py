"""What the pages for accounts share: a form that comes back with what was typed, and whom the next page is for."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ParamSpec

from flask import Response, current_app, make_response, redirect, render_template, request, session
from flask_babel import gettext as _

from core import passwords
from core.db import db
from core.errors import BadInput, Faults, RuleBroken, TooMany
from core.pages.htmx import vary
from models import checked_email, line

PACE = 0.06  # seconds, several times what a letter costs
P = ParamSpec("P")

NEXT_EMAIL = "email"  # kept in the session for one page: who was written to, or who is to sign in


def typed(name: str) -> str:
    """What was typed into a field."""
    return request.form.get(name, "")


def shown(template: str, refused: RuleBroken | None = None, **context: Any) -> Response:
    """A page with its form; after a refusal with the sentence beside its field, what was typed, and the status."""
    error = {field: str(sentence) for field, sentence in faults_of(refused).items()}
    problem = str(refused.message) if refused is not None and not refused.field else ""
    kept = request.form if request.method == "POST" else {}
    page = render_template(template, typed=kept, error=error, problem=problem, **context)
    response = make_response(page, refused.status if refused is not None else 200)
    if isinstance(refused, TooMany):
        response.headers["Retry-After"] = str(refused.retry_after)
    return response


def faults_of(refused: RuleBroken | None) -> Mapping[str, Any]:
    """The sentence of every field that was refused."""
    if isinstance(refused, Faults):
        return refused.by_field
    return {refused.field: refused.message} if refused is not None and refused.field else {}


def usable(name: str, email: str, password: str) -> str:
    """The address of a new account, when it can be made with this name, address and password.

    :raise Faults: naming every field that cannot be used.
    """
    known = (name, email, current_app.extensions["settings"].portal_name)
    faults: dict[str, Any] = {}
    for check in (
        partial(line, name, field="name"), partial(checked_email, email), partial(passwords.check, password, known)
    ):  # fmt: skip
        try:
            check()
        except BadInput as refused:
            faults[str(refused.field)] = refused.message
    if faults:
        raise Faults(faults)
    return checked_email(email)


def paced(view: Callable[P, Response]) -> Callable[P, Response]:
    """Have a view answer no sooner than PACE, so that time tells nobody whether a letter was written.

    It waits when everything is committed, and the limits keep it from being asked often.
    """

    @functools.wraps(view)
    def answer(*args: P.args, **kwargs: P.kwargs) -> Response:
        began = time.monotonic()
        response = view(*args, **kwargs)
        db.session.rollback()  # what the page read since the commit: nobody is to wait for that
        time.sleep(max(0.0, began + PACE - time.monotonic()))
        return response

    return answer


def led_to(address: str, email: str = "") -> Response:
    """A redirect after a form was taken; the next page knows the address of whom it is about."""
    if email:
        session[NEXT_EMAIL] = email
    return vary(make_response(redirect(address, 303)))


def next_email() -> str:
    """The address that the page before left, for this one page."""
    return str(session.pop(NEXT_EMAIL, ""))


def dead() -> Response:
    """The one page for every link that opens nothing: altered, used, superseded, expired."""
    page = render_template(
        "error.html",
        title=_("This link is no longer valid"),
        sentence=_("It was used, replaced, or has expired. Sign in, or have another one sent to you."),
        link="/login",
        link_label=_("Back to sign-in"),
    )
    return make_response(page, 410)
