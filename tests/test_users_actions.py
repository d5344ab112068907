"""Row actions on the Users page, by htmx and by plain forms: allowed, refused, repeated, raced."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlencode, urlsplit

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import invitation_links
from core.dates import now
from models import License, Permission, PermissionKey
from tests.cast import Cast
from tests.clients import said
from tests.users_page import USERS, ClientFor, act, actions, base_url, cells, letters, member, row_of

# ── disable, enable, restore ─────────────────────────────────────────────────────────────────────────────────────────


def test_disabling_frees_the_seat_and_says_so(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    response = client_for("alice").swap(act(cast.bob, "disable"))
    assert said(response) == ["Bob Example is disabled. 1 seat is free again."]
    assert cells(response.text, cast.bob)[2:4] == ["Disabled Had 1 permission", "No licenses"]
    assert on_app.get_one(License, cast.license["annual"]).reserved == 0
    assert letters(on_app)[-1] == ("disabled", cast.bob.email)


def test_disabling_twice_is_disabling_once(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    alice = client_for("alice")
    alice.swap(act(cast.bob, "disable"))
    again = alice.swap(act(cast.bob, "disable"))
    assert (again.status_code, said(again)) == (200, ["Bob Example is disabled."])
    assert actions(on_app, cast).count("member.disable") == 2  # dora's of before, and bob's
    assert [kind for kind, _to in letters(on_app)] == ["disabled"]


@pytest.mark.on_sqlite
def test_a_plain_form_is_led_back_to_where_it_was_sent(client_for: ClientFor, cast: Cast) -> None:
    alice = client_for("alice")
    part = f"{USERS}?q=example&state=enabled&after={cast.alice.member_id}&before=50"
    url = f"{base_url(alice)}{part}&next=//evil.example"
    response = alice.post(act(cast.bob, "disable"), data={"csrf_token": alice.token}, headers={"Referer": url})
    assert (response.status_code, response.location) == (303, f"{part}#member-{cast.bob.member_id}")
    assert "Bob Example is disabled. 1 seat is free again." in alice.get(response.location).text


@pytest.mark.on_sqlite
def test_a_referer_of_elsewhere_leads_to_the_list(client_for: ClientFor, cast: Cast) -> None:
    alice = client_for("alice")
    for url in ("https://evil.example/admin", "https://evil.example/admin/users?q=<b>", "//x", "\\"):
        response = alice.post(act(cast.bob, "disable"), data={"csrf_token": alice.token}, headers={"Referer": url})
        assert urlsplit(response.location)[:3] == ("", "", USERS)


@pytest.mark.on_sqlite
def test_a_question_keeps_what_was_looked_at(client_for: ClientFor, cast: Cast) -> None:
    alice, part = client_for("alice"), {"q": "bob", "state": "enabled", "after": "1", "before": "50"}
    url = f"{base_url(alice)}{USERS}?{urlencode(part)}&next=//evil.example"
    page = alice.get(act(cast.bob, "remove"), headers={"Referer": url}).text
    assert dict(re.findall(r'<input type="hidden" form="ask-form" name="(\w+)" value="([^"]*)">', page)) == part
    response = alice.send(act(cast.bob, "remove"), **part, next="//evil.example")
    assert response.location == f"{USERS}?{urlencode(part)}#member-{cast.bob.member_id}"


@pytest.mark.on_sqlite
def test_a_page_whose_last_row_has_gone_is_the_first_one(client_for: ClientFor, cast: Cast) -> None:
    page = client_for("alice").get(f"{USERS}?after={cast.dora.member_id}&before=5").text
    assert row_of(page, cast.alice)


def test_the_co_administrator_is_disabled_without_the_role(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    alice = client_for("alice")
    assert cells(alice.swap(act(cast.carol, "disable")).text, cast.carol)[1] == "Member"
    assert cells(alice.swap(act(cast.carol, "enable")).text, cast.carol)[1:3] == ["Member", "Enabled"]
    assert client_for("carol").get(USERS).status_code == 403


@pytest.mark.parametrize(
    ("who", "whom", "sentence"),
    [
        ("alice", "alice", "You cannot disable yourself."),
        ("carol", "carol", "You cannot disable yourself."),
        ("carol", "alice", "The administrator cannot be disabled."),
        ("alice", "dave", "This person has not confirmed the invitation. Withdraw it instead."),
    ],
)
def test_who_cannot_be_disabled_is_not(
    client_for: ClientFor, cast: Cast, on_app: Session, who: str, whom: str, sentence: str
) -> None:
    client, player, before = client_for(who), cast.player(whom), actions(on_app, cast)
    plain, swapped = client.send(act(player, "disable")), client.swap(act(player, "disable"))
    assert (plain.status_code, swapped.status_code) == (409, 409)
    assert sentence in plain.text
    assert said(swapped) == [sentence]
    assert row_of(swapped.text, player)  # the fresh row, not an error's page
    assert actions(on_app, cast) == before


def test_enabling_gives_nothing_but_offers_what_fits(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    response = client_for("alice").swap(act(cast.dora, "enable"))
    assert cells(response.text, cast.dora)[2:4] == ["Enabled", "No licenses Restore (1 of 1 still free)"]
    assert on_app.get_one(License, cast.license["perpetual"]).reserved == 0
    assert letters(on_app)[-1] == ("enabled", cast.dora.email)


def test_what_is_restored_counts_again(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    alice = client_for("alice")
    alice.swap(act(cast.dora, "enable"))
    response = alice.swap(act(cast.dora, "restore"))
    assert said(response) == ["1 permission is back."]
    assert cells(response.text, cast.dora)[3] == "1 license"
    assert on_app.get_one(License, cast.license["perpetual"]).reserved == 1


def test_restoring_names_what_did_not_fit(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    alice = client_for("alice")
    alice.swap(act(cast.dora, "enable"))
    key = on_app.get_one(License, cast.license["perpetual"]).key
    on_app.get_one(PermissionKey, key.id).revoked_at = cast.now
    on_app.commit()
    assert said(alice.swap(act(cast.dora, "restore"))) == [
        "0 permissions are back. Draft Pro PERPETUAL: This license was withdrawn by the vendor."
    ]


@pytest.mark.on_sqlite
def test_whoever_is_disabled_gets_nothing_back(client_for: ClientFor, cast: Cast) -> None:
    assert client_for("alice").swap(act(cast.dora, "restore")).status_code == 409


# ── remove ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.on_sqlite
def test_removing_asks_with_its_consequences(client_for: ClientFor, cast: Cast) -> None:
    page = client_for("alice").get(act(cast.bob, "remove")).text
    assert "Remove Bob Example?" in page
    assert "1 permission is taken back, and 1 seat becomes free." in page


def test_whoever_is_removed_is_gone_and_free(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    alice = client_for("alice")
    response = alice.swap(act(cast.bob, "remove"))
    assert (response.status_code, response.text.strip()) == (200, "")
    assert said(response) == ["Bob Example is removed. 1 seat is free again."]
    assert on_app.get_one(License, cast.license["annual"]).reserved == 0
    assert letters(on_app)[-1] == ("removed", cast.bob.email)
    assert alice.swap(act(cast.bob, "remove")).status_code == 404
    assert "invited" in alice.swap(USERS, emails=cast.bob.email).text


@pytest.mark.parametrize(
    ("who", "whom"), [("alice", "alice"), ("carol", "carol"), ("carol", "alice"), ("alice", "dave")]
)
def test_who_cannot_be_removed_is_not(client_for: ClientFor, cast: Cast, on_app: Session, who: str, whom: str) -> None:
    player = cast.player(whom)
    assert client_for(who).swap(act(player, "remove")).status_code == 409
    assert member(on_app, player).ended_at is None


@pytest.mark.on_sqlite
def test_an_action_on_somebody_who_just_left_changes_nothing_on_the_page(
    client_for: ClientFor, cast: Cast, on_app: Session
) -> None:
    row = member(on_app, cast.bob)
    row.ended_at, row.ended_reason = cast.now, "left"
    on_app.commit()
    response = client_for("alice").swap(act(cast.bob, "disable"))
    assert (response.status_code, response.headers["HX-Reswap"]) == (404, "none")
    assert said(response) == ["This person is not in the list any more."]


def test_permissions_of_a_removed_person_are_gone(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    client_for("alice").send(act(cast.dora, "remove"))
    on_app.rollback()
    held = select(func.count()).select_from(Permission).where(Permission.member_id == cast.dora.member_id)
    assert on_app.scalar(held) == 0


# ── resend, withdraw, link ───────────────────────────────────────────────────────────────────────────────────────────


def test_resending_makes_a_new_link_and_a_letter(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    old = member(on_app, cast.dave).nonce
    response = client_for("alice").swap(act(cast.dave, "resend"))
    assert cells(response.text, cast.dave)[2].startswith("Pending")
    assert member(on_app, cast.dave).nonce not in (old, None)
    assert letters(on_app) == [("invitation", cast.dave.email)]


@pytest.mark.on_sqlite
def test_an_address_gets_a_few_letters_a_day(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    alice = client_for("alice")
    statuses = [alice.swap(act(cast.dave, "resend")).status_code for _ in range(6)]
    assert statuses == [200] * 5 + [429]
    assert "Not invited." in alice.swap(USERS, emails=cast.dave.email).text
    assert len(letters(on_app)) == 5


def test_a_withdrawn_invitation_leaves_the_list(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    alice = client_for("alice")
    assert "Withdraw the invitation of dave@example.com?" in alice.get(act(cast.dave, "withdraw")).text
    response = alice.swap(act(cast.dave, "withdraw"))
    assert (response.status_code, response.text.strip()) == (200, "")
    assert member(on_app, cast.dave).ended_reason == "withdrawn"
    assert letters(on_app) == []


@pytest.mark.on_sqlite
@pytest.mark.parametrize("action", ["resend", "withdraw", "link"])
def test_whoever_has_confirmed_cannot_be_asked_again(client_for: ClientFor, cast: Cast, action: str) -> None:
    alice = client_for("alice")
    response = alice.swap(act(cast.bob, action))
    assert (response.status_code, said(response)) == (409, ["This invitation was answered meanwhile."])
    assert alice.send(act(cast.bob, action)).status_code == 409


@pytest.mark.on_sqlite
def test_a_copied_link_is_told_by_post_and_recorded(
    app: Flask, client_for: ClientFor, cast: Cast, on_app: Session
) -> None:
    alice = client_for("alice")
    page, fragment = alice.send(act(cast.dave, "link")), alice.swap(act(cast.dave, "link"))
    token = re.search(r'value="[^"]+/invitations/([^"]+)"', fragment.text)
    assert token
    with app.app_context():
        opened = invitation_links.opened(token[1])
    assert opened
    assert (opened.member_id, opened.is_mailed) == (cast.dave.member_id, False)
    assert "<!doctype" in page.text
    assert "<!doctype" not in fragment.text
    assert page.headers["Cache-Control"] == "no-store"
    assert actions(on_app, cast)[-2:] == ["member.link"] * 2


@pytest.mark.on_sqlite
def test_a_link_that_expired_is_not_copied(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    member(on_app, cast.dave).invited_at = now() - timedelta(days=15)
    on_app.commit()
    response = client_for("alice").swap(act(cast.dave, "link"))
    assert (response.status_code, response.headers["HX-Reswap"]) == (409, "none")
