"""Without JavaScript: whatever is pressed leads back to where it was pressed, and says there what happened.

The way there, from a permission key to permissions with real letters, is `test_the_same_without_scripts` of
test_seed_journey.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, Locator, Page, expect

from core.activity import COMMAND
from core.dates import now
from tests.browser import complaints, watched
from tests.cast import PASSWORD, Cast
from tests.clients import share
from tests.permission_pages import HOME as PERMISSIONS
from tests.permission_pages import crowd, edit, key_of
from tests.users_page import USERS, ClientFor

pytestmark = pytest.mark.on_sqlite
PRODUCTS = "/admin/products"


@pytest.fixture
def alice(server: str, client_for: ClientFor, browser: Browser) -> Iterator[Page]:
    """The administrator's browser, which runs no scripts."""
    context = browser.new_context(
        java_script_enabled=False, base_url=server, viewport={"width": 1280, "height": 720}
    )  # fmt: skip
    page = watched(context.new_page())
    share(client_for("alice"), page, server)
    yield page
    assert not complaints(page)
    context.close()


def row(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has_text=name)


def choose(page: Page, name: str, action: str) -> None:
    """Press a row's button, out of its menu when it is not beside it."""
    wanted = row(page, name).get_by_role("button", name=action)
    if not wanted.is_visible():
        row(page, name).get_by_role("button", name=f"More for {name}").click()
    wanted.click()


def confirm(page: Page, question: str, button: str) -> None:
    """Answer the page that asks; its heading is the question."""
    expect(page.get_by_role("heading", level=1)).to_have_text(question)
    page.get_by_role("main").get_by_role("button", name=button, exact=True).click()


def said(page: Page, sentence: str | re.Pattern[str]) -> None:
    expect(page.get_by_role("status")).to_have_text(sentence)


@pytest.fixture
def second_page(alice: Page, app: Flask, cast: Cast) -> str:
    """The address of the list's second page, which is open."""
    crowd(app, cast, 60)
    alice.goto(USERS)
    alice.get_by_role("link", name="Show more").click()
    expect(alice).to_have_url(re.compile(r"\?after=\d+&before=50$"))
    return alice.url


@pytest.fixture
def back(alice: Page, second_page: str) -> Callable[..., None]:
    """Checks that a sentence is said on the list's second page, where the row is in sight."""

    def check(sentence: str, name: str = "") -> None:
        said(alice, sentence)
        assert alice.url.split("#")[0] == second_page
        if name:
            expect(row(alice, name)).to_be_in_viewport()

    return check


def test_every_action_leads_back_to_its_row(alice: Page, cast: Cast, back: Callable[..., None]) -> None:
    steps = [
        ("Crowd 059", "Disable", "Crowd 059 is disabled."),
        ("Crowd 059", "Enable", "Crowd 059 is enabled."),
        ("Dora Example", "Enable", "Dora Example is enabled."),
        ("Dora Example", "Restore", "1 permission is back."),
        ("dave@example.com", "Resend", re.compile("A new link for dave@example.com replaces the earlier one")),
    ]  # fmt: skip
    for name, action, sentence in steps:
        choose(alice, name, action)
        back(sentence, name)


def test_every_question_leads_back_to_its_row(alice: Page, cast: Cast, back: Callable[..., None]) -> None:
    replaces, removes = "Make Crowd 059 co-administrator instead of Carol Example?", "Remove Crowd 058?"
    choose(alice, "Crowd 059", "Co-admin")
    confirm(alice, replaces, "Cancel")
    expect(row(alice, "Crowd 059")).to_contain_text("Member")
    choose(alice, "Crowd 059", "Co-admin")
    confirm(alice, replaces, "Co-admin")
    back("Crowd 059 is co-administrator now. Carol Example is a member now.", "Crowd 059")
    choose(alice, "Crowd 059", "No longer co-admin")
    back("Crowd 059 is no longer co-administrator.", "Crowd 059")
    choose(alice, "Crowd 057", "Co-admin")  # nobody is replaced, so nothing is asked
    back("Crowd 057 is co-administrator now.", "Crowd 057")
    choose(alice, "Crowd 058", "Remove")
    confirm(alice, removes, "Remove")
    back("Crowd 058 is removed.")
    choose(alice, "dave@example.com", "Copy link")
    expect(alice.get_by_role("textbox", name="Link")).to_have_value(re.compile("/invitations/"))
    alice.get_by_role("button", name="Close").click()
    choose(alice, "dave@example.com", "Withdraw")
    confirm(alice, "Withdraw the invitation of dave@example.com?", "Withdraw")
    back("The invitation of dave@example.com is withdrawn.")


def test_a_search_stays_what_it_was(alice: Page, cast: Cast) -> None:
    alice.goto(USERS)
    alice.get_by_role("searchbox", name="Search users").fill("example")
    alice.keyboard.press("Enter")
    alice.get_by_role("navigation", name="State").get_by_role("link", name="Enabled").click()
    choose(alice, "Bob Example", "Remove")
    confirm(alice, "Remove Bob Example?", "Cancel")
    expect(alice).to_have_url(re.compile(r"\?q=example&state=enabled$"))
    choose(alice, "Carol Example", "No longer co-admin")
    said(alice, "Carol Example is no longer co-administrator.")
    expect(alice).to_have_url(re.compile(rf"\?q=example&state=enabled#member-{cast.carol.member_id}$"))
    alice.get_by_role("searchbox", name="Search users").fill("nobody at all")
    alice.keyboard.press("Enter")
    alice.get_by_role("link", name="Show everybody").click()
    expect(row(alice, "Dora Example")).to_be_visible()


def license(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=re.compile(f"^{name}"))


