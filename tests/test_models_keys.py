"""Permission keys: issued, redeemed once, revoked, reinstated, released, extended; and the licenses they hold."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, select

from core import keys
from core.activity import COMMAND, Activity
from core.dates import LicenseType, ends_at, starts_at
from core.errors import BadInput, NotAllowed, RuleBroken
from core.refusals import KeyEmpty, KeyExpired, KeyInUse, KeyUnknown, KeyWithdrawn, NeedsOrganization
from models import Item, License, Permission, PermissionKey, Product
from tests.kestrel import Kestrel


def issue(kestrel: Kestrel, *items: Item) -> PermissionKey:
    return PermissionKey.issue(kestrel.session, items, kestrel.sealer, COMMAND, kestrel.now)[0]


def item(kestrel: Kestrel, kind: str, seats: int = 1, product: str = "draft") -> Item:
    return Item(kestrel.product(product), LicenseType(kind), seats)


def redeem(kestrel: Kestrel, key: PermissionKey, who: str = "alice") -> bool:
    """For who's organization, or for himself when he has none."""
    owner = kestrel.organization if who in ("alice", "carol") else kestrel.account(who)
    return key.redeem(owner, kestrel.by(who), kestrel.now, kestrel.today)


# ── issuing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_text_is_kept_sealed_and_hashed_only(kestrel: Kestrel) -> None:
    key, text = PermissionKey.issue(kestrel.session, [item(kestrel, "annual")], kestrel.sealer, COMMAND, kestrel.now)
    assert text.encode() not in key.text_sealed + key.text_hash
    assert (key.text_hash, key.last_group) == (keys.digest(text), text[-5:])


def test_key_is_found_by_its_text(kestrel: Kestrel) -> None:
    assert kestrel.key("personal").id == PermissionKey.known(kestrel.session, kestrel.cast.unused["personal"]).id


def test_genuine_key_that_was_never_issued_is_unknown(kestrel: Kestrel) -> None:
    with pytest.raises(KeyUnknown):
        PermissionKey.known(kestrel.session, keys.make())


def test_key_without_items_cannot_be(kestrel: Kestrel) -> None:
    with pytest.raises(BadInput):
        issue(kestrel)


@pytest.mark.parametrize("seats", [-1, 100_001])
def test_seats_that_cannot_be_are_refused(kestrel: Kestrel, seats: int) -> None:
    with pytest.raises(BadInput) as refused:
        issue(kestrel, item(kestrel, "annual", seats))
    assert refused.value.field == "seats"


@pytest.mark.parametrize(
    ("kind", "end"),
    [
        ("perpetual", None),
        ("annual", date(2027, 3, 9)),
        ("three-years", date(2029, 3, 9)),
        ("trial", date(2026, 4, 8)),
        ("flex-cloud", date(2027, 3, 9)),
        ("flex-network", date(2027, 3, 9)),
    ],
)
def test_license_ends_the_day_before_the_same_date(kestrel: Kestrel, kind: str, end: date | None) -> None:
    key = issue(kestrel, Item(kestrel.product("draft"), LicenseType(kind), 1, date(2026, 3, 10)))
    assert key.licenses[0].end_on == end


def test_year_from_29_february_ends_on_28_february(kestrel: Kestrel) -> None:
    key = issue(kestrel, Item(kestrel.product("draft"), LicenseType.ANNUAL, 1, date(2028, 2, 29)))
    assert key.licenses[0].end_on == date(2029, 2, 28)


def test_year_that_holds_29_february_ends_a_day_before_its_date(kestrel: Kestrel) -> None:
    key = issue(kestrel, Item(kestrel.product("draft"), LicenseType.ANNUAL, 1, date(2027, 3, 1)))
    assert key.licenses[0].end_on == date(2028, 2, 29)


def test_explicit_end_wins(kestrel: Kestrel) -> None:
    day = kestrel.today + timedelta(days=3)
    key = issue(kestrel, Item(kestrel.product("draft"), LicenseType.ANNUAL, 1, kestrel.today, day))
    assert key.licenses[0].end_on == day


def test_end_before_start_is_refused(kestrel: Kestrel) -> None:
    day = kestrel.today - timedelta(days=1)
    with pytest.raises(BadInput, match="before it starts"):
        issue(kestrel, Item(kestrel.product("draft"), LicenseType.ANNUAL, 1, kestrel.today, day))


def test_perpetual_license_takes_no_end(kestrel: Kestrel) -> None:
    with pytest.raises(BadInput, match="PERPETUAL"):
        issue(kestrel, Item(kestrel.product("draft"), LicenseType.PERPETUAL, 1, kestrel.today, kestrel.today))


