"""The Permissions page: what it lists for whom, long lists, and who may not come in."""

from __future__ import annotations

import re
from typing import Any

import pytest
from bs4 import Tag
from flask import Flask
from sqlalchemy import event

from core.activity import COMMAND
from core.dates import now
from core.db import db
from models import Account, Organization
from tests.cast import Cast
from tests.clients import Client, said
from tests.permission_pages import (
    HOME,
    ClientFor,
    boxes,
    crowd,
    edit,
    held,
    key_of,
    name_of,
    page_of,
    path,
    section,
    words,
)


@pytest.fixture
def alice(client_for: ClientFor) -> Client:
    """The administrator's browser."""
    return client_for("alice")


# ── the page ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.on_sqlite
def test_a_section_is_named_by_product_and_type_and_lists_the_enabled_members(alice: Client, cast: Cast) -> None:
    part = section(page_of(alice), cast.license["annual"])
    assert name_of(part).startswith("Draft Pro ANNUAL, until ")
    assert boxes(part) == {"Alice Example": "free", "Bob Example": "ticked", "Carol Example": "free"}
    assert "1 of 3 seats given away" in words(part)


@pytest.mark.on_sqlite
def test_a_floating_license_counts_reservations_and_says_what_a_tick_does(alice: Client, cast: Cast) -> None:
    part = section(page_of(alice), cast.license["cloud"])
    assert name_of(part).startswith("Render Studio FLEX CLOUD")
    assert "1 of 4 seats reserved" in words(part)
    assert "Every enabled user may take a free seat. A tick keeps one free for that person." in words(part)


@pytest.mark.on_sqlite
def test_who_has_another_license_of_the_product_is_marked(alice: Client, cast: Cast) -> None:
    part = section(page_of(alice), cast.license["perpetual"])
    assert words(part).count("Has ANNUAL, until") == 1
    assert name_of(part) == "Draft Pro PERPETUAL, no end date"


@pytest.mark.on_sqlite
def test_a_full_license_closes_its_free_boxes_and_says_what_to_do(alice: Client, app: Flask, cast: Cast) -> None:
    edit(app, lambda: key_of(cast.license["annual"]).extend(COMMAND, now(), seats=1))
    part = section(page_of(alice), cast.license["annual"])
    assert boxes(part) == {"Alice Example": "closed", "Bob Example": "ticked", "Carol Example": "closed"}
    assert "1 of 1 seat given away" in words(part)
    assert "The only seat is given away. Take it back or add a key" in words(part)


def test_an_over_assigned_license_takes_no_tick_until_the_administrator_chose(
    alice: Client, app: Flask, cast: Cast
) -> None:
    annual = cast.license["annual"]
    alice.swap(path(annual, cast.alice.member_id, "give"))
    edit(app, lambda: key_of(annual).extend(COMMAND, now(), seats=1))
    part = section(page_of(alice), annual)
    assert "over-assigned by 1" in words(part)
    assert "2 of 1 seat given away" in words(part)
    assert boxes(part) == {"Alice Example": "ticked", "Bob Example": "ticked", "Carol Example": "closed"}
    assert alice.swap(path(annual, cast.carol.member_id, "give")).status_code == 409
    assert alice.swap(path(annual, cast.bob.member_id, "take")).status_code == 200
    with app.app_context():
        assert held(db.session, annual) == {cast.alice.member_id}


@pytest.mark.on_sqlite
def test_an_expired_license_lists_nobody_new(alice: Client, cast: Cast) -> None:
    part = section(page_of(alice), cast.license["expired"])
    assert boxes(part) == {}
    assert "Expired" in words(part)
    refused = alice.swap(path(cast.license["expired"], cast.bob.member_id, "give"))
    assert refused.status_code == 409
    assert said(refused) == ["This license has expired."]


def test_a_revoked_license_keeps_its_ticks_folded_and_gives_them_back(alice: Client, app: Flask, cast: Cast) -> None:
    annual = cast.license["annual"]
    edit(app, lambda: key_of(annual).revoke(COMMAND, now()))
    part = section(page_of(alice), annual)
    assert boxes(part) == {"Bob Example": "ticked"}
    assert part.select_one("details:not([open])")
    assert alice.swap(path(annual, cast.carol.member_id, "give")).status_code == 409
    answer = alice.swap(path(annual, cast.bob.member_id, "take"))
    assert boxes(section(answer, annual)) == {"Bob Example": "closed"}
    assert section(answer, annual).select_one("details[open]")


