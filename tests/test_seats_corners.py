"""What seats must not do in their corners: sold twice, kept for nobody, shown to a stranger; on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core.leases import BY_ADMIN, LEASE, WITHDRAWN, Denial, Lease, Ticket
from core.seats import sweeping
from core.seats.request import Queued
from models import License, Member
from tests.cast import Cast
from tests.kestrel import Kestrel
from tests.seat_desk import SeatDesk, wrong_books

POOL = 5  # open seats of the floating product: 6, of which one is reserved for carol


@pytest.fixture
def desk(session: Session, cast: Cast) -> Iterator[SeatDesk]:
    """Programs that ask; afterwards the books are right."""
    yield SeatDesk(session, cast)
    assert wrong_books(session) == []


# ── whose it is ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_station_draws_seats_of_its_own_product_only(desk: SeatDesk, session: Session) -> None:
    session.execute(update(License).where(License.id == desk.cast.license["three_years"]).values(type="flex-cloud"))
    desk.station("lab", "render")
    assert desk.seat("lab", "u1", device="a").kind == "floating"
    assert desk.seat("bob", "u2", "hub").kind == "floating"
    assert desk.denied("lab", "u3", "hub", device="a").code == "no_permission"


def test_launch_that_asks_for_another_product_keeps_its_seat(desk: SeatDesk) -> None:
    desk.seat("bob", "u1", "draft")
    assert desk.denied("bob", "u1", "render").code == "lease_id_conflict"
    assert desk.seat("bob", "u1", "draft").ending_at is None


def test_who_is_given_a_seat_after_somebody_hears_nothing_of_his_device(desk: SeatDesk, kestrel: Kestrel) -> None:
    # SQLite gives the number of a deleted permission to the next one.
    kestrel.license("annual").give(kestrel.alice, kestrel.by("alice"), desk.now)
    kestrel.session.commit()
    desk.seat("alice", "u1", "draft", device="secret")
    kestrel.license("annual").take(kestrel.alice, kestrel.by("alice"), desk.now)
    kestrel.session.commit()
    kestrel.license("annual").give(kestrel.carol, kestrel.by("alice"), desk.now)
    kestrel.session.commit()
    assert desk.seat("carol", "u2", "draft").kind == "named"


def test_personal_seat_serves_one_device(desk: SeatDesk, kestrel: Kestrel) -> None:
    kestrel.key("personal").redeem(kestrel.account("erin"), kestrel.by("erin"), desk.now, desk.now.date())
    kestrel.session.commit()
    assert desk.seat("erin", "u1", "draft", device="home").kind == "personal"
    refused = desk.denied("erin", "u2", "draft", device="office")
    assert (refused.code, refused.facts["device"]) == ("device_limit", "home")


def test_another_spelling_of_an_address_is_the_same_person(desk: SeatDesk, kestrel: Kestrel) -> None:
    desk.seat("bob", "u1", "draft")
    kestrel.account("bob").change_email("BOB@example.com", kestrel.by("bob"), desk.now)
    kestrel.session.commit()
    desk.seat("bob", "u2", "draft")
    assert desk.license("annual").in_use == 1


def test_copy_joins_the_seat_that_its_device_has_on_another_license(desk: SeatDesk, session: Session) -> None:
    desk.fill(POOL)
    *_, last = session.scalars(select(Lease).order_by(Lease.id))
    elsewhere = session.scalars(select(Lease.uuid).where(Lease.license_id != last.license_id).limit(1)).one()
    desk.give_back("bob", elsewhere, device=desk.lease(elsewhere).device.client_id)
    desk.seat("bob", "copy", device=last.device.client_id)
    assert desk.lease("copy").license_id == last.license_id
    assert not desk.lease("copy").takes_seat


# ── what is over ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_renewal_after_the_lease_ran_out_never_goes_over_the_limit(desk: SeatDesk, session: Session) -> None:
    desk.fill(POOL)
    session.execute(update(License).where(License.in_use > 0).values(seats=0, reserved=0))
    session.commit()
    desk.later = LEASE.total_seconds()
    assert desk.denied("bob", "fill-0", device="d0", seq=1).code == "no_seat_available"


def test_check_out_right_after_the_lease_of_the_device_ran_out_is_no_error(desk: SeatDesk) -> None:
    desk.seat("bob", "u1", "draft")
    desk.later = LEASE.total_seconds()
    desk.seat("bob", "u2", "draft")
    assert desk.lease("u1").ended_reason == "expired"


def test_new_copy_shares_with_the_living_one_when_the_first_has_died(desk: SeatDesk) -> None:
    desk.seat("bob", "u1", "draft")
    desk.later = 300
    desk.seat("bob", "u2", "draft")
    desk.later = 700
    desk.seat("bob", "u3", "draft")
    assert [desk.lease(each).takes_seat for each in ("u2", "u3")] == [True, False]


def test_unknown_launch_is_never_renewed(desk: SeatDesk) -> None:
    assert desk.seat("bob", "u1", "draft", seq=9).is_new


@pytest.mark.parametrize("swept", [True, False])
def test_session_goes_on_with_another_license_when_its_own_ends(desk: SeatDesk, session: Session, swept: bool) -> None:
    first = desk.seat("bob", "u1")
    session.execute(update(License).where(License.id == first.license_id).values(ends_at=desk.now))
    session.commit()
    desk.later = 1
    if swept:
        sweeping.sweep_due(session, desk.now + LEASE)
    moved = desk.seat("bob", "u1", seq=1)
    assert (moved.lease_id, moved.is_new) == (first.lease_id, False)
    assert moved.license_id != first.license_id


def test_session_ends_with_its_license_when_there_is_no_other(desk: SeatDesk, session: Session) -> None:
    first = desk.seat("bob", "u1", "draft")
    session.execute(update(License).where(License.id == first.license_id).values(ends_at=desk.now))
    session.commit()
    assert desk.denied("bob", "u1", "draft", queue=True).facts["reason"] == "line_expired"
    assert session.scalar(select(func.count()).select_from(Ticket)) == 0


def test_whose_session_was_ended_gets_no_second_copy_meanwhile(desk: SeatDesk, session: Session) -> None:
    desk.seat("bob", "u1", "draft")
    session.execute(update(Lease).values(ending_at=desk.now + timedelta(seconds=10), ending_reason=BY_ADMIN))
    session.commit()
    for later, left in ((5, 300), (11, 300), (300, 11)):
        desk.later = later
        denied = desk.denied("bob", f"u{later}", "draft")
        assert (denied.code, denied.facts["retry_after_s"]) == ("cooling_down", left)
    desk.later = 320
    desk.seat("bob", "u9", "draft")


def test_station_whose_session_was_ended_lets_others_have_the_seat_first(desk: SeatDesk) -> None:
    desk.station("lab", "render")
    first = desk.seat("lab", "u1", device="a")
    desk.end("u1", BY_ADMIN)
    assert desk.seat("lab", "u2", device="a").license_id != first.license_id
    assert desk.seat("lab", "u3", device="b").license_id == first.license_id


def test_heir_of_a_seat_is_reserved_or_open_as_the_seat_is(desk: SeatDesk, kestrel: Kestrel) -> None:
    desk.seat("carol", "u1")
    session = kestrel.session
    session.execute(update(Lease).values(ending_at=desk.now + LEASE, ending_reason=WITHDRAWN, is_reserved=False))
    session.execute(update(License).values(reserved_in_use=0))
    session.commit()
    desk.seat("carol", "u2")
    desk.give_back("carol", "u1")
    assert desk.lease("u2").takes_seat


# ── the queue ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_second_copy_that_waited_shares_the_seat_and_its_own_goes_to_the_next(desk: SeatDesk) -> None:
    desk.fill(POOL)
    for uuid in ("a1", "a2"):
        assert isinstance(desk.ask("alice", uuid, queue=True), Queued)
    for number in (0, 1):
        desk.give_back("bob", f"fill-{number}", device=f"d{number}")
    desk.seat("alice", "a1", queue=True)
    desk.seat("alice", "a2", queue=True)
    assert not desk.lease("a2").takes_seat
    desk.seat("bob", "next", device="next")


def test_nothing_is_held_for_whom_an_administrator_has_just_ended(desk: SeatDesk, session: Session) -> None:
    first = desk.seat("bob", "ended")
    desk.fill(POOL - 1)
    assert isinstance(desk.ask("bob", "waits", queue=True, device="other"), Queued)
    assert isinstance(desk.ask("alice", "a", queue=True), Queued)
    desk.end("ended", BY_ADMIN)
    sweeping.sweep_due(session, desk.now)
    assert desk.seat("alice", "a", queue=True).license_id == first.license_id


def test_nothing_is_held_for_who_lost_his_right_while_he_waited(desk: SeatDesk, session: Session) -> None:
    desk.fill(POOL)
    assert isinstance(desk.ask("alice", "a", queue=True), Queued)
    desk.station("lab", "render")
    assert isinstance(desk.ask("lab", "s", queue=True, device="a"), Queued)
    session.execute(update(Member).where(Member.account_id == desk.cast.alice.account_id)
                    .values(role="member", disabled_at=desk.now))  # fmt: skip
    session.commit()
    desk.give_back("bob", "fill-0", device="d0")
    desk.seat("lab", "s", queue=True, device="a")


def test_held_seat_is_taken_by_whoever_it_is_held_for_however_he_asks(desk: SeatDesk) -> None:
    desk.fill(POOL)
    assert isinstance(desk.ask("alice", "a", queue=True), Queued)
    desk.give_back("bob", "fill-0", device="d0")
    assert desk.denied("bob", "other", device="x").code == "no_seat_available"
    desk.seat("alice", "a")


def test_who_stops_waiting_keeps_no_seat_held(desk: SeatDesk, session: Session) -> None:
    desk.fill(POOL)
    desk.ask("alice", "a", queue=True)
    assert desk.denied("alice", "a").code == "no_seat_available"
    assert session.scalar(select(func.count()).select_from(Ticket)) == 0


def test_place_in_the_queue_is_given_back_as_often_as_one_likes(desk: SeatDesk) -> None:
    desk.fill(POOL)
    desk.ask("alice", "a", queue=True)
    for _number in range(3):
        desk.give_back("alice", "a")


def test_second_device_of_a_reserved_person_may_wait_for_an_open_seat(desk: SeatDesk) -> None:
    desk.seat("carol", "mine", device="one")
    desk.fill(POOL)
    assert desk.denied("carol", "second", device="two").code == "no_seat_available"
    assert isinstance(desk.ask("carol", "second", device="two", queue=True), Queued)


def test_who_has_a_reservation_takes_it_before_an_open_seat_that_is_held(desk: SeatDesk, session: Session) -> None:
    cloud = desk.cast.license["cloud"]
    desk.fill(POOL)
    session.execute(update(License).where(License.id == cloud).values(in_use=License.seats))  # somebody else's
    session.commit()
    assert isinstance(desk.ask("carol", "c", queue=True), Queued)
    session.execute(update(License).where(License.id == cloud).values(in_use=License.seats - 1))
    session.commit()
    desk.give_back("bob", "fill-0", device="d0")
    assert desk.seat("carol", "c", queue=True).kind == "reserved"
    assert session.scalars(select(Denial.served_at)).one() is not None
