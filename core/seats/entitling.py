"""What a caller may run now and, where not, why: every product explained as to a launch that nobody knows yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, or_, select
from sqlalchemy.orm import Session

from core.denials import Denied
from core.leases import Station
from core.seats import refusing
from core.seats.asking import Asking, Caller, facts_of
from core.seats.explaining import chain_of
from core.seats.request import Line, Request, lines_of
from models import License, PermissionKey, Product


@dataclass(frozen=True, slots=True)
class Entitlement:
    """A product; the license that serves the caller and the kind of its seat, or why none does."""

    product: str
    name: str
    line: Line | None = None
    kind: str | None = None
    refused: Denied | None = None


def entitlements(session: Session, caller: Caller, now: datetime) -> list[Entitlement]:
    """One for each product that the caller's side has a license of, in the order of their names.

    :raise Denied: token_invalid.
    """
    return [_entitlement(session, caller, code, now) for code in _codes(session, caller)] or _none(session, caller, now)


def _codes(session: Session, caller: Caller) -> list[str]:
    """The products that there is anything to say about."""
    products = select(Product.code).order_by(Product.name, Product.code)
    if caller.station_id is not None:
        return list(session.scalars(products.join(Station, Station.product_id == Product.id)
                                    .where(Station.id == caller.station_id)))  # fmt: skip
    ours = or_(PermissionKey.account_id == bindparam("account"),
               PermissionKey.organization_id == bindparam("organization"))  # fmt: skip
    licensed = select(License.product_id).join(PermissionKey, PermissionKey.id == License.key_id).where(ours)
    values = {"account": caller.account_id, "organization": caller.organization_id}  # none of them finds nothing
    return list(session.scalars(products.where(Product.id.in_(licensed)), values))


def _entitlement(session: Session, caller: Caller, code: str, now: datetime) -> Entitlement:
    request = _request(session, caller, code, now)
    chain = chain_of(request)
    if isinstance(chain.outcome, Denied):
        return Entitlement(code, request.facts.product, refused=chain.outcome)
    line = request.line(chain.outcome.license_id)
    return Entitlement(code, request.facts.product, line, chain.outcome.kind)


def _none(session: Session, caller: Caller, now: datetime) -> list[Entitlement]:
    """Nothing; but who is signed out is told so."""
    _request(session, caller, "", now)
    return []


def _request(session: Session, caller: Caller, code: str, now: datetime) -> Request:
    asking = Asking("", code, "")
    rows = facts_of(session, caller, asking, now)
    if not rows or rows[0].blocked_at is not None or rows[0].deleted_at is not None:
        raise refusing.signed_out()
    return Request(session, caller, asking, now, rows[0], lines_of(rows))
