"""Borrowing: a seat that is held until a day without a sign of life, and brought back earlier by its own device."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from sqlalchemy import Row, distinct, func, select, update
from sqlalchemy.orm import Session

from core import signing
from core.denials import Denied
from core.leases import EXPIRED, GIVEN_BACK, LONGEST_BORROW, SHORTEST_BORROW, Lease
from core.pages.words import moment
from core.seats import freeing, giving, refusing, showing, taking
from core.seats.asking import Asking, Caller
from core.seats.request import Queued, Raced, Seat

OF_BORROWING = frozenset({"borrow_not_allowed", "borrow_too_long", "borrow_limit"})
LATE = timedelta(minutes=1)  # that a request may travel, and the clock of its device be slow


@dataclass(frozen=True, slots=True)
class Borrowed:
    """A seat that is away, and how its launch asked for it."""

    asking: Asking
    seat: Seat


@dataclass(frozen=True, slots=True)
class Loan:
    """A seat that is away, in the words of a page: of which product, on which device, until when."""

    borrowed: Borrowed
    product: str
    device: str
    until: datetime


def loan_of(session: Session, caller: Caller, uuid: str, now: datetime) -> Loan:
    """The caller's seat with this number, which is away.

    :raise Denied: unknown_lease when it is not, or is somebody else's.
    """
    row = showing.found(session, caller, uuid, now)
    if not _is_away(row, now):
        raise giving.unknown()
    borrowed = Borrowed(showing.asking_of(row, uuid), showing.seat_of(row, now))
    return Loan(borrowed, row.product_name, row.device_name, row.borrowed_until)


def borrow(session: Session, caller: Caller, uuid: str, until: datetime, now: datetime) -> Borrowed:
    """Hold the caller's seat until a moment, whether it is heard of or not; it counts as used. The caller commits.

    :raise Denied: as a renewal, or borrow_not_allowed, borrow_too_long, borrow_limit.
    :raise Raced: when the same lease changed at the same time.
    """
    row = showing.found(session, caller, uuid, now)
    if row.lease_id is None or row.ended_reason is not None or row.expires_at <= now:
        raise _not_held(row)
    asking = showing.asking_of(row, uuid)
    # Whoever may not keep the seat may not take it along.
    seat = taking.answered(session, caller, asking, now, is_locked=True)
    if isinstance(seat, Queued) or seat.ending_at is not None:
        raise Denied("borrow_not_allowed", _("This session is ending."))
    _check_until(until, seat, now)
    _check_limit(session, row, seat, now)
    lending = update(Lease).where(Lease.id == seat.lease_id, *Lease.LIVE).values(borrowed_until=until, expires_at=until)
    if session.connection().execute(lending.returning(Lease.id)).first() is None:
        raise Raced
    return Borrowed(asking, replace(seat, expires_at=until, borrowed_until=until))


def lend(session: Session, caller: Caller, asking: Asking, until: datetime, now: datetime) -> Borrowed:
    """Take a seat for a device that cannot ask itself, and hold it until a moment. The caller commits, denials too.

    Asked again, the same launch finds its seat as it is.

    :raise Denied: as a check-out, or as `borrow`; then no seat is taken.
    :raise Raced: when the same seats changed at the same time.
    """
    row = showing.found(session, caller, asking.uuid, now)
    same = (asking.product, asking.client_id, asking.public_key)
    if _is_away(row, now) and (row.product, row.client_id, row.public_key) == same:
        return Borrowed(showing.asking_of(row, asking.uuid), showing.seat_of(row, now))
    attempt = session.begin_nested()
    try:
        taking.answered(session, caller, asking, now, is_locked=True)
        lent = borrow(session, caller, asking.uuid, until, now)
    except Denied as refused:
        # What a check-out refuses is a denial, and kept. A seat that may not leave is not taken.
        attempt.rollback() if refused.code in OF_BORROWING else attempt.commit()
        raise
    attempt.commit()
    return lent


def bring_back(session: Session, caller: Caller, uuid: str, proof: str, now: datetime) -> str:
    """Give a borrowed seat back, when its device says so itself; again, it changes nothing. The caller commits.

    Returns the name of its product.

    :raise Denied: token_invalid, unknown_lease, malformed_request, or device_conflict for another device's word.
    """
    row = _locked(session, caller, uuid, now)
    if row.lease_id is None:
        raise giving.unknown()
    _check_proof(proof, uuid, row.public_key)
    if row.ended_reason is None:
        freeing.end(session, row.license_id, Lease.id == row.lease_id, GIVEN_BACK, now)
        freeing.serve_queue(session, row.license_id, now)
    return str(row.product_name)


def _is_away(row: Row[Any], now: datetime) -> bool:
    return row.ended_reason is None and row.borrowed_until is not None and row.borrowed_until > now


def _locked(session: Session, caller: Caller, uuid: str, now: datetime) -> Row[Any]:
    """What is stored of a launch, and stays so until the transaction ends: its license first, as everywhere."""
    if freeing.is_alone(session):
        return showing.found(session, caller, uuid, now)
    locked = session.connection().execute(giving.LOCK, showing.values_of(caller, uuid, now)).scalars().all()
    row = showing.found(session, caller, uuid, now)
    if row.license_id is not None and row.license_id not in locked:
        raise Raced
    return row


def _not_held(row: Row[Any]) -> Denied:
    if row.lease_id is None and row.ticket_id is None:
        return giving.unknown()
    if row.ended_reason is not None and row.ended_reason != EXPIRED:
        return refusing.ended(row.ended_reason)
    return Denied("borrow_not_allowed", _("This launch holds no seat now."))


def _check_until(until: datetime, seat: Seat, now: datetime) -> None:
    """Not shorter than an hour, not longer than a week, nor than the license."""
    latest = min(filter(None, (now + LONGEST_BORROW, seat.line_ends_at)))
    if until > latest:
        words = _("A seat can be borrowed until %(time)s at most.", time=moment(latest, "UTC"))
        raise Denied("borrow_too_long", words, max_until=latest)
    if until < now + SHORTEST_BORROW - LATE:
        raise Denied(
            "borrow_not_allowed", _("A seat is borrowed for an hour at least."), min_until=now + SHORTEST_BORROW
        )


def _check_limit(session: Session, row: Row[Any], seat: Seat, now: datetime) -> None:
    """Half of the seats that people share stay where they are; what is one person's is his to take along."""
    if seat.kind not in ("floating", "reserved"):
        return
    away = select(func.count(distinct(Lease.holder))).where(
        Lease.license_id == seat.license_id, *Lease.LIVE, Lease.borrowed_until > now, Lease.holder != row.holder
    )
    borrowed, limit = session.connection().execute(away).scalar_one(), seat.total // 2
    if borrowed >= limit:
        words = _("%(borrowed)s of at most %(limit)s seats are borrowed.", borrowed=borrowed, limit=limit)
        raise Denied("borrow_limit", words, borrowed=borrowed, limit=limit)


