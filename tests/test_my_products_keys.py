"""My Products: keys that a person redeems, keys that need an organization, own licenses and their details."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from playwright.sync_api import Page, expect

from core import keys
from core.dates import now
from core.db import db
from models import License
from tests.at_once import at_once
from tests.browser import faults
from tests.cast import Cast
from tests.clients import Client, said
from tests.permission_pages import ClientFor, edit, text_of
from tests.portal import Portal

HOME = "/products"
MISTYPED = "7QK4M-X2VTC-93HFB-RW8PN-5GJ6Y"


@pytest.fixture
def portal(app: Flask) -> Portal:
    """What a request left."""
    return Portal(app)


# ── keys redeemed by a person ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.on_sqlite
def test_validating_shows_and_consumes_nothing(client_for: ClientFor, portal: Portal, cast: Cast) -> None:
    erin = client_for("erin")
    for _time in range(2):
        page = erin.swap(f"{HOME}/validate", permission_key=cast.unused["personal"].lower())
        assert page.status_code == 200
        assert "The key is genuine and unused." in text_of(page)
        assert "Draft Pro ANNUAL 1" in text_of(page)
    assert portal.key(cast.unused["personal"]).redeemed_at is None


def test_a_person_redeems_a_key_for_himself(client_for: ClientFor, portal: Portal, cast: Cast) -> None:
    erin, before = client_for("erin"), portal.recorded("key.redeem")
    page = erin.swap(HOME, permission_key=f"Your key:\n{cast.unused['personal']}")
    assert page.status_code == 200
    assert "Draft Pro is in your list now." in said(page)
    assert "Details of Draft Pro" in page.text
    key = portal.key(cast.unused["personal"])
    assert (key.account_id, key.organization_id) == (cast.erin.account_id, None)
    assert "Already in your list." in text_of(erin.swap(HOME, permission_key=cast.unused["personal"]))
    assert portal.recorded("key.redeem") == before + 1


@pytest.mark.on_sqlite
def test_a_plain_form_leads_to_the_new_row(client_for: ClientFor, cast: Cast) -> None:
    erin = client_for("erin")
    answer = erin.send(HOME, permission_key=cast.unused["later"])
    assert answer.status_code == 303
    page = BeautifulSoup(erin.get(answer.location).text, "html.parser")
    terms = [each.get_text() for each in page.select("dl.facts dt")]
    assert terms == ["Start date", "Expiration date", "License type", "Serial number", "Seats", "Permission key"]
    assert "Starts on" in page.get_text()


@pytest.mark.on_sqlite
def test_a_member_keeps_a_personal_license_apart(client_for: ClientFor, cast: Cast) -> None:
    bob = client_for("bob")
    assert bob.send(HOME, permission_key=cast.unused["personal"]).status_code == 303
    assert "Personal licenses Yours alone, outside the organization" in text_of(bob.get(HOME))
    assert "Draft Pro ANNUAL You can run it. A seat is yours" in text_of(bob.get(HOME))


@pytest.mark.on_sqlite
def test_several_keys_get_a_result_each_and_what_failed_stays(
    client_for: ClientFor, portal: Portal, cast: Cast
) -> None:
    paste = "\n".join([cast.unused["personal"], MISTYPED, cast.unused["floating"]])
    page = client_for("erin").swap(HOME, permission_key=paste)
    assert page.status_code == 200
    text = text_of(page)
    assert "1 of 3 keys are in your list" in text
    assert "Typing error" in text
    assert "create one now" in text
    field = BeautifulSoup(page.text, "html.parser").find(id="permission_key")
    assert field is not None
    assert cast.unused["personal"] not in field.get_text()
    assert MISTYPED in field.get_text()
    assert portal.key(cast.unused["floating"]).redeemed_at is None


@pytest.mark.on_sqlite
@pytest.mark.parametrize("text", ["", "hello", MISTYPED, "x" * 40_000])
def test_bad_input_is_said_beside_the_field(client_for: ClientFor, cast: Cast, text: str) -> None:
    for address in (HOME, f"{HOME}/validate"):
        page = client_for("erin").send(address, permission_key=text)
        assert page.status_code == 422
        assert BeautifulSoup(page.text, "html.parser").select_one("#permission_key[aria-invalid=true]")


def test_two_people_race_for_one_key(client_for: ClientFor, portal: Portal, cast: Cast) -> None:
    browsers = [client_for("erin"), client_for("dave")]
    assert all(browser.token for browser in browsers)
    answers = at_once(*(lambda b=b: b.swap(HOME, permission_key=cast.unused["personal"]) for b in browsers))
    assert sorted(each.status_code for each in answers) == [200, 409]
    lost = next(each for each in answers if each.status_code == 409)
    assert "This key is already in use. Contact your vendor." in text_of(lost)


# ── keys that need an organization ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("key", ["shared", "floating", "only", "mixed"])
@pytest.mark.on_sqlite
def test_a_person_is_offered_to_create_an_organization_with_the_key_kept(
    client_for: ClientFor, portal: Portal, cast: Cast, key: str
) -> None:
    erin = client_for("erin")
    page = erin.swap(f"{HOME}/validate", permission_key=cast.unused[key])
    assert page.status_code == 200
    assert "This key is for an organization – create one now" in text_of(page)
    assert "aria-invalid" not in page.text
    assert cast.unused[key] in erin.get("/organization/create").text
    assert erin.swap(HOME, permission_key=cast.unused[key]).status_code == 403
    assert portal.key(cast.unused[key]).redeemed_at is None


@pytest.mark.on_sqlite
@pytest.mark.parametrize("name", ["bob", "dora"])
def test_a_member_is_told_whom_to_ask(client_for: ClientFor, portal: Portal, cast: Cast, name: str) -> None:
    for page in (client_for(name).swap(HOME, permission_key=cast.unused["floating"]),
                 client_for(name).send(HOME, permission_key=cast.unused["floating"])):  # fmt: skip
        assert page.status_code == 403
        assert "Alice Example or Carol Example can add it for Kestrel Works." in text_of(page)
        assert cast.unused["floating"] in page.text
        assert "create one now" not in page.text
    assert portal.key(cast.unused["floating"]).redeemed_at is None


@pytest.mark.on_sqlite
def test_an_administrator_is_led_to_products_with_the_key(client_for: ClientFor, portal: Portal, cast: Cast) -> None:
    alice = client_for("alice")
    answer = alice.send(HOME, permission_key=cast.unused["floating"])
    assert (answer.status_code, answer.location) == (303, "/admin/products")
    assert cast.unused["floating"] in alice.get("/admin/products").text
    assert alice.swap(HOME, permission_key=cast.unused["floating"]).headers["HX-Redirect"] == "/admin/products"
    assert portal.key(cast.unused["floating"]).redeemed_at is None


@pytest.mark.on_sqlite
def test_an_operator_redeems_nothing(client_for: ClientFor, portal: Portal, cast: Cast) -> None:
    otto = client_for("otto")
    assert "An operator redeems no permission keys" in text_of(otto.get(HOME))
    for address in (HOME, f"{HOME}/validate"):
        assert otto.send(address, permission_key=cast.unused["personal"]).status_code == 403
    assert portal.key(cast.unused["personal"]).redeemed_at is None


# ── an own license and its key ───────────────────────────────────────────────────────────────────────────────────────


def own(client: Client, portal: Portal, text: str) -> int:
    """Redeem a key and return its license."""
    client.send(HOME, permission_key=text)
    return portal.key(text).licenses[0].id


@pytest.mark.on_sqlite
def test_the_owner_reveals_and_copies_and_both_are_recorded(client_for: ClientFor, portal: Portal, cast: Cast) -> None:
    erin, text = client_for("erin"), cast.unused["personal"]
    license_id = own(erin, portal, text)
    assert text not in erin.get(f"{HOME}?open={license_id}").text
    assert keys.last_group(text) in erin.get(f"{HOME}/{license_id}/details").text
    assert text in erin.swap(f"{HOME}/{license_id}/reveal").text
    assert text in erin.send(f"{HOME}/{license_id}/reveal").text
    copied = erin.swap(f"{HOME}/{license_id}/copy")
    assert (copied.status_code, text in copied.headers["HX-Trigger"]) == (204, True)
    assert portal.recorded("key.reveal") == 3


@pytest.mark.on_sqlite
@pytest.mark.parametrize("name", ["bob", "alice", "mallory", "otto"])
def test_nobody_else_sees_a_personal_license(client_for: ClientFor, portal: Portal, cast: Cast, name: str) -> None:
    license_id = own(client_for("erin"), portal, cast.unused["personal"])
    other = client_for(name)
    for id_ in (license_id, cast.license["annual"], 99_999):
        assert other.get(f"{HOME}/{id_}/details").status_code == 404
        assert other.send(f"{HOME}/{id_}/reveal").status_code == 404
        assert other.send(f"{HOME}/{id_}/copy").status_code == 404
    assert portal.recorded("key.reveal") == 0


@pytest.mark.on_sqlite
def test_a_trial_has_a_heading_of_its_own_and_says_when_it_is_over(
    client_for: ClientFor, app: Flask, portal: Portal, cast: Cast
) -> None:
    erin = client_for("erin")
    license_id = own(erin, portal, cast.unused["personal"])

    def over() -> None:
        license = db.session.get_one(License, license_id)
        license.type, license.start_on = "trial", (now() - timedelta(days=40)).date()
        license.end_on = (now() - timedelta(days=10)).date()
        license.set_instants("UTC")

    edit(app, over)
    text = text_of(erin.get(HOME))
    assert "My Trials" in text
    assert "Personal licenses" not in text
    assert "Expired Add a new key to go on." in text


@pytest.mark.on_sqlite
def test_the_page_is_private(anonymous: Client, client_for: ClientFor, cast: Cast) -> None:
    assert anonymous.get(HOME).location.startswith("/login")
    assert anonymous.swap(HOME, permission_key=cast.unused["personal"]).status_code == 401
    assert client_for("erin").post(HOME, data={"permission_key": cast.unused["personal"]}).status_code == 400


@pytest.mark.on_sqlite
def test_a_person_adds_a_product_in_the_browser(
    server: str, app: Flask, client_for: Callable[[str], Client], page: Page, cast: Cast
) -> None:
    cookie = client_for("bob").get_cookie(app.config["SESSION_COOKIE_NAME"], "127.0.0.1")
    assert cookie
    page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": server}])
    page.goto(server + HOME)
    field = page.get_by_label("Permission key")
    field.fill(cast.unused["floating"])
    page.get_by_role("button", name="Add product to my list").click()
    expect(page.get_by_text("can add it for Kestrel Works.")).to_be_visible()
    assert not faults(page)
    field.fill(cast.unused["personal"])
    page.get_by_role("button", name="Validate Permission Key").click()
    expect(page.get_by_role("table", name="Content of the permission key")).to_be_visible()
    page.get_by_role("button", name="Add product to my list").click()
    details = page.get_by_role("button", name="Details of Draft Pro")
    details.click()
    expect(page.get_by_role("button", name="Details of Draft Pro")).to_have_attribute("aria-expanded", "true")
    expect(page.get_by_role("button", name="Details of Draft Pro")).to_be_focused()
    page.get_by_role("button", name="Reveal").click()
    expect(page.locator(".keytext")).to_have_text(cast.unused["personal"])
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 800})
        assert not faults(page)
        assert page.evaluate("document.documentElement.scrollWidth") == width
