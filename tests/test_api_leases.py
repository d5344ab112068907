"""A launch over HTTP: takes a seat, keeps it, waits, gives it back; each refusal with its stable code."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.api.problems import plain
from core.leases import BY_ADMIN, Denial, Lease, Station
from core.seats import ending
from models import License, Organization
from tests.api_desk import UUID, DeviceKey, Program, Programs, claims, code, new_uuid
from tests.cast import Cast
from tests.kestrel import Kestrel
from tests.statements import counted, engine_of

Clock = time_machine.Traveller


def fill(program: Programs, size: int = 6) -> list[tuple[Program, str]]:
    """Take every seat of render, each on a device of its own."""
    taken = [(program("lab", f"d{number}"), new_uuid()) for number in range(size)]
    statuses = [each.ask(uuid).status_code for each, uuid in taken]
    assert set(statuses) == {201}
    return [pair for pair, status in zip(taken, statuses, strict=True) if status == 201]


def in_use(session: Session, cast: Cast, name: str = "network") -> int:
    session.rollback()
    return session.get_one(License, cast.license[name], populate_existing=True).in_use


def test_launch_takes_a_seat_keeps_it_and_gives_it_back(program: Programs, app: Flask, cast: Cast) -> None:
    bob = program("bob")
    taken, kept = bob.ask(version="2026.1"), bob.ask()
    assert (taken.status_code, kept.status_code) == (201, 200)
    body = kept.get_json()
    assert body["lease_id"] == UUID
    assert (body["state"], body["seq"], body["grace_s"], body["directives"]) == ("active", 2, 86400, [])
    assert body["seat"] == {"kind": "floating", "used": 1, "total": 4}
    assert 180 <= body["renew_after_s"] <= 220
    left = datetime.fromisoformat(body["expires_at"]) - datetime.fromisoformat(body["issued_at"])
    assert left == timedelta(seconds=600)
    assert bob.show().get_json()["expires_at"] == body["expires_at"]
    assert [bob.give_back().status_code for _ in range(3)] == [204, 204, 204]
    assert code(bob.show()) == (410, "lease_ended")


@pytest.mark.on_sqlite
def test_token_says_whose_seat_it_is_and_for_how_long(program: Programs, app: Flask, cast: Cast) -> None:
    key = DeviceKey()
    body = program("bob", with_device={"public_key": key.public}).ask()
    said = claims(body, app)
    expires_at = datetime.fromisoformat(body.get_json()["expires_at"])
    assert said == {
        "iss": app.extensions["settings"].base_url, "jti": UUID, "sub": f"account:{cast.bob.account_id}",
        "org": cast.organization_id, "prod": "render", "dev": key.key.thumbprint(), "mode": "online",
        "iat": said["iat"], "exp": int(expires_at.timestamp()), "grace": 86400, "seq": 1,
    }  # fmt: skip


@pytest.mark.on_sqlite
def test_same_question_three_times_is_one_lease(program: Programs, on_app: Session) -> None:
    lab = program()
    for _ in range(3):
        lab.seq = 0
        assert lab.ask().status_code in (200, 201)
    assert len(on_app.scalars(select(Lease)).all()) == 1


@pytest.mark.on_sqlite
def test_uuid_is_the_same_in_capitals(program: Programs, on_app: Session) -> None:
    lab = program()
    assert [lab.ask(UUID.upper()).status_code, lab.ask(UUID).status_code] == [201, 200]
    assert on_app.scalars(select(Lease.uuid)).all() == [UUID]


def test_full_is_409_with_the_counts_and_the_denial_is_kept(program: Programs, on_app: Session) -> None:
    fill(program, 5)  # of six, one is carol's
    refused = program("lab", "late").ask()
    assert code(refused) == (409, "no_seat_available")
    assert {"seats", "used"} <= refused.get_json().keys()
    assert on_app.scalars(select(Denial.code)).all() == ["no_seat_available"]


def test_full_says_when_the_next_seat_is_expected_and_where_to_ask(
    program: Programs, on_app: Session, cast: Cast, clock: Clock
) -> None:
    """A session that is ending, the next renewal that may not come, a day: whichever is first of all licenses."""
    fill(program, 5)
    late, url = program("bob", "late"), f"{program().app.extensions['settings'].base_url}/products/why?product=render"
    refused = late.ask().get_json()
    assert (refused["next_expected_release"], refused["request_url"]) == (plain(cast.now + timedelta(seconds=601)), url)
    first, *rest = on_app.scalars(select(Lease).order_by(Lease.id)).all()
    for each in rest:
        each.borrowed_until = each.expires_at = cast.now + timedelta(days=1)
    first.ending_at, first.ending_reason = cast.now + timedelta(seconds=30), BY_ADMIN
    on_app.commit()
    assert late.ask().get_json()["next_expected_release"] == plain(cast.now + timedelta(seconds=30))
    on_app.refresh(first)
    first.borrowed_until = first.expires_at = cast.now + timedelta(hours=3)
    first.ending_at, first.ending_reason = None, None
    on_app.commit()
    assert late.ask().get_json()["next_expected_release"] == plain(cast.now + timedelta(hours=3))


@pytest.mark.on_sqlite
def test_nobody_knows_when_a_license_without_seats_has_one(program: Programs, on_app: Session) -> None:
    on_app.execute(update(License).values(seats=0))
    on_app.commit()
    refused = program().ask()
    assert code(refused) == (409, "no_seat_available")
    assert refused.get_json()["next_expected_release"] is None


def test_who_waits_is_served_when_a_seat_is_given_back(program: Programs) -> None:
    (first, uuid), *_others = fill(program, 5)
    late = program("lab", "late")
    queued = late.ask(queue=True)
    assert queued.status_code == 202
    body = queued.get_json()
    assert (body["state"], body["position"], body["poll_after_s"]) == ("queued", 1, 20)
    assert "token" not in body
    assert late.show().get_json()["state"] == "queued"
    first.give_back(uuid)
    assert late.ask(queue=True).status_code == 201


@pytest.mark.on_sqlite
def test_lease_that_expired_is_shown_so_and_revived(program: Programs, clock: Clock) -> None:
    lab = program()
    lab.ask()
    clock.shift(601)
    assert lab.show().get_json()["state"] == "expired"
    assert lab.ask().status_code == 200
    assert lab.show().get_json()["state"] == "active"


def test_unknown_launches_and_those_of_others_are_404(program: Programs) -> None:
    """X25: what is another organization's does not exist."""
    program("bob").ask()
    for stranger in (program("mallory"), program("alice"), program("lab")):
        assert code(stranger.show()) == (404, "unknown_lease")
        assert code(stranger.give_back()) == (404, "unknown_lease")
    assert code(program("bob").show(new_uuid())) == (404, "unknown_lease")
    assert code(program("alice").ask()) == (409, "lease_id_conflict")
    assert code(program("mallory").ask()) != (409, "lease_id_conflict")


