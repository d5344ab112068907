"""Two at once: one wins, the other hears why, and nothing is half done; on both databases, five rounds each."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.activity import COMMAND, entries, first_broken
from core.db import db
from core.errors import RuleBroken
from models import License, Member, Organization, PermissionKey
from tests.cast import Cast
from tests.deeds import appointing, confirming, creating, crowd, doing, giving, inviting, redeeming, vendor
from tests.kestrel import Kestrel, given
from tests.races import Deed, race

ROUNDS = range(5)
Stage = Callable[..., list[str]]


@pytest.fixture(params=ROUNDS)
def stage(request: pytest.FixtureRequest, bare_app: Flask, cast: Cast) -> Stage:
    """Runs deeds at once against the cast's database."""

    def run(*deeds: Deed) -> list[str]:
        return race(bare_app, deeds)

    return run


@pytest.fixture
def after(bare_app: Flask, cast: Cast) -> Callable[[], Kestrel]:
    """The organization as it is after a race, in a fresh session."""
    return lambda: Kestrel(db.session, cast)


@pytest.fixture(autouse=True)
def nothing_is_half_done(bare_app: Flask, cast: Cast) -> object:
    """After every race: one administrator, counts that are right, chains that are whole."""
    with bare_app.app_context():
        yield
    with bare_app.app_context():
        kestrel = Kestrel(db.session, cast)
        assert kestrel.organization.holder_of("administrator")
        assert all(kept == counted for kept, counted in kestrel.recounted().values())
        for stream in ("portal", str(cast.organization_id), str(cast.other_id)):
            assert first_broken(db.session.execute(entries(stream))) is None


def test_last_seat_goes_to_one(stage: Stage, bare_app: Flask, cast: Cast) -> None:
    """X17: a license with one seat left, three who want it."""
    race(bare_app, [vendor(cast, "annual", seats=2)])
    ends = stage(giving(cast, "annual", "alice"), giving(cast, "annual", "carol"), giving(cast, "annual", "bob"))
    assert sorted(ends) == ["NoSeat", "done", "done"]  # bob has one already
    assert ends[2] == "done"


def test_seats_are_never_oversold(stage: Stage, bare_app: Flask, cast: Cast) -> None:
    members = crowd(bare_app, cast, 4)

    def give(member_id: int) -> Deed:
        def deed(session: Session) -> None:
            organization = Organization.locked(session, cast.organization_id)
            license = organization.license(cast.license["network"])
            license.give(organization.member(member_id), COMMAND, cast.now)

        return deed

    ends = stage(*map(give, members))
    assert sorted(ends) == ["NoSeat"] * 2 + ["done"] * 2


def test_one_statement_keeps_the_last_seat_even_without_the_lock(stage: Stage, bare_app: Flask, cast: Cast) -> None:
    """Counting a seat needs no lock of the organization to be right."""

    def take(session: Session) -> None:
        license = session.get_one(License, cast.license["network"])
        if not license._count(+1):
            raise RuleBroken("none")

    ends = stage(*[take] * 6)
    assert ends.count("done") == 2
    race(bare_app, [lambda session: session.get_one(License, cast.license["network"])._count(-2) and None])


def test_key_is_redeemed_by_one_of_two_organizations(stage: Stage, cast: Cast) -> None:
    ends = stage(redeeming(cast, "floating", "alice"), redeeming(cast, "floating", "mallory"))
    assert sorted(ends) == ["KeyInUse", "added"]


def test_two_of_one_organization_add_a_key_once(stage: Stage, cast: Cast) -> None:
    ends = stage(redeeming(cast, "shared", "alice"), redeeming(cast, "shared", "carol"))
    assert sorted(ends) == ["added", "there already"]


def test_double_click_on_a_personal_key_is_no_fault(stage: Stage, cast: Cast) -> None:
    ends = stage(redeeming(cast, "personal", "erin"), redeeming(cast, "personal", "erin"))
    assert sorted(ends) == ["added", "there already"]


def test_person_and_organization_race_for_a_key(stage: Stage, cast: Cast) -> None:
    ends = stage(redeeming(cast, "personal", "erin"), redeeming(cast, "personal", "alice"))
    assert sorted(ends) == ["KeyInUse", "added"]


def test_double_click_creates_one_organization(stage: Stage, cast: Cast) -> None:
    ends = stage(*[creating(cast, "shared", "erin")] * 3)
    assert sorted(ends) == ["CannotJoin", "CannotJoin", "done"]


def test_two_persons_with_one_key_found_one_organization(stage: Stage, cast: Cast) -> None:
    ends = stage(creating(cast, "shared", "erin"), creating(cast, "shared", "dave"))
    assert sorted(ends) == ["KeyInUse", "done"]


