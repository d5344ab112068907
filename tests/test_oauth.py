"""Sign-in of programs: codes that a person approves, and the endpoints where programs ask."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from time_machine import Traveller

from core import dates, limits
from core.grants import DeviceCode, TokenFamily
from core.oauth import approvals
from tests.at_once import at_once
from tests.cast import Cast
from tests.clients import Client
from tests.programs import DEVICE_GRANT, ProgramAt, answer, is_let_in, new_key, refusal
from tests.statements import counted, engine_of

# ── the code ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_program_gets_codes_that_live_ten_minutes(app: Flask, on_app: Session, cast: Cast) -> None:
    codes = ProgramAt(app, new_key()).begin()
    address = f"{app.extensions['settings'].base_url}/activate"
    assert (codes["expires_in"], codes["interval"], codes["verification_uri"]) == (600, 5, address)
    assert codes["verification_uri_complete"] == f"{address}?user_code={codes['user_code']}"
    assert set(codes["user_code"].replace("-", "")) <= set("BCDFGHJKLMNPQRTVWX")
    row = on_app.scalars(select(DeviceCode)).one()
    assert row.expires_at - row.made_at == timedelta(minutes=10)
    assert codes["device_code"].encode() not in bytes(row.device_hash)


def test_a_program_is_told_to_wait_then_to_wait_longer(app: Flask, cast: Cast, clock: Traveller) -> None:
    program = ProgramAt(app)
    program.begin()
    assert refusal(program.ask()) == (400, "authorization_pending")
    assert refusal(program.ask()) == (400, "slow_down")
    clock.shift(timedelta(seconds=6))
    assert refusal(program.ask()) == (400, "slow_down")  # 10 seconds by now
    clock.shift(timedelta(seconds=15))
    assert refusal(program.ask()) == (400, "authorization_pending")
    clock.shift(timedelta(minutes=10))
    assert refusal(program.ask()) == (400, "expired_token")


def test_an_approved_code_gives_tokens_once(bound: ProgramAt) -> None:
    assert bound.tokens["token_type"] == "DPoP"
    assert bound.tokens["expires_in"] == 900
    assert is_let_in(bound)
    assert refusal(bound.ask()) == (400, "invalid_grant")
    assert is_let_in(bound)


def test_an_answer_in_the_last_second_still_reaches_the_program(app: Flask, cast: Cast, clock: Traveller) -> None:
    program = ProgramAt(app)
    program.begin()
    clock.shift(timedelta(seconds=599))
    answer(app, program, lambda code: approvals.approve(code, cast.bob.account_id, None, dates.now()))
    clock.shift(timedelta(seconds=10))
    assert program.ask().status_code == 200


@pytest.mark.on_sqlite
def test_a_declined_code_gives_nothing(app: Flask, cast: Cast) -> None:
    program = ProgramAt(app)
    program.begin()
    answer(app, program, lambda code: approvals.decline(code, dates.now()))
    assert refusal(program.ask()) == (400, "access_denied")


def test_a_code_is_good_for_one_of_many_at_one_time(app: Flask, cast: Cast, on_app: Session) -> None:
    program = ProgramAt(app)
    program.begin()
    answer(app, program, lambda code: approvals.approve(code, cast.bob.account_id, None, dates.now()))
    asking = [ProgramAt(app) for _each in range(4)]
    for each in asking:
        each.codes = program.codes
    answers = at_once(*(each.ask for each in asking))
    assert sorted(each.status_code for each in answers) == [200, 400, 400, 400]
    assert on_app.scalar(select(func.count()).select_from(TokenFamily)) == 1


@pytest.mark.on_sqlite
def test_a_code_belongs_to_the_key_that_asked_for_it(app: Flask, cast: Cast) -> None:
    program, thief = ProgramAt(app, new_key()), ProgramAt(app, new_key())
    thief.codes = program.begin()
    answer(app, program, lambda code: approvals.approve(code, cast.bob.account_id, None, dates.now()))
    assert refusal(thief.ask()) == (400, "invalid_grant")
    thief.key = None
    assert refusal(thief.ask()) == (400, "invalid_grant")
    assert program.ask().status_code == 200


@pytest.mark.on_sqlite
def test_a_key_may_be_named_without_a_proof(app: Flask, cast: Cast) -> None:
    key = new_key()
    program = ProgramAt(app)
    program.begin(dpop_jkt=key.thumbprint())
    answer(app, program, lambda code: approvals.approve(code, cast.bob.account_id, None, dates.now()))
    assert refusal(program.ask()) == (400, "invalid_grant")
    program.key = key
    assert program.ask().json["token_type"] == "DPoP"  # type: ignore[index]
    assert refusal(program.post("/oauth/device", client_name="x", dpop_jkt=new_key().thumbprint()))[0] == 400


@pytest.mark.on_sqlite
@pytest.mark.parametrize(
    ("path", "fields", "error"),
    [
        ("/oauth/device", {}, "invalid_request"),
        ("/oauth/device", {"client_name": " \n\0 "}, "invalid_request"),
        ("/oauth/device", {"client_name": "x" * 101}, "invalid_request"),
        ("/oauth/device", {"client_name": "x", "device_name": "x" * 101}, "invalid_request"),
        ("/oauth/device", {"client_name": "x", "dpop_jkt": "x" * 43 + "="}, "invalid_request"),
        ("/oauth/device", {"client_name": ["x", "y"]}, "invalid_request"),
        ("/oauth/token", {}, "invalid_request"),
        ("/oauth/token", {"grant_type": "password"}, "unsupported_grant_type"),
        ("/oauth/token", {"grant_type": "päßwort\r\nX: y"}, "unsupported_grant_type"),
        ("/oauth/token", {"grant_type": DEVICE_GRANT}, "invalid_request"),
        ("/oauth/token", {"grant_type": DEVICE_GRANT, "device_code": "\0nothing"}, "invalid_grant"),
        ("/oauth/token", {"grant_type": "refresh_token"}, "invalid_request"),
        ("/oauth/token", {"grant_type": "refresh_token", "refresh_token": "rt_\0é"}, "invalid_grant"),
        ("/oauth/token", {"grant_type": "refresh_token", "refresh_token": ["a", "b"]}, "invalid_request"),
    ],
)  # fmt: skip
def test_bad_input_has_its_word(anonymous: Client, path: str, fields: dict[str, Any], error: str) -> None:
    assert refusal(anonymous.post(path, data=fields)) == (400, error)
    in_address = anonymous.post(path, query_string=fields)
    assert refusal(in_address) == (400, "invalid_request")  # addresses are logged: nothing is read there
    assert refusal(anonymous.post(path, json=fields)) == (400, "invalid_request")


@pytest.mark.on_sqlite
@pytest.mark.parametrize(("grant", "field"), [(DEVICE_GRANT, "device_code"), ("refresh_token", "refresh_token")])
def test_a_secret_in_an_address_is_none(plain: ProgramAt, grant: str, field: str) -> None:
    secret = {**plain.codes, **plain.tokens}[field]
    answer = plain.client.post("/oauth/token", query_string={field: secret}, data={"grant_type": grant})
    assert refusal(answer) == (400, "invalid_request")


@pytest.mark.on_sqlite
def test_a_name_is_one_line(app: Flask, on_app: Session, cast: Cast) -> None:
    ProgramAt(app).begin(client_name="ARES\r\n\tCommander \x1b[1m", client_id="x")
    ProgramAt(app).begin(client_name="", client_id="draft-cli", device_name="")
    names = on_app.execute(select(DeviceCode.client_name, DeviceCode.device_name).order_by(DeviceCode.id)).all()
    assert [tuple(row) for row in names] == [("ARES Commander [1m", "WS-14"), ("draft-cli", "")]


# ── the endpoints ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.on_sqlite
def test_no_token_of_a_form_is_asked_for_and_no_session_is_read(
    app: Flask, client_for: Callable[[str], Client]
) -> None:
    alice = client_for("alice")
    with counted(engine_of(app)) as seen:
        response = alice.post("/oauth/device", data={"client_name": "ARES Commander"})
        alice.post("/oauth/token", data={"grant_type": "refresh_token", "refresh_token": "x"})
    assert [statement for statement in seen if "sign_in" in statement] == []
    assert response.status_code == 200
    assert "Set-Cookie" not in response.headers
    assert alice.post("/activate/approve", data={"user_code": "BCDF-GHJK"}).status_code == 400


@pytest.mark.on_sqlite
def test_codes_are_limited_by_address(app: Flask, anonymous: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(limits.RULES, "device-code", limits.Rule(1, limits.HOUR, "Wait."))
    assert anonymous.post("/oauth/device", data={"client_name": "x"}).status_code == 200
    beyond = anonymous.post("/oauth/device", data={"client_name": "x"})
    assert refusal(beyond) == (429, "slow_down")
    assert int(beyond.headers["Retry-After"]) > 0


@pytest.mark.on_sqlite
def test_addresses_of_one_network_are_one_place(app: Flask, anonymous: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(limits.RULES, "device-code", limits.Rule(1, limits.HOUR, "Wait."))

    def asked_from(address: str) -> int:
        anonymous.environ_base["REMOTE_ADDR"] = address
        return anonymous.post("/oauth/device", data={"client_name": "x"}).status_code

    assert [asked_from(f"2001:db8:0:1::{number}") for number in (1, 2)] == [200, 429]
    assert asked_from("2001:db8:0:2::1") == 200
    assert [asked_from(address) for address in ("192.0.2.7", "192.0.2.8", "::ffff:192.0.2.8")] == [200, 200, 429]
    assert [asked_from("unix:") for _time in range(2)] == [200, 429]


@pytest.mark.on_sqlite
def test_what_the_server_can_do_is_published(app: Flask, anonymous: Client) -> None:
    said = anonymous.get("/.well-known/oauth-authorization-server")
    base = app.extensions["settings"].base_url
    assert said.headers["Cache-Control"] == "public, max-age=300"
    assert said.json is not None
    assert (said.json["issuer"], said.json["token_endpoint"]) == (base, f"{base}/oauth/token")
    keys = anonymous.get("/.well-known/jwks.json")
    assert keys.headers["Cache-Control"] == "public, max-age=300"
    assert [key["alg"] for key in (keys.json or {})["keys"]] == ["Ed25519"]


def test_old_codes_are_removed(app: Flask, on_app: Session, cast: Cast) -> None:
    ProgramAt(app).begin()
    later = dates.now() + timedelta(days=1, minutes=11)
    assert approvals.remove_old(on_app, dates.now()) == 0
    assert approvals.remove_old(on_app, later) == 1
