"""Browsers without a screen: they keep cookies, read the token of a form and send it along."""

from __future__ import annotations

import html
import json
import re
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from core.dates import now
from core.db import db
from core.people import SESSION_SECRET
from models import Account, SignIn
from tests.cast import ADDRESS, Player

HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}
TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"|"X-CSRFToken": "([^"]+)"')


class Client(FlaskClient):
    """A test client; `get` and `post` are Flask's own, without a token."""

    def __init__(self, app: Flask) -> None:
        super().__init__(app, app.response_class, use_cookies=True)
        self.environ_base["REMOTE_ADDR"] = ADDRESS
        self._token: str | None = None

    @property
    def token(self) -> str:
        """The token that a page of this session carries."""
        if self._token is None:
            self._token = token_in(self.get("/nowhere").text)
        return self._token

    def send(self, path: str, **fields: Any) -> TestResponse:
        """Send a plain form, as without JavaScript."""
        return self.post(path, data={"csrf_token": self.token, **fields})

    def swap(self, path: str, **fields: Any) -> TestResponse:
        """Send a form by htmx, which wants a fragment."""
        return self.post(path, data={"csrf_token": self.token, **fields}, headers=HTMX)

    def fragment(self, path: str) -> TestResponse:
        """Get a piece of a page by htmx."""
        return self.get(path, headers=HTMX)

    def forget_token(self) -> None:
        """The session is another one now: read the token anew."""
        self._token = None

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        """Ask as a browser does that was asked by nobody else."""
        kwargs.setdefault("base_url", self.application.extensions["settings"].base_url)
        return super().open(*args, **kwargs)


def token_in(page: str) -> str:
    """The token that the page's forms send."""
    found = TOKEN.search(html.unescape(page))
    if found is None:
        raise LookupError("the page carries no token")
    return found[1] or found[2]


def said(response: TestResponse) -> list[str]:
    """What an answer to htmx says aloud."""
    events = json.loads(response.headers.get("HX-Trigger", "{}"))
    return [each["text"] for each in events.get("say", {}).get("texts", [])]


def sign_in(client: Client, player: Player) -> Client:
    """Sign somebody in as the sign-in page would: a row, and its secret in the cookie."""
    with client.application.app_context():
        account = db.session.get_one(Account, player.account_id)
        _row, secret = SignIn.start(account, "Test browser", ADDRESS, now())
        db.session.commit()
    with client.session_transaction(base_url=client.application.extensions["settings"].base_url) as session:
        session.update({"_user_id": player.uniquifier, "_fresh": True, "_id": None, SESSION_SECRET: secret})
        session["fs_cc"] = "set"
    client.forget_token()
    return client


def share(client: Client, page: Any, address: str) -> None:
    """Give a real browser's page the session of a client."""
    cookies = [{"name": each.key, "value": each.value, "url": address} for each in (client._cookies or {}).values()]
    page.context.add_cookies(cookies)
