"""Answers that are kept, so that a request which is repeated is done once (`Idempotency-Key`)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import LargeBinary, String, Text, delete, insert, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from core.db import Base, Instant
from core.denials import Denied
from models import rows_changed

KEPT = timedelta(hours=24)
LONGEST_KEY = 255
MOST_KEPT = 1000  # answers of one credential: nobody fills the table


class KeptAnswer(Base):
    """What a credential's request with a key was answered."""

    __tablename__ = "idempotency"

    credential: Mapped[str] = mapped_column(String(40), primary_key=True)
    key: Mapped[str] = mapped_column(String(LONGEST_KEY), primary_key=True)
    body_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    status: Mapped[int | None] = mapped_column()
    answer: Mapped[str | None] = mapped_column(Text)
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)


@dataclass(frozen=True, slots=True)
class Once:
    """A request that is to be done once: whose, under which key, and what it asks for."""

    credential: str
    key: str
    asked: bytes

    @property
    def body_hash(self) -> bytes:
        """By which the same request is known again."""
        return hashlib.sha256(self.asked).digest()


def kept(session: Session, once: Once, now: datetime) -> tuple[int, Any] | None:
    """What was answered before; None when it is to be done now, and nobody else does it until the transaction ends.

    :raise Denied: idempotency_mismatch for another request under the same key; still_running while it is being done.
    """
    _lock(session, once)
    query = select(KeptAnswer.body_hash, KeptAnswer.status, KeptAnswer.answer)
    row = session.connection().execute(query.where(*_is(once), KeptAnswer.expires_at > now)).first()
    if row is None:
        return None
    if row.body_hash != once.body_hash:
        raise Denied("idempotency_mismatch", _("This Idempotency-Key came with another request."))
    return row.status, json.loads(row.answer)


def keep(session: Session, once: Once, status: int, answer: Any, now: datetime) -> None:
    """Keep an answer for a day, in the transaction of what it answers; those of yesterday go, and the many-th too."""
    newest = select(KeptAnswer.expires_at).where(KeptAnswer.credential == once.credential)
    beyond = newest.order_by(KeptAnswer.expires_at.desc()).offset(MOST_KEPT - 1).limit(1).scalar_subquery()
    is_beyond = (KeptAnswer.credential == once.credential) & (KeptAnswer.expires_at <= beyond)
    session.connection().execute(delete(KeptAnswer).where((KeptAnswer.expires_at <= now) | is_beyond))
    row = {
        "credential": once.credential, "key": once.key, "body_hash": once.body_hash, "status": status,
        "answer": json.dumps(answer), "expires_at": now + KEPT,
    }  # fmt: skip
    session.connection().execute(insert(KeptAnswer).values(row))


def remove_old(session: Session, now: datetime) -> int:
    """Remove yesterday's answers, and count them; the worker's, now and then."""
    return rows_changed(session, delete(KeptAnswer).where(KeptAnswer.expires_at <= now))


def _is(once: Once) -> tuple[Any, Any]:
    return KeptAnswer.credential == once.credential, KeptAnswer.key == once.key


def _lock(session: Session, once: Once) -> None:
    # SQLite has one writer: whoever repeats a request waits for it there, and finds its answer.
    if session.get_bind().dialect.name == "postgresql":
        trying = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:once, 0))")
        if not session.connection().execute(trying, {"once": f"{once.credential} {once.key}"}).scalar():
            words = _("The same request is being answered. Ask again in a second.")
            raise Denied("still_running", words, retry_after_s=1)
