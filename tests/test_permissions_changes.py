"""Permissions given, taken back and moved: one by one, all together, twice, at the same moment."""

from __future__ import annotations

from threading import Barrier, Thread
from typing import Any

import pytest
from bs4 import BeautifulSoup, Tag
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from core.activity import COMMAND, Activity
from core.dates import now
from core.db import db
from models import Organization
from tests.cast import Cast
from tests.clients import Client, said
from tests.permission_pages import HOME, ClientFor, boxes, edit, held, key_of, path, section, words


@pytest.fixture
def alice(client_for: ClientFor) -> Client:
    """The administrator's browser."""
    return client_for("alice")


# ── one tick ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_tick_gives_a_seat_and_is_said(alice: Client, app: Flask, cast: Cast) -> None:
    annual = cast.license["annual"]
    answer = alice.swap(path(annual, cast.carol.member_id, "give"))
    assert answer.status_code == 200
    assert said(answer) == ["Draft Pro given to Carol Example"]
    assert boxes(section(answer, annual))["Carol Example"] == "ticked"
    assert "2 of 3 seats given away" in words(section(answer, annual))
    assert "Has ANNUAL" in words(section(answer, cast.license["perpetual"]))
    with app.app_context():
        assert held(db.session, annual) == {cast.bob.member_id, cast.carol.member_id}


def test_giving_and_taking_twice_changes_and_records_once(alice: Client, app: Flask, cast: Cast) -> None:
    annual = cast.license["annual"]
    for action in ("give", "give", "take", "take"):
        assert alice.swap(path(annual, cast.carol.member_id, action)).status_code == 200
    with app.app_context():
        query = select(Activity.action).where(
            Activity.stream == str(cast.organization_id), Activity.target_id == cast.carol.member_id,
            Activity.actor_id == cast.alice.account_id, Activity.after["license"].as_integer() == annual
        )  # fmt: skip
        assert db.session.scalars(query).all() == ["permission.give"]
        assert held(db.session, annual) == {cast.bob.member_id}


def test_taking_back_frees_the_seat_at_once(alice: Client, app: Flask, cast: Cast) -> None:
    annual = cast.license["annual"]
    answer = alice.swap(path(annual, cast.bob.member_id, "take"))
    assert said(answer) == ["Draft Pro taken back from Bob Example"]
    assert "0 of 3 seats given away" in words(section(answer, annual))
    with app.app_context():
        assert held(db.session, annual) == set()


@pytest.mark.on_sqlite
def test_a_reservation_is_said_in_its_own_words(alice: Client, cast: Cast) -> None:
    cloud = cast.license["cloud"]
    assert said(alice.swap(path(cloud, cast.bob.member_id, "give"))) == ["Render Studio reserved for Bob Example"]
    taken = alice.swap(path(cloud, cast.bob.member_id, "take"))
    assert said(taken) == ["Render Studio no longer reserved for Bob Example"]


@pytest.mark.on_sqlite
def test_a_plain_form_comes_back_to_the_same_view(alice: Client, cast: Cast) -> None:
    answer = alice.send(path(cast.license["annual"], cast.carol.member_id, "give"), q="carol", only="1")
    assert answer.status_code == 303
    assert answer.location == f"{HOME}?q=carol&only=1#license-{cast.license['annual']}"
    assert "Draft Pro given to Carol Example" in alice.get(HOME).text


@pytest.mark.on_sqlite
@pytest.mark.parametrize("name", ["dora", "dave"])
def test_only_an_enabled_member_is_given_anything(alice: Client, app: Flask, cast: Cast, name: str) -> None:
    answer = alice.swap(path(cast.license["three_years"], cast.player(name).member_id, "give"))
    assert answer.status_code == 409
    assert said(answer) == ["Only an enabled user can have permissions."]
    with app.app_context():
        assert held(db.session, cast.license["three_years"]) == set()


def test_the_last_seat_goes_to_one_and_the_other_learns_who_has_it(
    app: Flask, client_for: ClientFor, cast: Cast
) -> None:
    annual = cast.license["annual"]
    edit(app, lambda: key_of(annual).extend(COMMAND, now(), seats=2))
    wants = {"alice": cast.alice, "carol": cast.carol}
    browsers = {name: client_for(name) for name in wants}
    for browser in browsers.values():
        assert browser.token
    start, answers = Barrier(2), {}

    def tick(name: str) -> None:
        start.wait()
        answers[name] = browsers[name].swap(path(annual, wants[name].member_id, "give"))

    threads = [Thread(target=tick, args=(name,)) for name in wants]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each.status_code for each in answers.values()) == [200, 409]
    winner = next(name for name, each in answers.items() if each.status_code == 200)
    lost = next(each for each in answers.values() if each.status_code == 409)
    assert f"taken by {winner.title()} Example" in said(lost)[0]
    assert boxes(section(lost, annual))[f"{winner.title()} Example"] == "ticked"
    with app.app_context():
        assert held(db.session, annual) == {cast.bob.member_id, wants[winner].member_id}


@pytest.mark.on_sqlite
def test_somebody_who_left_meanwhile_is_gone_from_the_answer(alice: Client, app: Flask, cast: Cast) -> None:
    def leave() -> None:
        organization = Organization.locked(db.session, cast.organization_id)
        organization.member(cast.bob.member_id or 0).leave(cast.bob.actor, now())

    edit(app, leave)
    answer = alice.swap(path(cast.license["annual"], cast.bob.member_id, "take"))
    assert answer.status_code == 404
    assert "Bob Example" not in boxes(section(answer, cast.license["annual"]))
    assert said(answer) == ["This person is not in the list any more."]


