"""Permissions: ticks one by one or all together, the last seat, moves, long lists, and who may not."""

from __future__ import annotations

import re
from collections.abc import Callable
from threading import Barrier, Thread
from typing import Any

import pytest
from bs4 import BeautifulSoup, Tag
from flask import Flask
from sqlalchemy import event, select
from werkzeug.test import TestResponse

from core import addresses
from core.activity import COMMAND, Activity
from core.dates import now
from core.db import db
from models import Account, License, Member, Organization, Permission, PermissionKey
from tests.cast import HASH, Cast
from tests.clients import Client, said

ClientFor = Callable[[str], Client]
HOME = "/admin/permissions"


@pytest.fixture
def alice(client_for: ClientFor) -> Client:
    """The administrator's browser."""
    return client_for("alice")


def page_of(client: Client, query: str = "") -> BeautifulSoup:
    response = client.get(HOME + query)
    assert response.status_code == 200
    return BeautifulSoup(response.text, "html.parser")


def section(page: BeautifulSoup | TestResponse, license_id: int) -> Tag:
    soup = page if isinstance(page, BeautifulSoup) else BeautifulSoup(page.text, "html.parser")
    found = soup.find(id=f"license-{license_id}")
    assert isinstance(found, Tag)
    return found


def name_of(part: Tag) -> str:
    """The accessible name of a section."""
    labels = [part.find(id=each) for each in str(part["aria-labelledby"]).split()]
    return " ".join(each.get_text() for each in labels if each)


def boxes(part: Tag) -> dict[str, str]:
    """Each listed name: ticked, free, or closed."""
    found = {}
    for box in part.select("input[type=checkbox]"):
        label = box.find_parent("label")
        assert label
        name = str(box.get("aria-label") or label.get_text(strip=True))
        found[name] = "ticked" if box.has_attr("checked") else "closed" if box.has_attr("disabled") else "free"
    return found


def words(part: Tag) -> str:
    return " ".join(part.get_text(" ").split())


def path(license_id: int, member_id: int | None, action: str) -> str:
    return f"{HOME}/{license_id}/{member_id}/{action}"


def held(session: Any, license_id: int) -> set[int]:
    """The members who have an active permission, and the stored count says so too."""
    query = select(Permission.member_id).where(Permission.license_id == license_id, Permission.suspended_at.is_(None))
    found = set(session.scalars(query))
    assert session.scalar(select(License.reserved).where(License.id == license_id)) == len(found)
    return found


def edit(app: Flask, change: Callable[[], object]) -> None:
    with app.app_context():
        change()
        db.session.commit()


def key_of(license_id: int) -> PermissionKey:
    return db.session.get_one(License, license_id).key


def crowd(app: Flask, cast: Cast, number: int) -> list[int]:
    """Many more enabled members; returns their ids in the order of their addresses."""

    def join() -> None:
        for n in range(number):
            email = f"crowd{n:03}@example.com"
            account = Account(email=email, email_key=addresses.key(email), name=f"Crowd {n:03}", password=HASH,
                              fs_uniquifier=f"crowd{n}", created_at=now(), confirmed_at=now())  # fmt: skip
            db.session.add(account)
            db.session.flush()
            db.session.add(
                Member(organization_id=cast.organization_id, account_id=account.id, email=email, role="member",
                       email_key=addresses.key(email), invited_at=now(), confirmed_at=now())
            )  # fmt: skip

    edit(app, join)
    with app.app_context():
        query = select(Member.id).where(Member.email.startswith("crowd")).order_by(Member.email_key)
        return list(db.session.scalars(query))


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
    assert alice.swap(path(perpetual, cast.bob.member_id, "move")).status_code == 409
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


# ── one member, and long lists ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.on_sqlite
def test_one_member_has_a_box_per_license(alice: Client, cast: Cast) -> None:
    page = page_of(alice, f"?member={cast.bob.member_id}")
    assert "Permissions of Bob Example" in page.get_text()
    assert boxes(section(page, cast.license["annual"])) == {"Bob Example": "ticked"}
    assert boxes(section(page, cast.license["expired"])) == {"Bob Example": "closed"}
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