@pytest.mark.on_sqlite
def test_without_a_license_the_page_says_what_to_do(alice: Client, app: Flask, cast: Cast) -> None:
    def release() -> None:
        for each in db.session.get_one(Organization, cast.organization_id).licenses:
            each.key.release(COMMAND, now())

    edit(app, release)
    page = page_of(alice)
    assert page.find(string="No licenses yet")
    assert page.select_one("main a[href='/admin/products']")


@pytest.mark.on_sqlite
def test_who_is_alone_is_told_to_invite(client_for: ClientFor, cast: Cast) -> None:
    page = page_of(client_for("mallory"))
    assert boxes(section(page, cast.license["other"])) == {"Mallory Example": "free"}
    assert page.select_one("main .msg a[href='/admin/users']")


@pytest.mark.on_sqlite
@pytest.mark.parametrize("query", ["", "?only=1", "?q=bob", "?after=1"])
def test_the_page_takes_at_most_eight_statements(app: Flask, cast: Cast, client_for: ClientFor, query: str) -> None:
    crowd(app, cast, 60)
    client = client_for("alice")
    client.get(HOME)
    with app.app_context():
        engine = db.engine
    seen: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    page_of(client, query)
    event.remove(engine, "before_cursor_execute", note)
    assert 3 <= len(seen) <= 8


# ── one member, and long lists ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.on_sqlite
def test_one_member_has_a_box_per_license(alice: Client, cast: Cast) -> None:
    page = page_of(alice, f"?member={cast.bob.member_id}")
    assert "Permissions of Bob Example" in page.get_text()
    assert boxes(section(page, cast.license["annual"])) == {"Bob Example": "ticked"}
    assert boxes(section(page, cast.license["expired"])) == {}
    answer = alice.swap(path(cast.license["cloud"], cast.bob.member_id, "give"), member=cast.bob.member_id)
    assert boxes(section(answer, cast.license["cloud"])) == {"Bob Example": "ticked"}


def test_who_is_enabled_again_is_offered_what_still_fits(alice: Client, app: Flask, cast: Cast) -> None:
    def enable() -> None:
        organization = Organization.locked(db.session, cast.organization_id)
        organization.member(cast.dora.member_id or 0).enable(cast.alice.actor, now())

    assert "Restore" not in alice.get(f"{HOME}?member={cast.dora.member_id}").text
    edit(app, enable)
    page = page_of(alice, f"?member={cast.dora.member_id}")
    form = page.find("form", action=f"/admin/users/{cast.dora.member_id}/restore")
    assert isinstance(form, Tag)
    assert "still free: Draft Pro PERPETUAL" in words(form)
    edit(app, lambda: key_of(cast.license["perpetual"]).extend(COMMAND, now(), seats=0))
    page = page_of(alice, f"?member={cast.dora.member_id}")
    assert "not free now: Draft Pro PERPETUAL" in words(page)
    assert page.find("button", string="Restore") is None


@pytest.mark.on_sqlite
def test_a_search_lists_whom_it_finds(alice: Client, cast: Cast) -> None:
    assert boxes(section(page_of(alice, "?q=CAR"), cast.license["annual"])) == {"Carol Example": "free"}
    assert "No enabled user matches “nobody%”." in page_of(alice, "?q=nobody%25").get_text()


def test_two_hundred_people_come_in_pages_each_once(alice: Client, app: Flask, cast: Cast) -> None:
    crowd(app, cast, 200)
    seen: list[str] = []
    address: str | None = ""
    while address is not None:
        page = page_of(alice, address)
        seen += boxes(section(page, cast.license["annual"]))
        following = page.find("a", string="Next users")
        address = str(following["href"]).removeprefix(HOME) if isinstance(following, Tag) else None
    assert len(seen) == len(set(seen)) == 203


