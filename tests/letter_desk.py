"""The cast at the desk where letters are written: every letter there is, and to whom it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import mail, worker
from core.dates import now
from core.db import db
from core.leases import AccessRequest
from core.mailing import letters
from core.mailing.outbox import Outbox
from core.settings import Settings
from models import Account, License, Member, Organization, PermissionKey
from tests.cast import Cast


class Desk:
    """Rows of the cast in the session of an application that writes letters."""

    def __init__(self, session: Session, settings: Settings, cast: Cast) -> None:
        self.session, self.settings, self.cast = session, settings, cast

    def member(self, name: str) -> Member:
        return self.session.get_one(Member, self.cast.player(name).member_id)

    def account(self, name: str) -> Account:
        return self.session.get_one(Account, self.cast.player(name).account_id)

    @property
    def license(self) -> License:
        return self.session.get_one(License, self.cast.license["annual"])

    @property
    def key(self) -> PermissionKey:
        return self.license.key

    @property
    def organization(self) -> Organization:
        return self.session.get_one(Organization, self.cast.organization_id)

    def put(self) -> list[Outbox]:
        """The letters put so far, oldest first."""
        self.session.flush()
        return list(self.session.scalars(select(Outbox).order_by(Outbox.id)))

    def letter(self, number: int = -1, *, masked: bool = False) -> letters.Letter:
        """One of the letters, written."""
        made = letters.render(self.session, self.put()[number], self.settings, masked=masked)
        assert made is not None
        return made

    def is_needed(self) -> bool:
        """Whether the newest letter would be sent."""
        self.session.flush()
        return letters.render(self.session, self.put()[-1], self.settings) is not None


@pytest.fixture
def writing_app(settings: Settings) -> Iterator[Flask]:
    """The application of the worker."""
    app = worker.application(settings)
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def desk(writing_app: Flask, settings: Settings, cast: Cast) -> Iterator[Desk]:
    """The cast, and what it takes to write letters."""
    with writing_app.app_context():
        yield Desk(db.session, settings, cast)


Put = Callable[[Desk], object]


def want_email(desk: Desk) -> None:
    desk.account("bob").want_email("new@example.com")
    mail.change_email(desk.account("bob"))


def register(desk: Desk) -> None:
    account = Account.sign_up(desk.session, "Nina", "nina@example.com", "x", now())
    assert account is not None
    mail.confirm(account)


def access_request(desk: Desk, outcome: str | None = None) -> AccessRequest:
    """bob asks for Hub Server, and alice answers."""
    request = AccessRequest(
        organization_id=desk.cast.organization_id, account_id=desk.cast.bob.account_id, asked_at=now(),
        product_id=desk.cast.product["hub"], outcome=outcome, message="Until the tender is out." if outcome else "",
        closed_at=now() if outcome else None, closed_by=desk.cast.alice.account_id if outcome else None,
    )  # fmt: skip
    desk.session.add(request)
    desk.session.flush()
    return request


#: What is done, and to whom its letters go (model.md, section 1).
LETTERS: dict[str, tuple[Put, set[str]]] = {
    "invitation": (lambda d: mail.invitation(d.member("dave")), {"dave"}),
    "confirmed": (lambda d: mail.confirmed(d.member("bob")), {"alice"}),
    "declined": (lambda d: mail.declined(d.member("dave")), {"alice"}),
    "disabled": (lambda d: mail.disabled(d.member("dora")), {"dora"}),
    "enabled": (lambda d: mail.enabled(d.member("bob")), {"bob"}),
    "removed": (lambda d: mail.removed(d.member("bob")), {"bob"}),
    "left": (lambda d: mail.left(d.member("bob")), {"alice"}),
    "co-admin": (lambda d: mail.co_admin(d.member("bob")), {"bob"}),
    "replaced": (lambda d: mail.co_admin(d.member("bob"), d.member("carol")), {"bob", "carol"}),
    "no longer": (lambda d: mail.no_longer_co_admin(d.member("carol")), {"carol"}),
    "transferred": (lambda d: mail.transferred(d.member("bob"), d.member("alice")), {"alice", "bob", "carol"}),
    "vanished": (lambda d: mail.transferred(d.member("bob"), None), {"bob", "carol"}),
    "key revoked": (lambda d: mail.key_revoked(d.key), {"alice", "carol"}),
    "key reinstated": (lambda d: mail.key_reinstated(d.key), {"alice", "carol"}),
    "license changed": (lambda d: mail.license_changed(d.license), {"alice", "carol"}),
    "confirm": (register, {"nina"}),
    "already registered": (lambda d: mail.already_registered(d.account("bob")), {"bob"}),
    "reset": (lambda d: mail.reset(d.account("bob")), {"bob"}),
    "password changed": (lambda d: mail.password_changed(d.account("bob")), {"bob"}),
    "change email": (want_email, {"new", "bob"}),
    "blocked": (lambda d: mail.blocked(d.account("bob")), {"bob"}),
    "unblocked": (lambda d: mail.unblocked(d.account("bob")), {"bob"}),
    "farewell": (lambda d: mail.farewell(d.account("bob")), {"bob"}),
    "test": (lambda d: mail.probe(d.account("otto")), {"otto"}),
    "access asked": (lambda d: mail.access_asked(access_request(d)), {"alice", "carol"}),
    "access granted": (lambda d: mail.access_answered(access_request(d, "granted")), {"bob"}),
    "access declined": (lambda d: mail.access_answered(access_request(d, "declined")), {"bob"}),
}
