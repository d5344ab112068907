"""Disabled, enabled, removed, gone: what ends a participation, and what it leaves."""

from datetime import timedelta

import pytest

from core.errors import RuleBroken
from tests.kestrel import Kestrel

LATER = timedelta(hours=1)


# ── disabling and enabling ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("who", ["alice", "carol"])
def test_disabled_member_disappears_from_permissions_and_counts(kestrel: Kestrel, who: str) -> None:
    freed = kestrel.bob.disable(kestrel.by(who), kestrel.member(who), kestrel.now)
    assert freed == [kestrel.cast.license["annual"]]
    assert kestrel.license("annual").reserved == 0
    assert [each.license_id for each in kestrel.bob.suspended] == [kestrel.cast.license["annual"]]


def test_co_administrator_loses_the_role_with_disabling(kestrel: Kestrel) -> None:
    carol = kestrel.carol
    carol.disable(kestrel.by("alice"), kestrel.alice, kestrel.now)
    assert (carol.role, kestrel.last().before) == ("member", {"role": "co-administrator"})
    carol.enable(kestrel.by("alice"), kestrel.now)
    assert (carol.role, kestrel.organization.holder_of("co-administrator")) == ("member", None)


@pytest.mark.parametrize(("who", "on"), [("alice", "alice"), ("carol", "carol"), ("carol", "alice")])
@pytest.mark.parametrize("how", ["disable", "remove"])
def test_nobody_ends_himself_or_the_administrator(kestrel: Kestrel, who: str, on: str, how: str) -> None:
    before = kestrel.entries()
    with pytest.raises(RuleBroken) as refused:
        getattr(kestrel.member(on), how)(kestrel.by(who), kestrel.member(who), kestrel.now)
    assert refused.value.status == 409
    assert (kestrel.member(on).state, kestrel.entries()) == ("enabled", before)


@pytest.mark.parametrize("how", ["disable", "enable", "remove", "leave", "make_co_administrator"])
def test_pending_member_cannot_be_anything_else(kestrel: Kestrel, how: str) -> None:
    dave, by, me = kestrel.dave, kestrel.by("alice"), kestrel.alice
    arguments = {
        "disable": (by, me, kestrel.now),
        "remove": (by, me, kestrel.now),
        "enable": (by, kestrel.now),
        "leave": (by, kestrel.now),
        "make_co_administrator": (kestrel.carol.id, by, me, kestrel.now),
    }
    with pytest.raises(RuleBroken):
        getattr(dave, how)(*arguments[how])
    assert kestrel.dave.state == "pending"


def test_disabling_twice_changes_and_records_nothing(kestrel: Kestrel) -> None:
    kestrel.bob.disable(kestrel.by("alice"), kestrel.alice, kestrel.now)
    before, since = kestrel.entries(), kestrel.bob.disabled_at
    assert kestrel.bob.disable(kestrel.by("alice"), kestrel.alice, kestrel.now + LATER) == []
    assert (kestrel.entries(), kestrel.bob.disabled_at) == (before, since)


def test_enabling_ticks_nothing_and_offers_what_he_had(kestrel: Kestrel) -> None:
    kestrel.dora.enable(kestrel.by("alice"), kestrel.now)
    assert [each.license_id for each in kestrel.dora.suspended] == [kestrel.cast.license["perpetual"]]
    assert (kestrel.dora.state, kestrel.license("perpetual").reserved) == ("enabled", 0)


def test_enabling_twice_records_once(kestrel: Kestrel) -> None:
    kestrel.dora.enable(kestrel.by("alice"), kestrel.now)
    before = kestrel.entries()
    kestrel.dora.enable(kestrel.by("alice"), kestrel.now)
    assert (kestrel.entries(), len(kestrel.dora.suspended)) == (before, 1)


def test_disabled_member_still_belongs_to_the_organization(kestrel: Kestrel) -> None:
    member = kestrel.account("dora").membership
    assert member is not None
    assert member.id == kestrel.cast.dora.member_id


# ── removing and leaving ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["bob", "dora", "carol"])
def test_removed_member_is_free_at_once(kestrel: Kestrel, name: str) -> None:
    member = kestrel.member(name)
    member.remove(kestrel.by("alice"), kestrel.alice, kestrel.now)
    assert (member.state, member.ended_reason, member.role, member.permissions) == ("ended", "removed", "member", [])
    assert kestrel.account(name).membership is None


def test_removing_frees_his_seats(kestrel: Kestrel) -> None:
    freed = kestrel.bob.remove(kestrel.by("alice"), kestrel.alice, kestrel.now)
    assert (freed, kestrel.license("annual").reserved) == ([kestrel.cast.license["annual"]], 0)


def test_removing_a_disabled_member_frees_nothing_twice(kestrel: Kestrel) -> None:
    assert kestrel.dora.remove(kestrel.by("alice"), kestrel.alice, kestrel.now) == []
    assert kestrel.license("perpetual").reserved == 0


def test_removed_member_invited_again_has_nothing_back(kestrel: Kestrel) -> None:
    kestrel.bob.remove(kestrel.by("alice"), kestrel.alice, kestrel.now)
    again = kestrel.enabled("bob@example.com")
    assert again.id != kestrel.cast.bob.member_id
    assert (again.permissions, again.role) == ([], "member")


@pytest.mark.parametrize("name", ["bob", "carol", "dora"])
def test_everybody_but_the_administrator_may_leave(kestrel: Kestrel, name: str) -> None:
    assert kestrel.account(name).permits_leaving()
    member = kestrel.member(name)
    member.leave(kestrel.by(name), kestrel.now)
    assert (member.state, member.ended_reason, member.role) == ("ended", "left", "member")
    assert all(kept == counted for kept, counted in kestrel.recounted().values())


def test_administrator_cannot_leave(kestrel: Kestrel) -> None:
    assert not kestrel.account("alice").permits_leaving()
    with pytest.raises(RuleBroken, match="needs an administrator"):
        kestrel.alice.leave(kestrel.by("alice"), kestrel.now)
    assert kestrel.alice.state == "enabled"


@pytest.mark.parametrize("name", ["dave", "erin", "otto"])
def test_who_is_no_member_has_nothing_to_leave(kestrel: Kestrel, name: str) -> None:
    assert not kestrel.account(name).permits_leaving()


def test_personal_license_stays_through_joining_and_leaving(kestrel: Kestrel) -> None:
    key = kestrel.key("personal")
    key.redeem(kestrel.account("dave"), kestrel.by("dave"), kestrel.now, kestrel.today)
    kestrel.dave.confirm(kestrel.account("dave"), kestrel.by("dave"), kestrel.now)
    kestrel.dave.leave(kestrel.by("dave"), kestrel.now)
    assert key.is_owned_by(kestrel.account("dave"))


def test_membership_stays_when_the_address_changes(kestrel: Kestrel) -> None:
    kestrel.account("bob").change_email("robert@example.com", kestrel.by("bob"), kestrel.now)
    kestrel.session.flush()
    assert (kestrel.bob.shown_email, len(kestrel.bob.permissions)) == ("robert@example.com", 1)
