"""Devices: the person's own, renamed, unbound, removed, disowned; nobody else's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.activity import Activity
from core.dates import now
from core.grants import TokenFamily
from core.leases import DEVICE_REMOVED, Device, Lease
from tests import sessions
from tests.cast import Cast
from tests.clients import Client

ClientFor = Callable[[str], Client]
pytestmark = pytest.mark.on_sqlite


@pytest.fixture
def lease(on_app: Session, cast: Cast) -> Lease:
    """A session of bob's on his device, which is signed in."""
    found = on_app.get_one(Lease, sessions.begin(on_app, cast, "bob", "cloud"))
    device = on_app.get_one(Device, found.device_id)
    device.public_key, device.os = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "windows"
    on_app.add(family(cast, device.id))
    on_app.commit()
    return found


def family(cast: Cast, device_id: int | None = None) -> TokenFamily:
    return TokenFamily(account_id=cast.bob.account_id, organization_id=cast.organization_id, device_id=device_id,
                       client_name="Render Studio", made_at=now())  # fmt: skip


def sign_ins(on_app: Session) -> int:
    on_app.rollback()
    return len(on_app.scalars(select(TokenFamily.id).where(TokenFamily.revoked_at.is_(None))).all())


def device_of(on_app: Session, lease: Lease) -> Device:
    on_app.rollback()
    return on_app.get_one(Device, lease.device_id, populate_existing=True)


def actions(on_app: Session) -> list[str]:
    return list(on_app.scalars(select(Activity.action).where(Activity.stream == "portal").order_by(Activity.id)))


def test_a_device_says_what_runs_on_it_and_when_it_was_seen(client_for: ClientFor, lease: Lease) -> None:
    page = client_for("bob").get("/devices").text
    row = page.partition(f'id="device-{lease.device_id}"')[2].partition("</tr>")[0]
    assert [word for word in ("WS-bob", "Windows · signed in", "Render Studio", "Just now") if word not in row] == []


def test_devices_are_seen_by_nobody_else(client_for: ClientFor, lease: Lease) -> None:
    assert "WS-bob" not in client_for("alice").get("/devices").text
    assert client_for("alice").send(f"/devices/{lease.device_id}/remove").status_code == 404


def test_who_has_none_reads_how_they_come(client_for: ClientFor) -> None:
    assert "No devices yet" in client_for("erin").get("/devices").text


def test_renamed_device_has_its_name_at_once(client_for: ClientFor, lease: Lease, on_app: Session) -> None:
    answer = client_for("bob").swap(f"/devices/{lease.device_id}/rename", name="  Desk =cmd() <b> ")
    assert "Desk =cmd() &lt;b&gt;" in answer.text
    assert device_of(on_app, lease).name == "Desk =cmd() <b>"
    assert actions(on_app)[-1] == "device.rename"


@pytest.mark.parametrize(("name", "says"), [("  ", "Enter a name."), ("x" * 101, "101 characters long")])
def test_name_that_is_none_comes_back(
    client_for: ClientFor, lease: Lease, on_app: Session, name: str, says: str
) -> None:
    answer = client_for("bob").send(f"/devices/{lease.device_id}/rename", name=name)
    assert answer.status_code == 422
    assert says in answer.text
    assert device_of(on_app, lease).name == "WS-bob"


def test_unbound_device_stays_and_is_signed_out(client_for: ClientFor, lease: Lease, on_app: Session) -> None:
    answer = client_for("bob").swap(f"/devices/{lease.device_id}/unbind")
    assert "signed out" in answer.text
    assert (device_of(on_app, lease).public_key, sign_ins(on_app)) == (None, 0)
    assert actions(on_app)[-1] == "device.unbind"


@pytest.mark.parametrize(("what", "action"), [("remove", "device.remove"), ("not-me", "device.disown")])
def test_device_that_goes_takes_its_sessions_and_sign_ins_along(
    client_for: ClientFor, lease: Lease, on_app: Session, what: str, action: str
) -> None:
    bob = client_for("bob")
    assert "Render Studio" in bob.get(f"/devices/{lease.device_id}/remove").text
    answer = bob.swap(f"/devices/{lease.device_id}/{what}")
    assert "WS-bob" not in answer.text
    assert "1 session has ended." in answer.headers["HX-Trigger"]
    assert device_of(on_app, lease).removed_at is not None
    assert on_app.get_one(Lease, lease.id, populate_existing=True).ended_reason == DEVICE_REMOVED
    assert sign_ins(on_app) == 0
    assert actions(on_app)[-1] == action
    assert bob.send(f"/devices/{lease.device_id}/{what}").status_code == 404


def test_device_with_a_borrowed_seat_is_not_removed(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    lease = on_app.get_one(Lease, sessions.begin(on_app, cast, "bob", "cloud", "borrowed"))
    bob = client_for("bob")
    for answer in (bob.send(f"/devices/{lease.device_id}/remove"), bob.swap(f"/devices/{lease.device_id}/remove")):
        assert answer.status_code == 409
        assert "WS-bob" in answer.text
    assert "borrowed until" in bob.get("/devices").text
    assert bob.send(f"/devices/{lease.device_id}/not-me").status_code == 303


def test_sign_in_that_never_ran_can_be_disowned(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    row = family(cast)
    on_app.add(row)
    on_app.commit()
    bob = client_for("bob")
    assert "Signed in, not used yet" in bob.get("/devices").text
    assert client_for("alice").send(f"/devices/sign-ins/{row.id}/not-me").status_code == 404
    assert "Signed in, not used yet" not in bob.swap(f"/devices/sign-ins/{row.id}/not-me").text
    assert sign_ins(on_app) == 0
    assert actions(on_app)[-1] == "program.disown"
