"""Programs that ask the license API, through the application without a port: people's and a station's."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from joserfc import jws
from joserfc.jwk import OKPKey
from marshmallow import RAISE
from werkzeug.test import TestResponse

from core import signing
from core.api.facts import schema_of
from core.db import db
from core.grants import TokenFamily
from core.leases import Station
from core.oauth import families
from tests.cast import Cast

UUID = "0190f3c2-8f1e-7c55-9d2a-1f6a7f0e2b11"
STATION_KEY = "st_of-a-lab"


@dataclass
class Program:
    """One program with its credential and its device."""

    app: Flask
    authorization: str
    device: dict[str, Any]
    product: str = "render"
    seq: int = 0
    uuid: str = UUID  # of the launch that is meant where none is named

    def send(self, method: str, path: str, **how: Any) -> TestResponse:
        """Ask at an address of the API."""
        headers = {"Authorization": self.authorization, **how.pop("headers", {})}
        base_url = self.app.extensions["settings"].base_url
        return self.app.test_client().open(f"/api/v1/{path}", method=method, base_url=base_url, headers=headers, **how)

    def ask(self, uuid: str = "", **more: Any) -> TestResponse:
        """Take, keep, or wait for a seat; a call counts one on."""
        self.seq += 1
        body = {"product": self.product, "device": self.device, "seq": self.seq, **more}
        return self.send("PUT", f"leases/{uuid or self.uuid}", json=body)

    def show(self, uuid: str = "") -> TestResponse:
        """How a launch stands."""
        return self.send("GET", f"leases/{uuid or self.uuid}")

    def give_back(self, uuid: str = "") -> TestResponse:
        """Give a seat back."""
        return self.send("DELETE", f"leases/{uuid or self.uuid}")

    def borrow(self, until: datetime, uuid: str = "", **headers: str) -> TestResponse:
        """Take a seat along."""
        body = {"until": until.isoformat()}
        return self.send("POST", f"leases/{uuid or self.uuid}/borrow", json=body, headers=headers)

    def request_offline(self, file: str, **headers: str) -> TestResponse:
        """Ask for a seat for a computer without a network, by the file that it wrote."""
        return self.send("POST", "offline-requests", json={"request": file}, headers=headers)

    def bring_back(self, proof: str, uuid: str = "") -> TestResponse:
        """Bring a borrowed seat back."""
        return self.send("POST", f"leases/{uuid or self.uuid}/return", json={"proof": proof})


Programs = Callable[..., Program]


@pytest.fixture
def program(app: Flask, cast: Cast) -> Programs:
    """`program("bob", "desk")`: bob's program on a device; `program("lab")` is a station's, for render."""

    def made(who: str = "lab", device: str = "", **more: Any) -> Program:
        authorization = f"Bearer {STATION_KEY}" if who == "lab" else f"Bearer {token_of(app, cast, who)}"
        described = {"id": device or f"{who}'s", "name": device or who, **more.pop("with_device", {})}
        return Program(app, authorization, described, **more)

    with app.app_context():
        db.session.add(
            Station(organization_id=cast.organization_id, product_id=cast.product["render"], name="lab",
                    key_hash=Station.hashed(STATION_KEY), made_at=cast.now)
        )  # fmt: skip
        db.session.commit()
    return made


def token_of(app: Flask, cast: Cast, who: str) -> str:
    """An access token of somebody's sign-in that is bound to no key."""
    organization_id = {"mallory": cast.other_id, "erin": None}.get(who, cast.organization_id)
    with app.app_context():
        family = TokenFamily(account_id=cast.player(who).account_id, organization_id=organization_id, client_name="x",
                             made_at=cast.now)  # fmt: skip
        db.session.add(family)
        db.session.commit()
        return families.access_token(db.session, family, datetime.now(cast.now.tzinfo))


@pytest.fixture
def clock(cast: Cast) -> Iterator[time_machine.Traveller]:
    """The time, which stands still until it is moved."""
    with time_machine.travel(cast.now + timedelta(seconds=1), tick=False) as traveller:
        yield traveller


def new_uuid() -> str:
    """The number of another launch."""
    return str(uuid.uuid4())


def code(response: TestResponse) -> tuple[int, str]:
    """Status and stable code of a refusal, which is a problem in every respect."""
    body = response.get_json(force=True)
    assert response.mimetype == "application/problem+json"
    assert {"type", "title", "status", "code", "detail", "instance"} <= body.keys()
    assert body["status"] == response.status_code
    assert body["type"].endswith(f"/problems/{body['code'].replace('_', '-')}")
    assert not schema_of(body["code"])(unknown=RAISE).validate(body), "a member that the document does not have"
    return response.status_code, body["code"]


def claims(response: TestResponse, app: Flask) -> dict[str, Any]:
    """What the token of an answer says; it is verified."""
    with app.app_context():
        return signing.verify(db.session, response.get_json()["token"], datetime.now().astimezone())


class DeviceKey:
    """A device's own key."""

    def __init__(self) -> None:
        self.key = OKPKey.generate_key("Ed25519")

    @property
    def public(self) -> str:
        """As the API takes it."""
        return str(self.key.as_dict(private=False)["x"])

    def proof(self, uuid: str = UUID, **header: Any) -> str:
        """That the device gives a borrowed seat up."""
        return self.signed({"jti": uuid}, **header)

    def request(self, app: Flask, until: datetime, uuid: str = UUID, **said: Any) -> str:
        """That the device asks for a seat without a network; what is said replaces the right words."""
        device = {"id": "away", "name": "WS-AWAY", "os": "linux", "public_key": self.public, **said.pop("device", {})}
        right = {
            "portal": app.extensions["settings"].base_url, "product": "render", "version": "2026.1", "device": device,
            "until": until.isoformat(), "nonce": uuid,
        }  # fmt: skip
        return self.signed({**right, **said}, typ="seat-request+jwt")

    def signed(self, claims: dict[str, Any], **header: Any) -> str:
        """Some claims, signed by the device."""
        head = {"alg": "Ed25519", **header}
        return jws.serialize_compact(head, json.dumps(claims), self.key, registry=signing.REGISTRY)


def forged(head: dict[str, Any], said: dict[str, Any], signature: bytes = b"") -> str:
    """A token of any shape."""
    parts = (json.dumps(head).encode(), json.dumps(said).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
