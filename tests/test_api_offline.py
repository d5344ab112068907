"""Seats for computers without a network: a signed file asks, the same file again is the same seat; both databases."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import signing
from core.idempotency import KEPT
from core.leases import Denial, Device, Lease, UsageDay
from core.seats import ending
from models import License, Organization
from tests.api_desk import UUID, DeviceKey, Programs, claims, code, forged, new_uuid
from tests.at_once import at_once
from tests.cast import Cast
from tests.kestrel import Kestrel
from tests.seat_desk import wrong_books

Clock = time_machine.Traveller


@pytest.fixture(autouse=True)
def books_are_right(on_app: Session) -> Iterator[None]:
    """Afterwards the stored counts are what leases and offers say."""
    yield
    assert not wrong_books(on_app)


@pytest.fixture
def key() -> DeviceKey:
    """The key of the computer without a network."""
    return DeviceKey()


@pytest.fixture
def until(cast: Cast) -> datetime:
    """Three days on."""
    return (cast.now + timedelta(days=3)).replace(microsecond=0)


def live(session: Session) -> list[Lease]:
    session.rollback()
    return list(session.scalars(select(Lease).where(*Lease.LIVE)))


def test_file_of_a_computer_without_a_network_borrows_a_seat(
    program: Programs, app: Flask, key: DeviceKey, until: datetime, on_app: Session
) -> None:
    lent = program("bob", "desk").request_offline(key.request(app, until))
    assert lent.status_code == 201
    body, said = lent.get_json(), claims(lent, app)
    assert (body["state"], body["lease_id"], datetime.fromisoformat(body["expires_at"])) == ("borrowed", UUID, until)
    assert (said["dev"], said["mode"], said["exp"]) == (
        signing.thumbprint(key.public), "borrowed", int(until.timestamp()),
    )  # fmt: skip
    jwks = app.test_client().get("/.well-known/jwks.json", base_url=app.extensions["settings"].base_url)
    assert body["keys"] == jwks.get_json()["keys"]
    (lease,) = live(on_app)
    device = on_app.get_one(Device, lease.device_id)
    assert (device.client_id, device.name, lease.app_version, lease.borrowed_until) == (
        "away", "WS-AWAY", "2026.1", until,
    )  # fmt: skip


def test_same_file_again_is_the_same_seat(
    program: Programs, app: Flask, key: DeviceKey, until: datetime, on_app: Session, cast: Cast
) -> None:
    bob, file = program("bob", "desk"), key.request(app, until)
    answers = [bob.request_offline(file) for _ in range(3)]
    assert {each.status_code for each in answers} == {201}
    assert len({claims(each, app)["exp"] for each in answers}) == 1
    assert [each.uuid for each in live(on_app)] == [UUID]
    assert on_app.scalars(select(UsageDay.check_outs)).all() == [1]


def test_sent_at_once_it_is_one_seat(
    program: Programs, app: Flask, key: DeviceKey, until: datetime, on_app: Session
) -> None:
    file = key.request(app, until)
    bob = program("bob", "desk")
    answers = at_once(*[lambda: bob.request_offline(file)] * 6)
    assert {each.status_code for each in answers} == {201}
    assert len(live(on_app)) == 1


def test_carrier_keeps_what_runs_on_his_own_computer(
    program: Programs, app: Flask, key: DeviceKey, until: datetime, on_app: Session
) -> None:
    bob = program("bob", "desk")
    uuid = new_uuid()
    assert bob.ask(uuid).status_code == 201
    assert bob.request_offline(key.request(app, until)).status_code == 201
    assert bob.ask(uuid).status_code == 200
    assert len({each.device_id for each in live(on_app)}) == 2


def test_station_lends_its_own_product(program: Programs, app: Flask, key: DeviceKey, until: datetime) -> None:
    lab = program()
    assert lab.request_offline(key.request(app, until)).status_code == 201
    refused = lab.request_offline(key.request(app, until, new_uuid(), product="draft"))
    assert code(refused) == (403, "no_permission")


# ── refused ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("after", "wanted"),
    [(timedelta(minutes=30), (422, "borrow_not_allowed")), (timedelta(days=7, hours=1), (422, "borrow_too_long"))],
)
def test_rules_of_borrowing_hold_and_no_seat_is_taken(
    program: Programs, app: Flask, key: DeviceKey, cast: Cast, on_app: Session, after: timedelta,
    wanted: tuple[int, str],
) -> None:  # fmt: skip
    bob, file = program("bob", "desk"), key.request(app, datetime.now(cast.now.tzinfo) + after)
    for headers in ({}, {"Idempotency-Key": "k"}):
        refused = bob.request_offline(file, **headers)
        assert code(refused) == wanted
        assert ("max_until" in refused.get_json()) == (wanted[1] == "borrow_too_long")
    assert live(on_app) == []
    assert not [*on_app.scalars(select(Lease)), *on_app.scalars(select(UsageDay))]


def test_half_of_the_shared_seats_stay_whoever_carries(
    program: Programs, app: Flask, until: datetime, on_app: Session, cast: Cast
) -> None:
    lab, answers = program(), []
    for number in range(5):
        file = DeviceKey().request(app, until, new_uuid(), device={"id": f"away{number}"})
        answers.append(lab.request_offline(file))
    done, refused = ([each for each in answers if (each.status_code == 201) == is_done] for is_done in (True, False))
    assert {code(each) for each in refused} == {(409, "borrow_limit")}
    assert len(live(on_app)) == len(done) == 2  # the cloud is asked first, and lends two of four


def test_last_seat_that_may_leave_is_lent_once(
    program: Programs, app: Flask, until: datetime, on_app: Session, cast: Cast
) -> None:
    bob = program("bob", "desk")
    files = [DeviceKey().request(app, until, new_uuid(), device={"id": f"away{number}"}) for number in range(6)]
    answers = at_once(*[functools.partial(bob.request_offline, file) for file in files])
    assert sorted(each.status_code for each in answers) == [201, 201, 409, 409, 409, 409]
    assert len(live(on_app)) == 2


def test_denial_is_kept_and_a_later_try_finds_the_seat(
    program: Programs, app: Flask, key: DeviceKey, until: datetime, on_app: Session, cast: Cast
) -> None:
    for name in ("cloud", "network"):
        on_app.get_one(License, cast.license[name]).seats = 0
    on_app.commit()
    bob, file = program("bob", "desk"), key.request(app, until)
    assert code(bob.request_offline(file)) == (409, "no_seat_available")
    assert on_app.scalars(select(Denial.code)).all() == ["no_seat_available"]
    on_app.get_one(License, cast.license["network"]).seats = 2
    on_app.commit()
    assert bob.request_offline(file).status_code == 201


def test_disabled_member_is_lent_nothing(
    program: Programs, app: Flask, key: DeviceKey, until: datetime, on_app: Session, cast: Cast
) -> None:
    bob = program("bob", "desk")
    kestrel = Kestrel(on_app, cast)
    kestrel.bob.disable(kestrel.by("alice"), kestrel.alice, kestrel.now)
    on_app.commit()
    assert code(bob.request_offline(key.request(app, until))) == (403, "membership_disabled")


def test_file_is_for_one_computer_and_one_person(
    program: Programs, app: Flask, key: DeviceKey, until: datetime, cast: Cast
) -> None:
    """What was lent is another's; the device is known by another key; the key signs for another computer."""
    bob, file = program("bob", "desk"), key.request(app, until)
    assert bob.request_offline(file).status_code == 201
    assert code(program("alice", "a").request_offline(file)) == (409, "lease_id_conflict")
    assert code(bob.request_offline(DeviceKey().request(app, until, new_uuid()))) == (409, "device_conflict")
    assert code(bob.request_offline(DeviceKey().request(app, until))) == (409, "device_conflict")
    assert code(bob.request_offline(key.request(app, until, product="draft"))) == (409, "lease_id_conflict")
    assert code(bob.request_offline(key.request(app, until, device={"id": "else"}))) == (409, "device_conflict")


