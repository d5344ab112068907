"""The whole job, as the requirement tells it: from a permission key to permissions, with real letters and a browser.

The program runs as an operator starts it; letters come from its worker through a real mail server.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import complaints, faults, watched
from tests.databases import Database
from tests.program import Program
from tests.smtp import Mailbox, link_in

PASSWORD = "seven lanterns on the quay"
ALICE, BOB, CAROL = "alice@firm.example", "bob@firm.example", "carol@firm.example"


@pytest.fixture
def program(blank: Database, tmp_path: Path, smtp: Mailbox) -> Iterator[Program]:
    """A new portal that serves and sends."""
    program = Program(tmp_path, blank.url, **smtp.environ)
    with program.running():
        yield program


@pytest.fixture
def keys(program: Program) -> dict[str, str]:
    """What the vendor issued."""
    for code, name in (("cad", "Halden CAD"), ("render", "Halden Render")):
        program.command("products", "add", code, name)
    return {
        "first": program.command("keys", "issue", "--item", "cad:annual:2", "--item", "render:flex-cloud:3"),
        "more": program.command("keys", "issue", "--item", "cad:three-years:1"),
    }


@pytest.fixture
def with_scripts() -> bool:
    """Whether browsers run JavaScript."""
    return True


@pytest.fixture
def visitor(with_scripts: bool, browser: Browser) -> Iterator[Callable[[], Page]]:
    """A new browser at each call; none may complain."""
    pages: list[Page] = []

    def come() -> Page:
        context = browser.new_context(java_script_enabled=with_scripts, viewport={"width": 1280, "height": 900})
        pages.append(watched(context.new_page()))
        return pages[-1]

    yield come
    found = [complaint for page in pages for complaint in complaints(page)]
    for page in pages:
        page.context.close()
    assert found == []


@pytest.fixture
def letter(smtp: Mailbox) -> Callable[[str, int], str]:
    """The link in the n-th letter to an address, once it came."""

    def link(address: str, number: int = 1) -> str:
        while len(smtp.to(address)) < number:
            smtp.wait(len(smtp.messages) + 1)
        return link_in(smtp.to(address)[number - 1])

    return link


def register(page: Page, address: str, name: str, email: str, letter: Callable[[str, int], str]) -> None:
    page.goto(f"{address}/register")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    page.goto(letter(email, 1))
    page.get_by_role("button", name="Confirm email").click()
    sign_in(page, address, email)


def sign_in(page: Page, address: str, email: str) -> None:
    page.goto(f"{address}/login")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def open_menu(page: Page, name: str, entry: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()
    page.get_by_role("link", name=entry, exact=True).click()


def row(page: Page, email: str) -> Locator:
    return page.get_by_role("row").filter(has_text=email)


def act(page: Page, email: str, button: str) -> None:
    """Press a button of a user's row, out of the menu of further actions where it is there."""
    wanted = row(page, email).get_by_role("button", name=re.compile(rf"^{button}\b"))
    if not wanted.first.is_visible():
        row(page, email).get_by_role("button", name=re.compile("^More")).click()
    wanted.first.click()


def join(page: Page, link: str, name: str) -> None:
    page.goto(link)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    page.get_by_role("button", name="Confirm participation").click()
    expect(page.get_by_role("button", name=name, exact=True)).to_be_visible()


def test_from_permission_key_to_permissions(
    program: Program,
    keys: dict[str, str],
    visitor: Callable[[], Page],
    letter: Callable[[str, int], str],
    smtp: Mailbox,
) -> None:
    address, alice = program.address, visitor()
    register(alice, address, "Alice Arden", ALICE, letter)

    open_menu(alice, "Alice Arden", "Create an Organization")
    alice.get_by_label("Permission key").fill(f"Your key: {keys['first'].lower()}")
    alice.get_by_role("button", name="Validate Permission Key").click()
    expect(alice.get_by_role("table")).to_contain_text("FLEX CLOUD")
    alice.get_by_label("Organization name").fill("Arden & Sons")
    alice.get_by_role("button", name="Create Organization").click()

    alice.goto(f"{address}/admin/products")
    alice.get_by_label("Permission key").fill(keys["more"])
    alice.get_by_role("button", name="Add product to my list").click()
    details = alice.get_by_role("button", name="Details of Halden CAD")
    expect(details).to_have_count(2)
    details.first.click()
    expect(alice.get_by_role("term").filter(has_text="Serial number").first).to_be_visible()

    alice.goto(f"{address}/admin/users")
    alice.get_by_label("Email addresses").fill(f"{BOB}; Carol <{CAROL}>; nobody")
    alice.get_by_role("button", name="Invite Users").click()
    expect(row(alice, BOB)).to_contain_text("Pending")
    bob, carol = visitor(), visitor()
    join(bob, letter(BOB, 1), "Bob Birch")
    join(carol, letter(CAROL, 1), "Carol Cedar")

    alice.goto(f"{address}/admin/users")
    expect(row(alice, BOB)).to_contain_text("Enabled")
    act(alice, CAROL, "Co-admin")
    expect(row(alice, CAROL)).to_contain_text("Co-administrator")

    carol.goto(f"{address}/admin/permissions")
    license = carol.get_by_role("region", name=re.compile("^Halden CAD ANNUAL"))
    license.get_by_role("checkbox", name="Bob Birch").click()
    save = license.get_by_role("button", name="Save")
    if save.is_visible():
        save.click()
    expect(license).to_contain_text("1 of 2 seats given away")
    bob.goto(f"{address}/products")
    expect(bob.get_by_role("main")).to_contain_text("You can run it.")

    act(alice, BOB, "Disable")
    expect(row(alice, BOB)).to_contain_text("Disabled")
    carol.reload()
    expect(license).to_contain_text("0 of 2 seats given away")
    act(alice, BOB, "Enable")
    expect(row(alice, BOB)).to_contain_text("Enabled")
    act(alice, BOB, "Restore")
    expect(row(alice, BOB)).to_contain_text("1 license")
    carol.reload()
    expect(license).to_contain_text("1 of 2 seats given away")

    act(alice, BOB, "Remove")
    alice.get_by_role("button", name="Remove", exact=True).last.click()
    expect(row(alice, BOB)).to_have_count(0)
    bob.goto(f"{address}/organization")
    expect(bob.get_by_role("main")).not_to_contain_text("Arden")
    program.command("check")
    assert len({each["Message-ID"] for each in smtp.messages}) == len(smtp.messages)


@pytest.mark.on_sqlite
@pytest.mark.parametrize("with_scripts", [False])
def test_the_same_without_scripts(
    program: Program,
    keys: dict[str, str],
    visitor: Callable[[], Page],
    letter: Callable[[str, int], str],
    smtp: Mailbox,
) -> None:
    test_from_permission_key_to_permissions(program, keys, visitor, letter, smtp)


@pytest.mark.on_sqlite
def test_pages_of_the_journey_have_no_fault(program: Program, keys: dict[str, str], page: Page) -> None:
    program.command("users", "create", ALICE, "--name", "Alice Arden", "--password-stdin", said=PASSWORD)
    sign_in(page, program.address, ALICE)
    for path in ("/products", "/organization/create", "/organization", "/profile"):
        page.goto(program.address + path)
        assert faults(page) == [], path
