"""The portal keeps its own protocol: every point of the conformance kit, against the real server over a real port."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import signing
from core.activity import COMMAND
from core.cli import main
from core.cli.conformance import FAILED, NOT_RUN, OK, NoHands, Result, results
from core.cli.conformance_points import POINTS
from core.dates import now
from core.db import db
from core.grants import TokenFamily
from core.leases import Lease, Ticket
from core.oauth import families, stations
from core.seats import ending
from models import License, Organization, Product
from tests.cast import Cast
from tests.clients import Client
from tests.seat_programs import one_seat

pytestmark = pytest.mark.on_sqlite
#: What no station can be: a person who is disabled; and a portal that is in this process cannot be restarted.
NEEDS_MORE = {6: "TOKEN is a station's", 8: "nobody was there to restart"}


class Hands:
    """An administrator, an operator and the clock, all at the database."""

    def __init__(self, app: Flask, session: Session, cast: Cast) -> None:
        self.app, self.session, self.cast = app, session, cast
        self.clock: time_machine.travel | None = None

    def do(self, deed: str, lease_id: str) -> bool:
        """Whether it is one of ours, which was done."""
        act = getattr(self, f"_{deed.replace('-', '_')}", None)
        if act is None:
            return False
        self.session.rollback()
        act(self.session.scalars(select(Lease).where(Lease.uuid == lease_id)).one_or_none())
        self.session.commit()
        return True

    def _expire(self, lease: Lease) -> None:
        lease.expires_at = now() - timedelta(seconds=1)

    def _end(self, lease: Lease) -> None:
        Organization.locked(self.session, self.cast.organization_id)
        ending.end_session(
            self.session, self.cast.organization_id, lease.id, self.cast.alice.actor, "Needed", 0, now()
        )  # fmt: skip

    def _write_off(self, lease: Lease) -> None:
        Organization.locked(self.session, self.cast.organization_id)
        ending.write_off(self.session, self.cast.organization_id, lease.id, self.cast.alice.actor, now())

    def _shorten(self, lease: Lease) -> None:
        license = self.session.get_one(License, lease.license_id, populate_existing=True)
        self.ends_at, license.ends_at = license.ends_at, now() + timedelta(minutes=4)

    def _lengthen(self, lease: Lease) -> None:
        self.session.get_one(License, lease.license_id, populate_existing=True).ends_at = self.ends_at

    def _rotate(self, _lease: Lease) -> None:
        with self.app.app_context():
            signing.rotate(db.session, now())
            db.session.commit()
            del self.app.extensions["signing"]  # which a process remembers for a minute

    def _pass_offer(self, _lease: None) -> None:
        for ticket in self.session.scalars(select(Ticket).where(Ticket.offered_until.is_not(None))):
            ticket.offered_until = now() - timedelta(seconds=1)


@pytest.fixture
def key_of(on_app: Session, cast: Cast) -> Callable[[int], str]:
    """`key_of(organization_id)`: the key of a new station for the product whose seats float."""

    def made(organization_id: int) -> str:
        organization = Organization.locked(on_app, organization_id)
        product = on_app.get_one(Product, cast.product["render"])
        _station, key = stations.add(organization, product, "Kit", COMMAND, now())
        on_app.commit()
        return key

    return made


def test_the_portal_keeps_its_protocol(
    server: str, app: Flask, on_app: Session, cast: Cast, key_of: Callable[[int], str]
) -> None:
    tokens = (key_of(cast.organization_id), key_of(cast.other_id))
    found = list(results(server, tokens, None, Hands(app, on_app, cast)))
    assert [str(each) for each in found if each.outcome == FAILED] == []
    not_run = {each.number: each.words for each in found if each.outcome == NOT_RUN}
    assert {number: words[: len(NEEDS_MORE.get(number, ""))] for number, words in not_run.items()} == NEEDS_MORE
    assert len(found) == len(POINTS) == 15
    on_app.rollback()
    assert on_app.scalars(select(Lease).where(*Lease.LIVE)).all() == []


def test_the_portal_keeps_what_it_promises_about_people(
    server: str, app: Flask, on_app: Session, cast: Cast, client_for: Callable[[str], Client]
) -> None:
    one_seat(on_app, cast)
    hands, alice = Hands(app, on_app, cast), client_for("alice")
    for deed in ("disable", "enable"):
        setattr(hands, f"_{deed}", lambda _lease, deed=deed: alice.send(f"/admin/users/{cast.bob.member_id}/{deed}"))
    found = list(results(server, (token_of(app, cast),), "render", hands, frozenset({2, 4, 5, 6})))
    assert [(each.number, each.outcome, each.words) for each in found] == [(number, OK, "") for number in (2, 4, 6, 5)]


def token_of(app: Flask, cast: Cast) -> str:
    """An access token of a program that bob has let in."""
    with app.app_context():
        family = TokenFamily(
            account_id=cast.bob.account_id, organization_id=cast.organization_id, client_name="Kit", made_at=now()
        )  # fmt: skip
        db.session.add(family)
        db.session.commit()
        return families.access_token(db.session, family, now())


def test_what_cannot_be_asked_is_said_to_be_not_run(
    server: str, cast: Cast, key_of: Callable[[int], str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["conformance", server, key_of(cast.organization_id), "--only", "4", "--only", "14"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "ok        4  given back twice",
        "not run  14  another organization's lease: there is no second TOKEN, of another organization",
    ]


def test_a_portal_that_does_not_keep_it_is_found(
    server: str, cast: Cast, key_of: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A portal that forgets to end what is given back."""
    monkeypatch.setattr("core.seats.giving._ended", lambda *_: None)
    key = key_of(cast.organization_id)
    (found,) = results(server, (key,), None, NoHands(waits=False), frozenset({4}))
    assert found == Result(4, "given back twice", FAILED, "PUT was to answer 410 lease_ended, and answered 200")


def test_a_token_that_opens_nothing_is_a_failure(server: str, cast: Cast) -> None:
    (found,) = results(server, ("st_nobody",), None, NoHands(waits=False), frozenset({4}))
    assert found.outcome == FAILED
