"""Seats as programs ask for them: taken once, kept, given back, waited for; on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import meta
from core.denials import Denied
from core.grants import TokenFamily
from core.leases import LEASE, Denial, Lease, Ticket, UsageDay
from core.seats import giving, sweeping, taking
from core.seats.asking import Asking, Caller
from core.seats.request import Queued, Seat
from models import License
from tests.cast import Cast
from tests.kestrel import Kestrel
from tests.statements import counted, engine_of

Ask = Callable[..., Seat | Queued]
CallerOf = Callable[..., Caller]


@pytest.fixture
def caller(session: Session, cast: Cast) -> CallerOf:
    """`caller("bob", "desk")`: bob's program on a device, signed in for his organization."""
    families: dict[str, int] = {}

    def family(name: str, device: str) -> int:
        if (found := families.get(f"{name} {device}")) is None:
            row = TokenFamily(
                account_id=cast.player(name).account_id, organization_id=cast.organization_id, client_name="x",
                made_at=cast.now,
            )  # fmt: skip
            session.add(row)
            session.commit()
            found = families[f"{name} {device}"] = row.id
        return found

    def caller(name: str, device: str = "") -> Caller:
        known = family(name, device or f"{name}'s")
        return Caller(cast.organization_id, known, cast.player(name).account_id)

    return caller


@pytest.fixture
def ask(session: Session, cast: Cast, caller: CallerOf) -> Ask:
    """`ask("bob", "u1", "render")`: bob's program asks for a seat, from a device of his own."""

    def ask(
        name: str, uuid: str, product: str = "render", device: str = "", later: int = 0, **more: Any
    ) -> Seat | Queued:
        asking = Asking(uuid, product, device or f"{name}'s", **more)
        return taking.ask(session, caller(name, device), asking, cast.now + timedelta(seconds=later))

    return ask


@pytest.fixture
def give_back(session: Session, cast: Cast, caller: CallerOf) -> Callable[..., None]:
    """`give_back("bob", "u1")`: bob's program gives its seat back."""

    def give_back(name: str, uuid: str, device: str = "", later: int = 0) -> None:
        giving.give_back(session, caller(name, device), uuid, cast.now + timedelta(seconds=later))

    return give_back


@pytest.fixture(autouse=True)
def books_are_right(session: Session) -> Iterator[None]:
    """Afterwards the stored counts are what leases and offers say."""
    yield
    session.rollback()
    for license in session.scalars(select(License).execution_options(populate_existing=True)):
        live = select(Lease).where(Lease.license_id == license.id, *Lease.LIVE, Lease.takes_seat).subquery()
        leases = session.scalar(select(func.count()).select_from(live)) or 0
        offers = session.scalar(select(func.count()).select_from(Ticket).where(Ticket.license_id == license.id)) or 0
        assert license.in_use == leases + offers, license.id
        assert license.reserved_in_use == session.scalar(
            select(func.count()).select_from(live).where(live.c.is_reserved)
        )


def denied(ask: Callable[..., object], *args: object, **more: object) -> Denied:
    with pytest.raises(Denied) as caught:
        ask(*args, **more)
    return caught.value


def test_floating_seat_is_taken_renewed_and_counted(ask: Ask, session: Session, cast: Cast) -> None:
    first, again = ask("bob", "u1"), ask("bob", "u1", later=200, seq=1)
    assert isinstance(first, Seat)
    assert isinstance(again, Seat)
    assert (first.is_new, again.is_new, first.lease_id) == (True, False, again.lease_id)
    assert again.expires_at == cast.now + timedelta(seconds=200) + LEASE
    day = session.scalars(select(UsageDay)).one()
    assert (day.peak, day.check_outs) == (1, 1)


def test_pool_is_never_oversold(ask: Ask, session: Session, cast: Cast) -> None:
    for number in range(5):
        ask("bob", f"u{number}", device=f"d{number}")
    refused = denied(ask, "alice", "u9")
    assert refused.code == "no_seat_available"
    assert session.scalars(select(Denial.code)).all() == ["no_seat_available"]


def test_dead_lease_frees_its_seat_when_somebody_asks(ask: Ask) -> None:
    for number in range(5):
        ask("bob", f"u{number}", device=f"d{number}")
    assert isinstance(ask("alice", "u9", later=601), Seat)


def test_named_seat_serves_one_device(ask: Ask) -> None:
    ask("bob", "u1", "draft", device="home")
    assert denied(ask, "bob", "u2", "draft", device="office").code == "device_limit"
    assert isinstance(ask("bob", "u3", "draft", device="home"), Seat)


def test_who_has_no_permission_gets_no_named_seat(ask: Ask) -> None:
    assert denied(ask, "alice", "u1", "hub").code == "no_permission"
    assert denied(ask, "alice", "u1", "nothing").code == "unknown_product"


