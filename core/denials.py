"""Why a program gets no seat: stable codes with their status, and the sentence for the person in front of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask_babel import lazy_gettext as _l

from core.errors import RuleBroken


@dataclass(frozen=True, slots=True)
class Code:
    """What a code answers with, whatever its details are."""

    status: int
    title: Any


CODES = {
    "malformed_request": Code(400, _l("The request cannot be read")),
    "token_invalid": Code(401, _l("The application is not signed in")),
    "not_a_member": Code(403, _l("You are no member of this organization")),
    "membership_disabled": Code(403, _l("You are disabled")),
    "no_permission": Code(403, _l("You have no permission")),
    "flex_not_allowed_has_named": Code(403, _l("You have a seat of your own")),
    "unknown_product": Code(404, _l("There is no such product")),
    "unknown_lease": Code(404, _l("There is no such lease")),
    "no_seat_available": Code(409, _l("All seats are in use")),
    "device_limit": Code(409, _l("Your seat is in use on another device")),
    "device_conflict": Code(409, _l("Another device has this name")),
    "lease_id_conflict": Code(409, _l("Somebody else uses this lease")),
    "cooling_down": Code(409, _l("Your session was ended")),
    "borrow_limit": Code(409, _l("No more seats can be borrowed")),
    "still_running": Code(409, _l("The same request is being answered")),
    "lease_ended": Code(410, _l("The session has ended")),
    "borrow_too_long": Code(422, _l("That is too long")),
    "borrow_not_allowed": Code(422, _l("This seat cannot be borrowed")),
    "idempotency_mismatch": Code(422, _l("This key was used for another request")),
    "rate_limited": Code(429, _l("Too many requests")),
    "internal_error": Code(500, _l("Something went wrong")),
    "maintenance": Code(503, _l("The portal is being maintained")),
}


class Denied(RuleBroken):
    """A program's request is refused; `facts` go with the answer under their names."""

    def __init__(self, code: str, detail: Any, **facts: Any) -> None:
        super().__init__(detail, **facts)
        self.code = code
        self.status = CODES[code].status
        self.title = CODES[code].title
