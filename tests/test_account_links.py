"""What the links in letters open: each for one purpose, one state of its row, one time; and the first operator's."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
import time_machine
from flask import Flask

from core import mail, meta, tokens
from core.dates import now
from core.db import db
from core.forms.account_forms import PACE
from core.tokens import Purpose
from models import UNCONFIRMED_AGE, Account
from tests.cast import SECRET_KEY, Cast
from tests.clients import Client, sign_in
from tests.letter_box import letters_to, link
from tests.test_accounts import FORM, PASSWORD, account, ann, is_right, visible

__all__ = ["ann"]


# ── links ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.on_sqlite
@pytest.mark.parametrize("path", ["/confirm/", "/reset/", "/email/", "/setup/"])
def test_links_that_open_nothing_all_look_alike(app: Flask, cast: Cast, anonymous: Client, path: str) -> None:
    with app.app_context():
        db.session.get_one(Account, cast.bob.account_id).nonce = "n" * 32
        db.session.commit()
    wrong_purpose = tokens.make(SECRET_KEY, Purpose.INVITATION, "n" * 32, cast.bob.account_id)
    foreign = tokens.make("another secret key that is long enough", Purpose.RESET, "n" * 32, cast.bob.account_id)
    nobody = tokens.make(SECRET_KEY, Purpose.RESET, "n" * 32, 999_999)
    confirmed = tokens.make(SECRET_KEY, Purpose.CONFIRM, "n" * 32, cast.bob.account_id)
    for token in ("nonsense", wrong_purpose, foreign, nobody, confirmed, wrong_purpose + "A"):
        page = anonymous.get(path + token)
        assert page.status_code == anonymous.send(path + token).status_code == 410
        assert visible(page) == visible(anonymous.get("/confirm/nonsense"))
        assert "bob" not in page.text.lower()


@pytest.mark.on_sqlite
@pytest.mark.parametrize(("kind", "age"), [("confirm", UNCONFIRMED_AGE), ("reset", timedelta(hours=1))])
def test_a_link_has_an_age(app: Flask, anonymous: Client, ann: str, kind: str, age: timedelta) -> None:
    anonymous.send("/reset", email="ann@example.com")
    path = link(app, kind)
    with time_machine.travel(now() + age - timedelta(minutes=1)):
        assert anonymous.get(path).status_code == 200
    with time_machine.travel(now() + age + timedelta(minutes=1)):
        assert anonymous.get(path).status_code == 410


@pytest.mark.on_sqlite
@pytest.mark.parametrize("more", ["", "/not-me"])
def test_a_link_needs_the_forms_token(ann: str, anonymous: Client, more: str) -> None:
    assert anonymous.post(ann + more).status_code == 400
    assert anonymous.get(ann).status_code == 200


# ── reset ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_reset_answers_known_and_unknown_alike(app: Flask, cast: Cast) -> None:
    first, second = Client(app), Client(app)
    known, unknown = first.send("/reset", email="bob@example.com"), second.send("/reset", email="eve@example.com")
    assert (known.status_code, known.location) == (unknown.status_code, unknown.location) == (303, "/reset/sent")
    pages = [visible(each.get("/reset/sent")) for each in (first, second)]
    assert pages[0] == [line.replace("eve", "bob") for line in pages[1]]
    assert [each.recipient for each in letters_to(app)] == ["bob@example.com"]


def test_a_reset_goes_to_the_stored_address_once_whatever_the_form_says(app: Flask, cast: Cast) -> None:
    client = Client(app)
    fields = {"csrf_token": client.token, "email": ["BOB@example.com", "eve@example.com"]}
    client.post("/reset", data=fields)
    assert [each.recipient for each in letters_to(app)] == ["bob@example.com"]


def test_a_reset_sets_the_password_and_ends_every_session(app: Flask, cast: Cast, anonymous: Client) -> None:
    at_work = sign_in(Client(app), cast.bob)
    anonymous.send("/reset", email="bob@example.com")
    path = link(app, mail.RESET)
    assert "bob<wbr>@example.com" in anonymous.get(path).text
    assert anonymous.send(path, password="quite another sentence").location == "/login"
    assert at_work.get("/profile").status_code == 303
    assert is_right(app, "bob@example.com", "quite another sentence")
    assert not is_right(app, "bob@example.com", cast.bob.password)
    assert letters_to(app)[-1].kind == "password-changed"


def test_a_reset_works_once_and_only_the_newest_password_counts(app: Flask, cast: Cast, anonymous: Client) -> None:
    anonymous.send("/reset", email="bob@example.com")
    path = link(app, mail.RESET)
    anonymous.send(path, password="quite another sentence")
    assert anonymous.get(path).status_code == 410
    assert anonymous.send(path, password="and a third sentence").status_code == 410
    assert is_right(app, "bob@example.com", "quite another sentence")


@pytest.mark.on_sqlite
def test_a_bad_new_password_keeps_the_link(app: Flask, cast: Cast, anonymous: Client) -> None:
    anonymous.send("/reset", email="bob@example.com")
    path = link(app, mail.RESET)
    assert anonymous.send(path, password="bob.example").status_code == 422
    assert anonymous.send(path, password="quite another sentence").status_code == 303


def test_a_reset_takes_an_address_back_from_whoever_registered_it_first(
    app: Flask, ann: str, anonymous: Client
) -> None:
    anonymous.send("/reset", email="ann@example.com")
    anonymous.send(link(app, mail.RESET), password="quite another sentence")
    assert is_right(app, "ann@example.com", "quite another sentence")
    assert not is_right(app, "ann@example.com", PASSWORD)
    assert anonymous.get(ann).status_code == 410


def test_a_reset_ends_a_change_of_address_under_way(app: Flask, cast: Cast, anonymous: Client) -> None:
    thief = sign_in(Client(app), cast.bob)
    thief.send("/profile/email", new_email="eve@example.com", password=cast.bob.password)
    stolen = link(app, mail.CHANGE_EMAIL)
    anonymous.send("/reset", email="bob@example.com")
    anonymous.send(link(app, mail.RESET), password="quite another sentence")
    assert anonymous.get(stolen).status_code == 410


@pytest.mark.on_sqlite
def test_a_reset_opens_what_wrong_passwords_had_closed(app: Flask, cast: Cast, anonymous: Client) -> None:
    while anonymous.send("/login", email="bob@example.com", password="not the password").status_code != 429:
        pass
    anonymous.send("/reset", email="bob@example.com")
    anonymous.send(link(app, mail.RESET), password="quite another sentence")
    assert is_right(app, "bob@example.com", "quite another sentence")


def test_a_blocked_account_gets_no_link(app: Flask, cast: Cast, anonymous: Client) -> None:
    anonymous.send("/reset", email="bob@example.com")
    path = link(app, mail.RESET)
    with app.app_context():
        db.session.get_one(Account, cast.bob.account_id).block(cast.otto.actor, now())
        db.session.commit()
    assert anonymous.get(path).status_code == 410
    assert anonymous.send(path, password="quite another sentence").status_code == 410


# ── the first operator ───────────────────────────────────────────────────────────────────────────────────────────────


def setup_path(app: Flask) -> str:
    with app.app_context():
        row = meta.read(db.session) or meta.begin(db.session, now())
        db.session.commit()
        return f"/setup/{tokens.make(SECRET_KEY, Purpose.SETUP, row.instance, 1)}"


def test_the_link_of_a_new_portal_creates_its_operator_once(app: Flask, anonymous: Client) -> None:
    path = setup_path(app)
    assert anonymous.get(path).status_code == 200
    assert anonymous.send(path, **FORM).location == "/"
    assert anonymous.get("/").location == "/operator/keys"
    assert Client(app).get(path).status_code == 410
    assert Client(app).send(path, **{**FORM, "email": "eve@example.com"}).status_code == 410
    assert is_right(app, "ann@example.com", PASSWORD)
    assert account(app, "eve@example.com") is None


@pytest.mark.on_sqlite
def test_a_bad_form_keeps_the_link_of_a_new_portal(app: Flask, anonymous: Client) -> None:
    path = setup_path(app)
    assert anonymous.send(path, **{**FORM, "password": "short"}).status_code == 422
    assert anonymous.send(path, **FORM).status_code == 303


def test_of_two_that_use_the_link_of_a_new_portal_one_becomes_operator(app: Flask) -> None:
    path, clients = setup_path(app), [Client(app) for _each in range(3)]
    answers: list[int] = []

    def submit(number: int, client: Client) -> None:
        answers.append(client.send(path, **{**FORM, "email": f"ann{number}@example.com"}).status_code)

    assert all(each.token for each in clients)
    threads = [threading.Thread(target=submit, args=pair) for pair in enumerate(clients)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(answers) == [303, 410, 410]


@pytest.mark.on_sqlite
@pytest.mark.parametrize("path", ["/reset", "/confirm"])
def test_asking_for_a_letter_takes_as_long_for_everybody(app: Flask, cast: Cast, path: str) -> None:
    for email in ("bob@example.com", "nobody@example.com"):
        client = Client(app)
        assert client.token
        began = time.monotonic()
        client.send(path, email=email)
        assert time.monotonic() - began >= PACE
