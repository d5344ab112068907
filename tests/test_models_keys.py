"""Permission keys: issued, what is in them, what they need, and the products that they are about."""

from datetime import date, timedelta

import pytest

from core import keys
from core.activity import COMMAND
from core.dates import LicenseType
from core.errors import BadInput, NotAllowed, RuleBroken
from core.refusals import KeyUnknown, NeedsOrganization
from models import Item, License, PermissionKey, Product
from tests.kestrel import Kestrel
from tests.key_deeds import issue, item, redeem

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
