"""Errors as programs read them: `application/problem+json` (RFC 9457) with a stable code, never a page."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, current_app, jsonify, request
from flask_babel import get_locale
from flask_babel import gettext as _
from sqlalchemy.exc import DataError, IntegrityError, OperationalError
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import HTTPException

from core import programs
from core.db import db
from core.denials import Denied
from core.errors import RuleBroken, TooMany
from core.pages.languages import ENGLISH, tag

MEDIA_TYPE = "application/problem+json"
#: When to ask again, in seconds, where nobody knows better.
RETRY_AFTER_S = {"rate_limited": 1, "maintenance": 5}
CHALLENGES = 'Bearer realm="portal"', 'DPoP algs="EdDSA Ed25519"'  # RFC 6750, RFC 9449
OWN_FACTS = frozenset({"allow"})  # which the answer's head carries

Handler = Callable[[Any], Any]


def init_app(app: Flask) -> None:
    """Tell programs as a problem what people get as a page; last, when all the handlers of pages are there."""
    for handlers in app.error_handler_spec[None].values():
        for kind, for_people in handlers.items():
            handlers[kind] = _by_reader(for_people)


def _by_reader(for_people: Handler) -> Handler:
    def answered(error: Exception) -> Any:
        return answer(error) if programs.is_asking() else for_people(error)

    return answered


def malformed(detail: Any, status: int = 400, **facts: Any) -> Denied:
    """A request that no program should have sent, whatever is wrong with it."""
    refused = Denied("malformed_request", detail, **facts)
    refused.status = status
    return refused


def answer(error: Exception) -> Response:
    """Any error as a problem; what was tried is undone."""
    db.session.rollback()
    refused = _as_denied(error)
    response = written(refused.status, problem(refused))
    _advise(response, refused)
    return response


def written(status: int, body: dict[str, Any]) -> Response:
    """A problem as an answer."""
    response = jsonify(body)
    response.status_code, response.mimetype = status, MEDIA_TYPE
    response.headers["Content-Language"] = tag(str(get_locale() or ENGLISH))
    response.vary.add("Accept-Language")
    if (seconds := body.get("retry_after_s", RETRY_AFTER_S.get(body["code"]))) is not None:
        response.headers["Retry-After"] = str(seconds)
    return response


def problem(refused: Denied) -> dict[str, Any]:
    """What is told of a refusal of this request."""
    return shaped(refused, request.path)


def of_front(app: Flask) -> Callable[[str, int, str], bytes | None]:
    """Tells programs what is refused before the application is asked; people, None, get it as plain text."""

    def told(path: str, status: int, sentence: str) -> bytes | None:
        if not programs.is_for_programs(path):
            return None
        refused = malformed(sentence, status) if status < 500 else Denied("internal_error", sentence)
        with app.app_context():
            return json.dumps(shaped(refused, path)).encode()

    return told


def shaped(refused: Denied, path: str) -> dict[str, Any]:
    """A refusal as it is written; its facts stand beside the members that every problem has."""
    facts = {name: plain(value) for name, value in refused.facts.items() if name not in OWN_FACTS}
    return {
        "type": f"{base_url()}/problems/{refused.code.replace('_', '-')}", "title": str(refused.title),
        "status": refused.status, "code": refused.code, "detail": str(refused.message), "instance": path,
    } | facts  # fmt: skip


def plain(value: Any) -> Any:
    """A value as JSON has it: moments in UTC, to the second."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return value if value is None or isinstance(value, bool | int | float | list | dict) else str(value)


def base_url() -> str:
    """The portal's address, without the last slash."""
    return str(current_app.extensions["settings"].base_url).rstrip("/")


def _advise(response: Response, refused: Denied) -> None:
    """What programs and proxies act on stands in the head."""
    if refused.status == 401 and "WWW-Authenticate" not in response.headers:
        for challenge in CHALLENGES:
            response.headers.add("WWW-Authenticate", challenge)
    if "allow" in refused.facts:
        response.headers["Allow"] = refused.facts["allow"]


# ── what went wrong ──────────────────────────────────────────────────────────────────────────────────────────────────


def _as_denied(error: Exception) -> Denied:
    if isinstance(error, Denied):
        return error
    if isinstance(error, TooMany):
        return Denied("rate_limited", error.message, retry_after_s=error.retry_after)
    if isinstance(error, RuleBroken):
        return malformed(error.message, error.status)
    if isinstance(error, HTTPException):
        return _of_http(error)
    if isinstance(error, DataError | OverflowError):
        return malformed(_("A value is out of range."))
    if isinstance(error, OperationalError | IntegrityError | StaleDataError):
        current_app.logger.error("database: %s", getattr(error, "orig", error))
        return Denied("maintenance", _("The portal cannot save anything at the moment. Nothing was changed."))
    return _unforeseen(error)


def _of_http(error: HTTPException) -> Denied:
    code = error.code or 500
    if code == HTTPStatus.NOT_FOUND:
        return malformed(_("There is nothing at this address."), code)
    if code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
        return malformed(_("This address does not take %(method)s.", method=request.method), code, allow=allowed)
    if code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return malformed(_("The request is too large."), code)
    return malformed(_("The request cannot be read."), code) if code < 500 else _unforeseen(error)


def _unforeseen(error: Exception) -> Denied:
    """A defect: logged whole, told in one sentence."""
    current_app.logger.error("unforeseen error at %s", request.endpoint, exc_info=error)
    if current_app.testing or current_app.debug:
        raise error
    return Denied("internal_error", _("Something went wrong here. It has been noted."))
