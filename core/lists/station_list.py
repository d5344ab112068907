"""The list of an organization's stations, prepared."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask_babel import gettext as _
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from core.dates import LicenseType
from core.lists.running_words import Words
from core.oauth import stations
from models import License, PermissionKey, Product

FLOATING = [kind.value for kind in LicenseType if kind.is_floating]


@dataclass(frozen=True, slots=True)
class Row:
    """One station as its row shows it."""

    id: int
    name: str
    product: str
    used: str
    was_used: bool
    made: str


def rows(session: Session, organization_id: int, now: datetime, zone: str) -> list[Row]:
    """The stations by name."""
    words, never = Words(now, zone), _("Never used")
    return [
        Row(
            id=row.id, name=row.name, product=row.product,
            used=words.ago(row.used_at) if row.used_at is not None else never,
            was_used=row.used_at is not None,
            made=_("%(day)s by %(name)s", day=words.clock(row.made_at), name=row.maker or _("the vendor")),
        )
        for row in stations.list(session, organization_id)
    ]  # fmt: skip


def products(session: Session, organization_id: int, now: datetime) -> list[tuple[int, str]]:
    """The products whose seats a station can take: floating ones only, of licenses that are not over."""
    is_good = (PermissionKey.revoked_at.is_(None), or_(License.ends_at.is_(None), License.ends_at > now))
    query = (
        select(Product.id, Product.name)
        .join(License, License.product_id == Product.id)
        .join(PermissionKey, PermissionKey.id == License.key_id)
        .where(PermissionKey.organization_id == organization_id, License.type.in_(FLOATING), *is_good)
        .distinct()
        .order_by(Product.name, Product.id)
    )
    return [(row.id, row.name) for row in session.execute(query)]
