"""Permissions: a seat or a reservation, given, taken, moved, suspended and restored; counts that are always right."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from core.activity import COMMAND
from core.errors import RuleBroken
from core.refusals import HasAnother, NoSeat
from models import Member, Permission
from tests.kestrel import Kestrel


def give(kestrel: Kestrel, name: str, license: str) -> Permission:
    return kestrel.license(license).give(kestrel.member(name), kestrel.by("alice"), kestrel.now)


def fill(kestrel: Kestrel, license: str) -> None:
    """Give away what is left of a license."""
    for number in range(kestrel.license(license).free):
        member = kestrel.enabled(f"filler{number}@firm.example")
        kestrel.license(license).give(member, kestrel.by("alice"), kestrel.now)


def held(kestrel: Kestrel, name: str) -> list[str]:
    kestrel.session.flush()
    names = {id: known for known, id in kestrel.cast.license.items()}
    return [names[each.license_id] for each in kestrel.member(name).permissions if each.suspended_at is None]


@pytest.fixture(autouse=True)
def counts_are_right(kestrel: Kestrel) -> object:
    """After every test of this file what is stored equals what is counted."""
    yield
    assert all(kept == counted for kept, counted in kestrel.recounted().values())


def test_given_seat_is_counted_and_recorded(kestrel: Kestrel) -> None:
    give(kestrel, "alice", "perpetual")
    assert (held(kestrel, "alice"), kestrel.license("perpetual").reserved) == (["perpetual"], 1)
    last = kestrel.last()
    assert (last.action, last.target_id, last.after) == (
        "permission.give", kestrel.alice.id, {"license": kestrel.cast.license["perpetual"]},
    )  # fmt: skip


def test_giving_again_changes_and_records_nothing(kestrel: Kestrel) -> None:
    first, before = give(kestrel, "alice", "perpetual").id, kestrel.entries()
    assert (give(kestrel, "alice", "perpetual").id, kestrel.entries()) == (first, before)


def test_last_seat_is_given_and_the_next_refused(kestrel: Kestrel) -> None:
    fill(kestrel, "perpetual")
    with pytest.raises(NoSeat, match="2 of 2 seats are given away – take one back or add a key"):
        give(kestrel, "carol", "perpetual")


def test_refusal_names_who_took_the_last_seat(kestrel: Kestrel) -> None:
    """X17."""
    give(kestrel, "alice", "perpetual")
    kestrel.license("perpetual").give(kestrel.carol, kestrel.by("alice"), kestrel.now + timedelta(seconds=1))
    member = kestrel.enabled("late@firm.com")
    with pytest.raises(NoSeat, match="Carol Example"):
        kestrel.license("perpetual").give(member, kestrel.by("alice"), kestrel.now)


def test_one_seat_is_a_sentence_of_its_own(kestrel: Kestrel) -> None:
    kestrel.license("annual").key.extend(COMMAND, kestrel.now, seats=1)
    with pytest.raises(NoSeat, match="1 of 1 seat is given away"):
        give(kestrel, "alice", "annual")


def test_reservations_stop_at_the_seats_too(kestrel: Kestrel) -> None:
    fill(kestrel, "network")
    with pytest.raises(NoSeat):
        give(kestrel, "alice", "network")


@pytest.mark.parametrize("name", ["dora", "dave"])
def test_only_enabled_members_have_permissions(kestrel: Kestrel, name: str) -> None:
    with pytest.raises(RuleBroken, match="enabled"):
        give(kestrel, name, "annual")


def test_expired_license_is_not_given(kestrel: Kestrel) -> None:
    with pytest.raises(RuleBroken, match="expired"):
        give(kestrel, "bob", "expired")


def test_license_that_starts_later_can_be_given(kestrel: Kestrel) -> None:
    key = kestrel.key("later")
    key.redeem(kestrel.organization, kestrel.by("alice"), kestrel.now, kestrel.today)
    key.licenses[0].give(kestrel.alice, kestrel.by("alice"), kestrel.now)
    assert key.licenses[0].reserved == 1


def test_member_may_hold_permissions_for_many_products(kestrel: Kestrel) -> None:
    give(kestrel, "bob", "cloud")
    give(kestrel, "bob", "three_years")
    assert held(kestrel, "bob") == ["annual", "three_years", "cloud"]


def test_second_permission_for_a_product_says_which_he_has(kestrel: Kestrel) -> None:
    with pytest.raises(HasAnother, match=r"Bob Example has a permission for Draft Pro already: ANNUAL\.") as refused:
        give(kestrel, "bob", "perpetual")
    assert refused.value.facts["permission"].license_id == kestrel.cast.license["annual"]


def test_moving_takes_one_and_gives_the_other(kestrel: Kestrel) -> None:
    kestrel.license("perpetual").move(kestrel.bob, kestrel.by("alice"), kestrel.now)
    assert held(kestrel, "bob") == ["perpetual"]
    assert [kestrel.license(name).reserved for name in ("annual", "perpetual")] == [0, 1]


def test_moving_to_where_he_is_changes_nothing(kestrel: Kestrel) -> None:
    before = kestrel.entries()
    kestrel.license("annual").move(kestrel.bob, kestrel.by("alice"), kestrel.now)
    assert (held(kestrel, "bob"), kestrel.entries()) == (["annual"], before)


def test_move_that_is_refused_leaves_everything(kestrel: Kestrel) -> None:
    kestrel.license("perpetual").key.extend(COMMAND, kestrel.now, seats=0)
    kestrel.session.commit()
    with pytest.raises(NoSeat):
        kestrel.license("perpetual").move(kestrel.bob, kestrel.by("alice"), kestrel.now)
    kestrel.session.rollback()
    assert held(kestrel, "bob") == ["annual"]


def test_taken_permission_is_free_at_once(kestrel: Kestrel) -> None:
    assert kestrel.license("annual").take(kestrel.bob, kestrel.by("alice"), kestrel.now)
    assert (held(kestrel, "bob"), kestrel.license("annual").reserved) == ([], 0)
    assert kestrel.last().before == {"license": kestrel.cast.license["annual"]}


def test_taking_again_changes_and_records_nothing(kestrel: Kestrel) -> None:
    kestrel.license("annual").take(kestrel.bob, kestrel.by("alice"), kestrel.now)
    before = kestrel.entries()
    assert not kestrel.license("annual").take(kestrel.bob, kestrel.by("alice"), kestrel.now)
    assert kestrel.entries() == before


def test_seat_of_a_disabled_member_is_free_to_give(kestrel: Kestrel) -> None:
    kestrel.license("annual").key.extend(COMMAND, kestrel.now, seats=1)
    kestrel.bob.disable(kestrel.by("alice"), kestrel.alice, kestrel.now)
    give(kestrel, "alice", "annual")
    assert kestrel.license("annual").reserved == 1


# ── restoring ────────────────────────────────────────────────────────────────────────────────────────────────────────


def restore(kestrel: Kestrel, name: str) -> tuple[int, list[str]]:
    """How many came back, and why the others did not."""
    back, rest = kestrel.member(name).restore(kestrel.by("alice"), kestrel.now)
    return len(back), [str(reason) for _permission, reason in rest]


def test_restoring_gives_back_what_he_had(kestrel: Kestrel) -> None:
    kestrel.dora.enable(kestrel.by("alice"), kestrel.now)
    assert restore(kestrel, "dora") == (1, [])
    assert held(kestrel, "dora") == ["perpetual"]


def test_restoring_twice_gives_nothing_twice(kestrel: Kestrel) -> None:
    kestrel.dora.enable(kestrel.by("alice"), kestrel.now)
    restore(kestrel, "dora")
    before = kestrel.entries()
    assert (restore(kestrel, "dora"), kestrel.entries()) == ((0, []), before)


def test_disabled_member_gets_nothing_back(kestrel: Kestrel) -> None:
    with pytest.raises(RuleBroken, match="enabled"):
        kestrel.dora.restore(kestrel.by("alice"), kestrel.now)


def test_seats_that_went_to_others_are_named(kestrel: Kestrel) -> None:
    for license in ("cloud", "three_years"):
        give(kestrel, "bob", license)
    kestrel.bob.disable(kestrel.by("alice"), kestrel.alice, kestrel.now)
    fill(kestrel, "three_years")
    kestrel.bob.enable(kestrel.by("alice"), kestrel.now)
    count, reasons = restore(kestrel, "bob")
    assert (count, len(reasons)) == (2, 1)
    assert "5 of 5 seats are given away" in reasons[0]
    assert [each.license_id for each in kestrel.bob.suspended] == [kestrel.cast.license["three_years"]]


@pytest.mark.parametrize("why", ["revoked", "expired"])
def test_license_that_is_not_good_any_more_is_not_restored(kestrel: Kestrel, why: str) -> None:
    kestrel.bob.disable(kestrel.by("alice"), kestrel.alice, kestrel.now)
    if why == "revoked":
        kestrel.license("annual").key.revoke(COMMAND, kestrel.now)
    kestrel.bob.enable(kestrel.by("alice"), kestrel.now)
    then = kestrel.now + timedelta(days=400 if why == "expired" else 0)
    back, rest = kestrel.bob.restore(kestrel.by("alice"), then)
    assert (back, len(rest)) == ([], 1)


def test_product_that_he_was_given_anew_is_not_restored(kestrel: Kestrel) -> None:
    kestrel.bob.disable(kestrel.by("alice"), kestrel.alice, kestrel.now)
    kestrel.bob.enable(kestrel.by("alice"), kestrel.now)
    give(kestrel, "bob", "perpetual")
    count, reasons = restore(kestrel, "bob")
    assert (count, held(kestrel, "bob")) == (0, ["perpetual"])
    assert "PERPETUAL" in reasons[0]


def test_giving_what_is_suspended_takes_it_up_again(kestrel: Kestrel) -> None:
    kestrel.dora.enable(kestrel.by("alice"), kestrel.now)
    give(kestrel, "dora", "perpetual")
    assert (held(kestrel, "dora"), kestrel.dora.suspended) == (["perpetual"], [])


def test_disabling_again_keeps_what_was_suspended_before(kestrel: Kestrel) -> None:
    kestrel.dora.enable(kestrel.by("alice"), kestrel.now)
    give(kestrel, "dora", "cloud")
    freed = kestrel.dora.disable(kestrel.by("alice"), kestrel.alice, kestrel.now)
    assert (len(freed), len(kestrel.dora.suspended)) == (1, 2)


def test_taking_a_suspended_permission_frees_no_seat(kestrel: Kestrel) -> None:
    assert not kestrel.license("perpetual").take(kestrel.dora, kestrel.by("alice"), kestrel.now)
    kestrel.session.flush()
    assert (kestrel.license("perpetual").reserved, kestrel.dora.suspended) == (0, [])


def test_nobody_holds_two_permissions_for_a_product(kestrel: Kestrel) -> None:
    kestrel.dora.enable(kestrel.by("alice"), kestrel.now)
    give(kestrel, "dora", "annual")
    restore(kestrel, "dora")
    kestrel.session.flush()
    query = select(Permission.member_id).join(Member).where(Permission.suspended_at.is_(None))
    assert kestrel.session.scalar(select(func.count()).select_from(query.distinct().subquery())) == 3


def test_what_is_taken_from_the_disabled_is_recorded(kestrel: Kestrel) -> None:
    before, reserved = kestrel.entries(), kestrel.license("perpetual").reserved
    assert not kestrel.license("perpetual").take(kestrel.dora, kestrel.by("alice"), kestrel.now)
    assert kestrel.entries() == before + 1
    assert kestrel.last().action == "permission.take"
    assert kestrel.license("perpetual").reserved == reserved
    assert kestrel.dora.suspended == []
