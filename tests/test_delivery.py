"""Letters on their way: through a real server that refuses, greylists, stalls, hangs up, or is not there."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text, update

from core import mail, worker
from core.dates import now
from core.db import db, engine_for
from core.mailing import outbox
from core.mailing.delivery import Post
from core.mailing.outbox import FAILED, SENT, WAITING, Outbox
from core.settings import Settings
from models import Account, Member
from tests.cast import Cast, Player
from tests.databases import Database
from tests.smtp import Mailbox, link_in

NAMES = ("alice", "bob", "carol", "erin")


class Office:
    """Puts letters into the outbox and sends what is due, as the worker does."""

    def __init__(self, app: Flask, settings: Settings, cast: Cast) -> None:
        self.app, self.cast, self.settings = app, cast, settings
        self.post = Post(settings, threading.Event())

    def write(self, *names: str) -> None:
        """A letter to each of the cast."""
        with self.app.app_context():
            for name in names:
                mail.password_changed(db.session.get_one(Account, self.player(name).account_id))
            db.session.commit()

    def invite(self, name: str) -> None:
        with self.app.app_context():
            mail.invitation(db.session.get_one(Member, self.player(name).member_id))
            db.session.commit()

    def send(self) -> None:
        """Send what is due now."""
        with self.app.app_context():
            self.post.send_due()

    def hurry(self) -> None:
        """Let the time pass until every letter that waits is due."""
        with self.app.app_context():
            db.session.execute(update(Outbox).where(Outbox.next_try_at.is_not(None)).values(next_try_at=now()))
            db.session.commit()

    def rows(self) -> list[Outbox]:
        with self.app.app_context():
            return list(db.session.scalars(select(Outbox).order_by(Outbox.id)))

    @property
    def states(self) -> list[str]:
        return [outbox.state_of(row, True) for row in self.rows()]

    def player(self, name: str) -> Player:
        return self.cast.player(name)


@pytest.fixture
def office(writing_app: Flask, settings: Settings, cast: Cast, smtp: Mailbox) -> Office:
    """The outbox of the cast, and the server that its letters go to."""
    return Office(writing_app, settings, cast)


def test_a_letter_arrives_whole(office: Office, smtp: Mailbox) -> None:
    office.invite("dave")
    office.send()
    (letter,) = smtp.messages
    assert (letter["To"], letter["Subject"]) == ("dave@example.com", "Alice Example invites you to Kestrel Works")
    assert letter["Message-ID"] == office.rows()[0].message_id
    assert link_in(letter).startswith(f"{office.settings.base_url}/invitations/")
    assert office.states == [SENT]


def test_many_letters_need_one_connection(office: Office, smtp: Mailbox) -> None:
    office.write(*NAMES)
    office.send()
    assert len(smtp.messages) == len(NAMES)
    assert smtp.connections == 1


def test_a_sent_letter_is_not_sent_again(office: Office, smtp: Mailbox) -> None:
    office.write("bob")
    office.send()
    office.send()
    assert len(smtp.messages) == 1


def test_one_refused_recipient_stops_no_other(office: Office, smtp: Mailbox) -> None:
    smtp.refused["bob@example.com"] = "552 5.2.2 Mailbox full"
    office.write(*NAMES)
    office.send()
    assert sorted(each["To"] for each in smtp.messages) == [
        f"{name}@example.com" for name in ("alice", "carol", "erin")
    ]
    assert office.states == [SENT, FAILED, SENT, SENT]
    assert office.rows()[1].failed_reason == "552 5.2.2 Mailbox full"


def test_a_refused_content_is_given_up_too(office: Office, smtp: Mailbox) -> None:
    smtp.refused_content["bob@example.com"] = "554 5.7.1 Looks like spam"
    office.write("bob", "carol")
    office.send()
    assert office.states == [FAILED, SENT]


def test_a_greylisted_letter_comes_once_and_as_the_same_message(office: Office, smtp: Mailbox) -> None:
    smtp.greylists = True
    office.write("bob")
    before = now()
    office.send()
    (row,) = office.rows()
    assert (outbox.state_of(row, True), row.tries, row.failed_reason) == (WAITING, 1, "451 4.7.1 Try again later")
    assert row.next_try_at is not None
    assert before + timedelta(seconds=29) < row.next_try_at < now() + timedelta(seconds=31)
    office.hurry()
    office.send()
    assert [each["Message-ID"] for each in smtp.messages] == [row.message_id]
    assert office.states == [SENT]


def test_an_answer_that_gets_lost_repeats_the_same_message(office: Office, smtp: Mailbox) -> None:
    smtp.breaks.add("bob@example.com")
    office.write("bob", "carol")
    office.send()
    assert office.states == [WAITING, SENT]
    office.hurry()
    office.send()
    ids = {each["Message-ID"] for each in smtp.to("bob@example.com")}
    assert len(smtp.to("bob@example.com")) == 2
    assert ids == {office.rows()[0].message_id}
    assert office.states == [SENT, SENT]


def test_a_recipient_that_stalls_costs_the_others_the_time_out_at_most(office: Office, smtp: Mailbox) -> None:
    smtp.stalled.add("bob@example.com")
    office.write("bob", "carol")
    office.send()
    assert office.states == [WAITING, SENT]
    assert office.rows()[0].failed_reason == "no answer within 1 seconds."


def test_a_server_that_takes_few_letters_in_one_go_gets_them_in_several(office: Office, smtp: Mailbox) -> None:
    smtp.most = 2
    office.write(*NAMES)
    office.send()
    office.hurry()
    office.send()
    assert sorted(each["To"] for each in smtp.messages) == sorted(f"{name}@example.com" for name in NAMES)


def test_while_the_server_is_away_nothing_is_lost_and_nothing_given_up(office: Office, smtp: Mailbox) -> None:
    smtp.stop()
    office.write("bob", "carol")
    office.send()
    rows = office.rows()
    assert office.states == [WAITING, WAITING]
    assert {(row.tries, row.failed_reason) for row in rows} == {(0, "connect: Connection refused")}
    smtp.start()
    office.write("erin")
    office.send()
    assert len(smtp.wait(3)) == 3
    assert office.states == [SENT, SENT, SENT]


def test_a_server_that_is_away_is_asked_once_for_all_and_less_and_less_often(office: Office, smtp: Mailbox) -> None:
    smtp.stop()
    office.write(*NAMES)
    pauses = []
    for _try in range(4):
        office.send()
        due = office.rows()[0].next_try_at
        assert due is not None
        pauses.append(round((due - now()).total_seconds()))
        assert {row.next_try_at for row in office.rows()} == {due}
        office.hurry()
    assert pauses == [5, 10, 20, 30]


def test_a_server_that_greets_and_takes_no_letter_is_asked_less_and_less_often(office: Office, smtp: Mailbox) -> None:
    smtp.refused_sender = "451 4.3.2 Too many connections"
    office.write(*NAMES)
    for connections, pause in enumerate((5, 10, 20, 30), 1):
        office.send()
        (due,) = {row.next_try_at for row in office.rows()}
        assert due is not None
        assert (smtp.connections, round((due - now()).total_seconds())) == (connections, pause)
        office.hurry()
    smtp.refused_sender = ""
    office.send()
    assert office.states == [SENT] * len(NAMES)


def test_without_the_tls_that_was_asked_for_nothing_is_sent(office: Office, smtp: Mailbox) -> None:
    office.post.settings = replace(office.settings, mail_use_tls=True)
    office.write("bob")
    office.send()
    assert smtp.messages == []
    assert office.states == [WAITING]
    assert str(office.rows()[0].failed_reason).startswith("TLS: STARTTLS")


def test_what_is_no_longer_needed_is_not_sent(office: Office, smtp: Mailbox) -> None:
    office.invite("dave")
    with office.app.app_context():
        db.session.get_one(Member, office.cast.dave.member_id).withdraw(office.cast.alice.actor, now())
        db.session.commit()
    office.send()
    assert smtp.messages == []
    assert office.states == ["dropped"]


def test_a_letter_that_cannot_be_written_keeps_no_other_waiting(office: Office, smtp: Mailbox) -> None:
    office.write("bob", "carol")
    with office.app.app_context():
        db.session.execute(update(Outbox).where(Outbox.recipient == "bob@example.com").values(kind="unheard of"))
        db.session.commit()
    office.send()
    assert office.states == [WAITING, SENT]


def test_others_can_write_while_the_server_is_spoken_to(office: Office, smtp: Mailbox, database: Database) -> None:
    engine = engine_for(database.url)
    written = []

    def write() -> None:
        with engine.begin() as connection:
            connection.execute(text("UPDATE organization SET phone = '1'"))
            written.append(True)

    smtp.on_letter = write
    office.write("bob")
    office.send()
    engine.dispose()
    assert written == [True]
    assert office.states == [SENT]


def test_no_token_reaches_the_log(office: Office, smtp: Mailbox, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    smtp.refused["dave@example.com"] = "550 No such user"
    office.invite("dave")
    office.send()
    said = [record.getMessage() for record in caplog.records if record.name.startswith("portal")]
    assert any("550 No such user" in each for each in said)
    assert not [each for each in said if "/invitations/" in each]


@pytest.fixture
def working(office: Office, settings: Settings, smtp: Mailbox) -> Iterator[None]:
    """The threads of the worker, with more patience than a test has."""
    stopping = threading.Event()
    threads = worker.background(office.app, replace(settings, mail_timeout=60), stopping)
    for thread in threads:
        thread.start()
    yield
    smtp.stalled.clear()
    stopping.set()
    for thread in threads:
        thread.join(10)
    assert not [thread for thread in threads if thread.is_alive()]


@pytest.mark.usefixtures("working")
def test_a_letter_leaves_within_five_seconds_of_its_commit(office: Office, smtp: Mailbox) -> None:
    before = now()
    office.write(*NAMES)
    smtp.wait(len(NAMES))
    assert now() - before < timedelta(seconds=5)


@pytest.mark.usefixtures("working")
def test_two_recipients_that_stall_delay_nobody_else(office: Office, smtp: Mailbox) -> None:
    smtp.stalled |= {"bob@example.com", "alice@example.com"}
    before = now()
    office.write(*NAMES)
    smtp.wait(2)
    assert now() - before < timedelta(seconds=5)
    assert sorted(each["To"] for each in smtp.messages) == ["carol@example.com", "erin@example.com"]
