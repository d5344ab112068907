"""What can be in the way of a seat: one class for each code of the protocol, and what the program does about it.

Two families that are never mixed up: `Refused` is an answer of the portal, `Unreachable` is no answer at all. Only an
answer can take a seat away.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class SeatError(Exception):
    """Anything that this package raises on purpose."""


class Unreachable(SeatError):
    """No answer of the portal: no network, a broken server, a login page of a hotel. Never a “no”."""

    def __init__(self, why: str, retry_after: float | None = None) -> None:
        super().__init__(why)
        self.retry_after = retry_after


class SignInNeeded(SeatError):
    """Nobody is signed in on this computer, and there is no station key."""


class SignInFailed(SeatError):
    """The person declined, or the code has expired."""


class Untrusted(SeatError):
    """A kept lease proves nothing: signed by somebody else, made for another device, too old."""


class ClockRollback(Untrusted):
    """This computer's clock stands before a time that was seen already; the next answer of the portal heals it."""


class Refused(SeatError):
    """The portal says no. `detail` is the sentence for the person, in his language."""

    code: ClassVar[str] = ""
    _known: ClassVar[dict[str, type[Refused]]] = {}

    def __init_subclass__(cls) -> None:
        if "code" in cls.__dict__:
            Refused._known[cls.code] = cls

    def __init__(self, detail: str, status: int = 0, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.facts: Mapping[str, Any] = facts or {}

    @staticmethod
    def of(problem: Mapping[str, Any], retry_after: float | None) -> Refused | None:
        """The refusal that a problem document means; None when its code is none of the protocol's."""
        kind = Refused._known.get(str(problem.get("code")))
        if kind is None:
            return None
        refused = kind(str(problem.get("detail") or problem.get("title") or kind.code), problem["status"], problem)
        refused.facts = {"retry_after": retry_after, **problem}
        return refused

    @property
    def retry_after(self) -> float | None:
        """Seconds after which to ask again, where the portal named them."""
        return self.facts.get("retry_after")


# ── the program is wrong ─────────────────────────────────────────────────────────────────────────────────────────────


class MalformedRequest(Refused):
    """A fault of this program: stop, and report it."""

    code = "malformed_request"


class UnknownProduct(Refused):
    """There is no such product; asking again does not change that."""

    code = "unknown_product"


class UnknownLease(Refused):
    """There is no such lease in this organization."""

    code = "unknown_lease"


class LeaseIdConflict(Refused):
    """Somebody else's launch has this number."""

    code = "lease_id_conflict"


class IdempotencyMismatch(Refused):
    """The same Idempotency-Key came with another body."""

    code = "idempotency_mismatch"


class StillRunning(Refused):
    """The same Idempotency-Key is being worked on: wait, and ask again."""

    code = "still_running"


# ── the person may not ───────────────────────────────────────────────────────────────────────────────────────────────


class TokenInvalid(Refused):
    """The sign-in has ended, or the station key was revoked: sign in again."""

    code = "token_invalid"


class NotAMember(Refused):
    """The person is no member of the organization: show the sentence."""

    code = "not_a_member"


class MembershipDisabled(Refused):
    """The person is disabled: show the sentence."""

    code = "membership_disabled"


class NoPermission(Refused):
    """Nothing of the product is his: show the sentence, and offer to ask for access."""

    code = "no_permission"


class HasNamedSeat(Refused):
    """He has a seat of his own and draws from no pool."""

    code = "flex_not_allowed_has_named"


# ── not now ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class NoSeatAvailable(Refused):
    """All seats are in use: offer the queue."""

    code = "no_seat_available"


class DeviceLimit(Refused):
    """His seat is in use on another device, which the sentence names."""

    code = "device_limit"


class DeviceConflict(Refused):
    """Another computer uses this one's name: sign in again on this one."""

    code = "device_conflict"


class CoolingDown(Refused):
    """An administrator ended his session a moment ago."""

    code = "cooling_down"


class BorrowLimit(Refused):
    """No more seats can be borrowed."""

    code = "borrow_limit"


class BorrowTooLong(Refused):
    """Borrow for a shorter time; `max_until` among the facts is the limit."""

    code = "borrow_too_long"


class BorrowNotAllowed(Refused):
    """This seat cannot be borrowed."""

    code = "borrow_not_allowed"


class LeaseEnded(Refused):
    """The session is over for good: go read-only, let him save; a new seat only after he asked for one."""

    code = "lease_ended"

    @property
    def reason(self) -> str:
        """Why: by_admin, membership_disabled, permission_withdrawn, key_revoked, line_expired, …"""
        return str(self.facts.get("reason", ""))


# ── wait, and keep the license ───────────────────────────────────────────────────────────────────────────────────────


class RateLimited(Refused):
    """Too many requests: wait, and keep the license."""

    code = "rate_limited"


class Maintenance(Refused):
    """The portal is being maintained: wait, and keep the license."""

    code = "maintenance"


WAITING = (RateLimited, Maintenance)
#: A person or a moment may change these, so that a program that runs asks again by itself.
MAY_PASS = (NoSeatAvailable, DeviceLimit, CoolingDown, TokenInvalid, NotAMember, MembershipDisabled, NoPermission)