def bad_files(app: Flask, key: DeviceKey, until: datetime) -> dict[str, str]:
    """Files of which each has one thing wrong."""
    good = key.request(app, until)
    head, said, signature = good.split(".")
    another = DeviceKey().request(app, until).split(".")
    typ: dict[str, Any] = {"typ": "seat-request+jwt"}
    return {
        "nothing": "", "no file": "x", "a proof": key.proof(), "another kind": key.signed({}, typ="at+jwt"),
        "changed": f"{head}.{said[:-3]}AAA.{signature}", "words of another": f"{head}.{another[1]}.{signature}",
        "not signed": f"{head}.{said}.", "cut": good[:-4], "alg none": forged({"alg": "none", **typ}, {}),
        "another portal": key.request(app, until, portal="https://other.example"),
        "no number": key.request(app, until, "7"), "no key": key.request(app, until, device={"public_key": "x"}),
        "no computer": key.request(app, until, device={"id": ""}), "no object": key.signed([], **typ),  # type: ignore[arg-type]
        "no time": key.signed({"until": "soon"}, **typ), "no product": key.request(app, until, product=7),
        "long": key.request(app, until, more="x" * 4000),
    }  # fmt: skip


@pytest.mark.on_sqlite
def test_what_is_no_request_or_was_changed_is_malformed(
    program: Programs, app: Flask, key: DeviceKey, until: datetime, on_app: Session
) -> None:
    bob = program("bob", "desk")
    for what, file in bad_files(app, key, until).items():
        status = 422 if what == "long" else 400
        assert (what, code(bob.request_offline(file))) == (what, (status, "malformed_request"))
    assert on_app.scalars(select(Device)).all() == []


