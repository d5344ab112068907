"""Stations: keys of labs and build machines, made and revoked by the administrators; shown once, kept as a hash."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from core.activity import Actor, record
from core.errors import BadInput, Missing
from core.leases import DEVICE_NAME, STATION_REVOKED, Lease, Station, Ticket
from core.oauth.bearer import STATION_PREFIX
from core.windows import wind_down
from models import Account, Organization, Product, line, session_of


def add(organization: Organization, product: Product, name: str, by: Actor, now: datetime) -> tuple[Station, str]:
    """A new station of a locked organization, and its key, which nobody can show again.

    :raise BadInput: when the name is none, or another station's.
    """
    session = session_of(organization)
    name = line(name, field="name", longest=DEVICE_NAME)
    check_free(session, organization.id, name)
    key = STATION_PREFIX + secrets.token_urlsafe(32)
    station = Station(
        organization_id=organization.id, product_id=product.id, name=name, key_hash=Station.hashed(key),
        made_by=by.id, made_at=now,
    )  # fmt: skip
    session.add(station)
    record(session, organization.id, by, "station.add", station, now, after={"product": product.id})
    return station, key


def revoke(organization: Organization, station_id: int, by: Actor, now: datetime) -> Station:
    """End a station of a locked organization: its key opens nothing, what it runs gets time to save.

    Done again, it changes nothing.

    :raise Missing: when the organization has no such station.
    """
    session = session_of(organization)
    found = session.scalars(
        select(Station).where(Station.id == station_id, Station.organization_id == organization.id)
    ).one_or_none()
    if found is None:
        raise Missing(_l("There is no such station."))
    if found.revoked_at is None:
        found.revoked_at = now
        waits = Ticket.station_id == found.id
        wind_down(session, Lease.station_id == found.id, STATION_REVOKED, now, waits=waits)
        record(session, organization.id, by, "station.revoke", found, now)
    return found


def rename(organization: Organization, station_id: int, name: str, by: Actor, now: datetime) -> Station:
    """Give a station of a locked organization another name.

    :raise Missing: when the organization has no such station.
    :raise BadInput: when the name is none, or another station's.
    """
    session, name = session_of(organization), line(name, field="name", longest=DEVICE_NAME)
    found: Station | None = session.scalars(_live(organization.id).where(Station.id == station_id)).one_or_none()
    if found is None:
        raise Missing(_l("There is no such station."))
    if found.name != name:
        check_free(session, organization.id, name)
        found.name = name
        record(session, organization.id, by, "station.rename", found, now)
    return found


def check_free(session: Session, organization_id: int, name: str) -> None:
    """See whether no other station of an organization has a name.

    :raise BadInput: when one has.
    """
    if session.scalar(_live(organization_id).where(Station.name == name).with_only_columns(Station.id)):
        raise BadInput(_l("There is a station “%(name)s” already.", name=name), field="name")


def list(session: Session, organization_id: int) -> Sequence[Row[Any]]:
    """The organization's stations by name: with product and who made it, without those that were revoked."""
    columns = (
        Station.id, Station.name, Station.made_at, Station.used_at, Product.id.label("product_id"),
        Product.name.label("product"), Account.name.label("maker"),
    )  # fmt: skip
    query = _live(organization_id).with_only_columns(*columns, maintain_column_froms=True)
    query = query.join(Product, Product.id == Station.product_id).outerjoin(Account, Account.id == Station.made_by)
    return session.execute(query.order_by(Station.name, Station.id)).all()


def _live(organization_id: int) -> Any:
    return select(Station).where(Station.organization_id == organization_id, Station.revoked_at.is_(None))