def test_creating_and_keeping_with_one_key_ends(stage: Stage, cast: Cast) -> None:
    """Two tabs of one person: either wins, and neither waits for the other for ever."""
    ends = stage(creating(cast, "personal", "erin"), redeeming(cast, "personal", "erin"))
    # Who comes after the organization keeps for the organization, and has the key already.
    assert sorted(ends) in (["KeyInUse", "added"], ["KeyInUse", "done"], ["done", "there already"])


def test_person_joins_one_of_two_organizations(stage: Stage, bare_app: Flask, cast: Cast) -> None:
    race(bare_app, [inviting(cast, cast.other_id, "mallory", "dave")])
    ends = stage(confirming(cast, cast.organization_id, "dave"), confirming(cast, cast.other_id, "dave"))
    assert sorted(ends) == ["CannotJoin", "done"]


def test_person_confirms_once(stage: Stage, cast: Cast) -> None:
    ends = stage(*[confirming(cast, cast.organization_id, "dave")] * 3)
    assert sorted(ends) == ["Gone", "Gone", "done"]


def test_joining_and_founding_at_once(stage: Stage, cast: Cast) -> None:
    ends = stage(confirming(cast, cast.organization_id, "dave"), creating(cast, "shared", "dave"))
    assert sorted(ends) == ["CannotJoin", "done"]


def test_two_co_administrators_at_once(stage: Stage, bare_app: Flask, cast: Cast) -> None:
    """R41: both forms name carol; one wins, the other gets the fresh table."""
    (other,) = crowd(bare_app, cast, 1)

    def appoint(session: Session) -> None:
        organization = Organization.locked(session, cast.organization_id)
        alice = organization.member(cast.alice.member_id or 0)
        organization.member(other).make_co_administrator(cast.carol.member_id, cast.alice.actor, alice, cast.now)

    assert sorted(stage(appointing(cast, "bob", "carol"), appoint)) == ["CoAdministratorChanged", "done"]


def test_appointed_and_disabled_at_once(stage: Stage, cast: Cast) -> None:
    """Whoever comes first, no disabled co-administrator is left."""
    ends = stage(appointing(cast, "bob", "carol"), doing(cast, "disable", "bob"))
    assert ends[1] == "done"
    assert ends[0] in ("done", "RuleBroken")


def test_given_and_disabled_at_once(stage: Stage, cast: Cast) -> None:
    ends = stage(giving(cast, "cloud", "bob"), doing(cast, "disable", "bob"), giving(cast, "three_years", "bob"))
    assert ends[1] == "done"
    assert {ends[0], ends[2]} <= {"done", "RuleBroken"}


def test_removed_once(stage: Stage, cast: Cast) -> None:
    ends = stage(
        doing(cast, "remove", "bob"), doing(cast, "leave", "bob", "bob"), doing(cast, "remove", "bob", "carol")
    )
    assert sorted(ends) == ["Missing", "Missing", "done"]


def test_invited_twice_is_one_row(stage: Stage, bare_app: Flask, cast: Cast) -> None:
    ends = stage(*[inviting(cast, cast.organization_id, who, "erin") for who in ("alice", "carol")])
    assert ends == ["done", "done"]
    with bare_app.app_context():
        assert db.session.scalar(select(func.count()).where(Member.email_key == "erin@example.com")) == 1


def test_vendor_and_administrator_never_wait_for_each_other(stage: Stage, cast: Cast) -> None:
    """Everything that locks an organization, a key and a license, in all orders there are."""
    ends = stage(
        vendor(cast, "annual", seats=9),
        vendor(cast, "annual", release=True),
        vendor(cast, "cloud", revoke=True),
        giving(cast, "annual", "alice"),
        redeeming(cast, "shared", "carol"),
        doing(cast, "disable", "bob"),
    )
    assert all(":" not in end for end in ends), ends


def test_key_is_revoked_or_redeemed(stage: Stage, bare_app: Flask, cast: Cast) -> None:
    def revoke(session: Session) -> None:
        PermissionKey.known(session, cast.unused["shared"]).revoke(COMMAND, cast.now)

    ends = stage(redeeming(cast, "shared", "alice"), revoke, redeeming(cast, "shared", "mallory"))
    assert ends[1] == "done"
    assert {ends[0], ends[2]} <= {"added", "KeyInUse", "KeyWithdrawn"}


def test_count_by_rows_is_what_the_race_left(bare_app: Flask, cast: Cast) -> None:
    race(bare_app, [giving(cast, "annual", "carol"), giving(cast, "annual", "alice")])
    with bare_app.app_context():
        assert given(db.session, cast.license["annual"]) == 3
