"""Sign-in of programs: the endpoints that programs call, and the keys that their tokens are checked with."""

from __future__ import annotations

from typing import Any, cast

from flask import Blueprint, Response, current_app, g, jsonify, request
from sqlalchemy.exc import OperationalError

from core import limits, signing
from core.dates import now
from core.db import Mode, db
from core.errors import TooMany
from core.oauth import server
from core.security import csrf

bp = Blueprint("oauth", __name__)

CACHED = "public, max-age=300"  # who meets a key that is not among them asks again anyway
RETRY_S = 10


@bp.post("/oauth/device")
def device() -> Response:
    """Give a program its codes, which wait for a person's approval."""
    limits.count("device-code", limits.place(request.remote_addr or ""))
    response = authorization().answer_device()
    db.session.commit()
    return response


@bp.post("/oauth/token")
def token() -> Response:
    """Give a program its tokens, for an approved code or for a refresh token."""
    g.transaction_mode = Mode.LATE  # on SQLite nobody else waits for a text that is no token of ours
    response = authorization().answer_token()
    db.session.commit()  # refusals too: how often a program asked, and that a token came twice
    return response


# Nothing is decided there by a cookie, so that nobody's browser can be made to ask for anything.
for each in (device, token):
    csrf.exempt(each)


@bp.get("/.well-known/oauth-authorization-server")
def metadata() -> Response:
    """What programs can ask for, and where."""
    return cached(server.metadata())


@bp.get("/.well-known/jwks.json")
def jwks() -> Response:
    """The keys that sign tokens."""
    return cached(signing.jwks(db.session, now()))


@bp.errorhandler(TooMany)
def too_many(refused: TooMany) -> Response:
    """A limit, in the words of RFC 8628."""
    return error(429, "slow_down", "too many codes were asked for from here", refused.retry_after)


@bp.errorhandler(OperationalError)
def away(failed: OperationalError) -> Response:
    """The database cannot take it now."""
    db.session.rollback()
    current_app.logger.error("database: %s", failed.orig)
    return error(503, "temporarily_unavailable", "nothing was changed; try again", RETRY_S)


def error(status: int, word: str, description: str, retry_after: int) -> Response:
    """A refusal as RFC 6749 has it."""
    response = jsonify(error=word, error_description=description)
    response.status_code = status
    response.headers["Retry-After"] = str(retry_after)
    return response


def cached(document: dict[str, Any]) -> Response:
    """A document that is the same for everybody."""
    response = jsonify(document)
    response.headers["Cache-Control"] = CACHED
    return response


def authorization() -> server.Server:
    """The server of this application."""
    return cast(server.Server, current_app.extensions["oauth"])
