"""Sign-ins of programs: what a person approved, and the tokens that follow from it. All of them die together.

Tokens are kept as hashes; an access token is signed and kept nowhere.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import CheckConstraint, ColumnElement, CursorResult, ForeignKey, Index, LargeBinary, String, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from core.db import Base, Instant

NAME = 100


class TokenFamily(Base):
    """One sign-in of a program, for an organization or, without one, for the person's own licenses."""

    __tablename__ = "token_family"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    organization_id: Mapped[int | None] = mapped_column(ForeignKey("organization.id"), index=True)
    device_id: Mapped[int | None] = mapped_column(ForeignKey("device.id"), index=True)
    client_name: Mapped[str] = mapped_column(String(NAME))
    key_thumbprint: Mapped[str | None] = mapped_column(String(43))  # RFC 7638; None: plain bearer tokens
    made_at: Mapped[datetime] = mapped_column(Instant)
    revoked_at: Mapped[datetime | None] = mapped_column(Instant)


class RefreshToken(Base):
    """A token that is exchanged once for the next one; a second use ends the family."""

    __tablename__ = "refresh_token"

    id: Mapped[int] = mapped_column(primary_key=True)
    family_id: Mapped[int] = mapped_column(ForeignKey("token_family.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    made_at: Mapped[datetime] = mapped_column(Instant)
    used_at: Mapped[datetime | None] = mapped_column(Instant)


class DeviceCode(Base):
    """A program that waits for a person's approval (RFC 8628)."""

    __tablename__ = "device_code"

    id: Mapped[int] = mapped_column(primary_key=True)
    device_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    user_code_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    client_name: Mapped[str] = mapped_column(String(NAME))
    device_name: Mapped[str] = mapped_column(String(NAME))
    key_thumbprint: Mapped[str | None] = mapped_column(String(43))
    made_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)
    polled_at: Mapped[datetime | None] = mapped_column(Instant)
    interval_s: Mapped[int] = mapped_column(default=5, server_default="5")
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)  # who approved
    organization_id: Mapped[int | None] = mapped_column(ForeignKey("organization.id"), index=True)
    denied_at: Mapped[datetime | None] = mapped_column(Instant)
    used_at: Mapped[datetime | None] = mapped_column(Instant)

    __table_args__ = (
        CheckConstraint("denied_at IS NULL OR used_at IS NULL", name="denied_or_used"),
        Index(
            "uq_device_code_one_per_user_code", "user_code_hash", unique=True,
            sqlite_where=used_at.is_(None) & denied_at.is_(None),
            postgresql_where=used_at.is_(None) & denied_at.is_(None),
        ),
    )  # fmt: skip


def revoke(session: Session, which: ColumnElement[bool], now: datetime) -> int:
    """End the sign-ins of programs that a condition on `TokenFamily` names, with all their tokens; how many there were.

    In the caller's transaction; access tokens are refused at their next use.
    """
    ending = update(TokenFamily).where(TokenFamily.revoked_at.is_(None), which).values(revoked_at=now)
    done = session.execute(ending.execution_options(synchronize_session=False))
    return cast(CursorResult[Any], done).rowcount