def tick(page: Page, name: str, person: str) -> None:
    """Change a tick and save the license."""
    license(page, name).get_by_role("checkbox", name=person).click()
    license(page, name).get_by_role("button", name="Save").click()


def test_permissions_are_given_moved_and_taken(alice: Page, app: Flask, cast: Cast) -> None:
    crowd(app, cast, 60)
    alice.goto(PERMISSIONS)
    alice.get_by_role("link", name="Next users").click()
    page = alice.url
    tick(alice, "Draft Pro PERPETUAL", "Crowd 059")
    said(alice, "1 permission of Draft Pro changed")
    tick(alice, "Draft Pro ANNUAL", "Crowd 059")
    said(alice, re.compile("Crowd 059 has a permission for Draft Pro already: PERPETUAL"))
    confirm(alice, "Move the permission of Crowd 059?", "Move")
    said(alice, re.compile("Crowd 059 moved to Draft Pro ANNUAL"))
    assert alice.url == f"{page}#license-{cast.license['annual']}"
    expect(license(alice, "Draft Pro ANNUAL")).to_be_in_viewport()
    tick(alice, "Draft Pro ANNUAL", "Crowd 059")
    said(alice, "1 permission of Draft Pro changed")
    expect(license(alice, "Draft Pro ANNUAL")).to_contain_text("1 of 3 seats given away")
    alice.get_by_role("link", name="First users").click()
    expect(license(alice, "Draft Pro ANNUAL").get_by_role("checkbox", name="Bob Example")).to_be_checked()
    alice.get_by_role("searchbox", name="Search users").fill("bob")
    alice.keyboard.press("Enter")
    tick(alice, "Draft Pro ANNUAL", "Bob Example")
    expect(alice).to_have_url(re.compile(r"\?q=bob#license-"))
    expect(alice.get_by_role("checkbox").first).to_have_accessible_name("Bob Example")


def test_what_is_over_unfolds(alice: Page, app: Flask, cast: Cast) -> None:
    edit(app, lambda: key_of(cast.license["annual"]).revoke(COMMAND, now()))
    alice.goto(PERMISSIONS)
    license(alice, "Draft Pro ANNUAL").get_by_text("Who has a permission").click()
    tick(alice, "Draft Pro ANNUAL", "Bob Example")
    said(alice, "1 permission of Draft Pro changed")


def test_products_unfold_and_take_keys(alice: Page, cast: Cast) -> None:
    alice.goto(PRODUCTS)
    alice.get_by_role("button", name="Details of Hub Server").click()
    expect(alice.get_by_role("button", name="Details of Hub Server")).to_have_attribute("aria-expanded", "true")
    expect(alice.get_by_role("term").filter(has_text="Serial number")).to_be_in_viewport()
    alice.get_by_role("button", name="Reveal").click()
    expect(alice.get_by_role("button", name="Reveal")).to_have_count(0)
    alice.get_by_role("button", name="Details of Hub Server").click()
    expect(alice.get_by_role("button", name="Details of Hub Server")).to_have_attribute("aria-expanded", "false")
    field = alice.get_by_label("Permission key")
    field.fill("93HFB")
    alice.get_by_role("button", name="Validate Permission Key").click()
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    field.fill(cast.unused["shared"])
    alice.get_by_role("button", name="Validate Permission Key").click()
    expect(alice.get_by_role("table", name="Content of the permission key")).to_contain_text("ANNUAL")
    alice.get_by_role("button", name="Add product to my list").click()
    said(alice, re.compile("Draft Pro"))
    expect(alice.get_by_role("button", name="Details of Draft Pro", expanded=True)).to_be_in_viewport()


def test_profiles_are_saved_or_say_what_is_wrong(alice: Page, cast: Cast) -> None:
    alice.goto(USERS)
    menu(alice, "Alice Example", "My Account")
    alice.get_by_role("link", name="Profile").click()
    alice.get_by_label("Name", exact=True).fill("Alice Arden")
    alice.get_by_role("button", name="Save").click()
    said(alice, "Contact information saved.")
    expect(alice.get_by_role("button", name="Alice Arden")).to_be_visible()
    alice.get_by_label("Current password").fill("not this one")
    alice.get_by_label("New password").fill(f"{PASSWORD} too")
    alice.get_by_role("button", name="Change password").click()
    expect(alice.get_by_label("Current password")).to_have_attribute("aria-invalid", "true")
    menu(alice, "Alice Arden", "Admin Space")
    alice.get_by_role("link", name="Organization Profile").click()
    alice.get_by_label("Organization name").fill("Kestrel & Sons")
    alice.get_by_role("button", name="Save").click()
    expect(alice.get_by_role("status")).to_be_visible()
    expect(alice.get_by_role("banner")).to_contain_text("Kestrel & Sons")
    alice.get_by_role("button", name="Alice Arden").click()
    alice.get_by_role("button", name="Sign out").click()
    expect(alice.get_by_role("heading", level=1)).to_have_text("Sign in")


def menu(page: Page, name: str, entry: str) -> None:
    """Open the person's menu, which HTML alone does, and follow an entry."""
    page.get_by_role("button", name=name).click()
    page.get_by_role("navigation", name="Account").get_by_role("link", name=entry).click()


def test_the_only_administrator_of_two_gives_the_role_back(
    alice: Page, server: str, client_for: ClientFor, cast: Cast
) -> None:
    share(client_for("carol"), alice, server)
    alice.goto(f"{USERS}?q=carol")
    choose(alice, "Carol Example", "No longer co-admin")
    confirm(alice, "Is Carol Example no longer co-administrator?", "No longer co-admin")
    said(alice, "Carol Example is no longer co-administrator.")
    alice.get_by_role("button", name="Leave organization").click()
    confirm(alice, "Leave Kestrel Works?", "Leave organization")
    said(alice, "You have left Kestrel Works.")