def test_permission_is_asked_for_at_every_renewal(program: Programs, on_app: Session, cast: Cast, clock: Clock) -> None:
    """X18: who loses the seat gets time to save."""
    bob = program("bob", product="draft")
    assert bob.ask().get_json()["seat"] == {"kind": "named", "used": 1, "total": 3}
    kestrel = Kestrel(on_app, cast)
    kestrel.license("annual").take(kestrel.bob, kestrel.by("alice"), kestrel.now)
    on_app.commit()
    directive = bob.ask().get_json()["directives"][0]
    assert (directive["type"], directive["deadline_s"]) == ("save_and_close", 899)
    assert code(bob.ask(new_uuid())) == (403, "no_permission")


def test_ended_session_saves_then_is_gone_then_cools_down(
    program: Programs, on_app: Session, cast: Cast, clock: Clock
) -> None:
    bob = program("bob", product="draft")
    bob.ask()
    Organization.locked(on_app, cast.organization_id)
    lease = on_app.scalars(select(Lease)).one()
    ending.end_session(on_app, cast.organization_id, lease.id, cast.alice.actor, "For the tender", 900, cast.now)
    on_app.commit()
    assert bob.ask().get_json()["directives"] == [
        {"type": "save_and_close", "message": "For the tender", "deadline_s": 899}
    ]
    clock.shift(900)
    bob.authorization = program("bob").authorization  # an access token lives as long as the window
    gone = bob.ask()
    assert code(gone) == (410, "lease_ended")
    assert gone.get_json()["reason"] == BY_ADMIN
    cooling = bob.ask(new_uuid())
    assert code(cooling) == (409, "cooling_down")
    assert 0 < int(cooling.headers["Retry-After"]) <= 300
    clock.shift(299.5)
    nearly = bob.ask(new_uuid())
    assert (code(nearly), nearly.headers["Retry-After"]) == ((409, "cooling_down"), "1")
    clock.shift(1.5)
    assert bob.ask(new_uuid()).status_code == 201


