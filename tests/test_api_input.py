"""What no program should send, and who is nobody: each its stable code, nothing kept, never a page."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest
import time_machine
from flask import Flask
from joserfc import jws, jwt
from joserfc.jwk import OctKey, OKPKey
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from core.api.problems import of_front
from core.api.rates import MOST
from core.db import db
from core.leases import Device, Lease
from core.oauth import families
from core.seats import taking
from core.security import MOST_BYTES
from tests.api_desk import STATION_KEY, UUID, Program, Programs, code, forged, token_of
from tests.cast import Cast
from tests.clients import Client

pytestmark = pytest.mark.on_sqlite
JSON = {"Content-Type": "application/json"}
GOOD: dict[str, Any] = {"product": "render", "device": {"id": "d"}}


def put(program: Program, body: bytes | str, **headers: str) -> tuple[int, str]:
    """Send a body as it is."""
    data = body.encode() if isinstance(body, str) else body
    return code(program.send("PUT", f"leases/{UUID}", data=data, headers={**JSON, **headers}))


MALFORMED: dict[str, bytes | str] = {
    "nothing": "",
    "no JSON": "product=render",
    "no object": "[]",
    "a number": "1",
    "nested 3,900 deep": '{"a":' + "[" * 3900 + "]" * 3900 + "}",
    "opened 5,000 times": "[" * 5000,
    "NaN": '{"product":"render","device":{"id":"d"},"idle_seconds":NaN}',
    "infinite": '{"product":"render","device":{"id":"d"},"idle_seconds":1e999}',
    "minus infinity": '{"product":"render","device":{"id":"d"},"x":-Infinity}',
    "a name twice": '{"product":"render","product":"draft","device":{"id":"d"}}',
    "a name twice inside": '{"product":"render","device":{"id":"d","id":"e"}}',
    "a name twice where nobody looks": '{"product":"render","device":{"id":"d"},"x":{"y":1,"y":2}}',
    "a number of 5,000 digits": '{"product":"render","device":{"id":"d"},"seq":' + "9" * 5000 + "}",
    "Latin-1": '{"product":"render","device":{"id":"é"}}'.encode("latin-1"),
    "a byte order mark": b"\xef\xbb\xbf" + json.dumps(GOOD).encode(),
    "UTF-16": json.dumps(GOOD).encode("utf-16"),
}


def test_body_that_is_no_json_for_everybody_is_malformed(program: Programs, on_app: Session) -> None:
    lab = program()
    assert {what: put(lab, body) for what, body in MALFORMED.items()} == dict.fromkeys(
        MALFORMED, (400, "malformed_request")
    )
    assert not on_app.scalar(select(func.count()).select_from(Device))


WRONG: list[dict[str, Any]] = [
    {"product": None}, {"product": 1}, {"product": ["render"]}, {"product": "re\0nder"}, {"product": "\ud800"},
    {"device": None}, {"device": "d"}, {"device": {}}, {"device": {"id": ""}}, {"device": {"id": 7}},
    {"device": {"id": "a\nb"}}, {"device": {"id": "d", "name": "\udfff"}}, {"device": {"id": "d", "name": 5}},
    {"device": {"id": "d", "public_key": "short"}}, {"device": {"id": "d", "public_key": {"kty": "OKP"}}},
    {"queue": "true"}, {"queue": 1}, {"queue": None}, {"idle_seconds": "0"}, {"idle_seconds": -1},
    {"idle_seconds": 1.5}, {"idle_seconds": True}, {"idle_seconds": 2**31}, {"seq": -1}, {"seq": "1"},
    {"seq": 2**63}, {"client_time": "yesterday"}, {"client_time": "2026-03-01T09:00:02"}, {"client_time": 1},
    {"client_time": "2026-03-01"}, {"version": 2026},
]  # fmt: skip


def test_members_of_wrong_types_are_malformed_and_named(program: Programs) -> None:
    lab = program()
    for members in WRONG:
        refused = lab.send("PUT", f"leases/{UUID}", json={**GOOD, **members})
        assert (members, code(refused)) == (members, (400, "malformed_request"))
        assert f"“{next(iter(members))}" in refused.get_json()["detail"]


@pytest.mark.parametrize("missing", ["product", "device"])
def test_missing_members_are_malformed(program: Programs, missing: str) -> None:
    body = {name: value for name, value in GOOD.items() if name != missing}
    assert code(program().send("PUT", f"leases/{UUID}", json=body)) == (400, "malformed_request")


def test_names_that_are_too_long_are_422(program: Programs) -> None:
    for name in ("id", "name"):
        refused = program().send("PUT", f"leases/{UUID}", json={**GOOD, "device": {"id": "d", name: "x" * 101}})
        assert code(refused) == (422, "malformed_request")
    assert program().ask(device={"id": "d", "name": "x" * 100}).status_code == 201


def test_unknown_members_are_passed_over(program: Programs) -> None:
    assert program().ask(device={"id": "d", "color": "red"}, whatever=[{"a": None}]).status_code == 201


def test_more_than_8_kib_is_too_large(program: Programs) -> None:
    long = json.dumps({**GOOD, "x": "y" * 200_000})
    assert put(program(), long) == (413, "malformed_request")
    just = json.dumps({**GOOD, "x": ""})
    fits = json.dumps({**GOOD, "x": "y" * (8192 - len(just))})
    assert program().send("PUT", f"leases/{UUID}", data=fits, headers=JSON).status_code == 201
    assert put(program(), fits + " ") == (413, "malformed_request")


def test_what_the_front_refuses_is_a_problem_like_any_other(app: Flask, program: Programs) -> None:
    """It never reaches the application, which shapes it all the same."""
    told, path = of_front(app), f"/api/v1/leases/{UUID}"
    long = json.dumps({**GOOD, "x": "y" * 10_000})
    here = program().send("PUT", f"leases/{UUID}", data=long, headers=JSON).get_json()
    assert json.loads(told(path, 413, here["detail"]) or b"") == here
    assert json.loads(told(path, 500, "x") or b"")["code"] == "internal_error"
    for people in ("/admin/users", "/api/v1/", "/api/v1/openapi.json"):
        assert told(people, 413, "x") is None


def test_body_that_is_too_large_to_be_read_is_told_so_on_the_wire(server: str, app: Flask) -> None:
    refused = httpx2.put(f"{server}/api/v1/leases/{UUID}", content=b"x" * (MOST_BYTES + 1))
    assert (refused.status_code, refused.headers["Content-Type"]) == (413, "application/problem+json")
    assert (refused.json()["code"], refused.json()["status"]) == ("malformed_request", 413)
    page = httpx2.post(f"{server}/login", content=b"x" * (MOST_BYTES + 1))
    assert (page.status_code, page.headers["Content-Type"]) == (413, "text/plain; charset=utf-8")


def test_other_kinds_of_body_are_not_read(program: Programs) -> None:
    lab = program()
    assert put(lab, json.dumps(GOOD), **{"Content-Type": "text/plain"}) == (415, "malformed_request")
    assert code(lab.send("PUT", f"leases/{UUID}", data=GOOD)) == (415, "malformed_request")


def test_number_of_a_launch_is_a_uuid(program: Programs) -> None:
    lab = program()
    wrong = ("x", "1", UUID[:-1], f"{UUID}0", f"{{{UUID}}}"[:36], UUID.replace("-", ""), "%00")
    for uuid, method in itertools.product(wrong, ("PUT", "GET", "DELETE")):
        assert code(lab.send(method, f"leases/{uuid}", json=GOOD)) == (400, "malformed_request")


def test_addresses_and_methods_that_are_none(program: Programs) -> None:
    lab = program()
    assert code(lab.send("GET", "nothing")) == (404, "malformed_request")
    assert code(lab.send("GET", "leases/a/b/c")) == (404, "malformed_request")
    refused = lab.send("POST", f"leases/{UUID}")
    assert code(refused) == (405, "malformed_request")
    assert {"GET", "PUT", "DELETE"} <= set(refused.headers["Allow"].split(", "))


def test_unknown_product_is_404_and_a_station_has_one(program: Programs) -> None:
    assert code(program("bob", product="nothing").ask()) == (404, "unknown_product")
    assert code(program(product="draft").ask())[0] == 403


def test_words_are_in_the_language_that_is_asked_for(program: Programs) -> None:
    lab = program()
    english, german = (lab.send("GET", "leases/x", headers={"Accept-Language": tag}) for tag in ("en", "de-AT"))
    assert english.get_json()["detail"] != german.get_json()["detail"]
    assert english.get_json()["code"] == german.get_json()["code"]
    assert (german.headers["Content-Language"], german.vary.as_set()) == ("de", {"accept-language"})


def test_answers_are_kept_nowhere(program: Programs) -> None:
    for response in (program().ask(), program().show("x")):
        assert response.headers["Cache-Control"] == "no-store"
        assert not {"ETag", "Set-Cookie", "Last-Modified"} & set(response.headers.keys())


# ── who is nobody ────────────────────────────────────────────────────────────────────────────────────────────────────


def operations(app: Flask) -> list[tuple[str, str]]:
    """Every address of the API with its methods."""
    return [
        (method, str(rule).replace("<uuid>", UUID).removeprefix("/api/v1/"))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint.startswith("api.") and rule.endpoint != "api.health"
    ]


def test_signing_in_with_a_browser_opens_nothing_here(app: Flask, client_for: Callable[[str], Client]) -> None:
    """A cookie alone authenticates nothing, so no other site can use it either."""
    alice = client_for("alice")
    tried = operations(app)
    assert len(tried) >= 6
    for method, path in tried:
        assert code(alice.open(f"/api/v1/{path}", method=method, json=GOOD)) == (401, "token_invalid")
    assert alice.get("/admin/users").status_code == 200


def test_refusal_says_how_to_sign_in(program: Programs) -> None:
    lab = program()
    lab.authorization = ""
    challenges = lab.show().headers.getlist("WWW-Authenticate")
    assert {each.split()[0] for each in challenges} == {"Bearer", "DPoP"}


def signed_with(key: Any, alg: str, head: dict[str, Any], claims: dict[str, Any]) -> str:
    return jwt.encode({**head, "alg": alg}, claims, key, algorithms=[alg])


def bad_tokens(app: Flask, cast: Cast) -> dict[str, str]:
    """What opens nothing, each with one thing wrong with it."""
    good = token_of(app, cast, "bob")
    head, said, signature = good.split(".")
    claims = json.loads(jws.extract_compact(good.encode()).payload or b"")
    header = jws.extract_compact(good.encode()).headers()
    stranger = OKPKey.generate_key("Ed25519")
    jwks = app.test_client().get("/.well-known/jwks.json", base_url=app.extensions["settings"].base_url)
    public = (jwks.get_json(silent=True) or {"keys": [{"x": "x" * 43}]})["keys"][0]["x"]
    return {
        "nobody's station": "st_nobody", "a station's prefix": "st_", "nothing": "", "no token": "x.y.z",
        "alg none": forged({**header, "alg": "none"}, claims),
        "alg none, signed": f"{forged({**header, 'alg': 'none'}, claims)}{signature}",
        "HS256 with the public key": signed_with(OctKey.import_key(public), "HS256", header, claims),
        "another key": jws.serialize_compact(header, json.dumps(claims), stranger, algorithms=["Ed25519"]),
        "another key in its head": jws.serialize_compact(
            {"alg": "Ed25519", "jwk": stranger.as_dict(private=False)}, json.dumps(claims), stranger,
            algorithms=["Ed25519"],
        ),
        "other claims": f"{head}.{forged({}, {**claims, 'sub': '1'}).split('.')[1]}.{signature}",
        "no signature": f"{head}.{said}.", "half of it": good[: len(good) // 2], "a long one": "x" * 100_000,
    }  # fmt: skip


def test_forged_tokens_open_nothing(app: Flask, cast: Cast, on_app: Session) -> None:
    for what, token in bad_tokens(app, cast).items():
        bob = Program(app, "", {"id": "d"})
        for scheme in ("Bearer", "DPoP", "Basic"):
            bob.authorization = f"{scheme} {token}"
            assert (what, code(bob.ask())) == (what, (401, "token_invalid"))
    assert not on_app.scalar(select(func.count()).select_from(Lease))


def test_token_of_a_lease_opens_nothing(program: Programs) -> None:
    lab = program()
    lab.authorization, token = f"Bearer {lab.ask().get_json()['token']}", lab.authorization
    assert code(lab.ask()) == (401, "token_invalid")
    lab.authorization = token
    assert lab.ask().status_code == 200


def test_access_token_ends_with_its_time(program: Programs, clock: time_machine.Traveller) -> None:
    bob = program("bob")
    bob.ask()
    clock.shift(families.ACCESS_TOKEN_AGE + timedelta(seconds=1))
    assert code(bob.ask()) == (401, "token_invalid")


# ── too much, and what is not the program's fault ────────────────────────────────────────────────────────────────────


def test_who_asks_200_times_in_a_second_is_heard_and_then_waits(
    program: Programs, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.api.rates.time.monotonic", lambda: 1000.5)
    lab, bob = program(), program("bob")
    assert {lab.send("GET", "leases/x").status_code for _ in range(MOST)} == {400}
    refused = lab.ask()
    assert (code(refused), refused.headers["Retry-After"]) == ((429, "rate_limited"), "1")
    assert bob.ask().status_code == 201
    assert lab.send("GET", "health").status_code == 200
    monkeypatch.setattr("core.api.rates.time.monotonic", lambda: 1001.0)
    assert lab.send("GET", "leases/x").status_code == 400


def test_database_that_cannot_save_is_maintenance(program: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OperationalError("UPDATE", None, Exception("disk full"))

    monkeypatch.setattr(taking, "ask", fails)
    refused = program().ask()
    assert code(refused) == (503, "maintenance")
    assert int(refused.headers["Retry-After"]) > 0


def test_defect_is_told_as_a_problem_too(program: Programs, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ZeroDivisionError("the secret")

    monkeypatch.setattr(taking, "ask", fails)
    monkeypatch.setattr(app, "testing", False)
    refused = program().ask()
    assert code(refused) == (500, "internal_error")
    assert "secret" not in refused.text


def test_health_needs_nobody(app: Flask, cast: Cast) -> None:
    base_url = app.extensions["settings"].base_url
    response = app.test_client().get("/api/v1/health", base_url=base_url)
    body = response.get_json()
    assert (response.status_code, body["status"], body["protocol"], body["maintenance"]) == (200, "ok", 1, None)
    assert body["server_time"].endswith("Z")


def test_health_says_when_the_database_is_not_ready(app: Flask, cast: Cast) -> None:
    with app.app_context():
        db.session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
        db.session.commit()
    base_url = app.extensions["settings"].base_url
    body = app.test_client().get("/api/v1/health", base_url=base_url).get_json()
    assert (body["status"], bool(body["maintenance"])) == ("maintenance", True)


def test_station_key_is_kept_as_a_hash(program: Programs, on_app: Session) -> None:
    program().ask()
    rows = on_app.connection().exec_driver_sql("SELECT name, key_hash FROM station").all()
    assert STATION_KEY not in str(rows)
