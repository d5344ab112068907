"""The cast is what the other tests believe it is, on both databases."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask_security.utils import hash_password
from playwright.sync_api import Page
from sqlalchemy.orm import Session

from models import Member
from tests.browser import complaints
from tests.cast import Cast
from tests.clients import Client


def test_everybody_is_in_the_state_that_the_name_promises(session: Session, cast: Cast) -> None:
    states = {
        name: session.get_one(Member, cast.player(name).member_id) for name in ("alice", "carol", "bob", "dora", "dave")
    }
    assert {name: (member.role, member.state) for name, member in states.items()} == {
        "alice": ("administrator", "enabled"),
        "carol": ("co-administrator", "enabled"),
        "bob": ("member", "enabled"),
        "dora": ("member", "disabled"),
        "dave": ("member", "pending"),
    }


def test_each_test_has_a_database_of_its_own(session: Session, cast: Cast) -> None:
    session.get_one(Member, cast.bob.member_id).email = "changed@example.com"
    session.commit()


def test_each_test_starts_from_the_same(session: Session, cast: Cast) -> None:
    assert session.get_one(Member, cast.bob.member_id).email == cast.bob.email


@pytest.mark.on_sqlite
def test_cast_can_sign_in_on_the_page(anonymous: Client, cast: Cast) -> None:
    response = anonymous.send("/login", email=cast.bob.email, password=cast.bob.password)
    assert response.status_code == 303
    anonymous.forget_token()
    assert "Bob Example" in anonymous.get("/profile").text


@pytest.mark.on_sqlite
def test_signed_in_client_is_who_it_says(client_for: Callable[[str], Client], cast: Cast) -> None:
    for name in cast.names:
        assert f"{name.title()} Example" in client_for(name).get("/profile").text


@pytest.mark.on_sqlite
def test_hashing_is_cheap_here(app: Flask) -> None:
    with app.app_context():
        assert "$m=8,t=1,p=1$" in str(hash_password("any"))


@pytest.mark.on_sqlite
def test_page_that_breaks_the_policy_is_noticed(server: str, page: Page) -> None:
    page.goto(f"{server}/login")
    page.evaluate("document.head.append(Object.assign(document.createElement('script'), {text: '1'}))")
    page.wait_for_function("1")
    assert complaints(page)
    complaints(page).clear()


@pytest.mark.on_sqlite
def test_page_that_throws_is_noticed(server: str, page: Page) -> None:
    page.goto(f"{server}/login")
    with page.expect_event("pageerror"):
        page.evaluate("setTimeout(() => { throw new Error('broken') })")
    assert complaints(page) == ["broken"]
    complaints(page).clear()
