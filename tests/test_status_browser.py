"""Status in a browser: it moves by itself, and takes nothing away from whoever reads, types or is about to decide."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask
from playwright.sync_api import Page, expect
from sqlalchemy.orm import Session

from core.leases import Lease
from models import Member
from tests import sessions
from tests.browser import complaints, faults
from tests.cast import PASSWORD, Cast
from tests.clients import Client, share
from tests.statements import engine_of

pytestmark = pytest.mark.on_sqlite
Look = Callable[[], None]


@pytest.fixture
def status(server: str, client_for: Callable[[str], Client], page: Page) -> Page:
    """alice's browser with a clock that only the test moves."""
    share(client_for("alice"), page, server)
    page.clock.install()
    return page


@pytest.fixture
def look(status: Page, server: str) -> Callable[[], None]:
    """Opens the page at the first call, and lets it look again at every other one."""

    def look() -> None:
        if status.url == "about:blank":
            status.goto(f"{server}/admin/status")
            return
        with status.expect_response(lambda response: "/admin/status/live" in response.url):
            status.clock.run_for(5000)

    return look


def test_session_appears_by_itself_and_nothing_jumps(
    status: Page, look: Look, cast: Cast, on_app: Session, app: Flask
) -> None:
    sessions.fill(engine_of(app), cast, "cloud", 40)
    look()
    status.locator("tr.rec").nth(30).get_by_role("button").focus()
    before = status.evaluate("[scrollY, document.activeElement.getAttribute('formaction')]")
    assert before[0] > 0
    on_app.get_one(Lease, sessions.FIRST + 39).idle_s = 600
    on_app.commit()
    silent = sessions.begin(on_app, cast, "bob", "cloud", "silent")
    look()
    expect(status.locator(f"#lease-{silent}")).to_contain_text("Not responding")
    after = status.evaluate("[scrollY, document.activeElement.getAttribute('formaction')]")
    assert after[1] == before[1]
    assert abs(after[0] - before[0]) <= 100  # a row came above; the browser keeps in view what was read
    assert not faults(status)


def test_what_is_typed_stays_and_the_search_goes_on(status: Page, look: Look, cast: Cast, on_app: Session) -> None:
    sessions.begin(on_app, cast, "bob", "cloud")
    look()
    field = status.get_by_role("searchbox", name="Search sessions")
    field.press_sequentially("bob")
    with status.expect_response(lambda response: "q=bob" in response.url):
        status.clock.run_for(300)
    expect(status).to_have_url(re.compile("q=bob"))
    sessions.begin(on_app, cast, "carol", "cloud")
    sessions.begin(on_app, cast, "bob", "annual", device="bob's other")
    look()
    expect(status.locator("tr.rec")).to_have_count(2)
    field.press_sequentially("x")  # half a word: not sent yet when the page looks again
    status.locator("#board").evaluate("board => htmx.trigger(document.body, 'look')")
    expect(field).to_be_focused()
    expect(field).to_have_value("bobx")


def test_question_stays_open_while_the_page_moves(status: Page, look: Look, cast: Cast, on_app: Session) -> None:
    lease_id = sessions.begin(on_app, cast, "bob", "cloud")
    look()
    status.locator(f"#lease-{lease_id}").get_by_role("button", name="End session").click()
    dialog = status.get_by_role("dialog")
    dialog.get_by_label("Message").fill("For the tender")
    sessions.begin(on_app, cast, "carol", "cloud")
    look()
    expect(status.locator("#board")).to_contain_text("Carol Example")
    expect(dialog.get_by_label("Message")).to_have_value("For the tender")
    dialog.get_by_label("Time to save (seconds)").fill("soon")
    dialog.get_by_role("button", name="End session").click()
    expect(dialog).to_contain_text("Enter a number of seconds")
    dialog.get_by_label("Time to save (seconds)").fill("600")
    dialog.get_by_role("button", name="End session").click()
    expect(dialog).to_be_hidden()
    expect(status.locator(f"#lease-{lease_id}")).to_contain_text("Ending")
    expect(status.locator("#live")).to_contain_text("The session of Bob Example is ending.")
    expect(status.locator(f"#lease-{lease_id}").get_by_role("button")).to_be_focused()
    expect(status.locator("#pools")).to_contain_text("1 ending")  # the rest has looked again by itself
    assert not faults(status)


