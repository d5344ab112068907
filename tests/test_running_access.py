"""Status, Stations, Requests, Why and Devices with the keyboard alone, without JavaScript, and by ear."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from sqlalchemy.orm import Session

from tests import sessions
from tests.accessibility import Ear, faults
from tests.browser import complaints, watched
from tests.cast import Cast
from tests.clients import Client, share
from tests.keyboard import Keyboard, Stop

pytestmark = pytest.mark.on_sqlite
STATUS, STATIONS, REQUESTS, DEVICES = "/admin/status", "/admin/stations", "/admin/requests", "/devices"
ClientFor = Callable[[str], Client]
Visitor = Callable[..., Page]


@pytest.fixture
def scene(on_app: Session, cast: Cast, client_for: ClientFor) -> dict[str, int]:
    """Sessions of bob and carol, a station, a program of bob's that only signed in, and a request of carol's."""
    assert client_for("carol").send("/products/ask", product="hub").status_code == 303
    return sessions.scene(on_app, cast)


@pytest.fixture
def visitor(server: str, browser: Browser, client_for: ClientFor, scene: dict[str, int]) -> Iterator[Visitor]:
    """Opens the browser of somebody who is signed in; none of them may complain."""
    pages: list[Page] = []

    def visit(name: str, *, scripts: bool = True) -> Page:
        context = browser.new_context(base_url=server, java_script_enabled=scripts, reduced_motion="reduce",
                                      viewport={"width": 1280, "height": 520})  # fmt: skip
        pages.append(watched(context.new_page()))
        share(client_for(name), pages[-1], server)
        return pages[-1]

    yield visit
    for page in pages:
        assert not complaints(page)
        page.context.close()


def here(keyboard: Keyboard) -> Stop:
    expect(keyboard.page.locator(":focus")).to_have_count(1)  # a dialog gives it back a moment after it has closed
    stop = keyboard.focus()
    assert stop, "the focus is lost"
    assert not stop.fault
    return stop


def said(keyboard: Keyboard, sentence: str) -> Stop:
    expect(keyboard.page.locator("#live")).to_contain_text(sentence)
    expect(keyboard.page.get_by_role("dialog")).to_be_hidden()
    return here(keyboard)


def opened(keyboard: Keyboard, question: str) -> Stop:
    expect(keyboard.page.get_by_role("dialog", name=question)).to_be_visible()
    return here(keyboard)


# ── with the keyboard ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_session_is_ended_with_the_keyboard(visitor: Visitor) -> None:
    alice = Keyboard(visitor("alice"))
    alice.page.goto(STATUS)
    opener = alice.to("^End session$", "WS-bob")
    alice.press("Enter")
    assert opened(alice, "End the session of Bob Example?").name == "Cancel"
    alice.press("Escape")
    assert here(alice) == opener
    alice.press("Enter")
    opened(alice, "End the session of Bob Example?")
    alice.to("^Time to save", key="Shift+Tab")
    alice.type("soon")
    alice.press("Enter")
    expect(alice.page.get_by_role("dialog")).to_contain_text("Enter a number of seconds")
    assert here(alice).name.startswith("Time to save")
    alice.type("600")
    alice.press("Enter")
    assert "WS-bob" in said(alice, "The session of Bob Example is ending.").row
    assert not alice.faults


def test_a_station_is_made_renamed_and_revoked_with_the_keyboard(visitor: Visitor) -> None:
    alice = Keyboard(visitor("alice"))
    alice.page.goto(STATIONS)
    alice.to("^Name$")
    alice.type("LAB-1")
    alice.press("Enter")
    expect(alice.page.locator("#station-key")).to_contain_text("st_")
    assert here(alice).in_main
    alice.choose("^Rename$", "LAB-1")
    assert opened(alice, "Rename LAB-1").name == "Name"
    alice.type("LAB-2")
    alice.press("Enter")
    assert said(alice, "The station is called LAB-2 now.").in_main
    alice.choose("^Revoke$", "LAB-2")
    assert opened(alice, "Revoke LAB-2?").name == "Cancel"
    alice.choose("^Revoke$")
    assert said(alice, "LAB-2 is revoked.").in_main
    assert not alice.faults


def test_a_device_is_renamed_and_removed_with_the_keyboard(visitor: Visitor) -> None:
    bob = Keyboard(visitor("bob"))
    bob.page.goto(DEVICES)
    more = bob.to("^More for WS-bob$")
    for word, question in (("Unbind", "Unbind WS-bob?"), ("This was not me", "Was somebody else on WS-bob?")):
        bob.press("Enter")
        bob.choose(f"^{word}$")
        assert opened(bob, question).name == "Cancel"
        bob.press("Enter")
        assert here(bob) == more
    bob.to("^Rename$", key="Shift+Tab")
    bob.press("Enter")
    assert opened(bob, "Rename WS-bob").name == "Name"
    bob.type("Bob’s laptop")
    bob.press("Enter")
    assert said(bob, "The device is called Bob’s laptop now.").in_main
    bob.choose("^More for Bob’s laptop$")
    bob.choose("^Remove$")
    opened(bob, "Remove Bob’s laptop?")
    bob.choose("^Remove$")
    assert said(bob, "Bob’s laptop is removed. 1 session has ended.")
    assert not bob.faults


def test_tab_passes_everything_in_order_and_in_sight(visitor: Visitor, cast: Cast) -> None:
    alice = Keyboard(visitor("alice"))
    alice.page.set_viewport_size({"width": 390, "height": 520})
    alice.page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    why = f"/admin/users/{cast.bob.member_id}/why?product=render"
    for path in (f"{STATUS}?paused=1", STATIONS, REQUESTS, why, DEVICES, "/activate"):
        alice.page.goto(path)
        flow = [stop for stop in alice.round() if not stop.floats]
        assert flow, path
        assert all(a.top < b.bottom for a, b in itertools.pairwise(flow)), path
    assert not alice.faults


# ── without JavaScript ───────────────────────────────────────────────────────────────────────────────────────────────


def row(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has_text=name)


def choose(page: Page, name: str, action: str, question: str) -> None:
    """Press a row's button, and see the question it leads to."""
    wanted = row(page, name).get_by_role("button", name=action)
    if not wanted.is_visible():
        row(page, name).get_by_role("button", name=f"More for {name}").click()
    wanted.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(question)


