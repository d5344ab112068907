"""My Products: what one may run and, where not, why and whom to ask."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from core.activity import COMMAND
from core.dates import now
from core.db import db
from models import License, Member, Organization, PermissionKey
from tests import sessions
from tests.cast import Cast
from tests.permission_pages import ClientFor, edit, key_of, text_of

HOME = "/products"
MISTYPED = "7QK4M-X2VTC-93HFB-RW8PN-5GJ6Y"


def verdict(response: TestResponse, product: str) -> str:
    """What the organization's list says about a product."""
    page = BeautifulSoup(response.text, "html.parser")
    found = [each for each in page.select(".can > li") if (name := each.find("h3")) and name.get_text() == product]
    assert len(found) == 1
    for buttons in found[0].select(".btns"):
        buttons.extract()
    return " ".join(found[0].get_text(" ").split())


def give(app: Flask, cast: Cast, license: str, name: str) -> None:
    def act() -> None:
        organization = Organization.locked(db.session, cast.organization_id)
        member = organization.member(cast.player(name).member_id or 0)
        organization.license(cast.license[license]).give(member, cast.alice.actor, now())

    edit(app, act)


# ── what may run, and why not ────────────────────────────────────────────────────────────────────────────────────────


def test_a_permission_is_a_seat_and_floating_seats_are_shared(client_for: ClientFor, cast: Cast) -> None:
    page = client_for("bob").get(HOME)
    assert "Draft Pro ANNUAL You can run it. A seat is yours until" in verdict(page, "Draft Pro")
    assert "You can run it. You may take one of 3 seats while one is free" in verdict(page, "Render Studio")


def test_a_reservation_is_preferred_to_the_pool(client_for: ClientFor, cast: Cast) -> None:
    text = verdict(client_for("carol").get(HOME), "Render Studio")
    assert "FLEX CLOUD You can run it. A seat is kept free for you until" in text


def test_what_runs_says_where(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    sessions.begin(on_app, cast, "bob", "cloud")
    sessions.begin(on_app, cast, "bob", "cloud", "borrowed", device="LAPTOP-2")
    sessions.begin(on_app, cast, "carol", "cloud")
    text = verdict(client_for("bob").get(HOME), "Render Studio")
    assert re.search(r"Running on WS-bob since \d+:\d\d · Borrowed on LAPTOP-2 until \d+ \w+$", text), text
    assert "WS-" not in verdict(client_for("bob").get(HOME), "Draft Pro")


def test_named_is_preferred_to_floating(client_for: ClientFor, app: Flask, cast: Cast) -> None:
    def add() -> None:
        organization = Organization.locked(db.session, cast.organization_id)
        key = PermissionKey.known(db.session, cast.unused["mixed"])  # Draft Pro TRIAL and Render Studio FLEX NETWORK
        key.redeem(organization, COMMAND, now(), now().date())
        floating = key.licenses[1]
        floating.product_id = cast.product["draft"]

    edit(app, add)
    assert "ANNUAL You can run it. A seat is yours" in verdict(client_for("bob").get(HOME), "Draft Pro")
    assert "FLEX NETWORK You can run it. You may take" in verdict(client_for("carol").get(HOME), "Draft Pro")


def test_without_a_permission_the_leaders_are_named(client_for: ClientFor, cast: Cast) -> None:
    text = verdict(client_for("bob").get(HOME), "Hub Server")
    assert text == "Hub Server THREE YEARS You have no permission. Alice Example or Carol Example can change that."


def test_a_full_license_says_so(client_for: ClientFor, app: Flask, cast: Cast) -> None:
    give(app, cast, "three_years", "alice")
    edit(app, lambda: key_of(cast.license["three_years"]).extend(COMMAND, now(), seats=1))
    assert "You have no permission. The only seat is given away." in verdict(client_for("bob").get(HOME), "Hub Server")


def test_reserved_seats_leave_none_for_others(client_for: ClientFor, app: Flask, cast: Cast) -> None:
    cloud, network = cast.license["cloud"], cast.license["network"]

    def narrow() -> None:
        db.session.get_one(License, network).seats = 0
        db.session.get_one(License, cloud).seats = 1

    edit(app, narrow)
    text = verdict(client_for("bob").get(HOME), "Render Studio")
    assert "No seat is left for you. The only seat is reserved. Alice Example or Carol Example" in text


def test_what_is_over_withdrawn_or_ahead_says_so(client_for: ClientFor, app: Flask, cast: Cast) -> None:
    bob = client_for("bob")
    edit(app, lambda: key_of(cast.license["three_years"]).revoke(COMMAND, now()))
    assert "It was withdrawn by the vendor." in verdict(bob.get(HOME), "Hub Server")
    edit(app, lambda: key_of(cast.license["three_years"]).reinstate(COMMAND, now()))
    give(app, cast, "three_years", "bob")

    def later() -> None:
        license = db.session.get_one(License, cast.license["three_years"])
        license.start_on = (now() + timedelta(days=9)).date()
        license.set_instants("UTC")

    edit(app, later)
    assert re.search(r"It starts on .+ You can run it from then on\.", verdict(bob.get(HOME), "Hub Server"))

    def over() -> None:
        license = db.session.get_one(License, cast.license["three_years"])
        license.start_on, license.end_on = (now() - timedelta(days=9)).date(), (now() - timedelta(days=2)).date()
        license.set_instants("UTC")

    edit(app, over)
    assert re.search(r"It ended on .+ Alice Example or Carol Example can add", verdict(bob.get(HOME), "Hub Server"))


@pytest.mark.on_sqlite
def test_a_disabled_member_reads_who_can_change_that(client_for: ClientFor, cast: Cast) -> None:
    text = verdict(client_for("dora").get(HOME), "Draft Pro")
    assert "You are disabled. Alice Example or Carol Example can change that." in text


def test_what_was_had_before_being_disabled_does_not_count(client_for: ClientFor, app: Flask, cast: Cast) -> None:
    def enable() -> None:
        organization = Organization.locked(db.session, cast.organization_id)
        organization.member(cast.dora.member_id or 0).enable(cast.alice.actor, now())

    edit(app, enable)
    assert "You have no permission. Alice Example or Carol" in verdict(client_for("dora").get(HOME), "Draft Pro")


@pytest.mark.on_sqlite
def test_a_leader_reads_that_it_is_in_his_hands(client_for: ClientFor, cast: Cast) -> None:
    page = client_for("carol").get(HOME)
    assert "You or Alice Example can change that." in verdict(page, "Hub Server")
    assert f"/admin/permissions?member={cast.carol.member_id}" in page.text


@pytest.mark.on_sqlite
def test_without_an_organization_the_next_step_is_said(client_for: ClientFor, cast: Cast) -> None:
    assert "its administrator can invite erin@example.com instead" in text_of(client_for("erin").get(HOME))


def test_an_invitation_that_waits_is_said_without_its_link(client_for: ClientFor, app: Flask, cast: Cast) -> None:
    page = client_for("dave").get(HOME)
    assert "Kestrel Works has invited you. Open the link in the mail to dave@example.com" in text_of(page)
    assert "/invitations/" not in page.text

    def age() -> None:
        db.session.get_one(Member, cast.dave.member_id).invited_at -= timedelta(days=15)

    edit(app, age)
    assert "has invited you" not in text_of(client_for("dave").get(HOME))
