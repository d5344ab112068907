"""By ear: headings, landmarks, names and states in Chromium's accessibility tree, and one message for each action."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, Route, expect

from tests.accessibility import Ear, Node, faults
from tests.browser import complaints, watched
from tests.cast import Cast
from tests.clients import share
from tests.permission_pages import HOME as PERMISSIONS
from tests.users_page import USERS, ClientFor

pytestmark = pytest.mark.on_sqlite
PRODUCTS = "/admin/products"


@pytest.fixture
def page(server: str, browser: Browser) -> Iterator[Page]:
    """A page that nobody is signed in to."""
    context = browser.new_context(base_url=server, reduced_motion="reduce")
    page = watched(context.new_page())
    yield page
    assert not complaints(page)
    context.close()


@pytest.fixture
def alice(page: Page, client_for: ClientFor, server: str) -> Page:
    """The administrator's page."""
    share(client_for("alice"), page, server)
    return page


def one(page: Page, role: str, name: str) -> Node:
    """The one thing of this role and name."""
    found = [each for each in Ear(page).read() if each.role == role and each.name == name]
    assert len(found) == 1, [each.name for each in Ear(page).read() if each.role == role]
    return found[0]


# ── what is there ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_pages_before_sign_in_can_be_told_apart_by_ear(page: Page) -> None:
    titles = [title_of(page, path) for path in ("/login", "/register", "/reset", "/confirm", "/nowhere")]
    assert len(set(titles)) == len(titles)


def test_pages_of_admin_space_can_be_told_apart_by_ear(alice: Page, cast: Cast) -> None:
    rows = [f"{USERS}/{cast.bob.member_id}/{ask}" for ask in ("co-admin", "remove")]
    paths = [
        USERS,
        f"{PRODUCTS}?open={cast.license['annual']}",
        PERMISSIONS,
        f"{PERMISSIONS}?member={cast.bob.member_id}",
    ]
    own = ["/admin/settings", "/profile", "/products", "/organization"]
    titles = [title_of(alice, path) for path in [*paths, *own, *rows]]
    assert len(set(titles)) == len(titles)


def title_of(page: Page, path: str) -> str:
    """The title of a page that has no fault."""
    page.goto(path)
    assert faults(Ear(page).read()) == [], path
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator(":is(.i, svg):not([aria-hidden=true], [aria-hidden=true] *)").count() == 0
    return page.title()


def test_every_control_of_a_row_says_whose_it_is(alice: Page, cast: Cast) -> None:
    alice.goto(USERS)
    nodes = Ear(alice).read()
    controls = [each for each in nodes if each.role in ("button", "link") and each.within("row")]
    assert len(controls) > 8
    for each in controls:
        cell = next(cell for cell in nodes if cell.role == "cell" and cell.within("row") is each.within("row"))
        person = each.description or each.name.removeprefix("More for ")
        assert "".join(cell.name.split()).startswith("".join(person.split())), each  # a place to break reads as a space
    alice.get_by_role("button", name="More for Bob Example").click()
    assert one(alice, "button", "Remove").within("group").name == "More for Bob Example"  # type: ignore[union-attr]


def test_licenses_of_one_product_differ_by_their_type(alice: Page) -> None:
    alice.goto(PRODUCTS)
    details = [each for each in Ear(alice).read() if (each.role, each.name) == ("button", "Details of Draft Pro")]
    assert [each.description for each in details] == ["ANNUAL", "PERPETUAL"]


# ── states ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_open_current_or_ticked_says_so(alice: Page, cast: Cast) -> None:
    alice.goto(PRODUCTS)
    assert one(alice, "button", "Details of Hub Server").state["expanded"] is False
    alice.get_by_role("button", name="Details of Hub Server").click()
    expect(alice.get_by_role("button", name="Details of Hub Server", expanded=True)).to_be_visible()
    assert one(alice, "button", "Details of Hub Server").state["expanded"] is True
    assert one(alice, "button", "Alice Example").state["expanded"] is False
    alice.get_by_role("button", name="Alice Example").click()
    assert one(alice, "button", "Alice Example").state["expanded"] is True
    expect(alice.get_by_role("navigation", name="Admin Space").locator("[aria-current=page]")).to_have_text("Products")
    alice.goto(f"{USERS}?state=enabled")
    expect(alice.get_by_role("navigation", name="State").locator("[aria-current=true]")).to_have_text(
        re.compile("Enabled")
    )
    alice.goto(PERMISSIONS)
    ticked = [each.name for each in Ear(alice).read() if each.role == "checkbox" and each.state["checked"] == "true"]
    assert ticked == ["Bob Example", "Carol Example"]
    held = [each for each in Ear(alice).read() if each.role == "checkbox" and each.name == "Bob Example"]
    assert "Has ANNUAL, until" in held[1].description


def test_a_language_is_named_in_itself(alice: Page) -> None:
    alice.goto("/profile")
    languages = alice.locator("#locale > option:not([value=''])").all()
    assert [each.get_attribute("lang") for each in languages] == [each.get_attribute("value") for each in languages]
    assert languages


