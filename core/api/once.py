"""POST requests that are done once, however often they come: `Idempotency-Key`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import Request
from flask_babel import gettext as _
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from core import idempotency
from core.api.problems import malformed, problem
from core.denials import Denied
from core.idempotency import LONGEST_KEY, Once
from core.seats import freeing, refusing
from core.seats.asking import Caller
from core.seats.request import TRIES, Raced

HEADER = "Idempotency-Key"
Answer = tuple[int, Any]
#: What says nothing about the request itself, and is another time another answer.
PASSING = frozenset({401, 429, 503})


def asked_once(request: Request, caller: Caller) -> Once | None:
    """The key that a request came with, and all that it is compared by; None without a key.

    :raise Denied: malformed_request for a key that is none.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not 0 < len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise malformed(_("The Idempotency-Key is too long, or none."))
    asked = f"{request.method} {request.path}\n".encode() + request.get_data()
    return Once(_credential(caller), key, asked)


def _credential(caller: Caller) -> str:
    # Not the person: another device of his is to get no token that is this one's.
    return f"station:{caller.station_id}" if caller.station_id else f"sign-in:{caller.family_id}"


def answer_once(session: Session, once: Once | None, now: datetime, do: Callable[[], Answer]) -> Answer:
    """Do it, or answer as it was answered before; refusals of the rules are answers too. Commits.

    :raise Denied: what passes by itself, and without a key everything that `do` raises.
    """
    for _number in range(TRIES):
        try:
            answer = _answered(session, once, now, do)
            session.commit()
            return answer
        except Denied:
            session.commit()  # what was refused is kept, and so is what ended on the way
            raise
        except (IntegrityError, OperationalError, Raced) as error:
            session.rollback()
            freeing.check_met(error)
    raise refusing.busy()


def _answered(session: Session, once: Once | None, now: datetime, do: Callable[[], Answer]) -> Answer:
    if once is None:
        return do()
    if (answer := idempotency.kept(session, once, now)) is None:
        answer = _done(do)
        idempotency.keep(session, once, *answer, now)
    return answer


def _done(do: Callable[[], Answer]) -> Answer:
    try:
        return do()
    except Denied as refused:
        if refused.status in PASSING:
            raise
        return refused.status, problem(refused)
