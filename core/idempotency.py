"""Answers that are kept, so that a request which is repeated is done once (`Idempotency-Key`)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Base, Instant


class KeptAnswer(Base):
    """What a credential's request with a key was answered; without a status while it is being done."""

    __tablename__ = "idempotency"

    credential: Mapped[str] = mapped_column(String(40), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    body_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    status: Mapped[int | None] = mapped_column()
    answer: Mapped[str | None] = mapped_column(Text)
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)
