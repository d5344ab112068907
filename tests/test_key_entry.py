"""What a key field answers: one result per key, and a state only for a key that is complete and genuine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from core import keys
from core.activity import COMMAND
from core.dates import now
from core.forms import key_entry
from core.forms.key_entry import Entered
from models import Account, Organization, PermissionKey
from tests.cast import Cast


@dataclass
class Desk:
    """What the tests ask with: the cast's keys, today, and whoever may own some."""

    session: Session
    cast: Cast

    @property
    def today(self) -> date:
        """The day on which the cast was made."""
        return self.cast.now.date()

    def key(self, name: str) -> PermissionKey:
        """One of the unused keys."""
        return PermissionKey.known(self.session, self.cast.unused[name])

    def read(self, text: str, owner: Organization | Account | None = None) -> list[Entered]:
        """Read a field."""
        return key_entry.read(text, self.today, owner)

    def problem(self, text: str, **more: Any) -> tuple[int, str]:
        """Status and sentence of the only entry's problem."""
        (entered,) = self.read(text, **more)
        assert entered.problem is not None
        return entered.problem.status, str(entered.problem.message)


@pytest.fixture
def desk(bare_app: Flask, session: Session, cast: Cast) -> Iterator[Desk]:
    """A desk in a request, so that sentences have a language."""
    with bare_app.test_request_context():
        yield Desk(session, cast)


pytestmark = pytest.mark.on_sqlite


def test_genuine_key_shows_what_is_inside(desk: Desk) -> None:
    (entered,) = desk.read(f"Your key: {desk.cast.unused['mixed'].lower()}, enjoy it.")
    assert entered.is_usable
    assert [each.word for each in entered.licenses] == ["TRIAL", "FLEX NETWORK"]


def test_reading_twice_gives_the_same_answer_and_changes_nothing(desk: Desk) -> None:
    for _time in range(2):
        (entered,) = desk.read(desk.cast.unused["personal"])
        assert entered.is_usable
    assert not desk.session.dirty
    assert desk.key("personal").redeemed_at is None


def test_mistyped_group_is_named_before_any_look_up(desk: Desk) -> None:
    groups = desk.cast.unused["personal"].split("-")
    groups[2] = groups[2][:4] + ("0" if groups[2][4] != "0" else "1")
    status, sentence = desk.problem("-".join(groups))
    assert status == 422
    assert sentence == f"Typing error in group 3: “{groups[2]}”. Compare it with the mail."


def test_empty_field_asks_for_a_key(desk: Desk) -> None:
    assert desk.problem("  ") == (422, "Enter a permission key.")


def test_genuine_form_that_nobody_issued_is_not_known(desk: Desk) -> None:
    assert desk.problem(keys.make()) == (422, "This key is not known. Compare it with the mail.")


def test_revoked_key_is_withdrawn(desk: Desk) -> None:
    desk.key("personal").revoke(COMMAND, now())
    assert desk.problem(desk.cast.unused["personal"]) == (409, "This key was withdrawn by the vendor.")


def test_expired_key_says_since_when(desk: Desk) -> None:
    license = desk.key("personal").licenses[0]
    license.start_on, license.end_on = date(2020, 3, 1), date(2021, 2, 28)
    assert desk.problem(desk.cast.unused["personal"]) == (409, "This key expired on 28 Feb 2021.")


def test_key_without_seats_is_not_taken(desk: Desk) -> None:
    desk.key("personal").extend(COMMAND, now(), seats=0)
    assert desk.problem(desk.cast.unused["personal"]) == (409, "This key contains no seats. Contact your vendor.")


def test_key_of_others_names_nobody_and_shows_nothing(desk: Desk) -> None:
    mallorys = desk.session.get_one(Organization, desk.cast.other_id)
    desk.key("shared").redeem(mallorys, COMMAND, now(), desk.today)
    (entered,) = desk.read(desk.cast.unused["shared"])
    assert str(entered.problem) == "This key is already in use. Contact your vendor."
    assert entered.licenses == []


def test_own_key_is_in_the_list_already(desk: Desk) -> None:
    alices = desk.session.get_one(Organization, desk.cast.organization_id)
    desk.key("shared").redeem(alices, COMMAND, now(), desk.today)
    (entered,) = desk.read(desk.cast.unused["shared"], owner=alices)
    assert entered.is_owned
    assert entered.problem is None


