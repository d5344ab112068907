"""The worked example: the same at every first start, in every state that a newcomer should see, without a fault."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import activity, audit, passwords
from core.activity import Activity
from core.dates import LicenseType, now
from core.db import db
from core.demo import build as demo
from core.demo import data as demo_data
from core.demo import running
from core.leases import Denial, Lease, Ticket, UsageDay
from core.mailing.outbox import Outbox
from core.seats import sweeping
from core.settings import Settings
from models import Account, License, Member, PermissionKey, invitation_expired, state_of

PASSWORD_LINE = re.compile(rf"^  (\S+@\S+) +{demo_data.PASSWORD}  (.+)$", re.MULTILINE)
KEY_LINE = re.compile(r"^  ((?:\w{5}-){4}\w{5})  (.+)$", re.MULTILINE)


@pytest.fixture
def text(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the first start says."""
    monkeypatch.setitem(passwords.COST, "argon2__memory_cost", 8)
    monkeypatch.setitem(passwords.COST, "argon2__time_cost", 1)
    return demo.prepare(replace(settings, is_demo=True))


@pytest.fixture
def rows(text: str, app: Flask) -> Iterator[Session]:
    """What the first start made."""
    with app.app_context():
        yield db.session


def test_text_fits_a_terminal_and_says_where_to_begin(text: str, settings: Settings) -> None:
    # How long the folder's own name is, is whoever starts it to decide.
    assert max(len(line.replace(str(settings.data), "./demo-data")) for line in text.splitlines()) <= 100
    assert f"Begin at {settings.base_url}\n  Sign in as {demo_data.ANNA} and open" in text
    assert len(PASSWORD_LINE.findall(text)) == len([each for each in demo_data.PEOPLE if each.words])
    assert len(KEY_LINE.findall(text)) == 11


@pytest.mark.on_sqlite
def test_printed_people_can_sign_in(text: str, rows: Session, app: Flask) -> None:
    passwords.check(demo_data.PASSWORD, ("portal",))
    for email, _words in PASSWORD_LINE.findall(text):
        account = Account.by_email(rows, email)
        assert account is not None
        assert account.active
        assert account.is_confirmed
        assert passwords.is_right(demo_data.PASSWORD, account.password)


def test_second_start_goes_on_and_leaves_out_what_was_used(text: str, rows: Session, settings: Settings) -> None:
    again = replace(settings, is_demo=True)
    entries = rows.scalar(select(func.count()).select_from(Activity))
    rows.rollback()
    assert demo.prepare(again) == text
    used = next(key for key, words in KEY_LINE.findall(text) if words.startswith("TRIAL"))
    sam = Account.by_email(rows, demo_data.SAM)
    assert sam is not None
    PermissionKey.known(rows, used).redeem(sam, activity.COMMAND, now(), now().date())
    rows.commit()
    assert rows.scalar(select(func.count()).select_from(Activity)) == (entries or 0) + 1
    rows.rollback()
    assert demo.prepare(again).splitlines() == [line for line in text.splitlines() if used not in line]


@pytest.mark.on_sqlite
def test_keys_and_serial_numbers_are_the_same_at_every_first_start(rows: Session) -> None:
    by_name = {key.name: demo.text_of(key) for key in demo_data.KEYS}
    assert by_name["try-organization"] == "4BAKN-EDF25-72X5E-GXZMD-AGRV6"
    key = PermissionKey.known(rows, by_name["try-organization"])
    assert key.licenses[0].serial == "SN-WP37-D1H9-403R"


def test_members_are_in_every_state(rows: Session) -> None:
    members = rows.scalars(select(Member).where(*Member.LIVE)).all()
    assert {state_of(each) for each in members} == {"pending", "enabled", "disabled"}
    assert {each.role for each in members} == {"administrator", "co-administrator", "member"}
    pending = [each for each in members if each.confirmed_at is None]
    assert {invitation_expired(each, now()) for each in pending} == {True, False}
    hugo = Account.by_email(rows, demo_data.HUGO)
    assert hugo is not None
    assert hugo.membership is not None
    assert any(each.email == demo_data.HUGO for each in pending)  # cannot join now
    assert any(each.account is not None and each.account.blocked_at is not None for each in members)


def test_licenses_are_of_every_type_and_state(rows: Session) -> None:
    licenses = rows.scalars(select(License).join(License.key).where(PermissionKey.redeemed_at.is_not(None))).all()
    assert {each.type for each in licenses} == set(LicenseType)
    at = now()
    assert any(each.is_over(at) for each in licenses)
    assert any(each.is_ahead(at) for each in licenses)
    assert any(each.over_assigned for each in licenses)
    assert any(each.key.revoked_at is not None for each in licenses)
    left = [each.ends_at - at for each in licenses if each.ends_at is not None and each.ends_at > at]
    assert timedelta(days=12) <= min(left) < timedelta(days=13, hours=2)


def test_activity_is_in_the_order_of_time(rows: Session) -> None:
    streams = rows.scalars(select(Activity.stream).distinct()).all()
    assert sorted(streams) == ["1", "2", "portal"]
    for stream in streams:
        times = rows.scalars(select(Activity.at).where(Activity.stream == stream).order_by(Activity.number)).all()
        assert all(earlier <= later for earlier, later in pairwise(times))
        assert times[-1] <= now()


def test_audit_finds_no_fault(rows: Session) -> None:
    assert audit.faults(rows) == []


def test_letters_are_those_of_the_last_month(rows: Session) -> None:
    letters = rows.scalars(select(Outbox)).all()
    kinds = {each.kind for each in letters}
    assert {"invitation", "confirmed", "disabled", "key-revoked", "license-changed", "blocked"} <= kinds
    assert all(each.made_at > now() - timedelta(days=30) for each in letters)


def test_its_programs_run_wait_and_were_denied_and_go_on_as_long_as_the_demo_does(rows: Session) -> None:
    live = select(func.count()).select_from(Lease).where(*Lease.LIVE)
    borrowed, waiting = live.where(Lease.borrowed_until.is_not(None)), select(func.count()).select_from(Ticket)
    assert (rows.scalar(live), rows.scalar(borrowed), rows.scalar(waiting)) == (11, 1, 1)
    assert set(rows.scalars(select(Denial.code))) == {"no_seat_available"}
    assert len(rows.scalars(select(UsageDay.day).where(UsageDay.day < now().date())).all()) > 100
    for minutes in range(5, 40, 5):
        running.keep_alive(rows, now() + timedelta(minutes=minutes))
    sweeping.sweep_due(rows, now() + timedelta(minutes=40))
    assert rows.scalar(live) == 11
    assert audit.faults(rows) == []
