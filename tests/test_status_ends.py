"""Status, when a license comes to its end: its sessions are ending by the clock alone, and the page moves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from core.dates import now
from core.lists import running_page
from models import License
from tests import sessions
from tests.cast import Cast
from tests.clients import Client

ClientFor = Callable[[str], Client]
AT = now().replace(second=0, microsecond=0)


def clock(monkeypatch: pytest.MonkeyPatch, at: datetime) -> None:
    monkeypatch.setattr(running_page, "now", lambda: at)


def end_license(on_app: Session, cast: Cast, at: datetime) -> None:
    on_app.get_one(License, cast.license["cloud"]).ends_at = at
    on_app.commit()


def row_of(page: str, lease_id: int) -> str:
    return page.partition(f'id="lease-{lease_id}"')[2].partition("</tr>")[0]


def live_url(page: str) -> str:
    return page.partition('id="board" hx-get="')[2].partition('"')[0].replace("&amp;", "&")


@pytest.mark.parametrize(
    ("session", "ends_in", "says"),
    [
        ({}, 16, ["Running"]),
        ({}, 14, ["Ending", "14:00 left to save", "The license ends"]),
        ({"idle_s": 3000}, 14, ["Ending", "14:00 left to save", "The license ends"]),
        ({"state": "silent", "expires_at": AT + timedelta(minutes=3), "renewed_at": AT - timedelta(minutes=7)}, 14,
         ["Ending", "3:00 left to save", "The license ends"]),
        ({"state": "ending", "ending_at": AT + timedelta(minutes=2)}, 14, ["2:00 left to save", "By an administrator"]),
        ({"state": "ending", "ending_at": AT + timedelta(hours=2)}, 14, ["14:00 left to save", "The license ends"]),
        ({"state": "borrowed"}, 14, ["Borrowed until"]),
    ],
)  # fmt: skip
def test_session_of_a_license_says_when_it_ends(
    client_for: ClientFor, cast: Cast, on_app: Session, monkeypatch: pytest.MonkeyPatch,
    session: dict[str, object], ends_in: int, says: list[str],
) -> None:  # fmt: skip
    clock(monkeypatch, AT)
    values = {"renewed_at": AT, "expires_at": AT + timedelta(minutes=10), **session}
    state = str(values.pop("state", "running"))
    lease_id = sessions.begin(on_app, cast, "bob", "cloud", state, **values)
    end_license(on_app, cast, AT + timedelta(minutes=ends_in))
    row = row_of(client_for("alice").get("/admin/status").text, lease_id)
    assert [word for word in says if word not in row] == []


@pytest.mark.parametrize(("later", "status"), [(4, 204), (5, 200)])
def test_poll_moves_when_the_clock_alone_brings_an_end_near(
    client_for: ClientFor, cast: Cast, on_app: Session, monkeypatch: pytest.MonkeyPatch, later: int, status: int
) -> None:
    clock(monkeypatch, AT)
    lease_id = sessions.begin(on_app, cast, "bob", "cloud", renewed_at=AT)
    end_license(on_app, cast, AT + timedelta(minutes=15, seconds=5))
    alice = client_for("alice")
    url = live_url(alice.get("/admin/status").text)
    clock(monkeypatch, AT + timedelta(seconds=later))
    answer = alice.fragment(url)
    assert answer.status_code == status
    assert ("Ending" in row_of(answer.text, lease_id)) is (later == 5)


def test_what_ends_with_its_license_comes_first_and_later_pages_go_on(
    client_for: ClientFor, cast: Cast, on_app: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.lists.running.PAGE", 1)
    clock(monkeypatch, AT)
    first = sessions.begin(on_app, cast, "bob", "cloud", renewed_at=AT)
    second = sessions.begin(on_app, cast, "carol", "annual", renewed_at=AT)
    end_license(on_app, cast, AT + timedelta(minutes=14))
    page = client_for("alice").get("/admin/status").text
    assert (f'id="lease-{first}"' in page, f'id="lease-{second}"' in page) == (True, False)
    page = client_for("alice").get(f"/admin/status?after={first}").text
    assert (f'id="lease-{first}"' in page, f'id="lease-{second}"' in page) == (False, True)
