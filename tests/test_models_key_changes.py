"""What the vendor does to a key that he handed out: revoke, reinstate, release, extend."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.activity import COMMAND
from core.dates import ends_at
from core.db import engine_for
from core.errors import BadInput, RuleBroken
from models import Permission, PermissionKey
from tests.databases import Database
from tests.kestrel import Kestrel
from tests.key_deeds import redeem

# ── revoking, reinstating, releasing ─────────────────────────────────────────────────────────────────────────────────


def annual(kestrel: Kestrel) -> PermissionKey:
    return kestrel.license("annual").key


def test_revoked_key_keeps_its_permissions(kestrel: Kestrel) -> None:
    assert annual(kestrel).revoke(COMMAND, kestrel.now, "  not\npaid ")
    license = kestrel.license("annual")
    assert (license.reserved, license.is_live(kestrel.now), license.key.revoked_why) == (1, False, "not paid")


def test_nothing_is_given_on_a_revoked_license(kestrel: Kestrel) -> None:
    annual(kestrel).revoke(COMMAND, kestrel.now)
    with pytest.raises(RuleBroken, match="withdrawn"):
        kestrel.license("annual").give(kestrel.alice, kestrel.by("alice"), kestrel.now)


def test_reinstated_key_is_live_again(kestrel: Kestrel) -> None:
    annual(kestrel).revoke(COMMAND, kestrel.now)
    assert annual(kestrel).reinstate(COMMAND, kestrel.now)
    assert kestrel.license("annual").is_live(kestrel.now)


def test_what_others_gave_since_the_key_was_read_is_released_too(kestrel: Kestrel, database: Database) -> None:
    license = kestrel.license("annual")
    key = license.key
    license.take(kestrel.bob, kestrel.by("alice"), kestrel.now)
    assert license.reserved == 0
    kestrel.session.commit()
    elsewhere(kestrel, database, lambda other: other.license("annual").give(other.bob, other.by("alice"), other.now))
    key.release(COMMAND, kestrel.now)
    kestrel.session.commit()
    assert kestrel.recounted()["annual"] == (0, 0)


def test_license_is_extended_from_what_it_is_by_now(kestrel: Kestrel, database: Database) -> None:
    license = kestrel.license("annual")
    key, before, position = license.key, license.seats, license.position
    kestrel.session.commit()
    elsewhere(kestrel, database, lambda other: annual(other).extend(COMMAND, other.now, position=position, seats=50))
    assert key.extend(COMMAND, kestrel.now, position=position, seats=before)
    kestrel.session.commit()
    assert kestrel.license("annual").seats == before
    entry = kestrel.last()
    assert entry.before is not None
    assert entry.before["seats"] == 50


def elsewhere(kestrel: Kestrel, database: Database, what: Callable[[Kestrel], object]) -> None:
    """Somebody else does something meanwhile."""
    engine = engine_for(database.url)
    with Session(engine, expire_on_commit=False) as session:
        what(Kestrel(session, kestrel.cast))
        session.commit()
    engine.dispose()


@pytest.mark.parametrize("command", ["revoke", "reinstate", "release"])
def test_vendors_commands_are_safe_to_repeat(kestrel: Kestrel, command: str) -> None:
    key = annual(kestrel)
    if command == "reinstate":
        key.revoke(COMMAND, kestrel.now)
    first = getattr(key, command)(COMMAND, kestrel.now)
    before = kestrel.entries()
    again = getattr(key, command)(COMMAND, kestrel.now)
    assert (first, again, kestrel.entries()) == (True, False, before)


def test_released_key_leaves_the_organization_and_its_permissions_end(kestrel: Kestrel) -> None:
    key = annual(kestrel)
    key.release(COMMAND, kestrel.now)
    assert kestrel.cast.license["annual"] not in [each.id for each in kestrel.organization.licenses]
    assert kestrel.session.scalar(select(func.count()).where(Permission.license_id == key.licenses[0].id)) == 0
    assert kestrel.license("annual").reserved == 0


def test_released_key_can_be_redeemed_by_another(kestrel: Kestrel) -> None:
    key = annual(kestrel)
    key.release(COMMAND, kestrel.now)
    assert key.redeem(kestrel.harbor, kestrel.by("mallory"), kestrel.now, kestrel.today)
    assert (key.organization_id, key.released_at) == (kestrel.cast.other_id, None)


def test_release_takes_the_suspended_permissions_too(kestrel: Kestrel) -> None:
    kestrel.license("perpetual").key.release(COMMAND, kestrel.now)
    assert kestrel.dora.suspended == []


def test_release_of_a_personal_key(kestrel: Kestrel) -> None:
    key = kestrel.key("personal")
    redeem(kestrel, key, "erin")
    assert key.release(COMMAND, kestrel.now)
    assert redeem(kestrel, key, "dave")


# ── extending ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_extending_moves_the_end_and_keeps_the_permissions(kestrel: Kestrel) -> None:
    day = kestrel.today + timedelta(days=1000)
    annual(kestrel).extend(COMMAND, kestrel.now, end=day)
    kestrel.session.flush()
    license = kestrel.license("annual")
    assert (license.end_on, license.ends_at, license.reserved) == (day, ends_at(day, "UTC"), 1)


def test_extending_revives_an_expired_license(kestrel: Kestrel) -> None:
    key = kestrel.license("expired").key
    assert not key.licenses[0].is_live(kestrel.now)
    key.extend(COMMAND, kestrel.now, end=kestrel.today)
    assert key.licenses[0].is_live(kestrel.now)


def test_unused_key_has_no_instants_after_extending(kestrel: Kestrel) -> None:
    key = kestrel.key("personal")
    key.extend(COMMAND, kestrel.now, seats=1, end=kestrel.today)
    assert (key.licenses[0].starts_at, key.licenses[0].ends_at) == (None, None)


def test_one_of_several_items_has_to_be_named(kestrel: Kestrel) -> None:
    key = kestrel.license("cloud").key
    with pytest.raises(BadInput, match="2 items") as refused:
        key.extend(COMMAND, kestrel.now, seats=9)
    assert refused.value.field == "item"
    assert key.extend(COMMAND, kestrel.now, position=2, seats=9)
    assert [each.seats for each in key.licenses] == [4, 9]


@pytest.mark.parametrize("position", [-1, 3])
def test_item_that_is_not_there_is_named(kestrel: Kestrel, position: int) -> None:
    with pytest.raises(BadInput, match="no item"):
        kestrel.license("cloud").key.extend(COMMAND, kestrel.now, position=position, seats=9)


def test_fewer_seats_than_ticks_pick_no_victims(kestrel: Kestrel) -> None:
    """X15: over-assigned, no new ticks, those that were given stay."""
    license = kestrel.license("annual")
    license.give(kestrel.alice, kestrel.by("alice"), kestrel.now)
    license.key.extend(COMMAND, kestrel.now, seats=0)
    license = kestrel.license("annual")
    assert (license.reserved, license.over_assigned, license.free) == (2, 2, 0)
    with pytest.raises(RuleBroken, match="2 of 0 seats"):
        license.give(kestrel.carol, kestrel.by("alice"), kestrel.now)


def test_taking_back_heals_an_over_assigned_license(kestrel: Kestrel) -> None:
    license = kestrel.license("annual")
    license.key.extend(COMMAND, kestrel.now, seats=0)
    license.take(kestrel.bob, kestrel.by("alice"), kestrel.now)
    assert (license.over_assigned, license.free) == (0, 0)


def test_extending_says_what_was_before_and_after(kestrel: Kestrel) -> None:
    annual(kestrel).extend(COMMAND, kestrel.now, seats=7)
    last = kestrel.last()
    assert last.before is not None
    assert last.after is not None
    assert (last.before["seats"], last.after["seats"]) == (3, 7)


def test_state_of_a_key(kestrel: Kestrel) -> None:
    key = kestrel.new_key("trial", start=-29)
    assert key.state(kestrel.today) == "issued"
    assert key.state(kestrel.today + timedelta(days=1)) == "expired"
    redeem(kestrel, key)
    assert key.state(kestrel.today) == "redeemed"
    key.revoke(COMMAND, kestrel.now)
    assert key.state(kestrel.today) == "revoked"
