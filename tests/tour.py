"""Leads a viewer through states: signs the right person in, opens the page, does the step, looks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import Flask

from core import tokens
from core.db import db
from core.tokens import Purpose
from models import Account, Member
from tests.cast import Cast
from tests.clients import share
from tests.databases import Rewind
from tests.kestrel import Kestrel
from tests.looking import Viewer
from tests.states import State
from tests.visit import Visit


class Tour(Visit):
    """Everybody's pages in one browser; what a step changes is undone after the look."""

    def __init__(self, app: Flask, cast: Cast, put_back: Rewind, viewer: Viewer) -> None:
        self._viewer, self._signed_in = viewer, ""
        super().__init__(app, cast, put_back)

    def go(self, states: Iterable[State], *, undo: bool = True) -> None:
        """Look at all of them."""
        for state in states:
            heading = self._open(state)
            self._viewer.look(f"{state.who} {state.path}{heading}")
            if state.step is not None and undo:
                self.put_back()

    def _open(self, state: State) -> str:
        """Lead to a state, and say where that is."""
        page = self._viewer.page
        self._become(state.who)
        self._viewer.begin(wide=state.step is not None)
        response = page.goto(self.fill(state.path))
        if state.step is not None:
            response = state.step(page, self.fill) or response
        assert response is not None
        assert response.status == state.status, (state, response.status, page.inner_text("main"))
        return "" if state.step is None else f" “{page.locator('h1').last.inner_text()}”"

    def fill(self, text: str) -> str:
        """An address or a field with the values of this database."""
        for name, value in self.values.items():
            text = text.replace(f"{{{name}}}", str(value))
        return text

    def _become(self, who: str) -> None:
        if who != self._signed_in:
            self._viewer.page.context.clear_cookies()
            share(self.client(who), self._viewer.page, self.app.extensions["settings"].base_url)
            self._signed_in = who

    def put_back(self) -> None:
        """Let everybody sign in anew in the viewer's browser too."""
        super().put_back()
        self._signed_in = ""

    def _prepare(self) -> None:
        """Add links to what the others have."""
        super()._prepare()
        with self.app.app_context():
            self.values |= self._links(Kestrel(db.session, self.cast))
            db.session.commit()

    def _links(self, kestrel: Kestrel) -> dict[str, Any]:
        nina = Account.sign_up(db.session, "Nina Example", "nina@example.com", None, kestrel.now)
        stranger = kestrel.invite("stranger@firm.example")[0].member
        kestrel.account("bob").want_email("robert@example.com")
        assert nina
        assert stranger
        links: dict[str, tuple[Purpose, Account | Member]] = {
            "confirm": (Purpose.CONFIRM, nina), "reset": (Purpose.RESET, kestrel.account("bob")),
            "email": (Purpose.CHANGE_EMAIL, kestrel.account("bob")), "stranger": (Purpose.INVITATION, stranger),
            "copied": (Purpose.INVITATION_COPY, stranger),
        }  # fmt: skip
        secret = self.app.extensions["settings"].secret_key
        return {name: tokens.make(secret, purpose, row.nonce or "", row.id) for name, (purpose, row) in links.items()}
