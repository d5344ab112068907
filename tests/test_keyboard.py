"""With the keyboard alone: the whole journey, where the focus goes after every change, and whether it is seen."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, expect
from sqlalchemy.orm import Session

from core.activity import COMMAND
from core.dates import now
from tests.browser import complaints, watched
from tests.cast import PASSWORD, Cast
from tests.clients import share
from tests.invitation_page import NEW, link_of, new_row
from tests.keyboard import Keyboard, Stop
from tests.permission_pages import HOME as PERMISSIONS
from tests.permission_pages import crowd, edit, key_of
from tests.users_page import USERS, ClientFor

pytestmark = pytest.mark.on_sqlite
PRODUCTS = "/admin/products"


@pytest.fixture
def keyboard(server: str, browser: Browser) -> Iterator[Keyboard]:
    """A person without a mouse, at a low window; what hides the focus, or its ring, fails the test."""
    context = browser.new_context(
        base_url=server, viewport={"width": 1280, "height": 520}, reduced_motion="reduce"
    )  # fmt: skip
    keyboard = Keyboard(watched(context.new_page()))
    yield keyboard
    assert not complaints(keyboard.page)
    assert not keyboard.faults
    context.close()


@pytest.fixture
def alice(keyboard: Keyboard, client_for: ClientFor, server: str) -> Keyboard:
    """The administrator, signed in."""
    share(client_for("alice"), keyboard.page, server)
    return keyboard


def said(keyboard: Keyboard, sentence: str) -> Stop:
    """What has the focus once a sentence was said: something that is there and seen."""
    expect(keyboard.page.locator("#live")).to_contain_text(sentence)
    return here(keyboard)


def here(keyboard: Keyboard) -> Stop:
    """What has the focus, which is not lost."""
    stop = keyboard.focus()
    assert stop, "the focus is lost"
    assert not stop.fault
    return stop


def title(keyboard: Keyboard, text: str) -> None:
    expect(keyboard.page.get_by_role("heading", level=1)).to_have_text(text)


# ── the journey ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_from_permission_key_to_an_invitation_that_is_confirmed(
    keyboard: Keyboard, cast: Cast, on_app: Session, browser: Browser, server: str
) -> None:
    page = keyboard.page
    sign_in(keyboard, cast.erin.email)
    keyboard.choose("Erin Example")
    keyboard.choose("Create an Organization")
    title(keyboard, "Create an Organization")
    keyboard.to("^Permission key$")
    keyboard.type(cast.unused["shared"])
    keyboard.press("Enter")
    expect(page.get_by_role("table")).to_contain_text("ANNUAL")
    assert here(keyboard).name in ("Permission key", "Validate Permission Key")
    keyboard.to("^Organization name$")
    keyboard.type("Erin & Sons")
    keyboard.press("Enter")
    expect(page.locator("#live")).to_contain_text("Erin & Sons is created")
    keyboard.choose("^Users$")
    title(keyboard, "Users")
    keyboard.press("Tab", "Enter")  # the skip link
    keyboard.to("^Email addresses$")
    keyboard.type(NEW)
    keyboard.choose("^Invite Users$")
    expect(page.get_by_role("row", name=NEW)).to_contain_text("Pending")
    assert "1 of 1 address invited" in here(keyboard).row
    sign_out(keyboard, "Erin Example")
    page.goto(link_of(new_row(on_app)))
    keyboard.to("^Name$")
    keyboard.type("New Comer")
    keyboard.to("^Password$")
    keyboard.type(PASSWORD)
    keyboard.press("Enter")
    expect(page.get_by_role("button", name="Confirm participation")).to_be_visible()
    keyboard.choose("^Confirm participation$")
    title(keyboard, "My Organization")
    sign_out(keyboard, "New Comer")


def sign_in(keyboard: Keyboard, email: str) -> None:
    keyboard.page.goto("/login")
    assert here(keyboard).name == "Email"
    keyboard.type(email)
    keyboard.to("^Password$")
    keyboard.type(PASSWORD)
    keyboard.press("Enter")
    title(keyboard, "My Products")


def sign_out(keyboard: Keyboard, name: str) -> None:
    keyboard.choose(name)
    keyboard.choose("^Sign out$")
    title(keyboard, "Sign in")


# ── the frame ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_skip_link_leads_into_the_content(alice: Keyboard) -> None:
    alice.page.goto(USERS)
    alice.press("Tab")
    assert here(alice).name == "Skip to the content"
    alice.press("Enter", "Tab")
    assert here(alice).in_main


def test_a_menu_opens_closes_and_gives_the_focus_back(alice: Keyboard) -> None:
    alice.page.goto(USERS)
    for name, first in (("Alice Example$", "My Account"), ("More for Bob Example", "Permissions")):
        for opens in ("Enter", "Space"):
            opener = alice.to(name)
            alice.press(opens, "Tab")
            assert here(alice).name == first
            alice.press("Escape")
            assert here(alice) == opener
    alice.press("Tab")
    assert "Carol Example" in here(alice).row  # not into the closed menu


def test_a_row_unfolds_and_folds(alice: Keyboard, cast: Cast) -> None:
    page = alice.page
    page.goto(PRODUCTS)
    row = page.get_by_role("button", name="Details of Hub Server")
    alice.choose("Details of Hub Server")
    expect(row).to_have_attribute("aria-expanded", "true")
    assert here(alice).name == "Details of Hub Server"
    alice.press("Tab")
    assert here(alice).name == "Reveal"
    alice.press("Enter")
    expect(page.get_by_role("button", name="Reveal")).to_have_count(0)
    assert here(alice).name == "Copy"
    alice.to("Details of Hub Server", key="Shift+Tab")
    alice.press("Space")
    expect(row).to_have_attribute("aria-expanded", "false")


def test_what_is_over_unfolds(alice: Keyboard, app: Flask, cast: Cast) -> None:
    edit(app, lambda: key_of(cast.license["annual"]).revoke(COMMAND, now()))
    alice.page.goto(PERMISSIONS)
    alice.choose("^Who has a permission$")
    alice.press("Tab")
    assert here(alice).name.startswith("Bob Example")
    alice.press("Space")
    assert said(alice, "Draft Pro taken back from Bob Example")


def test_a_key_is_added_from_its_field(alice: Keyboard, cast: Cast) -> None:
    alice.page.goto(PRODUCTS)
    alice.to("^Permission key$")
    alice.type("93HFB")
    alice.choose("^Add product to my list$")
    expect(alice.page.locator("#permission_key-error")).to_be_visible()
    assert here(alice).name == "Permission key"
    alice.type(cast.unused["shared"])
    alice.choose("^Add product to my list$")
    assert said(alice, "Draft Pro is in your list now.").name == "Details of Draft Pro"


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_focus_stays_in_the_row_that_changed(alice: Keyboard, cast: Cast) -> None:
    alice.page.goto(USERS)
    alice.choose("^Disable$", "Bob Example")
    stop = said(alice, "Bob Example is disabled.")
    assert (stop.name, "Bob Example" in stop.row) == ("Enable", True)
    alice.press("Enter")
    assert said(alice, "Bob Example is enabled.").name == "Disable"
    alice.to("^Restore", "Bob Example", "Shift+Tab")
    alice.press("Enter")
    assert "Bob Example" in said(alice, "1 permission is back.").row
    alice.choose("^Resend$", "dave@example.com")
    assert said(alice, "A new link for dave@example.com").name == "Resend"
    for _ in range(2):  # a role taken back, and given again to nobody's cost, by the menu of the row
        alice.to("More for Carol Example", key="Shift+Tab" if _ == 0 else "Tab")
        alice.press("Enter")
        alice.choose("^(No longer co-admin|Co-admin)$", "Permissions")
        said(alice, "Carol Example is")
        assert here(alice).name == "More for Carol Example"
        alice.press("Shift+Tab")


def ask(keyboard: Keyboard, row: str, action: str) -> None:
    """Open a row's menu, choose what asks, and find the focus in the dialog."""
    if here(keyboard).name != f"More for {row}":
        keyboard.to(f"More for {row}")
    keyboard.press("Enter")
    keyboard.choose(f"^{action}$")
    expect(keyboard.page.get_by_role("dialog")).to_be_visible()
    assert (here(keyboard).name, here(keyboard).in_dialog) == ("Cancel", True)