def test_every_license_has_a_serial_number_of_its_own(kestrel: Kestrel) -> None:
    kinds = [item(kestrel, "annual"), item(kestrel, "annual"), item(kestrel, "trial")]
    serials = {each.serial for each in issue(kestrel, *kinds).licenses + issue(kestrel, *kinds).licenses}
    assert len(serials) == 6


def test_serial_number_stays_through_redemption_and_release(kestrel: Kestrel) -> None:
    key = kestrel.new_key()
    serial = key.licenses[0].serial
    redeem(kestrel, key)
    key.release(COMMAND, kestrel.now)
    assert key.licenses[0].serial == serial


# ── what needs an organization ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("items", "needs"),
    [
        ([("annual", 1, "draft")], False),
        ([("perpetual", 1, "draft"), ("annual", 1, "draft")], False),
        ([("annual", 1, "draft"), ("annual", 1, "render")], False),
        ([("annual", 2, "draft")], True),
        ([("annual", 1, "draft"), ("annual", 1, "draft")], True),
        ([("flex-cloud", 1, "draft")], True),
        ([("flex-network", 1, "draft")], True),
        ([("annual", 1, "hub")], True),
        ([("annual", 0, "draft"), ("annual", 1, "draft")], False),
    ],
)
def test_organization_is_needed_for(kestrel: Kestrel, items: list[tuple[str, int, str]], needs: bool) -> None:
    assert issue(kestrel, *(item(kestrel, *each) for each in items)).needs_organization is needs


@pytest.mark.parametrize("kind", ["shared", "floating", "only", "mixed"])
def test_person_cannot_redeem_what_needs_an_organization(kestrel: Kestrel, kind: str) -> None:
    key = kestrel.key(kind)
    with pytest.raises(NeedsOrganization) as refused:
        redeem(kestrel, key, "erin")
    assert (refused.value.status, key.redeemed_at) == (403, None)


@pytest.mark.parametrize("who", ["bob", "dora", "carol", "alice"])
def test_member_keeps_a_personal_license_of_his_own(kestrel: Kestrel, who: str) -> None:
    key, account = kestrel.key("personal"), kestrel.account(who)
    assert key.redeem(account, kestrel.by(who), kestrel.now, kestrel.today)
    assert (key.organization_id, key.account_id) == (None, account.id)
    assert key.licenses[0].id not in [each.id for each in kestrel.organization.licenses]


def test_member_cannot_activate_floating_licenses(kestrel: Kestrel) -> None:
    key = kestrel.key("floating")
    with pytest.raises(NotAllowed):
        key.redeem(kestrel.account("bob"), kestrel.by("bob"), kestrel.now, kestrel.today)


def test_operator_redeems_nothing(kestrel: Kestrel) -> None:
    key = kestrel.key("personal")
    with pytest.raises(RuleBroken, match="operator"):
        redeem(kestrel, key, "otto")
    assert key.redeemed_at is None


# ── redeeming ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_all_items_become_licenses_at_once(kestrel: Kestrel) -> None:
    key = kestrel.key("mixed")
    redeem(kestrel, key)
    shown = {each.id for each in kestrel.organization.licenses}
    assert {each.id for each in key.licenses} <= shown
    assert all(each.starts_at and each.ends_at for each in key.licenses)


def test_key_that_starts_later_is_accepted(kestrel: Kestrel) -> None:
    key = kestrel.key("later")
    redeem(kestrel, key)
    (license,) = key.licenses
    assert license.is_ahead(kestrel.now)
    assert not license.is_live(kestrel.now)
    assert license.is_live(kestrel.now + timedelta(days=21))


def test_same_key_again_is_in_the_list_already(kestrel: Kestrel) -> None:
    key = kestrel.key("shared")
    redeem(kestrel, key)
    before = kestrel.entries()
    assert redeem(kestrel, key, "carol") is False
    assert kestrel.entries() == before


def test_same_personal_key_again_changes_nothing(kestrel: Kestrel) -> None:
    key = kestrel.key("personal")
    assert [redeem(kestrel, key, "erin"), redeem(kestrel, key, "erin")] == [True, False]


@pytest.mark.parametrize("second", ["erin", "mallory"])
def test_used_key_is_refused_without_a_name(kestrel: Kestrel, second: str) -> None:
    key = kestrel.key("personal")
    redeem(kestrel, key)
    owner = kestrel.harbor if second == "mallory" else kestrel.account(second)
    with pytest.raises(KeyInUse) as refused:
        key.redeem(owner, kestrel.by(second), kestrel.now, kestrel.today)
    assert "Kestrel" not in str(refused.value)


def test_persons_key_is_no_organizations(kestrel: Kestrel) -> None:
    key = kestrel.key("personal")
    redeem(kestrel, key, "erin")
    with pytest.raises(KeyInUse):
        redeem(kestrel, key)


