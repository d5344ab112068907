"""A right ends while programs begin, renew, wait and give back: nothing is half done, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.activity import COMMAND
from core.denials import Denied
from core.leases import Lease, Ticket
from core.seats import giving, sweeping, taking
from core.seats.asking import Asking
from models import License, PermissionKey
from tests.cast import Cast
from tests.endings import ENDINGS, POOL, deed, tick, vendor
from tests.kestrel import Kestrel
from tests.races import Deed, race
from tests.seat_desk import SeatDesk, wrong_books


@pytest.fixture
def desk(session: Session, cast: Cast) -> Iterator[SeatDesk]:
    """Programs that ask; afterwards the books are right."""
    yield SeatDesk(session, cast)
    assert wrong_books(session) == []


ROUNDS = 6
PRODUCT = {"u1": "draft", "u2": "render"}


def asking(desk: SeatDesk, name: str, uuid: str, **more: Any) -> Deed:
    """A program's question, from a thread of its own; a denial is an answer."""
    caller = desk.caller(name, "at once")
    product = PRODUCT[uuid[:2]]

    def ask(session: Session) -> str:
        try:
            taking.ask(session, caller, Asking(uuid, product, "at once", **more), desk.now)
        except Denied as refused:
            return refused.code
        return "done"

    return ask


def removing_tick(cast: Cast, license: str, name: str) -> Deed:
    def take(session: Session) -> None:
        kestrel = Kestrel(session, cast)
        kestrel.organization.license(cast.license[license]).take(kestrel.member(name), kestrel.by("alice"), cast.now)

    return take


def withdrawing(cast: Cast, license: str) -> Deed:
    def revoke(session: Session) -> None:
        license_row = session.get_one(License, cast.license[license])
        session.get_one(PermissionKey, license_row.key_id).revoke(COMMAND, cast.now)

    return revoke


def told(desk: SeatDesk, uuid: str, name: str) -> None:
    """Whatever was quicker: what still runs has its end, at the latest once it renews."""
    desk.later += 200
    asking(desk, name, uuid, seq=1000)(desk.session)
    desk.session.commit()
    lease = desk.session.scalars(select(Lease).where(Lease.uuid == uuid)).one_or_none()
    assert lease is None or lease.ended_at is not None or lease.ending_at is not None, uuid


@pytest.mark.parametrize("what", ENDINGS)
def test_participation_ends_while_programs_begin_renew_and_leave(
    bare_app: Flask, desk: SeatDesk, put_back: Callable[[], None], what: str
) -> None:
    for number in range(ROUNDS):
        if number:
            desk.session.close()
            put_back()
            desk.__init__(desk.session, desk.cast)  # type: ignore[misc]  # nobody is signed in any more
        asking(desk, "bob", "u1 runs")(desk.session)
        programs = [asking(desk, "bob", "u1 runs", seq=1), asking(desk, "bob", "u2 new"), asking(desk, "alice", "u2 a")]
        desk.session.commit()
        ends = race(bare_app, [programs[0], deed(what, "bob", desk.cast), *programs[1:]])
        assert [end for end in ends if ":" in end] == []
        assert wrong_books(desk.session) == []
        if what in ("disable", "block"):
            told(desk, "u1 runs", "bob")


def test_tick_is_taken_back_while_its_program_begins(bare_app: Flask, desk: SeatDesk, kestrel: Kestrel) -> None:
    for number in range(ROUNDS):
        uuid = f"u1 {number}"
        ends = race(bare_app, [asking(desk, "bob", uuid), removing_tick(desk.cast, "annual", "bob")])
        assert [end for end in ends if ":" in end] == []
        assert wrong_books(desk.session) == []
        lease = desk.session.scalars(select(Lease).where(Lease.uuid == uuid)).one_or_none()
        assert lease is None or lease.ending_reason == "permission_withdrawn"
        desk.session.execute(update(Lease).values(ending_at=desk.now))
        sweeping.sweep_due(desk.session, desk.now)
        tick(desk, kestrel, "annual", "bob")


def test_key_is_withdrawn_while_somebody_waits_and_another_gives_back(bare_app: Flask, desk: SeatDesk) -> None:
    desk.fill(POOL, "alice")
    waits = asking(desk, "bob", "u2 waits", queue=True)
    waits(desk.session)
    for number in range(ROUNDS - 1):
        back = partial(giving.give_back, caller=desk.caller("alice", f"d{number}"), uuid=f"fill-{number}", now=desk.now)
        ends = race(bare_app, [back, withdrawing(desk.cast, "cloud"), waits])
        assert [end for end in ends if ":" in end] == []
        assert wrong_books(desk.session) == []
        offered = select(Ticket.license_id).where(Ticket.license_id == desk.cast.license["cloud"])
        assert desk.session.scalars(offered).all() == []
        vendor(desk, "reinstate", "cloud")