def test_no_lease_outlives_its_license(program: Programs, on_app: Session, cast: Cast, clock: Clock) -> None:
    """X14: a notice days before, a window to save in at the end, then no more."""
    bob = program("bob", product="draft")
    bob.ask()
    ends_at = on_app.get_one(License, cast.license["annual"]).ends_at
    assert ends_at is not None
    clock.move_to(ends_at - timedelta(days=3))
    bob = program("bob", product="draft")
    notice = bob.ask(new_uuid()).get_json()["directives"][0]
    assert (notice["type"], "2027" in notice["message"]) == ("notice", True)
    clock.move_to(ends_at - timedelta(seconds=300))
    bob, last = program("bob", product="draft"), new_uuid()
    body = bob.ask(last).get_json()
    assert datetime.fromisoformat(body["expires_at"]) == ends_at
    assert (body["directives"][0]["type"], body["directives"][0]["deadline_s"]) == ("save_and_close", 300)
    assert body["renew_after_s"] <= 110
    clock.move_to(ends_at)
    gone = bob.ask(last)
    assert (code(gone), gone.get_json()["reason"]) == ((410, "lease_ended"), "line_expired")


@pytest.mark.on_sqlite
def test_copies_share_a_seat_and_named_seats_serve_one_device(program: Programs, on_app: Session, cast: Cast) -> None:
    """X20."""
    home, office = program("bob", "home", product="draft"), program("bob", "office", product="draft")
    assert (home.ask().status_code, home.ask(new_uuid()).status_code) == (201, 201)
    assert in_use(on_app, cast, "annual") == 1
    refused = office.ask(new_uuid())
    assert code(refused) == (409, "device_limit")
    assert refused.get_json()["device"] == "home"
    assert datetime.fromisoformat(refused.get_json()["since"]).tzinfo is not None


@pytest.mark.on_sqlite
def test_cloned_device_is_told_from_the_first(program: Programs) -> None:
    """X21: another key under the same name, or a count that goes back."""
    bob = program("bob", "desk", with_device={"public_key": DeviceKey().public})
    bob.ask(seq=7)
    twin = program("bob", "desk", with_device={"public_key": DeviceKey().public})
    assert code(twin.ask(new_uuid())) == (409, "device_conflict")
    assert code(bob.ask(seq=6)) == (409, "device_conflict")


def test_disabled_removed_and_blocked_are_refused(program: Programs, on_app: Session, cast: Cast) -> None:
    """X22 and R36: at the next question, whatever the token still says."""
    bob, carol = program("bob"), program("carol")
    bob.ask()
    kestrel = Kestrel(on_app, cast)
    kestrel.bob.disable(kestrel.by("alice"), kestrel.alice, kestrel.now)
    kestrel.account("carol").blocked_at = kestrel.now
    on_app.commit()
    assert code(bob.ask()) == (403, "membership_disabled")
    assert code(carol.ask(new_uuid())) == (401, "token_invalid")


