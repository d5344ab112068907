"""Proofs of possession: for one request, once, within five minutes, by the key that the token is bound to."""

from __future__ import annotations

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, OKPKey
from werkzeug.test import TestResponse

from core.oauth import dpop
from core.oauth.dpop import ProofRefused, Seen
from tests.cast import Cast
from tests.programs import ENTITLEMENTS, ProgramAt, new_key, thumb

NOW = datetime.fromisoformat("2026-11-24T13:00:00+00:00")

pytestmark = pytest.mark.on_sqlite


def ask(program: ProgramAt, **headers: str) -> TestResponse:
    """A request to the API."""
    return program.client.get(ENTITLEMENTS, headers=headers)


def with_proof(program: ProgramAt, **claims: Any) -> TestResponse:
    """A request whose proof says something else in some of its claims."""
    return ask(program, **program.headers("GET", ENTITLEMENTS, **claims))


def test_a_right_proof_is_taken_once(bound: ProgramAt) -> None:
    headers = bound.headers("GET", ENTITLEMENTS)
    assert ask(bound, **headers).status_code == 200
    again = ask(bound, **headers)
    assert again.status_code == 401
    assert again.json is not None
    assert again.json["code"] == "token_invalid"
    assert again.headers["WWW-Authenticate"] == 'DPoP error="invalid_dpop_proof", algs="Ed25519 EdDSA"'


def test_a_bound_token_is_no_bearer_token(bound: ProgramAt) -> None:
    token, proof = bound.tokens["access_token"], bound.headers("GET", ENTITLEMENTS)["DPoP"]
    assert ask(bound, Authorization=f"Bearer {token}").status_code == 401
    assert ask(bound, Authorization=f"Bearer {token}", DPoP=proof).status_code == 401
    assert ask(bound, Authorization=f"DPoP {token}").status_code == 401
    assert ask(bound, Authorization=f"DPoP {token}", DPoP=proof).status_code == 200


def test_a_token_without_a_key_is_not_presented_with_one(app: Flask, cast: Cast) -> None:
    program = ProgramAt(app)
    program.sign_in(cast.bob, cast.organization_id)
    assert ask(program, **program.headers("GET", ENTITLEMENTS)).status_code == 200
    program.key = new_key()
    assert ask(program, **program.headers("GET", ENTITLEMENTS)).status_code == 401


@pytest.mark.parametrize(
    "claims",
    [
        {"htm": "POST"}, {"htm": "get"}, {"htm": None}, {"htu": None}, {"htu": 5},
        {"htu": "https://elsewhere.example/api/v1/entitlements"}, {"htu": ENTITLEMENTS}, {"htu": "http://[::1"},
        {"ath": thumb("another token")}, {"ath": None}, {"jti": None}, {"jti": ""}, {"jti": 7}, {"jti": "x" * 129},
        {"iat": None}, {"iat": "now"}, {"iat": True}, {"iat": []}, {"ath": "\ud800"}, {"jti": "\ud800"},
    ],
)  # fmt: skip
def test_a_proof_for_something_else_is_refused(bound: ProgramAt, claims: dict[str, Any]) -> None:
    response = with_proof(bound, **claims)
    assert response.status_code == 401
    assert 'error="invalid_dpop_proof"' in response.headers["WWW-Authenticate"]
    assert "DPoP-Nonce" not in response.headers


def test_where_a_proof_is_for_is_told_by_our_own_address(bound: ProgramAt) -> None:
    assert with_proof(bound, htu=f"{bound.base}{ENTITLEMENTS}?all=1#top").status_code == 200
    other = bound.base.replace("127.0.0.1", "localhost")
    headers = bound.headers("GET", ENTITLEMENTS, htu=f"{other}{ENTITLEMENTS}")
    response = bound.client.get(ENTITLEMENTS, headers=headers, base_url=other)
    assert response.status_code == 401


@pytest.mark.parametrize("iat", [-86_400, -301, 302, 86_400, 10**400])
def test_a_wrong_clock_heals_with_a_nonce_of_ours(bound: ProgramAt, iat: int) -> None:
    said = iat if iat == 10**400 else int(time.time()) + iat
    refused = with_proof(bound, iat=said)
    assert (refused.status_code, 'error="use_dpop_nonce"' in refused.headers["WWW-Authenticate"]) == (401, True)
    healed = with_proof(bound, iat=said, nonce=refused.headers["DPoP-Nonce"])
    assert healed.status_code == 200
    assert with_proof(bound, iat=said, nonce=healed.headers["DPoP-Nonce"]).status_code == 200


def test_a_clock_that_is_a_little_wrong_needs_no_nonce(bound: ProgramAt) -> None:
    for seconds in (-290, 290):
        assert with_proof(bound, iat=int(time.time()) + seconds).status_code == 200


def test_a_wrong_clock_heals_at_the_token_endpoint_too(bound: ProgramAt) -> None:
    late = bound.proof("POST", "/oauth/token", iat=int(time.time()) - 86_400)
    refused = bound.refresh(proof=late)
    assert (refused.status_code, (refused.json or {})["error"]) == (400, "use_dpop_nonce")
    healed = bound.proof("POST", "/oauth/token", iat=1, nonce=refused.headers["DPoP-Nonce"])
    assert bound.refresh(proof=healed).status_code == 200  # the refusal has not used the token up


@pytest.mark.parametrize("nonce", ["", "x", "x" * 32, 5, None])
def test_a_nonce_of_somebody_else_is_none(bound: ProgramAt, nonce: Any) -> None:
    response = with_proof(bound, iat=1, nonce=nonce)
    assert 'error="use_dpop_nonce"' in response.headers["WWW-Authenticate"]


