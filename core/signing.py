"""The keys that sign tokens: the newest one signs, every one that is not retired verifies."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Base, Instant


class SigningKey(Base):
    """An Ed25519 key; its private part is sealed and bound to `kid`."""

    __tablename__ = "signing_key"

    kid: Mapped[str] = mapped_column(String(43), primary_key=True)
    private_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    public: Mapped[str] = mapped_column(String(43))  # base64url
    made_at: Mapped[datetime] = mapped_column(Instant)
    retired_at: Mapped[datetime | None] = mapped_column(Instant)
