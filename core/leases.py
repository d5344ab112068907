"""Devices, stations and what they hold: the tables below the rules, and the times of a lease.

The domain (`models.py`) says who may hold a seat and winds leases down; `core/seats.py` takes, renews and frees seats.
Rows here know the domain by its ids only.
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime, timedelta

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from core.db import Base, Instant

LEASE = timedelta(seconds=600)  # how long a seat is kept without a sign of life
RENEW_AFTER_S = 200  # a third of it: three misses lose the seat
GRACE_S = 86_400  # how long a running program may go on without an answer
OFFER = timedelta(seconds=60)  # how long a freed seat is held for the first in the queue
POLL_AFTER_S = 20
QUEUE_PATIENCE = timedelta(seconds=90)  # who asks no more has left the queue
SAVE_WINDOW = timedelta(minutes=15)
COOL_DOWN = timedelta(seconds=300)
SHORTEST_BORROW, LONGEST_BORROW = timedelta(hours=1), timedelta(days=7)
IDLE_AFTER_S = 3600  # an application idle for so long is asked to give its seat back
IDLE_NOTICE_S = 120
NOT_TRUE_WITHIN = timedelta(minutes=10)  # a denial followed by a seat for the same launch
DEVICE_NAME = 100
MESSAGE = 500  # of an administrator to a person

GIVEN_BACK, EXPIRED, LINE_EXPIRED, KEY_REVOKED = "given_back", "expired", "line_expired", "key_revoked"
BY_ADMIN, WRITTEN_OFF, DISABLED, REMOVED, LEFT = "by_admin", "written_off", "membership_disabled", "removed", "left"
WITHDRAWN, BLOCKED, DEVICE_REMOVED, STATION_REVOKED = (
    "permission_withdrawn", "account_blocked", "device_removed", "station_revoked",
)  # fmt: skip
REASONS = (
    GIVEN_BACK, EXPIRED, LINE_EXPIRED, KEY_REVOKED, BY_ADMIN, WRITTEN_OFF, DISABLED, REMOVED, LEFT, WITHDRAWN, BLOCKED,
    DEVICE_REMOVED, STATION_REVOKED,
)  # fmt: skip
OUTCOMES = ("granted", "declined", "dropped")
_Big = BigInteger().with_variant(Integer, "sqlite")


def one_of(column: str, words: tuple[str, ...]) -> str:
    """The condition that a column holds one of some words, or nothing."""
    listed = ", ".join(f"'{word}'" for word in words)
    return f"{column} IN ({listed})"


class Station(Base):
    """A lab or build machine's key to one product: shown once, kept as a hash."""

    __tablename__ = "station"

    id: Mapped[int] = mapped_column(primary_key=True)
    organization_id: Mapped[int] = mapped_column(ForeignKey("organization.id"))
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"), index=True)
    name: Mapped[str] = mapped_column(String(DEVICE_NAME))
    key_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    made_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    made_at: Mapped[datetime] = mapped_column(Instant)
    used_at: Mapped[datetime | None] = mapped_column(Instant)
    revoked_at: Mapped[datetime | None] = mapped_column(Instant)

    __table_args__ = (
        Index(
            "uq_station_one_per_name", "organization_id", "name", unique=True,
            sqlite_where=revoked_at.is_(None), postgresql_where=revoked_at.is_(None),
        ),
    )  # fmt: skip

    @staticmethod
    def hashed(key: str) -> bytes:
        """What is kept of a station's key."""
        return hashlib.sha256(key.encode()).digest()


class Device(Base):
    """A computer, known by a name of its own making and, where it has one, its public key."""

    __tablename__ = "device"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    station_id: Mapped[int | None] = mapped_column(ForeignKey("station.id"))
    client_id: Mapped[str] = mapped_column(String(DEVICE_NAME))
    public_key: Mapped[str | None] = mapped_column(String(64))  # Ed25519, as base64url
    name: Mapped[str] = mapped_column(String(DEVICE_NAME))
    os: Mapped[str] = mapped_column(String(50), default="", server_default="")
    seen_at: Mapped[datetime] = mapped_column(Instant)
    removed_at: Mapped[datetime | None] = mapped_column(Instant)

    __table_args__ = (
        CheckConstraint("(account_id IS NULL) <> (station_id IS NULL)", name="one_owner"),
        Index(
            "uq_device_one_per_account", "account_id", "client_id", unique=True,
            sqlite_where=removed_at.is_(None), postgresql_where=removed_at.is_(None),
        ),
        Index(
            "uq_device_one_per_station", "station_id", "client_id", unique=True,
            sqlite_where=removed_at.is_(None), postgresql_where=removed_at.is_(None),
        ),
    )  # fmt: skip


