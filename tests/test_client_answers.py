"""What the Python client makes of every answer: only a problem document of the protocol is a “no”."""

from __future__ import annotations

import re
import stat
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from portal_seat import (
    Client,
    Code,
    Directive,
    MalformedRequest,
    NoSeatAvailable,
    Refused,
    SignInFailed,
    SignInNeeded,
    State,
    Unreachable,
)
from portal_seat.device import Device
from portal_seat.store import Store

from core.denials import CODES as ALL_CODES
from core.settings import ROOT
from tests.client_desk import NOON, FakePortal, StillClock, active, problem, until

URL = "https://portal.example"
CODES = {code: means for code, means in ALL_CODES.items() if means.status < 500 or code == "maintenance"}


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


def client(tmp_path: Path, portal: FakePortal, clock: StillClock) -> Client:
    return Client(URL, station_key="st_1", folder=tmp_path, clock=clock, transport=portal.transport)


def test_every_code_of_the_portal_has_its_error() -> None:
    assert set(Refused._known) == set(CODES)


def test_the_guide_says_what_to_do_about_every_code() -> None:
    guide = (ROOT / "docs" / "application-developers.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in guide.splitlines() if line.startswith(("| 4", "| 5"))]
    told = {code: row[1] for row in rows for code in re.findall(r"`([a-z_]+)`", row[2])}
    assert told.keys() == ALL_CODES.keys()
    assert [code for code, means in ALL_CODES.items() if str(means.status) not in told[code]] == []


@pytest.mark.parametrize("code", CODES)
def test_a_refusal_is_raised_under_its_name(tmp_path: Path, clock: StillClock, code: str) -> None:
    portal = FakePortal(problem(code, CODES[code].status, seats=5))
    with pytest.raises(Refused) as raised, client(tmp_path, portal, clock).seat("ares"):
        pytest.fail("It started.")
    assert (raised.value.code, raised.value.detail) == (code, f"About {code}.")
    assert (raised.value.status, raised.value.facts["seats"]) == (CODES[code].status, 5)


@pytest.mark.parametrize(
    "response",
    [
        httpx2.Response(200, html="<h1>Welcome to our hotel</h1>"),
        httpx2.Response(200, json={"state": "active"}),
        httpx2.Response(200, json=[]),
        httpx2.Response(302, headers={"Location": "https://hotel.example/"}),
        httpx2.Response(403, html="<h1>Forbidden by your proxy</h1>"),
        httpx2.Response(409, json={"code": "no_seat_available"}),
        httpx2.Response(500, html="<h1>Oops</h1>"),
        httpx2.Response(502),
        problem("internal_error", 500),
        problem("something_new", 403),
    ],
)
def test_what_is_no_answer_of_the_portal_is_no_no(tmp_path: Path, clock: StillClock, response: httpx2.Response) -> None:
    portal = FakePortal(active())
    with client(tmp_path, portal, clock).seat("ares") as seat:
        portal.says = response
        seat.ask_now()
        assert seat.state is State.RECONNECTING
        portal.says = active()


def test_the_thread_renews_when_it_is_time(tmp_path: Path, clock: StillClock) -> None:
    portal = FakePortal(active())
    with client(tmp_path, portal, clock).seat("ares"):
        clock.move(179)
        assert portal.asked("PUT") == 1
        clock.move(42)
        until(lambda: portal.asked("PUT") == 2)
    assert portal.asked("DELETE") == 1


def test_a_wall_clock_that_jumps_changes_nothing(tmp_path: Path, clock: StillClock) -> None:
    portal = FakePortal(active())
    with client(tmp_path, portal, clock).seat("ares") as seat:
        for jump in (86_400, -172_800):
            clock.now += jump
            seat.ask_now()
            assert seat.state is State.LICENSED


def test_a_seat_comes_back_by_itself(tmp_path: Path, clock: StillClock) -> None:
    portal, seen = FakePortal(active()), list[State]()
    with client(tmp_path, portal, clock).seat("ares", on_state=seen.append) as seat:
        portal.says = None
        clock.move(221)
        until(lambda: seat.state is State.RECONNECTING)
        clock.move(86_400)
        until(lambda: seat.state is State.READ_ONLY)
        portal.says = active()
        clock.move(66)
        until(lambda: seat.state is State.LICENSED)
    assert seen == [State.LICENSED, State.RECONNECTING, State.READ_ONLY, State.LICENSED, State.GIVEN_BACK]


def test_save_and_close_is_told_once(tmp_path: Path, clock: StillClock) -> None:
    told: list[Directive] = []
    wish = {"type": "save_and_close", "message": "Needed for the tender"}
    portal = FakePortal(active())
    with client(tmp_path, portal, clock).seat("ares", on_directive=told.append) as seat:
        for left in (900, 700):
            portal.says = active(directives=[{**wish, "deadline_s": left}])
            seat.ask_now()
        assert seat.seconds_to_close == 700
    assert told == [Directive("save_and_close", "Needed for the tender", 900.0)]


def test_a_listener_that_fails_costs_no_seat(tmp_path: Path, clock: StillClock) -> None:
    def fail(_state: State) -> None:
        raise RuntimeError("a fault of the program")

    with client(tmp_path, FakePortal(active()), clock).seat("ares", on_state=fail) as seat:
        assert seat.may_work


def test_the_queue_is_waited_for_and_its_places_told(tmp_path: Path, clock: StillClock) -> None:
    portal, places = FakePortal({"state": "queued", "position": 2, "poll_after_s": 20}), list[int]()

    def move_on(place: int) -> None:
        places.append(place)
        portal.says = {"state": "queued", "position": 1, "poll_after_s": 20} if place == 2 else active()

    waiting = client(tmp_path, portal, clock).seat("ares", queue=True, on_queue=move_on)
    taking = threading.Thread(target=waiting.take)
    taking.start()
    for number in (1, 2):
        until(lambda: portal.asked("PUT") == number)  # noqa: B023
        until(lambda: waiting.keeper.due > clock.monotonic())
        clock.move(23)
    taking.join()
    waiting.give_back()
    assert places == [2, 1]


def test_a_program_that_fails_gives_its_seat_back(tmp_path: Path, clock: StillClock) -> None:
    portal = FakePortal(active())
    with pytest.raises(ZeroDivisionError), client(tmp_path, portal, clock).seat("ares"):
        raise ZeroDivisionError
    assert portal.asked("DELETE") == 1


def test_a_fault_of_the_program_is_not_asked_about_again(tmp_path: Path, clock: StillClock) -> None:
    portal = FakePortal(active())
    with client(tmp_path, portal, clock).seat("ares") as seat:
        portal.says = problem("malformed_request", 400)
        seat.ask_now()
        assert isinstance(seat.problem, MalformedRequest)
        asked = portal.asked("PUT")
        clock.move(10_000)
        seat.keeper.tick(clock.monotonic())
        assert portal.asked("PUT") == asked


def test_a_new_launch_is_asked_for_by_the_person(tmp_path: Path, clock: StillClock) -> None:
    portal = FakePortal(active())
    with client(tmp_path, portal, clock).seat("ares") as seat:
        first = seat.lease_id
        portal.says = problem("lease_ended", 410, reason="by_admin")
        seat.ask_now()
        portal.says = active()
        seat.start_again()
        assert seat.may_work
        assert seat.lease_id != first


def test_when_to_come_back_may_be_a_date(tmp_path: Path, clock: StillClock) -> None:
    headers = {"Date": "Fri, 15 Jan 2027 08:00:00 GMT", "Retry-After": "Fri, 15 Jan 2027 08:00:40 GMT"}
    portal = FakePortal(httpx2.Response(503, headers=headers))
    with pytest.raises(Unreachable) as raised, client(tmp_path, portal, clock).seat("ares"):
        pytest.fail("It started.")
    assert raised.value.retry_after == 40.0


def test_a_lost_answer_to_borrowing_is_asked_for_again_under_its_key(tmp_path: Path, clock: StillClock) -> None:
    portal = FakePortal(active())
    with client(tmp_path, portal, clock).seat("ares") as seat:
        portal.says = None
        with pytest.raises(Unreachable):
            seat.borrow(datetime(2027, 1, 20, tzinfo=UTC))
        keys = [each.headers["Idempotency-Key"] for each in portal.heard if each.method == "POST"]
        assert len(keys) == 2
        assert len(set(keys)) == 1


# ── what is kept on the computer ─────────────────────────────────────────────────────────────────────────────────────


def test_the_device_keeps_its_key_to_itself(tmp_path: Path) -> None:
    store = Store.of(URL, tmp_path)
    first, again = Device.of(store), Device.of(store)
    assert (first.id, first.thumbprint) == (again.id, again.thumbprint)
    assert stat.S_IMODE((store.folder / "device.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700


def test_two_programs_that_start_first_are_one_device(tmp_path: Path) -> None:
    store, found = Store.of(URL, tmp_path), list[str]()
    programs = [threading.Thread(target=lambda: found.append(Device.of(store).id)) for _number in range(8)]
    for each in programs:
        each.start()
    for each in programs:
        each.join()
    assert len(found) == 8
    assert len(set(found)) == 1


# ── signing in ───────────────────────────────────────────────────────────────────────────────────────────────────────


class SigningPortal:
    """Approves a code after a while; its refresh tokens are good once."""

    def __init__(self, answers: list[str]) -> None:
        self.answers = answers
        self.pauses: list[float] = []
        self.good = "refresh-0"
        self.number = 0
        self.is_over = False

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        form = httpx2.QueryParams(request.content.decode())
        if request.url.path == "/oauth/device":
            asked = {"device_code": "d", "user_code": "WDJB-MJHT", "verification_uri": f"{URL}/activate"}
            return httpx2.Response(200, json={**asked, "expires_in": 600, "interval": 5})
        if request.url.path == "/oauth/token":
            return self._token(form)
        return httpx2.Response(200, json={"entitlements": []})

    def _token(self, form: httpx2.QueryParams) -> httpx2.Response:
        if form["grant_type"] == "refresh_token":
            self.is_over = self.is_over or form["refresh_token"] != self.good
        elif self.answers:
            return httpx2.Response(400, json={"error": self.answers.pop(0)})
        if self.is_over:
            return httpx2.Response(400, json={"error": "invalid_grant"})
        self.number += 1
        self.good = f"refresh-{self.number}"
        tokens = {"access_token": f"access-{self.number}", "refresh_token": self.good, "token_type": "DPoP"}
        return httpx2.Response(200, json={**tokens, "expires_in": 900})


def signing(tmp_path: Path, portal: SigningPortal, clock: StillClock, **more: Any) -> Client:
    return Client(URL, folder=tmp_path, clock=clock, transport=httpx2.MockTransport(portal), **more)


def test_a_person_signs_in_with_a_code(tmp_path: Path, clock: StillClock) -> None:
    portal, shown = SigningPortal(["authorization_pending", "slow_down", "authorization_pending"]), list[Code]()
    signing(tmp_path, portal, clock).sign_in(shown.append)
    assert [(each.address, each.code) for each in shown] == [(f"{URL}/activate", "WDJB-MJHT")]
    assert clock.wall() - NOON == 5 + 5 + 10 + 10
    assert signing(tmp_path, portal, clock, on_sign_in=None).entitlements() == []


def test_a_declined_sign_in_is_told(tmp_path: Path, clock: StillClock) -> None:
    with pytest.raises(SignInFailed, match="declined"):
        signing(tmp_path, SigningPortal(["access_denied"]), clock).sign_in(lambda _code: None)


def test_nobody_is_asked_to_sign_in_where_nobody_is(tmp_path: Path, clock: StillClock) -> None:
    with pytest.raises(SignInNeeded):
        signing(tmp_path, SigningPortal([]), clock, on_sign_in=None).entitlements()


def test_programs_that_renew_a_sign_in_together_do_not_end_it(tmp_path: Path, clock: StillClock) -> None:
    """A refresh token that is used twice ends the sign-in: of several programs one uses it."""
    portal = SigningPortal([])
    signing(tmp_path, portal, clock).sign_in(lambda _code: None)
    clock.move(900)
    programs = [signing(tmp_path, portal, clock, on_sign_in=None) for _number in range(6)]
    threads = [threading.Thread(target=each.entitlements) for each in programs]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not portal.is_over
    assert portal.number == 2


def test_an_ended_sign_in_is_forgotten(tmp_path: Path, clock: StillClock) -> None:
    portal = SigningPortal([])
    signing(tmp_path, portal, clock).sign_in(lambda _code: None)
    portal.is_over = True
    clock.move(900)
    with pytest.raises(SignInNeeded, match="has ended"):
        signing(tmp_path, portal, clock, on_sign_in=None).entitlements()


def test_no_seat_is_a_sentence_for_the_person(tmp_path: Path, clock: StillClock) -> None:
    portal = FakePortal(problem("no_seat_available", 409))
    with pytest.raises(NoSeatAvailable, match="About no_seat_available"), client(tmp_path, portal, clock).seat("ares"):
        pytest.fail("It started.")
