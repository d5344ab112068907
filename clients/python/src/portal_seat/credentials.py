"""What a program shows to the portal: the key of a station, or the tokens of a person's sign-in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import httpx2

from portal_seat.device import Device
from portal_seat.errors import SignInFailed, SignInNeeded, Unreachable
from portal_seat.store import Store
from portal_seat.wire import Wire, answer, retry_after

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
FILE = "sign-in"
EARLY = 60.0  # seconds before its end at which an access token is exchanged
SLOWER = 5.0  # seconds more between two questions when the portal asks for it (RFC 8628, 3.5)


class Credential(Protocol):
    """What goes with a request."""

    def headers(self, method: str, url: str) -> dict[str, str]:
        """The headers that prove who asks."""

    def renew(self, response: httpx2.Response) -> bool:
        """Whether a request that was refused as this response says is worth another try."""


@dataclass(frozen=True)
class StationKey:
    """A key that an administrator made for a lab or a build machine."""

    key: str

    def headers(self, method: str, url: str) -> dict[str, str]:
        """The key, and nothing else."""
        return {"Authorization": f"Bearer {self.key}"}

    def renew(self, response: httpx2.Response) -> bool:
        """There is no other key to try."""
        return False


@dataclass(frozen=True, slots=True)
class Code:
    """What the person needs for a sign-in: an address to open, and the code to compare there."""

    address: str
    code: str
    address_with_code: str
    lasts: float


class SignIn:
    """A person's sign-in on this device (OAuth device grant, DPoP); its tokens are kept for all his programs."""

    def __init__(self, wire: Wire, store: Store, device: Device, name: str) -> None:
        self._wire, self._store, self._device, self._name = wire, store, device, name
        self._nonce: str | None = None

    # ── with every request ──

    def headers(self, method: str, url: str) -> dict[str, str]:
        """An access token that is still good, and the proof that it is this device's.

        :raise SignInNeeded: when nobody is signed in.
        """
        kept = self._store.read(FILE)
        if kept.get("ends_at", 0.0) - EARLY < self._wire.now():
            kept = self._exchanged(kept.get("access_token", ""))
        token = kept["access_token"]
        return {"Authorization": f"DPoP {token}", "DPoP": self._proof(method, url, token)}

    def renew(self, response: httpx2.Response) -> bool:
        """Take note of what a refusal asks for; a token that was refused is exchanged for the next one."""
        challenge = response.headers.get("WWW-Authenticate", "")
        self._nonce = response.headers.get("DPoP-Nonce", self._nonce)
        if "use_dpop_nonce" not in challenge and "invalid_dpop_proof" not in challenge:
            self._exchanged(response.request.headers.get("Authorization", "").partition(" ")[2])
        return True

    @property
    def is_there(self) -> bool:
        """Whether somebody is signed in, as far as this computer knows."""
        return bool(self._store.read(FILE).get("refresh_token"))

    def _proof(self, method: str, url: str, token: str | None = None) -> str:
        return self._device.proof(method, url, self._wire.now(), token=token, nonce=self._nonce)

    # ── tokens ──

    def sign_in(self, show: Callable[[Code], None]) -> None:
        """Show a code, and wait until the person has approved it.

        :raise SignInFailed: when he declined, or let the code run out.
        """
        asked = self._asked()
        show(
            Code(
                asked["verification_uri"], asked["user_code"],
                asked.get("verification_uri_complete") or asked["verification_uri"], float(asked["expires_in"]),
            )
        )  # fmt: skip
        self._keep(self._approved(asked))

    def sign_out(self) -> None:
        """Forget the tokens."""
        self._store.remove(FILE)

    def _asked(self) -> dict[str, Any]:
        body = {"client_id": self._name, "client_name": self._name, "device_name": self._device.name}
        response = self._post("/oauth/device", body)
        if not response.is_success:
            raise _failed(response)
        return dict(answer(response))

    def _approved(self, asked: dict[str, Any]) -> dict[str, Any]:
        clock, pause = self._wire.clock, float(asked.get("interval", SLOWER))
        end = clock.monotonic() + float(asked["expires_in"])
        body = {"grant_type": DEVICE_GRANT, "device_code": asked["device_code"], "client_id": self._name}
        while clock.monotonic() < end:
            clock.sleep(pause)
            try:
                response = self._post("/oauth/token", body)
            except Unreachable as missed:
                pause = max(pause, missed.retry_after or 0.0)
                continue
            if response.is_success:
                return dict(answer(response))
            error = _error(response)
            if error == "slow_down":
                pause += SLOWER
            elif error != "authorization_pending" and not response.is_server_error:
                raise _failed(response)
        raise SignInFailed("The code has run out. Sign in again.")

    def _exchanged(self, refused: str) -> dict[str, Any]:
        """The next tokens. Of several programs that need them one asks: a refresh token is good once."""
        with self._store.locked():
            kept = self._store.read(FILE)
            if kept.get("access_token", "") != refused and kept.get("ends_at", 0.0) - EARLY >= self._wire.now():
                return kept  # another program was first
            if not kept.get("refresh_token"):
                raise SignInNeeded("Nobody is signed in on this computer.")
            body = {"grant_type": "refresh_token", "refresh_token": kept["refresh_token"], "client_id": self._name}
            response = self._post("/oauth/token", body)
            if not response.is_success and _error(response) != "invalid_grant":
                raise Unreachable(f"The sign-in was not renewed: {response.status_code}.", retry_after(response))
            if not response.is_success:
                self._store.remove(FILE)
                raise SignInNeeded("The sign-in on this computer has ended. Sign in again.")
            return self._keep(answer(response))

    def _keep(self, tokens: dict[str, Any]) -> dict[str, Any]:
        kept = {
            "access_token": tokens["access_token"],
            "refresh_token": tokens["refresh_token"],
            "ends_at": self._wire.now() + float(tokens.get("expires_in", 0)),
        }
        self._store.write(FILE, kept)
        return kept

    def _post(self, path: str, body: dict[str, str]) -> httpx2.Response:
        """A request for a code or for tokens; tried again once when the portal wants a fresher proof."""
        response = self._wire.send("POST", path, headers=self._proof_of(path), data=body)
        if _error(response) in ("use_dpop_nonce", "invalid_dpop_proof"):
            self._nonce = response.headers.get("DPoP-Nonce", self._nonce)
            response = self._wire.send("POST", path, headers=self._proof_of(path), data=body)
        return response

    def _proof_of(self, path: str) -> dict[str, str]:
        return {"DPoP": self._proof("POST", self._wire.url + path)}


def _error(response: httpx2.Response) -> str:
    try:
        body = response.json() if response.is_client_error else {}
    except ValueError:
        return ""
    return str(body.get("error", "")) if isinstance(body, dict) else ""


def _failed(response: httpx2.Response) -> Exception:
    words = {"access_denied": "The sign-in was declined.", "expired_token": "The code has run out. Sign in again."}
    if (error := _error(response)) and not response.is_server_error:
        return SignInFailed(words.get(error, f"The portal refused the sign-in: {error}."))
    return Unreachable(f"The portal answered {response.status_code}.", retry_after(response))