def test_a_dialog_keeps_the_focus_and_gives_it_back(alice: Keyboard, cast: Cast) -> None:
    page = alice.page
    page.goto(USERS)
    alice.press("Tab")
    ask(alice, "Bob Example", "Co-admin")
    names = []
    for _ in range(4):  # one round, and the browser's own stop between its end and its beginning
        alice.press("Tab")
        stop = alice.focus()
        assert stop is None or stop.in_dialog
        names += [stop.name] if stop else []
    assert set(names) == {"Cancel", "Co-admin"}
    alice.press("Escape")
    assert here(alice).name == "More for Bob Example"
    ask(alice, "Bob Example", "Co-admin")
    alice.press("Enter")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert here(alice).name == "More for Bob Example"
    ask(alice, "Bob Example", "Co-admin")
    alice.choose("^Co-admin$")
    assert said(alice, "Bob Example is co-administrator now.").name == "More for Bob Example"
    ask(alice, "Bob Example", "Remove")
    alice.choose("^Remove$")
    assert "Carol Example" in said(alice, "Bob Example is removed.").row
    ask(alice, "dave@example.com", "Withdraw")
    alice.choose("^Withdraw$")
    assert "Dora Example" in said(alice, "The invitation of dave@example.com is withdrawn.").row


def test_search_and_pages_keep_the_place(alice: Keyboard, app: Flask, cast: Cast) -> None:
    page = alice.page
    crowd(app, cast, 60)
    page.goto(USERS)
    alice.to("^Search users$")
    alice.type("crowd")
    expect(page.locator("#people")).to_contain_text("60 people found.")
    assert here(alice).name == "Search users"
    page.goto(f"{USERS}?q=crowd#foot")
    alice.choose("^Show more$")
    expect(page.locator("#rows > tr")).to_have_count(60)
    assert "Crowd 050" in here(alice).row
    ask(alice, "Crowd 055", "Co-admin")
    alice.choose("^Co-admin$")
    assert "Crowd 055" in said(alice, "Crowd 055 is co-administrator now.").row


