"""Creating, seeing, editing and leaving an organization: allowed, refused, raced, broken."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from flask import Flask
from playwright.sync_api import Page, expect
from sqlalchemy import func, select

from core import keys, mail
from core.activity import COMMAND
from core.dates import now
from core.mailing.outbox import Outbox
from models import Account, License, Member, Organization, Permission, PermissionKey
from tests.at_once import at_once
from tests.browser import faults
from tests.cast import Cast
from tests.clients import Client, said, share
from tests.portal import Portal

CREATE, VALIDATE, SETTINGS = "/organization/create", "/organization/create/validate", "/admin/settings"
For = Callable[[str], Client]


@pytest.fixture
def portal(app: Flask) -> Portal:
    """The database behind the application."""
    return Portal(app)


def organizations(portal: Portal) -> int:
    """How many there are."""
    with portal.session() as session:
        return session.scalar(select(func.count()).select_from(Organization)) or 0


# ── Validate ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.on_sqlite
def test_validating_answers_with_content_reason_and_form(client_for: For, cast: Cast, portal: Portal) -> None:
    page = client_for("erin").send(VALIDATE, permission_key=cast.unused["mixed"]).text
    assert "Content of the permission key" in page
    assert "It holds FLEX licenses and more than one seat of a product, so it belongs to an organization." in page
    assert 'name="name"' in page
    assert "Create Organization</button>" in page
    assert portal.key(cast.unused["mixed"]).redeemed_at is None


@pytest.mark.on_sqlite
def test_key_for_one_person_says_that_no_organization_is_needed(client_for: For, cast: Cast) -> None:
    page = client_for("erin").send(VALIDATE, permission_key=cast.unused["personal"])
    assert "No organization is needed for it." in page.text
    assert 'href="/products"' in page.text
    assert "Create Organization</button>" in page.text


@pytest.mark.on_sqlite
def test_key_that_starts_later_says_when(client_for: For, cast: Cast) -> None:
    assert "It starts on " in client_for("erin").send(VALIDATE, permission_key=cast.unused["later"]).text


@pytest.mark.on_sqlite
def test_own_personal_key_is_not_for_an_organization(client_for: For, cast: Cast, portal: Portal) -> None:
    with portal.session() as session:
        key = PermissionKey.known(session, cast.unused["personal"])
        key.redeem(session.get_one(Account, cast.erin.account_id), COMMAND, now(), now().date())
    page = client_for("erin").send(VALIDATE, permission_key=cast.unused["personal"])
    assert "This key is yours already." in page.text
    assert "Create Organization</button>" not in page.text


@pytest.mark.on_sqlite
def test_first_of_several_keys_decides_and_the_others_wait_under_products(client_for: For, cast: Cast) -> None:
    erin = client_for("erin")
    pasted = f"{cast.unused['mixed']}\n{cast.unused['only']}\n{cast.unused['later']}"
    assert "The 2 other keys wait in the field under Products." in erin.send(VALIDATE, permission_key=pasted).text
    assert erin.send(CREATE, permission_key=pasted, name="Moor & Heath").status_code == 303
    assert f"\n{cast.unused['only']}\n{cast.unused['later']}</textarea>" in erin.get("/admin/products").text


# ── Create ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_creating_makes_an_administrator_with_licenses(client_for: For, cast: Cast, portal: Portal) -> None:
    erin = client_for("erin")
    fields = {"name": "  Moor  Surveys ", "zone": "Asia/Tokyo", "country": "JP"}
    answer = erin.send(CREATE, permission_key=cast.unused["mixed"], **fields)
    member = portal.membership(cast.erin)
    assert (answer.status_code, answer.location) == (303, "/admin/products")
    assert member is not None
    assert member.role == "administrator"
    key = portal.key(cast.unused["mixed"])
    assert key.organization_id == member.organization_id
    midnight = datetime.combine(key.licenses[0].start_on, datetime.min.time(), UTC)
    assert key.licenses[0].starts_at is not None
    assert (midnight - key.licenses[0].starts_at).total_seconds() == 9 * 3600
    page = erin.get("/admin/products").text
    assert "Moor Surveys is created, and you are its administrator." in page


def test_double_click_creates_one_organization(client_for: For, cast: Cast, portal: Portal) -> None:
    clients, before = [client_for("erin"), client_for("erin"), client_for("erin")], organizations(portal)
    fields = {"permission_key": cast.unused["mixed"], "name": "Moor Surveys"}
    answers = at_once(*(lambda c=c: c.send(CREATE, **fields) for c in clients))
    assert [(each.status_code, each.location) for each in answers] == [(303, "/admin/products")] * 3
    assert organizations(portal) == before + 1
    assert cast.unused["mixed"] not in "".join(each.get("/admin/products").text for each in clients)


def test_one_key_raced_by_two_people_makes_one_organization(client_for: For, cast: Cast, portal: Portal) -> None:
    with portal.session() as session:
        session.get_one(Member, cast.bob.member_id).leave(cast.bob.actor, now())
    before = organizations(portal)
    clients = [client_for("erin"), client_for("bob")]
    fields = {"permission_key": cast.unused["shared"], "name": "Moor Surveys"}
    answers = at_once(*(lambda c=c: c.send(CREATE, **fields) for c in clients))
    assert sorted(each.status_code for each in answers) == [303, 409]
    loser = next(each for each in answers if each.status_code == 409)
    assert "This key is already in use. Contact your vendor." in loser.text
    assert 'value="Moor Surveys"' in loser.text
    assert organizations(portal) == before + 1


@pytest.mark.on_sqlite
def test_key_withdrawn_meanwhile_brings_the_form_back(client_for: For, cast: Cast, portal: Portal) -> None:
    erin = client_for("erin")
    assert erin.send(VALIDATE, permission_key=cast.unused["mixed"]).status_code == 200
    with portal.session() as session:
        PermissionKey.known(session, cast.unused["mixed"]).revoke(COMMAND, now())
    page = erin.send(CREATE, permission_key=cast.unused["mixed"], name="Moor Surveys", zone="Europe/Oslo")
    assert page.status_code == 409
    assert "This key was withdrawn by the vendor." in page.text
    assert 'value="Moor Surveys"' in page.text
    assert '<option value="Europe/Oslo" selected>' in page.text
    assert portal.membership(cast.erin) is None


@pytest.mark.on_sqlite
def test_name_typed_before_a_bad_key_survives_a_good_one(client_for: For, cast: Cast) -> None:
    erin = client_for("erin")
    page = erin.send(VALIDATE, permission_key=keys.make(), name="Moor Surveys").text
    assert '<input type="hidden" name="name" value="Moor Surveys">' in page
    assert 'value="Moor Surveys"' in erin.send(VALIDATE, permission_key=cast.unused["only"], name="Moor Surveys").text


@pytest.mark.on_sqlite
@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": ""}, "Enter a name."),
        ({"name": " \u200b\t"}, "Enter a name."),
        ({"name": "x" * 5000}, "This is 5000 characters long; 200 fit."),
        ({"name": "M", "zone": "Mars/Olympus"}, "There is no such time zone."),
        ({"name": "M", "country": "ZZ"}, "There is no such country."),
    ],
)
def test_bad_profile_gets_one_sentence_and_consumes_nothing(
    client_for: For, cast: Cast, portal: Portal, fields: dict[str, str], sentence: str
) -> None:
    page = client_for("erin").send(CREATE, permission_key=cast.unused["mixed"], **fields)
    assert page.status_code == 422
    assert page.text.count('class="oops"') == 1
    assert sentence in page.text
    assert portal.key(cast.unused["mixed"]).redeemed_at is None


@pytest.mark.on_sqlite
@pytest.mark.parametrize("name", ["<img src=x onerror=alert(1)>", "=cmd()", '"><b>x', "{{ 7*7 }}"])
def test_name_is_shown_as_it_was_typed(client_for: For, cast: Cast, portal: Portal, name: str) -> None:
    erin = client_for("erin")
    erin.send(CREATE, permission_key=cast.unused["mixed"], name=name)
    member = portal.membership(cast.erin)
    assert member is not None
    assert member.organization.name == name
    for path in ("/admin/products", "/organization", SETTINGS):
        assert "<img src=x" not in erin.get(path).text
        assert '"><b>x' not in erin.get(path).text


# ── Who creates nothing ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.on_sqlite
@pytest.mark.parametrize("name", ["alice", "carol"])
def test_who_administers_is_led_to_products_with_the_key_filled_in(
    client_for: For, cast: Cast, portal: Portal, name: str
) -> None:
    client, text = client_for(name), cast.unused["shared"]
    assert client.get(CREATE).location == "/admin/products"
    for path in (VALIDATE, CREATE):
        answer = client.send(path, permission_key=text, name="Second")
        assert (answer.status_code, answer.location) == (303, "/admin/products")
        assert f"\n{text}</textarea>" in client.get("/admin/products").text
    assert portal.key(text).redeemed_at is None


@pytest.mark.on_sqlite
def test_key_that_waits_is_not_readable_in_the_cookie(client_for: For, cast: Cast) -> None:
    alice = client_for("alice")
    alice.send(VALIDATE, permission_key=cast.unused["shared"])
    with alice.session_transaction(base_url=alice.application.extensions["settings"].base_url) as session:
        waiting = base64.b64decode(session["draft"])
    assert cast.unused["shared"].encode() not in waiting


@pytest.mark.on_sqlite
def test_key_that_waits_leaves_the_field_once_it_is_used(client_for: For, cast: Cast) -> None:
    alice = client_for("alice")
    for path in ("/admin/products/validate", "/admin/products"):
        alice.send(VALIDATE, permission_key=cast.unused["shared"])
        alice.send(path, permission_key=cast.unused["only"])
        assert "</textarea>" in (page := alice.get("/admin/products").text)
        assert cast.unused["shared"] not in page


@pytest.mark.on_sqlite
def test_paste_of_any_size_fits_into_the_cookie(client_for: For) -> None:
    alice = client_for("alice")
    alice.send(VALIDATE, permission_key="\n".join(keys.make() for _number in range(50)))
    alice.send(VALIDATE, permission_key="🔑" * 5_000)
    assert alice.get("/admin/products").status_code == 200


@pytest.mark.on_sqlite
@pytest.mark.parametrize("name", ["bob", "dora"])
def test_member_is_offered_to_leave_first(client_for: For, cast: Cast, portal: Portal, name: str) -> None:
    client = client_for(name)
    for page in (client.get(CREATE), client.send(CREATE, permission_key=cast.unused["mixed"], name="Mine")):
        assert page.status_code == 409
        assert "You belong to Kestrel Works already." in page.text
        assert "Leave organization</button>" in page.text
    assert portal.key(cast.unused["mixed"]).redeemed_at is None


@pytest.mark.on_sqlite
def test_operator_belongs_to_no_organization(client_for: For, cast: Cast, portal: Portal) -> None:
    otto = client_for("otto")
    for page in (otto.get(CREATE), otto.send(CREATE, permission_key=cast.unused["mixed"], name="Mine")):
        assert page.status_code == 403
        assert "An operator belongs to no organization." in page.text
    assert portal.key(cast.unused["mixed"]).redeemed_at is None


@pytest.mark.on_sqlite
def test_nobody_creates_without_a_sign_in_or_a_token(anonymous: Client, client_for: For, cast: Cast) -> None:
    assert anonymous.get(CREATE).location.startswith("/login")
    assert client_for("erin").post(CREATE, data={"name": "M"}).status_code == 400


# ── My Organization ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.on_sqlite
@pytest.mark.parametrize(("name", "state"), [("bob", "Enabled"), ("dora", "Disabled")])
def test_member_sees_whom_to_ask(client_for: For, name: str, state: str) -> None:
    page = client_for(name).get("/organization").text
    assert "Kestrel Works" in page
    assert 'href="mailto:alice%40example.com"' in page
    assert 'href="mailto:carol%40example.com"' in page
    assert f">{state}</span>" in page
    assert "Leave organization</button>" in page


@pytest.mark.on_sqlite
def test_who_has_none_is_offered_to_create_one(client_for: For) -> None:
    assert 'href="/organization/create"' in client_for("erin").get("/organization").text


@pytest.mark.on_sqlite
def test_who_is_invited_reads_it_where_the_organization_will_be(client_for: For) -> None:
    assert "Kestrel Works has invited you." in client_for("dave").get("/organization").text
    assert "has invited you" not in client_for("erin").get("/organization").text


def test_leaving_frees_seats_and_tells_the_administrator(client_for: For, cast: Cast, portal: Portal) -> None:
    bob = client_for("bob")
    assert "Your permission ends at once" in bob.get("/organization/leave").text
    answer = bob.send("/organization/leave")
    assert (answer.status_code, answer.location) == (303, "/organization")
    assert "You have left Kestrel Works." in bob.get("/organization").text
    with portal.session() as session:
        assert session.get_one(License, cast.license["annual"]).reserved == 0
        gone = session.get_one(Member, cast.bob.member_id)
        assert (gone.ended_reason, gone.role) == ("left", "member")
        assert session.scalars(select(Outbox.recipient).where(Outbox.kind == mail.LEFT)).all() == [cast.alice.email]
        assert not session.scalars(select(Permission).where(Permission.member_id == gone.id)).all()
    assert portal.recorded("member.leave") == 1


@pytest.mark.on_sqlite
@pytest.mark.parametrize("name", ["carol", "dora"])
def test_co_administrator_and_disabled_member_may_leave(client_for: For, cast: Cast, portal: Portal, name: str) -> None:
    client = client_for(name)
    assert client.swap("/organization/leave").headers["HX-Redirect"] == "/organization"
    assert portal.membership(cast.player(name)) is None
    assert client.send("/organization/leave").status_code == 404


@pytest.mark.on_sqlite
def test_administrator_cannot_leave_and_reads_why(client_for: For, cast: Cast, portal: Portal) -> None:
    alice = client_for("alice")
    assert "As administrator you cannot leave" in alice.get("/organization").text
    assert alice.get("/organization/leave").status_code == 409
    refused = alice.swap("/organization/leave")
    assert refused.status_code == 409
    assert said(refused) == ["An organization needs an administrator. The vendor can make somebody else administrator."]
    assert portal.membership(cast.alice) is not None


def test_leaving_twice_at_once_leaves_once(client_for: For, cast: Cast, portal: Portal) -> None:
    clients = [client_for("bob"), client_for("bob")]
    answers = at_once(*(lambda c=c: c.send("/organization/leave") for c in clients))
    assert sorted(each.status_code for each in answers) == [303, 404]
    assert portal.recorded("member.leave") == 1


# ── Organization Profile ─────────────────────────────────────────────────────────────────────────────────────────────


def test_new_zone_moves_the_days_of_every_license(client_for: For, cast: Cast, portal: Portal) -> None:
    with portal.session() as session:
        before = session.get_one(License, cast.license["annual"]).ends_at
    alice = client_for("alice")
    answer = alice.send(SETTINGS, name="Kestrel Works", zone="America/New_York", country="US", phone="+1 555 0100")
    assert answer.status_code == 303
    assert "The days of 6 licenses now begin and end in America/New_York." in alice.get(SETTINGS).text
    with portal.session() as session:
        after = session.get_one(License, cast.license["annual"]).ends_at
        assert session.get_one(Organization, cast.organization_id).phone == "+1 555 0100"
    assert before is not None
    assert after is not None
    assert after > before


@pytest.mark.on_sqlite
def test_saving_the_same_again_records_nothing(client_for: For, portal: Portal) -> None:
    carol = client_for("carol")
    for _time in range(2):
        assert carol.send(SETTINGS, name="Kestrel & Co", zone="UTC").status_code == 303
    assert portal.recorded("organization.edit") == 1


@pytest.mark.on_sqlite
@pytest.mark.parametrize(
    "fields", [{"name": "x" * 5000}, {"name": " "}, {"address": "y" * 501}, {"phone": "1" * 51}, {"country": "EU"}]
)
def test_bad_profile_comes_back_with_the_text(
    client_for: For, cast: Cast, portal: Portal, fields: dict[str, str]
) -> None:
    page = client_for("alice").send(SETTINGS, **{"name": "Kestrel Works", "zone": "UTC", "contact": "Mo", **fields})
    assert page.status_code == 422
    assert page.text.count('class="oops"') == 1
    assert 'value="Mo"' in page.text
    with portal.session() as session:
        assert session.get_one(Organization, cast.organization_id).contact == ""


@pytest.mark.on_sqlite
@pytest.mark.parametrize(("name", "status"), [("bob", 403), ("dora", 403), ("erin", 404), ("otto", 404)])
def test_others_cannot_edit_the_profile(client_for: For, cast: Cast, portal: Portal, name: str, status: int) -> None:
    client = client_for(name)
    assert client.get(SETTINGS).status_code == status
    assert client.send(SETTINGS, name="Mine now").status_code == status
    with portal.session() as session:
        assert session.get_one(Organization, cast.organization_id).name == "Kestrel Works"


# ── In a browser ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.on_sqlite
def test_newcomer_validates_and_creates(page: Page, server: str, cast: Cast, client_for: For) -> None:
    share(client_for("erin"), page, server)
    page.goto(f"{server}{CREATE}")
    page.get_by_label("Permission key").fill(f"Your key is\n{cast.unused['mixed'].lower()}\nRegards")
    page.get_by_role("button", name="Validate Permission Key").click()
    expect(page.get_by_role("table", name="Content of the permission key")).to_contain_text("FLEX NETWORK")
    assert faults(page) == []
    page.get_by_label("Organization name").fill("Moor Surveys")
    page.get_by_role("button", name="Validate Permission Key").click()
    expect(page.get_by_label("Organization name")).to_have_value("Moor Surveys")
    page.get_by_label("Organization name").press("Enter")
    page.wait_for_url(f"{server}/admin/products")
    expect(page.get_by_text("Moor Surveys is created")).to_be_visible()


@pytest.mark.on_sqlite
def test_leaving_asks_in_a_dialog(page: Page, server: str, cast: Cast, client_for: For) -> None:
    share(client_for("bob"), page, server)
    page.emulate_media(reduced_motion="reduce")  # colors are judged when nothing fades any more
    page.goto(f"{server}/organization")
    assert faults(page) == []
    page.get_by_role("button", name="Leave organization").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Leave Kestrel Works?")
    assert faults(page) == []
    dialog.get_by_role("button", name="Leave organization").click()
    expect(page.get_by_text("You have left Kestrel Works.")).to_be_visible()
    expect(page.get_by_role("link", name="Create an Organization").first).to_be_visible()
    assert faults(page) == []


@pytest.mark.on_sqlite
def test_profile_page_is_clean(page: Page, server: str, client_for: For) -> None:
    share(client_for("alice"), page, server)
    page.goto(f"{server}{SETTINGS}")
    assert faults(page) == []
