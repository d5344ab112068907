"""Accounts: one address, one person; confirmed, taken over, changed, blocked; and the sign-ins that end with it."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from core.activity import COMMAND, PORTAL_ITSELF
from core.dates import starts_at
from core.errors import BadInput, RuleBroken
from models import UNCONFIRMED_AGE, Account, SignIn
from tests.kestrel import Kestrel


def sign_up(kestrel: Kestrel, email: str, name: str = "New Person") -> Account | None:
    return Account.sign_up(kestrel.session, name, email, "hash", kestrel.now)


def fresh(kestrel: Kestrel, email: str = "new@firm.com") -> Account:
    account = sign_up(kestrel, email)
    assert account is not None
    return account


def sign_ins(kestrel: Kestrel, account: Account, number: int = 2) -> list[SignIn]:
    rows = [SignIn.start(account, "Browser", "192.0.2.9", kestrel.now)[0] for _ in range(number)]
    kestrel.session.flush()
    return rows


def live(kestrel: Kestrel, account: Account) -> int:
    query = select(func.count()).where(SignIn.account_id == account.id, SignIn.ended_at.is_(None))
    return kestrel.session.scalar(query) or 0


def test_new_account_is_not_confirmed(kestrel: Kestrel) -> None:
    account = fresh(kestrel)
    assert (account.is_confirmed, account.nonce is None) == (False, False)


@pytest.mark.parametrize("email", ["BOB@example.com", " bob@example.com ", "bob@EXAMPLE.com"])
def test_address_of_an_account_is_taken_however_it_is_spelled(kestrel: Kestrel, email: str) -> None:
    assert sign_up(kestrel, email) is None


def test_second_sign_up_replaces_one_that_nobody_confirmed(kestrel: Kestrel) -> None:
    first = fresh(kestrel)
    nonce = first.nonce
    second = sign_up(kestrel, "NEW@firm.com", "Right Person")
    assert second is first
    assert (second.name, second.email, second.nonce != nonce) == ("Right Person", "NEW@firm.com", True)


def test_blocked_account_is_not_replaced(kestrel: Kestrel) -> None:
    fresh(kestrel).block(kestrel.by("otto"), kestrel.now)
    assert sign_up(kestrel, "new@firm.com") is None


@pytest.mark.parametrize(("name", "email"), [("", "a@firm.com"), ("x" * 201, "a@firm.com"), ("A", "nonsense")])
def test_name_or_address_that_cannot_be(kestrel: Kestrel, name: str, email: str) -> None:
    with pytest.raises(BadInput):
        sign_up(kestrel, email, name)


def test_unicode_domain_is_one_with_its_ascii_form(kestrel: Kestrel) -> None:
    fresh(kestrel, "anna@bücher.example.com").confirm(PORTAL_ITSELF, kestrel.now)
    assert sign_up(kestrel, "anna@xn--bcher-kva.example.com") is None


def test_confirming_twice_records_once(kestrel: Kestrel) -> None:
    account = fresh(kestrel)
    account.confirm(PORTAL_ITSELF, kestrel.now)
    account.confirm(PORTAL_ITSELF, kestrel.now + timedelta(days=1))
    assert (account.confirmed_at, account.nonce) == (kestrel.now, None)
    assert kestrel.last("portal").at == kestrel.now


def test_account_that_was_not_wanted_is_removed(kestrel: Kestrel) -> None:
    fresh(kestrel).disown()
    assert Account.by_email(kestrel.session, "new@firm.com") is None


def test_confirmed_account_is_not_removed_by_its_letter(kestrel: Kestrel) -> None:
    with pytest.raises(RuleBroken, match="in use"):
        kestrel.account("bob").disown()


def test_unconfirmed_account_is_removed_after_seven_days(kestrel: Kestrel) -> None:
    fresh(kestrel)
    day = kestrel.now + timedelta(days=7)
    assert timedelta(days=7) == UNCONFIRMED_AGE
    assert Account.remove_unconfirmed(kestrel.session, PORTAL_ITSELF, day) == 0
    assert Account.remove_unconfirmed(kestrel.session, PORTAL_ITSELF, day + timedelta(seconds=1)) == 1
    assert Account.by_email(kestrel.session, "new@firm.com") is None
    assert kestrel.session.scalar(select(func.count()).select_from(Account)) == 8


def test_taking_over_leaves_nothing_of_whoever_began_it(kestrel: Kestrel) -> None:
    account = fresh(kestrel)
    account.phone, old = "666", account.fs_uniquifier
    sign_ins(kestrel, account)
    account.take_over("Right Person", "new hash", PORTAL_ITSELF, kestrel.now)
    assert (account.name, account.password, account.phone, live(kestrel, account)) == (
        "Right Person", "new hash", "", 0,
    )  # fmt: skip
    assert account.fs_uniquifier != old
    assert account.is_confirmed


def test_confirmed_account_is_not_taken_over(kestrel: Kestrel) -> None:
    with pytest.raises(RuleBroken):
        kestrel.account("bob").take_over("Mallory", "hash", PORTAL_ITSELF, kestrel.now)


def test_blocked_account_is_not_taken_over(kestrel: Kestrel) -> None:
    account = fresh(kestrel)
    account.block(kestrel.by("otto"), kestrel.now)
    with pytest.raises(RuleBroken, match="blocked"):
        account.take_over("Right Person", "hash", PORTAL_ITSELF, kestrel.now)


def test_vendor_creates_a_confirmed_account(kestrel: Kestrel) -> None:
    account = Account.create_confirmed(kestrel.session, "op@v.com", "Op", None, True, COMMAND, kestrel.now)
    assert (account.is_confirmed, account.is_operator) == (True, True)


def test_vendor_is_told_that_the_address_has_an_account(kestrel: Kestrel) -> None:
    with pytest.raises(BadInput, match="already"):
        Account.create_confirmed(kestrel.session, "BOB@example.com", "B", None, False, COMMAND, kestrel.now)


# ── the address ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_changed_address_keeps_membership_permissions_and_sign_ins(kestrel: Kestrel) -> None:
    bob = kestrel.account("bob")
    sign_ins(kestrel, bob)
    bob.want_email("robert@example.com")
    bob.change_email("robert@example.com", kestrel.by("bob"), kestrel.now)
    assert (bob.email, bob.wanted_email, bob.nonce) == ("robert@example.com", None, None)
    assert (live(kestrel, bob), len(kestrel.bob.permissions)) == (2, 1)


def test_wanted_address_changes_nothing_yet(kestrel: Kestrel) -> None:
    bob = kestrel.account("bob")
    bob.want_email("robert@example.com")
    assert (bob.email, bob.nonce is None) == ("bob@example.com", False)


def test_second_wish_kills_the_first_link(kestrel: Kestrel) -> None:
    bob = kestrel.account("bob")
    bob.want_email("robert@example.com")
    first = bob.nonce
    bob.want_email("rob@example.com")
    assert bob.nonce != first


@pytest.mark.parametrize("email", ["bob@example.com", "nonsense", ""])
def test_address_that_cannot_be_wanted(kestrel: Kestrel, email: str) -> None:
    with pytest.raises(BadInput):
        kestrel.account("bob").want_email(email)


def test_address_of_another_person_is_refused(kestrel: Kestrel) -> None:
    with pytest.raises(RuleBroken, match="Another account"):
        kestrel.account("bob").change_email("CAROL@example.com", kestrel.by("bob"), kestrel.now)


def test_address_that_nobody_proved_gives_way(kestrel: Kestrel) -> None:
    fresh(kestrel, "robert@example.com")
    kestrel.account("bob").change_email("robert@example.com", kestrel.by("bob"), kestrel.now)
    owner = Account.by_email(kestrel.session, "robert@example.com")
    assert owner is not None
    assert owner.id == kestrel.cast.bob.account_id


def test_own_address_may_change_its_case(kestrel: Kestrel) -> None:
    kestrel.account("bob").change_email("Bob@Example.com", kestrel.by("bob"), kestrel.now)
    kestrel.session.flush()
    assert kestrel.account("bob").email == "Bob@Example.com"


def test_invitation_to_the_old_address_stays_bound_to_it(kestrel: Kestrel) -> None:
    kestrel.account("dave").change_email("david@example.com", kestrel.by("dave"), kestrel.now)
    assert (kestrel.dave.email, kestrel.dave.state) == ("dave@example.com", "pending")


# ── contact information ──────────────────────────────────────────────────────────────────────────────────────────────


def test_new_time_zone_moves_the_persons_own_licenses(kestrel: Kestrel) -> None:
    key = kestrel.key("personal")
    erin = kestrel.account("erin")
    key.redeem(erin, kestrel.by("erin"), kestrel.now, kestrel.today)
    erin.edit({"name": "Erin", "zone": "Pacific/Auckland"}, kestrel.by("erin"), kestrel.now)
    assert key.licenses[0].starts_at == starts_at(key.licenses[0].start_on, "Pacific/Auckland")


def test_members_own_zone_moves_no_license_of_the_organization(kestrel: Kestrel) -> None:
    before = kestrel.license("annual").ends_at
    kestrel.account("alice").edit({"name": "A", "zone": "Asia/Tokyo"}, kestrel.by("alice"), kestrel.now)
    kestrel.session.flush()
    assert kestrel.license("annual").ends_at == before


def test_zone_that_does_not_exist_is_named(kestrel: Kestrel) -> None:
    with pytest.raises(BadInput) as refused:
        kestrel.account("bob").edit({"name": "Bob", "zone": "Mars/Base"}, kestrel.by("bob"), kestrel.now)
    assert refused.value.field == "zone"


# ── sign-ins ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_secret_of_a_session_is_kept_as_hash_only(kestrel: Kestrel) -> None:
    row, secret = SignIn.start(kestrel.account("bob"), "Browser", "192.0.2.9", kestrel.now)
    assert row.secret_hash == SignIn.hashed(secret)
    assert secret.encode() not in row.secret_hash


def test_all_other_sessions_end(kestrel: Kestrel) -> None:
    bob = kestrel.account("bob")
    kept, *_others = sign_ins(kestrel, bob, 3)
    assert bob.end_sign_ins(kestrel.now, except_id=kept.id) == 2
    assert (live(kestrel, bob), bob.end_sign_ins(kestrel.now, except_id=kept.id)) == (1, 0)


def test_sessions_of_others_go_on(kestrel: Kestrel) -> None:
    sign_ins(kestrel, kestrel.account("carol"))
    kestrel.account("bob").end_sign_ins(kestrel.now)
    assert live(kestrel, kestrel.account("carol")) == 2


def test_one_session_ends_by_its_secret(kestrel: Kestrel) -> None:
    bob = kestrel.account("bob")
    _row, secret = SignIn.start(bob, "Browser", "192.0.2.9", kestrel.now)
    sign_ins(kestrel, bob, 1)
    SignIn.end(kestrel.session, secret, kestrel.now)
    assert live(kestrel, bob) == 1


def test_blocking_ends_sessions_and_keeps_membership_and_seats(kestrel: Kestrel) -> None:
    bob = kestrel.account("bob")
    sign_ins(kestrel, bob)
    assert bob.block(kestrel.by("otto"), kestrel.now)
    assert (live(kestrel, bob), bob.active, kestrel.bob.state) == (0, False, "enabled")
    assert kestrel.license("annual").reserved == 1


@pytest.mark.parametrize("how", ["block", "unblock"])
def test_blocking_and_unblocking_are_safe_to_repeat(kestrel: Kestrel, how: str) -> None:
    bob = kestrel.account("bob")
    if how == "unblock":
        bob.block(kestrel.by("otto"), kestrel.now)
    first = getattr(bob, how)(kestrel.by("otto"), kestrel.now)
    number = kestrel.last("portal").number
    again = getattr(bob, how)(kestrel.by("otto"), kestrel.now)
    assert (first, again, kestrel.last("portal").number) == (True, False, number)


def test_recovering_ends_sessions_and_what_was_under_way(kestrel: Kestrel) -> None:
    bob = kestrel.account("bob")
    sign_ins(kestrel, bob)
    bob.want_email("robert@example.com")
    bob.recover("new hash", kestrel.by("bob"), kestrel.now)
    assert (live(kestrel, bob), bob.wanted_email, bob.nonce, bob.password) == (0, None, None, "new hash")


def test_no_entry_of_the_portal_holds_a_password(kestrel: Kestrel) -> None:
    kestrel.account("bob").set_password("a-hash-to-look-for", kestrel.by("bob"), kestrel.now)
    last = kestrel.last("portal")
    assert (last.action, last.before, last.after) == ("account.password", None, None)
