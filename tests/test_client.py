"""The Python client against the real portal behind a real port: a seat from asking for it to giving it back."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from portal_seat import (
    BorrowTooLong,
    Client,
    Directive,
    LeaseEnded,
    MembershipDisabled,
    NoSeatAvailable,
    Refused,
    State,
    TokenInvalid,
)
from portal_seat.command import main
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import grants
from core.activity import COMMAND
from core.dates import now
from core.grants import TokenFamily
from core.leases import Lease
from core.oauth import stations
from core.seats import ending
from models import Organization, Product
from tests.cast import Cast
from tests.client_desk import FakePortal, until
from tests.clients import Client as Browser
from tests.seat_programs import (
    PRODUCT,
    SAVES,
    Start,
    computer,
    ended,
    heard,
    live,
    no_seat,
    one_seat,
    running,
    the_lease,
)

pytestmark = pytest.mark.on_sqlite
Keys = Callable[[str], str]


@pytest.fixture
def station_key(on_app: Session, cast: Cast) -> Keys:
    """`station_key("Lab 1")`: the key of a new station of Kestrel Works."""

    def made(name: str, product: str = PRODUCT) -> str:
        organization = Organization.locked(on_app, cast.organization_id)
        chosen = on_app.get_one(Product, cast.product[product])
        _station, key = stations.add(organization, chosen, name, COMMAND, now())
        on_app.commit()
        return key

    return made


@pytest.fixture
def client(server: str, tmp_path: Path, station_key: Keys) -> Iterator[Client]:
    """A client on a computer of its own."""
    with Client(server, station_key=station_key("Lab 1"), folder=tmp_path) as made:
        yield made


@pytest.fixture
def other(server: str, tmp_path: Path, station_key: Keys) -> Iterator[Callable[..., Client]]:
    """`other()`: a client on another computer; with a key of its own or the one that is given."""
    with contextlib.ExitStack() as stack:
        yield lambda key="": stack.enter_context(
            Client(server, station_key=key or station_key("Lab 2"), folder=tmp_path / "other")
        )


def test_a_seat_is_taken_kept_and_given_back(client: Client, on_app: Session) -> None:
    with client.seat(PRODUCT, version="2026.1") as seat:
        assert seat.may_work
        assert seat.answer is not None
        lease = the_lease(on_app)
        assert (lease.uuid, lease.app_version, lease.seq) == (seat.lease_id, "2026.1", 1)
        seat.idle_seconds = 30
        seat.ask_now()
        assert (seat.state, the_lease(on_app).seq, the_lease(on_app).idle_s) == (State.LICENSED, 2, 30)
    assert live(on_app) == 0


def test_what_the_portal_signs_counts_here(client: Client) -> None:
    with client.seat(PRODUCT) as seat:
        assert seat.answer is not None
        claims = client.portal._checked(seat.answer.token)
        assert (claims.lease_id, claims.product, claims.mode) == (seat.lease_id, PRODUCT, "online")
        assert claims.expires_at - claims.issued_at == 600
        assert claims.grace == 86_400


def test_a_full_pool_is_a_sentence(client: Client, on_app: Session) -> None:
    no_seat(on_app)
    with pytest.raises(NoSeatAvailable) as raised, client.seat(PRODUCT):
        pytest.fail("It started.")
    assert "Render Studio" in raised.value.detail
    assert raised.value.facts["seats"] == raised.value.facts["used"]


def test_a_station_runs_its_own_product_only(client: Client) -> None:
    with pytest.raises(Refused), client.seat("draft"):
        pytest.fail("It started.")


def test_a_key_that_nobody_made_is_told(other: Callable[..., Client]) -> None:
    with pytest.raises(TokenInvalid), other("st_nobody").seat(PRODUCT):
        pytest.fail("It started.")


def test_who_waits_gets_the_seat_that_is_given_back(
    client: Client, other: Callable[..., Client], on_app: Session, cast: Cast
) -> None:
    one_seat(on_app, cast)
    places: list[int] = []
    waiting = other().seat(PRODUCT, queue=True, on_queue=places.append, renew_every=0.1)
    thread = threading.Thread(target=waiting.take)
    with client.seat(PRODUCT):
        thread.start()
        until(lambda: places == [1])
    thread.join()
    assert waiting.state is State.LICENSED
    waiting.give_back()
    assert live(on_app) == 0


def test_an_ended_session_saves_first_and_then_is_over(client: Client, on_app: Session, cast: Cast) -> None:
    told: list[Directive] = []
    with client.seat(PRODUCT, on_directive=told.append) as seat:
        end(on_app, cast, "Needed for the tender", 900)
        seat.ask_now()
        assert seat.may_work
        assert [(each.kind, each.message) for each in told] == [("save_and_close", "Needed for the tender")]
        assert 890 < (seat.seconds_to_close or 0) <= 900
        pass_window(on_app)
        seat.ask_now()
        assert seat.state is State.READ_ONLY
        assert isinstance(seat.problem, LeaseEnded)
        assert seat.problem.reason == "by_admin"


def end(session: Session, cast: Cast, message: str, window_s: int) -> None:
    lease = the_lease(session)
    Organization.locked(session, cast.organization_id)
    ending.end_session(session, cast.organization_id, lease.id, cast.alice.actor, message, window_s, now())
    session.commit()


def pass_window(session: Session) -> None:
    """Let the time to save be over."""
    lease = the_lease(session)
    lease.ending_at = now() - timedelta(seconds=1)
    session.commit()


def test_a_lost_seat_comes_back_when_one_is_free(
    client: Client, other: Callable[..., Client], on_app: Session, cast: Cast
) -> None:
    one_seat(on_app, cast)
    with client.seat(PRODUCT) as seat:
        lease = the_lease(on_app)
        lease.expires_at = now() - timedelta(seconds=1)
        on_app.commit()
        with other().seat(PRODUCT):
            seat.ask_now()
            assert not seat.may_work
        seat.ask_now()
        assert seat.may_work


def test_entitlements_say_what_may_run(client: Client) -> None:
    assert PRODUCT in {each.product for each in client.entitlements() if each.may_run}


# ── signed in as a person ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def bob(server: str, client_for: Callable[[str], Browser], tmp_path: Path) -> Iterator[Client]:
    """A client on bob's computer."""
    with computer(server, client_for("bob"), tmp_path) as made:
        yield made


