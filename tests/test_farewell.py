"""A person deletes his account: everything of his ends or is free again, and nothing says any more who he was."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from core import farewell
from core.db import Base, db
from core.errors import RuleBroken
from core.grants import TokenFamily
from core.leases import AccessRequest, Device, Lease, Ticket
from core.mailing.outbox import Outbox
from core.seats.request import Queued
from models import Account, Member, Permission, SignIn
from tests.cast import PASSWORD, Cast
from tests.clients import Client
from tests.endings import POOL
from tests.kestrel import Kestrel
from tests.seat_desk import SeatDesk, wrong_books

ClientFor = Callable[[str], Client]
URL = "/profile/delete"


@pytest.fixture
def desk(session: Session, cast: Cast) -> Iterator[SeatDesk]:
    """Programs that ask; afterwards the books are right."""
    yield SeatDesk(session, cast)
    assert wrong_books(session) == []


def go(kestrel: Kestrel, name: str) -> None:
    """Somebody deletes his account."""
    account = kestrel.account(name)
    farewell.end(kestrel.session, account, account.membership, kestrel.by(name), kestrel.now)
    kestrel.session.commit()
    kestrel.session.expire_all()


def test_everything_of_his_ends_at_once(desk: SeatDesk, kestrel: Kestrel, session: Session, cast: Cast) -> None:
    seats = len(list(session.scalars(select(Permission.id).where(Permission.member_id == cast.bob.member_id))))
    assert seats
    desk.seat("bob", "u1", "draft")
    desk.seat("bob", "u2")
    desk.seat("carol", "u3")
    session.add(AccessRequest(organization_id=cast.organization_id, account_id=cast.bob.account_id,
                              product_id=cast.product["hub"], asked_at=kestrel.now))  # fmt: skip
    session.commit()
    go(kestrel, "bob")
    assert [(desk.lease(each).ended_reason, desk.lease(each).ended_at) for each in ("u1", "u2")] == [
        ("left", kestrel.now)
    ] * 2
    assert desk.lease("u3").ended_at is None
    assert count(session, Permission, Permission.member_id == cast.bob.member_id) == 0
    assert (kestrel.bob.ended_reason, kestrel.bob.nonce) == ("left", None)
    assert (
        count(session, TokenFamily, TokenFamily.account_id == cast.bob.account_id, TokenFamily.revoked_at.is_(None))
        == 0
    )
    assert count(session, Device, Device.account_id == cast.bob.account_id, Device.removed_at.is_(None)) == 0
    assert count(session, SignIn, SignIn.account_id == cast.bob.account_id, SignIn.ended_at.is_(None)) == 0
    assert session.scalars(select(AccessRequest.outcome)).all() == ["dropped"]
    assert desk.denied("bob", "u4").code == "token_invalid"


def count(session: Session, of: type[Base], *which: ColumnElement[bool]) -> int:
    """How many rows there are."""
    return session.scalar(select(func.count()).select_from(of).where(*which)) or 0


def test_seat_that_was_held_for_him_goes_to_the_next(desk: SeatDesk, kestrel: Kestrel, session: Session) -> None:
    desk.fill(POOL, "alice")
    desk.seat("carol", "reserved")
    assert desk.ask("bob", "first", queue=True) == Queued(1)
    assert desk.ask("carol", "second", device="another", queue=True) == Queued(2)
    desk.give_back("alice", "fill-0", "d0")
    offered = select(Ticket.uuid).where(Ticket.offered_until.is_not(None))
    assert session.scalars(offered).all() == ["first"]
    go(kestrel, "bob")
    assert session.scalars(offered).all() == []
    desk.seat("carol", "second", device="another", queue=True)


def test_what_was_known_of_him_is_forgotten_and_his_address_is_free(kestrel: Kestrel, session: Session) -> None:
    kestrel.account("bob").company = "Bob and Sons"
    go(kestrel, "bob")
    account = kestrel.account("bob")
    assert (account.name, account.email, account.company, account.password) == ("", "", "", None)
    assert not account.active
    assert kestrel.bob.shown_name == "bob@example.com"  # whom the organization had invited
    assert kestrel.last("portal").action == "account.delete"
    again = Account.sign_up(session, "Bob Again", "bob@example.com", None, kestrel.now)
    assert again is not None
    assert again.id != account.id


def test_his_own_keys_can_be_redeemed_again(desk: SeatDesk, kestrel: Kestrel, session: Session) -> None:
    key = kestrel.key("personal")
    key.redeem(kestrel.account("erin"), kestrel.by("erin"), kestrel.now, kestrel.today)
    session.commit()
    desk.seat("erin", "own", "draft")
    go(kestrel, "erin")
    assert desk.lease("own").ended_reason == "left"
    assert (kestrel.key("personal").redeemed_at, kestrel.key("personal").account_id) == (None, None)


def test_invitations_to_his_address_are_dead(kestrel: Kestrel, session: Session) -> None:
    before = kestrel.dave.nonce
    assert before
    go(kestrel, "dave")
    assert (kestrel.dave.nonce, kestrel.dave.state) == (None, "pending")


@pytest.mark.parametrize(("name", "why"), [("alice", "needs an administrator"), ("otto", "An operator’s account")])
def test_who_is_needed_stays(kestrel: Kestrel, session: Session, name: str, why: str) -> None:
    with pytest.raises(RuleBroken) as refused:
        go(kestrel, name)
    assert why in str(refused.value.message)
    session.rollback()
    assert kestrel.account(name).active


def test_who_joined_meanwhile_is_asked_to_look_again(kestrel: Kestrel, session: Session) -> None:
    with pytest.raises(RuleBroken, match="changed meanwhile"):
        farewell.end(session, kestrel.account("bob"), None, kestrel.by("bob"), kestrel.now)


# ── the page ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_password_deletes_the_account_and_leads_to_sign_in(app: Flask, cast: Cast, client_for: ClientFor) -> None:
    bob = client_for("bob")
    assert "You leave Kestrel Works" in bob.get(URL).text
    answer = bob.send(URL, password=PASSWORD)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
    assert bob.get("/profile").status_code == 303
    with app.app_context():
        assert db.session.get_one(Account, cast.bob.account_id).deleted_at is not None
        assert db.session.get_one(Member, cast.bob.member_id).ended_reason == "left"
        letters = {(each.kind, each.recipient) for each in db.session.scalars(select(Outbox))}
    assert letters == {("farewell", "bob@example.com"), ("left", "alice@example.com")}


@pytest.mark.on_sqlite
def test_another_password_changes_nothing_and_says_so(app: Flask, cast: Cast, client_for: ClientFor) -> None:
    bob = client_for("bob")
    answer = bob.swap(URL, password="not this one")
    assert (answer.status_code, answer.headers["HX-Retarget"]) == (422, "#ask")
    assert "This is not the password of this account." in answer.text
    assert "<!doctype" not in answer.text
    assert "<!doctype" in bob.send(URL, password="not this one").text
    with app.app_context():
        assert db.session.get_one(Account, cast.bob.account_id).active
        assert count(db.session, Lease) == 0


@pytest.mark.on_sqlite
@pytest.mark.parametrize("name", ["alice", "otto"])
def test_page_offers_it_to_nobody_who_is_needed(client_for: ClientFor, name: str) -> None:
    client = client_for(name)
    assert URL not in client.get("/profile").text
    assert (client.get(URL).status_code, client.send(URL, password=PASSWORD).status_code) == (409, 409)
    assert client.get("/profile").status_code == 200
