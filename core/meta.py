"""What a database says of itself: which portal it is, whether it is the demo, and when a process last lived."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from sqlalchemy import CheckConstraint, String, false, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from core.db import Base, Instant

ALIVE_EVERY = timedelta(seconds=10)  # one write; /readyz calls a worker gone after six of them


class Meta(Base):
    """The one row about the database."""

    __tablename__ = "meta"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    # Stands in the link that creates the first operator, which so opens no other portal.
    instance: Mapped[str] = mapped_column(String(36))
    is_demo: Mapped[bool] = mapped_column(default=False, server_default=false())
    made_at: Mapped[datetime] = mapped_column(Instant)
    last_alive: Mapped[datetime | None] = mapped_column(Instant)  # the last sign of life of any process
    worked_at: Mapped[datetime | None] = mapped_column(Instant)  # the worker's, which /readyz looks for


def read(session: Session) -> Meta | None:
    """The row; None in a database that was never begun."""
    return session.scalars(select(Meta)).one_or_none()


def begin(session: Session, now: datetime, *, is_demo: bool = False) -> Meta:
    """The row, made when it is missing."""
    if (row := read(session)) is None:
        row = Meta(id=1, instance=str(uuid.uuid4()), is_demo=is_demo, made_at=now)
        session.add(row)
        session.flush()
    return row


def last_sign(session: Session) -> datetime | None:
    """When a process last said that it lives."""
    return session.scalar(select(Meta.last_alive))


def say_alive(session: Session, now: datetime) -> None:
    """Note that the worker lives."""
    session.execute(update(Meta).values(last_alive=now, worked_at=now))
