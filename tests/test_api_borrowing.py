"""Borrowing over HTTP: until a day, within limits, done once, brought back by the device itself; both databases."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.idempotency import KEPT, KeptAnswer
from core.leases import Lease, Ticket
from core.seats import ending, sweeping
from models import License, Organization
from tests.api_desk import UUID, DeviceKey, Program, Programs, claims, code, new_uuid
from tests.at_once import at_once
from tests.cast import Cast
from tests.kestrel import Kestrel

Clock = time_machine.Traveller
WEEK = timedelta(days=7)


@pytest.fixture(autouse=True)
def books_are_right(on_app: Session) -> Iterator[None]:
    """Afterwards the stored counts are what leases and offers say."""
    yield
    on_app.rollback()
    for license in on_app.scalars(select(License).execution_options(populate_existing=True)):
        live = (Lease.license_id == license.id, *Lease.LIVE, Lease.takes_seat)
        leases = on_app.scalar(select(func.count()).select_from(Lease).where(*live)) or 0
        offers = on_app.scalar(select(func.count()).select_from(Ticket).where(Ticket.license_id == license.id)) or 0
        assert license.in_use == leases + offers, license.id


def running(program: Programs, who: str = "bob", device: str = "", **more: str) -> Program:
    """A program that holds a seat."""
    made = program(who, device, **more)
    if device:
        made.uuid = new_uuid()
    assert made.ask().status_code == 201
    return made


def test_borrowed_seat_is_held_without_a_sign_of_life(
    program: Programs, app: Flask, cast: Cast, clock: Clock, on_app: Session
) -> None:
    bob = running(program)
    until = (cast.now + timedelta(days=3)).replace(microsecond=0)
    borrowed = bob.borrow(until)
    assert borrowed.status_code == 200
    body, said = borrowed.get_json(), claims(borrowed, app)
    assert (body["state"], datetime.fromisoformat(body["expires_at"]), body["grace_s"]) == ("borrowed", until, 0)
    assert (said["mode"], said["exp"], said["jti"]) == ("borrowed", int(until.timestamp()), UUID)
    clock.move_to(until - timedelta(seconds=1))
    assert sweeping.sweep_due(on_app, until - timedelta(seconds=1)) == 0
    bob.authorization = program("bob").authorization
    assert (bob.show().get_json()["state"], bob.ask().get_json()["state"]) == ("borrowed", "borrowed")
    clock.shift(601)
    assert sweeping.sweep_due(on_app, until + timedelta(seconds=600)) == 1


def test_renewing_a_borrowed_seat_shortens_nothing(program: Programs, cast: Cast) -> None:
    bob, until = running(program), cast.now + timedelta(days=2)
    bob.borrow(until)
    renewed = bob.ask().get_json()
    assert (renewed["state"], renewed["expires_at"][:16]) == ("borrowed", until.isoformat()[:16])


@pytest.mark.parametrize(
    ("hours", "wanted"), [(0.5, "borrow_not_allowed"), (-1, "borrow_not_allowed"), (168.1, "borrow_too_long")]
)
@pytest.mark.on_sqlite
def test_borrowing_lasts_an_hour_to_a_week(program: Programs, clock: Clock, hours: float, wanted: str) -> None:
    bob, at = running(program), datetime.now().astimezone()
    refused = bob.borrow(at + timedelta(hours=hours))
    assert code(refused) == (422, wanted)
    if wanted == "borrow_too_long":
        assert datetime.fromisoformat(refused.get_json()["max_until"]) == (at + WEEK).replace(microsecond=0)
    assert bob.borrow(at + timedelta(hours=1)).status_code == 200
    assert bob.borrow(at + WEEK).status_code == 200


@pytest.mark.on_sqlite
def test_nobody_borrows_beyond_the_license(program: Programs, on_app: Session, cast: Cast, clock: Clock) -> None:
    ends_at = on_app.get_one(License, cast.license["annual"]).ends_at
    assert ends_at is not None
    clock.move_to(ends_at - timedelta(days=2))
    bob = running(program, product="draft")
    refused = bob.borrow(ends_at + timedelta(seconds=1))
    assert code(refused) == (422, "borrow_too_long")
    assert datetime.fromisoformat(refused.get_json()["max_until"]) == ends_at
    assert bob.borrow(ends_at).status_code == 200


def test_half_of_the_shared_seats_stay(program: Programs, cast: Cast) -> None:
    """Two of four; a seat that is away already may stay away longer."""
    until = cast.now + timedelta(days=1)
    away = [running(program, device=f"d{number}") for number in range(3)]
    *borrowed, refused = [each.borrow(until) for each in away]
    assert [each.status_code for each in borrowed] == [200, 200]
    assert code(refused) == (409, "borrow_limit")
    assert (refused.get_json()["borrowed"], refused.get_json()["limit"]) == (2, 2)
    assert away[0].borrow(until + timedelta(days=1)).status_code == 200


def test_own_seat_may_always_be_taken_along(program: Programs, cast: Cast) -> None:
    assert running(program, product="draft").borrow(cast.now + timedelta(days=1)).status_code == 200


def test_who_holds_nothing_borrows_nothing(program: Programs, cast: Cast, clock: Clock) -> None:
    until = cast.now + timedelta(days=1)
    bob = program("bob")
    assert code(bob.borrow(until)) == (404, "unknown_lease")
    bob.ask()
    clock.shift(601)
    assert code(bob.borrow(until)) == (422, "borrow_not_allowed")
    bob.ask()
    bob.give_back()
    assert code(bob.borrow(until)) == (410, "lease_ended")
    assert code(program("alice").borrow(until)) == (404, "unknown_lease")


def test_disabled_member_borrows_nothing_and_keeps_what_he_borrowed(
    program: Programs, on_app: Session, cast: Cast
) -> None:
    until = cast.now + timedelta(days=1)
    here, there = running(program, device="here"), running(program, device="there", product="draft")
    del there
    assert here.borrow(until).status_code == 200
    kestrel = Kestrel(on_app, cast)
    kestrel.bob.disable(kestrel.by("alice"), kestrel.alice, kestrel.now)
    on_app.commit()
    assert code(here.borrow(until)) == (403, "membership_disabled")
    assert here.show().get_json()["state"] == "borrowed"


def test_device_brings_its_seat_back(program: Programs, on_app: Session, cast: Cast) -> None:
    key = DeviceKey()
    bob = program("bob", with_device={"public_key": key.public})
    bob.ask()
    bob.borrow(cast.now + timedelta(days=1))
    assert code(bob.bring_back(DeviceKey().proof())) == (409, "device_conflict")
    assert code(bob.bring_back(key.proof(new_uuid()))) == (400, "malformed_request")
    assert code(bob.bring_back("no proof")) == (400, "malformed_request")
    assert on_app.scalars(select(License.in_use).where(License.in_use > 0)).all() == [1]
    assert [bob.bring_back(key.proof()).status_code for _ in range(2)] == [204, 204]
    assert code(bob.show()) == (410, "lease_ended")


def test_lost_borrow_is_written_off(program: Programs, on_app: Session, cast: Cast) -> None:
    bob = running(program)
    bob.borrow(cast.now + timedelta(days=1))
    Organization.locked(on_app, cast.organization_id)
    lease = on_app.scalars(select(Lease)).one()
    ending.write_off(on_app, cast.organization_id, lease.id, cast.alice.actor, cast.now)
    on_app.commit()
    gone = bob.ask()
    assert (code(gone), gone.get_json()["reason"]) == ((410, "lease_ended"), "written_off")


# ── done once ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_same_key_and_body_get_the_stored_answer_for_a_day(
    program: Programs, cast: Cast, clock: Clock, on_app: Session
) -> None:
    bob, until = running(program), cast.now + timedelta(days=3)
    once = {"Idempotency-Key": "5b1e"}
    first = bob.borrow(until, **once)
    bob.give_back()
    clock.shift(60)
    assert bob.borrow(until, **once).get_json() == first.get_json()
    assert code(bob.borrow(until + timedelta(hours=1), **once)) == (422, "idempotency_mismatch")
    assert code(bob.borrow(until, new_uuid(), **once)) == (422, "idempotency_mismatch")
    clock.shift(KEPT)
    bob.authorization = program("bob").authorization
    assert len(on_app.scalars(select(KeptAnswer)).all()) == 1


def test_refusals_are_stored_answers_too(program: Programs, cast: Cast) -> None:
    bob, once = running(program), {"Idempotency-Key": "k"}
    refused = [bob.borrow(cast.now + timedelta(days=9), **once) for _ in range(2)]
    assert [code(each) for each in refused] == [(422, "borrow_too_long")] * 2
    assert refused[0].get_json() == refused[1].get_json()
    assert code(bob.borrow(cast.now + timedelta(days=1), **once)) == (422, "idempotency_mismatch")


@pytest.mark.on_sqlite
def test_key_that_is_none_is_malformed(program: Programs, cast: Cast) -> None:
    bob = running(program)
    for key in ("", "x" * 256):
        assert code(bob.borrow(cast.now, **{"Idempotency-Key": key})) == (400, "malformed_request")


def test_repeated_at_once_it_is_done_once(program: Programs, on_app: Session, cast: Cast) -> None:
    bob, until = running(program), cast.now + timedelta(days=1)
    answers = at_once(*[lambda: bob.borrow(until, **{"Idempotency-Key": "k"})] * 6)
    done = [each for each in answers if each.status_code == 200]
    waits = [each for each in answers if each.status_code != 200]
    assert done
    assert len({each.get_data() for each in done}) == 1
    assert all(code(each) == (409, "still_running") and each.headers["Retry-After"] == "1" for each in waits)
    assert on_app.scalar(select(func.count()).select_from(KeptAnswer)) == 1


def test_last_seat_to_borrow_is_borrowed_once(program: Programs, on_app: Session, cast: Cast) -> None:
    """Six programs on the two licenses, of which one and two seats may go: the rest is refused."""
    until = cast.now + timedelta(days=1)
    away = [running(program, device=f"d{number}") for number in range(5)]
    answers = at_once(*[functools.partial(each.borrow, until) for each in away])
    borrowed = on_app.execute(
        select(License.seats, func.count()).join(Lease, Lease.license_id == License.id)
        .where(Lease.borrowed_until.is_not(None)).group_by(License.id, License.seats)
    ).all()  # fmt: skip
    assert all(count <= seats // 2 for seats, count in borrowed)
    assert sum(each.status_code == 200 for each in answers) == sum(count for _seats, count in borrowed) == 3
