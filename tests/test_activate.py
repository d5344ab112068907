"""/activate: who asks is named before anything is approved, codes cannot be guessed, and it works by keyboard."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from playwright.sync_api import Page, expect
from sqlalchemy import select
from sqlalchemy.orm import Session
from time_machine import Traveller

from core.activity import Activity
from core.grants import DeviceCode
from tests.browser import faults
from tests.cast import Cast
from tests.clients import Client, share
from tests.keyboard import Keyboard
from tests.programs import ProgramAt, new_key

ClientFor = Callable[[str], Client]


@pytest.fixture
def program(app: Flask, cast: Cast) -> ProgramAt:
    """A program that waits for its approval."""
    made = ProgramAt(app, new_key())
    made.begin()
    return made


def shown(client: Client, code: str) -> str:
    """The page that a code leads to."""
    response = client.get("/activate", query_string={"user_code": code})
    assert response.status_code == 200
    return response.text


def test_an_approval_signs_the_program_in_for_the_organization(
    program: ProgramAt, client_for: ClientFor, on_app: Session, cast: Cast
) -> None:
    bob, code = client_for("bob"), program.codes["user_code"]
    page = shown(bob, code)
    assert all(word in page for word in ("ARES Commander", "WS-14", "Kestrel Works", code))
    assert bob.send("/activate/approve", user_code=code).headers["Location"] == "/activate/approved"
    row = on_app.scalars(select(DeviceCode)).one()
    assert (row.account_id, row.organization_id) == (cast.bob.account_id, cast.organization_id)
    entry = on_app.scalars(select(Activity).where(Activity.action == "program.approve")).one()
    assert (entry.actor_id, entry.target_id) == (cast.bob.account_id, row.id)
    assert program.ask().status_code == 200


def test_without_an_organization_it_is_for_the_own_products(program: ProgramAt, client_for: ClientFor) -> None:
    erin = client_for("erin")
    assert "Your own products" in shown(erin, program.codes["user_code"])
    erin.send("/activate/approve", user_code=program.codes["user_code"])
    assert program.ask().status_code == 200


def test_a_declined_program_is_told_so(program: ProgramAt, client_for: ClientFor) -> None:
    code = program.codes["user_code"]
    assert client_for("bob").send("/activate/decline", user_code=code).headers["Location"] == "/activate/declined"
    assert program.ask().json == {
        "error": "access_denied",
        "error_description": "The resource owner or authorization server denied the request",
    }


@pytest.mark.on_sqlite
def test_looking_approves_nothing(program: ProgramAt, client_for: ClientFor) -> None:
    shown(client_for("bob"), program.codes["user_code"])
    client_for("bob").head("/activate", query_string={"user_code": program.codes["user_code"]})
    assert (program.ask().json or {})["error"] == "authorization_pending"


@pytest.mark.on_sqlite
def test_a_code_is_typed_as_one_likes(program: ProgramAt, client_for: ClientFor) -> None:
    bob, code = client_for("bob"), program.codes["user_code"]
    for typed in (code, code.lower(), code.replace("-", ""), f"  {code.replace('-', ' ')}\n", code.replace("-", "–")):
        assert code in shown(bob, typed)


@pytest.mark.on_sqlite
@pytest.mark.parametrize("path", ["/activate/approve", "/activate/decline"])
def test_a_code_is_answered_once(program: ProgramAt, client_for: ClientFor, path: str) -> None:
    code = program.codes["user_code"]
    client_for("bob").send(path, user_code=code)
    mallory = client_for("mallory")
    for again in ("/activate/approve", "/activate/decline"):
        response = mallory.send(again, user_code=code)
        assert response.status_code == 422
        assert "No application waits with this code" in response.text


@pytest.mark.on_sqlite
def test_a_code_ends_after_ten_minutes(clock: Traveller, app: Flask, client_for: ClientFor) -> None:
    waiting = ProgramAt(app)
    bob, code = client_for("bob"), waiting.begin()["user_code"]
    clock.shift(timedelta(minutes=9, seconds=59))
    assert "ARES Commander" in shown(bob, code)
    clock.shift(timedelta(seconds=1))
    assert bob.get("/activate", query_string={"user_code": code}).status_code == 422
    assert bob.send("/activate/approve", user_code=code).status_code == 422


@pytest.mark.on_sqlite
def test_codes_cannot_be_guessed(program: ProgramAt, client_for: ClientFor) -> None:
    bob = client_for("bob")
    for number in range(10):
        assert bob.get("/activate", query_string={"user_code": f"BCDF-BCD{'BCDFGHJKLM'[number]}"}).status_code == 422
    refused = bob.get("/activate", query_string={"user_code": program.codes["user_code"]})
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert "ARES Commander" not in refused.text
    assert bob.send("/activate/approve", user_code=program.codes["user_code"]).status_code == 429
    assert "ARES Commander" in shown(client_for("alice"), program.codes["user_code"])  # others are not kept from it


@pytest.mark.on_sqlite
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_types_no_code(program: ProgramAt, client_for: ClientFor, site: str) -> None:
    bob, led = client_for("bob"), {"Sec-Fetch-Site": site}
    for _time in range(12):  # nor does it use up what bob may try
        page = bob.get("/activate", query_string={"user_code": "BCDF-BCDB"}, headers=led)
        assert (page.status_code, "BCDF-BCDB" in page.text) == (200, False)
    code = program.codes["user_code"]
    assert "ARES Commander" not in bob.get("/activate", query_string={"user_code": code}, headers=led).text
    own = bob.get("/activate", query_string={"user_code": code}, headers={"Sec-Fetch-Site": "none"})
    assert "ARES Commander" in own.text


@pytest.mark.on_sqlite
def test_right_codes_are_not_counted(app: Flask, client_for: ClientFor, program: ProgramAt) -> None:
    bob = client_for("bob")
    for _time in range(12):
        shown(bob, program.codes["user_code"])


@pytest.mark.on_sqlite
@pytest.mark.parametrize("text", ["x", "-", "<b>", "\0", "é" * 2000, "' OR 1=1"])
def test_what_is_no_code_comes_back_with_a_sentence(client_for: ClientFor, text: str) -> None:
    bob = client_for("bob")
    response = bob.get("/activate", query_string={"user_code": text})
    assert (response.status_code, "<b>" in response.text) == (422, False)
    assert bob.send("/activate/approve", user_code=text).status_code == 422


@pytest.mark.on_sqlite
def test_who_is_not_signed_in_comes_back_to_the_code(program: ProgramAt, anonymous: Client) -> None:
    response = anonymous.get("/activate", query_string={"user_code": program.codes["user_code"]})
    assert response.headers["Location"] == f"/login?next=/activate%3Fuser_code%3D{program.codes['user_code']}"


@pytest.mark.on_sqlite
def test_names_are_text(app: Flask, cast: Cast, client_for: ClientFor) -> None:
    program = ProgramAt(app)
    program.begin(client_name="<script>alert(1)</script>", device_name="{{ 7*7 }}<b>")
    page = shown(client_for("bob"), program.codes["user_code"])
    assert "<script>alert" not in page
    assert "{{ 7*7 }}&lt;b&gt;" in page


@pytest.mark.on_sqlite
def test_the_way_by_keyboard(program: ProgramAt, client_for: ClientFor, server: str, page: Page) -> None:
    share(client_for("bob"), page, server)
    page.goto(f"{server}/activate")
    assert not faults(page)
    page.keyboard.type("nothing")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No application waits with this code")).to_be_visible()
    expect(page.get_by_label("Code")).to_be_focused()
    assert not faults(page)
    page.keyboard.press("Control+a")
    page.keyboard.type(program.codes["user_code"].lower())
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Let this application in?")).to_be_visible()
    assert not faults(page)
    keyboard = Keyboard(page)
    keyboard.to("Approve")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="The application is signed in")).to_be_visible()
    assert not faults(page)
    assert not keyboard.faults
    assert program.ask().status_code == 200
