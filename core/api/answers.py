"""What a program is told of its seat or of its place in the queue, and the token that proves the seat."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from flask import Response
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from core import signing
from core.api.problems import base_url, plain
from core.leases import GRACE_S, IDLE_AFTER_S, IDLE_NOTICE_S, POLL_AFTER_S, RENEW_AFTER_S, SAVE_WINDOW
from core.pages.words import day
from core.seats.asking import Asking, Caller
from core.seats.borrowing import Borrowed
from core.seats.entitling import Entitlement
from core.seats.explaining import Chain
from core.seats.request import Queued, Seat

PROTOCOL = 1
JITTER = 0.1  # so that programs that were started together do not ask together for ever
SKEW = timedelta(minutes=5)
LINE_NOTICE = timedelta(days=7)

Body = dict[str, Any]


def of_seat(
    session: Session, caller: Caller, asking: Asking, seat: Seat, now: datetime, clock: datetime | None = None
) -> Body:
    """The answer about a seat that is held; after the commit, because it carries the token."""
    body = about_seat(asking, seat, now, clock)
    return {**body, "token": signing.sign(session, claims(caller, asking, seat, now), now)}


def kept(caller: Caller, loan: Borrowed, now: datetime) -> Body:
    """What is kept of an answer about a borrowed seat, so that who asks again gets the same."""
    return {
        "body": about_seat(loan.asking, loan.seat, now), "claims": claims(caller, loan.asking, loan.seat, now),
    }  # fmt: skip


def signed(session: Session, answer: Body, now: datetime) -> Body:
    """The answer of which that was kept, with its token; after the commit."""
    return {**answer["body"], "token": signing.sign(session, answer["claims"], now)}


def with_keys(session: Session, body: Body, now: datetime) -> Body:
    """An answer for a computer without a network, which cannot fetch the keys that it checks the token by."""
    return {**body, "keys": signing.jwks(session, now)["keys"]}


def about_seat(asking: Asking, seat: Seat, now: datetime, clock: datetime | None = None) -> Body:
    """The answer about a seat without its token."""
    return {
        "lease_id": asking.uuid, "state": "borrowed" if seat.borrowed_until else "active",
        "seat": {"kind": seat.kind, "used": seat.used, "total": seat.total}, "issued_at": plain(now),
        "expires_at": plain(seat.expires_at), "renew_after_s": _renew_after_s(seat, now), "grace_s": grace_s(seat),
        "server_time": plain(now), "seq": asking.seq, "directives": list(_directives(asking, seat, now, clock)),
    }  # fmt: skip


def of_queue(asking: Asking, queued: Queued, now: datetime, clock: datetime | None = None) -> Body:
    """The answer to who waits for a seat."""
    return {
        "lease_id": asking.uuid, "state": "queued", "position": queued.position, "poll_after_s": POLL_AFTER_S,
        "server_time": plain(now), "seq": asking.seq, "directives": list(_of_clock(now, clock)),
    }  # fmt: skip


def of_expired(asking: Asking, now: datetime) -> Body:
    """The answer about a seat that was lost, and may be asked for again."""
    return {
        "lease_id": asking.uuid, "state": "expired", "server_time": plain(now), "seq": asking.seq, "directives": [],
    }  # fmt: skip


def of_entitlement(found: Entitlement) -> Body:
    """A product, and what stands between the caller and a seat of it."""
    line, refused = found.line, found.refused
    seat = {"kind": found.kind, "used": line.row.in_use, "total": line.row.seats} if line is not None else None
    return {
        "product": found.product, "name": found.name, "may_run": refused is None,
        "code": refused.code if refused is not None else None,
        "detail": str(refused.message) if refused is not None else None, "seat": seat,
        "ends_at": plain(line.row.ends_at) if line is not None else None,
    }  # fmt: skip


def of_chain(chain: Chain, user: str) -> Body:
    """Why somebody gets a seat of a product, or why not, step by step."""
    return {
        "product": chain.request.asking.product, "name": chain.request.facts.product, "user": user,
        "may_run": chain.code is None, "code": chain.code, "detail": chain.sentence,
        "steps": [
            {
                "key": step.key, "answer": step.answer.value, "sentence": step.sentence,
                "license_id": step.license_id, "facts": {name: plain(value) for name, value in step.facts.items()},
            }
            for step in chain.steps
        ],
    }  # fmt: skip


def nothing() -> Response:
    """It is done, and there is nothing to say."""
    response = Response(status=204)
    del response.headers["Content-Type"]
    return response


def claims(caller: Caller, asking: Asking, seat: Seat, now: datetime) -> Body:
    """What the token says: whose seat it is, on which device, until when."""
    return {
        "iss": base_url(), "jti": asking.uuid, "sub": subject(caller),
        "org": None if seat.kind == "personal" else caller.organization_id, "prod": asking.product,
        "dev": seat.public_key and signing.thumbprint(seat.public_key),
        "mode": "borrowed" if seat.borrowed_until else "online",
        "iat": int(now.timestamp()), "exp": int(seat.expires_at.timestamp()), "grace": grace_s(seat), "seq": asking.seq,
    }  # fmt: skip


def subject(caller: Caller) -> str:
    """Who a token is about."""
    return f"station:{caller.station_id}" if caller.station_id else f"account:{caller.account_id}"


def grace_s(seat: Seat) -> int:
    """How long a program may go on without an answer; a borrowed seat ends when it was said to."""
    return 0 if seat.borrowed_until else GRACE_S


def _renew_after_s(seat: Seat, now: datetime) -> int:
    """A third of the time that is left, at most of a whole lease."""
    third = min(RENEW_AFTER_S, (seat.expires_at - now).total_seconds() / 3)
    return max(1, round(third * random.uniform(1 - JITTER, 1 + JITTER)))  # noqa: S311  # no secret


# ── directives ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _directives(asking: Asking, seat: Seat, now: datetime, clock: datetime | None) -> Iterator[Body]:
    if seat.ending_at is not None:
        yield _directive("save_and_close", seat.message or _("Save your work. This session ends soon."),
                         seat.ending_at - now)  # fmt: skip
    elif seat.line_ends_at is not None and not seat.borrowed_until:
        yield from _of_line(seat, seat.line_ends_at - now)
    if not seat.ending_at and asking.idle_s >= IDLE_AFTER_S - IDLE_NOTICE_S:
        yield _directive("release_when_idle", _("Nobody has used this for a while. Its seat is given back soon."),
                         timedelta(seconds=IDLE_AFTER_S - asking.idle_s))  # fmt: skip
    yield from _of_clock(now, clock)


def _of_line(seat: Seat, left: timedelta) -> Iterator[Body]:
    """The license ends: in a window to save in, or within days."""
    if left <= SAVE_WINDOW:
        yield _directive("save_and_close", _("The license ends now. Save your work."), left)
    elif left <= LINE_NOTICE and seat.line_end_on is not None:
        yield _directive("notice", _("The license ends on %(day)s.", day=day(seat.line_end_on)), left)


def _of_clock(now: datetime, clock: datetime | None) -> Iterator[Body]:
    if clock is not None and abs(clock - now) > SKEW:
        yield _directive("notice", _("The clock of this computer is wrong. It is %(time)s.", time=plain(now)), None)


def _directive(kind: str, message: str, left: timedelta | None) -> Body:
    deadline_s = None if left is None else max(0, int(left.total_seconds()))
    return {"type": kind, "message": str(message), "deadline_s": deadline_s}
