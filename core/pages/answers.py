"""How a view answers: a fragment to htmx, a redirect to a plain form, and a rule's sentence wherever it belongs."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, current_app, flash, jsonify, make_response, redirect, render_template, request
from flask_babel import gettext as _
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import HTTPException

from core.db import db
from core.errors import RuleBroken, TooMany
from core.pages.htmx import htmx, say, vary

OUT_OF_RANGE = "22003"  # PostgreSQL: numeric_value_out_of_range


def answer(fragment: str, to: str, *, said: Any = None, status: int = 200, **context: Any) -> Response:
    """The changed piece of the page to htmx, 303 to `to` for a plain form; `said` is told and read aloud."""
    if said:
        flash(str(said))
    if htmx.wants_fragment:
        return vary(make_response(render_template(fragment, **context), status))
    return vary(make_response(redirect(to, 303)))


def away(to: str, *, said: Any = None) -> Response:
    """Another page, for htmx too, which would put it into the piece that it replaces."""
    if said:
        flash(str(said))
    if not htmx.wants_fragment:
        return vary(make_response(redirect(to, 303)))
    response = make_response("")
    response.headers["HX-Redirect"] = to
    return vary(response)


def refusal(fragment: str, to: str, refused: RuleBroken, **context: Any) -> Response:
    """A rule said no: the fresh piece and the sentence to htmx, a page that says it and leads back for a plain form."""
    db.session.rollback()  # the piece shows what is stored, not what was tried
    if htmx.wants_fragment:
        response = make_response(render_template(fragment, **context), refused.status)
        return vary(say(response, str(refused.message), bad=True))
    title, sentence = title_of(refused.status), str(refused.message)
    page = render_template("error.html", title=title, sentence=sentence, link=to, link_label=_("Back"))
    return vary(make_response(page, refused.status))


def init_app(app: Flask) -> None:
    """Turn every error into a page, or for htmx into a sentence that changes nothing on the page."""
    app.register_error_handler(RuleBroken, rule_broken)
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(OperationalError, storage_error)
    app.register_error_handler(OverflowError, beyond_every_row)
    app.register_error_handler(DataError, not_for_a_database)
    app.register_error_handler(IntegrityError, too_late)
    app.register_error_handler(StaleDataError, too_late)
    app.register_error_handler(Exception, unforeseen)


def rule_broken(refused: RuleBroken) -> Response:
    """A rule that no view answered itself."""
    return saying_when(problem(refused.status, str(refused.message)), refused)


def saying_when(response: Response, refused: RuleBroken) -> Response:
    """After a limit, when to try again."""
    if isinstance(refused, TooMany):
        response.headers["Retry-After"] = str(refused.retry_after)
    return response


def http_error(error: HTTPException) -> Response:
    """Flask's and werkzeug's own errors in our words."""
    if error.response is not None and isinstance(error.response, Response):
        return error.response
    code = error.code or 500
    # A redirect of werkzeug's own, as to an address without a doubled slash.
    if 300 <= code < 400:
        return make_response(error.get_response())
    response = problem(code, sentence_of(code))
    if code == 405:
        response.headers["Allow"] = ", ".join(getattr(error, "valid_methods", None) or ())
    return response


def beyond_every_row(_error: OverflowError) -> Response:
    """A number in an address that no row can have; SQLite does not even look for it."""
    return problem(404, sentence_of(404))


def not_for_a_database(error: DataError) -> Response:
    """PostgreSQL looks for no number that a row cannot have, and for no text with a NUL in it."""
    db.session.rollback()
    if getattr(error.orig, "sqlstate", None) == OUT_OF_RANGE:
        return problem(404, sentence_of(404))
    return problem(422, sentence_of(422))


def too_late(error: Exception) -> Response:
    """Somebody else was quicker by a moment, and the database kept the rule."""
    db.session.rollback()
    current_app.logger.warning("%s: %s", request.endpoint, type(error).__name__)
    return problem(409, _("Somebody else changed this at the same moment. Nothing was changed here. Look again."))


def storage_error(error: DBAPIError) -> Response:
    """The database cannot take it now: nothing was changed, and reading may still work."""
    db.session.rollback()  # before any word: who reads it, and in which language, is asked of the database
    current_app.logger.error("database: %s", error.orig)
    return problem(503, _("The portal cannot save anything at the moment. Nothing was changed. Try again in a minute."))


def unforeseen(error: Exception) -> Response:
    """A defect: logged whole, told in one sentence."""
    current_app.logger.exception("unforeseen error at %s", request.endpoint)  # not the path: links carry tokens
    db.session.rollback()
    if current_app.testing or current_app.debug:
        raise error
    return problem(500, sentence_of(500))


def problem(status: int, sentence: str) -> Response:
    """A page that says what is and what to do; for htmx only the sentence, the page stays as it is."""
    db.session.rollback()
    if htmx.wants_fragment:
        response = make_response("", status)
        response.headers["HX-Reswap"] = "none"
        return vary(say(response, sentence, bad=True))
    if request.path.startswith("/api/"):
        return make_response(jsonify(status=status, detail=sentence), status)
    page = render_template("error.html", title=title_of(status), sentence=sentence)
    return vary(make_response(page, status))


def title_of(status: int) -> str:
    """The heading of an error's page."""
    titles = {
        403: _("Not for this account"),
        404: _("Nothing here"),
        410: _("Nothing behind this link"),
        429: _("Wait a little"),
        503: _("Not possible at the moment"),
    }
    return str(titles.get(status, _("This did not work")))


def sentence_of(status: int) -> str:
    """What a status means to a person."""
    return str(
        {
            400: _("This form is out of date. Go back, load the page again and send it once more."),
            403: _("You are not allowed to do this."),
            404: _("There is nothing at this address."),
            405: _("This address does not take that kind of request."),
            413: _("This is more than the portal takes at once."),
            422: _("There is a character in it that cannot be kept. Write it without it."),
            429: _("Too many attempts. Wait a moment, then try again."),
            500: _("Something went wrong here. Nothing was changed. Try again in a minute."),
        }.get(status, _("This did not work. Go back and try again."))
    )
