"""The outbox: a letter is a row in the transaction of the change that it tells of; the worker sends it later.

A row keeps kind, recipient and ids, never a token or a text: the letter is written when it leaves. A claim is committed
before the mail server is spoken to, so that no transaction waits for it and no other worker sends the same letter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from email.utils import make_msgid, parseaddr
from typing import Any

from flask import current_app
from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    String,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from core.db import Base, Instant
from core.settings import Settings

WAITING, SENT, FAILED, KEPT, DROPPED = "waiting", "sent", "failed", "kept", "dropped"

DELAYS = (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10), timedelta(minutes=30), timedelta(hours=1))
MOST_TRIES = 52  # two days of them, then the letter is given up
KEEP = timedelta(days=30)  # what is done with stays this long
NOT_WRITTEN = "the letter could not be written; the log says why"

_ANSWER_CODE = re.compile(r"^[245]\d\d(?:[ -]+[245]\.\d{1,3}\.\d{1,3})?[ :-]*")
_OF_THE_SERVER = re.compile(r"(connect|TLS|sign-in|sender): ")  # a step of core.mailing.smtp before any letter's own


class Outbox(Base):
    """One letter; `next_try_at` is set as long as it is to be sent."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    message_id: Mapped[str] = mapped_column(String(255), unique=True)  # the same for all tries
    kind: Mapped[str] = mapped_column(String(40))
    recipient: Mapped[str] = mapped_column(String(254))
    locale: Mapped[str] = mapped_column(String(20))
    args: Mapped[dict[str, int]] = mapped_column(JSON)  # ids only
    member_id: Mapped[int | None] = mapped_column(ForeignKey("member.id", ondelete="SET NULL"), index=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"), index=True)
    made_at: Mapped[datetime] = mapped_column(Instant)
    next_try_at: Mapped[datetime | None] = mapped_column(Instant)
    tries: Mapped[int] = mapped_column(default=0, server_default="0")
    tried_at: Mapped[datetime | None] = mapped_column(Instant)
    claimed_until: Mapped[datetime | None] = mapped_column(Instant)
    sent_at: Mapped[datetime | None] = mapped_column(Instant)
    failed_reason: Mapped[str | None] = mapped_column(String(300))  # the server's words at the last try
    failed_at: Mapped[datetime | None] = mapped_column(Instant)
    dropped_at: Mapped[datetime | None] = mapped_column(Instant)

    __table_args__ = (
        CheckConstraint(
            "(next_try_at IS NULL) = (sent_at IS NOT NULL OR failed_at IS NOT NULL OR dropped_at IS NOT NULL)",
            name="waits_or_is_done",
        ),
        # Only what waits: senders look every second, and most letters left long ago.
        Index(
            "ix_outbox_due", "next_try_at", "id",
            sqlite_where=next_try_at.is_not(None), postgresql_where=next_try_at.is_not(None),
        ),
        Index(
            "ix_outbox_failed", "id", sqlite_where=failed_at.is_not(None), postgresql_where=failed_at.is_not(None),
        ),
    )  # fmt: skip


def put(
    session: Session,
    kind: str,
    recipient: str,
    locale: str,
    now: datetime,
    *,
    member_id: int | None = None,
    account_id: int | None = None,
    ids: dict[str, int] | None = None,
    supersedes: bool = False,
) -> Outbox:
    """Put a letter into the transaction; `supersedes` drops what waits of its kind for the same member or account."""
    if supersedes:
        about = Outbox.member_id == member_id if member_id is not None else Outbox.account_id == account_id
        older = update(Outbox).where(about, Outbox.kind == kind, Outbox.next_try_at.is_not(None))
        _run(session, older.values(dropped_at=now, next_try_at=None))
    row = Outbox(
        message_id=make_msgid(domain=_domain()), kind=kind, recipient=recipient, locale=locale, args=ids or {},
        member_id=member_id, account_id=account_id, made_at=now, next_try_at=now, tries=0,
    )  # fmt: skip
    session.add(row)
    return row


def is_anything_due(session: Session, now: datetime) -> bool:
    """Whether a letter should leave now; asks without writing."""
    return session.scalar(select(Outbox.id).where(*_due(now)).limit(1)) is not None


def claim(session: Session, now: datetime, hold: timedelta) -> Outbox | None:
    """Take the letter that is due the longest, for `hold`; commit before speaking to a server.

    The row is detached: it stays what was claimed, whatever others do to it meanwhile.
    """
    first = select(Outbox.id).where(*_due(now)).order_by(Outbox.next_try_at, Outbox.id).limit(1)
    chosen = first.with_for_update(skip_locked=True).scalar_subquery()  # SQLite has one writer and leaves the lock out
    taking = update(Outbox).where(Outbox.id == chosen).values(claimed_until=now + hold).returning(Outbox)
    row = session.scalars(taking, execution_options={"populate_existing": True}).one_or_none()
    if row is not None:
        session.expunge(row)
    return row


def note_sent(session: Session, row: Outbox, now: datetime) -> None:
    """The server took the letter."""
    # Whoever holds it by now: it has left.
    done = {"sent_at": now, "tried_at": now, "next_try_at": None, "claimed_until": None, "failed_reason": None}
    _run(session, update(Outbox).where(Outbox.id == row.id).values(tries=row.tries + 1, **done))


def note_failed(session: Session, row: Outbox, words: str, now: datetime, *, permanently: bool) -> None:
    """This letter could not be sent: try again later, or give it up."""
    tries = row.tries + 1
    noted = {"tries": tries, "tried_at": now, "failed_reason": words, "claimed_until": None}
    if permanently or tries >= MOST_TRIES:
        noted |= {"failed_at": now, "next_try_at": None}
    else:
        noted |= {"next_try_at": now + DELAYS[min(tries, len(DELAYS)) - 1]}
    # Not when it was dropped meanwhile, or held too long and taken by another worker.
    mine = (Outbox.id == row.id, Outbox.next_try_at.is_not(None), Outbox.claimed_until == row.claimed_until)
    _run(session, update(Outbox).where(*mine).values(**noted))


def note_server_away(session: Session, row: Outbox, words: str, now: datetime, until: datetime) -> None:
    """No letter can leave at the moment: put off all that are due, however long it lasts; none counts a try."""
    held = or_((Outbox.id == row.id) & Outbox.next_try_at.is_not(None), _all(_due(now)))
    noted = {"next_try_at": until, "tried_at": now, "failed_reason": words, "claimed_until": None}
    _run(session, update(Outbox).where(held).values(**noted))


def hurry(session: Session, now: datetime) -> None:
    """The server is back: what waited only for it is due now."""
    # A try is counted only to a letter that was refused for itself; it keeps its own time.
    put_off = (Outbox.next_try_at > now, Outbox.tries == 0)
    _run(session, update(Outbox).where(*put_off).values(next_try_at=now))


def drop(session: Session, row: Outbox, now: datetime) -> None:
    """The letter is no longer needed."""
    waiting = update(Outbox).where(Outbox.id == row.id, Outbox.next_try_at.is_not(None))
    _run(session, waiting.values(dropped_at=now, next_try_at=None, claimed_until=None))


def send_again(session: Session, row: Outbox, now: datetime) -> bool:
    """Try at once, as if for the first time, a letter that waits or was given up; False when it left or is dropped."""
    # By a statement that asks once more: the worker may send or drop it between the look at the row and this.
    still = (Outbox.id == row.id, Outbox.sent_at.is_(None), Outbox.dropped_at.is_(None))
    # Without a reason too: one beside no try would say that the server is away.
    anew = {"failed_at": None, "failed_reason": None, "next_try_at": now, "tries": 0}
    is_tried = bool(_run(session, update(Outbox).where(*still).values(**anew)).rowcount)
    session.refresh(row)
    return is_tried


def remove_old(session: Session, now: datetime) -> int:
    """Remove the letters that were sent, given up or dropped long ago."""
    old = delete(Outbox).where(Outbox.made_at < now - KEEP, Outbox.next_try_at.is_(None))
    return int(_run(session, old).rowcount)


def is_sending(settings: Settings) -> bool:
    """Whether letters leave; the demo keeps them, whatever server is set."""
    return settings.mail_server is not None and not settings.is_demo


def state_of(row: Any, sending: bool) -> str:
    """WAITING, SENT, FAILED, DROPPED, or KEPT where no letter leaves."""
    if row.sent_at is not None:
        return SENT
    if row.dropped_at is not None:
        return DROPPED
    if row.failed_at is not None:
        return FAILED
    return WAITING if sending else KEPT


def counts(session: Session) -> tuple[int, int]:
    """How many letters wait, and how many were given up."""
    waiting = select(func.count()).select_from(Outbox).where(Outbox.next_try_at.is_not(None)).scalar_subquery()
    failed = select(func.count()).select_from(Outbox).where(Outbox.failed_at.is_not(None)).scalar_subquery()
    found = session.execute(select(waiting, failed)).one()
    return found[0], found[1]


def names_the_server(reason: str | None) -> bool:
    """Whether a letter was last put off because no letter could leave."""
    return _OF_THE_SERVER.match(reason or "") is not None


def plain_words(reason: str | None) -> str:
    """A server's words without their numbers, to stand within a sentence: “mailbox full”."""
    words = _ANSWER_CODE.sub("", reason or "").rstrip(". ")
    return words[:1].lower() + words[1:] if words[1:2].islower() else words


def _due(now: datetime) -> Sequence[ColumnElement[bool]]:
    free = or_(Outbox.claimed_until.is_(None), Outbox.claimed_until <= now)
    return (Outbox.next_try_at.is_not(None), Outbox.next_try_at <= now, free)


def _all(conditions: Sequence[ColumnElement[bool]]) -> ColumnElement[bool]:
    first, *others = conditions
    for each in others:
        first = first & each
    return first


def _run(session: Session, statement: Any) -> Any:
    return session.execute(statement.execution_options(synchronize_session=False))


def _domain() -> str:
    """The right side of a Message-ID: the sender's domain."""
    settings = current_app.extensions.get("settings")
    return parseaddr(settings.mail_from)[1].rpartition("@")[2] if settings is not None else "portal.invalid"