def test_only_ticked_lists_ticks_and_keeps_the_box_that_was_just_emptied(alice: Client, app: Flask, cast: Cast) -> None:
    crowd(app, cast, 10)
    annual = cast.license["annual"]
    assert boxes(section(page_of(alice, "?only=1"), annual)) == {"Bob Example": "ticked"}
    answer = alice.swap(path(annual, cast.bob.member_id, "take"), only="1")
    assert boxes(section(answer, annual)) == {"Bob Example": "free"}


@pytest.mark.on_sqlite
def test_a_name_is_text(alice: Client, app: Flask, cast: Cast) -> None:
    def rename() -> None:
        db.session.get_one(Account, cast.bob.account_id).name = '<b hx-get="/x">=cmd()</b>'

    edit(app, rename)
    answer = alice.swap(path(cast.license["annual"], cast.bob.member_id, "take"))
    assert "<b hx-get" not in answer.text
    assert '<b hx-get="/x">=cmd()</b>' in boxes(section(answer, cast.license["annual"]))


# ── who may ──────────────────────────────────────────────────────────────────────────────────────────────────────────

ACTIONS = ["give", "take", "move"]


@pytest.mark.on_sqlite
@pytest.mark.parametrize(("name", "status"), [("bob", 403), ("dora", 403), ("dave", 404), ("erin", 404), ("otto", 404)])
def test_only_leaders_come_in(client_for: ClientFor, app: Flask, cast: Cast, name: str, status: int) -> None:
    client, annual = client_for(name), cast.license["annual"]
    assert client.get(HOME).status_code == status
    assert client.get(f"{HOME}?member={cast.bob.member_id}").status_code == status
    assert client.send(f"{HOME}/{annual}", had="", tick=str(cast.carol.member_id)).status_code == status
    for action in ACTIONS:
        assert client.send(path(annual, cast.carol.member_id, action)).status_code == status
        assert client.swap(path(annual, cast.carol.member_id, action)).status_code == status
    with app.app_context():
        assert held(db.session, annual) == {cast.bob.member_id}


@pytest.mark.on_sqlite
def test_who_may_not_is_told_whom_to_ask(client_for: ClientFor, cast: Cast) -> None:
    text = client_for("bob").get(HOME).text
    assert "Alice Example or Carol Example can do this." in text


@pytest.mark.on_sqlite
def test_what_is_another_organizations_does_not_exist(client_for: ClientFor, app: Flask, cast: Cast) -> None:
    mallory, annual, other = client_for("mallory"), cast.license["annual"], cast.license["other"]
    assert mallory.get(f"{HOME}?member={cast.bob.member_id}").status_code == 404
    assert mallory.get(path(annual, cast.bob.member_id, "move")).status_code == 404
    assert mallory.send(f"{HOME}/{annual}", had="", tick=str(cast.mallory.member_id)).status_code == 404
    for action in ACTIONS:
        assert mallory.swap(path(annual, cast.bob.member_id, action)).status_code == 404
        assert mallory.swap(path(other, cast.bob.member_id, action)).status_code == 404
        assert mallory.swap(path(annual, cast.mallory.member_id, action)).status_code == 404
    with app.app_context():
        assert held(db.session, annual) == {cast.bob.member_id}
        assert held(db.session, other) == set()


@pytest.mark.on_sqlite
def test_a_page_begins_after_nobody_of_another_organization(alice: Client, cast: Cast) -> None:
    page = page_of(alice, f"?after={cast.mallory.member_id}")
    assert page.find(string=re.compile("Alice Example")) is not None
    assert page.find(id=f"license-{cast.license['annual']}") is None


@pytest.mark.on_sqlite
def test_a_tick_without_the_token_is_refused(alice: Client, app: Flask, cast: Cast) -> None:
    assert alice.post(path(cast.license["annual"], cast.carol.member_id, "give")).status_code == 400
    with app.app_context():
        assert held(db.session, cast.license["annual"]) == {cast.bob.member_id}


@pytest.mark.on_sqlite
def test_a_lost_session_is_led_to_sign_in(anonymous: Client, cast: Cast) -> None:
    answer = anonymous.swap(path(cast.license["annual"], cast.bob.member_id, "take"))
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"].startswith("/login")
    assert answer.text == ""
