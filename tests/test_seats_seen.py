"""When a device was last seen: whatever its programs do is a sign of life, and a renewal costs no write for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.leases import Device
from core.seats import devices
from core.seats.beginning import SEEN_EVERY
from tests.cast import Cast
from tests.seat_desk import SeatDesk
from tests.statements import counted

HOUR = SEEN_EVERY.total_seconds()


@pytest.fixture
def desk(session: Session, cast: Cast) -> SeatDesk:
    """The cast's programs, without the wire."""
    return SeatDesk(session, cast)


def seen(desk: SeatDesk) -> dict[str, float]:
    """When bob's devices were seen, in seconds, the last one first."""
    desk.session.rollback()
    found = devices.mine(desk.session, desk.cast.bob.account_id)
    return {row.name: (row.seen_at - desk.cast.now).total_seconds() for row in found}


def noted(desk: SeatDesk) -> float:
    """What is stored of bob's first device."""
    desk.session.rollback()
    at = desk.session.scalars(select(Device.seen_at).where(Device.client_id == "a")).one()
    return (at - desk.cast.now).total_seconds()


def full(desk: SeatDesk) -> SeatDesk:
    for name in ("cloud", "network"):
        desk.license(name).seats = 0
    desk.session.commit()
    return desk


DEEDS: dict[str, Callable[[SeatDesk], object]] = {
    "renews": lambda desk: desk.seat("bob", "old", device="a", seq=1),
    "starts again": lambda desk: desk.seat("bob", "new", device="a"),
    "gives back": lambda desk: desk.give_back("bob", "old", device="a"),
    "is refused": lambda desk: full(desk).denied("bob", "new", "hub", device="a"),
    "waits": lambda desk: full(desk).ask("bob", "waits", device="a", queue=True),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_whatever_a_program_does_is_a_sign_of_life(desk: SeatDesk, deed: str) -> None:
    desk.seat("bob", "old", device="a")
    desk.later = 1
    desk.seat("bob", "other", device="b")
    assert seen(desk) == {"b": 1, "a": 0}
    desk.later = 300
    DEEDS[deed](desk)
    assert seen(desk) == {"a": 300, "b": 1}


def test_older_of_two_programs_is_heard_while_it_runs(desk: SeatDesk) -> None:
    desk.seat("bob", "old", device="a")
    desk.seat("bob", "new", device="a")
    desk.give_back("bob", "new", device="a")
    desk.later = 300
    desk.seat("bob", "old", device="a", seq=1)
    assert (seen(desk), noted(desk)) == ({"a": 300}, 0)


def test_what_it_said_last_is_known_to_the_hour_once_it_has_ended(desk: SeatDesk) -> None:
    desk.seat("bob", "old", device="a")
    desk.seat("bob", "new", device="a")
    desk.give_back("bob", "new", device="a")
    for number in range(1, 9):
        desk.later = 500 * number
        desk.seat("bob", "old", device="a", seq=number)
    desk.give_back("bob", "old", device="a")
    assert noted(desk) == seen(desk)["a"] >= HOUR


def test_renewal_writes_the_device_once_an_hour(desk: SeatDesk) -> None:
    desk.seat("bob", "old", device="a")
    taken = {}
    for number in range(1, 17):
        desk.later = 500 * number
        with counted(desk.session.connection().engine) as statements:
            desk.seat("bob", "old", device="a", seq=number)
        taken[desk.later] = len([each for each in statements if "UPDATE device" in each])
        assert len(statements) <= 3, statements
    assert [at for at, writes in taken.items() if writes] == [4000, 8000]
