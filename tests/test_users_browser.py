"""Users and invitations in a browser: keyboard, focus, the dialog, two tabs, without JavaScript, accessible."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask
from playwright.sync_api import Browser, Locator, Page, expect
from sqlalchemy import update

from core.db import db
from models import Account
from tests.browser import faults
from tests.cast import Cast, Player
from tests.users_page import USERS, ClientFor

pytestmark = pytest.mark.on_sqlite
Open = Callable[..., Page]


@pytest.fixture
def open_page(server: str, app: Flask, client_for: ClientFor, page: Page) -> Open:
    """Open an address in a browser that one of the cast is signed in to."""

    def opened(name: str = "alice", path: str = USERS, page: Page = page) -> Page:
        cookie = client_for(name).get_cookie(app.config["SESSION_COOKIE_NAME"], "127.0.0.1")
        assert cookie
        page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": server}])
        page.goto(server + path)
        return page

    return opened


def row(page: Page, player: Player) -> Locator:
    return page.locator(f"#member-{player.member_id}")


def choose(page: Page, player: Player, action: str) -> None:
    """Open the menu of a row by the keyboard and choose an action."""
    row(page, player).get_by_role("button", name="More for").focus()
    page.keyboard.press("Enter")
    row(page, player).get_by_role("button", name=action, exact=True).focus()
    page.keyboard.press("Enter")


def test_one_click_changes_the_row_the_counts_and_keeps_the_focus(open_page: Open, cast: Cast) -> None:
    page = open_page()
    row(page, cast.bob).get_by_role("button", name="Disable").focus()
    page.keyboard.press("Enter")
    expect(row(page, cast.bob)).to_contain_text("Had 1 permission")
    expect(page.locator("#tabs")).to_contain_text("Disabled 2")
    expect(page.locator("#live")).to_contain_text("Bob Example is disabled. 1 seat is free again.")
    expect(row(page, cast.bob).get_by_role("button", name="Enable")).to_be_focused()
    page.keyboard.press("Enter")
    row(page, cast.bob).get_by_role("button", name="Restore (1 of 1 still free)").click()
    expect(row(page, cast.bob)).to_contain_text("1 license")
    assert not faults(page)


def columns(page: Page) -> list[float]:
    """Where every column of the table begins."""
    cells = page.locator("#table th").evaluate_all("cells => cells.map(cell => cell.getBoundingClientRect().left)")
    return [float(left) for left in cells]


def test_columns_stay_where_they_are_when_a_row_gains_a_button(open_page: Open, cast: Cast) -> None:
    page = open_page()
    before = columns(page)
    row(page, cast.bob).get_by_role("button", name="Disable").click()
    row(page, cast.bob).get_by_role("button", name="Enable").click()
    expect(row(page, cast.bob).get_by_role("button", name="Restore")).to_be_visible()
    assert columns(page) == before


def test_name_of_any_length_fits_into_the_header(open_page: Open, app: Flask, cast: Cast) -> None:
    with app.app_context():
        db.session.execute(update(Account).values(name="Maria del Carmen " * 11))
        db.session.commit()
    page = open_page()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(page.get_by_role("button", name="Maria del Carmen").first).to_be_visible()


def test_the_dialog_asks_and_gives_the_focus_back(open_page: Open, cast: Cast) -> None:
    page = open_page()
    choose(page, cast.bob, "Co-admin")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Make Bob Example co-administrator instead of Carol Example?")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    assert not faults(page)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(row(page, cast.bob).get_by_role("button", name="More for")).to_be_focused()
    choose(page, cast.bob, "Co-admin")
    dialog.get_by_role("button", name="Co-admin").click()
    expect(row(page, cast.bob)).to_contain_text("Co-administrator")
    expect(row(page, cast.carol)).not_to_contain_text("Co-administrator")
    expect(dialog).to_be_hidden()
    expect(row(page, cast.bob).get_by_role("button", name="More for")).to_be_focused()


def test_what_another_tab_changed_is_told_and_shown(open_page: Open, client_for: ClientFor, cast: Cast) -> None:
    page = open_page()
    choose(page, cast.bob, "Co-admin")
    expect(page.get_by_role("dialog")).to_be_visible()
    client_for("alice").send(f"{USERS}/{cast.carol.member_id}/member")
    page.get_by_role("dialog").get_by_role("button", name="Co-admin").click()
    expect(page.get_by_role("alert")).to_contain_text("There is no co-administrator now.")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(row(page, cast.carol)).not_to_contain_text("Co-administrator")


def test_whoever_is_removed_leaves_the_list(open_page: Open, cast: Cast) -> None:
    page = open_page()
    choose(page, cast.bob, "Remove")
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(row(page, cast.bob)).to_have_count(0)
    expect(page.locator("#people")).to_contain_text("4 people.")
    assert page.evaluate("document.activeElement !== document.body")


def test_a_link_is_copied_from_the_dialog(open_page: Open, cast: Cast) -> None:
    page = open_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    choose(page, cast.dave, "Copy link")
    page.get_by_role("dialog").get_by_role("button", name="Copy").click()
    expect(page.locator("#live")).to_contain_text("Copied")
    assert "/invitations/" in page.evaluate("navigator.clipboard.readText()")
    assert not faults(page)


def test_a_paste_shows_its_lines_and_the_new_rows(open_page: Open, cast: Cast) -> None:
    page = open_page()
    page.get_by_label("Email addresses").fill("new@firm.example; dora@example.com; nonsense")
    page.get_by_role("button", name="Invite Users").click()
    expect(page.get_by_role("heading", name="1 of 3 addresses invited")).to_be_visible()
    expect(page.get_by_label("Email addresses")).to_have_value("nonsense")
    expect(page.get_by_role("row", name="new@firm.example")).to_contain_text("Pending")
    page.get_by_role("button", name="Enable dora@example.com").click()
    expect(row(page, cast.dora)).to_contain_text("Enabled")
    expect(page.locator(f"#outcome-{cast.dora.member_id}")).to_contain_text("Enabled")
    assert not faults(page)


def test_search_finds_as_one_types_and_stays_in_the_address(open_page: Open, cast: Cast) -> None:
    page = open_page()
    page.get_by_label("Email addresses").fill("half typed@")
    page.get_by_label("Search users").press_sequentially("carol")
    expect(page.locator("#rows > tr")).to_have_count(1)
    expect(page.get_by_label("Search users")).to_be_focused()
    expect(page.get_by_label("Email addresses")).to_have_value("half typed@")
    expect(page).to_have_url(re.compile(r"\?q=carol$"))
    page.reload()
    expect(page.locator("#rows > tr")).to_have_count(1)
    expect(page.locator("#people")).to_contain_text("1 person found.")


def test_more_people_join_the_list(open_page: Open, client_for: ClientFor, cast: Cast) -> None:
    client_for("alice").send(USERS, emails=";".join(f"p{n:02}@crowd.example" for n in range(60)))
    page = open_page()
    page.get_by_role("link", name="Show more").click()
    expect(page.locator("#rows > tr")).to_have_count(65)
    expect(page.locator("#foot")).to_have_text("65 of 65 shown")


def test_everything_works_without_scripts(
    open_page: Open, browser: Browser, browser_context_args: dict[str, object], cast: Cast
) -> None:
    page = open_page(page=browser.new_context(java_script_enabled=False).new_page())
    choose_plainly(page, cast.bob, "Co-admin")
    expect(page).to_have_title(re.compile("Make Bob Example co-administrator instead of Carol Example?"))
    page.get_by_role("button", name="Co-admin").click()
    expect(page.locator("#live")).to_contain_text("Bob Example is co-administrator now.")
    choose_plainly(page, cast.dave, "Copy link")
    expect(page.get_by_role("textbox", name="Link")).to_have_value(re.compile("/invitations/"))
    page.get_by_role("button", name="Close").click()
    page.get_by_label("Email addresses").fill("new@firm.example; nonsense")
    page.get_by_role("button", name="Invite Users").click()
    expect(page.get_by_role("heading", name="1 of 2 addresses invited")).to_be_visible()
    page.get_by_label("Search users").fill("dora")
    page.keyboard.press("Enter")
    row(page, cast.dora).get_by_role("button", name="Enable").click()
    expect(page).to_have_url(re.compile(rf"\?q=dora#member-{cast.dora.member_id}$"))
    expect(row(page, cast.dora)).to_contain_text("Enabled")
    page.context.close()


def choose_plainly(page: Page, player: Player, action: str) -> None:
    """Choose from the menu of a row, which HTML alone opens."""
    row(page, player).get_by_role("button", name="More for").click()
    row(page, player).get_by_role("button", name=action, exact=True).click()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390), ("light", 320)])
def test_every_page_is_accessible_and_fits(
    open_page: Open, page: Page, cast: Cast, mailed: str, scheme: str, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    pages = [("alice", USERS), ("mallory", USERS), ("dave", mailed), ("erin", mailed)]
    pages += [("alice", f"{USERS}/{cast.bob.member_id}/{ask}") for ask in ("co-admin", "remove")]
    for name, path in pages:
        open_page(name, path)
        assert not faults(page), (name, path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (name, path)
