"""Every statement about seats finds its rows by an index, among 100,000 leases that have ended and 4,000 licenses.

The short form has a tenth of the leases, which are more than enough to be read from end to end by mistake.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Connection, event, insert, literal, select, text, update

from core.db import db
from core.grants import TokenFamily
from core.leases import LEASE
from core.seats import devices, sweeping
from models import Account, License
from tests.cast import Cast
from tests.plans import FIRM, belongings
from tests.seat_desk import SeatDesk
from tests.statements import fill_accounts

LICENSES, ALIVE = 4_000, 1_000
#: What grows; the queue holds only who waits at the moment.
LARGE = (
    "account", "denial", "device", "lease", "license", "member", "organization", "permission_key", "token_family",
)  # fmt: skip


@pytest.fixture
def desk(bare_app: Flask, cast: Cast, drilling: bool) -> Iterator[SeatDesk]:
    """Programs that ask a portal that has been used for long."""
    with bare_app.app_context():
        with db.engine.begin() as connection:
            fill(connection, cast, 100_000 if drilling else 10_000)
        with db.engine.begin() as connection:
            connection.exec_driver_sql("ANALYZE")
        yield SeatDesk(db.session, cast)


def fill(connection: Connection, cast: Cast, ended: int) -> None:
    """Other organizations with a license each, and leases, most of which have ended."""
    fill_accounts(connection, cast, LICENSES, FIRM)
    for table, values in belongings(cast).items():
        if table.__tablename__ in LARGE:
            columns = {getattr(table, name): value for name, value in values.items()}
            found = select(*columns.values()).where(Account.id >= FIRM)
            connection.execute(insert(table).from_select(list(columns), found))
    signed_in = select(Account.id + FIRM, Account.id, literal("x"), literal(cast.now, Account.created_at.type))
    names = [TokenFamily.id, TokenFamily.account_id, TokenFamily.client_name, TokenFamily.made_at]
    connection.execute(insert(TokenFamily).from_select(names, signed_in.where(Account.id >= FIRM)))
    connection.execute(update(License).where(License.id == cast.license["network"]).values(seats=0))
    connection.execute(update(License).where(License.id == cast.license["cloud"]).values(seats=2 * ALIVE, in_use=ALIVE))
    values = {
        "firm": FIRM, "licenses": LICENSES, "organization": cast.organization_id, "cloud": cast.license["cloud"],
        "product": cast.product["render"], "ended": ended, "alive": ALIVE,
        "at": (cast.now - LEASE).replace(tzinfo=None), "until": (cast.now + LEASE).replace(tzinfo=None),
    }  # fmt: skip
    for statement in MANY:
        connection.execute(
            text(f"WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :ended - 1) {statement}"),
            values,
        )


NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :ended - 1)"
MANY = (
    """INSERT INTO device (id, account_id, client_id, name, seen_at)
       SELECT :firm + i, :firm + i % :licenses, 'old' || i, 'old', :at FROM n WHERE i < :licenses""",
    """INSERT INTO lease (uuid, organization_id, license_id, account_id, device_id, holder, takes_seat, is_reserved,
                          seq, taken_at, renewed_at, expires_at, ended_at, ended_reason)
       SELECT 'old' || i, :organization, CASE WHEN i % 2 = 0 THEN :cloud ELSE :firm + i % :licenses END,
              :firm + i % :licenses, :firm + i % :licenses, 'old' || i, true, false, 1, :at, :at, :at, :at,
              'given_back' FROM n""",
    """INSERT INTO lease (uuid, organization_id, license_id, account_id, device_id, holder, takes_seat, is_reserved,
                          seq, taken_at, renewed_at, expires_at)
       SELECT 'alive' || i, :organization, :cloud, :firm + i, :firm + i, 'alive' || i, true, false, 1, :at, :at, :until
       FROM n WHERE i < :alive""",
    """INSERT INTO denial (organization_id, product_id, account_id, device_id, uuid, code, at)
       SELECT :organization, :product, :firm + i % :licenses, :firm + i % :licenses, 'denied' || i, 'no_seat_available',
              :at FROM n WHERE i < 5000""",
    "UPDATE token_family SET device_id = account_id WHERE account_id IN (SELECT :firm + i FROM n WHERE i < :licenses)",
)


def statements_of(desk: SeatDesk, deed: Callable[[], object]) -> list[tuple[str, Any]]:
    """What a deed sends, with its values."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_rest: Any) -> None:
        seen.append((statement, values))

    engine = desk.session.get_bind()
    event.listen(engine, "before_cursor_execute", note)
    try:
        deed()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return seen


