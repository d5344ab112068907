"""Two or more at the same seat at once: nobody waits for ever, nothing is counted twice, and each hears what became."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core.db import db
from core.leases import LEASE, Device, Lease, Ticket
from core.seats import ending, giving, sweeping, taking
from core.seats.asking import Asking, Caller
from models import License, Organization
from tests.cast import Cast
from tests.kestrel import Kestrel
from tests.races import Deed, race
from tests.seat_desk import SeatDesk, wrong_books

Play = Callable[["Stage"], list[Deed]]


class Stage:
    """The cast's programs, each on its device, and what several of them do at once."""

    def __init__(self, app: Flask, cast: Cast) -> None:
        self.app, self.cast, self.number = app, cast, 0
        with app.app_context():
            self.desk = SeatDesk(db.session, cast)
            self.desk.station("lab", "render")
            for name, device in (("bob", "a"), ("bob", "b"), ("carol", "a"), ("alice", "a")):
                self.desk.caller(name, device)
                self.desk.ask(name, f"known {name} {device}", device=device)
                self.desk.give_back(name, f"known {name} {device}", device=device)
            self.lab = self.desk.caller("lab", "a")

    def asks(
        self, name: str, uuid: str, product: str = "render", device: str = "a", later: int = 0, **more: bool
    ) -> Deed:
        """A program asks for a seat."""
        caller = self.lab if name == "lab" else self.desk.caller(name, device)
        return self._asks(caller, Asking(uuid, product, device, **more), later)  # type: ignore[arg-type]

    def _asks(self, caller: Caller, asking: Asking, later: int) -> Deed:
        now = self.cast.now + timedelta(seconds=later)
        return lambda session: type(taking.ask(session, caller, asking, now)).__name__

    def gives_back(self, name: str, uuid: str, device: str = "a") -> Deed:
        """A program gives its seat back."""
        caller = self.desk.caller(name, device)
        return lambda session: giving.give_back(session, caller, uuid, self.cast.now)

    def sweeps(self, later: int) -> Deed:
        """The worker ends what is over."""
        return lambda session: sweeping.sweep_due(session, self.cast.now + timedelta(seconds=later)) and None

    def administrator(self, deed: Callable[[Kestrel], object]) -> Deed:
        """The administrator does something."""

        def locked(session: Session) -> None:
            Organization.locked(session, self.cast.organization_id)
            deed(Kestrel(session, self.cast))

        return locked

    def before(self, *deeds: Deed) -> None:
        """Do something one after the other."""
        with self.app.app_context():
            for deed in deeds:
                deed(db.session)
                db.session.commit()

    def at_once(self, *deeds: Deed) -> list[str]:
        """Do everything at once, and see that the books are right."""
        ends = race(self.app, deeds)
        with self.app.app_context():
            assert wrong_books(db.session) == []
            db.session.rollback()
        assert [end for end in ends if ":" in end] == []
        return ends


@pytest.fixture
def stage(bare_app: Flask, cast: Cast) -> Stage:
    """The stage of one race."""
    return Stage(bare_app, cast)


@pytest.fixture
def rounds(drilling: bool, put_back: Callable[[], None]) -> Iterator[int]:
    """The numbers of the rounds."""
    return iter(range(60 if drilling else 4))


def test_a_copy_never_runs_on_a_seat_that_was_just_given_back(stage: Stage, rounds: Iterator[int]) -> None:
    for number in rounds:
        stage.before(stage.asks("bob", f"first {number}"))
        stage.at_once(
            stage.gives_back("bob", f"first {number}"), stage.asks("bob", f"copy {number}"),
            stage.asks("bob", f"other {number}"),
        )  # fmt: skip
        stage.before(stage.gives_back("bob", f"copy {number}"), stage.gives_back("bob", f"other {number}"))


def test_the_same_question_several_times_at_once_takes_one_seat(stage: Stage, rounds: Iterator[int]) -> None:
    for number in rounds:
        ends = stage.at_once(*[stage.asks("bob", f"same {number}")] * 4)
        assert ends == ["Seat"] * 4
        with stage.app.app_context():
            live = select(func.count(Lease.id)).where(*Lease.LIVE)
            assert db.session.scalar(live) == 1
        stage.before(stage.gives_back("bob", f"same {number}"))


