"""Status: what runs, in which state, with what can be done about it; and who was refused today."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session

from core.leases import Lease
from models import License
from tests import sessions
from tests.cast import Cast
from tests.clients import Client

ClientFor = Callable[[str], Client]
pytestmark = pytest.mark.on_sqlite


def row_of(page: str, lease_id: int) -> str:
    return page.partition(f'id="lease-{lease_id}"')[2].partition("</tr>")[0]


def lease(on_app: Session, lease_id: int) -> Lease:
    on_app.rollback()
    return on_app.get_one(Lease, lease_id, populate_existing=True)


def in_use(on_app: Session, license_id: int) -> int:
    on_app.rollback()
    return on_app.get_one(License, license_id, populate_existing=True).in_use


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("running", ["Running", "kept until"]),
        ("idle", ["Idle", "For 26 min, asked at 60"]),
        ("silent", ["Not responding", "Released in 4:"]),
        ("ending", ["Ending", "left to save", "By an administrator"]),
        ("borrowed", ["Borrowed until", "Cannot be called back", "Write off"]),
    ],
)
def test_a_session_says_its_state(
    client_for: ClientFor, cast: Cast, on_app: Session, state: str, says: list[str]
) -> None:
    lease_id = sessions.begin(on_app, cast, "bob", "cloud", state)
    row = row_of(client_for("alice").get("/admin/status").text, lease_id)
    assert "Bob Example" in row
    assert "Render Studio" in row
    assert [word for word in says if word not in row] == []
    assert ("End session" in row) is (state != "borrowed")
