"""Creating an account, proving its address, and getting back in: the same answer for everybody, each link once."""

from __future__ import annotations

import threading

import pytest
from flask import Flask
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from core import mail
from core.activity import Activity
from core.dates import now
from core.db import db
from models import Account
from tests.cast import Cast
from tests.clients import Client
from tests.letter_box import letters_to, link

PASSWORD = "a sentence is good"
FORM = {"name": "Ann Archer", "email": "ann@example.com", "password": PASSWORD}


def account(app: Flask, email: str = "ann@example.com") -> Account | None:
    with app.app_context():
        return Account.by_email(db.session, email)


def is_right(app: Flask, email: str, password: str) -> bool:
    return Client(app).send("/login", email=email, password=password).status_code == 303


def visible(response: TestResponse) -> list[str]:
    """The lines of a page that do not change by themselves."""
    return [line for line in response.text.splitlines() if "csrf" not in line.lower()]


@pytest.fixture
def ann(app: Flask, anonymous: Client) -> str:
    """Ann has signed up; the path of the link in her letter."""
    assert anonymous.send("/register", **FORM).location == "/register/sent"
    return link(app, mail.CONFIRM)


# ── sign-up ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_signing_up_sends_the_link_that_confirms(app: Flask, anonymous: Client) -> None:
    assert anonymous.send("/register", **FORM).location == "/register/sent"
    assert "ann@<wbr>example.com" in anonymous.get("/register/sent").text.replace("<wbr>@", "@<wbr>")
    (letter,) = letters_to(app)
    assert (letter.kind, letter.recipient) == ("confirm", "ann@example.com")
    assert letter.path.startswith("/confirm/")


def test_nobody_signs_in_before_the_address_is_confirmed(app: Flask, ann: str, anonymous: Client) -> None:
    unconfirmed = anonymous.send("/login", email=FORM["email"], password=PASSWORD)
    assert unconfirmed.status_code == 422
    assert unconfirmed.text.count('href="/confirm"') == 1


def test_an_unconfirmed_account_answers_like_an_unknown_one(ann: str, anonymous: Client) -> None:
    known = anonymous.send("/login", email="ann@example.com", password=PASSWORD)
    unknown = anonymous.send("/login", email="eve@example.com", password=PASSWORD)
    wrong = anonymous.send("/login", email="ann@example.com", password="not the password")
    assert visible(known) == [line.replace("eve@", "ann@") for line in visible(unknown)] == visible(wrong)


def test_confirming_is_asked_with_address_name_and_time(ann: str, anonymous: Client) -> None:
    page = anonymous.get(ann).text
    for shown in (
        "ann<wbr>@example.com",
        "Ann Archer",
        f"{now():%d %b %Y}".lstrip("0"),
        "Confirm email",
        "This was not me",
    ):
        assert shown in page
    assert page.count("btn-primary") == 1


def test_looking_at_the_link_confirms_nothing(app: Flask, ann: str, anonymous: Client) -> None:
    anonymous.get(ann)
    anonymous.head(ann)
    assert not is_right(app, "ann@example.com", PASSWORD)


def test_confirming_leads_to_sign_in_with_the_address_filled_in(app: Flask, ann: str, anonymous: Client) -> None:
    response = anonymous.send(ann)
    assert (response.status_code, response.location) == (303, "/login")
    assert 'value="ann@example.com"' in anonymous.get("/login").text
    assert anonymous.get("/profile").status_code == 303
    assert is_right(app, "ann@example.com", PASSWORD)
    with app.app_context():
        entry = db.session.scalars(select(Activity).where(Activity.action == "account.confirm")).one()
        assert (entry.stream, entry.target_id) == ("portal", entry.actor_id)


def test_a_link_confirms_once(ann: str, anonymous: Client) -> None:
    anonymous.send(ann)
    assert anonymous.get(ann).status_code == 410
    assert anonymous.send(ann).status_code == 410
    assert anonymous.send(f"{ann}/not-me").status_code == 410


def test_this_was_not_me_removes_the_account(app: Flask, ann: str, anonymous: Client) -> None:
    assert anonymous.send(f"{ann}/not-me").location == "/login"
    assert account(app) is None
    assert anonymous.get(ann).status_code == 410


def test_a_second_sign_up_replaces_an_unconfirmed_one(app: Flask, ann: str, anonymous: Client) -> None:
    again = {**FORM, "name": "The Real Ann", "email": "ANN@Example.com", "password": "quite another sentence"}
    anonymous.send("/register", **again)
    assert anonymous.get(ann).status_code == 410
    anonymous.send(link(app, mail.CONFIRM))
    found = account(app)
    assert found is not None
    assert (found.name, found.email) == ("The Real Ann", "ANN@Example.com")
    assert is_right(app, "ann@example.com", "quite another sentence")
    assert not is_right(app, "ann@example.com", PASSWORD)


def test_a_known_address_gets_the_same_answer_and_another_letter(app: Flask, cast: Cast) -> None:
    first, second = Client(app), Client(app)
    unknown = first.send("/register", **FORM)
    known = second.send("/register", **{**FORM, "email": "Bob@example.com"})
    assert (known.status_code, known.location) == (unknown.status_code, unknown.location)
    pages = [visible(each.get("/register/sent")) for each in (first, second)]
    assert pages[0] == [line.replace("Bob", "ann") for line in pages[1]]
    assert [each.kind for each in letters_to(app)] == ["confirm", "already-registered"]
    assert is_right(app, cast.bob.email, cast.bob.password)
    assert not is_right(app, cast.bob.email, PASSWORD)


