"""Stations: added, shown their key once, renamed and revoked by the administrators."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.activity import Activity
from core.leases import STATION_REVOKED, Device, Lease, Station
from tests import sessions
from tests.cast import Cast
from tests.clients import Client

ClientFor = Callable[[str], Client]
pytestmark = pytest.mark.on_sqlite
STATIONS = "/admin/stations"


@pytest.fixture
def station(on_app: Session, cast: Cast) -> Station:
    """A station of Kestrel Works, CI-BUILD-01."""
    return on_app.get_one(Station, sessions.scene(on_app, cast)["station"])


def fields(cast: Cast, name: str = "CI-BUILD-02", product: str = "render") -> dict[str, str]:
    return {"name": name, "product": str(cast.product[product])}


def key_in(page: str) -> str:
    found = re.search(r'id="station-key"[^>]*>(st_[^<]+)<', page)
    return found[1] if found else ""


@pytest.mark.parametrize("way", ["send", "swap"])
def test_key_is_shown_once_and_kept_as_a_hash(client_for: ClientFor, cast: Cast, on_app: Session, way: str) -> None:
    alice = client_for("alice")
    answer = getattr(alice, way)(STATIONS, **fields(cast))
    key = key_in(answer.text)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    row = on_app.scalars(select(Station).where(Station.name == "CI-BUILD-02")).one()
    assert row.key_hash == Station.hashed(key)
    page = alice.get(STATIONS).text
    assert "CI-BUILD-02" in page
    assert "Never used" in page
    assert key not in page


def test_added_station_opens_the_api(client_for: ClientFor, cast: Cast) -> None:
    key = key_in(client_for("carol").send(STATIONS, **fields(cast)).text)
    asked = {"product": "render", "device": {"id": "d1"}}
    uuid = "0190f3c2-8f1e-7c55-9d2a-1f6a7f0e2b11"
    answer = client_for("erin").put(f"/api/v1/leases/{uuid}", json=asked, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 201
    page = client_for("alice").get("/admin/status").text
    assert "CI-BUILD-02" in page
    assert "Render Studio · Station" in page


@pytest.mark.parametrize(
    ("name", "product", "says"),
    [
        ("", "render", "Enter a name."), ("CI-BUILD-01", "render", "There is a station “CI-BUILD-01” already."),
        ("x" * 101, "render", "101 characters long"), ("CI", "hub", "Choose a product."),
    ],
)  # fmt: skip
def test_station_that_cannot_be_comes_back(
    client_for: ClientFor, cast: Cast, station: Station, name: str, product: str, says: str
) -> None:
    answer = client_for("alice").send(STATIONS, **fields(cast, name, product))
    assert answer.status_code == 422
    assert says in answer.text
    assert not key_in(answer.text)


def test_renamed_station_keeps_its_key(client_for: ClientFor, station: Station, on_app: Session) -> None:
    answer = client_for("alice").swap(f"{STATIONS}/{station.id}/rename", name="Lab 3")
    assert "Lab 3" in answer.text
    before = station.key_hash
    on_app.rollback()
    assert on_app.get_one(Station, station.id, populate_existing=True).key_hash == before
    assert on_app.scalars(select(Activity.action).where(Activity.action == "station.rename")).all()


def test_revoked_station_leaves_the_list_and_what_it_runs_gets_time_to_save(
    client_for: ClientFor, cast: Cast, station: Station, on_app: Session
) -> None:
    device = Device(station_id=station.id, client_id="d1", name="BUILD-7", seen_at=station.made_at)
    on_app.add(device)
    on_app.flush()
    lease_id = sessions.begin(on_app, cast, "bob", "annual", device="other")
    lease = on_app.get_one(Lease, lease_id)
    lease.account_id, lease.station_id, lease.device_id = None, station.id, device.id
    on_app.commit()
    alice = client_for("alice")
    assert "1 session gets 15 minutes to save" in alice.get(f"{STATIONS}/{station.id}/revoke").text
    assert "CI-BUILD-01" not in alice.swap(f"{STATIONS}/{station.id}/revoke").text
    on_app.rollback()
    assert on_app.get_one(Lease, lease_id, populate_existing=True).ending_reason == STATION_REVOKED


def test_organization_without_floating_seats_reads_what_it_lacks(client_for: ClientFor) -> None:
    page = client_for("mallory").get(STATIONS).text
    assert "No floating license" in page
    assert "Add station" not in page