# ── one permission per member and product ────────────────────────────────────────────────────────────────────────────


def test_a_second_tick_says_what_the_member_has_and_offers_to_move(alice: Client, app: Flask, cast: Cast) -> None:
    perpetual = cast.license["perpetual"]
    answer = alice.swap(path(perpetual, cast.bob.member_id, "give"))
    assert answer.status_code == 409
    part = section(answer, perpetual)
    assert "Bob Example has a permission for Draft Pro already: ANNUAL." in words(part)
    button = part.find("button", string="Move")
    assert isinstance(button, Tag)
    assert button["hx-post"] == path(perpetual, cast.bob.member_id, "move")
    assert boxes(part)["Bob Example"] == "free"
    with app.app_context():
        assert held(db.session, perpetual) == set()


def test_moving_changes_both_licenses(alice: Client, app: Flask, cast: Cast) -> None:
    annual, perpetual = cast.license["annual"], cast.license["perpetual"]
    answer = alice.swap(path(perpetual, cast.bob.member_id, "move"))
    assert said(answer) == ["Bob Example moved to Draft Pro PERPETUAL, no end date"]
    assert "0 of 3 seats given away" in words(section(answer, annual))
    assert "1 of 2 seats given away" in words(section(answer, perpetual))
    with app.app_context():
        assert held(db.session, annual) == set()
        assert held(db.session, perpetual) == {cast.bob.member_id}
    assert alice.swap(path(perpetual, cast.bob.member_id, "move")).status_code == 200


def test_a_move_to_a_full_license_leaves_the_member_what_he_has(alice: Client, app: Flask, cast: Cast) -> None:
    annual, perpetual = cast.license["annual"], cast.license["perpetual"]
    edit(app, lambda: key_of(perpetual).extend(COMMAND, now(), seats=0))
    answer = alice.swap(path(perpetual, cast.bob.member_id, "move"))
    assert answer.status_code == 409
    assert boxes(section(answer, annual))["Bob Example"] == "ticked"
    with app.app_context():
        assert held(db.session, annual) == {cast.bob.member_id}


@pytest.mark.on_sqlite
def test_without_javascript_the_move_is_asked_on_a_page(alice: Client, cast: Cast) -> None:
    perpetual = cast.license["perpetual"]
    asked = alice.send(path(perpetual, cast.bob.member_id, "give"))
    assert asked.status_code == 303
    assert asked.location == path(perpetual, cast.bob.member_id, "move")
    page = BeautifulSoup(alice.get(asked.location).text, "html.parser")
    form = page.select_one("#ask form")
    assert form
    assert form["action"] == path(perpetual, cast.bob.member_id, "move")
    assert "Draft Pro ANNUAL" in words(form)
    assert alice.send(str(form["action"])).status_code == 303


# ── all ticks of a section, as a plain form sends them ───────────────────────────────────────────────────────────────


def save(client: Client, license_id: int, had: list[int | None], tick: list[int | None]) -> TestResponse:
    return client.send(f"{HOME}/{license_id}", had=" ".join(map(str, had)), tick=[str(each) for each in tick])


def test_save_applies_what_was_changed_on_the_page(alice: Client, app: Flask, cast: Cast) -> None:
    annual = cast.license["annual"]
    answer = save(alice, annual, [cast.bob.member_id], [cast.alice.member_id, cast.carol.member_id])
    assert answer.status_code == 303
    assert "3 permissions of Draft Pro changed" in alice.get(answer.location).text
    with app.app_context():
        assert held(db.session, annual) == {cast.alice.member_id, cast.carol.member_id}


def test_save_leaves_alone_what_somebody_else_changed_meanwhile(alice: Client, app: Flask, cast: Cast) -> None:
    annual = cast.license["annual"]
    alice.send(path(annual, cast.carol.member_id, "give"))
    save(alice, annual, [cast.bob.member_id], [cast.bob.member_id, cast.alice.member_id])
    with app.app_context():
        assert held(db.session, annual) == {cast.alice.member_id, cast.bob.member_id, cast.carol.member_id}


def test_save_gives_what_fits_and_says_what_does_not(alice: Client, app: Flask, cast: Cast) -> None:
    annual = cast.license["annual"]
    edit(app, lambda: key_of(annual).extend(COMMAND, now(), seats=2))
    answer = save(alice, annual, [cast.bob.member_id], [cast.bob.member_id, cast.alice.member_id, cast.carol.member_id])
    text = alice.get(answer.location).text
    assert "1 permission of Draft Pro changed" in text
    assert "The last was taken by Alice Example" in text
    with app.app_context():
        assert held(db.session, annual) == {cast.bob.member_id, cast.alice.member_id}


@pytest.mark.on_sqlite
def test_save_asks_before_it_moves(alice: Client, cast: Cast) -> None:
    answer = save(alice, cast.license["perpetual"], [], [cast.bob.member_id])
    assert answer.location == path(cast.license["perpetual"], cast.bob.member_id, "move")


@pytest.mark.on_sqlite
@pytest.mark.parametrize("tick", [["x"], ["-1"], ["9" * 30], ["1 OR 1"]])
def test_save_ignores_what_is_no_member(alice: Client, app: Flask, cast: Cast, tick: list[Any]) -> None:
    assert save(alice, cast.license["annual"], [cast.bob.member_id], [cast.bob.member_id, *tick]).status_code == 303
    with app.app_context():
        assert held(db.session, cast.license["annual"]) == {cast.bob.member_id}


@pytest.mark.on_sqlite
def test_save_refuses_more_ticks_than_a_page_has(alice: Client, cast: Cast) -> None:
    assert save(alice, cast.license["annual"], [], list(range(1, 900))).status_code == 422
