"""Proof of possession (RFC 9449): a program shows with every request that it has the key its tokens are bound to.

A proof counts once, for one method and one address of ours, within five minutes of our clock. Whose clock is wrong
gets a nonce of ours to put into the proof instead.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from flask import current_app
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from core.settings import Settings
from core.signing import REGISTRY, TokenRefused, claims_in

HEADER, NONCE_HEADER, KIND = "DPoP", "DPoP-Nonce", "dpop+jwt"
WINDOW = timedelta(minutes=5)  # on either side of our clock
NONCE_AGE = timedelta(minutes=5)
#: From a proof dated ahead to the moment when it is too old: until then its number must not come again.
REMEMBERED = 2 * WINDOW
MOST_REMEMBERED = 100_000  # proofs; ten minutes of 160 requests a second, and 20 MB
LONGEST_PROOF = 2048  # characters; with an Ed25519 key they have about 500
LONGEST_NUMBER = 128  # of `jti`, in ASCII
INVALID, USE_NONCE = "invalid_dpop_proof", "use_dpop_nonce"


class ProofRefused(Exception):
    """The proof proves nothing; `error` is the word of RFC 9449, with USE_NONCE the client tries again with ours."""

    def __init__(self, error: str = INVALID) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True, slots=True)
class Proof:
    """What was proved: the thumbprint (RFC 7638) of the key; `had_nonce` when one of ours was in it."""

    thumbprint: str
    had_nonce: bool


def check(text: str, method: str, path: str, now: datetime, token: str | None = None) -> Proof:
    """What a proof proves for a request; `token` is the access token that comes with it.

    :raise ProofRefused: when it proves nothing.
    """
    key, claims = _read(text)
    _check_request(claims, method, path, token)
    had_nonce = _check_time(claims, now)
    thumbprint = key.thumbprint()
    number = claims.get("jti")
    if not isinstance(number, str) or not number.isascii() or not 0 < len(number) <= LONGEST_NUMBER:
        raise ProofRefused
    if not _seen().is_new(f"{thumbprint}.{number}", now):
        raise ProofRefused
    return Proof(thumbprint, had_nonce)


def is_thumbprint(text: str) -> bool:
    """Whether a text can be the thumbprint of a key."""
    return len(text) == 43 and len(_decoded(text)) == 32


def nonce(now: datetime) -> str:
    """A nonce of ours: the time, signed, so that every process knows it and nobody keeps it."""
    stamp = int(now.timestamp()).to_bytes(8, "big")
    return base64.urlsafe_b64encode(stamp + _mark(stamp)).rstrip(b"=").decode()


# ── what a proof says ────────────────────────────────────────────────────────────────────────────────────────────────


def _read(text: str) -> tuple[OKPKey, Mapping[str, Any]]:
    """The key in a proof that signed it, and its claims."""
    try:
        if len(text) > LONGEST_PROOF:
            raise ProofRefused
        signature = jws.extract_compact(text.encode(), registry=REGISTRY)
        header = signature.headers()
        if header.keys() != {"typ", "alg", "jwk"} or header["typ"] != KIND:
            raise ProofRefused
        key = _key(header["jwk"])
        if not jws.validate_compact(signature, key, registry=REGISTRY):
            raise ProofRefused
        return key, claims_in(signature.payload)
    except (JoseError, TokenRefused, ValueError, TypeError, RecursionError):
        raise ProofRefused from None


def _key(described: Any) -> OKPKey:
    """A public Ed25519 key; its use and name, which it may say too, mean nothing here."""
    if not isinstance(described, dict) or described.get("kty") != "OKP" or described.get("crv") != "Ed25519":
        raise ProofRefused
    if "d" in described or not isinstance(described.get("x"), str):
        raise ProofRefused
    return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": described["x"]})


def _check_request(claims: Mapping[str, Any], method: str, path: str, token: str | None) -> None:
    if claims.get("htm") != method or not _is_here(claims.get("htu"), path):
        raise ProofRefused
    if token is not None:
        digest = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
        if claims.get("ath") != digest:  # no secret: whoever sends it has sent the token too
            raise ProofRefused


def _is_here(address: Any, path: str) -> bool:
    """Whether an address is this one; the host that a request names is whatever its sender likes."""
    try:
        named, ours = urlsplit(str(address)), urlsplit(_settings().base_url)
        is_ours = (named.scheme, named.hostname, _port(named)) == (ours.scheme, ours.hostname, _port(ours))
        return is_ours and named.username is None and unquote(named.path) == path
    except ValueError:
        return False


def _port(parts: Any) -> int:
    return int(parts.port or (443 if parts.scheme == "https" else 80))


def _check_time(claims: Mapping[str, Any], now: datetime) -> bool:
    """Whether a nonce of ours dates the proof; else its own time does."""
    given = claims.get("nonce")
    if given is not None:
        if not isinstance(given, str) or not _is_ours(given, now):
            raise ProofRefused(USE_NONCE)
        return True
    made = claims.get("iat")
    if isinstance(made, bool) or not isinstance(made, int | float):
        raise ProofRefused
    if not (now - WINDOW).timestamp() <= made <= (now + WINDOW).timestamp():
        raise ProofRefused(USE_NONCE)
    return False


# ── nonces and numbers ───────────────────────────────────────────────────────────────────────────────────────────────


def _is_ours(given: str, now: datetime) -> bool:
    data = _decoded(given)
    stamp, mark = data[:8], data[8:]
    if not hmac.compare_digest(mark, _mark(stamp)):
        return False
    age = now.timestamp() - int.from_bytes(stamp, "big")
    return -1 <= age <= NONCE_AGE.total_seconds()


def _mark(stamp: bytes) -> bytes:
    secret = (_settings().secret_key or "").encode()
    return hmac.digest(hmac.digest(secret, b"portal.dpop-nonce", "sha256"), stamp, "sha256")[:16]


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""


class Seen:
    """The numbers of the proofs that were used lately, as many as a process can keep."""

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._until: OrderedDict[bytes, float] = OrderedDict()
        self._lock = threading.Lock()
        self._most = most

    def is_new(self, number: str, now: datetime) -> bool:
        """Note a number; False when it was noted before."""
        short, until = hashlib.sha256(number.encode()).digest()[:16], now.timestamp() + REMEMBERED.total_seconds()
        with self._lock:
            if self._until.get(short, 0) > now.timestamp():
                return False
            self._until[short] = until
            self._until.move_to_end(short)
            while len(self._until) > self._most or next(iter(self._until.values())) <= now.timestamp():
                self._until.popitem(last=False)
        return True


def _seen() -> Seen:
    return cast(Seen, current_app.extensions.setdefault("proofs", Seen()))


def _settings() -> Settings:
    return cast(Settings, current_app.extensions["settings"])
