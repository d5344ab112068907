"""What attackers send: nothing of it is answered by 5xx, and nothing of it gives them what is not theirs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import quote, urlencode

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.routing import Rule

import models
from core import tokens
from core.db import db
from core.forms import account_forms
from core.tokens import Purpose
from models import Account, Member, Organization
from tests.at_once import at_once
from tests.cast import Cast, Player
from tests.clients import HTMX, Client
from tests.portal import Portal

ClientFor = Callable[[str], Client]

MARKUP = "<img src=x onerror=alert(1)>\"'{{7*7}}"
TEXTS = ("a\0b@c.de", "9" * 5000, "2147483648", MARKUP, "x" * 6000, "\r\nBcc: a@b.example\u202e٣🔑")
NUMBERS = ("0", "2147483648", "9" * 30)
NOT_UTF8 = "%ff%fe%ed%a0%80"
#: A lower-case letter for every “İ” is two characters, and punycode of “ü” is seven: 219 bytes become 369.
GROWING = "İ" * 64 + "@" + "ü." * 30 + "de"
NAMES = (
    "q state after before next open only member had tick email emails name password new_email new_password "
    "current_password permission_key replaces zone country address phone title company locale note why code product "
    "type seats start end seats-1 end-1 is_operator role organization_id member_id license_id account_id"
)
FIELDS = NAMES.split()
#: They would end the session that the other attacks need.
ENDING = {"accounts.sign_out", "organization.leave_submit", "invitations.switch"}


# ── every address ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.on_postgresql  # the stricter one about what may be in a text or a number
def test_no_hostile_input_is_answered_by_5xx(
    app: Flask, client_for: ClientFor, anonymous: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_forms, "PACE", 0.0)
    people = {"alice": client_for("alice"), "bob": client_for("bob"), "otto": client_for("otto"), "": anonymous}
    sent = 0
    for rule in attacked(app):
        client = people[right_person(rule)]
        for method, path, body in attacks(rule):
            answer = sent_by(client, method, path, body, HTMX if sent % 2 else {})
            sent += 1
            assert answer < 500, f"{method} {path[:80]} {body[:80]}"
    assert sent > 500


def sent_by(client: Client, method: str, path: str, body: str, headers: dict[str, str]) -> int:
    if method == "GET":
        return client.get(path, headers=headers).status_code
    form = f"csrf_token={client.token}&{body}"
    kind = "application/x-www-form-urlencoded"
    return client.post(path, data=form, headers=headers, content_type=kind).status_code


def attacked(app: Flask) -> list[Rule]:
    quiet = {"static", "health.readyz"}  # the latter says 503 without a worker
    return [rule for rule in app.url_map.iter_rules() if rule.endpoint not in quiet]


def right_person(rule: Rule) -> str:
    if rule.rule.startswith("/operator"):
        return "otto"
    if rule.rule.startswith(("/admin", "/profile")):
        return "alice"
    return "bob" if rule.rule.startswith(("/products", "/organization")) else ""


def attacks(rule: Rule) -> Iterator[tuple[str, str, str]]:
    methods, paths = rule.methods or set(), list(filled(rule))
    for path in paths:
        yield from ((method, path, "") for method in sorted(methods & {"GET", "POST"}) if rule.endpoint not in ENDING)
    for number, text in enumerate((*map(quote, TEXTS), NOT_UTF8)):
        if "GET" in methods:
            yield "GET", f"{paths[0]}?" + "&".join(f"{name}={text[:300]}" for name in FIELDS[:8]), ""
        if "POST" in methods and rule.endpoint not in ENDING:
            yield "POST", paths[number % len(paths)], "&".join(f"{name}={text}&{name}=1" for name in FIELDS)


def filled(rule: Rule) -> Iterator[str]:
    if "<" not in rule.rule:
        yield rule.rule
        return
    values = NUMBERS if "<int:" in rule.rule else ("x", "%00", NOT_UTF8, "a.b.c", "..%2f..", "x" * 6000)
    for value in values:
        yield re.sub("<[^>]+>", value, rule.rule)


@pytest.mark.parametrize("number", ["2147483648", "9223372036854775808", "9" * 30])
def test_a_number_that_no_row_can_have_is_a_row_that_is_not_there(client_for: ClientFor, number: str) -> None:
    alice, otto = client_for("alice"), client_for("otto")
    assert alice.send(f"/admin/users/{number}/disable").status_code == 404
    assert alice.get(f"/admin/users/{number}/remove").status_code == 404
    assert otto.get(f"/operator/organizations/{number}").status_code == 404


def test_a_null_character_is_no_way_to_break_the_sign_in(anonymous: Client) -> None:
    assert anonymous.send("/login", email="alice@example.com\0", password="whatever it is").status_code == 422
    assert anonymous.send("/login", email="a\0b@example.com", password="whatever it is").status_code == 422


@pytest.mark.parametrize("path", ["/operator/keys", "/operator/organizations", "/operator/mail"])
def test_a_null_character_in_a_search_breaks_nothing(client_for: ClientFor, path: str) -> None:
    assert client_for("otto").get(f"{path}?q=a%00b").status_code in (200, 422)


def test_an_address_that_grows_beyond_its_column_is_no_address(client_for: ClientFor, anonymous: Client) -> None:
    form = {"name": "Grow", "email": GROWING, "password": "long enough for a test"}
    assert anonymous.send("/register", **form).status_code == 422
    answer = client_for("alice").swap("/admin/users", emails=f"{GROWING}; frank@example.com")
    assert answer.status_code == 200
    assert "1 of 2 addresses invited" in answer.text


def test_a_number_of_thousands_of_digits_is_no_member(client_for: ClientFor, cast: Cast) -> None:
    answer = client_for("alice").send(f"/admin/users/{cast.bob.member_id}/co-admin", replaces="9" * 5000)
    assert answer.status_code == 422


@pytest.mark.on_postgresql
def test_a_write_that_fails_leaves_a_page_to_whoever_is_signed_in(
    client_for: ClientFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which language the page has is asked of the database, after the failed transaction is over."""
    bob = client_for("bob")
    monkeypatch.setattr(models, "checked_contact", lambda profile: {"name": profile["name"]})
    answer = bob.send("/profile", name="x" * 500, zone="UTC")
    assert answer.status_code == 422
    assert "</html>" in answer.text


