"""Whose request of a program it is: what its `Authorization` header presents.

Two questions: `caller_of` asks the database whether the sign-in still stands; `presented` believes what this process
knew a minute ago, for requests whose own statement asks for the sign-in anyway (`core.seats`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import Request, Response, after_this_request, current_app
from flask_babel import gettext as _
from sqlalchemy import bindparam, select, update

from core import dates
from core.db import Mode, db, transaction_mode, writing_apart
from core.denials import Denied
from core.leases import Station
from core.oauth import dpop, families
from core.oauth.dpop import ProofRefused
from core.seats.asking import Caller
from core.signing import VERIFIED, TokenRefused

STATION_PREFIX = "st_"  # by which scanners of source code know a key that somebody left there
LONGEST = 4096  # characters of a header that can be a token
NOTED_EVERY = timedelta(minutes=1)  # how exact a station's last use is
MOST_KNOWN = 10_000  # stations that a process remembers


@dataclass(frozen=True, slots=True)
class Known:
    """A station as a process remembers it."""

    caller: Caller
    at: datetime


def caller_of(request: Request) -> Caller:
    """Who asks; the sign-in or the station stands at this moment.

    :raise Denied: token_invalid.
    """
    return _caller(request, dates.now(), is_checked=True)


def presented(request: Request) -> Caller:
    """Who asks, for who goes on with a statement that sees by itself whether the sign-in stands.

    :raise Denied: token_invalid.
    """
    return _caller(request, dates.now(), is_checked=False)


def refused() -> Denied:
    """What is presented opens nothing; why is not told."""
    return Denied("token_invalid", _("Sign in again."))


def _caller(request: Request, now: datetime, *, is_checked: bool) -> Caller:
    scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    if len(token) > LONGEST or scheme.lower() not in {"bearer", "dpop"}:
        raise refused()
    if scheme.lower() == "bearer" and token.startswith(STATION_PREFIX):
        return _station(Station.hashed(token), now, is_checked=is_checked)
    return _person(request, scheme.lower(), token, now, is_checked=is_checked)


# ── people's programs ────────────────────────────────────────────────────────────────────────────────────────────────


def _person(request: Request, scheme: str, token: str, now: datetime, *, is_checked: bool) -> Caller:
    try:
        access = families.read(db.session, token, now)
    except TokenRefused:
        raise _challenged("invalid_token") from None
    # A token that is bound to a key is no bearer token: who copied it has nothing.
    if (access.thumbprint is not None) != (scheme == "dpop"):
        raise _challenged("invalid_token")
    if access.thumbprint is not None:
        _check_proof(request, token, access.thumbprint, now)
    if is_checked and not families.stands(db.session, access.family_id):
        raise _challenged("invalid_token")
    return Caller(access.organization_id, family_id=access.family_id, account_id=access.account_id)


def _check_proof(request: Request, token: str, thumbprint: str, now: datetime) -> None:
    try:
        proof = dpop.check(request.headers.get(dpop.HEADER, ""), request.method, request.path, now, token)
    except ProofRefused as error:
        raise _challenged(error.error) from None
    if proof.thumbprint != thumbprint:
        raise _challenged("invalid_token")
    if proof.had_nonce:
        _send(**{dpop.NONCE_HEADER: dpop.nonce(now)})  # the next one, before this one is too old


def _challenged(error: str) -> Denied:
    """Refused, with what RFC 9449 wants the answer to say."""
    headers = {"WWW-Authenticate": f'DPoP error="{error}", algs="{" ".join(sorted(VERIFIED))}"'}
    if error == dpop.USE_NONCE:
        headers[dpop.NONCE_HEADER] = dpop.nonce(dates.now())
    _send(**headers)
    return refused()


def _send(**headers: str) -> None:
    """Put headers on the answer, whoever makes it."""

    def put(response: Response) -> Response:
        response.headers.update(headers)
        return response

    after_this_request(put)


# ── stations ─────────────────────────────────────────────────────────────────────────────────────────────────────────

_STATION = select(Station.id, Station.organization_id, Station.used_at).where(
    Station.key_hash == bindparam("key_hash"), Station.revoked_at.is_(None)
)


def _station(key_hash: bytes, now: datetime, *, is_checked: bool) -> Caller:
    remembered: dict[bytes, Known] = current_app.extensions.setdefault("stations", {})
    known = remembered.get(key_hash)
    if not is_checked and known is not None and timedelta() <= now - known.at < NOTED_EVERY:
        return known.caller
    row = _found(key_hash)
    if row is None:
        remembered.pop(key_hash, None)
        raise refused()
    _note_use(row, now)
    if len(remembered) >= MOST_KNOWN:
        remembered.clear()
    caller = Caller(organization_id=row.organization_id, station_id=row.id)
    remembered[key_hash] = Known(caller, now)
    return caller


def _found(key_hash: bytes) -> Any:
    # Apart, and only reading: on SQLite a request that writes would begin by waiting for its turn, for a key that may
    # be nobody's.
    with transaction_mode(Mode.READ), db.engine.connect() as connection:
        return connection.execute(_STATION, {"key_hash": key_hash}).first()


def _note_use(row: Any, now: datetime) -> None:
    if row.used_at is not None and now - row.used_at < NOTED_EVERY:
        return
    with writing_apart() as connection:
        connection.execute(update(Station).where(Station.id == row.id).values(used_at=now))
