"""The outbox: letters come and go with their transaction, are claimed once, and are tried until they are given up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.db import engine_for
from core.mailing import outbox
from core.mailing.outbox import DROPPED, FAILED, KEPT, SENT, WAITING, Outbox
from tests.cast import Cast
from tests.databases import Database

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOLD = timedelta(minutes=1)


@pytest.fixture
def engine(database: Database) -> Iterator[Engine]:
    """Connections beside the session under test."""
    made = engine_for(database.url)
    yield made
    made.dispose()


def put(session: Session, recipient: str = "bob@example.com", at: datetime = NOW) -> Outbox:
    row = outbox.put(session, "test", recipient, "en", at)
    session.commit()
    return row


def fresh(session: Session, row: Outbox) -> Outbox:
    session.expire_all()
    return session.get_one(Outbox, row.id)


def test_a_letter_goes_with_its_transaction(session: Session) -> None:
    outbox.put(session, "test", "bob@example.com", "en", NOW)
    session.flush()
    session.rollback()
    assert session.scalars(select(Outbox)).all() == []


def test_every_letter_has_an_id_of_its_own(session: Session) -> None:
    assert put(session).message_id != put(session).message_id


def test_a_letter_is_claimed_once(session: Session, engine: Engine) -> None:
    row = put(session)
    assert getattr(outbox.claim(session, NOW, HOLD), "id", None) == row.id
    session.commit()
    with Session(engine) as other:
        assert outbox.claim(other, NOW, HOLD) is None


def test_a_letter_whose_sender_died_is_claimed_again(session: Session) -> None:
    row = put(session)
    outbox.claim(session, NOW, HOLD)
    session.commit()
    assert not outbox.is_anything_due(session, NOW + HOLD - timedelta(seconds=1))
    assert getattr(outbox.claim(session, NOW + HOLD, HOLD), "id", None) == row.id


def test_the_letter_that_waits_longest_comes_first(session: Session) -> None:
    put(session, at=NOW)
    first = put(session, at=NOW - timedelta(minutes=5))
    claimed = outbox.claim(session, NOW, HOLD)
    assert claimed is not None
    assert claimed.id == first.id


def test_many_claim_at_once_and_none_claims_what_another_has(session: Session, engine: Engine) -> None:
    for _number in range(24):
        outbox.put(session, "test", "bob@example.com", "en", NOW)
    session.commit()
    claimed: list[int] = []

    def work() -> None:
        with Session(engine) as mine:
            while (row := outbox.claim(mine, NOW, HOLD)) is not None:
                mine.commit()
                claimed.append(row.id)

    threads = [threading.Thread(target=work) for _number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == len(set(claimed)) == 24


def test_nothing_is_due_before_its_time(session: Session) -> None:
    put(session, at=NOW + timedelta(seconds=1))
    assert not outbox.is_anything_due(session, NOW)
    assert outbox.claim(session, NOW, HOLD) is None


@pytest.mark.parametrize(
    ("tries", "wait"),
    [(0, timedelta(seconds=30)), (1, timedelta(minutes=2)), (2, timedelta(minutes=10)), (3, timedelta(minutes=30)),
     (4, timedelta(hours=1)), (30, timedelta(hours=1))],
)  # fmt: skip
def test_a_letter_that_failed_is_tried_later_and_later(session: Session, tries: int, wait: timedelta) -> None:
    row = put(session)
    row.tries = tries
    session.commit()
    fail(session, "451 Later")
    row = fresh(session, row)
    assert (row.next_try_at, row.tries, row.failed_reason) == (NOW + wait, tries + 1, "451 Later")
    assert row.claimed_until is None


def test_a_letter_is_given_up_after_two_days(session: Session) -> None:
    row, at = put(session), NOW
    while (row := fresh(session, row)).next_try_at is not None:
        at = row.next_try_at
        fail(session, "451 Later", at=at)
    assert timedelta(days=1, hours=20) < at - NOW < timedelta(days=2, hours=4)
    assert outbox.state_of(row, True) == FAILED


def test_a_refused_letter_is_given_up_at_once_with_the_servers_words(session: Session) -> None:
    row = put(session)
    fail(session, "552 5.2.2 Mailbox full", permanently=True)
    row = fresh(session, row)
    assert (row.failed_at, row.next_try_at, row.failed_reason) == (NOW, None, "552 5.2.2 Mailbox full")


def test_while_the_server_is_away_all_wait_and_none_counts_a_try(session: Session) -> None:
    rows = [put(session), put(session)]
    claimed = outbox.claim(session, NOW, HOLD)
    assert claimed is not None
    outbox.note_server_away(session, claimed, "connect: Connection refused", NOW, NOW + timedelta(seconds=5))
    session.commit()
    found = [fresh(session, row) for row in rows]
    assert [(row.tries, row.next_try_at, row.failed_reason) for row in found] == [
        (0, NOW + timedelta(seconds=5), "connect: Connection refused")
    ] * 2
    outbox.hurry(session, NOW)
    assert outbox.is_anything_due(session, NOW)


def test_a_server_that_is_back_hurries_nobody_who_was_refused(session: Session) -> None:
    put(session)
    fail(session, "451 Later")
    outbox.hurry(session, NOW)
    assert not outbox.is_anything_due(session, NOW)


def test_a_newer_letter_supersedes_one_that_waits(session: Session, cast: Cast) -> None:
    def invite(member_id: int | None) -> Outbox:
        row = outbox.put(session, "invitation", "d@example.com", "en", NOW, member_id=member_id, supersedes=True)
        session.commit()
        return row

    older, others, newer = (invite(id_) for id_ in (cast.dave.member_id, cast.bob.member_id, cast.dave.member_id))
    states = [outbox.state_of(fresh(session, row), True) for row in (older, others, newer)]
    assert states == [DROPPED, WAITING, WAITING]


def test_what_is_dropped_while_it_is_tried_stays_dropped(session: Session) -> None:
    row = put(session)
    claimed = outbox.claim(session, NOW, HOLD)
    assert claimed is not None
    session.commit()
    outbox.drop(session, row, NOW)
    outbox.note_failed(session, claimed, "451 Later", NOW, permanently=False)
    session.commit()
    assert outbox.state_of(fresh(session, row), True) == DROPPED


def test_a_sender_that_took_too_long_does_not_spoil_the_next_ones_claim(session: Session, engine: Engine) -> None:
    row = put(session)
    with Session(engine) as slow:
        late = outbox.claim(slow, NOW, HOLD)
        slow.commit()
        assert late is not None
        outbox.claim(session, NOW + HOLD, HOLD)
        session.commit()
        outbox.note_failed(slow, late, "no answer", NOW + HOLD, permanently=True)
        slow.commit()
    assert fresh(session, row).claimed_until == NOW + 2 * HOLD


def test_send_again_tries_at_once_as_if_for_the_first_time(session: Session) -> None:
    row = put(session)
    fail(session, "552 Mailbox full", permanently=True)
    row = fresh(session, row)
    assert outbox.send_again(session, row, NOW)
    session.commit()
    assert (row.tries, row.next_try_at, outbox.state_of(row, True)) == (0, NOW, WAITING)
    assert row.failed_reason is None


@pytest.mark.on_postgresql
def test_send_again_repeats_no_letter_that_leaves_just_then(session: Session, engine: Engine) -> None:
    row = put(session)
    assert fresh(session, row).sent_at is None
    with Session(engine) as worker:
        outbox.note_sent(worker, row, NOW)
        worker.commit()
    assert not outbox.send_again(session, row, NOW)
    session.commit()
    assert outbox.state_of(row, True) == SENT


def test_send_again_repeats_no_letter_that_left(session: Session) -> None:
    row = put(session)
    outbox.note_sent(session, row, NOW)
    session.commit()
    assert not outbox.send_again(session, fresh(session, row), NOW)
    assert outbox.state_of(row, True) == SENT


def test_without_a_server_a_letter_is_kept(session: Session) -> None:
    assert outbox.state_of(put(session), sending=False) == KEPT


@pytest.mark.parametrize("values", [{"next_try_at": None}, {"sent_at": NOW}, {"failed_at": NOW}, {"dropped_at": NOW}])
def test_the_database_refuses_a_letter_that_neither_waits_nor_is_done(
    session: Session, values: dict[str, None]
) -> None:
    put(session)
    with pytest.raises(IntegrityError, match="waits_or_is_done"):
        session.execute(update(Outbox).values(**values))


def test_old_letters_are_removed_and_waiting_ones_are_not(session: Session) -> None:
    waiting, sent = put(session), put(session)
    outbox.note_sent(session, sent, NOW)
    assert outbox.remove_old(session, NOW + outbox.KEEP) == 0
    assert outbox.remove_old(session, NOW + outbox.KEEP + timedelta(seconds=1)) == 1
    assert session.scalars(select(Outbox.id)).all() == [waiting.id]


def test_counts_are_of_what_waits_and_what_was_given_up(session: Session) -> None:
    put(session, at=NOW + HOLD)
    put(session)
    fail(session, "552 Mailbox full", permanently=True)
    assert outbox.counts(session) == (1, 1)


@pytest.mark.parametrize(
    ("reason", "words"),
    [("552 5.2.2 Mailbox full", "mailbox full"), ("550 No such user.", "no such user"),
     ("451-4.7.1 Greylisted", "greylisted"),
     ("550 SPF check failed", "SPF check failed"), ("no answer within 10 seconds.", "no answer within 10 seconds"),
     (None, ""), ("550", "")],
)  # fmt: skip
def test_words_of_a_server_fit_into_a_sentence(reason: str | None, words: str) -> None:
    assert outbox.plain_words(reason) == words


def fail(session: Session, words: str, *, at: datetime = NOW, permanently: bool = False) -> None:
    claimed = outbox.claim(session, at, HOLD)
    assert claimed is not None
    session.commit()
    outbox.note_failed(session, claimed, words, at, permanently=permanently)
    session.commit()
