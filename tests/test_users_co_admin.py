"""The one co-administrator, as the Users page appoints, replaces and releases."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from models import Member
from tests.at_once import at_once
from tests.cast import Cast, Player
from tests.clients import Client, said
from tests.users_page import USERS, ClientFor, act, actions, cells, letters, member

# ── co-administrator ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.on_sqlite
def test_the_question_names_both_and_carries_whom_it_replaces(client_for: ClientFor, cast: Cast) -> None:
    page = client_for("alice").get(act(cast.bob, "co-admin")).text
    assert "Make Bob Example co-administrator instead of Carol Example?" in page
    assert f'name="replaces" value="{cast.carol.member_id}"' in page
    assert "Carol Example stays enabled and keeps 1 license." in page


@pytest.mark.parametrize("who", ["alice", "carol"])
def test_another_co_administrator_replaces_the_first(
    client_for: ClientFor, cast: Cast, on_app: Session, who: str
) -> None:
    response = client_for(who).swap(act(cast.bob, "co-admin"), replaces=str(cast.carol.member_id))
    assert said(response) == ["Bob Example is co-administrator now. Carol Example is a member now."]
    assert 'id="table"' in response.text
    assert cells(response.text, cast.bob)[1] == "Co-administrator"
    assert cells(response.text, cast.carol)[1:3] == ["Member", "Enabled"]
    assert letters(on_app)[-2:] == [("co-admin", cast.bob.email), ("no-longer-co-admin", cast.carol.email)]


def test_the_first_co_administrator_replaces_nobody(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    alice = client_for("alice")
    assert alice.send(act(cast.carol, "member")).status_code == 303
    assert "instead of" not in alice.get(act(cast.bob, "co-admin")).text
    assert alice.send(act(cast.bob, "co-admin"), replaces="").status_code == 303
    assert member(on_app, cast.bob).role == "co-administrator"


@pytest.mark.parametrize("replaces", ["", "999", "5"])
def test_a_form_that_names_somebody_else_gets_the_fresh_table(
    client_for: ClientFor, cast: Cast, on_app: Session, replaces: str
) -> None:
    alice = client_for("alice")
    response = alice.swap(act(cast.bob, "co-admin"), replaces=replaces)
    assert (response.status_code, said(response)) == (409, ["Carol Example is co-administrator meanwhile."])
    assert cells(response.text, cast.carol)[1] == "Co-administrator"
    plain = alice.send(act(cast.bob, "co-admin"), replaces=replaces)
    assert plain.status_code == 409
    assert "Carol Example is co-administrator meanwhile." in plain.text
    assert cells(plain.text, cast.carol)[1] == "Co-administrator"
    assert member(on_app, cast.bob).role == "member"


@pytest.mark.on_sqlite
def test_a_form_with_nonsense_is_refused(client_for: ClientFor, cast: Cast) -> None:
    assert client_for("alice").send(act(cast.bob, "co-admin"), replaces="x").status_code == 422


@pytest.mark.parametrize("name", ["alice", "dora", "dave"])
def test_only_an_enabled_other_can_be_co_administrator(
    client_for: ClientFor, cast: Cast, on_app: Session, name: str
) -> None:
    player, role = cast.player(name), member(on_app, cast.player(name)).role
    response = client_for("alice").send(act(player, "co-admin"), replaces=str(cast.carol.member_id))
    assert response.status_code == 409
    assert member(on_app, player).role == role
    assert member(on_app, cast.carol).role == "co-administrator"


def test_of_two_at_once_one_is_co_administrator(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    alice, also = client_for("alice"), client_for("alice")
    alice.swap(act(cast.dora, "enable"))
    alice.token, also.token  # noqa: B018  # read before the race

    def appoint(client: Client, player: Player) -> TestResponse:
        return client.swap(act(player, "co-admin"), replaces=str(cast.carol.member_id))

    answers = at_once(lambda: appoint(alice, cast.bob), lambda: appoint(also, cast.dora))
    assert sorted(each.status_code for each in answers) == [200, 409]
    on_app.rollback()
    holders = select(func.count()).where(Member.role == "co-administrator")
    assert on_app.scalar(holders) == 1


def test_the_role_is_taken_back_once(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    alice = client_for("alice")
    response = alice.swap(act(cast.carol, "member"))
    assert (said(response), cells(response.text, cast.carol)[1]) == (
        ["Carol Example is no longer co-administrator."], "Member"
    )  # fmt: skip
    alice.swap(act(cast.carol, "member"))
    assert actions(on_app, cast).count("member.member") == 1
    assert [kind for kind, _to in letters(on_app)] == ["no-longer-co-admin"]


@pytest.mark.on_sqlite
def test_whoever_gives_the_role_up_leaves_admin_space(client_for: ClientFor, cast: Cast) -> None:
    carol = client_for("carol")
    assert "Admin Space is closed to you at once." in carol.get(act(cast.carol, "member")).text
    response = carol.swap(act(cast.carol, "member"))
    assert (response.status_code, response.headers["HX-Redirect"]) == (200, "/organization")
    assert carol.get(USERS).status_code == 403


@pytest.mark.on_sqlite
def test_the_administrator_stays_one(client_for: ClientFor, cast: Cast) -> None:
    for who in ("alice", "carol"):
        assert client_for(who).send(act(cast.alice, "member")).status_code == 409
