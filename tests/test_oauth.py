"""Sign-in of programs: codes that a person approves, tokens that end, refresh tokens that work once."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from joserfc import jws
from joserfc.jwk import OctKey, OKPKey
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from core import dates, grants, limits, signing
from core.db import db
from core.grants import DeviceCode, RefreshToken, TokenFamily
from core.oauth import approvals, families
from models import Account, Member
from tests.at_once import at_once
from tests.cast import Cast
from tests.clients import Client
from tests.programs import DEVICE_GRANT, ProgramAt, new_key
from tests.statements import counted, engine_of

ENTITLEMENTS = "/api/v1/entitlements"


class Clock:
    """The time that the application sees."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = timedelta()
        real = dates.now
        monkeypatch.setattr(dates, "now", lambda: real() + self.ahead)

    def on(self, **amount: float) -> None:
        """Let time pass."""
        self.ahead += timedelta(**amount)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Moves the time on."""
    return Clock(monkeypatch)


@pytest.fixture
def program(app: Flask, cast: Cast) -> ProgramAt:
    """A program with a key, signed in by bob."""
    made = ProgramAt(app, new_key())
    made.sign_in(cast.bob, cast.organization_id)
    return made


@pytest.fixture
def plain(app: Flask, cast: Cast) -> ProgramAt:
    """A program without a key, signed in by bob."""
    made = ProgramAt(app)
    made.sign_in(cast.bob, cast.organization_id)
    return made


def refusal(response: TestResponse) -> tuple[int, str]:
    """Status and error of a refusal as RFC 6749 has it."""
    body = response.json or {}
    assert set(body) <= {"error", "error_description"}
    assert response.headers["Cache-Control"] == "no-store"
    return response.status_code, body["error"]


def is_let_in(program: ProgramAt) -> bool:
    """Whether the API takes the program's access token."""
    response = program.client.get(ENTITLEMENTS, headers=program.headers("GET", ENTITLEMENTS))
    assert response.status_code in (200, 401), response.text
    return response.status_code == 200


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


def test_a_program_is_told_to_wait_then_to_wait_longer(app: Flask, cast: Cast, clock: Clock) -> None:
    program = ProgramAt(app)
    program.begin()
    assert refusal(program.ask()) == (400, "authorization_pending")
    assert refusal(program.ask()) == (400, "slow_down")
    clock.on(seconds=6)
    assert refusal(program.ask()) == (400, "slow_down")  # 10 seconds by now
    clock.on(seconds=15)
    assert refusal(program.ask()) == (400, "authorization_pending")
    clock.on(minutes=10)
    assert refusal(program.ask()) == (400, "expired_token")


def test_an_approved_code_gives_tokens_once(program: ProgramAt) -> None:
    assert program.tokens["token_type"] == "DPoP"
    assert program.tokens["expires_in"] == 900
    assert is_let_in(program)
    assert refusal(program.ask()) == (400, "invalid_grant")
    assert is_let_in(program)


def test_an_answer_in_the_last_second_still_reaches_the_program(app: Flask, cast: Cast, clock: Clock) -> None:
    program = ProgramAt(app)
    program.begin()
    clock.on(seconds=599)
    answer(app, program, lambda code: approvals.approve(code, cast.bob.account_id, None, dates.now()))
    clock.on(seconds=10)
    assert program.ask().status_code == 200


def answer(app: Flask, program: ProgramAt, do: Callable[[DeviceCode], None]) -> None:
    with app.app_context():
        do(approvals.waiting(db.session, program.codes["user_code"], dates.now()))
        db.session.commit()


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


# ── refresh tokens ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_refresh_token_is_exchanged_for_the_next(program: ProgramAt, on_app: Session) -> None:
    first = program.tokens
    assert program.refresh().status_code == 200
    assert program.tokens["refresh_token"] != first["refresh_token"]
    assert is_let_in(program)
    kept = on_app.scalars(select(RefreshToken.token_hash)).all()
    assert first["refresh_token"].encode() not in b"".join(map(bytes, kept))
    assert len(kept) == 2


def test_a_second_use_ends_the_sign_in_and_its_tokens(program: ProgramAt) -> None:
    first = program.tokens["refresh_token"]
    assert program.refresh().status_code == 200
    assert is_let_in(program)
    assert refusal(program.refresh(first)) == (400, "invalid_grant")
    assert not is_let_in(program)
    assert refusal(program.refresh()) == (400, "invalid_grant")


