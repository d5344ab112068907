"""This computer's own key: made at the first start, kept in a private file, never sent. It signs what proves it."""

from __future__ import annotations

import base64
import hashlib
import json
import platform
import socket
import uuid
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from joserfc import jws
from joserfc.jwk import OKPKey

from portal_seat.store import Store

ALGORITHM: Literal["Ed25519"] = "Ed25519"
FILE = "device"


@dataclass(frozen=True)
class Device:
    """A computer with its number, its name for people, and its key."""

    id: str
    name: str
    key: OKPKey

    @classmethod
    def of(cls, store: Store, name: str | None = None) -> Device:
        """The device of a store, made when it is not there yet."""
        kept = store.read(FILE) or store.write_once(FILE, _made())
        return cls(kept["id"], name or socket.gethostname() or "computer", OKPKey.import_key(kept["key"]))

    @property
    def public_key(self) -> str:
        """The public half, as the protocol writes it."""
        return str(self.key.as_dict(private=False)["x"])

    @property
    def thumbprint(self) -> str:
        """What tokens name the key by (RFC 7638)."""
        return self.key.thumbprint()

    def described(self) -> dict[str, str]:
        """How a request names this device."""
        return {"id": self.id, "name": self.name[:100], "os": platform.system().lower(), "public_key": self.public_key}

    def sign(self, claims: dict[str, Any], header: dict[str, Any] | None = None) -> str:
        """A compact JWS over some claims."""
        return jws.serialize_compact(
            {"alg": ALGORITHM, **(header or {})}, json.dumps(claims), self.key, algorithms=[ALGORITHM]
        )

    def proof(self, method: str, url: str, now: float, *, token: str | None = None, nonce: str | None = None) -> str:
        """A proof that a request comes from this device (RFC 9449); good once, for this method and address."""
        parts = urlsplit(url)
        claims = {
            "jti": uuid.uuid4().hex, "htm": method, "htu": f"{parts.scheme}://{parts.netloc}{parts.path}",
            "iat": int(now),
        }  # fmt: skip
        if token is not None:
            claims["ath"] = _base64url(hashlib.sha256(token.encode()).digest())
        if nonce is not None:
            claims["nonce"] = nonce
        public = {name: self.key.as_dict(private=False)[name] for name in ("kty", "crv", "x")}
        return self.sign(claims, {"typ": "dpop+jwt", "jwk": public})


def _made() -> dict[str, Any]:
    return {"id": f"d_{uuid.uuid4().hex}", "key": OKPKey.generate_key(ALGORITHM).as_dict(private=True)}


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
