"""Outgoing mail: what the operator sees of letters, and that no secret link is among it."""

from __future__ import annotations

import html
from collections.abc import Callable

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from core import mail
from core.dates import now
from core.db import db
from core.mailing import outbox
from core.mailing.outbox import Outbox
from models import Account, Member
from tests.browser import faults
from tests.cast import Cast
from tests.clients import Client, said
from tests.smtp import Mailbox

pytestmark = pytest.mark.on_sqlite

URL = "/operator/mail"
ClientFor = Callable[[str], Client]


@pytest.fixture
def letter(app: Flask, cast: Cast) -> Outbox:
    """An invitation to dave, which waits."""
    with app.app_context():
        row = mail.invitation(db.session.get_one(Member, cast.dave.member_id))
        db.session.commit()
        return row


def change(app: Flask, what: Callable[[], object]) -> None:
    with app.app_context():
        what()
        db.session.commit()


def write(app: Flask, cast: Cast, *names: str) -> None:
    def put() -> None:
        for name in names:
            mail.blocked(db.session.get_one(Account, cast.player(name).account_id))

    change(app, put)


def refuse(app: Flask, row: Outbox, words: str) -> None:
    change(app, lambda: outbox.note_failed(db.session, row, words, now(), permanently=True))


def state(app: Flask, row: Outbox) -> str:
    with app.app_context():
        return outbox.state_of(db.session.get_one(Outbox, row.id), True)


@pytest.mark.parametrize("name", ["alice", "bob", "erin"])
def test_for_others_there_is_no_such_page(client_for: ClientFor, letter: Outbox, name: str) -> None:
    client = client_for(name)
    assert client.get(URL).status_code == 404
    assert client.get(f"{URL}/{letter.id}").status_code == 404
    assert client.send(f"{URL}/{letter.id}/send").status_code == 404
    assert client.send(f"{URL}/test").status_code == 404


def test_an_empty_outbox_says_what_will_stand_here(client_for: ClientFor) -> None:
    assert "No letter yet" in client_for("otto").get(URL).text


def test_a_letter_that_waits_is_listed(client_for: ClientFor, smtp: Mailbox, letter: Outbox) -> None:
    page = client_for("otto").get(URL).text
    assert "dave<wbr>@example.com" in page
    assert "Invitation to Kestrel Works" in page
    assert "Waiting" in page


def test_a_refused_letter_shows_the_servers_words_escaped(
    client_for: ClientFor, app: Flask, smtp: Mailbox, letter: Outbox
) -> None:
    refuse(app, letter, "552 <b>Mailbox</b> full")
    page = client_for("otto").get(URL).text
    assert "552 &lt;b&gt;Mailbox&lt;/b&gt; full" in page
    assert "Not sent" in page


def test_an_outage_is_said_at_the_top(client_for: ClientFor, app: Flask, smtp: Mailbox, letter: Outbox) -> None:
    words = "connect: Connection refused"
    change(app, lambda: outbox.note_server_away(db.session, letter, words, now(), now()))
    page = client_for("otto").get(URL).text
    assert "127.0.0.1 takes no mail." in page
    assert "1 letter waits." in page
    assert words in page


@pytest.mark.parametrize(
    ("query", "shown"),
    [("", {"bob", "carol", "erin"}), ("?q=caro", {"carol"}), ("?q=CAROL@", {"carol"}), ("?q=%25", set()),
     ("?state=failed", {"bob"}), ("?state=waiting", {"carol", "erin"}), ("?state=sent", set()),
     ("?state=waiting&q=erin", {"erin"}), ("?state=nonsense&after=x", {"bob", "carol", "erin"})],
)  # fmt: skip
def test_letters_are_found_by_address_and_state(
    client_for: ClientFor, app: Flask, cast: Cast, smtp: Mailbox, query: str, shown: set[str]
) -> None:
    write(app, cast, "bob", "carol", "erin")
    with app.app_context():
        first = db.session.get_one(Outbox, 1)
    refuse(app, first, "550 No")
    page = client_for("otto").get(URL + query).text
    assert {name for name in ("bob", "carol", "erin") if f"{name}<wbr>@" in page} == shown


def test_pages_hold_fifty_and_lead_on(client_for: ClientFor, app: Flask, cast: Cast) -> None:
    write(app, cast, *["bob"] * 51, "carol")
    otto = client_for("otto")
    first = otto.get(URL).text
    assert (first.count("bob<wbr>"), first.count("carol<wbr>")) == (49, 1)
    assert f"{URL}?after=3" in first
    second = otto.get(f"{URL}?after=3").text
    assert (second.count("bob<wbr>"), second.count("carol<wbr>")) == (2, 0)
    assert "Show 50 more" not in second


def test_send_again_queues_a_refused_letter_and_answers_its_row(
    client_for: ClientFor, app: Flask, smtp: Mailbox, letter: Outbox
) -> None:
    refuse(app, letter, "552 Mailbox full")
    answer = client_for("otto").swap(f"{URL}/{letter.id}/send")
    assert answer.status_code == 200
    assert answer.text.count("<tr") == 1
    assert "Waiting" in answer.text
    assert said(answer) == ["The letter to dave@example.com is on its way."]
    assert state(app, letter) == "waiting"


