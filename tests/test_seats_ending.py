"""Sessions that an administrator ends, borrowed seats that are written off, and devices that go; on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import alive
from core.activity import Activity
from core.errors import BadInput, Missing, RuleBroken
from core.grants import TokenFamily
from core.leases import BY_ADMIN, COOL_DOWN, DEVICE_REMOVED, EXPIRED, WRITTEN_OFF, Device, Lease, Ticket
from core.meta import ALIVE_EVERY
from core.seats import devices, ending, sweeping
from core.seats.request import Queued, Seat
from models import Organization
from tests.cast import Cast
from tests.seat_desk import SeatDesk, wrong_books

POOL = 5  # open seats of the floating product: 6, of which one is reserved for carol


@pytest.fixture
def desk(session: Session, cast: Cast) -> Iterator[SeatDesk]:
    """Programs that ask; afterwards the books are right."""
    yield SeatDesk(session, cast)
    assert wrong_books(session) == []


def end(desk: SeatDesk, uuid: str, seconds: int = 900, message: str = "") -> Lease:
    """An administrator ends a session."""
    lease_id, cast = desk.lease(uuid).id, desk.cast
    Organization.locked(desk.session, cast.organization_id)
    ended = ending.end_session(
        desk.session, cast.organization_id, lease_id, cast.alice.actor, message, seconds, desk.now
    )
    desk.session.commit()
    return ended


def lend(desk: SeatDesk, uuid: str) -> Lease:
    """The seat of a launch is borrowed for two days."""
    lease = desk.lease(uuid)
    lease.borrowed_until = lease.expires_at = desk.now + timedelta(days=2)
    desk.session.commit()
    return lease


def write_off(desk: SeatDesk, uuid: str) -> Lease:
    lease_id, cast = desk.lease(uuid).id, desk.cast
    lost = ending.write_off(desk.session, cast.organization_id, lease_id, cast.alice.actor, desk.now)
    desk.session.commit()
    return lost


def acts(desk: SeatDesk, action: str) -> list[Activity]:
    return list(desk.session.scalars(select(Activity).where(Activity.action == action)))


# ── end session ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_program_is_told_to_save_and_then_that_it_was_ended(desk: SeatDesk) -> None:
    desk.seat("bob", "u1")
    end(desk, "u1", 900, "For the tender")
    desk.later = 200
    told = desk.seat("bob", "u1", seq=1)
    assert (told.ending_at, told.message) == (desk.cast.now + timedelta(seconds=900), "For the tender")
    desk.later = 900
    refused = desk.denied("bob", "u1", seq=2)
    assert (refused.code, refused.facts["reason"]) == ("lease_ended", BY_ADMIN)
    assert desk.license("network").in_use + desk.license("cloud").in_use == 0


def test_end_is_recorded_with_the_change(desk: SeatDesk) -> None:
    desk.seat("bob", "u1")
    lease = end(desk, "u1", 60, "For the tender")
    entry = acts(desk, "lease.end")[0]
    assert (entry.target_id, entry.actor_id) == (lease.id, desk.cast.alice.account_id)
    assert entry.after == {"seconds": 60, "message": "For the tender"}


def test_end_at_once_gives_the_seat_to_who_waits(desk: SeatDesk) -> None:
    desk.fill(POOL)
    assert isinstance(desk.ask("alice", "u9", queue=True), Queued)
    assert end(desk, "fill-0", 0).ended_reason == BY_ADMIN
    assert desk.session.scalars(select(Ticket.license_id)).one() is not None  # held before he asks again
    assert isinstance(desk.ask("alice", "u9", queue=True), Seat)


@pytest.mark.parametrize("how", ["given back", "silent", "window over", "at once"])
def test_who_was_ended_waits_before_he_may_take_that_license_again(desk: SeatDesk, how: str) -> None:
    desk.seat("bob", "u1", "draft")
    end(desk, "u1", 0 if how == "at once" else 900)
    if how == "given back":
        desk.give_back("bob", "u1")
    if how in ("silent", "window over"):
        desk.later = 600 if how == "silent" else 900
        sweeping.sweep_due(desk.session, desk.now)
        assert desk.lease("u1").ended_reason == BY_ADMIN
    assert desk.denied("bob", "u2", "draft").code == "cooling_down"
    desk.later += COOL_DOWN.total_seconds()
    assert isinstance(desk.ask("bob", "u3", "draft"), Seat)


def test_second_copy_does_not_outlive_the_end_of_the_first(desk: SeatDesk) -> None:
    desk.seat("bob", "u1", "draft")
    end(desk, "u1")
    assert desk.denied("bob", "u2", "draft").code == "cooling_down"


def test_what_is_ending_may_end_sooner_and_never_later(desk: SeatDesk) -> None:
    desk.seat("bob", "u1")
    assert end(desk, "u1", 300).ending_at == desk.now + timedelta(seconds=300)
    assert end(desk, "u1", 900).ending_at == desk.now + timedelta(seconds=300)
    assert end(desk, "u1", 60).ending_at == desk.now + timedelta(seconds=60)


def test_what_has_ended_stays_as_it_ended(desk: SeatDesk) -> None:
    desk.seat("bob", "u1")
    desk.later = 601
    sweeping.sweep_due(desk.session, desk.now)
    assert end(desk, "u1", 0).ended_reason == EXPIRED
    assert acts(desk, "lease.end") == []


@pytest.mark.parametrize(("seconds", "message"), [(-1, ""), (86_401, ""), (0, "x" * 501)])
def test_end_with_nonsense_is_refused(desk: SeatDesk, seconds: int, message: str) -> None:
    desk.seat("bob", "u1")
    with pytest.raises(BadInput):
        end(desk, "u1", seconds, message)
    desk.session.rollback()


def test_session_of_another_organization_does_not_exist(desk: SeatDesk) -> None:
    lease_id, cast = desk.seat("bob", "u1").lease_id, desk.cast
    with pytest.raises(Missing):
        ending.end_session(desk.session, cast.other_id, lease_id, cast.mallory.actor, "", 0, desk.now)
    with pytest.raises(Missing):
        ending.write_off(desk.session, cast.other_id, lease_id, cast.mallory.actor, desk.now)
    desk.session.rollback()


# ── write off ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_borrowed_seat_cannot_be_ended_but_written_off(desk: SeatDesk) -> None:
    desk.seat("bob", "u1")
    lend(desk, "u1")
    with pytest.raises(RuleBroken, match="cannot be called back"):
        end(desk, "u1", 0)
    desk.session.rollback()
    assert write_off(desk, "u1").ended_reason == WRITTEN_OFF
    assert write_off(desk, "u1").ended_reason == WRITTEN_OFF
    assert len(acts(desk, "lease.write_off")) == 1


def test_seat_that_is_not_borrowed_is_not_written_off(desk: SeatDesk) -> None:
    desk.seat("bob", "u1")
    with pytest.raises(RuleBroken, match="not borrowed"):
        write_off(desk, "u1")
    desk.session.rollback()


# ── devices ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def device_of(desk: SeatDesk, uuid: str) -> Device:
    return devices.found(desk.session, desk.cast.bob.account_id, desk.lease(uuid).device_id)


def sign_ins(desk: SeatDesk) -> int:
    standing = select(TokenFamily.id).where(TokenFamily.device_id.is_not(None), TokenFamily.revoked_at.is_(None))
    return len(desk.session.scalars(standing).all())


def test_removed_device_is_signed_out_and_its_seat_free(desk: SeatDesk) -> None:
    desk.seat("bob", "u1")
    assert devices.remove(desk.session, device_of(desk, "u1"), desk.cast.bob.actor, desk.now) == 1
    desk.session.commit()
    assert desk.lease("u1").ended_reason == DEVICE_REMOVED
    assert desk.denied("bob", "u2").code == "token_invalid"
    assert len(acts(desk, "device.remove")) == 1


def test_device_with_a_borrowed_seat_stays_unless_it_was_somebody_else(desk: SeatDesk) -> None:
    desk.seat("bob", "u1")
    lend(desk, "u1")
    with pytest.raises(RuleBroken, match="borrowed"):
        devices.remove(desk.session, device_of(desk, "u1"), desk.cast.bob.actor, desk.now)
    desk.session.rollback()
    assert devices.disown(desk.session, device_of(desk, "u1"), desk.cast.bob.actor, desk.now) == 1
    desk.session.commit()
    assert (desk.lease("u1").ended_reason, sign_ins(desk)) == (DEVICE_REMOVED, 0)


def test_unbound_device_forgets_its_key_and_its_sign_ins(desk: SeatDesk) -> None:
    desk.seat("bob", "u1", public_key="11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
    device = device_of(desk, "u1")
    assert device.public_key
    devices.unbind(desk.session, device, desk.cast.bob.actor, desk.now)
    desk.session.commit()
    assert (device_of(desk, "u1").public_key, sign_ins(desk), desk.lease("u1").ended_at) == (None, 0, None)
    assert desk.denied("bob", "u1", seq=1).code == "token_invalid"


def test_removed_device_leaves_the_queue_and_lets_go_of_what_is_held_for_it(desk: SeatDesk) -> None:
    desk.fill(POOL, "alice")
    desk.ask("bob", "u9", queue=True)
    desk.ask("alice", "u8", device="late", queue=True)
    desk.give_back("alice", "fill-0", "d0")  # held for bob now
    bobs = desk.session.scalars(select(Device).where(Device.client_id == "bob's")).one()
    devices.remove(desk.session, bobs, desk.cast.bob.actor, desk.now)
    desk.session.commit()
    assert isinstance(desk.ask("alice", "u8", device="late", queue=True), Seat)


# ── signs of life ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_silence_is_forgiven_once(desk: SeatDesk) -> None:
    desk.seat("bob", "u1")
    sweeping.forgive(desk.session, desk.now)
    until = desk.lease("u1").expires_at
    desk.later = 900
    assert sweeping.forgive(desk.session, desk.now) == timedelta(seconds=900)
    assert sweeping.forgive(desk.session, desk.now) == timedelta()
    assert desk.lease("u1").expires_at == until + timedelta(seconds=900)


def test_sign_of_life_is_newer_than_what_counts_as_silence() -> None:
    assert alive.ENOUGH + ALIVE_EVERY < sweeping.AWAY