def press(page: Page, button: str) -> None:
    page.get_by_role("main").get_by_role("button", name=button, exact=True).click()


def answered(page: Page, path: str, sentence: str) -> None:
    """Back where it was asked, it is said what happened."""
    expect(page).to_have_url(re.compile(re.escape(path) + "([?#].*)?$"))
    expect(page.locator("#live")).to_have_text(sentence)


def test_status_without_javascript(visitor: Visitor) -> None:
    alice = visitor("alice", scripts=False)
    alice.goto(f"{STATUS}?q=ws")
    choose(alice, "WS-bob", "End session", "End the session of Bob Example?")
    press(alice, "Cancel")
    expect(alice).to_have_url(re.compile("q=ws"))
    choose(alice, "WS-bob", "End session", "End the session of Bob Example?")
    alice.get_by_label("Time to save (seconds)").fill("soon")
    alice.get_by_label("Message").fill("For the tender")
    press(alice, "End session")
    expect(alice.locator(".oops")).to_contain_text("Enter a number of seconds")
    expect(alice.get_by_label("Message")).to_have_value("For the tender")
    expect(alice.get_by_label("Time to save (seconds)")).to_be_focused()
    alice.get_by_label("Time to save (seconds)").fill("0")
    press(alice, "End session")
    answered(alice, STATUS, "The session of Bob Example has ended.")
    expect(alice).to_have_url(re.compile("q=ws"))
    choose(alice, "WS-carol", "Write off", "Write off the seat of Carol Example?")
    press(alice, "Write off")
    answered(alice, STATUS, "The seat of Carol Example is written off.")


def test_stations_and_requests_without_javascript(visitor: Visitor) -> None:
    alice = visitor("alice", scripts=False)
    alice.goto(STATIONS)
    alice.get_by_role("textbox", name="Name").fill("LAB-1")
    press(alice, "Add station")
    expect(alice.locator("#station-key")).to_contain_text("st_")
    choose(alice, "LAB-1", "Rename", "Rename LAB-1")
    alice.get_by_role("textbox", name="Name").fill(" ")
    press(alice, "Rename")
    expect(alice.locator(".oops")).to_be_visible()
    alice.get_by_role("textbox", name="Name").fill("LAB-2")
    press(alice, "Rename")
    answered(alice, STATIONS, "The station is called LAB-2 now.")
    choose(alice, "LAB-2", "Revoke", "Revoke LAB-2?")
    press(alice, "Revoke")
    answered(alice, STATIONS, "LAB-2 is revoked.")
    alice.goto(REQUESTS)
    alice.get_by_label("Message (optional)").fill("Not before May.")
    press(alice, "Decline")
    answered(alice, REQUESTS, "The request of Carol Example for Hub Server is declined.")


def test_devices_without_javascript(visitor: Visitor) -> None:
    bob = visitor("bob", scripts=False)
    bob.goto(DEVICES)
    choose(bob, "WS-bob", "Unbind", "Unbind WS-bob?")
    press(bob, "Cancel")
    choose(bob, "WS-bob", "Rename", "Rename WS-bob")
    bob.get_by_role("textbox", name="Name").fill("Laptop")
    press(bob, "Rename")
    answered(bob, DEVICES, "The device is called Laptop now.")
    choose(bob, "Laptop", "This was not me", "Was somebody else on Laptop?")
    press(bob, "This was not me")
    answered(bob, DEVICES, "Laptop is signed out and removed. 1 session has ended.")
    row(bob, "Render Studio").get_by_role("button", name="This was not me").click()
    answered(bob, DEVICES, "The application is signed out.")


# ── by ear ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_pages_can_be_told_apart_by_ear(visitor: Visitor, cast: Cast, scene: dict[str, int]) -> None:
    alice = visitor("alice")
    why = f"/admin/users/{cast.bob.member_id}/why"
    questions = [f"{STATUS}/{scene['session']}/end", f"{STATUS}/{scene['borrowed']}/write-off"]
    paths = [STATUS, STATIONS, REQUESTS, why, f"{why}?product=render", DEVICES, "/activate", *questions]
    titles = [title_of(alice, path) for path in paths]
    assert len(set(titles)) == len(titles)


def title_of(page: Page, path: str) -> str:
    """The title of a page that has no fault."""
    page.goto(path)
    assert faults(Ear(page).read()) == [], path
    return page.title()
