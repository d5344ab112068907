"""Status: what runs, in which state, with what can be done about it; and who was refused today."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.activity import Activity
from core.dates import now
from core.leases import BY_ADMIN, WRITTEN_OFF, Lease
from core.lists import running_page
from models import License
from tests import sessions
from tests.cast import Cast
from tests.clients import Client
from tests.statements import engine_of

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


@pytest.mark.parametrize("license", ["cloud", "annual"])
def test_a_license_says_what_its_seats_do(client_for: ClientFor, cast: Cast, on_app: Session, license: str) -> None:
    for who, state in (("alice", "running"), ("bob", "idle"), ("carol", "silent")):
        sessions.begin(on_app, cast, who, license, state)
    page = client_for("alice").get("/admin/status").text
    product, word, seats = ("Render Studio", "FLEX CLOUD", 4) if license == "cloud" else ("Draft Pro", "ANNUAL", 3)
    pool = page.partition(f'aria-label="{product} {word}"')[2].partition("</section>")[0]
    assert f"3 of {seats} in use" in pool
    assert ("1 reserved" if license == "cloud" else "1 given away") in pool
    assert [word for word in ("1 running", "1 idle", "1 not responding") if word not in pool] == []
    assert ("1 free" in pool) is (license == "cloud")


def test_queue_stands_at_its_license_and_is_read_aloud(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    sessions.wait(on_app, cast, "bob", "render")
    sessions.begin(on_app, cast, "alice", "cloud", "silent")
    page = client_for("alice").get("/admin/status").text
    news = page.partition('id="news">')[2].partition("</p>")[0]
    assert news == "1 does not respond. One waits for a seat."
    assert page.index("Render Studio") < page.index("Draft Pro")


def test_denials_of_today_are_in_the_words_that_the_program_showed(
    client_for: ClientFor, cast: Cast, on_app: Session
) -> None:
    sessions.deny(on_app, cast, "bob", "render", "no_seat_available", "All 6 seats of Render Studio are in use.")
    sessions.deny(on_app, cast, "carol", "draft", "no_permission", "")
    denied = client_for("alice").get("/admin/status").text.partition('id="denials"')[2]
    assert "2 requests for a seat" in denied
    assert "All 6 seats of Render Studio are in use." in denied
    assert "You have no permission" in denied
    assert f'href="/admin/users/{cast.carol.member_id}/why?product=draft"' in denied
    assert client_for("alice").get(f"/admin/users/{cast.carol.member_id}/why?product=draft").status_code == 200


def test_who_is_denied_again_and_again_is_one_row(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    for number in range(3):
        sessions.deny(on_app, cast, "bob", "render", "no_seat_available", "Full.", uuid=str(number))
    sessions.deny(on_app, cast, "carol", "render", "no_seat_available", "Full.")
    sessions.deny(on_app, cast, "bob", "render", "no_seat_available", "Full.", uuid="served", served_at=now())
    denied = client_for("alice").get("/admin/status").text.partition('id="denials"')[2]
    assert "5 requests for a seat" in denied
    assert denied.count('class="rec"') == 3
    assert denied.count("3 times since") == denied.count("Got a seat at") == 1


def test_sessions_and_denials_of_another_organization_are_not_shown(
    client_for: ClientFor, cast: Cast, on_app: Session
) -> None:
    sessions.begin(on_app, cast, "bob", "cloud", device="SECRET-WS")
    sessions.deny(on_app, cast, "bob", "draft", "no_permission", "Told to bob")
    for path in ("/admin/status", "/admin/status?q=SECRET", "/admin/status/live"):
        page = client_for("mallory").get(path).text
        assert "SECRET-WS" not in page
        assert "Told to bob" not in page


# ── it moves by itself ───────────────────────────────────────────────────────────────────────────────────────────────


def live_url(page: str) -> str:
    return page.partition('id="board" hx-get="')[2].partition('"')[0].replace("&amp;", "&")


def test_poll_answers_204_until_something_happens(
    client_for: ClientFor, cast: Cast, on_app: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = now()
    monkeypatch.setattr(running_page, "now", lambda: at)
    alice = client_for("alice")
    url = live_url(alice.get("/admin/status").text)
    assert alice.fragment(url).status_code == 204
    sessions.begin(on_app, cast, "bob", "cloud")
    answer = alice.fragment(url)
    assert answer.status_code == 200
    assert "Bob Example" in answer.text
    assert "<html" not in answer.text
    assert alice.fragment(live_url(answer.text)).status_code == 204


@pytest.mark.parametrize(
    ("state", "later", "status"), [("running", 20, 204), ("silent", 5, 200), ("ending", 5, 200), ("running", 60, 200)]
)
def test_poll_counts_down_only_what_counts_down(
    client_for: ClientFor, cast: Cast, on_app: Session, monkeypatch: pytest.MonkeyPatch,
    state: str, later: int, status: int,
) -> None:  # fmt: skip
    at = now().replace(second=0, microsecond=0)
    monkeypatch.setattr(running_page, "now", lambda: at)
    sessions.begin(on_app, cast, "bob", "cloud", state)
    alice = client_for("alice")
    url = live_url(alice.get("/admin/status").text)
    monkeypatch.setattr(running_page, "now", lambda: at + timedelta(seconds=later))
    assert alice.fragment(url).status_code == status


def test_paused_page_does_not_move(client_for: ClientFor) -> None:
    page = client_for("alice").get("/admin/status?paused=1").text
    assert "every 5s" not in page
    assert "Paused at" in page
    assert "every 5s" in client_for("alice").get("/admin/status").text


# ── a part of it ─────────────────────────────────────────────────────────────────────────────────────────────────────


def names(page: str) -> list[str]:
    return re.findall(r'id="name-\d+">([^<]+)<', page)


@pytest.mark.parametrize(("q", "found"), [("bob", ["Bob Example"]), ("WS-CAROL", ["Carol Example"]), ("nobody", [])])
def test_search_finds_people_and_devices(
    client_for: ClientFor, cast: Cast, on_app: Session, q: str, found: list[str]
) -> None:
    for who in ("bob", "carol"):
        sessions.begin(on_app, cast, who, "cloud")
    page = client_for("alice").get(f"/admin/status?q={q}").text
    assert names(page) == found
    assert ("1 session found" if found else "0 sessions found") in page


def test_one_product_shows_its_licenses_sessions_and_denials(
    client_for: ClientFor, cast: Cast, on_app: Session
) -> None:
    sessions.begin(on_app, cast, "bob", "cloud")
    sessions.begin(on_app, cast, "carol", "annual")
    sessions.deny(on_app, cast, "dora", "render", "membership_disabled", "Denied for render")
    page = client_for("alice").get(f"/admin/status?product={cast.product['draft']}").text
    assert names(page) == ["Carol Example"]
    assert 'aria-label="Render Studio FLEX CLOUD"' not in page
    assert "Denied for render" not in page


def test_thousand_sessions_are_paged_in_the_order_of_need(
    app: Flask, client_for: ClientFor, cast: Cast, on_app: Session
) -> None:
    sessions.fill(engine_of(app), cast, "cloud", 1000)
    alice, url, seen = client_for("alice"), "/admin/status", []
    while url:
        page = alice.get(url).text
        seen += re.findall(r'<tr role="row" class="rec" id="lease-(\d+)"', page)
        url = (re.findall(r'href="(/admin/status\?[^"]*after=[^"]*)">Show more', page) or [""])[0].replace("&amp;", "&")
    states = [int(each) % 5 for each in seen]  # as `sessions.fill` deals them out
    assert len(seen) == len(set(seen)) == 1000
    assert states[:200] == [2] * 200  # not responding
    assert states[200:400] == [3] * 200  # ending
    assert set(states[400:]) == {0, 1, 4}


def test_page_after_a_session_that_is_not_ours_is_the_first(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    sessions.begin(on_app, cast, "bob", "cloud")
    foreign = sessions.begin(on_app, cast, "mallory", "other")
    page = client_for("alice").get(f"/admin/status?after={foreign}").text
    assert names(page) == ["Bob Example"]
    assert "From the beginning" not in page


# ── ending ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_question_begins_with_a_quarter_of_an_hour(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    lease_id = sessions.begin(on_app, cast, "bob", "cloud")
    page = client_for("alice").get(f"/admin/status/{lease_id}/end").text
    assert "End the session of Bob Example?" in page
    assert re.search(r'name="seconds"[^>]* value="900"', page)


def test_end_with_a_window_leaves_the_row_ending(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    lease_id = sessions.begin(on_app, cast, "bob", "cloud")
    answer = client_for("alice").swap(f"/admin/status/{lease_id}/end", message="For the tender", seconds="600")
    assert answer.status_code == 200
    assert "Ending" in row_of(answer.text, lease_id)
    assert "look" in answer.headers["HX-Trigger"]
    found = lease(on_app, lease_id)
    assert (found.ended_at, found.ending_reason, found.ending_message) == (None, BY_ADMIN, "For the tender")


def test_end_at_once_takes_the_row_away_and_frees_the_seat(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    lease_id = sessions.begin(on_app, cast, "bob", "cloud")
    answer = client_for("carol").swap(f"/admin/status/{lease_id}/end", seconds="0")
    assert "<tr" not in answer.text
    assert "has ended" in answer.headers["HX-Trigger"]
    assert lease(on_app, lease_id).ended_reason == BY_ADMIN
    assert in_use(on_app, cast.license["cloud"]) == 0


@pytest.mark.parametrize("seconds", ["", "soon", "-1", "1.5", "86401", "9" * 30, "²"])
def test_time_that_is_none_comes_back_beside_its_field(
    client_for: ClientFor, cast: Cast, on_app: Session, seconds: str
) -> None:
    lease_id = sessions.begin(on_app, cast, "bob", "cloud")
    answer = client_for("alice").send(f"/admin/status/{lease_id}/end", message="For the tender", seconds=seconds)
    assert answer.status_code == 422
    assert "For the tender" in answer.text
    assert "Enter a number of seconds" in answer.text
    assert lease(on_app, lease_id).ending_at is None


def test_end_that_comes_too_late_says_so(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    lease_id = sessions.begin(on_app, cast, "bob", "cloud")
    alice = client_for("alice")
    alice.swap(f"/admin/status/{lease_id}/end", seconds="0")
    assert alice.swap(f"/admin/status/{lease_id}/end", seconds="0").status_code == 200
    assert alice.get(f"/admin/status/{lease_id}/end").status_code == 404
    assert on_app.scalars(select(Activity.action).where(Activity.action == "lease.end")).all() == ["lease.end"]


def test_write_off_frees_a_borrowed_seat(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    lease_id = sessions.begin(on_app, cast, "bob", "cloud", "borrowed")
    alice = client_for("alice")
    assert "WS-bob can still run Render Studio offline" in alice.get(f"/admin/status/{lease_id}/write-off").text
    answer = alice.send(f"/admin/status/{lease_id}/write-off")
    assert answer.status_code == 303
    assert lease(on_app, lease_id).ended_reason == WRITTEN_OFF
    assert in_use(on_app, cast.license["cloud"]) == 0


def test_plain_form_leads_back_to_the_same_part_of_the_list(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    lease_id = sessions.begin(on_app, cast, "bob", "cloud")
    answer = client_for("alice").send(f"/admin/status/{lease_id}/end", seconds="60", q="bob", product="", after="")
    assert answer.headers["Location"] == f"/admin/status?q=bob#lease-{lease_id}"
