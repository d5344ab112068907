"""In a browser: the frame, the macros and app.js, with the portal's policy, light and dark, wide and narrow."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from werkzeug.serving import make_server

from tests.browser import complaints, faults
from tests.look_app import make_app


@pytest.fixture
def address() -> Iterator[str]:
    """A fresh application, served on a free port."""
    server = make_server("127.0.0.1", 0, make_app(), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def users(page: Page, address: str) -> Page:
    """The list, open in a browser that must not complain."""
    page.goto(f"{address}/users")
    return page


def row(page: Page, name: str) -> Locator:
    return page.get_by_role("row", name=name)


def choose(page: Page, name: str, entry: str) -> None:
    """Choose an entry of a row's menu."""
    row(page, name).get_by_role("button", name=f"More for {name}").click()
    row(page, name).get_by_role("button", name=entry).click()


def test_action_swaps_the_row_says_so_and_keeps_the_focus(users: Page) -> None:
    row(users, "Tom").get_by_role("button", name="Disable").click()
    expect(row(users, "Tom").get_by_role("button", name="Enable")).to_be_focused()
    expect(users.get_by_role("status")).to_have_text("Tom: disable")
    assert "fresh" in (row(users, "Tom").get_attribute("class") or "")


def test_said_sentence_leaves_after_its_time(users: Page) -> None:
    row(users, "Tom").get_by_role("button", name="Disable").click()
    expect(users.locator(".flash")).to_have_count(1)
    expect(users.locator(".flash")).to_have_count(0, timeout=8000)


def test_slow_answer_shows_on_the_button_that_was_pressed(users: Page) -> None:
    choose(users, "Jana", "Resend")
    menu_button = row(users, "Jana").get_by_role("button", name="More for Jana")
    expect(menu_button).to_have_attribute("aria-busy", "true")
    expect(users.get_by_role("status")).to_have_text("Jana: slow")
    expect(menu_button).to_be_focused()
    expect(users.locator("[aria-busy]")).to_have_count(0)


def test_failure_is_said_and_changes_nothing(users: Page) -> None:
    choose(users, "Jana", "Fail")
    expect(users.get_by_role("alert")).to_contain_text("nothing was changed")
    expect(row(users, "Jana")).to_be_visible()
    users.get_by_role("alert").get_by_role("button", name="Close").click()
    expect(users.get_by_role("alert")).to_have_count(0)
    complaints(users).clear()


def test_refusal_is_said_and_the_row_stays(users: Page) -> None:
    choose(users, "Jana", "Refuse")
    expect(users.get_by_role("alert")).to_contain_text("She is the administrator.")
    expect(row(users, "Jana").get_by_text("Enabled")).to_be_visible()


def test_error_page_never_enters_a_row(users: Page) -> None:
    choose(users, "Jana", "Lose page")
    expect(users.get_by_role("alert")).to_contain_text("It does not exist.")
    expect(users.get_by_role("row")).to_have_count(4)


def test_lost_session_leads_to_where_the_answer_says(users: Page, address: str) -> None:
    choose(users, "Jana", "Lose session")
    users.wait_for_url(f"{address}/users?signed-out")


def test_missing_network_is_said(users: Page) -> None:
    users.context.set_offline(True)
    row(users, "Tom").get_by_role("button", name="Disable").click()
    expect(users.get_by_role("alert")).to_contain_text("cannot be reached")
    complaints(users).clear()


@pytest.mark.parametrize("leave", ["Escape", "Cancel"])
def test_dialog_gives_the_focus_back(users: Page, leave: str) -> None:
    choose(users, "Jana", "Remove")
    dialog = users.get_by_role("dialog", name="Remove Jana?")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    users.keyboard.press("Escape") if leave == "Escape" else dialog.get_by_role("button", name="Cancel").click()
    expect(row(users, "Jana").get_by_role("button", name="More for Jana")).to_be_focused()
    assert users.locator("[role=dialog]").count() == 1


def test_confirmed_dialog_closes_and_the_next_row_has_the_focus(users: Page) -> None:
    choose(users, "Jana", "Remove")
    users.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(row(users, "Jana")).to_have_count(0)
    expect(row(users, "Łukasz").get_by_role("button", name="Disable")).to_be_focused()


def test_wrong_input_keeps_the_text_and_the_field_has_the_focus(users: Page) -> None:
    field = users.get_by_label("Email addresses")
    field.fill("nobody@nowhere")
    users.get_by_role("button", name="Invite").click()
    expect(field).to_have_accessible_description("Not an address. One or many.")
    expect(field).to_have_value("nobody@nowhere")
    expect(field).to_be_focused()


def test_double_click_is_one_request(users: Page) -> None:
    sent: list[str] = []
    users.on("request", lambda request: sent.append(request.method) if request.method == "POST" else None)
    row(users, "Tom").get_by_role("button", name="More for Tom").click()
    row(users, "Tom").get_by_role("button", name="Resend").dblclick()
    expect(users.get_by_role("status")).to_have_text("Tom: slow")
    assert sent == ["POST"]


def test_menu_of_the_person_has_exactly_the_entry_that_fits(users: Page) -> None:
    users.get_by_role("button", name="Anna Brenner").click()
    menu = users.get_by_role("navigation", name="Account")
    assert menu.get_by_role("link").all_inner_texts() == ["My Account", "Admin Space"]
    expect(menu.get_by_role("button", name="Sign out")).to_be_visible()


def test_control_outside_a_form_sends_the_token(users: Page) -> None:
    users.get_by_role("checkbox", name="Tick").click()  # not check(): the answer replaces the box
    expect(users.get_by_role("status")).to_have_text("Łukasz: tick")


def test_copy_says_so(users: Page) -> None:
    users.get_by_role("button", name="Copy").click()
    expect(users.get_by_role("status")).to_have_text("Copied")


def test_everything_works_without_scripts(browser: Browser, address: str) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(f"{address}/users")
    row(page, "Tom").get_by_role("button", name="Disable").click()
    expect(page.get_by_role("status")).to_have_text("Tom: disable")
    choose(page, "Tom", "Remove")
    page.get_by_role("button", name="Cancel").click()
    choose(page, "Tom", "Remove")
    page.get_by_role("button", name="Remove").click()
    expect(row(page, "Tom")).to_have_count(0)
    page.context.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("dark", 390), ("light", 320)])
def test_page_and_dialog_are_accessible(users: Page, scheme: Any, width: int) -> None:
    users.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    users.set_viewport_size({"width": width, "height": 800})
    assert faults(users) == []
    assert users.evaluate("document.documentElement.scrollWidth") <= width
    choose(users, "Jana", "Remove")
    expect(users.get_by_role("dialog")).to_be_visible()
    assert faults(users) == []
