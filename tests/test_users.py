"""Users: what the list shows, and to whom."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from core.db import db
from core.lists import roster_page
from core.mailing.outbox import Outbox
from models import Account
from tests.cast import Cast, Player
from tests.clients import HTMX, Client
from tests.users_page import ASKS, POSTS, USERS, ClientFor, act, actions, base_url, cells, member, row_of

# ── the list ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_rows_begin_role_and_state_with_the_word(client_for: ClientFor, cast: Cast) -> None:
    page = client_for("alice").get(USERS).text
    assert cells(page, cast.alice)[1:4] == ["Administrator", "Enabled", "No licenses"]
    assert cells(page, cast.carol)[1:4] == ["Co-administrator", "Enabled", "1 license"]
    assert cells(page, cast.bob)[1:4] == ["Member", "Enabled", "1 license"]
    assert cells(page, cast.dora)[1:4] == ["Member", "Disabled Had 1 permission", "No licenses"]
    assert cells(page, cast.dave)[1].startswith("Member")
    assert cells(page, cast.dave)[2].startswith("Pending")


@pytest.mark.on_sqlite
def test_the_heading_carries_the_number_and_tabs_the_states(client_for: ClientFor, cast: Cast) -> None:
    page = client_for("alice").get(USERS).text
    assert "5 people." in page
    assert re.findall(r"(All|Enabled|Pending|Disabled) <span>(\d+)</span>", page) == [
        ("All", "5"), ("Enabled", "3"), ("Pending", "1"), ("Disabled", "1")
    ]  # fmt: skip


@pytest.mark.on_sqlite
def test_counts_follow_every_change(client_for: ClientFor, cast: Cast) -> None:
    alice = client_for("alice")
    alice.get(USERS)
    alice.swap(act(cast.bob, "disable"))
    assert "Disabled <span>2</span>" in alice.get(f"{USERS}/counts").text
    alice.swap(act(cast.bob, "remove"))
    assert "4 people." in alice.get(USERS).text


@pytest.mark.on_sqlite
def test_search_and_state_are_in_the_address(client_for: ClientFor, cast: Cast) -> None:
    alice = client_for("alice")
    page = alice.get(f"{USERS}?q=example.com&state=disabled").text
    assert "1 person found." in page
    assert row_of(page, cast.dora)
    assert "member-" + str(cast.bob.member_id) not in page
    assert "Nobody found" in alice.get(f"{USERS}?q=nobody").text


@pytest.mark.on_sqlite
@pytest.mark.parametrize(
    "query", ["state=gone", "after=x", "after=99999999999999999999", "before=-1", "q=%00", "q=" + "x" * 5000]
)
def test_what_makes_no_sense_in_an_address_is_left_out(client_for: ClientFor, cast: Cast, query: str) -> None:
    assert client_for("alice").get(f"{USERS}?{query}").status_code == 200


@pytest.mark.on_sqlite
def test_buttons_stand_only_where_the_action_is_possible(client_for: ClientFor, cast: Cast) -> None:
    def buttons(page: str, player: Player) -> set[str]:
        return set(re.findall(rf'formaction="/admin/users/{player.member_id}/([a-z-]+)"', row_of(page, player)))

    page = client_for("alice").get(USERS).text
    assert buttons(page, cast.alice) == set()
    assert buttons(page, cast.carol) == {"disable", "member", "remove"}
    assert buttons(page, cast.bob) == {"disable", "co-admin", "remove"}
    assert buttons(page, cast.dora) == {"enable", "remove"}
    assert buttons(page, cast.dave) == {"resend", "link", "withdraw"}
    page = client_for("carol").get(USERS).text
    assert buttons(page, cast.carol) == {"member"}
    assert "Cannot be disabled or removed" in row_of(page, cast.alice)


@pytest.mark.on_sqlite
def test_names_are_text_wherever_they_stand(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    on_app.get_one(Account, cast.bob.account_id).name = '<img src=x onerror="alert(1)">=cmd()'
    on_app.commit()
    alice = client_for("alice")
    for path in (USERS, act(cast.bob, "remove"), act(cast.bob, "co-admin")):
        page = alice.get(path).text
        assert "<img" not in page
        assert "&lt;img" in page


@pytest.mark.on_sqlite
def test_the_mail_that_failed_says_why(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    alice = client_for("alice")
    alice.swap(act(cast.dave, "resend"))
    letter = on_app.scalars(select(Outbox).where(Outbox.member_id == cast.dave.member_id)).one()
    letter.failed_at, letter.failed_reason, letter.next_try_at = cast.now, "552 5.2.2 Mailbox full", None
    letter.tries = 1
    on_app.commit()
    assert "Not sent: mailbox full" in cells(alice.get(USERS).text, cast.dave)[2]


@pytest.mark.on_sqlite
def test_an_expired_link_says_since_when(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    member(on_app, cast.dave).invited_at = cast.now - timedelta(days=15)
    on_app.commit()
    page = client_for("alice").get(USERS).text
    assert re.match(r"Pending Link expired \d", cells(page, cast.dave)[2])
    assert f"{cast.dave.member_id}/link" not in page


@pytest.mark.on_sqlite
def test_a_blocked_person_is_marked(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    on_app.get_one(Account, cast.bob.account_id).blocked_at = cast.now
    on_app.commit()
    assert cells(client_for("alice").get(USERS).text, cast.bob)[2] == "Enabled Blocked by the vendor"


@pytest.mark.on_sqlite
def test_fifty_stand_on_a_page_and_a_link_leads_on(client_for: ClientFor, cast: Cast) -> None:
    alice = client_for("alice")
    alice.send(USERS, emails=";".join(f"p{n:02}@crowd.example" for n in range(60)))
    page = alice.get(USERS).text
    assert (page.count('<tr role="row" class="rec"'), "50 of 65 shown" in page) == (50, True)
    more = re.search(r'href="([^"]+after=[^"]+)"', page)
    assert more
    rest = alice.get(more[1].replace("&amp;", "&")).text
    assert (rest.count('<tr role="row" class="rec"'), "51–65 of 65" in rest) == (15, True)


@pytest.mark.on_sqlite
def test_whoever_is_alone_sees_three_steps(client_for: ClientFor, cast: Cast) -> None:
    page = client_for("mallory").get(USERS).text
    assert "You are the only one here so far." in page
    assert "2 seats in 1 license are ready." in page
    assert "Nobody invited yet" in page


@pytest.mark.on_sqlite
def test_a_page_takes_six_statements_and_no_more_for_more_people(
    client_for: ClientFor, cast: Cast, statements: list[str]
) -> None:
    alice = client_for("alice")
    alice.get(USERS)
    statements.clear()
    alice.get(USERS)
    few = len(statements)
    alice.send(USERS, emails=";".join(f"p{n:02}@crowd.example" for n in range(100)))
    statements.clear()
    alice.get(USERS)
    assert len(statements) <= 6
    statements.clear()
    alice.get(USERS)
    assert len(statements) == few <= 5  # the counts are remembered


@pytest.fixture
def statements(app: Flask) -> Iterator[list[str]]:
    """What is asked of the database."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    yield asked
    event.remove(engine, "before_cursor_execute", note)


