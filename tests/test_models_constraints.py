"""What the databases refuse by themselves: every named constraint, hit with plain SQL."""

import pytest
from sqlalchemy import CheckConstraint, Index, Table, UniqueConstraint, text
from sqlalchemy.exc import IntegrityError

from core.db import Base
from tests.kestrel import Kestrel

BOB, DAVE, ALICE, CAROL, DORA = (f"id = :{name}" for name in ("bob", "dave", "alice", "carol", "dora"))

#: Constraint → a statement that only it forbids. `:bob` is the id of bob's row, `:annual` a license's, and so on.
BROKEN = {
    "uq_member_one_per_address": f"UPDATE member SET email_key = 'bob@example.com' WHERE {DAVE}",
    "uq_member_one_organization_per_account": f"UPDATE member SET account_id = :bob_account WHERE {DORA}",
    "uq_member_one_administrator": f"UPDATE member SET role = 'administrator' WHERE {BOB}",
    "uq_member_one_co_administrator": f"UPDATE member SET role = 'co-administrator' WHERE {BOB}",
    "ck_member_role": f"UPDATE member SET role = 'owner' WHERE {BOB}",
    "ck_member_role_only_while_enabled": f"UPDATE member SET disabled_at = invited_at WHERE {CAROL}",
    "ck_member_confirmed_has_account": f"UPDATE member SET account_id = NULL WHERE {BOB}",
    "ck_member_ended_with_reason": f"UPDATE member SET ended_at = invited_at WHERE {BOB}",
    "ck_member_ended_reason": f"UPDATE member SET ended_at = invited_at, ended_reason = 'bored' WHERE {BOB}",
    "ck_organization_name": "UPDATE organization SET name = ' Kestrel' WHERE id = :kestrel",
    "ck_permission_key_one_owner": "UPDATE permission_key SET account_id = :bob_account WHERE id = :key",
    "ck_permission_key_redeemed_has_owner": "UPDATE permission_key SET redeemed_at = NULL WHERE id = :key",
    "ck_license_type": "UPDATE license SET type = 'monthly' WHERE id = :annual",
    "ck_license_seats": "UPDATE license SET seats = -1 WHERE id = :annual",
    "ck_license_reserved": "UPDATE license SET reserved = -1 WHERE id = :annual",
    "ck_license_in_use": "UPDATE license SET in_use = -1 WHERE id = :annual",
    "ck_license_reserved_in_use": "UPDATE license SET reserved_in_use = -1 WHERE id = :annual",
    "ck_license_ends_after_start": "UPDATE license SET end_on = '2001-01-01' WHERE id = :annual",
    "ck_license_perpetual_has_no_end": "UPDATE license SET end_on = NULL WHERE id = :annual",
    "uq_license_key_id_position": "UPDATE license SET position = 1 WHERE id = :network",
    "uq_license_serial": "UPDATE license SET serial = (SELECT min(serial) FROM license)",
    "uq_permission_license_id_member_id": "UPDATE permission SET member_id = :bob, license_id = :annual",
    "uq_account_email_key": "UPDATE account SET email_key = 'bob@example.com' WHERE id = :dora_account",
    "uq_account_fs_uniquifier": "UPDATE account SET fs_uniquifier = 'same'",
    "uq_sign_in_secret_hash": "UPDATE sign_in SET secret_hash = (SELECT text_hash FROM permission_key WHERE id = :key)",
    "uq_product_code": "UPDATE product SET code = 'same'",
    "uq_permission_key_text_hash": "UPDATE permission_key SET text_hash = (SELECT min(text_hash) FROM permission_key)",
}

#: What only a foreign key forbids.
ORPHANED = {
    "member of no organization": f"UPDATE member SET organization_id = 999999 WHERE {BOB}",
    "permission of nobody": "UPDATE permission SET member_id = 999999 WHERE member_id = :bob",
    "license of no product": "UPDATE license SET product_id = 999999 WHERE id = :annual",
    "product in use": "DELETE FROM product WHERE id = :draft",
    "account in use": "DELETE FROM account WHERE id = :bob_account",
    "organization in use": "DELETE FROM organization WHERE id = :kestrel",
}


def values(kestrel: Kestrel) -> dict[str, int | None]:
    cast = kestrel.cast
    members = {name: cast.player(name).member_id for name in ("alice", "carol", "bob", "dora", "dave")}
    accounts = {f"{name}_account": cast.player(name).account_id for name in cast.names}
    key = kestrel.license("annual").key_id
    return {**cast.license, **cast.product, **members, **accounts, "kestrel": cast.organization_id, "key": key}


def refused(kestrel: Kestrel, statement: str) -> str:
    with pytest.raises(IntegrityError) as error:
        kestrel.session.execute(text(statement), values(kestrel))
    return str(error.value.orig)


def sign_in_two(kestrel: Kestrel) -> None:
    for number in (b"1", b"2"):
        kestrel.session.execute(
            text(
                "INSERT INTO sign_in (account_id, secret_hash, device, address, created_at, used_at) "
                "VALUES (:account, :hash, '', '', '2026-01-01 00:00:00', '2026-01-01 00:00:00')"
            ),
            {"account": kestrel.cast.bob.account_id, "hash": number},
        )


@pytest.mark.parametrize("name", BROKEN)
def test_database_refuses_what_the_constraint_forbids(kestrel: Kestrel, name: str) -> None:
    sign_in_two(kestrel)
    message = refused(kestrel, BROKEN[name])
    # SQLite names the columns of a unique constraint, not the constraint.
    assert name in message or unique().get(name, name) in message


@pytest.mark.parametrize("what", ORPHANED)
def test_database_refuses_what_refers_to_nothing(kestrel: Kestrel, what: str) -> None:
    message = refused(kestrel, ORPHANED[what])
    assert "foreign key" in message.lower()


def test_empty_name_is_refused(kestrel: Kestrel) -> None:
    assert "ck_organization_name" in refused(kestrel, "UPDATE organization SET name = ''")


def test_every_named_constraint_of_the_domain_is_hit() -> None:
    """A new constraint needs its line in the table above."""
    checks = {str(each.name) for table in domain() for each in table.constraints if isinstance(each, CheckConstraint)}
    assert checks | set(unique()) == set(BROKEN)


def test_every_foreign_key_is_indexed() -> None:
    """Removing what is referred to, and reading along the reference, would search the whole table."""
    for table in Base.metadata.tables.values():
        led = {next(iter(each.columns)).name for each in [*indexed(table), table.primary_key]}
        assert {column.name for column in table.columns if column.foreign_keys} <= led, table.name


def domain() -> list[Table]:
    """The tables of the domain."""
    names = ["account", "sign_in", "product", "permission_key", "organization", "member", "license", "permission"]
    return [Base.metadata.tables[name] for name in names]


def indexed(table: Table, only_unique: bool = False) -> list[Index | UniqueConstraint]:
    """The indexes and unique constraints of a table."""
    indexes = [each for each in table.indexes if each.unique or not only_unique]
    return [*indexes, *(each for each in table.constraints if isinstance(each, UniqueConstraint))]


def unique() -> dict[str, str]:
    """Every unique constraint and index, with its columns as SQLite writes them."""
    found = {}
    for table in domain():
        for each in indexed(table, only_unique=True):
            found[str(each.name)] = ", ".join(f"{table.name}.{column.name}" for column in each.columns)
    return found