@pytest.mark.on_sqlite
def test_revoked_station_is_refused_at_once(program: Programs, on_app: Session) -> None:
    lab = program()
    lab.ask()
    on_app.scalars(select(Station)).one().revoked_at = datetime.now(UTC)
    on_app.commit()
    assert code(lab.ask()) == (401, "token_invalid")
    assert code(lab.give_back()) == (401, "token_invalid")


@pytest.mark.on_sqlite
@pytest.mark.parametrize(("idle", "directive"), [(3479, []), (3480, ["release_when_idle"])])
def test_who_is_idle_is_asked_to_give_back(program: Programs, idle: int, directive: list[str]) -> None:
    assert [each["type"] for each in program().ask(idle_seconds=idle).get_json()["directives"]] == directive


@pytest.mark.on_sqlite
@pytest.mark.parametrize(("off", "notices"), [(-86400, 1), (86400, 1), (-240, 0), (0, 0)])
def test_wrong_clock_is_a_notice_never_a_denial(program: Programs, off: int, notices: int) -> None:
    told = program().ask(client_time=(datetime.now(UTC) + timedelta(seconds=off)).isoformat())
    assert told.status_code == 201
    assert [each["type"] for each in told.get_json()["directives"]] == ["notice"] * notices


@pytest.mark.on_sqlite
def test_entitlements_say_what_may_run_and_why_not(program: Programs) -> None:
    found = {each["product"]: each for each in program("bob").send("GET", "entitlements").get_json()["entitlements"]}
    assert (found["draft"]["may_run"], found["draft"]["seat"]["kind"]) == (True, "named")
    assert (found["hub"]["may_run"], found["hub"]["code"]) == (False, "no_permission")
    lab = program().send("GET", "entitlements").get_json()["entitlements"]
    assert [each["product"] for each in lab] == ["render"]
    assert program("erin").send("GET", "entitlements").get_json()["entitlements"] == []


@pytest.mark.parametrize("who", ["bob", "lab"])
@pytest.mark.parametrize("step", ["ask", "renew", "give back"])
def test_four_statements_are_enough_over_http(program: Programs, app: Flask, who: str, step: str) -> None:
    """With the credential; what a process knows of it by then has cost one before."""
    asker = program(who)
    assert [asker.ask().status_code for _ in range(2)] == [201, 200]
    if step == "ask":
        asker.give_back()
    with counted(engine_of(app)) as statements:
        response = {
            "ask": lambda: asker.ask(new_uuid()), "renew": asker.ask, "give back": asker.give_back,
        }[step]()  # fmt: skip
    assert response.status_code == {"ask": 201, "renew": 200, "give back": 204}[step]
    assert len(statements) <= 4, statements


@pytest.mark.on_sqlite
def test_explaining_says_why_in_the_words_of_the_denial(program: Programs) -> None:
    bob = program("bob", product="hub")
    refused, told = bob.ask(), bob.send("GET", "explain?product=hub").get_json()
    assert (told["may_run"], told["code"], told["user"]) == (False, "no_permission", "bob@example.com")
    assert told["detail"] == refused.get_json()["detail"]
    assert refused.get_json()["request_url"].endswith("/products/why?product=hub")
    assert ("permission", "no") in {(step["key"], step["answer"]) for step in told["steps"]}


@pytest.mark.on_sqlite
def test_only_administrators_ask_about_others_and_only_here(program: Programs, cast: Cast) -> None:
    about = "explain?product=draft&user="
    assert program("alice").send("GET", f"{about}BOB@example.com").get_json()["may_run"] is True
    assert program("carol").send("GET", f"{about}{cast.bob.account_id}").get_json()["user"] == "bob@example.com"
    assert code(program("bob").send("GET", f"{about}alice@example.com")) == (403, "no_permission")
    for nobody in ("mallory@example.com", "nobody@example.com", "9" * 300):
        assert code(program("alice").send("GET", about + nobody)) == (403, "not_a_member")
    assert code(program().send("GET", "explain?product=render")) == (403, "not_a_member")
    assert code(program("bob").send("GET", "explain")) == (400, "malformed_request")
    assert code(program("bob").send("GET", "explain?product=nothing&user=bob@example.com%00"))[0] == 400
