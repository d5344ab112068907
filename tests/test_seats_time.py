"""Seats and time: a portal that was away, programs that died or slept, questions that come several times."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core import meta
from core.leases import LEASE, Denial, Lease
from core.meta import Meta
from core.seats import sweeping
from models import License
from tests.cast import Cast
from tests.seat_desk import SeatDesk, wrong_books
from tests.statements import engine_of

CLIENTS = 20


@pytest.fixture
def desk(session: Session, cast: Cast) -> Iterator[SeatDesk]:
    """A pool with a seat for each of 20 devices of a laboratory; afterwards the books are right."""
    meta.begin(session, cast.now)
    pool = License.id == cast.license["cloud"]
    session.execute(update(License).where(pool).values(seats=CLIENTS, reserved=0))
    session.execute(update(License).where(License.id == cast.license["network"]).values(seats=0))
    session.commit()
    desk = SeatDesk(session, cast)
    desk.station("lab", "render")
    yield desk
    assert wrong_books(session) == []


def test_portal_that_was_away_for_15_minutes_costs_nobody_his_seat(desk: SeatDesk, session: Session) -> None:
    for number in range(CLIENTS):
        desk.later = number  # each at another point of its ten minutes
        desk.seat("lab", f"u{number}", device=f"d{number}")
    session.execute(update(Meta).values(last_alive=desk.now))
    session.commit()
    desk.later += 15 * 60
    assert sweeping.forgive(session, desk.now) == timedelta(minutes=15)
    assert sweeping.sweep_due(session, desk.now) == 0
    assert desk.denied("lab", "stranger", device="stranger").code == "no_seat_available"
    renewed = [desk.seat("lab", f"u{number}", device=f"d{number}", seq=1) for number in range(CLIENTS)]
    assert not any(seat.is_new for seat in renewed)
    assert session.scalar(select(func.count(Lease.id)).where(*Lease.LIVE, Lease.takes_seat)) == CLIENTS
    assert session.scalars(select(Denial.uuid)).all() == ["stranger"]


def test_dead_program_loses_its_seat_within_one_lease_and_not_before(desk: SeatDesk, session: Session) -> None:
    for number in range(CLIENTS):
        desk.seat("lab", f"u{number}", device=f"d{number}")
    desk.later = LEASE.total_seconds() - 1
    assert desk.denied("lab", "next", device="next").code == "no_seat_available"
    for number in range(1, CLIENTS):
        desk.seat("lab", f"u{number}", device=f"d{number}", seq=1)
    desk.later += 1
    desk.seat("lab", "next", device="next")
    assert desk.lease("u0").ended_reason == "expired"
    assert desk.denied("lab", "u0", device="d0", seq=1).code == "no_seat_available"


def test_the_same_question_three_times_is_one_lease(desk: SeatDesk, session: Session) -> None:
    seats = [desk.seat("lab", "u", device="d", seq=1) for _number in range(3)]
    assert len({seat.lease_id for seat in seats}) == 1
    assert [seat.is_new for seat in seats] == [True, False, False]
    assert session.scalar(select(func.sum(License.in_use))) == 1


def test_statements_are_compiled_once(desk: SeatDesk, bare_app: Flask) -> None:
    def everything(number: int) -> None:
        desk.seat("lab", f"u{number}", device="d")
        desk.seat("lab", f"u{number}", device="d", seq=1)
        desk.seat("lab", f"copy{number}", device="d")
        for uuid in (f"u{number}", f"copy{number}"):
            desk.give_back("lab", uuid, device="d")
        desk.fill(CLIENTS)
        desk.denied("lab", f"full{number}", device="full")
        desk.ask("lab", f"full{number}", device="full", queue=True)
        desk.give_back("lab", f"full{number}", device="full")
        for each in range(CLIENTS):
            desk.give_back("bob", f"fill-{each}", device=f"d{each}")
        sweeping.sweep_due(desk.session, desk.now)

    engine = engine_of(bare_app)
    everything(0)
    desk.session.execute(update(Lease).values(uuid="old-" + Lease.uuid))
    desk.session.commit()
    everything(1)
    compiled = len(engine._compiled_cache or ())
    desk.session.execute(update(Lease).values(uuid="older-" + Lease.uuid))
    desk.session.commit()
    everything(2)
    assert len(engine._compiled_cache or ()) <= compiled + 1  # the update above
