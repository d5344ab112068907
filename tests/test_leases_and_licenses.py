"""What becomes of sessions and the queue when a permission is taken back, or a license changes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.leases import SAVE_WINDOW, Lease, Ticket
from core.seats import sweeping
from core.seats.request import Queued
from models import License
from tests.cast import Cast
from tests.endings import LONG, POOL, borrow, deed, end_of, tick, untick, vendor, window
from tests.kestrel import Kestrel
from tests.seat_desk import SeatDesk, wrong_books

# ── a permission ends ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def desk(session: Session, cast: Cast) -> Iterator[SeatDesk]:
    """Programs that ask; afterwards the books are right."""
    yield SeatDesk(session, cast)
    assert wrong_books(session) == []


def test_unticked_person_has_time_to_save_while_the_seat_is_given_on(desk: SeatDesk, kestrel: Kestrel) -> None:
    """X18: the tick is free at once, the running program is not cut off."""
    desk.license("annual").seats = 1
    desk.seat("bob", "u1", "draft")
    untick(desk, kestrel, "annual", "bob")
    tick(desk, kestrel, "annual", "carol")
    assert window(desk, "u1") == ("permission_withdrawn", LONG)
    assert not desk.seat("bob", "u1", "draft", seq=1).is_new
    assert desk.denied("carol", "u2", "draft").code == "no_seat_available"
    desk.later = LONG
    refused = desk.denied("bob", "u1", "draft", seq=2)
    assert (refused.code, refused.facts["reason"]) == ("lease_ended", "permission_withdrawn")
    assert desk.seat("carol", "u2", "draft").kind == "named"


def test_only_the_seat_that_was_given_is_taken_back(desk: SeatDesk, kestrel: Kestrel) -> None:
    desk.seat("carol", "u1")
    desk.seat("carol", "u2", device="second")  # a reservation serves one device; this one draws
    untick(desk, kestrel, "cloud", "carol")
    assert window(desk, "u1") == ("permission_withdrawn", LONG)
    assert desk.lease("u2").ending_at is None
    assert desk.seat("carol", "u3", device="third").kind == "floating"


def test_seat_of_a_reservation_that_ended_is_kept_for_the_next(desk: SeatDesk, kestrel: Kestrel) -> None:
    """Who may still save counts as one of those who drew, or an open draw would take what is kept for another."""
    desk.license("cloud").seats, desk.license("network").seats = 2, 0
    desk.seat("carol", "u1")
    untick(desk, kestrel, "cloud", "carol")
    tick(desk, kestrel, "cloud", "bob")
    assert desk.denied("alice", "u2").code == "no_seat_available"
    assert desk.seat("bob", "u3").kind == "reserved"


@pytest.mark.parametrize("what", ["disable", "remove", "leave"])
def test_reservation_goes_with_the_membership(desk: SeatDesk, what: str) -> None:
    desk.license("cloud").seats, desk.license("network").seats = 2, 0
    desk.seat("carol", "u1")
    borrow(desk, "u1")
    desk.seat("carol", "u2")
    deed(what, "carol", desk.cast)(desk.session)
    desk.session.commit()
    assert desk.license("cloud").reserved_in_use == 0
    assert desk.seat("alice", "u3").kind == "floating"


def test_copies_and_heirs_of_a_withdrawn_seat_end_with_it(desk: SeatDesk, kestrel: Kestrel) -> None:
    for uuid in ("u1", "u2"):
        desk.seat("carol", uuid)
    untick(desk, kestrel, "cloud", "carol")
    assert [window(desk, uuid)[0] for uuid in ("u1", "u2")] == ["permission_withdrawn"] * 2
    desk.give_back("carol", "u1")
    assert desk.license("cloud").in_use == 1


def test_move_ends_what_runs_on_the_license_that_was_left(desk: SeatDesk, kestrel: Kestrel) -> None:
    desk.seat("bob", "u1", "draft")
    kestrel.organization.license(desk.cast.license["perpetual"]).move(kestrel.bob, kestrel.by("alice"), desk.now)
    desk.session.commit()
    assert window(desk, "u1") == ("permission_withdrawn", LONG)
    assert desk.seat("bob", "u2", "draft").license_id == desk.cast.license["perpetual"]


def test_named_seat_is_used_and_the_pool_is_not(desk: SeatDesk, kestrel: Kestrel) -> None:
    """X19, X20: who has a seat of his own draws from no pool, and it serves one device."""
    key = kestrel.new_key("annual", 2, "render")
    key.redeem(kestrel.organization, kestrel.by("alice"), desk.now, kestrel.today)
    key.licenses[0].give(kestrel.bob, kestrel.by("alice"), desk.now)
    desk.session.commit()
    assert desk.seat("bob", "u1", device="desk").kind == "named"
    assert desk.seat("bob", "u2", device="desk").license_id == key.licenses[0].id
    refused = desk.denied("bob", "u3", device="laptop")
    assert (refused.code, refused.facts["device"]) == ("device_limit", "desk")
    assert desk.session.get_one(License, key.licenses[0].id, populate_existing=True).in_use == 1


# ── a license ends ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_withdrawn_key_ends_what_runs_after_the_window(desk: SeatDesk) -> None:
    """X13."""
    desk.seat("bob", "u1", "draft")
    vendor(desk, "revoke")
    assert window(desk, "u1") == ("key_revoked", LONG)
    assert not desk.seat("bob", "u1", "draft", seq=1).is_new
    assert desk.denied("bob", "u2", "draft", device="other").code != "no_seat_available"
    desk.later = LONG
    assert desk.denied("bob", "u1", "draft", seq=2).facts["reason"] == "key_revoked"


def test_reinstated_key_lets_what_still_runs_go_on(desk: SeatDesk) -> None:
    desk.seat("bob", "u1", "draft")
    vendor(desk, "revoke")
    desk.later = 60
    vendor(desk, "reinstate")
    assert desk.lease("u1").ending_at is None
    assert desk.seat("bob", "u1", "draft", seq=1).ending_at is None


def test_reinstated_key_brings_nothing_back_that_ended(desk: SeatDesk) -> None:
    desk.seat("bob", "u1", "draft")
    vendor(desk, "revoke")
    desk.later = LONG
    vendor(desk, "reinstate")
    assert desk.denied("bob", "u1", "draft", seq=1).facts["reason"] == "key_revoked"
    assert desk.seat("bob", "u2", "draft").is_new


def test_who_waits_for_a_withdrawn_license_keeps_his_place(desk: SeatDesk) -> None:
    desk.fill(POOL, "alice")
    desk.ask("bob", "u1", queue=True)
    desk.give_back("alice", "fill-0", "d0")
    vendor(desk, "revoke", "cloud")
    (ticket,) = desk.session.scalars(select(Ticket))
    assert (ticket.uuid, ticket.license_id, ticket.offered_until) == ("u1", None, None)


def test_released_key_frees_its_seats_for_the_next_owner(desk: SeatDesk) -> None:
    desk.seat("bob", "u1", "draft")
    borrow(desk, "u1")
    vendor(desk, "release")
    assert window(desk, "u1") == ("key_revoked", LONG)
    assert sweeping.sweep_due(desk.session, desk.now + SAVE_WINDOW) == 1
    assert desk.license("annual").in_use == 0


def end_after(desk: SeatDesk, license: str, days: int) -> None:
    """Have the vendor move a license's end to so many days from now."""
    end: date = desk.now.date() + timedelta(days=days)
    vendor(desk, "extend", license, position=desk.license(license).position, end=end)


