"""The Permissions page in a browser: ticks by keyboard, the focus, without JavaScript, accessible."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, Locator, Page, expect

from core.activity import COMMAND
from core.dates import now
from core.db import db
from tests.browser import faults
from tests.cast import Cast
from tests.clients import Client
from tests.permission_pages import HOME, ClientFor, edit, held, key_of


@pytest.fixture
def alice(client_for: ClientFor) -> Client:
    """The administrator's browser."""
    return client_for("alice")


# ── in a browser ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def open_page(server: str, app: Flask, client_for: ClientFor, page: Page) -> Callable[..., Page]:
    """Open the page in a browser that alice is signed in to."""

    def opened(query: str = "") -> Page:
        cookie = client_for("alice").get_cookie(app.config["SESSION_COOKIE_NAME"], "127.0.0.1")
        assert cookie
        page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": server}])
        page.goto(server + HOME + query)
        return page

    return opened


def region(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=re.compile(f"^{name}"))


@pytest.mark.on_sqlite
def test_a_tick_counts_at_once_and_keeps_the_focus(open_page: Callable[..., Page], app: Flask, cast: Cast) -> None:
    page = open_page()
    annual = region(page, "Draft Pro ANNUAL")
    box = annual.get_by_role("checkbox", name="Carol Example")
    box.focus()
    page.keyboard.press("Space")
    expect(annual).to_contain_text("2 of 3 seats given away")
    expect(annual.get_by_role("checkbox", name="Carol Example")).to_be_checked()
    expect(annual.get_by_role("checkbox", name="Carol Example")).to_be_focused()
    expect(page.locator("#live")).to_contain_text("Draft Pro given to Carol Example")
    page.keyboard.press("Space")
    expect(annual).to_contain_text("1 of 3 seats given away")
    expect(page.get_by_role("button", name="Save")).to_have_count(0)


@pytest.mark.on_sqlite
def test_ticks_that_follow_at_once_all_count(open_page: Callable[..., Page], app: Flask, cast: Cast) -> None:
    page = open_page()
    free = f"#license-{cast.license['annual']} input[type=checkbox]:not(:checked)"
    page.evaluate("free => document.querySelectorAll(free).forEach(box => box.click())", free)
    annual = region(page, "Draft Pro ANNUAL")
    expect(annual).to_contain_text("3 of 3 seats given away")
    expect(annual.get_by_role("checkbox", checked=True)).to_have_count(3)
    with app.app_context():
        assert len(held(db.session, cast.license["annual"])) == 3


@pytest.mark.on_sqlite
def test_a_second_tick_is_moved_by_the_box_that_offers_it(open_page: Callable[..., Page], cast: Cast) -> None:
    page = open_page()
    perpetual = region(page, "Draft Pro PERPETUAL")
    perpetual.get_by_role("checkbox", name="Bob Example").click()
    expect(perpetual.get_by_role("alert")).to_contain_text(
        "Bob Example has a permission for Draft Pro already: ANNUAL."
    )
    expect(perpetual.get_by_role("checkbox", name="Bob Example")).not_to_be_checked()
    assert not faults(page)
    page.keyboard.press("Tab")
    expect(perpetual.get_by_role("button", name="Move")).to_be_focused()
    page.keyboard.press("Enter")
    expect(perpetual).to_contain_text("1 of 2 seats given away")
    expect(region(page, "Draft Pro ANNUAL")).to_contain_text("0 of 3 seats given away")


@pytest.mark.on_sqlite
def test_a_box_goes_back_when_the_portal_cannot_be_reached(open_page: Callable[..., Page], cast: Cast) -> None:
    page = open_page()
    page.route("**/give", lambda route: route.fulfill(status=503, body=""))
    box = region(page, "Draft Pro ANNUAL").get_by_role("checkbox", name="Carol Example")
    box.click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(box).not_to_be_checked()
    page.__dict__["noted"].clear()


@pytest.mark.on_sqlite
def test_without_javascript_a_section_is_saved(
    open_page: Callable[..., Page], server: str, browser: Browser, app: Flask, client_for: ClientFor, cast: Cast
) -> None:
    context = browser.new_context(java_script_enabled=False)
    cookie = client_for("alice").get_cookie(app.config["SESSION_COOKIE_NAME"], "127.0.0.1")
    assert cookie
    context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": server}])
    page = context.new_page()
    page.goto(server + HOME)
    annual = region(page, "Draft Pro ANNUAL")
    annual.get_by_role("checkbox", name="Carol Example").check()
    annual.get_by_role("checkbox", name="Bob Example").uncheck()
    annual.get_by_role("button", name="Save").click()
    expect(page.locator("#live")).to_contain_text("2 permissions of Draft Pro changed")
    expect(annual.get_by_role("checkbox", name="Carol Example")).to_be_checked()
    context.close()


@pytest.mark.on_sqlite
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible(open_page: Callable[..., Page], app: Flask, cast: Cast, scheme: Any) -> None:
    edit(app, lambda: key_of(cast.license["annual"]).extend(COMMAND, now(), seats=0))
    page = open_page()
    page.emulate_media(color_scheme=scheme)
    assert not faults(page)
    page.set_viewport_size({"width": 360, "height": 800})
    assert not faults(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
