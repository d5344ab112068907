"""A key is redeemed once, whole, by whom it suits; its days count where its owner is."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from core.activity import COMMAND, Activity
from core.dates import LicenseType, ends_at, starts_at
from core.refusals import KeyEmpty, KeyExpired, KeyInUse, KeyWithdrawn
from models import Item
from tests.kestrel import Kestrel
from tests.key_deeds import issue, item, redeem


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