def test_send_again_works_as_a_plain_form(client_for: ClientFor, app: Flask, smtp: Mailbox, letter: Outbox) -> None:
    refuse(app, letter, "552 Mailbox full")
    otto = client_for("otto")
    answer = otto.send(f"{URL}/{letter.id}/send")
    assert (answer.status_code, answer.location) == (303, URL)
    assert "is on its way" in otto.get(URL).text


def test_a_letter_that_left_is_not_sent_again(client_for: ClientFor, app: Flask, smtp: Mailbox, letter: Outbox) -> None:
    change(app, lambda: outbox.note_sent(db.session, letter, now()))
    answer = client_for("otto").swap(f"{URL}/{letter.id}/send")
    assert said(answer) == ["Nothing is to be sent."]
    assert state(app, letter) == "sent"


def test_a_letter_is_read_with_its_link_replaced(client_for: ClientFor, smtp: Mailbox, letter: Outbox) -> None:
    page = client_for("otto").get(f"{URL}/{letter.id}").text
    assert "Alice Example invites you to Kestrel Works" in page
    assert "(link)" in page
    assert "/invitations/" not in page
    assert html.escape(letter.message_id) in page


@pytest.mark.on_sqlite
def test_a_letter_that_is_read_breaks_its_lines_where_the_screen_does(client_for: ClientFor, letter: Outbox) -> None:
    page = client_for("otto").get(f"{URL}/{letter.id}").text
    assert "It takes one click and an account for this address; if you have none, you make it on the way.\n" in page


def test_where_letters_are_kept_the_link_can_be_followed(client_for: ClientFor, letter: Outbox, app: Flask) -> None:
    page = client_for("otto").get(f"{URL}/{letter.id}").text
    base_url = app.extensions["settings"].base_url
    assert f'<a href="{base_url}/invitations/' in page
    assert "(link)" not in page


def test_a_kept_letter_that_is_over_has_no_link(client_for: ClientFor, app: Flask, cast: Cast, letter: Outbox) -> None:
    change(app, lambda: db.session.get_one(Member, cast.dave.member_id).withdraw(cast.alice.actor, now()))
    page = client_for("otto").get(f"{URL}/{letter.id}").text
    assert "(link)" in page
    assert "/invitations/" not in page


def test_what_a_letter_was_about_may_be_gone(client_for: ClientFor, app: Flask, letter: Outbox) -> None:
    change(app, lambda: setattr(db.session.get_one(Outbox, letter.id), "member_id", None))
    page = client_for("otto").get(f"{URL}/{letter.id}")
    assert page.status_code == 200
    assert "has been removed" in page.text


def test_names_are_text_in_a_letter_that_is_read(client_for: ClientFor, app: Flask, cast: Cast, letter: Outbox) -> None:
    name = "<img src=x>"
    change(app, lambda: setattr(db.session.get_one(Account, cast.alice.account_id), "name", name))
    page = client_for("otto").get(f"{URL}/{letter.id}").text
    assert html.escape(name) in page
    assert name not in page


@pytest.mark.parametrize("letter_id", [0, 999, 2**63, 10**30])
def test_an_unknown_letter_does_not_exist(client_for: ClientFor, letter_id: int) -> None:
    otto = client_for("otto")
    assert otto.get(f"{URL}/{letter_id}").status_code == 404
    assert otto.send(f"{URL}/{letter_id}/send").status_code == 404


def test_a_place_beyond_every_letter_does_not_exist(client_for: ClientFor, letter: Outbox) -> None:
    assert client_for("otto").get(f"{URL}?after={10**30}").status_code == 404


def test_a_test_goes_to_the_operators_own_address(client_for: ClientFor, app: Flask, smtp: Mailbox) -> None:
    otto = client_for("otto")
    assert otto.send(f"{URL}/test").status_code == 303
    assert "A test to otto@example.com is on its way." in otto.get(URL).text
    with app.app_context():
        assert db.session.get_one(Outbox, 1).recipient == "otto@example.com"


def test_without_a_server_the_page_says_what_to_set(client_for: ClientFor, letter: Outbox) -> None:
    page = client_for("otto").get(URL).text
    assert "set MAIL_SERVER" in page
    assert "Kept" in page
    assert "Send a test" not in page


def test_a_search_narrows_the_list_as_one_types(page: Page, server: str, app: Flask, cast: Cast) -> None:
    write(app, cast, "bob", "carol")
    page.goto(f"{server}/login?next={URL}")
    page.get_by_label("Email").fill(cast.otto.email)
    page.get_by_label("Password").fill(cast.otto.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Outgoing mail")).to_be_visible()
    assert faults(page) == []
    page.get_by_label("Search mail").press_sequentially("carol")
    expect(page.get_by_text("bob@example.com")).to_have_count(0)
    expect(page.get_by_role("row", name="carol@example.com")).to_be_visible()
    expect(page.get_by_label("Search mail")).to_be_focused()
    page.get_by_role("link", name="Read letter to carol@example.com").click()
    expect(page.get_by_role("heading", name="Your account is blocked")).to_be_visible()
    assert faults(page) == []