def test_countdown_moves_and_is_not_read_aloud(status: Page, look: Look, cast: Cast, on_app: Session) -> None:
    lease_id = sessions.begin(on_app, cast, "bob", "cloud", "silent")
    look()
    row, news = status.locator(f"#lease-{lease_id}"), status.locator("#news")
    expect(row).to_contain_text("Released in 4:")
    expect(news).to_have_text("1 does not respond.")
    status.evaluate("""() => {
      window.heard = []
      new MutationObserver(() => heard.push('!')).observe(news, { childList: true, characterData: true, subtree: true })
    }""")
    on_app.get_one(Lease, lease_id).expires_at = on_app.get_one(Lease, lease_id).renewed_at
    on_app.commit()
    sessions.begin(on_app, cast, "carol", "cloud")
    look()
    expect(row).to_contain_text("Released now")
    assert status.evaluate("heard") == []


def test_paused_page_is_still_until_it_goes_on(status: Page, look: Look, cast: Cast, on_app: Session) -> None:
    look()
    status.get_by_role("link", name="Pause").click()
    expect(status.locator("h1 + .sub")).to_contain_text("Paused at")
    sessions.begin(on_app, cast, "bob", "cloud")
    status.clock.run_for(20_000)
    expect(status.locator("#board")).not_to_contain_text("Bob Example")
    status.get_by_role("link", name="Go on").click()
    expect(status.locator("#board")).to_contain_text("Bob Example")


def test_page_that_nobody_sees_asks_for_nothing(status: Page, look: Look) -> None:
    look()
    asked: list[str] = []
    status.on("request", lambda request: asked.append(request.url))
    status.evaluate("Object.defineProperty(document, 'hidden', { configurable: true, get: () => true })")
    status.clock.run_for(60_000)
    assert not asked
    status.evaluate("delete document.hidden")
    look()
    assert len(asked) == 1


def test_portal_that_is_away_is_missed_once_and_forgotten(
    status: Page, look: Look, cast: Cast, on_app: Session
) -> None:
    lease_id = sessions.begin(on_app, cast, "bob", "cloud")
    look()
    sessions.begin(on_app, cast, "carol", "cloud")
    messages = status.locator("#live").get_by_role("alert")
    status.route("**/status/live*", lambda route: route.abort())
    for _again in range(12):
        status.clock.run_for(5000)
        expect(messages).to_have_text("The portal does not answer. This page goes on by itself once it does.")
    expect(status.locator("tr.rec")).to_have_count(1)
    status.locator(f"#lease-{lease_id}").get_by_role("button").focus()
    status.unroute("**/status/live*")
    look()
    expect(status.locator("tr.rec")).to_have_count(2)
    expect(messages).to_have_count(0)
    assert all(re.search("ERR_FAILED|Failed to fetch", noted) for noted in complaints(status))
    complaints(status).clear()
    expect(status.locator(f"#lease-{lease_id}").get_by_role("button")).to_be_focused()


def test_lost_session_leads_to_sign_in_and_back(status: Page, look: Look, cast: Cast) -> None:
    look()
    status.context.clear_cookies()
    status.clock.run_for(5000)
    expect(status.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert status.locator("#board").count() == 0
    status.get_by_label("Email").fill(cast.alice.email)
    status.get_by_label("Password").fill(PASSWORD)
    status.get_by_role("button", name="Sign in").click()
    expect(status.get_by_role("heading", level=1)).to_have_text("Status")


def test_who_no_longer_administers_is_told_once(
    server: str, client_for: Callable[[str], Client], page: Page, cast: Cast, on_app: Session
) -> None:
    share(client_for("carol"), page, server)
    page.clock.install()
    page.goto(f"{server}/admin/status")
    on_app.get_one(Member, cast.carol.member_id).role = "member"
    on_app.commit()
    for _again in range(3):
        with page.expect_response("**/status/live*"):
            page.clock.run_for(5000)
        expect(page.locator("#live").get_by_role("alert")).to_have_count(1)
    expect(page.locator("#live")).to_contain_text("Alice Example can")


def test_menu_stays_open_while_the_page_moves(status: Page, look: Look, cast: Cast, on_app: Session) -> None:
    look()
    status.get_by_role("button", name="Alice Example").click()
    status.keyboard.press("Tab")
    sessions.begin(on_app, cast, "bob", "cloud")
    look()
    expect(status.locator("#board")).to_contain_text("Bob Example")
    expect(status.locator("#me-menu")).to_be_visible()
    expect(status.get_by_role("link", name="My Account")).to_be_focused()