def test_of_two_uses_at_one_time_no_token_lives_on(plain: ProgramAt) -> None:
    answers = at_once(*[plain.refresh] * 2)
    assert sorted(each.status_code for each in answers) == [200, 400]
    assert not is_let_in(plain)
    assert refusal(plain.refresh()) == (400, "invalid_grant")


@pytest.mark.on_sqlite
def test_a_stolen_refresh_token_is_worth_nothing_without_the_key(program: ProgramAt) -> None:
    thief = ProgramAt(program.app, new_key())
    token = program.tokens["refresh_token"]
    assert refusal(thief.refresh(token)) == (400, "invalid_grant")
    thief.key = None
    assert refusal(thief.refresh(token)) == (400, "invalid_grant")
    assert program.refresh().status_code == 200  # and the attempt cost nobody his sign-in


@pytest.mark.on_sqlite
def test_no_more_than_was_granted_is_asked_for(program: ProgramAt) -> None:
    fields = {"grant_type": "refresh_token", "refresh_token": program.tokens["refresh_token"], "scope": "everything"}
    assert refusal(program.post("/oauth/token", **fields)) == (400, "invalid_scope")


def test_a_program_that_nobody_starts_asks_again(plain: ProgramAt, clock: Clock, on_app: Session) -> None:
    clock.on(days=89)
    assert plain.refresh().status_code == 200
    clock.on(days=91)
    assert refusal(plain.refresh()) == (400, "invalid_grant")
    assert families.remove_old(on_app, dates.now()) == 3  # two tokens and their sign-in
    assert on_app.scalar(select(func.count()).select_from(RefreshToken)) == 0


def test_what_was_used_up_is_known_for_a_week(plain: ProgramAt, clock: Clock, on_app: Session) -> None:
    plain.refresh()
    assert families.remove_old(on_app, dates.now()) == 0
    assert families.remove_old(on_app, dates.now() + timedelta(days=8)) == 1
    on_app.commit()
    assert plain.refresh().status_code == 200


# ── what ends a sign-in ──────────────────────────────────────────────────────────────────────────────────────────────


def end_family(session: Session, cast: Cast) -> None:
    assert grants.revoke(session, TokenFamily.account_id == cast.bob.account_id, cast.now) == 1


def block(session: Session, cast: Cast) -> None:
    session.get_one(Account, cast.bob.account_id).blocked_at = cast.now


def delete(session: Session, cast: Cast) -> None:
    session.get_one(Account, cast.bob.account_id).deleted_at = cast.now


def end_membership(session: Session, cast: Cast) -> None:
    member = session.get_one(Member, cast.bob.member_id)
    member.ended_at, member.ended_reason = cast.now, "left"


@pytest.mark.parametrize("end", [end_family, block, delete, end_membership])
def test_tokens_are_refused_at_their_next_use(
    program: ProgramAt, on_app: Session, cast: Cast, end: Callable[[Session, Cast], None]
) -> None:
    assert is_let_in(program)
    end(on_app, cast)
    on_app.commit()
    assert refusal(program.refresh()) == (400, "invalid_grant")
    with program.app.app_context():
        assert not families.stands(db.session, 1)
    if end is not end_membership:
        assert not is_let_in(program)


LAUNCH = "/api/v1/leases/0190f3c2-8f1e-7c55-9d2a-1f6a7f0e2b11"
ASK = {"product": "render", "device": {"id": "d_1"}}
QUESTIONS: dict[str, tuple[str, str, dict[str, Any] | None]] = {
    "ask for a seat": ("PUT", LAUNCH, ASK),
    "look at a lease": ("GET", LAUNCH, None),
    "what may I run": ("GET", ENTITLEMENTS, None),
    "why": ("GET", "/api/v1/explain", None),
    "borrow": ("POST", f"{LAUNCH}/borrow", {"until": "2026-12-01T00:00:00Z"}),
    "return": ("POST", f"{LAUNCH}/return", {"proof": "x"}),
}


@pytest.mark.on_sqlite
@pytest.mark.parametrize("end", [end_family, block, delete])
def test_every_question_is_refused_when_the_sign_in_has_ended(
    plain: ProgramAt, on_app: Session, cast: Cast, end: Callable[[Session, Cast], None]
) -> None:
    assert plain.client.put(LAUNCH, json=ASK, headers=plain.headers("PUT", LAUNCH)).status_code == 201
    end(on_app, cast)
    on_app.commit()
    answers = {name: asked(plain, *question) for name, question in QUESTIONS.items()}
    assert answers == dict.fromkeys(QUESTIONS, (401, "token_invalid"))