# ── who may ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.on_sqlite
@pytest.mark.parametrize("action", POSTS)
def test_members_of_other_organizations_do_not_exist(client_for: ClientFor, cast: Cast, action: str) -> None:
    mallory = client_for("mallory")
    for player in (cast.bob, cast.dave, cast.dora):
        assert mallory.send(act(player, action)).status_code == 404
        assert mallory.swap(act(player, action)).status_code == 404


@pytest.mark.on_sqlite
@pytest.mark.parametrize("action", ASKS)
def test_questions_about_members_of_others_do_not_exist(client_for: ClientFor, cast: Cast, action: str) -> None:
    assert client_for("mallory").get(act(cast.bob, action)).status_code == 404


@pytest.mark.on_sqlite
@pytest.mark.parametrize(("name", "status"), [("bob", 403), ("dora", 403), ("dave", 404), ("erin", 404), ("otto", 404)])
def test_only_who_administers_comes_in(client_for: ClientFor, cast: Cast, name: str, status: int) -> None:
    client = client_for(name)
    for path in (USERS, f"{USERS}/counts", act(cast.carol, "remove")):
        assert client.get(path).status_code == status
    for path in (USERS, *(act(cast.carol, action) for action in POSTS)):
        assert client.send(path, emails="new@example.com").status_code == status


@pytest.mark.on_sqlite
def test_who_may_not_is_told_whom_to_ask_and_changes_nothing(
    client_for: ClientFor, cast: Cast, on_app: Session
) -> None:
    before = actions(on_app, cast)
    response = client_for("bob").send(act(cast.carol, "disable"))
    assert "Alice Example or Carol Example can do this." in response.text
    assert actions(on_app, cast) == before


@pytest.mark.on_sqlite
def test_without_a_token_nothing_happens(client_for: ClientFor, cast: Cast) -> None:
    alice = client_for("alice")
    for path in (USERS, *(act(cast.bob, action) for action in POSTS)):
        assert alice.post(path).status_code == 400
        assert alice.post(path, headers=HTMX).status_code == 400


@pytest.mark.on_sqlite
def test_a_lost_session_leads_htmx_to_sign_in_and_back(anonymous: Client, cast: Cast) -> None:
    response = anonymous.post(
        act(cast.bob, "disable"), headers={**HTMX, "HX-Current-URL": f"{base_url(anonymous)}{USERS}?q=bob"}
    )
    assert response.status_code == 401
    assert response.headers["HX-Redirect"].startswith("/login?next=/admin/users")


@pytest.mark.on_sqlite
def test_nothing_changes_by_get(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    alice, before = client_for("alice"), actions(on_app, cast)
    for action in POSTS:
        assert alice.get(act(cast.bob, action)).status_code == (200 if action in ASKS else 405)
    assert actions(on_app, cast) == before


def test_the_list_a_page_was_on_is_read_from_its_address() -> None:
    assert (
        roster_page.address(roster_page.wanted({"q": " a  b ", "state": "pending"})) == f"{USERS}?q=a+b&state=pending"
    )
