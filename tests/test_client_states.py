"""The states of a program that uses the Python client: what it may do when answers come, fail to come, or say no."""

from __future__ import annotations

import math
from typing import Any

import pytest
from portal_seat.answers import Answer
from portal_seat.clock import BackOff
from portal_seat.errors import (
    CoolingDown,
    LeaseEnded,
    Maintenance,
    MembershipDisabled,
    NoSeatAvailable,
    RateLimited,
    Refused,
    Unreachable,
)
from portal_seat.keeping import Keeper, State

from tests.client_desk import NOON, active

MIDDLE = 0.5  # the chance that adds nothing
GRACE = 86_400.0
NO_ANSWER = Unreachable("nobody there")


def keeper(renew_every: float | None = None) -> Keeper:
    return Keeper(renew_every, chance=lambda: MIDDLE)


def licensed(**more: Any) -> Keeper:
    made = keeper()
    made.answered(Answer.of(active(**more)), 0.0)
    return made


def refused(kind: type[Refused], **facts: Any) -> Refused:
    return kind("No.", 409, facts)


def test_a_seat_is_renewed_after_a_third_of_its_time() -> None:
    assert licensed().due == 200.0
    spread = [Keeper(chance=lambda n=n: n / 10) for n in range(11)]  # type: ignore[misc]
    for each in spread:
        each.answered(Answer.of(active()), 0.0)
    assert min(each.due for each in spread) == pytest.approx(180.0)
    assert max(each.due for each in spread) == pytest.approx(220.0)


def test_a_program_may_ask_more_often_than_it_has_to() -> None:
    made = keeper(renew_every=2.0)
    made.answered(Answer.of(active()), 10.0)
    assert made.due == 12.0


def test_a_missing_answer_takes_nothing_away() -> None:
    made = licensed()
    made.missed(NO_ANSWER, 200.0)
    assert made.state is State.RECONNECTING
    assert not made.shows_banner
    made.missed(NO_ANSWER, 205.0)
    assert made.shows_banner


def test_a_program_is_read_only_when_its_grace_is_over_and_not_before() -> None:
    made = licensed()
    made.missed(NO_ANSWER, GRACE - 1)
    assert [made.state_at(at) for at in (GRACE - 1, GRACE)] == [State.RECONNECTING, State.READ_ONLY]


def test_an_answer_brings_everything_back() -> None:
    made = licensed()
    made.missed(NO_ANSWER, GRACE)
    assert made.state is State.READ_ONLY
    made.answered(Answer.of(active()), GRACE + 60)
    assert (made.state, made.misses, made.problem) == (State.LICENSED, 0, None)


def test_without_grace_the_seat_counts_until_it_expires() -> None:
    made = licensed(grace_s=0)
    assert [made.state_at(at) for at in (599.0, 600.0)] == [State.LICENSED, State.READ_ONLY]


def test_pauses_grow_from_5_to_60_seconds_and_begin_anew_after_an_answer() -> None:
    back_off = BackOff(chance=lambda: MIDDLE)
    assert [back_off.pause() for _try in range(6)] == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]
    back_off.reset()
    assert back_off.pause() == 5.0


@pytest.mark.parametrize("chance", [0.0, MIDDLE, 1.0])
def test_nobody_comes_back_before_the_server_asked_for_it(chance: float) -> None:
    assert 30.0 <= BackOff(chance=lambda: chance).pause(30.0) <= 33.0


@pytest.mark.parametrize("kind", [RateLimited, Maintenance])
def test_who_is_asked_to_wait_keeps_his_license(kind: type[Refused]) -> None:
    made = licensed()
    made.refused(refused(kind, retry_after=40.0), 200.0)
    assert made.state is State.LICENSED
    assert made.due >= 240.0


@pytest.mark.parametrize("kind", [NoSeatAvailable, CoolingDown])
def test_a_refusal_is_read_only_and_asked_about_again(kind: type[Refused]) -> None:
    made = licensed()
    made.refused(refused(kind), 200.0)
    assert (made.state, made.due) == (State.READ_ONLY, 260.0)


def test_who_is_told_when_to_come_back_comes_back_then() -> None:
    made = licensed()
    made.refused(refused(CoolingDown, retry_after=300.0), 200.0)
    assert made.due == 500.0


def test_an_ended_session_is_asked_for_by_a_person_only() -> None:
    made = licensed()
    made.refused(refused(LeaseEnded, reason="by_admin"), 200.0)
    assert (made.state, made.due) == (State.READ_ONLY, math.inf)


def test_who_is_disabled_may_save_first() -> None:
    made = licensed()
    times = {"ending_at": "2027-01-15T08:15:00Z", "answered_at": NOON}
    made.refused(refused(MembershipDisabled, **times), 200.0)
    assert (made.state, made.ending_at) == (State.LICENSED, 1100.0)
    made.refused(refused(MembershipDisabled), 1101.0)
    assert made.state is State.READ_ONLY


def test_save_and_close_names_its_deadline() -> None:
    directive = {"type": "save_and_close", "message": "Needed elsewhere", "deadline_s": 900}
    made = keeper()
    made.answered(Answer.of(active(directives=[directive])), 100.0)
    assert made.ending_at == 1000.0


def test_a_start_without_an_answer_lasts_four_hours_and_no_longer_than_the_lease() -> None:
    for left, end in ((86_400.0, 4 * 3600.0), (600.0, 600.0)):
        made = keeper()
        made.started_offline(left, NO_ANSWER, 0.0)
        assert [made.state_at(at) for at in (end - 1, end)] == [State.RECONNECTING, State.READ_ONLY]


def test_who_lost_his_seat_waits_read_only() -> None:
    queued = Answer.of({"state": "queued", "position": 2, "poll_after_s": 20})
    fresh, running = keeper(), licensed()
    running.refused(refused(NoSeatAvailable), 0.0)
    for made in (fresh, running):
        made.answered(queued, 0.0)
    assert (fresh.state, running.state) == (State.QUEUED, State.READ_ONLY)
    assert fresh.due == running.due == 20.0


def test_a_borrowed_seat_lasts_until_its_day_and_asks_before() -> None:
    made = keeper()
    made.borrowed(86_400.0, 0.0)
    assert made.due == 86_340.0
    assert [made.state_at(at) for at in (86_399.0, 86_400.0)] == [State.LICENSED, State.READ_ONLY]