def test_revoked_key_is_withdrawn(kestrel: Kestrel) -> None:
    key = kestrel.key("personal")
    key.revoke(COMMAND, kestrel.now)
    with pytest.raises(KeyWithdrawn):
        redeem(kestrel, key)


def test_expired_key_says_when_and_is_not_consumed(kestrel: Kestrel) -> None:
    key = kestrel.new_key("trial", start=-31)
    with pytest.raises(KeyExpired, match="expired on"):
        redeem(kestrel, key)
    assert key.redeemed_at is None


def test_key_is_good_on_its_last_day(kestrel: Kestrel) -> None:
    key = kestrel.new_key("trial", start=-29)
    assert key.licenses[0].end_on == kestrel.today
    assert redeem(kestrel, key)


def test_key_without_seats_is_not_consumed(kestrel: Kestrel) -> None:
    key = kestrel.new_key("annual", 0)
    with pytest.raises(KeyEmpty):
        redeem(kestrel, key)
    assert key.redeemed_at is None


def test_key_with_one_live_item_is_good(kestrel: Kestrel) -> None:
    over = Item(kestrel.product("draft"), LicenseType.TRIAL, 1, kestrel.today - timedelta(days=60))
    key = issue(kestrel, over, item(kestrel, "annual"))
    assert redeem(kestrel, key)


def test_days_count_in_the_owners_time_zone(kestrel: Kestrel) -> None:
    kestrel.organization.edit({"name": "K", "zone": "Asia/Tokyo"}, kestrel.by("alice"), kestrel.now)
    key = kestrel.new_key()
    redeem(kestrel, key)
    (license,) = key.licenses
    assert license.end_on is not None
    assert license.starts_at == starts_at(license.start_on, "Asia/Tokyo")
    assert license.ends_at == ends_at(license.end_on, "Asia/Tokyo")


def test_personal_license_follows_the_accounts_time_zone(kestrel: Kestrel) -> None:
    kestrel.account("erin").zone = "Europe/Berlin"
    kestrel.session.flush()
    key = kestrel.key("personal")
    redeem(kestrel, key, "erin")
    assert key.licenses[0].starts_at == starts_at(key.licenses[0].start_on, "Europe/Berlin")


def test_last_day_of_summer_time_is_an_hour_longer(kestrel: Kestrel) -> None:
    kestrel.organization.edit({"name": "K", "zone": "Europe/Berlin"}, kestrel.by("alice"), kestrel.now)
    day = date(2027, 10, 31)
    key = issue(kestrel, Item(kestrel.product("draft"), LicenseType.ANNUAL, 1, day, day))
    key.redeem(kestrel.organization, kestrel.by("alice"), kestrel.now, kestrel.today)
    (license,) = key.licenses
    assert license.starts_at is not None
    assert license.ends_at == datetime(2027, 10, 31, 23, tzinfo=UTC)
    assert license.ends_at - license.starts_at == timedelta(hours=25)


def test_redemption_is_in_the_organizations_activity(kestrel: Kestrel) -> None:
    key = kestrel.key("shared")
    redeem(kestrel, key, "carol")
    last = kestrel.last()
    assert (last.action, last.target_id, last.actor_id) == ("key.redeem", key.id, kestrel.cast.carol.account_id)


def test_no_entry_holds_a_key(kestrel: Kestrel) -> None:
    redeem(kestrel, kestrel.key("shared"))
    kestrel.key("shared").reveal(kestrel.sealer, kestrel.by("alice"), kestrel.now)
    written = " ".join(str((each.before, each.after)) for each in kestrel.session.scalars(select(Activity)))
    assert not [text for text in kestrel.cast.unused.values() if text in written]


def test_reveal_shows_the_text_and_is_recorded(kestrel: Kestrel) -> None:
    redeem(kestrel, key := kestrel.key("shared"))
    shown = key.reveal(kestrel.sealer, kestrel.by("alice"), kestrel.now)
    assert (shown, kestrel.last().action) == (kestrel.cast.unused["shared"], "key.reveal")


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


# ── products ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("code", ["", "draft", " DRAFT ", "two words", "a:b", "ü", "x" * 51])
def test_code_that_cannot_be(kestrel: Kestrel, code: str) -> None:
    with pytest.raises(BadInput) as refused:
        Product.add(kestrel.session, code, "Another", False, COMMAND, kestrel.now)
    assert refused.value.field == "code"


def test_product_is_listed_in_lower_case(kestrel: Kestrel) -> None:
    assert Product.add(kestrel.session, " New-2.0 ", " New  one ", True, COMMAND, kestrel.now).code == "new-2.0"


@pytest.mark.parametrize("kind", list(LicenseType))
def test_word_on_the_screen_is_the_type(kestrel: Kestrel, kind: LicenseType) -> None:
    license = License(type=kind.value)
    assert (license.word, license.is_floating) == (kind.value.replace("-", " ").upper(), "flex" in kind.value)
