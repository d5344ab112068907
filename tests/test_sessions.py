"""A session is a row: who has its cookie is signed in until the row ends, and no longer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select

from core.dates import now
from core.db import db
from core.people import IDLE_AGE, LONGEST_AGE, device_of
from models import Account, SignIn
from tests.cast import Cast, Player
from tests.clients import HTMX, Client

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SIGN_IN = {"email": "bob@example.com", "password": "a long enough passphrase"}


@pytest.fixture
def bob(app: Flask, cast: Cast) -> Client:
    """Bob, signed in by the page."""
    client = Client(app)
    assert client.send("/login", **SIGN_IN).status_code == 303
    client.forget_token()
    return client


def copy_of(client: Client) -> Client:
    """A browser with the same cookie."""
    thief, cookie = Client(client.application), client.get_cookie("session", domain="127.0.0.1")
    assert cookie is not None
    thief.set_cookie("session", cookie.value, domain="127.0.0.1")
    return thief


def is_in(client: Client) -> bool:
    return client.get("/profile").status_code == 200


def live(app: Flask, player: Player) -> int:
    with app.app_context():
        mine = (SignIn.account_id == player.account_id) & SignIn.ended_at.is_(None)
        return db.session.scalar(select(func.count()).select_from(SignIn).where(mine)) or 0


# ── begin and end ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_signing_in_leads_to_the_first_page_of_the_role(app: Flask, cast: Cast) -> None:
    first = {"otto": "/operator/keys", "alice": "/admin/products", "carol": "/admin/products", "bob": "/products"}
    for name, page in first.items():
        client, player = Client(app), cast.player(name)
        response = client.send("/login", email=player.email, password=player.password)
        assert (response.status_code, response.location) == (303, "/")
        assert client.get("/").location == page


@pytest.mark.on_sqlite
def test_the_first_page_of_a_visitor_is_sign_in(anonymous: Client) -> None:
    assert anonymous.get("/").location == "/login"


def test_a_sign_in_keeps_where_and_with_what_but_no_secret(app: Flask, cast: Cast) -> None:
    client = Client(app)
    client.post("/login", data={"csrf_token": client.token, **SIGN_IN}, headers={"User-Agent": FIREFOX})
    with client.session_transaction(base_url="http://127.0.0.1") as cookie:
        secret = cookie["sid"]
    with app.app_context():
        row = db.session.scalars(select(SignIn)).one()
    assert (row.device, row.address) == ("Firefox · Linux", "192.0.2.1")
    assert secret.encode() not in row.secret_hash
    assert len(secret) >= 22


def test_signing_in_makes_the_session_a_new_one(bob: Client) -> None:
    before = copy_of(bob)
    with bob.session_transaction(base_url="http://127.0.0.1") as cookie:
        secret = cookie["sid"]
        token = cookie["csrf_token"] = "from before"
    bob.forget_token()
    assert bob.send("/login", **SIGN_IN).status_code == 303
    with bob.session_transaction(base_url="http://127.0.0.1") as cookie:
        assert cookie["sid"] != secret
        assert cookie.get("csrf_token") != token
    assert is_in(bob)
    assert not is_in(before)


def test_a_copied_cookie_is_dead_after_sign_out(bob: Client) -> None:
    thief = copy_of(bob)
    assert is_in(thief)
    assert bob.send("/logout").location == "/login"
    assert not is_in(bob)
    assert not is_in(thief)


@pytest.mark.on_sqlite
def test_signing_out_is_no_get(bob: Client) -> None:
    assert bob.get("/logout").status_code == 405
    assert is_in(bob)


@pytest.mark.on_sqlite
def test_signing_out_needs_the_token(bob: Client) -> None:
    assert bob.post("/logout").status_code == 400
    assert is_in(bob)


@pytest.mark.parametrize("age", [IDLE_AGE, LONGEST_AGE])
@pytest.mark.on_sqlite
def test_a_session_ends_by_itself(app: Flask, bob: Client, cast: Cast, age: timedelta) -> None:
    with app.app_context():
        row = db.session.scalars(select(SignIn)).one()
        row.created_at = now() - age + timedelta(minutes=1)
        row.used_at = now() - min(age, IDLE_AGE) + timedelta(minutes=1)
        db.session.commit()
    later = now() + timedelta(minutes=2)
    with time_machine.travel(later):
        assert not is_in(bob)


@pytest.mark.on_sqlite
def test_use_keeps_a_session_alive(app: Flask, bob: Client) -> None:
    with time_machine.travel(now() + timedelta(days=10)):
        assert is_in(bob)
    with time_machine.travel(now() + timedelta(days=20)):
        assert is_in(bob)


# ── what ends others ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_signing_out_everywhere_else_ends_all_others_and_copies(app: Flask, cast: Cast, bob: Client) -> None:
    thief, other = copy_of(bob), Client(app)
    other.send("/login", **SIGN_IN)
    assert bob.send("/profile/sign-out-others").location == "/profile"
    assert "1 other browser was signed out." in bob.get("/profile").text
    assert [is_in(each) for each in (bob, other, thief)] == [True, False, False]
    assert live(app, cast.bob) == 1


def test_a_new_password_ends_all_others_and_copies(app: Flask, cast: Cast, bob: Client) -> None:
    thief, other = copy_of(bob), Client(app)
    other.send("/login", **SIGN_IN)
    form = {"current_password": cast.bob.password, "new_password": "quite another sentence"}
    assert bob.send("/profile/password", **form).location == "/profile"
    assert [is_in(each) for each in (bob, other, thief)] == [True, False, False]


def test_a_blocked_account_is_out_at_once_and_stays_out(app: Flask, cast: Cast, bob: Client) -> None:
    with app.app_context():
        db.session.get_one(Account, cast.bob.account_id).block(cast.otto.actor, now())
        db.session.commit()
    assert not is_in(bob)
    response = bob.send("/login", **SIGN_IN)
    assert response.status_code == 422
    assert "This account is blocked." in response.text
    assert live(app, cast.bob) == 0


@pytest.mark.on_sqlite
def test_nobody_else_is_signed_out_with_him(cast: Cast, bob: Client, client_for: Callable[[str], Client]) -> None:
    alice = client_for("alice")
    bob.send("/profile/sign-out-others")
    assert is_in(alice)


# ── lost sessions ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.on_sqlite
def test_a_lost_session_leads_to_sign_in_and_back(anonymous: Client) -> None:
    response = anonymous.get("/profile?part=email")
    assert (response.status_code, response.location) == (303, "/login?next=/profile%3Fpart%3Demail")


@pytest.mark.on_sqlite
def test_htmx_is_told_to_sign_in_and_gets_no_page(anonymous: Client) -> None:
    headers = {**HTMX, "HX-Current-URL": "http://127.0.0.1/admin/users?state=pending"}
    for response in (
        anonymous.get("/profile", headers=headers, base_url="http://127.0.0.1"),
        anonymous.post("/profile/sign-out-others", headers=headers, base_url="http://127.0.0.1"),
    ):
        assert response.status_code == 401
        assert response.headers["HX-Redirect"] == "/login?next=/admin/users%3Fstate%3Dpending"
        assert response.text == ""


@pytest.mark.on_sqlite
def test_htmx_elsewhere_is_not_led_back_there(anonymous: Client) -> None:
    headers = {**HTMX, "HX-Current-URL": "https://evil.example/admin/users"}
    assert anonymous.get("/profile", headers=headers).headers["HX-Redirect"] == "/login"


@pytest.mark.on_sqlite
def test_a_form_of_a_lost_session_leads_back_to_its_page(app: Flask, anonymous: Client) -> None:
    page = app.extensions["settings"].base_url + "/profile"
    response = anonymous.post("/profile/sign-out-others", headers={"Referer": page})
    assert (response.status_code, response.location) == (303, "/login?next=/profile")


@pytest.mark.on_sqlite
def test_sign_in_leads_back(cast: Cast, anonymous: Client) -> None:
    page = anonymous.get("/login?next=/profile%3Fpart%3Demail")
    assert 'name="next" value="/profile?part=email"' in page.text
    assert anonymous.send("/login", next="/profile?part=email", **SIGN_IN).location == "/profile?part=email"


ELSEWHERE = [
    "https://evil.example/", "//evil.example/", "///evil.example", "/\\evil.example", "\\\\evil.example",
    "https:evil.example", "javascript:alert(1)", "/\t/evil.example", "/\r\nLocation: //evil.example", "evil.example",
    " //evil.example", "http://[evil", "http://127.0.0.1.evil.example/", "http://127.0.0.1@evil.example/", "/login",
    "/logout", "", "data:text/html,x", "/%0d%0a" + "x" * 3000,
]  # fmt: skip


@pytest.mark.on_sqlite
@pytest.mark.parametrize("address", ELSEWHERE)
def test_sign_in_leads_nowhere_else(cast: Cast, anonymous: Client, address: str) -> None:
    assert anonymous.send("/login", next=address, **SIGN_IN).location == "/"
    assert anonymous.get("/login", query_string={"next": address}).location == "/"


@pytest.mark.on_sqlite
def test_who_is_signed_in_does_not_see_sign_in_again(bob: Client) -> None:
    assert bob.get("/login?next=/profile").location == "/profile"
    assert bob.get("/register").location == "/"


@pytest.mark.on_sqlite
def test_no_token_of_an_address_or_header_signs_in(anonymous: Client, cast: Cast, app: Flask) -> None:
    with app.app_context():
        token = app.extensions["security"].remember_token_serializer.dumps({"ver": "5", "uid": "bobbobbobbob"})
    assert anonymous.get(f"/profile?auth_token={token}").status_code == 303
    assert anonymous.get("/profile", headers={"Authentication-Token": token}).status_code == 303


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        (FIREFOX, "Firefox · Linux"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/149.0 Safari/537.36 Edg/149.0",
         "Edge · Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) Version/26.0 Mobile/15E148 Safari/604.1",
         "Safari · iPhone"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("", ""),
        ("one\r\ntwo" + "x" * 300, "one  two" + "x" * 192),
    ],
)  # fmt: skip
def test_a_device_has_a_name_that_its_owner_knows(agent: str, device: str) -> None:
    assert device_of(agent) == device
