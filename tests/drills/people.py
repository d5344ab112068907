"""People who act on a running portal over HTTP: signed in by a row, tokens read from pages, forms sent as htmx does."""

from __future__ import annotations

import http.cookiejar
import json
import re
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html import unescape

from tests.cast import Player
from tests.clients import HTMX, token_in
from tests.servers import PATIENCE


@dataclass(frozen=True)
class Answer:
    """What came back: status, where to, and all that it says, without markup."""

    status: int
    to: str
    text: str

    @property
    def won(self) -> bool:
        """Whether it was done."""
        return self.status < 400


class Stay(urllib.request.HTTPRedirectHandler):
    """Takes a redirect for an answer."""

    def redirect_request(self, *_all: object) -> None:
        """Follow nothing."""


class Person:
    """Somebody with a browser of his own."""

    def __init__(self, address: str, player: Player) -> None:
        self.address = address
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(cookies, Stay)
        self._token = token_in(self._open("/login").text)
        signed_in = self.send("/login", plain=True, email=player.email, password=player.password)
        assert signed_in.status == 303, signed_in
        self._token = token_in(self._open("/profile").text)

    def send(self, path: str, *, plain: bool = False, **fields: object) -> Answer:
        """Send a form; by htmx unless it is to be `plain`."""
        body = urllib.parse.urlencode({"csrf_token": self._token, **fields}).encode()
        return self._open(path, body, {} if plain else HTMX)

    def read(self, path: str) -> str:
        """The words of a page, without markup."""
        return " ".join(self._open(path).text.split())

    def _open(self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        request = urllib.request.Request(self.address + path, body, headers or {})  # noqa: S310
        try:
            response = self._opener.open(request, timeout=PATIENCE)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            aloud = json.loads(response.headers.get("HX-Trigger") or "{}").get("say", {}).get("texts", [])
            page = response.read().decode()
        text = page if path in ("/login", "/profile") else unescape(re.sub(r"<[^>]+>", " ", page))
        to = response.headers.get("Location") or response.headers.get("HX-Redirect") or ""
        words = " ".join([text, *(each["text"] for each in aloud)])
        return Answer(response.status or 0, to, " ".join(words.split()) if body else text)


def together(*acts: Callable[[], Answer]) -> list[Answer]:
    """Do all at the same moment, each from a thread of its own."""
    start = threading.Barrier(len(acts))

    def act(each: Callable[[], Answer]) -> Answer:
        start.wait(PATIENCE)
        return each()

    with ThreadPoolExecutor(len(acts)) as pool:
        return [each.result(PATIENCE) for each in [pool.submit(act, each) for each in acts]]


def one_won(answers: Sequence[Answer], *whys: str) -> Answer:
    """The loser of two, after exactly one has won and the other was told why."""
    assert sorted(each.won for each in answers) == [False, True], answers
    (loser,) = [each for each in answers if not each.won]
    assert any(why in loser.text for why in whys), loser
    return loser
