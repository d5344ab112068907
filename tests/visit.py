"""Everybody's browsers against one application."""

from __future__ import annotations

from flask import Flask

from core import access, mail, tokens
from core.dates import now
from core.db import db
from core.oauth import approvals
from core.tokens import Purpose
from tests import sessions
from tests.cast import PASSWORD, Cast
from tests.clients import Client, sign_in
from tests.databases import Rewind
from tests.kestrel import Kestrel

#: What a row's form sends.
FIELDS: dict[str, dict[str, str]] = {
    "GET /activate": {"user_code": "{code}"},
    "POST /activate/approve": {"user_code": "{code}"},
    "POST /activate/decline": {"user_code": "{code}"},
    "POST /admin/products": {"permission_key": "{shared_key}"},
    "POST /admin/products/validate": {"permission_key": "{shared_key}"},
    "POST /admin/settings": {"name": "Kestrel Works", "zone": "UTC"},
    "POST /admin/stations": {"name": "CI-BUILD-02", "product": "{render}"},
    "POST /admin/stations/{station}/rename": {"name": "CI-BUILD-03"},
    "POST /admin/status/{borrowed}/end": {"seconds": "900"},
    "POST /admin/status/{session}/end": {"message": "For the tender", "seconds": "900"},
    "POST /admin/users": {"emails": "somebody@firm.example"},
    "POST /admin/users/{bob}/co-admin": {"replaces": "{carol}"},
    "POST /admin/permissions/{annual}": {"had": "{bob}", "tick": "{bob}"},
    "POST /confirm": {"email": "somebody@firm.example"},
    "POST /devices/{device}/rename": {"name": "Desk"},
    "POST /invitations/{invitation}/sign-up": {"name": "Somebody", "password": "six lanterns on the quay"},
    "POST /login": {"email": "bob@example.com", "password": PASSWORD},
    "POST /operator/keys": {"product": "draft", "type": "annual", "seats": "1"},
    "POST /operator/keys/{key}/extend": {"seats-1": "4", "end-1": ""},
    "POST /operator/keys/items/add": {"product": "draft", "type": "annual", "seats": "1"},
    "POST /operator/keys/items/1/take-out": {"product": "draft", "type": "annual", "seats": "1"},
    "GET /operator/organizations/{kestrel}/transfer": {"email": "bob@example.com"},
    "POST /operator/organizations/{kestrel}/transfer": {"email": "bob@example.com"},
    "POST /operator/products": {"code": "new", "name": "New"},
    "POST /organization/create": {"name": "Falcon", "permission_key": "{shared_key}"},
    "POST /organization/create/validate": {"permission_key": "{shared_key}"},
    "POST /products": {"permission_key": "{personal_key}"},
    "GET /products/why": {"product": "hub"},
    "POST /products/ask": {"product": "hub"},
    "POST /products/validate": {"permission_key": "{personal_key}"},
    "POST /profile": {"name": "Somebody", "zone": "UTC"},
    "POST /profile/email": {"new_email": "somebody@firm.com", "password": PASSWORD},
    "POST /profile/password": {"current_password": PASSWORD, "new_password": "six lanterns on the quay"},
    "POST /register": {"name": "Somebody", "email": "somebody@firm.example", "password": "six lanterns on the quay"},
    "POST /reset": {"email": "bob@example.com"},
}


class Visit:
    """Everybody's browsers against one application, whose database is put back after each change."""

    def __init__(self, app: Flask, cast: Cast, put_back: Rewind) -> None:
        self.app, self.cast, self._put_back = app, cast, put_back
        self._prepare()
        self._clients = {who: self._come(who) for who in (*cast.names, "anonymous")}
        self._cookies = {who: dict(client._cookies or {}) for who, client in self._clients.items()}
        put_back.keep()

    def status(self, method: str, address: str, who: str, *, token: bool = True) -> int:
        """What one of the cast gets."""
        client = self.client(who)
        path = address.format(**self.values)
        fields = {name: value.format(**self.values) for name, value in FIELDS.get(f"{method} {address}", {}).items()}
        if method == "GET":
            return client.get(path, query_string=fields).status_code
        response = client.send(path, **fields) if token else client.post(path, data=fields)
        if response.status_code < 400:
            self.put_back()
        return response.status_code

    def client(self, who: str) -> Client:
        """A browser that is signed in, or nobody's."""
        return self._clients[who]

    def put_back(self) -> None:
        """Make everything what it was: the database, and what browsers remember."""
        self._put_back()
        for who, client in self._clients.items():
            client._cookies = dict(self._cookies[who])

    def _come(self, who: str) -> Client:
        client = Client(self.app)
        if who != "anonymous":
            sign_in(client, self.cast.player(who))
        assert client.token  # asked for now: it is among what a browser remembers
        return client

    def _prepare(self) -> None:
        """Add what the cast lacks: a letter that waits, a license of erin's own, links of invitations."""
        with self.app.app_context():
            kestrel = Kestrel(db.session, self.cast)
            key = kestrel.new_key()
            key.redeem(kestrel.account("erin"), kestrel.by("erin"), kestrel.now, kestrel.today)
            letter = mail.invitation(kestrel.dave, kestrel.now)
            wish, _is_news = access.ask(kestrel.bob, "hub", kestrel.by("bob"), kestrel.now)
            elsewhere, _is_news = access.ask(kestrel.member("mallory"), "hub", kestrel.by("mallory"), kestrel.now)
            db.session.commit()
            self.values = {
                **{name: self.cast.player(name).member_id for name in ("alice", "carol", "bob", "dora", "dave")},
                **self.cast.license, "kestrel": self.cast.organization_id, "letter": letter.id, "nothing": "x" * 40,
                "away": "carol-cloud-borrowed",
                "request": wish.id, "elsewhere": elsewhere.id,
                "key": kestrel.license("annual").key_id, "own": key.licenses[0].id,
                "shared_key": self.cast.unused["shared"], "personal_key": self.cast.unused["personal"],
                "invitation": self._invitation(kestrel), **sessions.scene(db.session, self.cast),
            }  # fmt: skip
            self._keep_code()

    def _keep_code(self) -> None:
        """Let a program wait with a code."""
        names = {"client_name": "ARES Commander", "device_name": "WS-14"}
        self.values["code"] = code = approvals.new_user_code()
        approvals.keep(db.session, "its own", code, now(), **names)
        db.session.commit()

    def _invitation(self, kestrel: Kestrel) -> str:
        secret = self.app.extensions["settings"].secret_key
        return tokens.make(secret, Purpose.INVITATION, kestrel.dave.nonce or "", kestrel.dave.id)
