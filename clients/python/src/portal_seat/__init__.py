"""Take a seat of the customer portal, keep it while the program runs, and never cost a person his work."""

from portal_seat.answers import Directive, Entitlement
from portal_seat.client import Client, print_code
from portal_seat.credentials import Code
from portal_seat.errors import (
    BorrowLimit,
    BorrowNotAllowed,
    BorrowTooLong,
    ClockRollback,
    CoolingDown,
    DeviceConflict,
    DeviceLimit,
    HasNamedSeat,
    IdempotencyMismatch,
    LeaseEnded,
    LeaseIdConflict,
    Maintenance,
    MalformedRequest,
    MembershipDisabled,
    NoPermission,
    NoSeatAvailable,
    NotAMember,
    RateLimited,
    Refused,
    SeatError,
    SignInFailed,
    SignInNeeded,
    TokenInvalid,
    UnknownLease,
    UnknownProduct,
    Unreachable,
    Untrusted,
)
from portal_seat.keeping import State
from portal_seat.portal import Loan
from portal_seat.seat import Seat

__all__ = [
    "BorrowLimit", "BorrowNotAllowed", "BorrowTooLong", "Client", "ClockRollback", "Code", "CoolingDown",
    "DeviceConflict", "DeviceLimit", "Directive", "Entitlement", "HasNamedSeat", "IdempotencyMismatch", "LeaseEnded",
    "LeaseIdConflict", "Loan", "Maintenance", "MalformedRequest", "MembershipDisabled", "NoPermission",
    "NoSeatAvailable", "NotAMember", "RateLimited", "Refused", "Seat", "SeatError", "SignInFailed", "SignInNeeded",
    "State", "TokenInvalid", "UnknownLease", "UnknownProduct", "Unreachable", "Untrusted", "print_code",
]  # fmt: skip
