"""Requests to one portal: what comes back is an answer, a refusal, or nothing — and which of them is never in doubt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from portal_seat.clock import Clock, SystemClock
from portal_seat.errors import Refused, Unreachable

TIMEOUT = httpx2.Timeout(10.0)
PROBLEM = "application/problem+json"


class Wire:
    """A connection to a portal. Learns the server's time from every answer, because this computer's may be wrong."""

    def __init__(
        self,
        url: str,
        *,
        clock: Clock | None = None,
        transport: httpx2.BaseTransport | None = None,
        language: str = "",
        verify: Any = True,
    ) -> None:
        self.url = url.rstrip("/")
        self.clock = clock or SystemClock()
        self._skew = 0.0
        headers = {"Accept": f"application/json, {PROBLEM}", "User-Agent": "portal-seat/1.0"}
        if language:
            headers["Accept-Language"] = language
        self._http = httpx2.Client(transport=transport, timeout=TIMEOUT, headers=headers, verify=verify)

    def now(self) -> float:
        """Seconds since 1970, by the server's clock as far as it is known."""
        return self.clock.wall() + self._skew

    def send(self, method: str, path: str, *, headers: Mapping[str, str], **body: Any) -> httpx2.Response:
        """The response to a request, whatever it says.

        :raise Unreachable: when there is none.
        """
        try:
            response = self._http.request(method, self.url + path, headers=dict(headers), **body)
        except httpx2.HTTPError as broken:
            raise Unreachable(f"{self.url} cannot be reached: {broken}") from broken
        self._learn(response)
        return response

    def _learn(self, response: httpx2.Response) -> None:
        if (said := said_at(response)) is not None:
            self._skew = said - self.clock.wall()

    def close(self) -> None:
        """Let the connections go."""
        self._http.close()


def answer(response: httpx2.Response) -> Any:
    """The JSON of a success; None of one without content.

    :raise Refused: when the portal says no, in words of the protocol.
    :raise Unreachable: when that is anything else than an answer of the portal.
    """
    if response.status_code == httpx2.codes.NO_CONTENT:
        return None
    body = _json(response)
    if response.is_success and body is not None:
        return body
    if (refused := _refused(response, body)) is not None:
        raise refused
    raise Unreachable(f"The portal answered {response.status_code}.", retry_after(response))


def _refused(response: httpx2.Response, body: Any) -> Refused | None:
    is_problem = response.headers.get("Content-Type", "").partition(";")[0].strip() == PROBLEM
    if not (is_problem and isinstance(body, dict)):
        return None
    return Refused.of({**body, "status": response.status_code, "answered_at": said_at(response)}, retry_after(response))


def _json(response: httpx2.Response) -> Any:
    try:
        return json.loads(response.content)
    except ValueError:
        return None


def said_at(response: httpx2.Response) -> float | None:
    """When the server sent a response, by its own clock."""
    try:
        return parsedate_to_datetime(response.headers["Date"]).timestamp()
    except (ValueError, KeyError):
        return None


def retry_after(response: httpx2.Response) -> float | None:
    """Seconds that the server asks to wait, whether it wrote a number or a date."""
    said = response.headers.get("Retry-After", "").strip()
    if said.isdecimal():
        return float(said)
    now = said_at(response)
    try:
        return None if now is None else max(0.0, parsedate_to_datetime(said).timestamp() - now)
    except ValueError:
        return None