def launch_of(proof: str) -> str:
    """The launch that a proof is about, whoever signed it.

    :raise Denied: malformed_request.
    """
    try:
        signature = jws.extract_compact(proof.encode(), registry=signing.REGISTRY)
        return str(UUID(str(signing.claims_in(signature.payload)["jti"])))
    except (JoseError, ValueError, KeyError, RecursionError, signing.TokenRefused):
        raise Denied("malformed_request", _("The proof is none for this lease.")) from None


def _check_proof(proof: str, uuid: str, public_key: str | None) -> None:
    """See whether the lease's own device says that it has given the seat up."""
    try:
        signature = jws.extract_compact(proof.encode(), registry=signing.REGISTRY)
        claims = signing.claims_in(signature.payload)
        if claims.get("jti") != uuid:
            raise signing.TokenRefused
        if public_key is not None:
            key = OKPKey.import_key({"kty": "OKP", "crv": signing.ALGORITHM, "x": public_key})
            if jws.validate_compact(signature, key, registry=signing.REGISTRY):
                return
    except (JoseError, ValueError, TypeError, RecursionError, signing.TokenRefused):
        raise Denied("malformed_request", _("The proof is none for this lease.")) from None
    raise Denied("device_conflict", _("The proof is not signed by the device that has the seat."))
