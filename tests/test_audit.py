"""What `core.audit` finds in rows that somebody changed behind the portal's back, on both databases."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import text

from core import checks
from core import settings as settings_
from core.activity import COMMAND
from core.audit import faults
from core.db import engine_for
from tests.cast import Cast
from tests.databases import Database, environ
from tests.kestrel import Kestrel
from tests.seat_desk import SeatDesk

#: What somebody did with SQL → the one sentence that says so. `:bob` is a member's id, `:annual` a license's.
BROKEN = {
    "UPDATE member SET role = 'member' WHERE id = :alice": "“Kestrel Works”, has 0 administrators",
    "UPDATE account SET confirmed_at = NULL WHERE id = :bob_account": "is not confirmed",
    "UPDATE account SET is_operator = true WHERE id = :bob_account": "is an operator's",
    "UPDATE permission_key SET organization_id = NULL, account_id = :bob_account WHERE id = :network_key": "floating",
    "UPDATE permission SET suspended_at = NULL WHERE member_id = :dora": "is not enabled",
    "UPDATE permission SET license_id = :other WHERE license_id = :perpetual": "is not member",
    "UPDATE license SET product_id = :draft WHERE id = :three_years": "has 2 permissions for product",
    "UPDATE license SET reserved = reserved + 1 WHERE id = :annual": "says that 2 seats are given away; it is 1",
    "UPDATE permission SET suspended_at = given_at WHERE license_id = :annual": "1 seats are given away; it is 0",
    "UPDATE license SET starts_at = NULL WHERE id = :annual": "does not know when",
    "UPDATE license SET ends_at = NULL WHERE id = :annual": "does not know when",
    "UPDATE license SET ends_at = starts_at WHERE id = :perpetual": "does not know when",
    "UPDATE activity SET action = 'x' WHERE stream = 'portal' AND number = 3": "of the portal was changed at entry 3",
    "UPDATE activity SET at = '2001-01-01 00:00:00' WHERE stream = :kestrel AND number = 1": "changed at entry 1",
    "UPDATE activity SET after = '{}' WHERE stream = :kestrel AND number = 2": "changed at entry 2",
    "UPDATE activity SET hash = previous_hash WHERE stream = :kestrel AND number = 4": "changed at entry 4",
    "DELETE FROM activity WHERE stream = :kestrel AND number = 2": "changed at entry 3",
    "DELETE FROM activity WHERE stream = :kestrel AND number < 3": "changed at entry 3",
}


#: The same of what runs: bob has a draft and two copies of render, carol her reserved seat, and alice waits.
BROKEN_SEATS = {
    "UPDATE license SET in_use = in_use + 1 WHERE id = :annual": "says that 2 seats are in use; it is 1",
    "UPDATE license SET in_use = 0, reserved_in_use = 0 WHERE id = :annual": "says that 0 seats are in use; it is 1",
    "UPDATE license SET reserved_in_use = 0 WHERE id = :annual": "says that 0 given seats are in use; it is 1",
    "DELETE FROM queue_ticket WHERE license_id IS NOT NULL": "seats are in use; it is",
    "UPDATE lease SET ended_at = taken_at, ended_reason = 'expired' WHERE uuid = 'u1'": "1 seats are in use; it is 0",
    "UPDATE lease SET is_reserved = false WHERE uuid = 'u1'": "Lease 1 does not say whose seat it is",
    "UPDATE lease SET holder = 'p1' WHERE uuid = 'u1'": "Lease 1 does not say whose seat it is",
    "UPDATE lease SET takes_seat = false WHERE uuid = 'u1'": "Lease 1 runs on no seat",
    "UPDATE usage_day SET denials = -1 WHERE license_id = :annual": "counts less than nothing on",
}


def values(kestrel: Kestrel) -> dict[str, int | str | None]:
    cast = kestrel.cast
    members = {name: cast.player(name).member_id for name in ("alice", "bob", "dora")}
    keys = {"network_key": kestrel.license("network").key_id, "bob_account": cast.bob.account_id}
    return {**cast.license, **cast.product, **members, **keys, "kestrel": str(cast.organization_id)}


def test_nothing_is_wrong_with_what_the_rules_made(kestrel: Kestrel) -> None:
    assert faults(kestrel.session) == []


def test_nothing_is_wrong_after_everything_was_done(kestrel: Kestrel) -> None:
    by, alice = kestrel.by("alice"), kestrel.alice
    kestrel.key("mixed").redeem(kestrel.organization, by, kestrel.now, kestrel.today)
    kestrel.license("annual").key.extend(COMMAND, kestrel.now, seats=0)
    kestrel.license("perpetual").key.revoke(COMMAND, kestrel.now, "why not")
    kestrel.bob.disable(by, alice, kestrel.now)
    kestrel.carol.remove(by, alice, kestrel.now)
    kestrel.license("cloud").key.release(COMMAND, kestrel.now)
    kestrel.key("personal").redeem(kestrel.account("erin"), kestrel.by("erin"), kestrel.now, kestrel.today)
    kestrel.organization.edit({"name": "Ünïcode “quoted”", "zone": "Asia/Tokyo"}, by, kestrel.now)
    kestrel.session.flush()
    assert faults(kestrel.session) == []


@pytest.mark.parametrize("statement", BROKEN)
def test_one_sentence_says_what_somebody_changed(kestrel: Kestrel, statement: str) -> None:
    kestrel.license("three_years").give(kestrel.bob, kestrel.by("alice"), kestrel.now)
    kestrel.session.flush()
    known = values(kestrel)
    wanted = {name: known[name] for name in re.findall(r"(?<=[ (]):(\w+)", statement)}
    kestrel.session.execute(text(statement), wanted)
    kestrel.session.expire_all()
    assert [BROKEN[statement] in sentence for sentence in faults(kestrel.session)].count(True) == 1


@pytest.fixture
def running(kestrel: Kestrel, cast: Cast) -> Kestrel:
    """Sessions of every kind, and somebody for whom a seat is held."""
    desk = SeatDesk(kestrel.session, cast)
    for name, uuid, product, device in (
        ("bob", "u1", "draft", "desk"), ("bob", "u2", "render", "desk"), ("bob", "u3", "render", "desk"),
        ("carol", "u4", "render", "desk"),
    ):  # fmt: skip
        desk.seat(name, uuid, product, device)
    desk.fill(4)
    desk.ask("alice", "u5", queue=True)
    desk.give_back("bob", "fill-0", "d0")
    return kestrel


def test_nothing_is_wrong_with_what_runs(running: Kestrel) -> None:
    assert faults(running.session) == []


@pytest.mark.parametrize("statement", BROKEN_SEATS)
def test_one_sentence_says_what_somebody_changed_of_a_seat(running: Kestrel, statement: str) -> None:
    running.session.execute(
        text(statement), {"annual": running.cast.license["annual"]} if ":annual" in statement else {}
    )
    running.session.expire_all()
    assert [BROKEN_SEATS[statement] in sentence for sentence in faults(running.session)].count(True) == 1


def test_every_fault_is_a_sentence(kestrel: Kestrel) -> None:
    for statement in ("UPDATE license SET reserved = 7", "UPDATE account SET confirmed_at = NULL"):
        kestrel.session.execute(text(statement))
    found = faults(kestrel.session)
    assert len(found) > len(kestrel.cast.license)
    assert all(re.fullmatch(r"[A-Z][^\n]*\.", sentence) for sentence in found)


def test_deleted_organization_needs_no_administrator(kestrel: Kestrel) -> None:
    kestrel.organization.deleted_at = kestrel.now
    kestrel.session.flush()
    kestrel.session.execute(text("UPDATE member SET role = 'member'"))
    found = faults(kestrel.session)
    assert [sentence for sentence in found if "administrators" in sentence] == [
        f"Organization {kestrel.cast.other_id}, “Harbor Design”, has 0 administrators."
    ]


def test_check_names_the_faults_and_the_portal_still_serves(database: Database, cast: Cast, tmp_path: Path) -> None:
    settings = settings_.load(environ(database.url, tmp_path))
    assert checks.database(settings).is_warning is False
    engine = engine_for(database.url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE license SET reserved = 7"))
    engine.dispose()
    line = checks.database(settings)
    assert (line.is_good, line.is_warning) == (True, True)
    assert "says that 7 seats are given away" in line.found
    assert line.found.endswith("(and 11 more)")
