"""What tests of the Python client share: a clock that stands still, and a portal that answers what it is told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2

PATIENCE = 20.0  # seconds for what another thread does
NOON = 1_800_000_000.0


class StillClock:
    """Time that moves when a test moves it; the wall's may be moved alone."""

    def __init__(self) -> None:
        self.since_start = 1000.0
        self.now = NOON

    def monotonic(self) -> float:
        """Seconds that only go forward."""
        return self.since_start

    def wall(self) -> float:
        """Seconds since 1970."""
        return self.now

    def wait(self, changed: threading.Condition, seconds: float) -> None:
        """Look again in a moment, whatever was asked for: the clock may have been moved."""
        changed.wait(min(seconds, 0.005))

    def sleep(self, seconds: float) -> None:
        """Let the seconds pass at once."""
        self.move(seconds)

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        self.since_start += seconds


def until(is_so: Callable[[], object]) -> None:
    """Return as soon as something is so."""
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end, "It never became so."
        time.sleep(0.002)


def active(lease_id: str = "a", **more: Any) -> dict[str, Any]:
    """The answer of a portal that has a seat."""
    return {
        "lease_id": lease_id, "state": "active", "seat": {"kind": "floating", "used": 1, "total": 5},
        "server_time": "2027-01-15T08:00:00Z", "expires_at": "2027-01-15T08:10:00Z", "renew_after_s": 200,
        "grace_s": 86_400, "seq": 1, "directives": [], "token": "", **more,
    }  # fmt: skip


def problem(code: str, status: int, **more: Any) -> httpx2.Response:
    """A refusal."""
    headers = {"Content-Type": "application/problem+json"}
    return httpx2.Response(status, json={"code": code, "detail": f"About {code}.", **more}, headers=headers)


@dataclass
class FakePortal:
    """Answers every question with what `says` holds; `None` is a cable that was pulled."""

    says: httpx2.Response | dict[str, Any] | None
    heard: list[httpx2.Request] = field(default_factory=list)

    @property
    def transport(self) -> httpx2.MockTransport:
        """What a client is to send through."""
        return httpx2.MockTransport(self._answer)

    def asked(self, method: str) -> int:
        """How many requests of a method came."""
        return sum(request.method == method for request in self.heard)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.heard.append(request)
        if self.says is None:
            raise httpx2.ConnectError("the cable was pulled")
        if isinstance(self.says, httpx2.Response):
            return httpx2.Response(self.says.status_code, content=self.says.content, headers=self.says.headers)
        return httpx2.Response(204) if request.method == "DELETE" else httpx2.Response(200, json=self.says)