def asked(program: ProgramAt, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, str]:
    """Status and code of a refusal of the API."""
    headers = program.headers(method, path) | {"Idempotency-Key": "k1"}
    response = program.client.open(path, method=method, json=body, headers=headers)
    return response.status_code, (response.json or {}).get("code", "")


@pytest.mark.on_sqlite
@pytest.mark.parametrize("end", [block, delete, end_membership])
def test_an_approval_is_worth_nothing_when_its_ground_is_gone(
    app: Flask, on_app: Session, cast: Cast, end: Callable[[Session, Cast], None]
) -> None:
    program = ProgramAt(app, new_key())
    program.begin()
    bob, firm = cast.bob.account_id, cast.organization_id
    answer(app, program, lambda code: approvals.approve(code, bob, firm, dates.now()))
    end(on_app, cast)
    on_app.commit()
    assert refusal(program.ask()) == (400, "access_denied")
    assert on_app.scalar(select(func.count()).select_from(TokenFamily)) == 0


def test_an_access_token_lives_fifteen_minutes(program: ProgramAt, clock: Clock) -> None:
    clock.on(minutes=14, seconds=58)
    program.app.extensions.pop("proofs", None)
    assert is_let_in_later(program, clock)
    clock.on(seconds=3)
    assert not is_let_in_later(program, clock)


def is_let_in_later(program: ProgramAt, clock: Clock) -> bool:
    """As `is_let_in`, for a program whose clock goes with ours."""
    at = int(dates.now().timestamp())
    return program.client.get(ENTITLEMENTS, headers=program.headers("GET", ENTITLEMENTS, iat=at)).status_code == 200


# ── access tokens of others ──────────────────────────────────────────────────────────────────────────────────────────


def forgeries(program: ProgramAt) -> dict[str, str]:
    """What opens nothing, though it looks like the program's token."""
    token: str = program.tokens["access_token"]
    head, body, signature = token.split(".")
    header, claims = _decoded(head), _decoded(body)
    other = OKPKey.generate_key("Ed25519")
    with program.app.app_context():
        key = signing._read(datetime.fromisoformat("2026-11-24T00:00:00Z")).signer
        public = signing.jwks(db.session, dates.now())["keys"][0]
    program.app.extensions.pop("signing")
    assert key is not None

    def made(signer: Any = key, alg: str = "Ed25519", typ: str | None = "at+jwt", **changed: Any) -> str:
        said = {**header, "alg": alg, "typ": typ}
        said = {name: value for name, value in said.items() if value is not None}
        return jws.serialize_compact(said, json.dumps({**claims, **changed}), signer, algorithms=[alg])

    return {
        "no algorithm": f"{_encoded({**header, 'alg': 'none'})}.{body}.",
        "the public key as a secret": made(OctKey.import_key(public["x"]), "HS256"),
        "another key": made(other),
        "another issuer": made(iss="https://elsewhere.example"),
        "another audience": made(aud="https://elsewhere.example/api/v1"),
        "a token of another kind": made(typ=None),
        "a lease's token": made(typ="JWT"),
        "expired": made(exp=claims["iat"] - 1),
        "not yet": made(iat=claims["iat"] + 3600),
        "another person": f"{head}.{_encoded({**claims, 'sub': '1'})}.{signature}",
        "without its signature": f"{head}.{body}.",
        "half": token[: len(token) // 2],
        "nothing": "x",
    }


def _decoded(part: str) -> dict[str, Any]:
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


def _encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.on_sqlite
def test_forged_tokens_open_nothing(program: ProgramAt) -> None:
    right = program.tokens["access_token"]
    taken = []
    for name, token in forgeries(program).items():
        program.tokens = {"access_token": token}
        taken += [name] if is_let_in(program) else []
    assert taken == []
    program.tokens = {"access_token": right}
    assert is_let_in(program)


@pytest.mark.on_sqlite
def test_tokens_are_not_mixed_up(plain: ProgramAt) -> None:
    """A refresh token or a code opens no door of the API, an access token none of the token endpoint."""
    for text in (plain.tokens["refresh_token"], plain.codes["device_code"]):
        assert plain.client.get(ENTITLEMENTS, headers={"Authorization": f"Bearer {text}"}).status_code == 401
    assert refusal(plain.refresh(plain.tokens["access_token"])) == (400, "invalid_grant")


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
