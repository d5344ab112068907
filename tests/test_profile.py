"""Profile: contact information, another address, another password; each asks for what it needs and says what it did."""

from __future__ import annotations

import pytest
from flask import Flask

from core import mail
from core.activity import Activity
from core.dates import now
from core.db import db
from models import Account, License, PermissionKey
from tests.cast import Cast
from tests.clients import Client, sign_in
from tests.letter_box import letters_to, link

CONTACT = {
    "title": "Dr.", "name": "Bob B. Example", "company": "Kestrel", "address": "1 Quay, Harbor", "phone": "+49 30 1",
    "locale": "en", "zone": "Europe/Berlin",
}  # fmt: skip


@pytest.fixture
def bob(app: Flask, cast: Cast) -> Client:
    return sign_in(Client(app), cast.bob)


def account(app: Flask, cast: Cast) -> Account:
    with app.app_context():
        return db.session.get_one(Account, cast.bob.account_id)


# ── contact information ──────────────────────────────────────────────────────────────────────────────────────────────


def test_contact_information_is_saved_and_shown(app: Flask, cast: Cast, bob: Client) -> None:
    assert bob.send("/profile", **CONTACT).location == "/profile"
    page = bob.get("/profile").text
    assert "Contact information saved." in page
    for value in CONTACT.values():
        assert value in page
    saved = account(app, cast)
    assert {name: getattr(saved, name) for name in CONTACT} == CONTACT


def test_what_changed_is_in_the_activity_by_name_only(app: Flask, bob: Client) -> None:
    bob.send("/profile", **CONTACT)
    bob.send("/profile", **CONTACT)
    with app.app_context():
        (entry,) = db.session.query(Activity).filter_by(action="account.edit").all()
        assert entry.after == sorted(CONTACT)


@pytest.mark.on_sqlite
@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"name": ""}, "Enter a name."),
        ({"name": "x" * 201}, "This is 201 characters long; 200 fit."),
        ({"phone": "1" * 51}, "This is 51 characters long; 50 fit."),
        ({"zone": "Mars/Olympus"}, "There is no time zone of this name."),
        ({"locale": "xx"}, "There is no such language."),
    ],
)
def test_bad_contact_information_comes_back_as_it_was_typed(
    app: Flask, cast: Cast, bob: Client, wrong: dict[str, str], sentence: str
) -> None:
    response = bob.send("/profile", **{**CONTACT, **wrong})
    assert response.status_code == 422
    assert sentence in response.text
    assert 'value="1 Quay, Harbor"' in response.text
    assert account(app, cast).company == ""


@pytest.mark.on_sqlite
def test_fields_that_are_not_on_the_form_change_nothing(app: Flask, cast: Cast, bob: Client) -> None:
    more = {"is_operator": "1", "email": "eve@example.com", "id": "1", "password": "x", "blocked_at": ""}
    bob.send("/profile", **CONTACT, **more)
    saved = account(app, cast)
    assert (saved.id, saved.email, saved.is_operator) == (cast.bob.account_id, "bob@example.com", False)


def test_another_time_zone_moves_the_days_of_ones_own_licenses(app: Flask, cast: Cast) -> None:
    erin = sign_in(Client(app), cast.erin)
    with app.test_request_context():
        key = PermissionKey.known(db.session, cast.unused["personal"])
        key.redeem(db.session.get_one(Account, cast.erin.account_id), cast.erin.actor, now(), now().date())
        db.session.commit()
        license_id, before = key.licenses[0].id, key.licenses[0].ends_at
    erin.send("/profile", **{**CONTACT, "zone": "Asia/Tokyo"})
    with app.app_context():
        after = db.session.get_one(License, license_id).ends_at
    assert before is not None
    assert after is not None
    assert (before - after).total_seconds() == 9 * 3600


# ── another address ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_address_changes_when_its_link_is_confirmed_and_not_before(app: Flask, cast: Cast, bob: Client) -> None:
    response = bob.send("/profile/email", new_email="Bob@New.example.com", password=cast.bob.password)
    assert response.location == "/profile"
    assert "Bob@New.example.com" in bob.get("/profile").text
    assert account(app, cast).email == "bob@example.com"
    path = link(app, mail.CHANGE_EMAIL)
    page = bob.get(path).text
    assert "bob<wbr>@example.com" in page
    assert "Bob<wbr>@New.example.com" in page
    assert account(app, cast).email == "bob@example.com"
    assert bob.send(path).location == "/profile"
    assert (account(app, cast).email, account(app, cast).email_key) == ("Bob@New.example.com", "bob@new.example.com")


def test_the_link_goes_to_the_new_address_and_a_notice_to_the_old(app: Flask, cast: Cast, bob: Client) -> None:
    bob.send("/profile/email", new_email="new@example.com", password=cast.bob.password)
    found = [(each.kind, each.recipient) for each in letters_to(app)]
    assert found == [("change-email", "new@example.com"), ("email-notice", "bob@example.com")]


def test_membership_and_session_outlive_a_change_of_address(app: Flask, cast: Cast, bob: Client) -> None:
    bob.send("/profile/email", new_email="new@example.com", password=cast.bob.password)
    Client(app).send(link(app, mail.CHANGE_EMAIL))  # the link may be opened elsewhere
    page = bob.get("/profile")
    assert page.status_code == 200
    assert "Kestrel Works" in page.text
    assert "new<wbr>@example.com" in page.text
    assert Client(app).send("/login", email="new@example.com", password=cast.bob.password).status_code == 303
    assert Client(app).send("/login", email="bob@example.com", password=cast.bob.password).status_code == 422


