"""What the points of the conformance kit ask with: launches on devices of its own, all of which it gives back."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import click
import httpx2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from core.cli.conformance import DEEDS, Hands, InPart, NotKept, NotRun

ALGORITHM: Literal["Ed25519"] = "Ed25519"
MOST_FILLED = 60  # seats that the kit takes to see what a full product answers
PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class Launch:
    """A program's launch on a device."""

    device: str
    key: OKPKey
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def public_key(self) -> str:
        """The device's public key."""
        return str(self.key.as_dict(private=False)["x"])

    def again(self) -> Launch:
        """Another launch on the same device."""
        return Launch(self.device, self.key)


class Kit:
    """Asks a portal as programs do."""

    def __init__(self, http: httpx2.Client, tokens: tuple[str, ...], product: str | None, hands: Hands) -> None:
        self.http, self.tokens, self.hands = http, tokens, hands
        self._product = product
        self._run = uuid.uuid4().hex[:8]
        self._taken: list[tuple[str, str]] = []
        self._devices = 0

    @cached_property
    def product(self) -> str:
        """What seats are taken of."""
        response = self.call("GET", "/api/v1/entitlements")
        listed = sorted(self.expect(response, 200)["entitlements"], key=lambda each: not each["may_run"])
        found = [each["product"] for each in listed if self._product in (None, each["product"])]
        if not found:
            raise click.ClickException("TOKEN may run nothing, or not this product.")
        return str(found[0])

    @property
    def other(self) -> str:
        """A token of another organization.

        :raise NotRun: when there is none.
        """
        if len(self.tokens) < 2:
            raise NotRun("there is no second TOKEN, of another organization")
        return self.tokens[1]

    @property
    def is_person(self) -> bool:
        """Whether the token is a person's, not a station's."""
        return self.tokens[0].count(".") == 2

    def launch(self) -> Launch:
        """A launch on a device that the portal has not seen; a person's tokens are good for one device only."""
        if self.is_person:
            return self._only.again()
        self._devices += 1
        return Launch(f"conformance-{self._run}-{self._devices}", OKPKey.generate_key(ALGORITHM))

    @cached_property
    def _only(self) -> Launch:
        # The same at the next run with the token, which by then is bound to this device.
        seed = hashlib.sha256(self.tokens[0].encode()).digest()
        return Launch(f"conformance-{seed.hex()[:8]}", OKPKey.import_key(Ed25519PrivateKey.from_private_bytes(seed)))

    def ask(self, launch: Launch, token: str | None = None, **more: Any) -> httpx2.Response:
        """PUT a lease."""
        device = {"id": launch.device, "name": launch.device, "os": "kit", "public_key": launch.public_key}
        body = {"product": self.product, "version": "conformance", "device": device, **more}
        self._taken.append((launch.uuid, token or self.tokens[0]))
        return self.call("PUT", f"/api/v1/leases/{launch.uuid}", token, json=body)

    def take(self, launch: Launch | None = None) -> Launch:
        """A launch that has a seat.

        :raise NotRun: when none is free.
        """
        launch = launch or self.launch()
        response = self.ask(launch)
        if _json(response).get("code") == "no_seat_available":
            raise NotRun("no seat of the product is free")
        self.expect(response, 201)
        return launch

    def give_back(self, launch: Launch, token: str | None = None) -> httpx2.Response:
        """DELETE a lease."""
        return self.call("DELETE", f"/api/v1/leases/{launch.uuid}", token)

    def show(self, launch: Launch, token: str | None = None) -> httpx2.Response:
        """GET a lease."""
        return self.call("GET", f"/api/v1/leases/{launch.uuid}", token)

    def post(self, launch: Launch, what: str, body: dict[str, Any], key: str = "") -> httpx2.Response:
        """POST to a lease, under a key that makes it count once."""
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        return self.call("POST", f"/api/v1/leases/{launch.uuid}/{what}", headers=headers, json=body)

    def call(
        self, method: str, path: str, token: str | None = None, headers: dict[str, str] | None = None, **more: Any
    ) -> httpx2.Response:
        """Any request, as whoever has the token."""
        authorization = {"Authorization": f"Bearer {token or self.tokens[0]}"}
        response = self.http.request(method, path, headers={**authorization, **(headers or {})}, **more)
        if response.is_server_error and response.status_code != 503:
            raise NotKept(f"{method} {path} answered {response.status_code}")
        return response

    # ── what is expected ──

    def expect(self, response: httpx2.Response, status: int, code: str = "", **members: Any) -> Any:
        """The body of a response that is as the protocol says.

        :raise NotKept: when it is not.
        """
        body = _json(response)
        wanted, got = f"{status} {code}".strip(), f"{response.status_code} {body.get('code', '')}".strip()
        if (response.status_code, body.get("code", "")) != (status, code):
            raise NotKept(f"{response.request.method} was to answer {wanted}, and answered {got}")
        if code and response.headers.get("Content-Type", "").partition(";")[0] != PROBLEM:
            raise NotKept(f"{wanted} is no {PROBLEM}")
        for name, value in members.items():
            if body.get(name) != value:
                raise NotKept(f"{name} was to be {value!r}, and is {body.get(name)!r}")
        return body

    def must(self, is_so: object, words: str) -> None:
        """Whether something is as the protocol says.

        :raise NotKept: when it is not.
        """
        if not is_so:
            raise NotKept(words)

    def needs(self, deed: str, launch: Launch | None = None) -> None:
        """Have something done that no program can do.

        :raise NotRun: when nobody can.
        """
        if not self.hands.do(deed, launch.uuid if launch else "-"):
            raise NotRun(nobody(deed))

    def goes_on(self, deed: str, launch: Launch) -> None:
        """As `needs`, in a point of which something was kept already.

        :raise InPart: when nobody can.
        """
        if not self.hands.do(deed, launch.uuid):
            raise InPart(nobody(deed))

    # ── seats ──

    def counts(self, launch: Launch) -> tuple[int, int]:
        """Seats in use and in all, as a renewal tells them."""
        seat = self.expect(self.ask(launch), 200)["seat"]
        return seat["used"], seat["total"]

    def fill(self) -> list[Launch]:
        """Launches that have every free seat of the product.

        :raise NotRun: when there are too many.
        """
        if self.is_person:
            raise NotRun("TOKEN is a person's, whose device takes one seat; a station's is needed")
        taken: list[Launch] = []
        while len(taken) < MOST_FILLED:
            launch = self.launch()
            response = self.ask(launch)
            if response.status_code == 409:
                self.expect(response, 409, "no_seat_available")
                if not taken:
                    raise NotRun("no seat of the product is free")
                return taken
            self.expect(response, 201)
            taken.append(launch)
        raise NotRun(f"more than {MOST_FILLED} seats of the product are free")

    def clear(self) -> None:
        """Give everything back."""
        taken, self._taken = self._taken, []
        for number, token in dict.fromkeys(taken):
            with_quiet(lambda: self.call("DELETE", f"/api/v1/leases/{number}", token))  # noqa: B023

    # ── tokens ──

    def claims(self, token: str) -> dict[str, Any]:
        """What a lease token says, checked against the keys that the portal shows.

        :raise NotKept: when the signature is none of them.
        """
        keys = self.http.get("/.well-known/jwks.json").json()
        try:
            signed = jws.deserialize_compact(token, KeySet.import_key_set(keys), algorithms=[ALGORITHM])
            return dict(json.loads(signed.payload or b""))
        except (JoseError, ValueError) as wrong:
            raise NotKept(f"the lease token is not signed by a key of /.well-known/jwks.json: {wrong}") from None


def nobody(deed: str) -> str:
    """Why something was not run."""
    how = "--restart or --hands" if deed == "restart" else "--hands"
    return f"nobody was there to {DEEDS[deed]} ({how})"


def unsigned(claims: dict[str, Any]) -> str:
    """A token of algorithm `none`."""
    parts = ({"alg": "none"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in parts) + "."


def with_quiet(call: Callable[[], object]) -> None:
    """Try something whose failure says nothing new."""
    try:
        call()
    except (httpx2.HTTPError, NotKept):
        return


def _json(response: httpx2.Response) -> dict[str, Any]:
    try:
        body = response.json() if response.content else {}
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