def test_an_error_is_tied_to_its_field_and_has_the_focus(alice: Page) -> None:
    alice.goto("/profile")
    alice.get_by_label("Current password").fill("not this one")
    alice.get_by_label("New password").fill("a long enough passphrase, too")
    alice.get_by_role("button", name="Change password").click()
    expect(alice.get_by_label("Current password")).to_be_focused()
    expect(alice.get_by_label("Current password")).to_have_attribute("aria-invalid", "true")
    wrong = one(alice, "textbox", "Current password")
    assert wrong.state["invalid"] == "true"
    assert wrong.description
    assert wrong.state["focused"] is True


def test_a_message_over_the_form_has_the_focus(page: Page) -> None:
    page.goto("/login")
    page.get_by_label("Email").fill("nobody@example.com")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert page.evaluate("!!document.activeElement.closest('main') && document.activeElement.tagName !== 'MAIN'")


def test_a_dialog_has_a_name_and_says_what_follows(alice: Page, cast: Cast) -> None:
    alice.goto(USERS)
    alice.get_by_role("button", name="More for Bob Example").click()
    alice.get_by_role("button", name="Co-admin").click()
    expect(alice.get_by_role("dialog")).to_be_visible()
    dialog = one(alice, "dialog", "Make Bob Example co-administrator instead of Carol Example?")
    assert dialog.state["modal"] is True
    assert "Carol Example stays enabled and keeps" in dialog.description
    assert faults(Ear(alice).read()) == []
    assert not [each for each in Ear(alice).read() if each.role == "table"]  # what is behind is silent


# ── what is said ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_action_is_said_once_in_the_words_that_are_shown(alice: Page, cast: Cast) -> None:
    alice.goto(USERS)
    ear = Ear(alice)
    ear.listen()
    region = one(alice, "status", "")
    assert (region.state["live"], region.within("main")) == ("polite", None)
    for name, button, sentence in (
        ("Bob Example", "Disable", "Bob Example is disabled. 1 seat is free again."),
        ("Bob Example", "Enable", "Bob Example is enabled."),
        ("Bob Example", "Restore", "1 permission is back."),
    ):
        alice.get_by_role("row").filter(has_text=name).get_by_role("button", name=button).click()
        expect(alice.locator(".flash")).to_have_text(sentence)
        assert ear.heard() == [sentence]
    alice.get_by_role("button", name="More for Bob Example").click()
    alice.get_by_role("button", name="Remove").click()
    alice.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(alice.locator(".flash")).to_have_text("Bob Example is removed. 1 seat is free again.")
    assert ear.heard() == ["Bob Example is removed. 1 seat is free again."]


def test_what_came_of_a_paste_is_said_once(alice: Page, cast: Cast) -> None:
    alice.goto(USERS)
    ear = Ear(alice)
    ear.listen()
    alice.get_by_label("Email addresses").fill("new@firm.example; nonsense")
    alice.get_by_role("button", name="Invite Users").click()
    expect(alice.get_by_role("row", name="new@firm.example")).to_be_visible()
    assert ear.heard() == ["1 of 2 addresses invited"]
    assert one(alice, "heading", "1 of 2 addresses invited")


def test_a_key_and_a_tick_are_said_once(alice: Page, cast: Cast) -> None:
    ear = Ear(alice)
    alice.goto(PRODUCTS)
    ear.listen()
    alice.get_by_label("Permission key").fill(cast.unused["shared"])
    alice.get_by_role("button", name="Validate Permission Key").click()
    expect(alice.get_by_role("table", name="Content of the permission key")).to_be_visible()
    assert len(ear.heard()) == 1
    alice.get_by_role("button", name="Add product to my list").click()
    expect(alice.locator(".flash:not(.visually-hidden)")).to_have_text("Draft Pro is in your list now.")
    assert ear.heard() == ["Draft Pro is in your list now."]
    alice.goto(PERMISSIONS)
    ear.listen()
    license = alice.get_by_role("region", name=re.compile("^Draft Pro ANNUAL")).first
    license.get_by_role("checkbox", name="Carol Example").click()
    expect(alice.locator(".flash")).to_have_text("Draft Pro given to Carol Example")
    assert ear.heard() == ["Draft Pro given to Carol Example"]


def test_a_button_that_works_is_busy_and_keeps_its_name(alice: Page, cast: Cast, app: Flask) -> None:
    alice.goto(USERS)
    waiting: list[Route] = []
    alice.route("**/disable", lambda route: waiting.append(route))
    button = alice.get_by_role("row").filter(has_text="Bob Example").get_by_role("button", name="Disable")
    button.click()
    expect(button).to_have_attribute("aria-busy", "true")
    expect(button).to_have_accessible_name("Disable")
    expect(button).to_be_focused()
    waiting[0].continue_()
    expect(alice.locator("[aria-busy]")).to_have_count(0)