class Lease(Base):
    """A running application's hold on a seat, or on the seat that another copy on the same device took.

    `holder` names whose the seat is: `a<account>` of one that was given to a person, `a<account>:d<device>` or
    `s<station>:d<device>` of one that a device drew.
    """

    __tablename__ = "lease"

    id: Mapped[int] = mapped_column(_Big, primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36))
    organization_id: Mapped[int | None] = mapped_column(ForeignKey("organization.id"))
    license_id: Mapped[int] = mapped_column(ForeignKey("license.id"))
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    station_id: Mapped[int | None] = mapped_column(ForeignKey("station.id"), index=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("device.id"), index=True)
    permission_id: Mapped[int | None] = mapped_column(ForeignKey("permission.id", ondelete="SET NULL"), index=True)
    holder: Mapped[str] = mapped_column(String(60))
    takes_seat: Mapped[bool] = mapped_column()
    is_reserved: Mapped[bool] = mapped_column()  # named, or on a reserved floating seat
    seq: Mapped[int] = mapped_column(_Big)
    app_version: Mapped[str] = mapped_column(String(50), default="", server_default="")
    idle_s: Mapped[int] = mapped_column(default=0, server_default="0")
    taken_at: Mapped[datetime] = mapped_column(Instant)
    renewed_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)
    borrowed_until: Mapped[datetime | None] = mapped_column(Instant)
    ending_at: Mapped[datetime | None] = mapped_column(Instant)
    ending_reason: Mapped[str | None] = mapped_column(String(30))
    ending_message: Mapped[str] = mapped_column(String(500), default="", server_default="")
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    ended_reason: Mapped[str | None] = mapped_column(String(30))

    device: Mapped[Device] = relationship()

    LIVE = (ended_at.is_(None),)

    __table_args__ = (
        CheckConstraint("(account_id IS NULL) <> (station_id IS NULL)", name="one_holder"),
        CheckConstraint("(ended_at IS NULL) = (ended_reason IS NULL)", name="ended_with_reason"),
        CheckConstraint("(ending_at IS NULL) = (ending_reason IS NULL)", name="ending_with_reason"),
        CheckConstraint(one_of("ended_reason", REASONS), name="ended_reason"),
        Index("uq_lease_uuid", "organization_id", "uuid", unique=True),
        Index(
            "uq_lease_personal_uuid", "account_id", "uuid", unique=True,
            sqlite_where=organization_id.is_(None), postgresql_where=organization_id.is_(None),
        ),
        Index(
            "uq_lease_one_seat_per_holder", "license_id", "holder", unique=True,
            sqlite_where=ended_at.is_(None) & takes_seat, postgresql_where=ended_at.is_(None) & takes_seat,
        ),
        Index(
            "ix_lease_live", "license_id", "expires_at",
            sqlite_where=ended_at.is_(None), postgresql_where=ended_at.is_(None),
        ),
        Index("ix_lease_account", "account_id", "ended_at"),  # who runs something, and when somebody last did
        Index(
            "ix_lease_cooling", "license_id", "account_id", "ended_at",
            sqlite_where=ending_reason == BY_ADMIN, postgresql_where=ending_reason == BY_ADMIN,
        ),
    )  # fmt: skip


class Ticket(Base):
    """A place in the queue for a product; with an offer, a seat is held for it."""

    __tablename__ = "queue_ticket"
    __table_args__ = (
        CheckConstraint("(account_id IS NULL) <> (station_id IS NULL)", name="one_holder"),
        CheckConstraint("(license_id IS NULL) = (offered_until IS NULL)", name="offer_has_an_end"),
        Index("ix_queue_ticket_order", "organization_id", "product_id", "id"),
    )

    id: Mapped[int] = mapped_column(_Big, primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36))
    organization_id: Mapped[int] = mapped_column(ForeignKey("organization.id"))
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"), index=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    station_id: Mapped[int | None] = mapped_column(ForeignKey("station.id"), index=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("device.id"), index=True)
    asked_at: Mapped[datetime] = mapped_column(Instant)
    polled_at: Mapped[datetime] = mapped_column(Instant)
    license_id: Mapped[int | None] = mapped_column(ForeignKey("license.id"), index=True)
    offered_until: Mapped[datetime | None] = mapped_column(Instant)


class Denial(Base):
    """A refused request for a seat; `served_at` when the same launch got one soon after, so that it was none."""

    __tablename__ = "denial"
    __table_args__ = (Index("ix_denial_organization_at", "organization_id", "at"),)

    id: Mapped[int] = mapped_column(_Big, primary_key=True)
    organization_id: Mapped[int | None] = mapped_column(ForeignKey("organization.id"))
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"), index=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    station_id: Mapped[int | None] = mapped_column(ForeignKey("station.id"), index=True)
    device_id: Mapped[int | None] = mapped_column(ForeignKey("device.id"), index=True)
    uuid: Mapped[str] = mapped_column(String(36), index=True)
    code: Mapped[str] = mapped_column(String(40))
    detail: Mapped[str] = mapped_column(String(300), default="", server_default="")  # the words that the program showed
    at: Mapped[datetime] = mapped_column(Instant)
    served_at: Mapped[datetime | None] = mapped_column(Instant)


class AccessRequest(Base):
    """A person asks the administrators for a product; open until it is granted or declined."""

    __tablename__ = "access_request"

    id: Mapped[int] = mapped_column(primary_key=True)
    organization_id: Mapped[int] = mapped_column(ForeignKey("organization.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"), index=True)
    asked_at: Mapped[datetime] = mapped_column(Instant)
    closed_at: Mapped[datetime | None] = mapped_column(Instant)
    closed_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    outcome: Mapped[str | None] = mapped_column(String(20))
    message: Mapped[str] = mapped_column(String(MESSAGE), default="", server_default="")  # of who closed it

    __table_args__ = (
        CheckConstraint("(closed_at IS NULL) = (outcome IS NULL)", name="closed_with_outcome"),
        CheckConstraint(one_of("outcome", OUTCOMES), name="outcome"),
        Index("ix_access_request_organization", "organization_id", "closed_at"),
        Index(
            "uq_access_request_one_open", "account_id", "product_id", unique=True,
            sqlite_where=closed_at.is_(None), postgresql_where=closed_at.is_(None),
        ),
    )  # fmt: skip


class UsageDay(Base):
    """What one license saw on one day of its owner: the most seats in use, check-outs, denials."""

    __tablename__ = "usage_day"

    license_id: Mapped[int] = mapped_column(ForeignKey("license.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    peak: Mapped[int] = mapped_column(default=0, server_default="0")
    check_outs: Mapped[int] = mapped_column(default=0, server_default="0")
    denials: Mapped[int] = mapped_column(default=0, server_default="0")
