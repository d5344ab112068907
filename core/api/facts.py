"""The members that a problem has beside those of every problem, by its code."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from core.api.schemas import ProblemSchema
from core.api.texts import N_
from core.denials import CODES
from core.leases import REASONS

RETRY = fields.Integer(
    required=True, metadata={"description": N_("In so many seconds, as Retry-After says."), "example": 30}
)
ASK = fields.Url(
    metadata={
        "description": N_("Where the person can read why, and ask for access; a station has no person."),
        "example": "https://portal.example/products/why?product=ares-commander",
    }
)
ENDING = fields.DateTime(
    metadata={"description": N_("Until then work can be saved; the session ends."), "example": "2026-03-01T09:15:00Z"}
)
#: Members that are not required come where there is something to say.
FACTS: dict[str, dict[str, fields.Field[Any]]] = {
    "not_a_member": {"ending_at": ENDING},
    "membership_disabled": {"ending_at": ENDING},
    "no_permission": {"request_url": ASK},
    "no_seat_available": {
        "seats": fields.Integer(
            required=True, metadata={"description": N_("How many seats the license has."), "example": 5}
        ),
        "used": fields.Integer(
            required=True, metadata={"description": N_("How many of them are in use."), "example": 5}
        ),
        "next_expected_release": fields.DateTime(
            required=True, allow_none=True,
            metadata={
                "description": N_("When the next session ends unless it is renewed; null where nothing is in use."),
                "example": "2026-03-01T15:10:00Z",
            },
        ),
        "request_url": ASK,
    },
    "device_limit": {
        "device": fields.String(
            required=True, metadata={"description": N_("The device that has the seat."), "example": "WS-14"}
        ),
        "since": fields.DateTime(
            required=True, metadata={"description": N_("Since when."), "example": "2026-03-01T08:12:00Z"}
        ),
    },
    "cooling_down": {"retry_after_s": RETRY},
    "still_running": {"retry_after_s": RETRY},
    "borrow_limit": {
        "borrowed": fields.Integer(
            required=True, metadata={"description": N_("How many seats of the license are away."), "example": 2}
        ),
        "limit": fields.Integer(
            required=True, metadata={"description": N_("How many may be."), "example": 2}
        ),
    },
    "lease_ended": {
        "reason": fields.String(
            required=True, validate=validate.OneOf(REASONS),
            metadata={"description": N_("Why it has ended."), "example": "by_admin"},
        ),
    },
    "borrow_too_long": {
        "max_until": fields.DateTime(
            required=True, metadata={"description": N_("The latest day."), "example": "2026-03-08T09:00:00Z"}
        ),
    },
    "borrow_not_allowed": {
        "min_until": fields.DateTime(
            metadata={
                "description": N_("The earliest moment, where it was too early."), "example": "2026-03-01T10:00:00Z",
            }
        ),
    },
    "rate_limited": {"retry_after_s": fields.Integer(metadata=RETRY.metadata)},
    "maintenance": {"retry_after_s": fields.Integer(metadata=RETRY.metadata)},
}  # fmt: skip


def component(code: str) -> str:
    """The name of a code's schema in the document: NoSeatAvailable."""
    return code.title().replace("_", "")


def schema_of(code: str) -> type[Schema]:
    """What a problem with a code looks like."""
    members = {"code": fields.String(required=True, validate=validate.Equal(code)), **FACTS.get(code, {})}
    return type(f"{component(code)}Schema", (ProblemSchema,), {"__doc__": str(CODES[code].title), **members})


def examples_of(code: str) -> dict[str, Any]:
    """A value for each member that a code brings."""
    return {name: member.metadata["example"] for name, member in FACTS.get(code, {}).items()}
