"""Invited, pending, confirmed: how a person becomes a member, and how not."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from core import addresses
from core.errors import Gone, RuleBroken
from core.refusals import CannotJoin, WrongAccount
from models import INVITATION_AGE, Member, invitation_expired
from tests.kestrel import Kestrel


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