def test_no_session_outlives_a_license_whose_end_was_moved_up(desk: SeatDesk) -> None:
    """X14."""
    desk.license("annual").start_on = desk.now.date() - timedelta(days=9)
    desk.session.commit()
    desk.seat("bob", "u1", "draft")
    borrow(desk, "u1")
    end_after(desk, "annual", -1)
    lease = desk.lease("u1")
    assert lease.expires_at == lease.borrowed_until == desk.license("annual").ends_at
    assert sweeping.sweep_due(desk.session, desk.now) == 1
    assert desk.lease("u1").ended_reason == "line_expired"


def test_license_whose_end_comes_near_lets_time_to_save_and_an_extension_takes_it_back(desk: SeatDesk) -> None:
    midnight = desk.cast.now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    desk.later = (midnight - desk.cast.now).total_seconds() - 600
    desk.seat("bob", "u1", "draft")
    vendor(desk, "extend", end=desk.now.date())
    assert desk.lease("u1").ending_reason == "line_expired"
    assert desk.lease("u1").ending_at == midnight
    vendor(desk, "extend", end=desk.now.date() + timedelta(days=9))
    assert desk.lease("u1").ending_at is None


def test_new_time_zone_moves_the_end_of_what_runs(desk: SeatDesk, kestrel: Kestrel) -> None:
    desk.seat("bob", "u1", "draft")
    day = desk.license("annual").end_on
    assert day is not None
    desk.license("annual").end_on = desk.now.date()
    desk.session.flush()
    profile = {"name": "Kestrel Works", "zone": "Pacific/Kiritimati"}  # where this day ended already, or soon will
    kestrel.organization.edit(profile, kestrel.by("alice"), desk.now)
    desk.session.commit()
    assert desk.lease("u1").expires_at <= (desk.license("annual").ends_at or desk.now)


def test_session_of_an_ended_license_goes_on_with_another_ones_seat(desk: SeatDesk) -> None:
    seat = desk.seat("bob", "u1")
    names = {desk.cast.license[name]: name for name in ("cloud", "network")}
    end_of(desk, names.pop(seat.license_id), 300)
    desk.later = 301
    assert desk.seat("bob", "u1", seq=1).license_id in names


def test_fewer_seats_end_nothing_and_give_nothing_new(desk: SeatDesk) -> None:
    """X15: nobody is picked; a seat that was held for somebody goes back, or it would be one too many."""
    desk.fill(POOL, "alice")
    desk.ask("bob", "u1", queue=True)
    desk.give_back("alice", "fill-0", "d0")
    (license_id,) = desk.session.scalars(select(Ticket.license_id))
    name = next(name for name in ("cloud", "network") if desk.cast.license[name] == license_id)
    running = desk.license(name).in_use - 1
    vendor(desk, "extend", name, position=desk.license(name).position, seats=running)
    assert desk.license(name).in_use == running
    assert desk.ask("bob", "u1", queue=True) == Queued(1)
    assert desk.session.scalars(select(Lease.ending_at).where(Lease.ending_at.is_not(None))).all() == []