def test_key_that_starts_later_is_usable_and_says_when(desk: Desk) -> None:
    (entered,) = desk.read(desk.cast.unused["later"])
    assert entered.is_usable
    assert entered.first_day(desk.today) == desk.today + timedelta(days=20)
    (entered,) = desk.read(desk.cast.unused["personal"])
    assert entered.first_day(desk.today) is None


def test_every_key_of_a_paste_has_its_own_result(desk: Desk) -> None:
    unknown = keys.make()
    entries = desk.read("\n".join([desk.cast.unused["shared"], unknown, desk.cast.unused["only"]]))
    assert [each.is_usable for each in entries] == [True, False, True]
    assert key_entry.left_over(entries) == unknown
    assert key_entry.status(entries) == 200


def test_status_is_the_first_problems_when_nothing_is_good(desk: Desk) -> None:
    desk.key("shared").revoke(COMMAND, now())
    assert key_entry.status(desk.read(desk.cast.unused["shared"])) == 409
    assert key_entry.status(desk.read(f"{keys.make()} {desk.cast.unused['shared']}")) == 422


def test_only_a_good_key_is_shown_hidden(desk: Desk) -> None:
    unknown = keys.make()
    good, bad = desk.read(f"{desk.cast.unused['shared']}\n{unknown}")
    assert good.shown == f"•••••-•••••-•••••-•••••-{desk.cast.unused['shared'][-5:]}"
    assert bad.shown == unknown


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("shared", "It holds more than one seat of a product, so it belongs to an organization."),
        ("floating", "It holds FLEX licenses and more than one seat of a product, so it belongs to an organization."),
        ("only", "It holds a product that only organizations can use, so it belongs to an organization."),
        ("personal", ""),
    ],
)
def test_reason_for_an_organization_is_said_in_words(desk: Desk, name: str, reason: str) -> None:
    assert key_entry.why_organization(desk.key(name)) == reason
    assert desk.key(name).needs_organization == bool(reason)


def test_more_keys_than_anybody_pastes_are_refused_and_kept(desk: Desk) -> None:
    pasted = "\n".join(keys.make() for _number in range(51))
    entries = desk.read(pasted)
    assert key_entry.status(entries) == 422
    assert str(entries[0].problem) == "At most 50 keys at once."
    assert key_entry.left_over(entries) == pasted


def test_more_text_than_anybody_pastes_is_refused(desk: Desk) -> None:
    status, sentence = desk.problem("A" * 30_001)
    assert status == 422
    assert sentence.startswith("This is more text")


def test_redeeming_takes_the_good_ones_and_leaves_the_rest(desk: Desk) -> None:
    alices = desk.session.get_one(Organization, desk.cast.organization_id)
    unknown = keys.make()
    entries = desk.read("\n".join([desk.cast.unused["shared"], unknown, desk.cast.unused["mixed"]]))
    done = key_entry.redeem(entries, alices, COMMAND, now(), desk.today)
    assert [each.is_added for each in done] == [True, False, True]
    assert key_entry.left_over(done) == unknown
    assert not any(each.is_usable for each in done)


def test_key_taken_between_reading_and_redeeming_is_a_problem_of_its_own(desk: Desk) -> None:
    alices = desk.session.get_one(Organization, desk.cast.organization_id)
    entries = desk.read(f"{desk.cast.unused['shared']} {desk.cast.unused['only']}")
    desk.key("shared").redeem(desk.session.get_one(Organization, desk.cast.other_id), COMMAND, now(), desk.today)
    first, second = key_entry.redeem(entries, alices, COMMAND, now(), desk.today)
    assert str(first.problem) == "This key is already in use. Contact your vendor."
    assert second.is_added


def test_person_cannot_redeem_what_is_for_an_organization(desk: Desk) -> None:
    erin = desk.session.get_one(Account, desk.cast.erin.account_id)
    (done,) = key_entry.redeem(desk.read(desk.cast.unused["floating"]), erin, COMMAND, now(), desk.today)
    assert done.problem is not None
    assert done.problem.status == 403
    assert desk.key("floating").redeemed_at is None
