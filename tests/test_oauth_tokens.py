"""What a sign-in of a program is worth: tokens that end, refresh tokens that work once, and what is none of ours."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from joserfc import jws
from joserfc.jwk import OctKey, OKPKey
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from time_machine import Traveller
from werkzeug.test import TestResponse

from core import dates, grants, signing
from core.db import db
from core.grants import RefreshToken, TokenFamily
from core.oauth import approvals, families
from models import Account, Member
from tests.at_once import at_once
from tests.cast import Cast
from tests.programs import ENTITLEMENTS, ProgramAt, answer, is_let_in, new_key, refusal

# ── refresh tokens ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_refresh_token_is_exchanged_for_the_next(bound: ProgramAt, on_app: Session) -> None:
    first = bound.tokens
    assert bound.refresh().status_code == 200
    assert bound.tokens["refresh_token"] != first["refresh_token"]
    assert is_let_in(bound)
    kept = on_app.scalars(select(RefreshToken.token_hash)).all()
    assert first["refresh_token"].encode() not in b"".join(map(bytes, kept))
    assert len(kept) == 2


def test_a_second_use_ends_the_sign_in_and_its_tokens(bound: ProgramAt) -> None:
    first = bound.tokens["refresh_token"]
    assert bound.refresh().status_code == 200
    assert is_let_in(bound)
    assert refusal(bound.refresh(first)) == (400, "invalid_grant")
    assert not is_let_in(bound)
    assert refusal(bound.refresh()) == (400, "invalid_grant")


def test_of_two_uses_at_one_time_no_token_lives_on(plain: ProgramAt) -> None:
    token = plain.tokens["refresh_token"]
    answers = at_once(*[partial(plain.refresh, token)] * 2)
    assert sorted(each.status_code for each in answers) == [200, 400]
    assert not is_let_in(plain)
    assert refusal(plain.refresh()) == (400, "invalid_grant")


@pytest.mark.on_sqlite
def test_a_stolen_refresh_token_is_worth_nothing_without_the_key(bound: ProgramAt) -> None:
    thief = ProgramAt(bound.app, new_key())
    token = bound.tokens["refresh_token"]
    assert refusal(thief.refresh(token)) == (400, "invalid_grant")
    thief.key = None
    assert refusal(thief.refresh(token)) == (400, "invalid_grant")
    assert bound.refresh().status_code == 200  # and the attempt cost nobody his sign-in


@pytest.mark.on_sqlite
def test_no_more_than_was_granted_is_asked_for(bound: ProgramAt) -> None:
    fields = {"grant_type": "refresh_token", "refresh_token": bound.tokens["refresh_token"], "scope": "everything"}
    assert refusal(bound.post("/oauth/token", **fields)) == (400, "invalid_scope")


def test_a_program_that_nobody_starts_asks_again(clock: Traveller, plain: ProgramAt, on_app: Session) -> None:
    clock.shift(timedelta(days=89))
    assert plain.refresh().status_code == 200
    clock.shift(timedelta(days=91))
    assert refusal(plain.refresh()) == (400, "invalid_grant")
    assert families.remove_old(on_app, dates.now()) == 3  # two tokens and their sign-in
    assert on_app.scalar(select(func.count()).select_from(RefreshToken)) == 0


def test_what_was_used_up_is_known_for_a_week(clock: Traveller, plain: ProgramAt, on_app: Session) -> None:
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
    bound: ProgramAt, on_app: Session, cast: Cast, end: Callable[[Session, Cast], None]
) -> None:
    assert is_let_in(bound)
    end(on_app, cast)
    on_app.commit()
    assert refusal(bound.refresh()) == (400, "invalid_grant")
    with bound.app.app_context():
        assert not families.stands(db.session, 1)
    if end is not end_membership:
        assert not is_let_in(bound)


LAUNCH = "/api/v1/leases/0190f3c2-8f1e-7c55-9d2a-1f6a7f0e2b11"
ANOTHER = LAUNCH[:-1] + "2"
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


@pytest.mark.on_sqlite
@pytest.mark.parametrize("end", [end_family, block, delete])
def test_a_stored_answer_is_kept_from_whom_the_sign_in_has_ended(
    plain: ProgramAt, on_app: Session, cast: Cast, end: Callable[[Session, Cast], None]
) -> None:
    borrowed(plain, LAUNCH)
    end(on_app, cast)
    on_app.commit()
    assert refusal_of(borrow(plain, LAUNCH)) == (401, "token_invalid")


@pytest.mark.on_sqlite
def test_a_key_of_a_request_is_one_sign_ins(app: Flask, plain: ProgramAt, cast: Cast) -> None:
    borrowed(plain, LAUNCH)
    other = ProgramAt(app)
    other.sign_in(cast.bob, cast.organization_id)
    headers = other.headers("PUT", ANOTHER)
    assert other.client.put(ANOTHER, json={**ASK, "device": {"id": "d_2"}}, headers=headers).status_code == 201
    assert refusal_of(borrow(other, LAUNCH)) == (409, "device_conflict")  # not what the first was answered


def borrowed(program: ProgramAt, launch: str) -> None:
    """Take a seat along."""
    assert program.client.put(launch, json=ASK, headers=program.headers("PUT", launch)).status_code == 201
    assert borrow(program, launch).status_code == 200


def borrow(program: ProgramAt, launch: str) -> TestResponse:
    """Ask for a seat to be taken along, always under the same key."""
    headers = program.headers("POST", launch) | {"Idempotency-Key": "k1"}
    until = (dates.now() + timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
    return program.client.post(f"{launch}/borrow", json={"until": until.isoformat()}, headers=headers)


@pytest.mark.on_sqlite
def test_a_sign_in_reaches_nothing_of_another_organization(app: Flask, plain: ProgramAt, cast: Cast) -> None:
    stranger = ProgramAt(app, new_key())
    stranger.sign_in(cast.mallory, cast.other_id)
    assert plain.client.put(LAUNCH, json=ASK, headers=plain.headers("PUT", LAUNCH)).status_code == 201
    for method in ("GET", "DELETE"):
        assert asked(stranger, method, LAUNCH, None) == (404, "unknown_lease")
    assert plain.client.get(LAUNCH, headers=plain.headers("GET", LAUNCH)).status_code == 200


def asked(program: ProgramAt, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, str]:
    """Status and code of a refusal of the API."""
    headers = program.headers(method, path) | {"Idempotency-Key": "k1"}
    return refusal_of(program.client.open(path, method=method, json=body, headers=headers))


def refusal_of(response: TestResponse) -> tuple[int, str]:
    """Status and code of an answer of the API."""
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


def test_an_access_token_lives_fifteen_minutes(clock: Traveller, bound: ProgramAt) -> None:
    clock.shift(timedelta(minutes=14, seconds=58))
    assert is_let_in(bound)
    clock.shift(timedelta(seconds=3))
    assert not is_let_in(bound)


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
def test_forged_tokens_open_nothing(bound: ProgramAt) -> None:
    right = bound.tokens["access_token"]
    taken = []
    for name, token in forgeries(bound).items():
        bound.tokens = {"access_token": token}
        taken += [name] if is_let_in(bound) else []
    assert taken == []
    bound.tokens = {"access_token": right}
    assert is_let_in(bound)


@pytest.mark.on_sqlite
def test_tokens_are_not_mixed_up(plain: ProgramAt) -> None:
    """A refresh token or a code opens no door of the API, an access token none of the token endpoint."""
    for text in (plain.tokens["refresh_token"], plain.codes["device_code"]):
        assert plain.client.get(ENTITLEMENTS, headers={"Authorization": f"Bearer {text}"}).status_code == 401
    assert refusal(plain.refresh(plain.tokens["access_token"])) == (400, "invalid_grant")
