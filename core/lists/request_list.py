"""Requests for access as pages list them: those that wait, one's own, and the products that there are to ask for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from core import access
from core.leases import AccessRequest
from models import Account, License, Member, PermissionKey, Product

PAGE = 50


def products_of(session: Session, organization_id: int) -> list[tuple[str, str]]:
    """Code and name of every product that an organization has a license of, by name."""
    query = select(Product.code, Product.name).join(License).join(License.key).distinct()
    query = query.where(PermissionKey.organization_id == organization_id).order_by(Product.name, Product.code)
    return [(row.code, row.name) for row in session.execute(query)]


def newest_of(session: Session, account_id: int, product_id: int | None) -> Row[AccessRequest, str] | None:
    """The person's last request for a product, with the name of who answered it."""
    mine = (AccessRequest.account_id == account_id, AccessRequest.product_id == product_id)
    query = select(AccessRequest, Account.name).outerjoin(Account, Account.id == AccessRequest.closed_by).where(*mine)
    return session.execute(query.order_by(AccessRequest.id.desc()).limit(1)).first()


@dataclass(frozen=True, slots=True)
class Waiting:
    """An open request as administrators read it; `license` is what would be given, None where there is none."""

    id: int
    asked_at: datetime
    name: str
    email: str
    member_id: int
    product: str
    code: str
    license: License | None


def waiting(session: Session, organization_id: int, now: datetime) -> list[Waiting]:
    """The open requests, the oldest first, as many as a page takes; those behind follow once these are answered."""
    rows = session.execute(
        select(AccessRequest.id, AccessRequest.asked_at, Account.name, Account.email, Member.id.label("member_id"),
               Product.id.label("product_id"), Product.name.label("product"), Product.code)
        .join(Account, Account.id == AccessRequest.account_id)
        .join(Product, Product.id == AccessRequest.product_id)
        .join(Member, Member.account_id == Account.id)
        .where(AccessRequest.organization_id == organization_id, AccessRequest.closed_at.is_(None), *Member.LIVE,
               Member.organization_id == organization_id, Member.confirmed_at.is_not(None))
        .order_by(AccessRequest.id).limit(PAGE)
    ).all()  # fmt: skip
    licenses = access.licenses_of(session, organization_id, sorted({row.product_id for row in rows})) if rows else []
    of_product: dict[int, list[License]] = {}
    for license in licenses:
        of_product.setdefault(license.product_id, []).append(license)
    return [
        Waiting(row.id, row.asked_at, row.name, row.email, row.member_id, row.product, row.code,
                access.choice(of_product.get(row.product_id, []), now))
        for row in rows
    ]  # fmt: skip