# ── races ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def link_to_change(app: Flask, player: Player, email: str) -> str:
    with app.app_context():
        account = db.session.get_one(Account, player.account_id)
        account.want_email(email)
        db.session.commit()
        token = tokens.make(app.config["SECRET_KEY"], Purpose.CHANGE_EMAIL, account.nonce or "", account.id)
    return f"/email/{token}"


def test_two_accounts_that_take_one_address_at_once_get_it_once(app: Flask, cast: Cast) -> None:
    paths = [link_to_change(app, player, "wanted@example.com") for player in (cast.bob, cast.erin)]
    clients = [Client(app), Client(app)]
    assert all(client.token for client in clients)
    first, second = zip(clients, paths, strict=True)
    answers = at_once(lambda: first[0].send(first[1]), lambda: second[0].send(second[1]))
    assert sorted(answer.status_code for answer in answers) == [303, 409]
    with app.app_context():
        assert len(db.session.scalars(select(Account).where(Account.email == "wanted@example.com")).all()) == 1


def test_a_product_that_two_operators_add_at_once_is_added_once(client_for: ClientFor) -> None:
    first, second = client_for("otto"), client_for("otto")
    assert first.token
    assert second.token
    form = {"code": "new", "name": "New"}
    answers = at_once(
        lambda: first.send("/operator/products", **form), lambda: second.send("/operator/products", **form)
    )
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] == 303
    assert statuses[1] in (409, 422)


# ── what forms must not change ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.on_sqlite
@pytest.mark.parametrize("path", ["/profile", "/products/validate", "/register", "/profile/sign-out-others"])
def test_more_fields_than_a_form_has_change_nothing(app: Flask, cast: Cast, client_for: ClientFor, path: str) -> None:
    more = {"is_operator": "1", "role": "administrator", "organization_id": cast.other_id, "email": "x@example.com",
            "confirmed_at": "2020-01-01", "blocked_at": "", "id": cast.alice.account_id}  # fmt: skip
    client_for("bob").send(path, name="Bob", zone="UTC", password="a very good passphrase", permission_key="x", **more)
    with app.app_context():
        bob, alice = (db.session.get_one(Account, each.account_id) for each in (cast.bob, cast.alice))
        assert (bob.is_operator, bob.email, alice.name) == (False, cast.bob.email, "Alice Example")
        assert bob.membership is not None
        assert (bob.membership.role, bob.membership.organization_id) == ("member", cast.organization_id)


@pytest.mark.on_sqlite
def test_another_organizations_ids_in_a_form_reach_nothing(app: Flask, cast: Cast, client_for: ClientFor) -> None:
    mallory, portal = client_for("mallory"), Portal(app)
    before = portal.recorded("permission.give"), portal.recorded("member.disable")
    ids = {"organization_id": cast.organization_id, "member": cast.bob.member_id, "tick": cast.bob.member_id}
    for action in ("disable", "enable", "remove", "resend", "withdraw", "link", "restore", "co-admin", "member"):
        assert mallory.send(f"/admin/users/{cast.bob.member_id}/{action}", **ids).status_code == 404
    for license in cast.license.values():
        for action in ("", "/give", "/take", "/move"):
            mallory.send(f"/admin/permissions/{license}{action}", **ids)
    assert (portal.recorded("permission.give"), portal.recorded("member.disable")) == before


