"""Devices, stations, leases, and the sign-ins of programs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import core.db

revision = "0002"
down_revision = "0001"
branch_labels = ()
depends_on = None


def upgrade() -> None:
    """Bring the schema here."""
    op.create_table(
        "idempotency",
        sa.Column("credential", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("expires_at", core.db.Instant(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("credential", "key", name="pk_idempotency"),
    )
    op.create_index("ix_idempotency_expires_at", "idempotency", ["expires_at"])

    op.create_table(
        "signing_key",
        sa.Column("kid", sa.String(length=43), nullable=False),
        sa.Column("private_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("public", sa.String(length=43), nullable=False),
        sa.Column("made_at", core.db.Instant(timezone=True), nullable=False),
        sa.Column("retired_at", core.db.Instant(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("kid", name="pk_signing_key"),
    )
    op.create_table(
        "access_request",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("product_id", sa.Integer(), nullable=False),
        sa.Column("asked_at", core.db.Instant(timezone=True), nullable=False),
        sa.Column("closed_at", core.db.Instant(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=True),
        sa.Column("message", sa.String(length=500), server_default="", nullable=False),
        sa.CheckConstraint("outcome IN ('granted', 'declined', 'dropped')", name="ck_access_request_outcome"),
        sa.CheckConstraint("(closed_at IS NULL) = (outcome IS NULL)", name="ck_access_request_closed_with_outcome"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_access_request_account_id_account"),
        sa.ForeignKeyConstraint(["closed_by"], ["account.id"], name="fk_access_request_closed_by_account"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name="fk_access_request_organization_id_organization"
        ),
        sa.ForeignKeyConstraint(["product_id"], ["product.id"], name="fk_access_request_product_id_product"),
        sa.PrimaryKeyConstraint("id", name="pk_access_request"),
    )
    op.create_index("ix_access_request_closed_by", "access_request", ["closed_by"])
    op.create_index("ix_access_request_organization", "access_request", ["organization_id", "closed_at"])
    op.create_index("ix_access_request_product_id", "access_request", ["product_id"])
    op.create_index(
        "uq_access_request_one_open",
        "access_request",
        ["account_id", "product_id"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )

    op.create_table(
        "device_code",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("device_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("user_code_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("client_name", sa.String(length=100), nullable=False),
        sa.Column("device_name", sa.String(length=100), nullable=False),
        sa.Column("key_thumbprint", sa.String(length=43), nullable=True),
        sa.Column("made_at", core.db.Instant(timezone=True), nullable=False),
        sa.Column("expires_at", core.db.Instant(timezone=True), nullable=False),
        sa.Column("polled_at", core.db.Instant(timezone=True), nullable=True),
        sa.Column("interval_s", sa.Integer(), server_default="5", nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("organization_id", sa.Integer(), nullable=True),
        sa.Column("denied_at", core.db.Instant(timezone=True), nullable=True),
        sa.Column("used_at", core.db.Instant(timezone=True), nullable=True),
        sa.CheckConstraint("denied_at IS NULL OR used_at IS NULL", name="ck_device_code_denied_or_used"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_device_code_account_id_account"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name="fk_device_code_organization_id_organization"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_device_code"),
        sa.UniqueConstraint("device_hash", name="uq_device_code_device_hash"),
    )
    op.create_index("ix_device_code_account_id", "device_code", ["account_id"])
    op.create_index("ix_device_code_expires_at", "device_code", ["expires_at"])
    op.create_index("ix_device_code_organization_id", "device_code", ["organization_id"])
    op.create_index(
        "uq_device_code_one_per_user_code",
        "device_code",
        ["user_code_hash"],
        unique=True,
        sqlite_where=sa.text("used_at IS NULL AND denied_at IS NULL"),
        postgresql_where=sa.text("used_at IS NULL AND denied_at IS NULL"),
    )

    op.create_table(
        "station",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=False),
        sa.Column("product_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("made_by", sa.Integer(), nullable=True),
        sa.Column("made_at", core.db.Instant(timezone=True), nullable=False),
        sa.Column("used_at", core.db.Instant(timezone=True), nullable=True),
        sa.Column("revoked_at", core.db.Instant(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["made_by"], ["account.id"], name="fk_station_made_by_account"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name="fk_station_organization_id_organization"
        ),
        sa.ForeignKeyConstraint(["product_id"], ["product.id"], name="fk_station_product_id_product"),
        sa.PrimaryKeyConstraint("id", name="pk_station"),
        sa.UniqueConstraint("key_hash", name="uq_station_key_hash"),
    )
    op.create_index("ix_station_made_by", "station", ["made_by"])
    op.create_index("ix_station_product_id", "station", ["product_id"])
    op.create_index(
        "uq_station_one_per_name",
        "station",
        ["organization_id", "name"],
        unique=True,
        sqlite_where=sa.text("revoked_at IS NULL"),
        postgresql_where=sa.text("revoked_at IS NULL"),
    )

    op.create_table(
        "device",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("station_id", sa.Integer(), nullable=True),
        sa.Column("client_id", sa.String(length=100), nullable=False),
        sa.Column("public_key", sa.String(length=64), nullable=True),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("os", sa.String(length=50), server_default="", nullable=False),
        sa.Column("seen_at", core.db.Instant(timezone=True), nullable=False),
        sa.Column("removed_at", core.db.Instant(timezone=True), nullable=True),
        sa.CheckConstraint("(account_id IS NULL) <> (station_id IS NULL)", name="ck_device_one_owner"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_device_account_id_account"),
        sa.ForeignKeyConstraint(["station_id"], ["station.id"], name="fk_device_station_id_station"),
        sa.PrimaryKeyConstraint("id", name="pk_device"),
    )
    op.create_index(
        "uq_device_one_per_account",
        "device",
        ["account_id", "client_id"],
        unique=True,
        sqlite_where=sa.text("removed_at IS NULL"),
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.create_index(
        "uq_device_one_per_station",
        "device",
        ["station_id", "client_id"],
        unique=True,
        sqlite_where=sa.text("removed_at IS NULL"),
        postgresql_where=sa.text("removed_at IS NULL"),
    )

    op.create_table(
        "denial",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=True),
        sa.Column("product_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("station_id", sa.Integer(), nullable=True),
        sa.Column("device_id", sa.Integer(), nullable=True),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("detail", sa.String(length=300), server_default="", nullable=False),
        sa.Column("at", core.db.Instant(timezone=True), nullable=False),
        sa.Column("served_at", core.db.Instant(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_denial_account_id_account"),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name="fk_denial_device_id_device"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name="fk_denial_organization_id_organization"
        ),
        sa.ForeignKeyConstraint(["product_id"], ["product.id"], name="fk_denial_product_id_product"),
        sa.ForeignKeyConstraint(["station_id"], ["station.id"], name="fk_denial_station_id_station"),
        sa.PrimaryKeyConstraint("id", name="pk_denial"),
    )
    op.create_index("ix_denial_account_id", "denial", ["account_id"])
    op.create_index("ix_denial_device_id", "denial", ["device_id"])
    op.create_index("ix_denial_organization_at", "denial", ["organization_id", "at"])
    op.create_index("ix_denial_product_id", "denial", ["product_id"])
    op.create_index("ix_denial_station_id", "denial", ["station_id"])
    op.create_index("ix_denial_uuid", "denial", ["uuid"])

    op.create_table(
        "queue_ticket",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=False),
        sa.Column("product_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("station_id", sa.Integer(), nullable=True),
        sa.Column("device_id", sa.Integer(), nullable=False),
        sa.Column("asked_at", core.db.Instant(timezone=True), nullable=False),
        sa.Column("polled_at", core.db.Instant(timezone=True), nullable=False),
        sa.Column("license_id", sa.Integer(), nullable=True),
        sa.Column("offered_until", core.db.Instant(timezone=True), nullable=True),
        sa.CheckConstraint("(account_id IS NULL) <> (station_id IS NULL)", name="ck_queue_ticket_one_holder"),
        sa.CheckConstraint("(license_id IS NULL) = (offered_until IS NULL)", name="ck_queue_ticket_offer_has_an_end"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_queue_ticket_account_id_account"),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name="fk_queue_ticket_device_id_device"),
        sa.ForeignKeyConstraint(["license_id"], ["license.id"], name="fk_queue_ticket_license_id_license"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name="fk_queue_ticket_organization_id_organization"
        ),
        sa.ForeignKeyConstraint(["product_id"], ["product.id"], name="fk_queue_ticket_product_id_product"),
        sa.ForeignKeyConstraint(["station_id"], ["station.id"], name="fk_queue_ticket_station_id_station"),
        sa.PrimaryKeyConstraint("id", name="pk_queue_ticket"),
    )
    op.create_index("ix_queue_ticket_account_id", "queue_ticket", ["account_id"])
    op.create_index("ix_queue_ticket_device_id", "queue_ticket", ["device_id"])
    op.create_index("ix_queue_ticket_license_id", "queue_ticket", ["license_id"])
    op.create_index("ix_queue_ticket_order", "queue_ticket", ["organization_id", "product_id", "id"])
    op.create_index("ix_queue_ticket_product_id", "queue_ticket", ["product_id"])
    op.create_index("ix_queue_ticket_station_id", "queue_ticket", ["station_id"])

    op.create_table(
        "token_family",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=True),
        sa.Column("device_id", sa.Integer(), nullable=True),
        sa.Column("client_name", sa.String(length=100), nullable=False),
        sa.Column("key_thumbprint", sa.String(length=43), nullable=True),
        sa.Column("made_at", core.db.Instant(timezone=True), nullable=False),
        sa.Column("revoked_at", core.db.Instant(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_token_family_account_id_account"),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name="fk_token_family_device_id_device"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name="fk_token_family_organization_id_organization"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_token_family"),
    )
    op.create_index("ix_token_family_account_id", "token_family", ["account_id"])
    op.create_index("ix_token_family_device_id", "token_family", ["device_id"])
    op.create_index("ix_token_family_organization_id", "token_family", ["organization_id"])

    op.create_table(
        "usage_day",
        sa.Column("license_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("peak", sa.Integer(), server_default="0", nullable=False),
        sa.Column("check_outs", sa.Integer(), server_default="0", nullable=False),
        sa.Column("denials", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["license_id"], ["license.id"], name="fk_usage_day_license_id_license", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("license_id", "day", name="pk_usage_day"),
    )
    op.create_table(
        "lease",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=True),
        sa.Column("license_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("station_id", sa.Integer(), nullable=True),
        sa.Column("device_id", sa.Integer(), nullable=False),
        sa.Column("permission_id", sa.Integer(), nullable=True),
        sa.Column("holder", sa.String(length=60), nullable=False),
        sa.Column("takes_seat", sa.Boolean(), nullable=False),
        sa.Column("is_reserved", sa.Boolean(), nullable=False),
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("app_version", sa.String(length=50), server_default="", nullable=False),
        sa.Column("idle_s", sa.Integer(), server_default="0", nullable=False),
        sa.Column("taken_at", core.db.Instant(timezone=True), nullable=False),
        sa.Column("renewed_at", core.db.Instant(timezone=True), nullable=False),
        sa.Column("expires_at", core.db.Instant(timezone=True), nullable=False),
        sa.Column("borrowed_until", core.db.Instant(timezone=True), nullable=True),
        sa.Column("ending_at", core.db.Instant(timezone=True), nullable=True),
        sa.Column("ending_reason", sa.String(length=30), nullable=True),
        sa.Column("ending_message", sa.String(length=500), server_default="", nullable=False),
        sa.Column("ended_at", core.db.Instant(timezone=True), nullable=True),
        sa.Column("ended_reason", sa.String(length=30), nullable=True),
        sa.CheckConstraint(
            "ended_reason IN ('given_back', 'expired', 'line_expired', 'key_revoked', "
            "'by_admin', 'written_off', 'membership_disabled', 'removed', 'left', 'permission_withdrawn', "
            "'account_blocked', 'device_removed', 'station_revoked')",
            name="ck_lease_ended_reason",
        ),
        sa.CheckConstraint("(account_id IS NULL) <> (station_id IS NULL)", name="ck_lease_one_holder"),
        sa.CheckConstraint("(ended_at IS NULL) = (ended_reason IS NULL)", name="ck_lease_ended_with_reason"),
        sa.CheckConstraint("(ending_at IS NULL) = (ending_reason IS NULL)", name="ck_lease_ending_with_reason"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_lease_account_id_account"),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name="fk_lease_device_id_device"),
        sa.ForeignKeyConstraint(["license_id"], ["license.id"], name="fk_lease_license_id_license"),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="fk_lease_organization_id_organization"),
        sa.ForeignKeyConstraint(
            ["permission_id"], ["permission.id"], name="fk_lease_permission_id_permission", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["station_id"], ["station.id"], name="fk_lease_station_id_station"),
        sa.PrimaryKeyConstraint("id", name="pk_lease"),
    )
    op.create_index("ix_lease_account", "lease", ["account_id", "ended_at"])
    op.create_index(
        "ix_lease_cooling",
        "lease",
        ["license_id", "account_id", "ended_at"],
        sqlite_where=sa.text("ending_reason = 'by_admin'"),
        postgresql_where=sa.text("ending_reason = 'by_admin'"),
    )
    op.create_index("ix_lease_device_id", "lease", ["device_id"])
    op.create_index(
        "ix_lease_live",
        "lease",
        ["license_id", "expires_at"],
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index("ix_lease_permission_id", "lease", ["permission_id"])
    op.create_index("ix_lease_station_id", "lease", ["station_id"])
    op.create_index(
        "uq_lease_one_seat_per_holder",
        "lease",
        ["license_id", "holder"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL AND takes_seat"),
        postgresql_where=sa.text("ended_at IS NULL AND takes_seat"),
    )
    op.create_index(
        "uq_lease_personal_uuid",
        "lease",
        ["account_id", "uuid"],
        unique=True,
        sqlite_where=sa.text("organization_id IS NULL"),
        postgresql_where=sa.text("organization_id IS NULL"),
    )
    op.create_index("uq_lease_uuid", "lease", ["organization_id", "uuid"], unique=True)

    op.create_table(
        "refresh_token",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("family_id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("made_at", core.db.Instant(timezone=True), nullable=False),
        sa.Column("used_at", core.db.Instant(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["family_id"], ["token_family.id"], name="fk_refresh_token_family_id_token_family", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_refresh_token"),
        sa.UniqueConstraint("token_hash", name="uq_refresh_token_token_hash"),
    )
    op.create_index("ix_refresh_token_family_id", "refresh_token", ["family_id"])

    op.add_column("meta", sa.Column("worked_at", core.db.Instant(timezone=True), nullable=True))
    for column in ("in_use", "reserved_in_use"):
        # With its condition in the column, or SQLite would have to copy the table.
        check = f"CONSTRAINT ck_license_{column} CHECK ({column} >= 0)"
        op.execute(f"ALTER TABLE license ADD COLUMN {column} INTEGER DEFAULT 0 NOT NULL {check}")


def downgrade() -> None:
    """Take it back."""
    machines = ("lease", "usage_day", "queue_ticket", "denial", "access_request")
    sign_ins = ("refresh_token", "token_family", "device_code", "device", "station", "signing_key", "idempotency")
    for table in (*machines, *sign_ins):
        op.drop_table(table)
    op.execute("ALTER TABLE meta DROP COLUMN worked_at")
    for column in ("in_use", "reserved_in_use"):
        op.execute(f"ALTER TABLE license DROP COLUMN {column}")