def test_a_nonce_ends_after_five_minutes(app: Flask) -> None:
    with app.app_context():
        nonce = dpop.nonce(NOW)
        assert dpop._is_ours(nonce, NOW + timedelta(minutes=5))
        assert not dpop._is_ours(nonce, NOW + timedelta(minutes=5, seconds=1))
        assert not dpop._is_ours(nonce, NOW - timedelta(seconds=2))
        assert not dpop._is_ours(nonce[:-2] + "xx", NOW)


def test_a_proof_of_another_key_opens_nothing(bound: ProgramAt) -> None:
    right, thief = bound.key, new_key()
    bound.key = thief
    assert with_proof(bound).status_code == 401
    bound.key = right
    assert with_proof(bound).status_code == 200


def attacks(program: ProgramAt) -> dict[str, str]:
    """Proofs that say the right things, but are not signed as they say."""
    key, other = program.key, new_key()
    assert key is not None
    claims = {
        "jti": "n", "htm": "GET", "htu": program.base + ENTITLEMENTS, "iat": int(time.time()),
        "ath": thumb(program.tokens["access_token"]),
    }  # fmt: skip
    public, payload = key.as_dict(private=False), json.dumps(claims)
    curve = ECKey.generate_key("P-256")

    def made(signer: Any = key, **header: Any) -> str:
        said = {"typ": "dpop+jwt", "alg": "Ed25519", "jwk": public, **header}
        said = {name: value for name, value in said.items() if value is not None}
        return jws.serialize_compact(said, payload, signer, algorithms=[said["alg"]])

    right = made()
    head, body, signature = right.split(".")
    none = _encoded({"typ": "dpop+jwt", "alg": "none", "jwk": public})
    return {
        "another key's signature": made(other),
        "no algorithm": f"{none}.{body}.",
        "no signature": f"{head}.{body}.",
        "the public key as a secret": made(OctKey.import_key(str(public["x"])), alg="HS256"),
        "another curve": made(curve, alg="ES256", jwk=curve.as_dict(private=False)),
        "a secret as a key": made(alg="Ed25519", jwk={"kty": "oct", "k": "x"}),
        "the private key": made(jwk=key.as_dict(private=True)),
        "a key of no length": made(jwk={**public, "x": ""}),
        "a key that is none": made(jwk={**public, "x": 7}),
        "no key": made(jwk=None),
        "another kind": made(typ="JWT"),
        "no kind": made(typ=None),
        "a name of a key": made(kid="1"),
        "no object": f"{head}.{_encoded([claims])}.{signature}",
        "long": right + "x" * 3000,
        "two": f"{right}, {right}",
        "nothing": "",
        "deep": f"{_encoded({'typ': 'dpop+jwt', 'alg': 'Ed25519', 'jwk': {}})[:-2]}.{'[' * 500}.x",
    }


def _encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_forged_proofs_prove_nothing(bound: ProgramAt) -> None:
    authorization = f"DPoP {bound.tokens['access_token']}"
    answers = {name: ask(bound, Authorization=authorization, DPoP=proof) for name, proof in attacks(bound).items()}
    assert {name: each.status_code for name, each in answers.items() if each.status_code != 401} == {}


def test_forged_proofs_get_no_tokens(bound: ProgramAt) -> None:
    for proof in attacks(bound).values():
        response = bound.refresh(proof=proof or " ")
        assert (response.status_code, (response.json or {})["error"]) == (400, "invalid_dpop_proof")


def test_the_older_name_of_the_algorithm_is_understood(bound: ProgramAt) -> None:
    assert bound.key is not None
    header = {"typ": "dpop+jwt", "alg": "EdDSA", "jwk": bound.key.as_dict(private=False)}
    claims = {"jti": "n", "htm": "POST", "htu": f"{bound.base}/oauth/token", "iat": int(time.time())}
    with pytest.warns(match="EdDSA is deprecated"):
        proof = jws.serialize_compact(header, json.dumps(claims), bound.key, algorithms=["EdDSA"])
    assert bound.refresh(proof=proof).status_code == 200


# ── what was seen ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_number_is_forgotten_when_no_proof_with_it_could_be_taken() -> None:
    seen = Seen()
    assert seen.is_new("n", NOW)
    assert not seen.is_new("n", NOW + timedelta(minutes=9, seconds=59))
    assert seen.is_new("n", NOW + timedelta(minutes=10))


def test_what_a_process_remembers_is_bounded() -> None:
    seen = Seen(most=100)
    for number in range(1000):
        assert seen.is_new(str(number), NOW)
    assert len(seen._until) == 100
    assert not seen.is_new("999", NOW)
    assert seen.is_new("x", NOW + timedelta(hours=1))
    assert len(seen._until) == 1


def test_of_many_at_one_time_one_proof_is_new() -> None:
    seen = Seen()
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _each: seen.is_new("n", NOW), range(200))) == 1


def test_a_proof_is_checked_at_the_time_of_the_server(app: Flask) -> None:
    program = ProgramAt(app, OKPKey.generate_key("Ed25519"))
    at = datetime.now(UTC)
    with app.app_context():
        proof = program.proof("POST", "/oauth/token")
        with pytest.raises(ProofRefused):
            dpop.check(proof, "POST", "/oauth/token", at + timedelta(minutes=5, seconds=2))
        assert not dpop.check(proof, "POST", "/oauth/token", at).had_nonce
