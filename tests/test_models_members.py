"""Invited, pending, enabled, disabled, ended: what may become of a member, and what not."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from core import addresses
from core.errors import Gone, RuleBroken
from core.refusals import CannotJoin, CoAdministratorChanged, WrongAccount
from models import INVITATION_AGE, Member, invitation_expired
from tests.kestrel import Kestrel

LATER = timedelta(hours=1)


def outcomes(kestrel: Kestrel, text: str, name: str = "alice") -> list[str]:
    return [each.outcome for each in kestrel.invite(text, name)]


def rows(kestrel: Kestrel) -> int:
    return kestrel.session.scalar(select(func.count()).select_from(Member)) or 0


# ── inviting ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_invited_address_is_pending_at_once(kestrel: Kestrel) -> None:
    (invited,) = kestrel.invite("anna@firm.example")
    assert invited.member is not None
    assert (invited.outcome, invited.member.state, invited.member.role) == ("invited", "pending", "member")
    assert invited.needs_letter


def test_pending_member_needs_no_account_and_shows_his_address(kestrel: Kestrel) -> None:
    (invited,) = kestrel.invite("Anna@Firm.com")
    assert invited.member is not None
    assert (invited.member.account_id, invited.member.shown_name) == (None, "Anna@Firm.com")


def test_every_address_of_a_paste_gets_its_own_answer(kestrel: Kestrel) -> None:
    text = "new@firm.com; bob@example.com; dora@example.com, dave@example.com\nmallory@example.com; nonsense;"
    assert outcomes(kestrel, text) == [
        "invited", "already a member", "disabled", "sent again", "elsewhere", "not an address",
    ]  # fmt: skip


def test_own_address_is_yourself(kestrel: Kestrel) -> None:
    assert outcomes(kestrel, "ALICE@example.com") == ["yourself"]
    assert outcomes(kestrel, "carol@example.com", "carol") == ["yourself"]


def test_operator_cannot_be_invited(kestrel: Kestrel) -> None:
    assert outcomes(kestrel, "otto@example.com") == ["cannot join"]


def test_account_without_organization_is_invited(kestrel: Kestrel) -> None:
    assert outcomes(kestrel, "erin@example.com") == ["invited"]


def test_same_address_in_other_spelling_is_one_row(kestrel: Kestrel) -> None:
    assert outcomes(kestrel, "Anna@Firm.com") == ["invited"]
    before = rows(kestrel)
    assert outcomes(kestrel, "  ANNA@FIRM.COM ") == ["sent again"]
    assert rows(kestrel) == before


def test_dots_and_tags_make_another_address(kestrel: Kestrel) -> None:
    assert outcomes(kestrel, "b.ob@example.com; bob+cad@example.com") == ["invited", "invited"]


def test_address_kept_as_typed(kestrel: Kestrel) -> None:
    (invited,) = kestrel.invite('"Bell, Anna" <Anna@Firm.com>')
    assert invited.member is not None
    assert (invited.member.email, invited.member.email_key) == ("Anna@Firm.com", "anna@firm.com")


def test_one_bad_address_stops_no_good_one(kestrel: Kestrel) -> None:
    first, second = kestrel.invite("not an address; good@firm.com")
    assert (first.outcome, second.outcome) == ("not an address", "invited")
    assert first.reason


def test_member_whose_address_changed_is_still_a_member(kestrel: Kestrel) -> None:
    kestrel.account("bob").change_email("robert@example.com", kestrel.by("bob"), kestrel.now)
    assert outcomes(kestrel, "robert@example.com") == ["already a member"]


def test_member_with_a_second_invitation_to_his_new_address_is_a_member(kestrel: Kestrel) -> None:
    """Both databases have to prefer the confirmed row, wherever they sort what is missing."""
    kestrel.invite("robert@example.com")
    kestrel.account("bob").change_email("robert@example.com", kestrel.by("bob"), kestrel.now)
    assert outcomes(kestrel, "robert@example.com") == ["already a member"]


def test_two_organizations_may_invite_one_address(kestrel: Kestrel) -> None:
    entry = addresses.split("dave@example.com")[0]
    me = kestrel.harbor.member_of(kestrel.account("mallory"))
    assert kestrel.harbor.invite(entry, kestrel.by("mallory"), me, kestrel.now).outcome == "invited"


def test_inviting_more_people_than_seats_is_fine(kestrel: Kestrel) -> None:
    text = ";".join(f"p{n}@firm.com" for n in range(20))
    assert set(outcomes(kestrel, text)) == {"invited"}


@pytest.mark.parametrize("how", ["again", "resend"])
def test_new_invitation_kills_the_old_link(kestrel: Kestrel, how: str) -> None:
    old = kestrel.dave.nonce
    then = kestrel.now + timedelta(days=10)
    if how == "again":
        kestrel.invite("dave@example.com", "carol", then)
    else:
        kestrel.dave.resend(kestrel.by("carol"), kestrel.carol, then)
    assert kestrel.dave.nonce not in (old, None)
    assert (kestrel.dave.invited_at, kestrel.dave.invited_by) == (then, kestrel.carol.id)


def test_invitation_lives_14_days(kestrel: Kestrel) -> None:
    assert timedelta(days=14) == INVITATION_AGE
    assert not invitation_expired(kestrel.dave, kestrel.now + INVITATION_AGE - timedelta(seconds=1))
    assert invitation_expired(kestrel.dave, kestrel.now + INVITATION_AGE)


def test_expired_invitation_stays_pending_and_works_after_resend(kestrel: Kestrel) -> None:
    then = kestrel.now + timedelta(days=15)
    with pytest.raises(Gone):
        kestrel.dave.confirm(kestrel.account("dave"), kestrel.by("dave"), then)
    assert kestrel.dave.state == "pending"
    kestrel.dave.resend(kestrel.by("alice"), kestrel.alice, then)
    kestrel.dave.confirm(kestrel.account("dave"), kestrel.by("dave"), then)
    assert kestrel.dave.state == "enabled"


@pytest.mark.parametrize("how", ["withdraw", "decline"])
def test_answered_invitation_leaves_the_list(kestrel: Kestrel, how: str) -> None:
    dave = kestrel.dave
    getattr(dave, how)(kestrel.by("alice"), kestrel.now)
    assert (dave.state, dave.nonce) == ("ended", None)
    assert dave.ended_reason == {"withdraw": "withdrawn", "decline": "declined"}[how]


@pytest.mark.parametrize("how", ["resend", "withdraw", "decline"])
@pytest.mark.parametrize("name", ["bob", "dora", "alice"])
def test_only_an_open_invitation_is_resent_or_ended(kestrel: Kestrel, how: str, name: str) -> None:
    arguments = [kestrel.alice] if how == "resend" else []
    with pytest.raises(RuleBroken):
        getattr(kestrel.member(name), how)(kestrel.by("alice"), *arguments, kestrel.now)


def test_withdrawn_person_can_be_invited_again(kestrel: Kestrel) -> None:
    kestrel.dave.withdraw(kestrel.by("alice"), kestrel.now)
    assert outcomes(kestrel, "dave@example.com") == ["invited"]


# ── confirming ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_confirming_makes_an_enabled_member(kestrel: Kestrel) -> None:
    dave = kestrel.dave
    dave.confirm(kestrel.account("dave"), kestrel.by("dave"), kestrel.now)
    assert (dave.state, dave.role, dave.nonce, dave.permissions) == ("enabled", "member", None, [])
    assert dave.shown_name == "Dave Example"


def test_confirming_twice_is_a_dead_link(kestrel: Kestrel) -> None:
    kestrel.dave.confirm(kestrel.account("dave"), kestrel.by("dave"), kestrel.now)
    before = kestrel.entries()
    with pytest.raises(Gone):
        kestrel.dave.confirm(kestrel.account("dave"), kestrel.by("dave"), kestrel.now)
    assert kestrel.entries() == before


@pytest.mark.parametrize("name", ["erin", "mallory", "bob", "otto"])
def test_other_account_does_not_consume_the_invitation(kestrel: Kestrel, name: str) -> None:
    nonce = kestrel.dave.nonce
    with pytest.raises(WrongAccount):
        kestrel.dave.confirm(kestrel.account(name), kestrel.by(name), kestrel.now)
    assert (kestrel.dave.state, kestrel.dave.nonce) == ("pending", nonce)


def test_account_whose_address_changed_is_another(kestrel: Kestrel) -> None:
    kestrel.account("dave").change_email("david@example.com", kestrel.by("dave"), kestrel.now)
    with pytest.raises(WrongAccount):
        kestrel.dave.confirm(kestrel.account("dave"), kestrel.by("dave"), kestrel.now)


def test_unconfirmed_address_proves_nothing(kestrel: Kestrel) -> None:
    kestrel.account("dave").confirmed_at = None
    kestrel.session.flush()
    with pytest.raises(WrongAccount):
        kestrel.dave.confirm(kestrel.account("dave"), kestrel.by("dave"), kestrel.now)


def test_who_takes_part_elsewhere_cannot_confirm_until_he_is_free(kestrel: Kestrel) -> None:
    """X9, R35: the invitation stays good and works again when the person is free."""
    me = kestrel.harbor.member_of(kestrel.account("mallory"))
    entry = addresses.split("dave@example.com")[0]
    harbor = kestrel.harbor.invite(entry, kestrel.by("mallory"), me, kestrel.now).member
    assert harbor is not None
    kestrel.dave.confirm(kestrel.account("dave"), kestrel.by("dave"), kestrel.now)
    with pytest.raises(CannotJoin, match="Kestrel Works"):
        harbor.confirm(kestrel.account("dave"), kestrel.by("dave"), kestrel.now)
    assert harbor.state == "pending"
    kestrel.dave.leave(kestrel.by("dave"), kestrel.now)
    harbor.confirm(kestrel.account("dave"), kestrel.by("dave"), kestrel.now)
    assert harbor.state == "enabled"


def test_disabled_elsewhere_counts_as_elsewhere(kestrel: Kestrel) -> None:
    me = kestrel.harbor.member_of(kestrel.account("mallory"))
    entry = addresses.split("dora@example.com")[0]
    assert kestrel.harbor.invite(entry, kestrel.by("mallory"), me, kestrel.now).outcome == "elsewhere"


def test_blocked_account_cannot_confirm(kestrel: Kestrel) -> None:
    kestrel.account("dave").block(kestrel.by("otto"), kestrel.now)
    with pytest.raises(RuleBroken, match="blocked"):
        kestrel.dave.confirm(kestrel.account("dave"), kestrel.by("dave"), kestrel.now)


def test_operator_cannot_confirm(kestrel: Kestrel) -> None:
    kestrel.account("dave").is_operator = True
    kestrel.session.flush()
    with pytest.raises(RuleBroken, match="operator"):
        kestrel.dave.confirm(kestrel.account("dave"), kestrel.by("dave"), kestrel.now)


# ── disabling and enabling ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("who", ["alice", "carol"])
def test_disabled_member_disappears_from_permissions_and_counts(kestrel: Kestrel, who: str) -> None:
    freed = kestrel.bob.disable(kestrel.by(who), kestrel.member(who), kestrel.now)
    assert [each.license_id for each in freed] == [kestrel.cast.license["annual"]]
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
    offered = kestrel.dora.enable(kestrel.by("alice"), kestrel.now)
    assert [each.license_id for each in offered] == [kestrel.cast.license["perpetual"]]
    assert (kestrel.dora.state, kestrel.license("perpetual").reserved) == ("enabled", 0)


def test_enabling_twice_records_once(kestrel: Kestrel) -> None:
    kestrel.dora.enable(kestrel.by("alice"), kestrel.now)
    before = kestrel.entries()
    assert len(kestrel.dora.enable(kestrel.by("alice"), kestrel.now)) == 1
    assert kestrel.entries() == before


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
    assert ([each.license_id for each in freed], kestrel.license("annual").reserved) == (
        [kestrel.cast.license["annual"]],
        0,
    )


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


# ── the one co-administrator ─────────────────────────────────────────────────────────────────────────────────────────


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