# ── links ────────────────────────────────────────────────────────────────────────────────────────────────────────────

PATHS = {"confirm": Purpose.CONFIRM, "reset": Purpose.RESET, "email": Purpose.CHANGE_EMAIL, "setup": Purpose.SETUP}


@pytest.mark.on_sqlite
@pytest.mark.parametrize("purpose", list(Purpose))
def test_a_link_opens_the_one_door_that_it_was_made_for(app: Flask, cast: Cast, purpose: Purpose) -> None:
    with app.app_context():
        account = db.session.get_one(Account, cast.erin.account_id)
        account.want_email("erin@new.example")
        nonce = account.nonce or ""
        db.session.get_one(Member, cast.dave.member_id).nonce = nonce  # even where two rows have one nonce
        db.session.commit()
    for path in [path for path, own in PATHS.items() if own is not purpose]:
        for ident in (cast.erin.account_id, cast.dave.member_id or 0):
            token = tokens.make(app.config["SECRET_KEY"], purpose, nonce, ident)
            assert Client(app).send(f"/{path}/{token}", password="a very good passphrase").status_code == 410
    token = tokens.make(app.config["SECRET_KEY"], purpose, nonce, cast.dave.member_id or 0)
    is_invitation = purpose in (Purpose.INVITATION, Purpose.INVITATION_COPY)
    assert Client(app).get(f"/invitations/{token}").status_code == (200 if is_invitation else 410)


@pytest.mark.on_sqlite
@pytest.mark.parametrize(
    "elsewhere",
    ["//evil.example", "https://evil.example/", "/\\evil.example", "\t//evil.example", "https:evil.example",
     "http:///evil.example", "javascript:alert(1)", "/\r\nLocation: x", "http://127.0.0.1@evil.example/"],
)  # fmt: skip
def test_sign_in_leads_nowhere_else(anonymous: Client, cast: Cast, elsewhere: str) -> None:
    lost = {**HTMX, "HX-Current-URL": quote(elsewhere), "HX-Current-URL-URI-AutoEncoded": "true"}
    to = anonymous.get("/products?" + urlencode({"next": elsewhere}), headers=lost).headers["HX-Redirect"]
    assert re.match(r"/login(\?next=/%|$)", to)
    form = {"email": cast.bob.email, "password": cast.bob.password, "next": elsewhere}
    assert anonymous.send("/login", **form).headers["Location"] == "/"


# ── markup ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.on_sqlite
def test_names_are_text_on_every_page(app: Flask, client_for: ClientFor) -> None:
    people = {"alice": client_for("alice"), "bob": client_for("bob"), "otto": client_for("otto"), "": Client(app)}
    name_everything(app, MARKUP)
    escaped = 0
    for rule in [each for each in attacked(app) if "GET" in (each.methods or ())]:
        for ident in range(1, 9) if "<" in rule.rule else (1,):
            answer = people[right_person(rule)].get(re.sub("<[^>]+>", str(ident), rule.rule))
            is_saved = answer.headers.get("Content-Disposition", "").startswith("attachment")  # and never shown
            assert is_saved or "<img" not in answer.text, rule.rule
            escaped += "&lt;img" in answer.text
    assert escaped > 20


def name_everything(app: Flask, name: str) -> None:
    with app.app_context():
        for account in db.session.scalars(select(Account)):
            account.name = account.company = account.title = name
        for organization in db.session.scalars(select(Organization)):
            organization.name = organization.contact = name
        for product in db.session.scalars(select(models.Product)):
            product.name = name
        for key in db.session.scalars(select(models.PermissionKey)):
            key.note = name
        db.session.commit()


@pytest.mark.on_sqlite
@pytest.mark.parametrize("header", ["Referer", "HX-Current-URL"])
@pytest.mark.parametrize("address", ["http://[", "http://[x]/admin/users", "//[::1"])
def test_address_that_is_none_is_as_if_not_sent(client_for: ClientFor, cast: Cast, header: str, address: str) -> None:
    alice, path = client_for("alice"), f"/admin/users/{cast.bob.member_id}/disable"
    answer = alice.post(path, data={"csrf_token": alice.token}, headers={**HTMX, header: address})
    assert (answer.status_code, "Disabled" in answer.text) == (200, True)
    # Where the connection is encrypted, a form has to say where it comes from.
    secure = alice.application.extensions["settings"].base_url.replace("http:", "https:")
    answer = alice.post(path, data={"csrf_token": alice.token}, headers={"Referer": address}, base_url=secure)
    assert answer.status_code == 400
