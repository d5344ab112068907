"""Creating an organization, its profile, its one administrator, and handing it over."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from core.activity import Actor
from core.dates import ends_at
from core.errors import BadInput, Missing, RuleBroken
from core.refusals import CannotJoin, KeyInUse
from models import Member, Organization, PermissionKey
from tests.kestrel import Kestrel


def create(kestrel: Kestrel, who: str, key: PermissionKey, **profile: str) -> Organization:
    account = kestrel.account(who)
    return Organization.create(account, key, {"name": "Falcon", **profile}, kestrel.by(who), kestrel.now, kestrel.today)


def test_creator_is_its_enabled_administrator(kestrel: Kestrel) -> None:
    organization = create(kestrel, "erin", kestrel.key("shared"))
    member = organization.member_of(kestrel.account("erin"))
    assert (member.role, member.state) == ("administrator", "enabled")


def test_creator_uses_no_seat(kestrel: Kestrel) -> None:
    organization = create(kestrel, "erin", kestrel.key("shared"))
    assert [each.reserved for each in organization.licenses] == [0]


def test_creating_redeems_the_key_for_the_organization(kestrel: Kestrel) -> None:
    key = kestrel.key("floating")
    organization = create(kestrel, "erin", key)
    assert key.is_owned_by(organization)
    assert (key.redeemed_by, key.redeemed_at) == (kestrel.cast.erin.account_id, kestrel.now)


@pytest.mark.parametrize("kind", ["personal", "shared", "floating", "only", "mixed", "later"])
def test_every_kind_of_key_founds_an_organization(kestrel: Kestrel, kind: str) -> None:
    assert create(kestrel, "erin", kestrel.key(kind)).licenses


@pytest.mark.parametrize("name", ["alice", "carol", "bob", "dora", "mallory"])
def test_who_belongs_to_an_organization_cannot_create_another(kestrel: Kestrel, name: str) -> None:
    key = kestrel.key("shared")
    with pytest.raises(CannotJoin):
        create(kestrel, name, key)
    assert key.redeemed_at is None


def test_pending_person_may_create_his_own(kestrel: Kestrel) -> None:
    assert create(kestrel, "dave", kestrel.key("shared")).name == "Falcon"


def test_operator_creates_none(kestrel: Kestrel) -> None:
    with pytest.raises(RuleBroken, match="operator"):
        create(kestrel, "otto", kestrel.key("shared"))


def test_blocked_account_creates_none(kestrel: Kestrel) -> None:
    kestrel.account("erin").block(kestrel.by("otto"), kestrel.now)
    with pytest.raises(RuleBroken, match="blocked"):
        create(kestrel, "erin", kestrel.key("shared"))


def test_second_submit_creates_nothing(kestrel: Kestrel) -> None:
    key = kestrel.key("shared")
    create(kestrel, "erin", key)
    with pytest.raises(CannotJoin):
        create(kestrel, "erin", key)


def test_used_key_founds_nothing(kestrel: Kestrel) -> None:
    create(kestrel, "erin", kestrel.key("shared"))
    with pytest.raises(KeyInUse):
        create(kestrel, "dave", kestrel.key("shared"))


def test_name_is_trimmed(kestrel: Kestrel) -> None:
    assert create(kestrel, "erin", kestrel.key("shared"), name="  Falcon \t Works\n").name == "Falcon Works"


@pytest.mark.parametrize("name", ["", "   ", "\u200b", "x" * 201, "x" * 5000])
def test_name_that_cannot_be_leaves_the_key_unused(kestrel: Kestrel, name: str) -> None:
    key = kestrel.key("shared")
    with pytest.raises(BadInput) as refused:
        create(kestrel, "erin", key, name=name)
    assert refused.value.field == "name"
    assert key.redeemed_at is None


@pytest.mark.parametrize("name", ["=cmd()", "<script>alert(1)</script>", "x" * 200, "Größe & Söhne 株式会社"])
def test_odd_names_are_kept_as_they_are(kestrel: Kestrel, name: str) -> None:
    assert create(kestrel, "erin", kestrel.key("shared"), name=name).name == name


def test_two_organizations_may_have_one_name(kestrel: Kestrel) -> None:
    assert create(kestrel, "erin", kestrel.key("shared"), name="Kestrel Works").name == kestrel.organization.name


def test_editing_changes_the_profile(kestrel: Kestrel) -> None:
    organization = kestrel.organization
    organization.edit({"name": "New name", "country": " de ", "phone": "1"}, kestrel.by("alice"), kestrel.now)
    assert (organization.name, organization.country, organization.phone) == ("New name", "DE", "1")
    assert kestrel.last().after == ["country", "name", "phone"]


def test_editing_to_the_same_records_nothing(kestrel: Kestrel) -> None:
    before = kestrel.entries()
    kestrel.organization.edit({"name": "Kestrel Works"}, kestrel.by("alice"), kestrel.now)
    assert kestrel.entries() == before


@pytest.mark.parametrize(
    ("field", "text"), [("name", " "), ("zone", "Mars/Base"), ("country", "Germany"), ("address", "x" * 501)]
)
def test_bad_profile_names_its_field(kestrel: Kestrel, field: str, text: str) -> None:
    with pytest.raises(BadInput) as refused:
        kestrel.organization.edit({"name": "Kestrel", field: text}, kestrel.by("alice"), kestrel.now)
    assert refused.value.field == field


def test_new_time_zone_moves_the_end_of_its_licenses(kestrel: Kestrel) -> None:
    kestrel.organization.edit({"name": "K", "zone": "America/New_York"}, kestrel.by("alice"), kestrel.now)
    kestrel.session.flush()
    license = kestrel.license("annual")
    assert license.end_on is not None
    assert license.ends_at == ends_at(license.end_on, "America/New_York")
    assert kestrel.license("perpetual").ends_at is None


def test_new_time_zone_leaves_other_organizations_alone(kestrel: Kestrel) -> None:
    before = kestrel.license("other").ends_at
    kestrel.organization.edit({"name": "K", "zone": "Asia/Tokyo"}, kestrel.by("alice"), kestrel.now)
    kestrel.session.flush()
    assert kestrel.license("other").ends_at == before


@pytest.mark.parametrize("what", ["member", "license"])
def test_what_is_another_organizations_does_not_exist(kestrel: Kestrel, what: str) -> None:
    foreign = {"member": kestrel.cast.mallory.member_id, "license": kestrel.cast.license["other"]}[what]
    with pytest.raises(Missing):
        getattr(kestrel.organization, what)(foreign)


def test_ended_member_does_not_exist(kestrel: Kestrel) -> None:
    kestrel.bob.remove(kestrel.by("alice"), kestrel.alice, kestrel.now)
    with pytest.raises(Missing):
        kestrel.organization.member(kestrel.bob.id)


def test_deleted_organization_does_not_exist(kestrel: Kestrel) -> None:
    kestrel.organization.deleted_at = kestrel.now
    kestrel.session.flush()
    with pytest.raises(Missing):
        _ = kestrel.organization


def test_leaders_are_administrator_then_co_administrator(kestrel: Kestrel) -> None:
    assert [each.shown_name for each in kestrel.organization.leaders] == ["Alice Example", "Carol Example"]


def test_licenses_stand_by_product_then_end(kestrel: Kestrel) -> None:
    names = {id: name for name, id in kestrel.cast.license.items()}
    assert [names[each.id] for each in kestrel.organization.licenses] == [
        "annual", "perpetual", "three_years", "expired", "cloud", "network",
    ]  # fmt: skip


def test_lines_of_one_product_never_merge(kestrel: Kestrel) -> None:
    key = kestrel.new_key("annual", 2)
    assert key.redeem(kestrel.organization, kestrel.by("alice"), kestrel.now, kestrel.today)
    lines = [each for each in kestrel.organization.licenses if each.product.code == "draft"]
    assert [each.seats for each in lines] == [3, 2, 2]


# ── handing over ─────────────────────────────────────────────────────────────────────────────────────────────────────


def roles(kestrel: Kestrel) -> dict[str, str]:
    kestrel.session.flush()
    rows = kestrel.session.scalars(select(Member).where(Member.organization_id == kestrel.cast.organization_id))
    return {each.shown_name.split()[0].lower(): each.role for each in rows if each.role != "member"}


def test_transfer_with_the_slot_taken_makes_the_former_a_member(kestrel: Kestrel) -> None:
    kestrel.organization.transfer(kestrel.bob, kestrel.by("otto"), kestrel.now)
    assert roles(kestrel) == {"bob": "administrator", "carol": "co-administrator"}


def test_transfer_with_a_free_slot_makes_the_former_co_administrator(kestrel: Kestrel) -> None:
    kestrel.carol.make_member(kestrel.by("alice"), kestrel.now)
    kestrel.organization.transfer(kestrel.bob, kestrel.by("otto"), kestrel.now)
    assert roles(kestrel) == {"bob": "administrator", "alice": "co-administrator"}


def test_transfer_to_the_co_administrator_swaps_the_two(kestrel: Kestrel) -> None:
    kestrel.organization.transfer(kestrel.carol, kestrel.by("otto"), kestrel.now)
    assert roles(kestrel) == {"carol": "administrator", "alice": "co-administrator"}


def test_transfer_back_swaps_them_again(kestrel: Kestrel) -> None:
    """The smaller primary key steps up once and down once."""
    kestrel.organization.transfer(kestrel.carol, kestrel.by("otto"), kestrel.now)
    kestrel.organization.transfer(kestrel.alice, kestrel.by("otto"), kestrel.now)
    assert roles(kestrel) == {"alice": "administrator", "carol": "co-administrator"}


def test_transfer_to_the_administrator_changes_and_records_nothing(kestrel: Kestrel) -> None:
    before = kestrel.entries()
    kestrel.organization.transfer(kestrel.alice, kestrel.by("otto"), kestrel.now)
    assert (kestrel.entries(), roles(kestrel)["alice"]) == (before, "administrator")


@pytest.mark.parametrize("name", ["dora", "dave"])
def test_only_an_enabled_member_becomes_administrator(kestrel: Kestrel, name: str) -> None:
    with pytest.raises(RuleBroken, match="enabled"):
        kestrel.organization.transfer(kestrel.member(name), kestrel.by("otto"), kestrel.now)
    assert roles(kestrel)["alice"] == "administrator"


def test_account_without_membership_cannot_take_over(kestrel: Kestrel) -> None:
    with pytest.raises(RuleBroken, match="not a member"):
        kestrel.organization.member_of(kestrel.account("erin"))


def test_transfer_says_who_it_was_before(kestrel: Kestrel) -> None:
    kestrel.organization.transfer(kestrel.bob, kestrel.by("otto"), kestrel.now)
    last = kestrel.last()
    assert (last.action, last.target_id, last.before) == (
        "organization.transfer", kestrel.cast.bob.member_id, {"administrator": kestrel.cast.alice.member_id},
    )  # fmt: skip


def test_creation_is_the_first_entry_of_its_stream(kestrel: Kestrel) -> None:
    organization = create(kestrel, "erin", kestrel.key("shared"))
    assert kestrel.entries(organization.id) == 2
    assert [kestrel.last(str(organization.id)).action] == ["key.redeem"]


def test_only_confirmed_members_are_found_by_account(kestrel: Kestrel) -> None:
    with pytest.raises(RuleBroken):
        kestrel.organization.member_of(kestrel.account("dave"))


def test_founding_leaves_the_invitation_elsewhere_as_it_was(kestrel: Kestrel) -> None:
    create(kestrel, "dave", kestrel.key("shared"))
    with pytest.raises(CannotJoin):
        kestrel.dave.confirm(kestrel.account("dave"), kestrel.by("dave"), kestrel.now + timedelta(days=1))
    assert kestrel.dave.state == "pending"


def test_one_administrator_is_counted_per_organization(kestrel: Kestrel) -> None:
    create(kestrel, "erin", kestrel.key("shared"))
    query = select(func.count()).where(Member.role == "administrator").group_by(Member.organization_id)
    assert list(kestrel.session.scalars(query)) == [1, 1, 1]


def test_command_is_an_actor_too(kestrel: Kestrel) -> None:
    kestrel.organization.transfer(kestrel.bob, Actor("command"), kestrel.now)
    assert (kestrel.last().actor_kind, kestrel.last().actor_id) == ("command", None)