def test_a_person_signs_in_when_he_first_needs_a_seat(bob: Client, on_app: Session, cast: Cast) -> None:
    with bob.seat(PRODUCT) as seat:
        lease = the_lease(on_app)
        assert (lease.account_id, lease.device.name) == (cast.bob.account_id, "WS-14")
        family = on_app.scalars(select(TokenFamily)).one()
        assert family.key_thumbprint == bob.portal.device.thumbprint
        assert seat.answer is not None
        assert bob.portal._checked(seat.answer.token).lease_id == seat.lease_id


def test_a_sign_in_goes_on_with_new_tokens(bob: Client, on_app: Session) -> None:
    with bob.seat(PRODUCT) as seat:
        kept = bob.portal.store.read("sign-in")
        bob.portal.store.write("sign-in", {**kept, "ends_at": 0.0})
        seat.ask_now()
        assert seat.may_work
        assert bob.portal.store.read("sign-in")["refresh_token"] != kept["refresh_token"]
    assert len(on_app.scalars(select(TokenFamily)).all()) == 1


def test_a_computer_whose_clock_is_a_day_off_signs_in_and_works(bob: Client) -> None:
    clock = bob.portal.wire.clock
    for off in (-86_400, 86_400):
        clock.wall = lambda off=off: time.time() + off  # type: ignore[method-assign, misc]
        bob.sign_out()
        with bob.seat(PRODUCT) as seat:
            seat.ask_now()
            assert seat.state is State.LICENSED


def test_an_ended_sign_in_keeps_nothing_but_saving(bob: Client, on_app: Session) -> None:
    with bob.seat(PRODUCT) as seat:
        grants.revoke(on_app, TokenFamily.revoked_at.is_(None), now())
        on_app.commit()
        seat.ask_now()
        assert seat.state is State.READ_ONLY


def test_who_is_disabled_saves_first(
    bob: Client, client_for: Callable[[str], Browser], on_app: Session, cast: Cast
) -> None:
    told: list[Directive] = []
    with bob.seat(PRODUCT, on_directive=told.append) as seat:
        client_for("alice").send(f"/admin/users/{cast.bob.member_id}/disable")
        seat.ask_now()
        assert seat.may_work
        assert [each.kind for each in told] == ["save_and_close"]
        assert 890 < (seat.seconds_to_close or 0) <= 900
        pass_window(on_app)
        seat.ask_now()
        assert not seat.may_work
    with pytest.raises(MembershipDisabled), bob.seat(PRODUCT):
        pytest.fail("It started.")


