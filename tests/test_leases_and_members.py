"""What becomes of sessions, the queue, requests and programs' sign-ins when somebody's participation ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.activity import COMMAND
from core.errors import RuleBroken
from core.grants import TokenFamily
from core.leases import LEASE, SAVE_WINDOW, AccessRequest, Ticket
from core.seats import sweeping
from core.seats.request import Queued
from tests.cast import Cast
from tests.endings import ENDINGS, LONG, POOL, borrow, deed, end_of, window
from tests.kestrel import Kestrel
from tests.seat_desk import SeatDesk, wrong_books

Act = Callable[..., None]


@pytest.fixture
def desk(session: Session, cast: Cast) -> Iterator[SeatDesk]:
    """Programs that ask; afterwards the books are right."""
    yield SeatDesk(session, cast)
    assert wrong_books(session) == []


@pytest.fixture
def act(session: Session, cast: Cast, kestrel: Kestrel) -> Act:
    """`act("disable", "bob")`: what alice does to somebody, or somebody to himself."""

    def act(what: str, name: str) -> None:
        deed(what, name, cast)(session)
        session.commit()

    return act


@pytest.mark.parametrize("what", ENDINGS)
def test_what_somebody_runs_gets_time_to_save_and_holds_its_seat(desk: SeatDesk, act: Act, what: str) -> None:
    for uuid, product in (("u1", "draft"), ("u2", "render")):
        desk.seat("bob", uuid, product)
    act(what, "bob")
    assert [window(desk, uuid) for uuid in ("u1", "u2")] == [(ENDINGS[what], LONG)] * 2
    held = LONG - 1 if what != "disable" else int(LEASE.total_seconds()) - 1  # disabled, a program can still renew
    assert sweeping.sweep_due(desk.session, desk.cast.now + timedelta(seconds=held)) == 0
    assert sweeping.sweep_due(desk.session, desk.cast.now + SAVE_WINDOW) == 2
    assert [desk.lease(uuid).ended_reason for uuid in ("u1", "u2")] == [ENDINGS[what]] * 2


@pytest.mark.parametrize("what", ENDINGS)
def test_other_peoples_sessions_go_on(desk: SeatDesk, act: Act, what: str) -> None:
    desk.seat("carol", "u1")
    act(what, "bob")
    assert desk.lease("u1").ending_at is None


def test_disabled_person_is_told_at_the_renewal_and_after_the_window(desk: SeatDesk, act: Act) -> None:
    desk.seat("bob", "u1", "draft")
    act("disable", "bob")
    desk.later = 500
    assert desk.denied("bob", "u1", "draft", seq=1).code == "membership_disabled"
    desk.later = LONG - 1
    assert desk.denied("bob", "u1", "draft", seq=2).code == "membership_disabled"
    assert desk.license("annual").in_use == 1
    desk.later = LONG
    refused = desk.denied("bob", "u1", "draft", seq=3)
    assert (refused.code, refused.facts["reason"]) == ("lease_ended", "membership_disabled")
    assert desk.license("annual").in_use == 0


def test_enabling_again_gives_nothing_back_and_lets_him_ask_anew(desk: SeatDesk, act: Act, kestrel: Kestrel) -> None:
    desk.seat("bob", "u1")
    act("disable", "bob")
    kestrel.bob.enable(kestrel.by("alice"), desk.now)
    desk.session.commit()
    assert window(desk, "u1") == ("membership_disabled", LONG)
    desk.later = LONG
    assert desk.seat("bob", "u2").is_new


@pytest.mark.parametrize("what", ENDINGS)
def test_borrowed_seat_is_held_until_its_day(desk: SeatDesk, act: Act, what: str) -> None:
    desk.seat("bob", "u1", "draft")
    borrow(desk, "u1")
    act(what, "bob")
    assert sweeping.sweep_due(desk.session, desk.now + timedelta(days=1)) == 0
    assert desk.license("annual").in_use == 1
    assert sweeping.sweep_due(desk.session, desk.now + timedelta(days=2)) == 1


@pytest.mark.parametrize(("before", "after"), [(60, ("by_admin", 60)), (3600, ("membership_disabled", LONG))])
def test_earlier_end_of_two_windows_stays(desk: SeatDesk, act: Act, before: int, after: tuple[str, int]) -> None:
    desk.seat("bob", "u1")
    lease = desk.lease("u1")
    lease.ending_at, lease.ending_reason = desk.now + timedelta(seconds=before), "by_admin"
    desk.session.commit()
    act("disable", "bob")
    assert window(desk, "u1") == after


@pytest.mark.parametrize("what", ENDINGS)
def test_window_does_not_outlast_the_license(desk: SeatDesk, act: Act, what: str) -> None:
    end_of(desk, "annual", 300)
    desk.seat("bob", "u1", "draft")
    act(what, "bob")
    assert window(desk, "u1") == (ENDINGS[what], 300)
    assert desk.lease("u1").expires_at == desk.now + timedelta(seconds=300)


def test_session_that_was_silent_too_long_is_not_brought_back(desk: SeatDesk, act: Act, cast: Cast) -> None:
    desk.seat("bob", "u1")
    lease = desk.lease("u1")
    lease.expires_at = cast.now - timedelta(seconds=1)
    desk.session.commit()
    act("remove", "bob")
    assert desk.lease("u1").ending_at is None
    assert sweeping.sweep_due(desk.session, cast.now) == 1


@pytest.mark.parametrize("what", ENDINGS)
def test_place_in_the_queue_is_dropped_and_a_seat_held_for_it_goes_back(
    desk: SeatDesk, act: Act, what: str, session: Session
) -> None:
    desk.fill(POOL, "alice")
    assert desk.ask("bob", "u1", queue=True) == Queued(1)
    assert desk.ask("carol", "u2", device="second", queue=True) != Queued(1)
    desk.give_back("alice", "fill-0", "d0")
    assert session.scalars(select(Ticket.uuid).where(Ticket.offered_until.is_not(None))).all() == ["u1"]
    act(what, "bob")
    assert "u1" not in session.scalars(select(Ticket.uuid)).all()
    assert sum(desk.license(name).in_use for name in ("cloud", "network")) == POOL


@pytest.mark.parametrize("what", ["disable", "remove", "leave"])
def test_open_requests_are_dropped(desk: SeatDesk, act: Act, what: str, cast: Cast, session: Session) -> None:
    for name in ("bob", "carol"):
        session.add(
            AccessRequest(
                organization_id=cast.organization_id, account_id=cast.player(name).account_id,
                product_id=cast.product["hub"], asked_at=cast.now,
            )
        )  # fmt: skip
    session.commit()
    act(what, "bob")
    outcomes = {row.account_id: row.outcome for row in session.scalars(select(AccessRequest))}
    assert outcomes == {cast.bob.account_id: "dropped", cast.carol.account_id: None}


@pytest.mark.parametrize(("what", "ends"), [("disable", False), ("block", False), ("remove", True), ("leave", True)])
def test_programs_are_signed_out_with_the_membership(desk: SeatDesk, act: Act, what: str, ends: bool) -> None:
    """X22: whoever is removed cannot go on with an old token; of another organization's, nothing changes."""
    desk.seat("bob", "u1")
    own = TokenFamily(account_id=desk.cast.bob.account_id, client_name="own", made_at=desk.now)
    desk.session.add(own)
    desk.session.commit()
    act(what, "bob")
    revoked = {row.client_name: row.revoked_at for row in desk.session.scalars(select(TokenFamily))}
    assert (revoked["own"], revoked["x"] is not None) == (None, ends)
    if ends:
        assert desk.denied("bob", "u1", seq=1).code == "token_invalid"