def walked(connection: Connection, statement: str, values: Any) -> set[str]:
    """The large tables that a statement reads from end to end."""
    if connection.dialect.name == "sqlite":
        steps = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
        names = {step.split()[1].rsplit("_", 1)[0] if step.split()[1][-1].isdigit() else step.split()[1]
                 for step in steps if step.startswith("SCAN ") and "ix_lease_live" not in step}  # fmt: skip
        return names & set(LARGE)
    (plan,) = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", values).scalar_one()
    return set(scans(plan["Plan"])) & set(LARGE)


def scans(step: dict[str, Any]) -> Iterator[str]:
    """The tables that PostgreSQL would scan."""
    if step["Node Type"] == "Seq Scan":
        yield step["Relation Name"]
    for each in step.get("Plans", []):
        yield from scans(each)


def take(desk: SeatDesk) -> None:
    """All that a program does in its life, and what befalls it."""
    for uuid in ("u1", "copy"):
        desk.seat("bob", uuid, device="desk")
    desk.seat("bob", "u1", device="desk", seq=1)
    desk.seat("bob", "named", "draft", device="desk")
    desk.give_back("bob", "copy", device="desk")
    desk.later += LEASE.total_seconds() - 30
    desk.session.execute(update(License).where(License.in_use > 0).values(seats=License.in_use))
    desk.session.commit()
    desk.ask("bob", "waits", device="other", queue=True)
    desk.ask("bob", "waits", device="other", queue=True)
    desk.give_back("bob", "waits", device="other")
    desk.denied("bob", "denied", device="other")
    desk.later += 31
    desk.seat("bob", "u1", device="desk", seq=2)
    desk.seat("bob", "denied", device="other")
    sweeping.sweep_due(desk.session, desk.now)
    for uuid, device in (("u1", "desk"), ("denied", "other"), ("denied", "other")):
        desk.give_back("bob", uuid, device=device)
    devices.mine(desk.session, desk.cast.bob.account_id)


def test_every_statement_about_seats_finds_its_rows_by_an_index(desk: SeatDesk) -> None:
    seen = statements_of(desk, lambda: take(desk))
    assert len(seen) > 60
    ours = [each for each in seen if not each[0].startswith(("INSERT", "UPDATE license SET seats"))]
    connection = desk.session.connection()
    slow = {statement: found for statement, values in ours if (found := walked(connection, statement, values))}
    slow |= {statement: found for statement in planned_once(connection) if (found := of_all(connection, statement))}
    assert slow == {}


def planned_once(connection: Connection) -> list[str]:
    """The statements that PostgreSQL keeps the plan of."""
    if connection.dialect.name == "sqlite":
        return []
    kept = connection.exec_driver_sql("SELECT statement FROM pg_prepared_statements").scalars().all()
    assert len(kept) >= 3
    return list(kept)


def of_all(connection: Connection, statement: str) -> set[str]:
    """The large tables that are read from end to end by a plan for whatever values."""
    raw = connection.connection.driver_connection
    assert raw is not None
    told = raw.pgconn.exec_(f"EXPLAIN (FORMAT JSON, GENERIC_PLAN) {statement}".encode()).get_value(0, 0)
    return set(scans(json.loads(told)[0]["Plan"])) & set(LARGE)