def test_a_tick_keeps_the_focus_and_a_refusal_offers_the_move(alice: Keyboard, cast: Cast) -> None:
    alice.page.goto(PERMISSIONS)
    alice.to("^Bob Example")
    alice.press("Space")
    assert said(alice, "Draft Pro taken back from Bob Example").name.startswith("Bob Example")
    alice.press("Space")
    assert said(alice, "Draft Pro given to Bob Example").name.startswith("Bob Example")
    alice.to("^Bob Example")
    alice.press("Space")
    expect(alice.page.get_by_role("alert")).to_be_visible()
    assert here(alice).name.startswith("Bob Example")
    alice.choose("^Move$")
    assert "Bob Example" in said(alice, "Bob Example moved to Draft Pro").row


# ── every page ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_tab_passes_everything_in_order_and_in_sight(
    alice: Keyboard, app: Flask, cast: Cast, scheme: str, width: int
) -> None:
    crowd(app, cast, 6)
    alice.page.set_viewport_size({"width": width, "height": 520})
    alice.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
    license = f"{PRODUCTS}?open={cast.license['annual']}"
    for path in (USERS, license, PERMISSIONS, "/profile", "/admin/settings", "/products", "/organization"):
        alice.page.goto(path)
        stops = alice.round()
        flow = [stop for stop in stops if not stop.floats]
        assert flow, path
        assert all(a.top < b.bottom for a, b in itertools.pairwise(flow)), path
        assert [stop.name for stop in alice.round("Shift+Tab")] == [stop.name for stop in stops[::-1]], path
        assert not alice.faults
    alice.page.emulate_media(reduced_motion="no-preference")
    assert alice.page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"


def test_a_message_never_lies_over_the_focus(alice: Keyboard, app: Flask, cast: Cast) -> None:
    crowd(app, cast, 12)
    alice.page.set_viewport_size({"width": 390, "height": 480})
    alice.page.goto(USERS)
    alice.choose("^Disable$", "Bob Example")
    said(alice, "Bob Example is disabled.")
    alice.page.locator(".flash").hover()  # a mouse that rests there makes it stay
    assert alice.round()
    expect(alice.page.locator(".flash")).to_be_visible()