def test_first_question_of_a_new_device_several_times_at_once_makes_one_device(
    stage: Stage, rounds: Iterator[int]
) -> None:
    for number in rounds:
        stage.lab = Caller(stage.cast.organization_id, station_id=stage.lab.station_id)
        ends = stage.at_once(*[stage.asks("lab", f"new {number}", device=f"device {number}")] * 3)
        assert ends == ["Seat"] * 3
        with stage.app.app_context():
            made = select(func.count(Device.id)).where(Device.client_id == f"device {number}")
            assert db.session.scalar(made) == 1
            caller = stage.lab
            giving.give_back(db.session, caller, f"new {number}", stage.cast.now)


def test_permission_that_is_withdrawn_meanwhile_stops_nobody_else(stage: Stage, rounds: Iterator[int]) -> None:
    for number in rounds:
        stage.at_once(
            stage.asks("bob", f"draft {number}", "draft"),
            stage.administrator(lambda here: here.license("annual").take(here.bob, here.by("alice"), here.now)),
            stage.asks("carol", f"render {number}"),
        )  # fmt: skip
        stage.before(
            stage.administrator(lambda here: here.license("annual").give(here.bob, here.by("alice"), here.now)),
            ended_all(stage.cast),
        )  # fmt: skip


def test_member_who_is_disabled_meanwhile_keeps_no_seat_that_nobody_counts(stage: Stage, rounds: Iterator[int]) -> None:
    for number in rounds:
        stage.before(stage.asks("bob", f"old {number}", "draft"))
        stage.at_once(
            stage.asks("bob", f"draft {number}", "draft"), stage.asks("bob", f"render {number}", device="b"),
            stage.administrator(lambda kestrel: kestrel.bob.disable(kestrel.by("alice"), kestrel.alice, kestrel.now)),
            stage.gives_back("bob", f"old {number}"),
        )  # fmt: skip
        stage.before(
            stage.administrator(lambda kestrel: kestrel.bob.enable(kestrel.by("alice"), kestrel.now)),
            stage.administrator(lambda kestrel: kestrel.bob.restore(kestrel.by("alice"), kestrel.now)),
            ended_all(stage.cast),
        )  # fmt: skip


def test_queue_sweep_and_questions_on_two_licenses_never_wait_for_each_other(
    stage: Stage, rounds: Iterator[int]
) -> None:
    over = int(LEASE.total_seconds())
    for number in rounds:
        stage.before(one_seat_each(stage.cast))
        stage.before(stage.asks("bob", f"one {number}"), stage.asks("lab", f"two {number}", device="x"))
        stage.before(stage.asks("alice", f"waits {number}", queue=True, later=over - 10),
                     stage.asks("lab", f"waits too {number}", device="y", queue=True, later=over - 9))  # fmt: skip
        ends = stage.at_once(
            stage.sweeps(over + 1), stage.asks("alice", f"waits {number}", queue=True, later=over + 1),
            stage.asks("lab", f"waits too {number}", device="y", queue=True, later=over + 1), stage.sweeps(over + 2),
            stage.asks("carol", f"comes {number}", queue=True, later=over + 1),
        )  # fmt: skip
        assert sum(end == "Seat" for end in ends) <= 2
        with stage.app.app_context():
            in_use = db.session.scalar(select(func.sum(License.in_use)))
            offers = db.session.scalar(select(func.count(Ticket.id)).where(Ticket.license_id.is_not(None)))
            assert in_use == 2, (ends, offers)
            db.session.rollback()
        stage.before(ended_all(stage.cast))


def ended_all(cast: Cast) -> Deed:
    """Everything that runs or waits ends."""

    def deed(session: Session) -> None:
        for ticket in session.scalars(select(Ticket)):
            if ticket.license_id is not None:
                session.execute(
                    update(License).where(License.id == ticket.license_id).values(in_use=License.in_use - 1)
                )
            session.delete(ticket)
        session.flush()
        ending.end_all(session, Lease.organization_id == cast.organization_id, "given_back", cast.now)

    return deed


def one_seat_each(cast: Cast) -> Deed:
    """Both floating licenses have one seat."""
    both = License.id.in_([cast.license[name] for name in ("cloud", "network")])

    def deed(session: Session) -> None:
        session.execute(update(License).where(both).values(seats=1, reserved=0))

    return deed
