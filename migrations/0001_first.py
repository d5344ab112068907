"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import core.db

revision = "0001"
down_revision = None
branch_labels = ("default",)
depends_on = None


def upgrade() -> None:
    """Bring the schema here."""
    op.create_table(
        "account",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("email_key", sa.String(length=320), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("password", sa.String(length=255), nullable=True),
        sa.Column("fs_uniquifier", sa.String(length=64), nullable=False),
        sa.Column("created_at", core.db.Instant(timezone=True), nullable=False),
        sa.Column("confirmed_at", core.db.Instant(timezone=True), nullable=True),
        sa.Column("blocked_at", core.db.Instant(timezone=True), nullable=True),
        sa.Column("deleted_at", core.db.Instant(timezone=True), nullable=True),
        sa.Column("is_operator", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("locale", sa.String(length=20), nullable=True),
        sa.Column("zone", sa.String(length=64), server_default="UTC", nullable=False),
        sa.Column("title", sa.String(length=200), server_default="", nullable=False),
        sa.Column("company", sa.String(length=200), server_default="", nullable=False),
        sa.Column("address", sa.String(length=500), server_default="", nullable=False),
        sa.Column("phone", sa.String(length=50), server_default="", nullable=False),
        sa.Column("wanted_email", sa.String(length=254), nullable=True),
        sa.Column("nonce", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("email_key", name=op.f("uq_account_email_key")),
        sa.UniqueConstraint("fs_uniquifier", name=op.f("uq_account_fs_uniquifier")),
    )
    op.create_table(
        "activity",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("stream", sa.String(length=20), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("previous_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("at", core.db.Instant(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.String(length=10), nullable=False),
        sa.Column("actor_id", sa.Integer(), nullable=True),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("target_kind", sa.String(length=20), nullable=False),
        sa.Column("target_id", sa.Integer(), nullable=True),
        sa.Column("before", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("after", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activity")),
        sa.UniqueConstraint("stream", "number", name=op.f("uq_activity_stream_number")),
    )
    with op.batch_alter_table("activity", schema=None) as batch_op:
        batch_op.create_index("ix_activity_stream_at", ["stream", "at"], unique=False)

    op.create_table(
        "job_run",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("slot", core.db.Instant(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", "slot", name=op.f("pk_job_run")),
    )
    op.create_table(
        "limit_window",
        sa.Column("rule", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("ends_at", core.db.Instant(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("rule", "subject", name=op.f("pk_limit_window")),
    )
    with op.batch_alter_table("limit_window", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_limit_window_ends_at"), ["ends_at"], unique=False)

    op.create_table(
        "meta",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("instance", sa.String(length=36), nullable=False),
        sa.Column("is_demo", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("made_at", core.db.Instant(timezone=True), nullable=False),
        sa.Column("last_alive", core.db.Instant(timezone=True), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_meta_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meta")),
    )
    op.create_table(
        "organization",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("zone", sa.String(length=64), server_default="UTC", nullable=False),
        sa.Column("country", sa.String(length=2), server_default="", nullable=False),
        sa.Column("address", sa.String(length=500), server_default="", nullable=False),
        sa.Column("contact", sa.String(length=200), server_default="", nullable=False),
        sa.Column("phone", sa.String(length=50), server_default="", nullable=False),
        sa.Column("created_at", core.db.Instant(timezone=True), nullable=False),
        sa.Column("deleted_at", core.db.Instant(timezone=True), nullable=True),
        sa.CheckConstraint("name <> '' AND name = trim(name)", name=op.f("ck_organization_name")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organization")),
    )
    op.create_table(
        "product",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=50), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("is_organization_only", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product")),
        sa.UniqueConstraint("code", name=op.f("uq_product_code")),
    )
    op.create_table(
        "member",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("email_key", sa.String(length=320), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("nonce", sa.String(length=32), nullable=True),
        sa.Column("invited_by", sa.Integer(), nullable=True),
        sa.Column("invited_at", core.db.Instant(timezone=True), nullable=False),
        sa.Column("confirmed_at", core.db.Instant(timezone=True), nullable=True),
        sa.Column("disabled_at", core.db.Instant(timezone=True), nullable=True),
        sa.Column("ended_at", core.db.Instant(timezone=True), nullable=True),
        sa.Column("ended_reason", sa.String(length=20), nullable=True),
        sa.CheckConstraint(
            "ended_reason IN ('withdrawn', 'declined', 'removed', 'left', 'organization deleted')",
            name=op.f("ck_member_ended_reason"),
        ),
        sa.CheckConstraint(
            "role = 'member' OR (confirmed_at IS NOT NULL AND disabled_at IS NULL AND ended_at IS NULL)",
            name=op.f("ck_member_role_only_while_enabled"),
        ),
        sa.CheckConstraint("role IN ('administrator', 'co-administrator', 'member')", name=op.f("ck_member_role")),
        sa.CheckConstraint("(ended_at IS NULL) = (ended_reason IS NULL)", name=op.f("ck_member_ended_with_reason")),
        sa.CheckConstraint(
            "confirmed_at IS NULL OR account_id IS NOT NULL", name=op.f("ck_member_confirmed_has_account")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_member_account_id_account")),
        sa.ForeignKeyConstraint(["invited_by"], ["member.id"], name=op.f("fk_member_invited_by_member")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_member_organization_id_organization")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member")),
    )
    with op.batch_alter_table("member", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_member_account_id"), ["account_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_member_email_key"), ["email_key"], unique=False)
        batch_op.create_index(batch_op.f("ix_member_invited_by"), ["invited_by"], unique=False)
        batch_op.create_index(
            "uq_member_one_administrator",
            ["organization_id"],
            unique=True,
            sqlite_where=sa.text("role = 'administrator'"),
            postgresql_where=sa.text("role = 'administrator'"),
        )
        batch_op.create_index(
            "uq_member_one_co_administrator",
            ["organization_id"],
            unique=True,
            sqlite_where=sa.text("role = 'co-administrator'"),
            postgresql_where=sa.text("role = 'co-administrator'"),
        )
        batch_op.create_index(
            "uq_member_one_organization_per_account",
            ["account_id"],
            unique=True,
            sqlite_where=sa.text("confirmed_at IS NOT NULL AND ended_at IS NULL"),
            postgresql_where=sa.text("confirmed_at IS NOT NULL AND ended_at IS NULL"),
        )
        batch_op.create_index(
            "uq_member_one_per_address",
            ["organization_id", "email_key"],
            unique=True,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )

    op.create_table(
        "permission_key",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("text_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("text_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("last_group", sa.String(length=5), nullable=False),
        sa.Column("note", sa.String(length=200), server_default="", nullable=False),
        sa.Column("issued_at", core.db.Instant(timezone=True), nullable=False),
        sa.Column("issued_by", sa.Integer(), nullable=True),
        sa.Column("revoked_at", core.db.Instant(timezone=True), nullable=True),
        sa.Column("revoked_why", sa.String(length=200), server_default="", nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=True),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("redeemed_at", core.db.Instant(timezone=True), nullable=True),
        sa.Column("redeemed_by", sa.Integer(), nullable=True),
        sa.Column("released_at", core.db.Instant(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(redeemed_at IS NULL) = (organization_id IS NULL AND account_id IS NULL)",
            name=op.f("ck_permission_key_redeemed_has_owner"),
        ),
        sa.CheckConstraint("organization_id IS NULL OR account_id IS NULL", name=op.f("ck_permission_key_one_owner")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_permission_key_account_id_account")),
        sa.ForeignKeyConstraint(["issued_by"], ["account.id"], name=op.f("fk_permission_key_issued_by_account")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_permission_key_organization_id_organization")
        ),
        sa.ForeignKeyConstraint(["redeemed_by"], ["account.id"], name=op.f("fk_permission_key_redeemed_by_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_permission_key")),
        sa.UniqueConstraint("text_hash", name=op.f("uq_permission_key_text_hash")),
    )
    with op.batch_alter_table("permission_key", schema=None) as batch_op:
        batch_op.create_index(
            "ix_permission_key_account_id",
            ["account_id"],
            unique=False,
            sqlite_where=sa.text("account_id IS NOT NULL"),
            postgresql_where=sa.text("account_id IS NOT NULL"),
        )
        batch_op.create_index(batch_op.f("ix_permission_key_issued_by"), ["issued_by"], unique=False)
        batch_op.create_index(batch_op.f("ix_permission_key_organization_id"), ["organization_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_permission_key_redeemed_by"), ["redeemed_by"], unique=False)

    op.create_table(
        "sign_in",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("device", sa.String(length=200), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("created_at", core.db.Instant(timezone=True), nullable=False),
        sa.Column("used_at", core.db.Instant(timezone=True), nullable=False),
        sa.Column("ended_at", core.db.Instant(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_sign_in_account_id_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_sign_in_secret_hash")),
    )
    with op.batch_alter_table("sign_in", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sign_in_account_id"), ["account_id"], unique=False)

    op.create_table(
        "license",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("product_id", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("seats", sa.Integer(), nullable=False),
        sa.Column("serial", sa.String(length=30), nullable=False),
        sa.Column("start_on", sa.Date(), nullable=False),
        sa.Column("end_on", sa.Date(), nullable=True),
        sa.Column("starts_at", core.db.Instant(timezone=True), nullable=True),
        sa.Column("ends_at", core.db.Instant(timezone=True), nullable=True),
        sa.Column("reserved", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("(type = 'perpetual') = (end_on IS NULL)", name=op.f("ck_license_perpetual_has_no_end")),
        sa.CheckConstraint(
            "type IN ('perpetual', 'annual', 'three-years', 'trial', 'flex-cloud', 'flex-network')",
            name=op.f("ck_license_type"),
        ),
        sa.CheckConstraint("end_on IS NULL OR end_on >= start_on", name=op.f("ck_license_ends_after_start")),
        sa.CheckConstraint("reserved >= 0", name=op.f("ck_license_reserved")),
        sa.CheckConstraint("seats >= 0", name=op.f("ck_license_seats")),
        sa.ForeignKeyConstraint(
            ["key_id"], ["permission_key.id"], name=op.f("fk_license_key_id_permission_key"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["product_id"], ["product.id"], name=op.f("fk_license_product_id_product")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_license")),
        sa.UniqueConstraint("key_id", "position", name=op.f("uq_license_key_id_position")),
        sa.UniqueConstraint("serial", name=op.f("uq_license_serial")),
    )
    with op.batch_alter_table("license", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_license_product_id"), ["product_id"], unique=False)

    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("message_id", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("recipient", sa.String(length=254), nullable=False),
        sa.Column("locale", sa.String(length=20), nullable=False),
        sa.Column("args", sa.JSON(), nullable=False),
        sa.Column("member_id", sa.Integer(), nullable=True),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("made_at", core.db.Instant(timezone=True), nullable=False),
        sa.Column("next_try_at", core.db.Instant(timezone=True), nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("tried_at", core.db.Instant(timezone=True), nullable=True),
        sa.Column("claimed_until", core.db.Instant(timezone=True), nullable=True),
        sa.Column("sent_at", core.db.Instant(timezone=True), nullable=True),
        sa.Column("failed_reason", sa.String(length=300), nullable=True),
        sa.Column("failed_at", core.db.Instant(timezone=True), nullable=True),
        sa.Column("dropped_at", core.db.Instant(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(next_try_at IS NULL) = (sent_at IS NOT NULL OR failed_at IS NOT NULL OR dropped_at IS NOT NULL)",
            name=op.f("ck_outbox_waits_or_is_done"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_outbox_account_id_account"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["member_id"], ["member.id"], name=op.f("fk_outbox_member_id_member"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("message_id", name=op.f("uq_outbox_message_id")),
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_outbox_account_id"), ["account_id"], unique=False)
        batch_op.create_index(
            "ix_outbox_due",
            ["next_try_at", "id"],
            unique=False,
            sqlite_where=sa.text("next_try_at IS NOT NULL"),
            postgresql_where=sa.text("next_try_at IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_outbox_failed",
            ["id"],
            unique=False,
            sqlite_where=sa.text("failed_at IS NOT NULL"),
            postgresql_where=sa.text("failed_at IS NOT NULL"),
        )
        batch_op.create_index(batch_op.f("ix_outbox_member_id"), ["member_id"], unique=False)

    op.create_table(
        "permission",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("license_id", sa.Integer(), nullable=False),
        sa.Column("member_id", sa.Integer(), nullable=False),
        sa.Column("given_by", sa.Integer(), nullable=True),
        sa.Column("given_at", core.db.Instant(timezone=True), nullable=False),
        sa.Column("suspended_at", core.db.Instant(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["given_by"], ["account.id"], name=op.f("fk_permission_given_by_account")),
        sa.ForeignKeyConstraint(
            ["license_id"], ["license.id"], name=op.f("fk_permission_license_id_license"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["member_id"], ["member.id"], name=op.f("fk_permission_member_id_member"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_permission")),
        sa.UniqueConstraint("license_id", "member_id", name=op.f("uq_permission_license_id_member_id")),
    )
    with op.batch_alter_table("permission", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_permission_given_by"), ["given_by"], unique=False)
        batch_op.create_index(batch_op.f("ix_permission_member_id"), ["member_id"], unique=False)


def downgrade() -> None:
    """Take it back."""
    with op.batch_alter_table("permission", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_permission_member_id"))
        batch_op.drop_index(batch_op.f("ix_permission_given_by"))

    op.drop_table("permission")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_outbox_member_id"))
        batch_op.drop_index(
            "ix_outbox_failed",
            sqlite_where=sa.text("failed_at IS NOT NULL"),
            postgresql_where=sa.text("failed_at IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_outbox_due",
            sqlite_where=sa.text("next_try_at IS NOT NULL"),
            postgresql_where=sa.text("next_try_at IS NOT NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_outbox_account_id"))

    op.drop_table("outbox")
    with op.batch_alter_table("license", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_license_product_id"))

    op.drop_table("license")
    with op.batch_alter_table("sign_in", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_sign_in_account_id"))

    op.drop_table("sign_in")
    with op.batch_alter_table("permission_key", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_permission_key_redeemed_by"))
        batch_op.drop_index(batch_op.f("ix_permission_key_organization_id"))
        batch_op.drop_index(batch_op.f("ix_permission_key_issued_by"))
        batch_op.drop_index(
            "ix_permission_key_account_id",
            sqlite_where=sa.text("account_id IS NOT NULL"),
            postgresql_where=sa.text("account_id IS NOT NULL"),
        )

    op.drop_table("permission_key")
    with op.batch_alter_table("member", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_member_one_per_address",
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )
        batch_op.drop_index(
            "uq_member_one_organization_per_account",
            sqlite_where=sa.text("confirmed_at IS NOT NULL AND ended_at IS NULL"),
            postgresql_where=sa.text("confirmed_at IS NOT NULL AND ended_at IS NULL"),
        )
        batch_op.drop_index(
            "uq_member_one_co_administrator",
            sqlite_where=sa.text("role = 'co-administrator'"),
            postgresql_where=sa.text("role = 'co-administrator'"),
        )
        batch_op.drop_index(
            "uq_member_one_administrator",
            sqlite_where=sa.text("role = 'administrator'"),
            postgresql_where=sa.text("role = 'administrator'"),
        )
        batch_op.drop_index(batch_op.f("ix_member_invited_by"))
        batch_op.drop_index(batch_op.f("ix_member_email_key"))
        batch_op.drop_index(batch_op.f("ix_member_account_id"))

    op.drop_table("member")
    op.drop_table("product")
    op.drop_table("organization")
    op.drop_table("meta")
    with op.batch_alter_table("limit_window", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_limit_window_ends_at"))

    op.drop_table("limit_window")
    op.drop_table("job_run")
    with op.batch_alter_table("activity", schema=None) as batch_op:
        batch_op.drop_index("ix_activity_stream_at")

    op.drop_table("activity")
    op.drop_table("account")