def test_second_copy_keeps_the_seat_when_the_first_ends(
    ask: Ask, give_back: Callable[..., None], session: Session
) -> None:
    first = ask("bob", "u1")
    ask("bob", "u2")
    assert isinstance(first, Seat)
    give_back("bob", "u1")
    assert session.get_one(License, first.license_id, populate_existing=True).in_use == 1
    give_back("bob", "u2")
    assert session.get_one(License, first.license_id, populate_existing=True).in_use == 0


def test_giving_back_twice_changes_nothing_and_frees_once(
    ask: Ask, give_back: Callable[..., None], session: Session
) -> None:
    ask("bob", "u1", device="a")
    ask("bob", "u2", device="b")
    for _ in range(3):
        give_back("bob", "u1", device="a")
    assert session.scalars(select(License.in_use).where(License.in_use > 0)).all() == [1]
    assert denied(give_back, "alice", "u2").code == "unknown_lease"
    assert denied(give_back, "bob", "nothing").code == "unknown_lease"


def test_queue_serves_who_came_first(ask: Ask, give_back: Callable[..., None], session: Session) -> None:
    for number in range(5):
        ask("bob", f"u{number}", device=f"d{number}")
    assert ask("alice", "a", queue=True) == Queued(1)
    assert ask("bob", "b", device="late", queue=True) == Queued(2)
    give_back("bob", "u0", device="d0")
    assert ask("bob", "b", device="late", queue=True) == Queued(2)
    assert isinstance(ask("alice", "a", queue=True), Seat)
    assert session.scalars(select(Denial).where(Denial.served_at.is_not(None))).one().uuid == "a"


def test_who_is_first_in_the_queue_is_served_at_his_own_poll(ask: Ask, session: Session) -> None:
    for number in range(5):
        ask("bob", f"u{number}", device=f"d{number}")
    ask("alice", "a", queue=True, later=560)
    ask("bob", "b", device="late", queue=True, later=570)
    assert isinstance(ask("alice", "a", queue=True, later=605), Seat)
    assert session.scalars(select(Ticket.uuid)).all() == ["b"]


def test_offer_that_nobody_takes_goes_to_the_next(ask: Ask, give_back: Callable[..., None], session: Session) -> None:
    for number in range(5):
        ask("bob", f"u{number}", device=f"d{number}")
    ask("alice", "a", queue=True)
    ask("bob", "b", device="late", queue=True)
    give_back("bob", "u0", device="d0")
    assert isinstance(ask("bob", "b", device="late", queue=True, later=61), Seat)
    assert ask("alice", "a", queue=True, later=62) == Queued(1)


def test_what_is_over_ends_by_itself(ask: Ask, session: Session, cast: Cast) -> None:
    ask("bob", "u1")
    assert sweeping.sweep_due(session, cast.now + LEASE) == 1
    assert session.scalars(select(Lease.ended_reason)).all() == ["expired"]


def test_time_without_a_living_process_ends_no_lease(ask: Ask, session: Session, cast: Cast) -> None:
    meta.begin(session, cast.now)
    ask("bob", "u1")
    assert sweeping.forgive(session, cast.now) == timedelta()
    back = cast.now + timedelta(minutes=15)
    assert sweeping.forgive(session, back) == timedelta(minutes=15)
    assert sweeping.sweep_due(session, back) == 0
    renewed = ask("bob", "u1", later=901, seq=1)
    assert isinstance(renewed, Seat)
    assert not renewed.is_new


def test_expired_lease_is_revived_in_its_row(ask: Ask, session: Session) -> None:
    first, back = ask("bob", "u1"), None
    assert ask("alice", "u2", later=700)
    back = ask("bob", "u1", later=701, seq=4)
    assert isinstance(first, Seat)
    assert isinstance(back, Seat)
    assert (back.lease_id, back.is_new) == (first.lease_id, False)


@pytest.mark.parametrize("step", ["taking", "renewing", "giving back"])
def test_four_statements_are_enough(
    ask: Ask, give_back: Callable[..., None], session: Session, bare_app: Flask, step: str
) -> None:
    ask("bob", "u0")  # the device is known from here on
    give_back("bob", "u0")
    ask("bob", "u1")
    with counted(engine_of(bare_app)) as statements:
        if step == "taking":
            ask("bob", "u2", "draft")
        elif step == "renewing":
            ask("bob", "u1", seq=1)
        else:
            give_back("bob", "u1")
    assert len(statements) <= 4, statements


def test_disabled_member_is_told_at_the_next_renewal(ask: Ask, kestrel: Kestrel, session: Session, cast: Cast) -> None:
    ask("bob", "u1")
    kestrel.member("bob").disable(kestrel.by("alice"), kestrel.member("alice"), cast.now)
    session.commit()
    assert denied(ask, "bob", "u1", later=100, seq=1).code == "membership_disabled"
    refused = denied(ask, "bob", "u1", later=1001, seq=2)
    assert (refused.code, refused.facts["reason"]) == ("lease_ended", "membership_disabled")
    assert denied(ask, "bob", "u2").code == "membership_disabled"