def test_a_borrowed_seat_works_without_the_portal_until_it_is_returned(bob: Client, on_app: Session) -> None:
    with bob.seat(PRODUCT) as seat:
        seat.borrow(now() + timedelta(days=1))
        assert seat.is_borrowed
    assert the_lease(on_app).borrowed_until is not None
    refresh = bob.portal.wire._http
    bob.portal.wire._http = httpx2.Client(transport=FakePortal(None).transport)
    with bob.seat(PRODUCT) as seat:
        assert seat.state is State.LICENSED
    bob.portal.wire._http = refresh
    assert [loan.product for loan in bob.loans()] == [PRODUCT]
    assert bob.bring_back(PRODUCT)
    assert (live(on_app), bob.loans()) == (0, [])


def test_a_seat_is_not_borrowed_for_a_month(bob: Client) -> None:
    with bob.seat(PRODUCT) as seat, pytest.raises(BorrowTooLong) as raised:
        seat.borrow(now() + timedelta(days=30))
    assert raised.value.facts["max_until"]


# ── the command ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def run(portal_seat: Start, tmp_path: Path, station_key: Keys) -> Start:
    """`run("print(1)")`: the program on a seat of a station, as a process."""
    key = station_key("Build machine")
    return lambda program, *options: portal_seat(tmp_path, *running(program, *options), station_key=key)


def test_a_command_runs_on_a_seat_and_its_code_is_passed_on(run: Start, on_app: Session) -> None:
    assert ended(run("import sys; sys.exit(7)")) == (7, "", "")
    assert live(on_app) == 0
    assert on_app.scalar(select(func.count()).select_from(Lease)) == 1


def test_a_command_without_a_seat_does_not_run(run: Start, on_app: Session) -> None:
    no_seat(on_app)
    code, out, err = ended(run("print('ran')"))
    assert (code, out) == (75, "")
    assert "Render Studio" in err
    assert err.count("\n") == 1


def test_a_killed_command_gives_its_seat_back(run: Start, on_app: Session) -> None:
    code, _out, err = ended(run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
    assert (code, err) == (128 + signal.SIGKILL, "")
    assert live(on_app) == 0


def test_who_stops_the_command_line_stops_the_command(run: Start, on_app: Session) -> None:
    process = run(SAVES)
    assert heard(process) == "ready"
    process.terminate()
    assert ended(process) == (3, "saved\n", "")
    assert live(on_app) == 0


def test_a_command_whose_session_is_ended_is_asked_to_end(run: Start, on_app: Session, cast: Cast) -> None:
    process = run(SAVES, "--renew-every", "0.2")
    assert heard(process) == "ready"
    end(on_app, cast, "Needed for the tender.", 4)
    code, out, err = ended(process)
    assert (code, out) == (3, "saved\n")
    assert err.startswith("Needed for the tender. Save now: python")
    assert live(on_app) == 0


def test_a_seat_is_borrowed_and_returned_by_command(
    bob: Client, server: str, tmp_path: Path, on_app: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    bob.entitlements()  # he signs in
    tomorrow = f"{now() + timedelta(days=1):%Y-%m-%d}"
    here, product = ["--url", server, "--data", str(tmp_path)], ["--product", PRODUCT]
    assert main([*here, "borrow", *product, "--until", tomorrow]) == 0
    assert capsys.readouterr().out == f"{PRODUCT} is borrowed until {tomorrow} 23:59.\n"
    assert the_lease(on_app).borrowed_until is not None
    assert main([*here, "status"]) == 0
    assert f"; borrowed until {tomorrow} 23:59" in capsys.readouterr().out
    assert main([*here, "return", *product]) == 0
    assert live(on_app) == 0
    assert main([*here, "return", *product]) == 1
    assert capsys.readouterr().err == f"{PRODUCT} is not borrowed on this computer.\n"


def test_status_says_what_may_run(portal_seat: Start, tmp_path: Path, station_key: Keys) -> None:
    code, out, err = ended(portal_seat(tmp_path, "status", station_key=station_key("Lab 3")))
    assert (code, err) == (0, "")
    assert f"{PRODUCT}: 0 of " in out
