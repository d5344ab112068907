"""The one co-administrator: appointed, replaced, dismissed."""

import pytest

from core.errors import RuleBroken
from core.refusals import CoAdministratorChanged
from models import Member
from tests.kestrel import Kestrel


def appoint(kestrel: Kestrel, name: str, replaces: int | None, who: str = "alice") -> Member | None:
    return kestrel.member(name).make_co_administrator(replaces, kestrel.by(who), kestrel.member(who), kestrel.now)


def holder(kestrel: Kestrel) -> int | None:
    kestrel.session.flush()
    found = kestrel.organization.holder_of("co-administrator")
    return found.id if found else None


def test_new_co_administrator_replaces_the_former(kestrel: Kestrel) -> None:
    """bob's row is younger than carol's."""
    former = appoint(kestrel, "bob", kestrel.carol.id)
    assert (former and former.id, holder(kestrel)) == (kestrel.carol.id, kestrel.bob.id)
    assert kestrel.carol.role == "member"


def test_former_with_the_larger_key_is_replaced_too(kestrel: Kestrel) -> None:
    """And back: the new holder has the smaller primary key."""
    appoint(kestrel, "bob", kestrel.carol.id)
    former = appoint(kestrel, "carol", kestrel.bob.id)
    assert (former and former.id, holder(kestrel)) == (kestrel.bob.id, kestrel.carol.id)


def test_both_keep_their_permissions(kestrel: Kestrel) -> None:
    appoint(kestrel, "bob", kestrel.carol.id)
    assert [len(kestrel.member(name).permissions) for name in ("bob", "carol")] == [1, 1]


def test_slot_that_is_free_takes_anybody_enabled(kestrel: Kestrel) -> None:
    kestrel.carol.make_member(kestrel.by("alice"), kestrel.now)
    assert appoint(kestrel, "bob", None) is None
    assert holder(kestrel) == kestrel.bob.id


@pytest.mark.parametrize("named", [None, 999_999])
def test_form_that_names_another_changes_nothing(kestrel: Kestrel, named: int | None) -> None:
    with pytest.raises(CoAdministratorChanged, match="Carol Example"):
        appoint(kestrel, "bob", named)
    assert holder(kestrel) == kestrel.carol.id


def test_form_that_names_one_who_is_gone_changes_nothing(kestrel: Kestrel) -> None:
    carol = kestrel.carol.id
    kestrel.carol.leave(kestrel.by("carol"), kestrel.now)
    with pytest.raises(CoAdministratorChanged, match="no co-administrator"):
        appoint(kestrel, "bob", carol)


def test_appointing_again_changes_and_records_nothing(kestrel: Kestrel) -> None:
    before = kestrel.entries()
    assert appoint(kestrel, "carol", kestrel.carol.id) is None
    assert (kestrel.entries(), holder(kestrel)) == (before, kestrel.carol.id)


@pytest.mark.parametrize(("who", "on"), [("alice", "alice"), ("carol", "carol"), ("carol", "alice"), ("alice", "dora")])
def test_who_cannot_be_co_administrator(kestrel: Kestrel, who: str, on: str) -> None:
    with pytest.raises(RuleBroken) as refused:
        appoint(kestrel, on, kestrel.carol.id, who)
    assert (refused.value.status, holder(kestrel)) == (409, kestrel.carol.id)


def test_co_administrator_may_name_his_successor(kestrel: Kestrel) -> None:
    appoint(kestrel, "bob", kestrel.carol.id, "carol")
    assert holder(kestrel) == kestrel.bob.id


@pytest.mark.parametrize("who", ["alice", "carol"])
def test_role_is_taken_back_by_either(kestrel: Kestrel, who: str) -> None:
    kestrel.carol.make_member(kestrel.by(who), kestrel.now)
    assert holder(kestrel) is None


def test_taking_the_role_back_twice_records_once(kestrel: Kestrel) -> None:
    kestrel.carol.make_member(kestrel.by("alice"), kestrel.now)
    before = kestrel.entries()
    kestrel.carol.make_member(kestrel.by("alice"), kestrel.now)
    assert kestrel.entries() == before


def test_administrator_stays_administrator(kestrel: Kestrel) -> None:
    with pytest.raises(RuleBroken, match="needs an administrator"):
        kestrel.alice.make_member(kestrel.by("carol"), kestrel.now)


def test_removed_co_administrator_comes_back_as_a_member(kestrel: Kestrel) -> None:
    kestrel.carol.remove(kestrel.by("alice"), kestrel.alice, kestrel.now)
    assert kestrel.enabled("carol@example.com").role == "member"
    assert holder(kestrel) is None