def test_blocked_account_gets_no_seat_until_it_is_unblocked(desk: SeatDesk, act: Act, kestrel: Kestrel) -> None:
    desk.seat("bob", "u1")
    act("block", "bob")
    assert desk.denied("bob", "u2").code == "token_invalid"
    kestrel.account("bob").unblock(COMMAND, desk.now)
    desk.session.commit()
    assert window(desk, "u1") == ("account_blocked", LONG)
    assert desk.seat("bob", "u3", device="other").is_new


@pytest.mark.parametrize("what", ["disable", "remove", "leave"])
def test_personal_seat_stays_its_persons(desk: SeatDesk, act: Act, what: str, kestrel: Kestrel) -> None:
    key = kestrel.new_key(product="render")
    key.redeem(kestrel.account("bob"), kestrel.by("bob"), desk.now, kestrel.today)
    desk.session.commit()
    assert desk.seat("bob", "u1").kind == "personal"
    act(what, "bob")
    assert desk.lease("u1").ending_at is None


def test_stations_stay_when_who_made_them_goes(desk: SeatDesk, act: Act) -> None:
    desk.station("lab", "render")
    desk.seat("lab", "u1", device="rack")
    act("remove", "bob")
    assert desk.lease("u1").ending_at is None
    assert not desk.seat("lab", "u1", device="rack", seq=1).is_new


def test_refused_act_ends_nothing(desk: SeatDesk, act: Act) -> None:
    desk.seat("alice", "u1")
    for what in ("disable", "remove", "leave"):
        with pytest.raises(RuleBroken):
            act(what, "alice")
        desk.session.rollback()
    assert desk.lease("u1").ending_at is None


@pytest.mark.parametrize("what", ["co-administrator", "member", "administrator", "address"])
def test_role_and_address_change_nothing_that_runs(desk: SeatDesk, kestrel: Kestrel, what: str) -> None:
    desk.seat("bob", "u1", "draft")
    organization, by = kestrel.organization, kestrel.by("alice")
    if what == "administrator":
        organization.transfer(kestrel.bob, COMMAND, desk.now)
    elif what == "address":
        kestrel.account("bob").change_email("bob@elsewhere.example", kestrel.by("bob"), desk.now)
    else:
        kestrel.bob.make_co_administrator(kestrel.carol.id, by, kestrel.alice, desk.now)
        if what == "member":
            kestrel.bob.make_member(by, desk.now)
    desk.session.commit()
    assert not desk.seat("bob", "u1", "draft", seq=1).is_new
    assert desk.lease("u1").ending_at is None
