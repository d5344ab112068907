"""Activity: what people and operators did, append-only, written in the change's transaction, chained by hash.

One stream per organization and one for the portal. Rows keep ids, not names, and never a secret.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Index,
    Insert,
    Integer,
    LargeBinary,
    Row,
    Select,
    String,
    UniqueConstraint,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.sql.functions import FunctionElement

from core.db import Base, Instant

PORTAL = "portal"
START = b"\0" * 32
PORTAL_LOCK = 0x706F7274616C  # PostgreSQL advisory lock: organizations are locked by their row, the portal has none


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it: `kind` is person, operator, command or portal; `address` where from, empty for a command."""

    kind: str
    id: int | None = None
    address: str = ""


COMMAND = Actor("command")
PORTAL_ITSELF = Actor("portal")


class Activity(Base):
    """One thing that was done."""

    __tablename__ = "activity"
    __table_args__ = (UniqueConstraint("stream", "number"), Index("ix_activity_stream_at", "stream", "at"))

    # SQLite numbers only a primary key of the type INTEGER by itself.
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    stream: Mapped[str] = mapped_column(String(20))
    number: Mapped[int]
    previous_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    at: Mapped[datetime] = mapped_column(Instant)
    actor_kind: Mapped[str] = mapped_column(String(10))
    actor_id: Mapped[int | None]
    action: Mapped[str] = mapped_column(String(40))
    target_kind: Mapped[str] = mapped_column(String(20))
    target_id: Mapped[int | None]
    before: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    after: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    address: Mapped[str] = mapped_column(String(45))


#: What the hash of an entry covers.
ENTRY = (
    Activity.stream, Activity.number, Activity.at, Activity.actor_kind, Activity.actor_id, Activity.action,
    Activity.target_kind, Activity.target_id, Activity.before, Activity.after, Activity.address,
)  # fmt: skip


def record(
    session: Session,
    organization_id: int | None,
    by: Actor,
    action: str,
    target: Any,
    at: datetime,
    *,
    before: Any = None,
    after: Any = None,
) -> None:
    """Append one entry to the organization's stream, or the portal's.

    The caller has locked the organization's row (the portal's stream locks itself); `target` is any row with an id.
    """
    # A new target has no id before.
    session.flush()
    stream = PORTAL if organization_id is None else str(organization_id)
    if organization_id is None and session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": PORTAL_LOCK})
    entry = {
        "stream": stream, "at": at, "actor_kind": by.kind, "actor_id": by.id, "action": action,
        "target_kind": target.__tablename__, "target_id": target.id, "before": before, "after": after,
        "address": by.address,
    }  # fmt: skip
    session.execute(_appending(entry))


def _appending(entry: dict[str, Any]) -> Insert:
    """One statement that numbers and chains an entry behind the newest of its stream, so that nothing is read first."""
    newest = select(Activity.number, Activity.hash).where(Activity.stream == entry["stream"])
    newest = newest.order_by(Activity.number.desc()).limit(1)
    previous = func.coalesce(newest.with_only_columns(Activity.hash).scalar_subquery(), START)
    number = func.coalesce(newest.with_only_columns(Activity.number).scalar_subquery(), 0) + 1
    # The text is the one of `text_of`, but for the number, which only the database knows.
    front, mark, back = text_of({**entry, "number": 0}).rpartition(NUMBER % 0)
    digest = Chained(previous, (front + mark[:-1]).encode(), number, back.encode())
    return insert(Activity).values(number=number, previous_hash=previous, hash=digest, **entry)


NUMBER = '"number": %d'  # as it stands in the text of an entry; what follows it are words of ours


class Chained(FunctionElement[bytes]):
    """SHA-256 over bytes, bytes, a number in digits, and bytes; SQLite learns it from `core.db`."""

    type = LargeBinary()
    inherit_cache = True


@compiles(Chained, "sqlite")
def _in_sqlite(element: Chained, compiler: Any, **how: Any) -> str:
    return f"chain({', '.join(compiler.process(each, **how) for each in element.clauses)})"


@compiles(Chained, "postgresql")
def _in_postgresql(element: Chained, compiler: Any, **how: Any) -> str:
    previous, front, number, back = (compiler.process(each, **how) for each in element.clauses)
    return f"sha256({previous} || {front} || convert_to(({number})::text, 'UTF8') || {back})"


def chained(previous: bytes, entry: dict[str, Any]) -> bytes:
    """The hash of an entry behind the one before it; `at` counts in whole microseconds of UTC."""
    return hashlib.sha256(previous + text_of(entry).encode()).digest()


def text_of(entry: dict[str, Any]) -> str:
    """An entry as its hash covers it: its fields by name, `at` in microseconds."""
    return json.dumps({**entry, "at": int(entry["at"].timestamp() * 1_000_000)}, sort_keys=True)


def entries(*streams: str) -> Select[Any]:
    """Everything of the chains that `first_broken` follows, in their order; of all streams when none is named."""
    query = select(*ENTRY, Activity.previous_hash, Activity.hash).order_by(Activity.stream, Activity.number)
    return query.where(Activity.stream.in_(streams)) if streams else query


def first_broken(chain: Iterable[Row[Any]]) -> int | None:
    """The number of the first of a stream's `entries` that does not follow from the one before; None when all do."""
    previous, expected = START, 1
    for entry in chain:
        fields = {column.key: getattr(entry, column.key) for column in ENTRY}
        follows = entry.number == expected and entry.previous_hash == previous
        if not follows or entry.hash != chained(previous, fields):
            return int(entry.number)
        previous, expected = entry.hash, expected + 1
    return None


def count(session: Session, stream: str) -> int:
    """How many entries a stream has."""
    return session.scalar(select(func.count()).select_from(Activity).where(Activity.stream == stream)) or 0