# ── later ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_comes_back_by_the_proof_of_its_computer(
    program: Programs, app: Flask, key: DeviceKey, until: datetime, on_app: Session
) -> None:
    bob, file = program("bob", "desk"), key.request(app, until)
    bob.request_offline(file)
    carrier = program("bob", "desk")
    assert code(carrier.bring_back(DeviceKey().proof())) == (409, "device_conflict")
    assert carrier.bring_back(key.proof()).status_code == 204
    assert live(on_app) == []
    again = bob.request_offline(file)
    assert (code(again), again.get_json()["reason"]) == ((410, "lease_ended"), "given_back")


@pytest.mark.on_sqlite
def test_answer_is_kept_under_a_key_as_of_any_post(
    program: Programs, app: Flask, key: DeviceKey, until: datetime, clock: Clock
) -> None:
    bob, once = program("bob", "desk"), {"Idempotency-Key": "k"}
    first = bob.request_offline(key.request(app, until), **once)
    clock.shift(60)
    assert bob.request_offline(key.request(app, until), **once).get_json() == first.get_json()
    assert code(bob.request_offline(key.request(app, until, new_uuid()), **once)) == (422, "idempotency_mismatch")
    clock.shift(KEPT)


@pytest.mark.on_sqlite
def test_who_cools_down_is_told_for_how_long_under_a_key_too(
    program: Programs, app: Flask, key: DeviceKey, until: datetime, on_app: Session, cast: Cast, clock: Clock
) -> None:
    bob = program("bob", "desk", product="draft")
    bob.ask()
    Organization.locked(on_app, cast.organization_id)
    lease = on_app.scalars(select(Lease)).one()
    ending.end_session(on_app, cast.organization_id, lease.id, cast.alice.actor, "", 0, cast.now)
    on_app.commit()
    clock.shift(99)
    refused = bob.request_offline(key.request(app, until, new_uuid(), product="draft"), **{"Idempotency-Key": "k"})
    assert (code(refused), refused.headers["Retry-After"]) == ((409, "cooling_down"), "200")


@pytest.mark.on_sqlite
def test_after_its_day_the_file_asks_for_a_time_that_is_over(
    program: Programs, app: Flask, key: DeviceKey, until: datetime, clock: Clock
) -> None:
    file = key.request(app, until)
    assert program("bob", "desk").request_offline(file).status_code == 201
    clock.move_to(until + timedelta(seconds=1))
    assert code(program("bob", "desk").request_offline(file)) == (422, "borrow_not_allowed")
