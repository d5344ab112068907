"""The portal keeps its own protocol: every point of the conformance kit, against the real server over a real port."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Self

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import create_app
from core import signing
from core.activity import COMMAND
from core.cli import main
from core.cli.conformance import FAILED, IN_PART, NOT_RUN, OK, NoHands, RestartingHands, Result, results
from core.cli.conformance_points import POINTS
from core.dates import now
from core.db import db
from core.grants import TokenFamily
from core.leases import Lease, Ticket
from core.oauth import families, stations
from core.seats import ending
from core.settings import Settings
from models import Account, License, Organization, Product
from tests.cast import Cast
from tests.clients import Client
from tests.seat_programs import one_seat
from tests.servers import serving

pytestmark = pytest.mark.on_sqlite
#: What no station can be: a person who is disabled, or whose address is spelled otherwise.
NEEDS_MORE = {6: (NOT_RUN, "TOKEN is a station's"), 15: (IN_PART, "TOKEN is a station's")}


class Portal:
    """The portal behind its port; started anew, it remembers what its database does."""

    def __init__(self, app: Flask, settings: Settings) -> None:
        self.app, self.settings, self.starts = app, settings, 0
        self._serving = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._serving.enter_context(serving(self.app, self.settings.port))
        self.starts += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._serving.close()
        with self.app.app_context():
            db.engine.dispose()

    def restart(self) -> None:
        """Stop, and start as another process does."""
        self.__exit__()
        self.app = create_app(self.settings)
        self.__enter__()


class Hands:
    """An administrator, an operator and the clock, all at the database."""

    def __init__(self, portal: Portal, session: Session, cast: Cast) -> None:
        self.portal, self.session, self.cast = portal, session, cast
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
        with self.portal.app.app_context():
            signing.rotate(db.session, now())
            db.session.commit()
            del self.portal.app.extensions["signing"]  # which a process remembers for a minute

    def _restart(self, _lease: Lease) -> None:
        self.portal.restart()

    def _day_ahead(self, _lease: Lease) -> None:
        self._set_clock(timedelta(days=1))

    def _day_behind(self, _lease: Lease) -> None:
        self._set_clock(timedelta(days=-1))

    def _set_clock(self, by: timedelta) -> None:
        self.clock = time_machine.travel(now() + by)  # of this process, in which the portal answers
        self.clock.start()

    def _day_back(self, _lease: Lease) -> None:
        assert self.clock is not None
        self.clock.stop()

    def _respell(self, lease: Lease) -> None:
        account = self.session.get_one(Account, lease.account_id)
        account.email = account.email.upper()

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


@pytest.fixture
def hands(app: Flask, settings: Settings, on_app: Session, cast: Cast) -> Iterator[Hands]:
    """Who can do everything to a portal that serves."""
    with Portal(app, settings) as portal:
        yield Hands(portal, on_app, cast)


def test_the_portal_keeps_its_protocol(
    hands: Hands, settings: Settings, on_app: Session, cast: Cast, key_of: Callable[[int], str]
) -> None:
    tokens = (key_of(cast.organization_id), key_of(cast.other_id))
    found = list(results(settings.base_url, tokens, None, hands))
    assert [str(each) for each in found if each.outcome == FAILED] == []
    rest = {each.number: (each.outcome, each.words) for each in found if each.outcome != OK}
    assert {number: (outcome, words[:20]) for number, (outcome, words) in rest.items()} == NEEDS_MORE
    assert len(found) == len(POINTS) == 15
    assert hands.portal.starts == 2
    on_app.rollback()
    assert on_app.scalars(select(Lease).where(*Lease.LIVE)).all() == []


def test_the_portal_keeps_what_it_promises_about_people(
    hands: Hands, settings: Settings, on_app: Session, cast: Cast, client_for: Callable[[str], Client]
) -> None:
    one_seat(on_app, cast)
    alice = client_for("alice")
    for deed in ("disable", "enable"):
        setattr(hands, f"_{deed}", lambda _lease, deed=deed: alice.send(f"/admin/users/{cast.bob.member_id}/{deed}"))
    token = token_of(hands.portal.app, cast)
    found = list(results(settings.base_url, (token,), "render", hands, frozenset({2, 4, 5, 6, 15})))
    assert [(each.number, each.outcome) for each in found if each.number != 15] == [(n, OK) for n in (2, 4, 6, 5)]
    (edges,) = (each for each in found if each.number == 15)
    assert (edges.outcome, edges.words[:20]) == (IN_PART, "TOKEN is a person's;")


@pytest.mark.parametrize(("options", "code"), [([], 0), (["--whole"], 1)])
def test_what_nobody_was_there_for_is_said(
    server: str, cast: Cast, key_of: Callable[[int], str], capsys: pytest.CaptureFixture[str],
    options: list[str], code: int,
) -> None:  # fmt: skip
    only = [part for number in (4, 6, 8, 9) for part in ("--only", str(number))]
    assert main(["conformance", server, key_of(cast.organization_id), *only, *options]) == code
    said = capsys.readouterr()
    assert [line[:8].strip() for line in said.out.splitlines()] == [OK, NOT_RUN, NOT_RUN, IN_PART]
    assert "nobody was there to restart the portal (--restart or --hands)" in said.out
    assert "nobody was there to set its clock a day ahead (--hands)" in said.out
    assert said.err == "1 ok, 1 in part, 2 not run, 0 failed\n"


@pytest.mark.parametrize(("command", "outcome"), [("true", OK), ("false", NOT_RUN)])
def test_a_command_restarts_the_portal(
    server: str, cast: Cast, key_of: Callable[[int], str], command: str, outcome: str
) -> None:
    able = RestartingHands(command, NoHands(waits=False))
    (found,) = results(server, (key_of(cast.organization_id),), None, able, frozenset({8}))
    assert found.outcome == outcome


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