def test_more_fields_than_the_form_has_change_nothing(app: Flask, anonymous: Client) -> None:
    more = {"is_operator": "1", "confirmed_at": "2026-01-01", "id": "1", "zone": "Europe/Berlin", "roles": "operator"}
    anonymous.send("/register", **FORM, **more)
    found = account(app)
    assert found is not None
    assert (found.is_operator, found.is_confirmed, found.zone) == (False, False, "UTC")


BAD = [
    ({"name": " "}, "Enter a name."),
    ({"name": "x" * 5000}, "This is 5000 characters long; 200 fit."),
    ({"email": "ann"}, "Not an address: there is no @."),
    ({"email": "ann@example.com\r\nBcc: eve@example.com"}, "Not an address: there is a line break inside."),
    ({"email": "ann@example.com, eve@example.com"}, "Not an address: there is a space inside."),
    ({"email": ""}, "Not an address: there is nothing."),
    ({"password": "short"}, "Use at least 8 characters; 15 or more are better."),
    ({"password": "x" * 1001}, "A password has at most 1000 characters."),
    ({"password": "Password1!"}, "This password is among the first that others would try."),
    ({"password": "ann-archer-77"}, "A password made of names that are known here is easy to guess."),
    ({"password": "Customer Portal 1"}, "A password made of names that are known"),
]


@pytest.mark.on_sqlite
@pytest.mark.parametrize(("wrong", "sentence"), BAD, ids=[sentence for _wrong, sentence in BAD])
def test_what_cannot_be_comes_back_with_a_sentence(
    app: Flask, anonymous: Client, wrong: dict[str, str], sentence: str
) -> None:
    form = {**FORM, **wrong}
    response = anonymous.send("/register", **form)
    assert response.status_code == 422
    assert sentence in response.text
    assert response.text.count('aria-invalid="true"') == 1
    assert form["password"] not in response.text
    for field in {"name", "email"} - set(wrong):
        assert f'value="{form[field]}"' in response.text
    assert not letters_to(app)


@pytest.mark.on_sqlite
def test_everything_that_cannot_be_is_said_at_once(anonymous: Client) -> None:
    response = anonymous.send("/register", name=" ", email="ann", password="short")
    said = ("Enter a name.", "Not an address: there is no @.", "Use at least 8 characters")
    assert all(sentence in response.text for sentence in said)
    assert response.text.count('aria-invalid="true"') == 3


@pytest.mark.on_sqlite
@pytest.mark.parametrize("password", ["a" * 64, "  spaces around  ", "пароль из слов", "🦊🐻🐼🐨🐯🦁🐮🐷", "Zx9#qL2p"])
def test_a_password_is_taken_exactly_as_it_is(app: Flask, anonymous: Client, password: str) -> None:
    anonymous.send("/register", **{**FORM, "password": password})
    anonymous.send(link(app, mail.CONFIRM))
    assert is_right(app, "ann@example.com", password)
    for other in (password.strip() + " ", password[:-1], password + "x", password.swapcase() + "!"):
        assert not is_right(app, "ann@example.com", other)


@pytest.mark.on_sqlite
def test_markup_in_a_name_is_text(app: Flask, anonymous: Client) -> None:
    anonymous.send("/register", **{**FORM, "name": "<b>Ann</b>"})
    page = anonymous.get(link(app, mail.CONFIRM)).text
    assert "&lt;b&gt;Ann&lt;/b&gt;" in page
    assert "<b>Ann" not in page


def test_two_that_sign_up_for_one_address_at_one_time_make_one_account(app: Flask) -> None:
    clients = [Client(app) for _each in range(4)]
    tokens_read = [each.token for each in clients]
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda c=each: found.append(c.send("/register", **FORM).status_code))
        for each in clients
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == [303] * len(tokens_read)
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Account)) == 1


def test_the_confirmation_is_sent_again_to_whom_it_helps_alone(app: Flask, cast: Cast, ann: str) -> None:
    answers = []
    for email in ("ann@example.com", "bob@example.com", "nobody@example.com"):
        client = Client(app)
        response = client.send("/confirm", email=email)
        answers.append([response.status_code, response.location, *visible(client.get("/confirm/sent"))])
    assert answers[0] == [str(line).replace("bob", "ann") if isinstance(line, str) else line for line in answers[1]]
    assert answers[0] == [str(line).replace("nobody", "ann") if isinstance(line, str) else line for line in answers[2]]
    assert [each.recipient for each in letters_to(app)] == ["ann@example.com"]
    assert Client(app).get(link(app, mail.CONFIRM)).status_code == 200


# ── the same person, the same secret ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.on_sqlite
@pytest.mark.parametrize("email", ["BOB@EXAMPLE.COM", " bob@example.com ", "bob@Example.com\n"])
def test_an_address_is_one_however_it_is_spelled(app: Flask, cast: Cast, email: str) -> None:
    assert is_right(app, email, cast.bob.password)


@pytest.mark.on_sqlite
def test_a_password_depends_on_no_secret_of_the_portal(app: Flask, ann: str, anonymous: Client) -> None:
    anonymous.send(ann)
    app.config["SECRET_KEY"] = "another key that somebody put in its place"
    assert is_right(app, "ann@example.com", PASSWORD)
    found = account(app)
    assert found is not None
    assert (found.password or "").startswith("$argon2id$")


@pytest.mark.on_sqlite
@pytest.mark.parametrize("form", [{"email": "x" * 100_000}, {"password": "x" * 100_000}, {"email": "\0"}, {}])
def test_sign_in_bears_any_text(cast: Cast, anonymous: Client, form: dict[str, str]) -> None:
    assert anonymous.send("/login", **{"email": "bob@example.com", "password": "x", **form}).status_code == 422
