"""The pages for accounts in a real browser: usable by keyboard and screen reader, without a complaint."""

from __future__ import annotations

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from core import mail
from tests.browser import faults
from tests.cast import Cast
from tests.clients import Client
from tests.letter_box import link

pytestmark = pytest.mark.on_sqlite


def test_an_account_from_sign_up_to_sign_out(server: str, app: Flask, page: Page) -> None:
    page.goto(server)
    page.get_by_role("link", name="Create account").click()
    page.get_by_label("Name").fill("Ann Archer")
    page.get_by_label("Email").fill("ann@example.com")
    page.get_by_label("Password").fill("a sentence is good")
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("heading", name="Look at your mail")).to_be_visible()
    page.goto(server + link(app, mail.CONFIRM))
    page.get_by_role("button", name="Confirm email").click()
    expect(page.get_by_label("Email")).to_have_value("ann@example.com")
    page.get_by_label("Password").fill("a sentence is good")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Ann Archer").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_have_no_faults(server: str, app: Flask, cast: Cast, page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    client = Client(app)
    client.send("/reset", email="bob@example.com")
    client.send("/register", name="Ann", email="ann@example.com", password="a sentence is good")
    paths = ["/login", "/register", "/reset", "/confirm", "/register/sent", "/confirm/nonsense"]
    for path in [*paths, link(app, mail.CONFIRM), link(app, mail.RESET)]:
        page.goto(server + path)
        assert not faults(page), path


def test_a_refused_form_is_read_aloud_and_has_the_focus(server: str, cast: Cast, page: Page) -> None:
    page.goto(f"{server}/login?next=/profile")
    page.get_by_label("Email").fill("bob@example.com")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("do not match")
    assert not faults(page)
    page.get_by_label("Password").fill(cast.bob.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Profile")).to_be_visible()
    page.get_by_label("Current password").fill("not the password")
    page.get_by_label("New password").fill("short")
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_label("New password")).to_be_focused()
    assert not faults(page)
