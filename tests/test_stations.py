"""Stations: a key that is shown once, names a product, and opens nothing once it is revoked."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask, Request
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from core.activity import Activity
from core.cli.parsing import find_organization, find_product
from core.denials import Denied
from core.errors import BadInput, Missing
from core.leases import STATION_REVOKED, Device, Lease, Station
from core.oauth import bearer, stations
from core.seats.asking import Caller
from core.signing import SigningKey
from models import Organization, Product
from tests.cast import Cast
from tests.statements import counted, engine_of
from tests.test_vendor_commands import good, portal, refused, rows  # noqa: F401  # fixtures

Portal = Callable[..., "subprocess.CompletedProcess[str]"]
Find = Callable[[str], object]


def made(session: Session, cast: Cast, name: str = "Lab 1") -> tuple[Station, str]:
    """A station of Kestrel Works for its draft product."""
    organization = Organization.locked(session, cast.organization_id)
    station, key = stations.add(organization, product(session, cast), name, cast.alice.actor, cast.now)
    session.commit()
    return station, key


def product(session: Session, cast: Cast) -> Product:
    return session.get_one(Product, cast.product["draft"])


def asking(authorization: str) -> Request:
    """A request with this header."""
    headers = Headers({"Authorization": authorization})
    return Request(EnvironBuilder(path="/api/v1/entitlements", headers=headers).get_environ())


def is_refused(app: Flask, authorization: str) -> bool:
    with app.test_request_context(), pytest.raises(Denied) as caught:
        bearer.caller_of(asking(authorization))
    return caught.value.code == "token_invalid"


def test_a_key_is_kept_as_a_hash_and_opens_its_organization(session: Session, cast: Cast) -> None:
    station, key = made(session, cast)
    assert key.startswith("st_")
    assert key.encode() not in bytes(station.key_hash)
    assert bearer.caller_of(asking(f"Bearer {key}")) == Caller(cast.organization_id, station_id=station.id)
    entry = session.scalars(select(Activity).where(Activity.action == "station.add")).one()
    assert (entry.actor_id, entry.target_id) == (cast.alice.account_id, station.id)


def test_a_revoked_station_opens_nothing_and_its_leases_get_time_to_save(
    session: Session, cast: Cast, bare_app: Flask
) -> None:
    station, key = made(session, cast)
    lease = running(session, cast, station)
    bearer.caller_of(asking(f"Bearer {key}"))
    organization = Organization.locked(session, cast.organization_id)
    for _again in range(2):
        stations.revoke(organization, station.id, cast.carol.actor, cast.now)
    session.commit()
    assert is_refused(bare_app, f"Bearer {key}")
    session.refresh(lease)
    assert (lease.ending_reason, lease.ending_at) == (STATION_REVOKED, cast.now + timedelta(minutes=15))
    assert len(session.scalars(select(Activity).where(Activity.action == "station.revoke")).all()) == 1
    assert stations.list(session, cast.organization_id) == []


def running(session: Session, cast: Cast, station: Station) -> Lease:
    device = Device(station_id=station.id, client_id="d1", name="WS", seen_at=cast.now)
    session.add(device)
    session.flush()
    lease = Lease(
        uuid="u1", organization_id=cast.organization_id, license_id=cast.license["cloud"], station_id=station.id,
        device_id=device.id, holder=f"s{station.id}:d{device.id}", takes_seat=True, is_reserved=False, seq=0,
        taken_at=cast.now, renewed_at=cast.now, expires_at=cast.now + timedelta(minutes=10),
    )  # fmt: skip
    session.add(lease)
    session.commit()
    return lease


def test_a_name_is_one_station_until_it_is_revoked(session: Session, cast: Cast) -> None:
    station, _key = made(session, cast)
    with pytest.raises(BadInput, match="already"):
        made(session, cast)
    session.rollback()
    stations.revoke(Organization.locked(session, cast.organization_id), station.id, cast.alice.actor, cast.now)
    made(session, cast)
    assert [each.name for each in stations.list(session, cast.organization_id)] == ["Lab 1"]


def test_another_organization_has_no_such_station(session: Session, cast: Cast) -> None:
    station, _key = made(session, cast)
    with pytest.raises(Missing):
        stations.revoke(Organization.locked(session, cast.other_id), station.id, cast.mallory.actor, cast.now)
    assert stations.list(session, cast.other_id) == []


@pytest.mark.on_sqlite
def test_what_is_no_key_is_refused(session: Session, cast: Cast, bare_app: Flask) -> None:
    _station, key = made(session, cast)
    texts = ["", "Bearer", "Bearer ", f"Bearer {key}x", f"Basic {key}", key, f"DPoP {key}", "Bearer st_",
             f"Bearer {key.upper()}", "Bearer " + "st_" + "x" * 5000, "Bearer st_é"]  # fmt: skip
    assert [text for text in texts if not is_refused(bare_app, text)] == []


@pytest.mark.on_sqlite
def test_a_last_use_is_noted_once_a_minute_and_a_known_key_costs_nothing(
    session: Session, cast: Cast, bare_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    station, key = made(session, cast)
    times = iter([cast.now, cast.now + timedelta(seconds=59), cast.now + timedelta(seconds=60)])
    monkeypatch.setattr("core.dates.now", lambda: next(times))
    bearer.presented(asking(f"Bearer {key}"))
    with counted(engine_of(bare_app)) as seen:
        bearer.presented(asking(f"Bearer {key}"))
    assert seen == []
    bearer.presented(asking(f"Bearer {key}"))
    session.refresh(station)
    assert station.used_at == cast.now + timedelta(seconds=60)


@pytest.mark.on_sqlite
def test_a_command_adds_a_station_and_prints_its_key_only(portal: Portal, rows: Session, cast: Cast) -> None:  # noqa: F811
    options = ("--organization", "Kestrel Works", "--product", "draft")
    key = good(portal("stations", "add", "Lab 1", *options)).strip()
    station = rows.scalars(select(Station)).one()
    assert (bytes(station.key_hash), station.made_by) == (Station.hashed(key), None)
    assert "already" in refused(portal("stations", "add", "Lab 1", *options))


@pytest.mark.on_sqlite
def test_a_command_rotates_the_signing_key(portal: Portal, rows: Session, cast: Cast) -> None:  # noqa: F811
    kid = good(portal("signing-key", "rotate")).strip()
    assert rows.scalars(select(SigningKey.kid).where(SigningKey.retired_at.is_(None))).all() == [kid]


@pytest.mark.on_sqlite
@pytest.mark.parametrize(("find", "sentence"), [(find_product, "no product"), (find_organization, "no organization")])
def test_commands_name_what_there_is_not(session: Session, cast: Cast, find: Find, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        find("nothing")
