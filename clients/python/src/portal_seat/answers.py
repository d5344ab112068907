"""What the portal answers, read with suspicion: what does not look like its answer is no answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from portal_seat.errors import Unreachable

ACTIVE, QUEUED, BORROWED = "active", "queued", "borrowed"
NOTICE, SAVE_AND_CLOSE, RELEASE_WHEN_IDLE = "notice", "save_and_close", "release_when_idle"
POLL_AFTER, RENEW_AFTER = 20.0, 200.0  # seconds, where an answer names none


@dataclass(frozen=True, slots=True)
class Directive:
    """What the portal asks of the program: `notice`, `save_and_close` or `release_when_idle`."""

    kind: str
    message: str
    deadline_s: float | None = None

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Directive:
        """A directive of an answer."""
        deadline = body.get("deadline_s")
        return cls(str(body["type"]), str(body.get("message") or ""), None if deadline is None else float(deadline))


@dataclass(frozen=True, slots=True)
class Answer:
    """A seat, or a place in the queue. Times are seconds from the moment of the answer, by the server's clock."""

    state: str
    lease_id: str
    kind: str = ""
    used: int = 0
    total: int = 0
    position: int = 0
    lasts: float = 0.0
    ask_after: float = RENEW_AFTER
    grace: float = 0.0
    server_time: float | None = None
    token: str = ""
    directives: tuple[Directive, ...] = field(default=())

    @classmethod
    def of(cls, body: Any) -> Answer:
        """The answer in a body.

        :raise Unreachable: when it is not one.
        """
        try:
            return cls._queued(body) if body["state"] == QUEUED else cls._seat(body)
        except (KeyError, TypeError, ValueError, AttributeError) as wrong:
            raise Unreachable(f"This is no answer of a portal: {wrong!r}") from None

    @classmethod
    def _queued(cls, body: Mapping[str, Any]) -> Answer:
        wait = float(body.get("poll_after_s", POLL_AFTER))
        lease_id = str(body.get("lease_id", ""))
        return cls(QUEUED, lease_id, position=int(body["position"]), ask_after=wait, directives=_directives(body))

    @classmethod
    def _seat(cls, body: Mapping[str, Any]) -> Answer:
        if body["state"] not in (ACTIVE, BORROWED):
            raise ValueError(body["state"])
        now, seat = body.get("server_time") or body.get("issued_at"), body.get("seat") or {}
        lasts = seconds(body["expires_at"]) - seconds(now) if now else RENEW_AFTER
        return cls(
            body["state"], str(body["lease_id"]), str(seat.get("kind", "")), int(seat.get("used", 0)),
            int(seat.get("total", 0)), 0, lasts, float(body.get("renew_after_s", RENEW_AFTER)),
            float(body.get("grace_s", 0)), seconds(now) if now else None, str(body.get("token") or ""),
            _directives(body),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entitlement:
    """A product, and what stands between the person and a seat of it."""

    product: str
    name: str
    may_run: bool
    code: str | None = None
    detail: str | None = None
    used: int = 0
    total: int = 0

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Entitlement:
        """An entitlement of an answer."""
        seat = body.get("seat") or {}
        return cls(
            body["product"], body["name"], bool(body["may_run"]), body.get("code"), body.get("detail"),
            int(seat.get("used", 0)), int(seat.get("total", 0)),
        )  # fmt: skip


def _directives(body: Mapping[str, Any]) -> tuple[Directive, ...]:
    return tuple(Directive.of(each) for each in body.get("directives") or ())


def seconds(text: str) -> float:
    """Seconds since 1970 of an instant as the protocol writes it."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} names no time zone")
    return moment.timestamp()
