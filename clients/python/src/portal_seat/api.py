"""The calls of the license API, one method each."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import quote

import httpx2

from portal_seat.answers import Answer, Entitlement
from portal_seat.credentials import Credential
from portal_seat.errors import UnknownLease, Unreachable
from portal_seat.wire import Wire, answer


class Api:
    """The portal as one credential sees it."""

    def __init__(self, wire: Wire, credential: Credential) -> None:
        self.wire = wire
        self.credential = credential

    def ask(self, lease_id: str, body: dict[str, Any]) -> Answer:
        """Take a seat, keep it, or go on waiting: the same question each time."""
        return Answer.of(self._call("PUT", f"/api/v1/leases/{lease_id}", json=body))

    def give_back(self, lease_id: str) -> None:
        """Give a seat back, or leave the queue; done again, it changes nothing."""
        try:
            self._call("DELETE", f"/api/v1/leases/{lease_id}")
        except UnknownLease:
            return

    def lease(self, lease_id: str) -> dict[str, Any]:
        """What the portal knows of a lease."""
        return dict(self._call("GET", f"/api/v1/leases/{lease_id}"))

    def borrow(self, lease_id: str, until: str) -> Answer:
        """Take the seat along, until an instant."""
        return Answer.of(self._once(f"/api/v1/leases/{lease_id}/borrow", {"until": until}))

    def bring_back(self, lease_id: str, proof: str) -> None:
        """Return a borrowed seat before its time."""
        self._once(f"/api/v1/leases/{lease_id}/return", {"proof": proof})

    def entitlements(self) -> list[Entitlement]:
        """What may run now, and why not."""
        return [Entitlement.of(each) for each in self._call("GET", "/api/v1/entitlements")["entitlements"]]

    def explain(self, product: str) -> dict[str, Any]:
        """The decision about one product, step by step."""
        return dict(self._call("GET", f"/api/v1/explain?product={quote(product)}"))

    def health(self) -> dict[str, Any]:
        """The portal's time, and what it has to announce."""
        return dict(answer(self.wire.send("GET", "/api/v1/health", headers={})))

    def keys(self) -> dict[str, Any]:
        """The keys that sign leases."""
        return dict(answer(self.wire.send("GET", "/.well-known/jwks.json", headers={})))

    def _once(self, path: str, body: dict[str, Any]) -> Any:
        """What is to happen once: asked again under the same key when the answer was lost."""
        key = {"Idempotency-Key": uuid.uuid4().hex}
        try:
            return self._call("POST", path, headers=key, json=body)
        except Unreachable:
            return self._call("POST", path, headers=key, json=body)

    def _call(self, method: str, path: str, headers: dict[str, str] | None = None, **body: Any) -> Any:
        response = self._send(method, path, headers or {}, **body)
        if response.status_code == httpx2.codes.UNAUTHORIZED and self.credential.renew(response):
            response = self._send(method, path, headers or {}, **body)
        return answer(response)

    def _send(self, method: str, path: str, headers: dict[str, str], **body: Any) -> httpx2.Response:
        proven = self.credential.headers(method, self.wire.url + path)
        return self.wire.send(method, path, headers={**proven, **headers}, **body)
