"""A program as it signs in: its key, its proofs, and what it asks of the OAuth endpoints."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from joserfc import jws
from joserfc.jwk import OKPKey
from werkzeug.test import TestResponse

from core import dates
from core.db import db
from core.grants import DeviceCode
from core.oauth import approvals
from tests.cast import Cast, Player
from tests.clients import Client

ENTITLEMENTS = "/api/v1/entitlements"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


class ProgramAt:
    """A program on some computer, with a key unless it has none."""

    def __init__(self, app: Flask, key: OKPKey | None = None) -> None:
        self.app, self.key = app, key
        self.client = Client(app)
        self.codes: dict[str, Any] = {}
        self.tokens: dict[str, Any] = {}

    @property
    def base(self) -> str:
        """The address of the portal."""
        return str(self.app.extensions["settings"].base_url)

    def proof(self, method: str, path: str, **claims: Any) -> str:
        """A proof for a request; claims that are given replace the right ones, None leaves one out."""
        assert self.key is not None
        header = {"typ": "dpop+jwt", "alg": "Ed25519", "jwk": self.key.as_dict(private=False)}
        right = {"jti": secrets.token_hex(8), "htm": method, "htu": self.base + path, "iat": int(time.time())}
        if "access_token" in claims:
            right["ath"] = thumb(claims.pop("access_token"))
        said = {name: value for name, value in {**right, **claims}.items() if value is not None}
        return jws.serialize_compact(header, json.dumps(said), self.key, algorithms=["Ed25519"])

    def post(self, path: str, proof: str | None = None, **fields: Any) -> TestResponse:
        """A request to an endpoint, with a fresh proof unless one is given."""
        if proof is None and self.key is not None:
            proof = self.proof("POST", path)
        return self.client.post(path, data=fields, headers={"DPoP": proof} if proof else {})

    def begin(self, **fields: str) -> dict[str, Any]:
        """Ask for codes."""
        fields = {"client_name": "ARES Commander", "device_name": "WS-14", **fields}
        response = self.post("/oauth/device", **fields)
        assert response.status_code == 200, response.text
        self.codes = dict(response.json or {})
        return self.codes

    def ask(self, proof: str | None = None) -> TestResponse:
        """Ask for tokens with the code."""
        return self.post("/oauth/token", proof, grant_type=DEVICE_GRANT, device_code=self.codes["device_code"])

    def refresh(self, token: str | None = None, proof: str | None = None) -> TestResponse:
        """Ask for the next tokens; keep them when they come."""
        text = token or self.tokens["refresh_token"]
        response = self.post("/oauth/token", proof, grant_type="refresh_token", refresh_token=text)
        if response.status_code == 200:
            self.tokens = dict(response.json or {})
        return response

    def sign_in(self, player: Player, organization_id: int | None) -> dict[str, Any]:
        """Be approved by somebody, and get the tokens."""
        self.begin()
        with self.app.app_context():
            code = approvals.waiting(db.session, self.codes["user_code"], dates.now())
            approvals.approve(code, player.account_id, organization_id, dates.now())
            db.session.commit()
        response = self.ask()
        assert response.status_code == 200, response.text
        self.tokens = dict(response.json or {})
        return self.tokens

    def headers(self, method: str, path: str, **claims: Any) -> dict[str, str]:
        """What a request to the API carries."""
        token = self.tokens["access_token"]
        if self.key is None:
            return {"Authorization": f"Bearer {token}"}
        return {"Authorization": f"DPoP {token}", "DPoP": self.proof(method, path, access_token=token, **claims)}


def new_key() -> OKPKey:
    """The key of a computer."""
    return OKPKey.generate_key("Ed25519")


def thumb(text: str) -> str:
    """The SHA-256 of a text as tokens have it."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


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


def answer(app: Flask, program: ProgramAt, do: Callable[[DeviceCode], None]) -> None:
    """What a person does with the program's code."""
    with app.app_context():
        do(approvals.waiting(db.session, program.codes["user_code"], dates.now()))
        db.session.commit()


@pytest.fixture
def bound(app: Flask, cast: Cast) -> ProgramAt:
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