def test_a_link_to_a_new_address_works_once_and_only_the_newest(app: Flask, cast: Cast, bob: Client) -> None:
    bob.send("/profile/email", new_email="first@example.com", password=cast.bob.password)
    first = link(app, mail.CHANGE_EMAIL)
    bob.send("/profile/email", new_email="second@example.com", password=cast.bob.password)
    second = link(app, mail.CHANGE_EMAIL)
    assert bob.send(first).status_code == 410
    assert bob.send(second).status_code == 303
    assert bob.send(second).status_code == 410
    assert account(app, cast).email == "second@example.com"


def test_an_address_of_somebody_else_is_not_taken_and_not_told(app: Flask, cast: Cast, bob: Client) -> None:
    taken = bob.send("/profile/email", new_email="alice@example.com", password=cast.bob.password)
    free = bob.send("/profile/email", new_email="free@example.com", password=cast.bob.password)
    assert (taken.status_code, taken.location) == (free.status_code, free.location)
    bob.send("/profile/email", new_email="alice@example.com", password=cast.bob.password)
    response = bob.send(link(app, mail.CHANGE_EMAIL))
    assert response.status_code == 409
    assert "Another account uses this address." in response.text
    assert account(app, cast).email == "bob@example.com"


def test_an_address_that_somebody_only_registered_is_its_owners(app: Flask, cast: Cast, bob: Client) -> None:
    Client(app).send("/register", name="Eve", email="new@example.com", password="a sentence is good")
    bob.send("/profile/email", new_email="new@example.com", password=cast.bob.password)
    assert bob.send(link(app, mail.CHANGE_EMAIL)).status_code == 303
    assert account(app, cast).email == "new@example.com"


@pytest.mark.on_sqlite
@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"new_email": "new@example.com", "password": "not the password"}, "This is not the password of this account."),
        ({"new_email": "new@example.com"}, "This is not the password of this account."),
        ({"new_email": "nonsense", "password": "a long enough passphrase"}, "Not an address: there is no @."),
        ({"new_email": "bob@example.com", "password": "a long enough passphrase"}, "This is the address of this"),
    ],
)  # fmt: skip
def test_a_bad_wish_for_another_address_says_why(
    app: Flask, cast: Cast, bob: Client, form: dict[str, str], sentence: str
) -> None:
    response = bob.send("/profile/email", **form)
    assert response.status_code == 422
    assert sentence in response.text
    assert f'value="{form["new_email"]}"' in response.text
    assert account(app, cast).wanted_email is None
    assert not letters_to(app)


@pytest.mark.on_sqlite
def test_the_same_address_may_be_spelled_anew(app: Flask, cast: Cast, bob: Client) -> None:
    bob.send("/profile/email", new_email="Bob@Example.com", password=cast.bob.password)
    bob.send(link(app, mail.CHANGE_EMAIL))
    assert account(app, cast).email == "Bob@Example.com"


# ── another password ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_password_is_changed_with_the_present_one(app: Flask, cast: Cast, bob: Client) -> None:
    form = {"current_password": cast.bob.password, "new_password": "quite another sentence"}
    assert bob.send("/profile/password", **form).location == "/profile"
    assert Client(app).send("/login", email="bob@example.com", password="quite another sentence").status_code == 303
    assert Client(app).send("/login", email="bob@example.com", password=cast.bob.password).status_code == 422
    assert [each.kind for each in letters_to(app, "bob@example.com")] == ["password-changed"]


def test_a_changed_password_kills_the_links_that_reset_it(app: Flask, cast: Cast, bob: Client) -> None:
    bob.send("/reset", email="bob@example.com")
    path = link(app, mail.RESET)
    bob.send("/profile/password", current_password=cast.bob.password, new_password="quite another sentence")
    assert bob.get(path).status_code == 410


@pytest.mark.on_sqlite
@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"current_password": "not the password", "new_password": "quite another sentence"}, "current_password"),
        ({"current_password": "a long enough passphrase", "new_password": "short"}, "new_password"),
        ({"current_password": "a long enough passphrase", "new_password": "bob.example1"}, "new_password"),
        ({}, "new_password"),
    ],
)
def test_a_bad_change_of_password_says_where(
    app: Flask, cast: Cast, bob: Client, form: dict[str, str], field: str
) -> None:
    response = bob.send("/profile/password", **form)
    assert response.status_code == 422
    assert f'id="{field}-error"' in response.text
    assert response.text.count('aria-invalid="true"') == 1
    assert not letters_to(app)
    assert Client(app).send("/login", email="bob@example.com", password=cast.bob.password).status_code == 303


@pytest.mark.on_sqlite
@pytest.mark.parametrize("path", ["/profile", "/profile/email", "/profile/password", "/profile/sign-out-others"])
def test_every_form_needs_a_session_and_its_token(app: Flask, bob: Client, path: str) -> None:
    assert bob.post(path, data=CONTACT).status_code == 400
    response = Client(app).send(path, **CONTACT)
    assert (response.status_code, str(response.location).partition("?")[0]) == (303, "/login")
