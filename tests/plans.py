"""How the databases would find the rows of a request, among ten thousand of everything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import Flask
from sqlalchemy import JSON, Connection, Date, Engine, LargeBinary, cast, event, insert, literal, select, update

from core.activity import Activity
from core.leases import Denial, Device, Lease
from core.mail import INVITATION
from core.mailing.outbox import Outbox
from models import ADMINISTRATOR, Account, License, Member, Organization, Permission, PermissionKey, SignIn
from tests.cast import Cast
from tests.clients import Client, sign_in
from tests.statements import FIRST, engine_of, fill, fill_accounts

MANY = 10_000
FIRM = 5 * FIRST  # where the ids begin of the other organizations and of all that is theirs
TABLES = {
    each.__tablename__
    for each in (
        Account, Activity, Denial, Device, Lease, License, Member, Organization, Outbox, Permission, PermissionKey,
        SignIn,
    )
}  # fmt: skip
#: These hold only what they are asked for, so that reading one from end to end reads no row too many.
PARTIAL = {"ix_outbox_due", "ix_outbox_failed"}
#: What PostgreSQL does with all rows below before it knows the first one of its own.
WHOLE = {"Aggregate", "Hash", "Sort", "Incremental Sort", "Materialize"}


@dataclass(frozen=True)
class Plan:
    """How a database finds the rows of one statement."""

    statement: str
    lines: str
    walked: frozenset[str]  # the tables that are read from end to end, in any order
    is_late: bool  # whether the first row of a page is known only when all are read

    @property
    def counts(self) -> bool:
        """Whether it asks how many there are."""
        return self.statement.startswith("SELECT count(")


@dataclass(frozen=True)
class Crowd:
    """A portal with ten thousand of everything."""

    app: Flask
    cast: Cast

    def plans(self, name: str, path: str, *, post: bool = False) -> list[Plan]:
        """The plan of every SELECT of somebody's request, with the values that it had."""
        engine, client = engine_of(self.app), sign_in(Client(self.app), self.cast.player(name))
        assert client.token
        self.app.extensions.pop("roster", None)  # the counts that are remembered
        seen: list[tuple[str, Any]] = []

        def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_rest: Any) -> None:
            if statement.startswith("SELECT"):
                seen.append((statement, values))

        event.listen(engine, "before_cursor_execute", note)
        try:
            answer = client.swap(path) if post else client.get(path)
        finally:
            event.remove(engine, "before_cursor_execute", note)
        assert answer.status_code == 200, answer.text
        assert len(seen) > 1
        with engine.connect() as connection:
            return [explained(connection, *each) for each in seen]


def explained(connection: Connection, statement: str, values: Any) -> Plan:
    """The plan of a statement."""
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
        return in_sqlite(statement, [(row[1], row[3]) for row in rows])
    (found,) = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", values).scalar_one()
    return in_postgresql(statement, found["Plan"])


def in_sqlite(statement: str, steps: list[tuple[int, str]]) -> Plan:
    """SQLite's plan: a table that is scanned is read whole, unless a page is full before its end."""
    lines = "\n".join(step for _parent, step in steps)
    is_page, is_sorted = "LIMIT" in statement.splitlines()[-1], "TEMP B-TREE FOR ORDER BY" in lines
    stops = is_page and not is_sorted
    walked = [step for parent, step in steps if step.startswith("SCAN ") and not (stops and parent == 0)]
    names = (re.sub(r"_\d+$", "", step.split()[1]) for step in walked if not PARTIAL & set(step.split()))
    return Plan(statement, lines, frozenset(TABLES) & frozenset(names), is_page and is_sorted)


def in_postgresql(statement: str, plan: dict[str, Any]) -> Plan:
    """PostgreSQL's plan: a table is read whole when no index says which rows, unless a page is full before its end."""
    is_page = plan["Node Type"] == "Limit"
    steps = list(steps_of(plan, stops=is_page))
    walked = (step["Relation Name"] for step, stops in steps if is_walk(step, stops))
    is_late = is_page and any("Sort" in step["Node Type"] for step, _stops in steps)
    lines = "\n".join(shown(step) for step, _stops in steps)
    return Plan(statement, lines, frozenset(TABLES) & frozenset(walked), is_late)


def steps_of(step: dict[str, Any], stops: bool) -> Iterator[tuple[dict[str, Any], bool]]:
    """A step and all below it, each with whether it ends as soon as a page is full."""
    yield step, stops
    for each in step.get("Plans", []):
        is_apart = each["Parent Relationship"] in ("SubPlan", "InitPlan")
        goes_on = each["Node Type"] == "Limit" or (stops and not is_apart and step["Node Type"] not in WHOLE)
        yield from steps_of(each, goes_on)


def is_walk(step: dict[str, Any], stops: bool) -> bool:
    """Whether a step reads a table from end to end."""
    is_found = "Index Cond" in step or "Recheck Cond" in step or step.get("Index Name") in PARTIAL
    return "Relation Name" in step and not is_found and (step["Node Type"] == "Seq Scan" or not stops)


def shown(step: dict[str, Any]) -> str:
    """A step in one line."""
    names = ("Node Type", "Relation Name", "Index Name", "Index Cond", "Filter")
    return " | ".join(str(step[name]) for name in names if name in step)


# ── ten thousand of everything ───────────────────────────────────────────────────────────────────────────────────────


def populate(engine: Engine, cast: Cast) -> None:
    """Ten thousand members of Kestrel Works, and as many organizations, each with all that belongs to one."""
    fill(engine, cast, MANY)
    with engine.begin() as connection:
        fill_accounts(connection, cast, MANY, FIRM)
        for table, values in belongings(cast).items():
            columns = {getattr(table, name): value for name, value in values.items()}
            found = select(*columns.values()).where(Account.id >= FIRM)
            connection.execute(insert(table).from_select(list(columns), found))
        connection.execute(everybody_may_run_everything(cast))
        run(connection, cast)
        for rest, values in (
            (1, {"disabled_at": Member.confirmed_at}),
            (2, {"confirmed_at": None, "account_id": None}),
        ):
            mine = (Member.organization_id == cast.organization_id, Member.id >= FIRST, Member.id % 10 == rest)
            connection.execute(update(Member).where(*mine).values(values))
        connection.exec_driver_sql("ANALYZE")


def belongings(cast_: Cast) -> dict[Any, dict[str, Any]]:
    """What comes with the account of each organization's administrator, by their ids and names."""
    id_, name, now = Account.id, Account.fs_uniquifier, literal(cast_.now, Account.created_at.type)
    digest = cast(name, LargeBinary)
    return {
        SignIn: {"id": id_, "account_id": id_, "secret_hash": digest, "device": literal(""), "address": literal(""),
                 "created_at": now, "used_at": now},
        Organization: {"id": id_, "name": name, "created_at": now},
        Member: {"id": id_, "organization_id": id_, "account_id": id_, "email": Account.email,
                 "email_key": Account.email_key, "role": literal(ADMINISTRATOR), "invited_at": now,
                 "confirmed_at": now},
        PermissionKey: {"id": id_, "text_hash": digest, "text_sealed": digest, "last_group": literal("ABCDE"),
                        "issued_at": now, "organization_id": id_, "redeemed_at": now},
        License: {"id": id_, "key_id": id_, "position": literal(1), "product_id": literal(cast_.product["draft"]),
                  "type": literal("perpetual"), "seats": literal(2), "serial": name,
                  "start_on": literal(cast_.now.date(), Date)},
        Outbox: {"id": id_, "message_id": name, "kind": literal(INVITATION), "recipient": Account.email,
                 "locale": literal("en"), "args": literal({}, JSON), "member_id": id_, "made_at": now, "sent_at": now},
        Activity: {"id": id_, "stream": cast(id_, Activity.stream.type), "number": literal(1), "previous_hash": digest,
                   "hash": digest, "at": now, "actor_kind": literal("portal"), "action": literal("organization.create"),
                   "target_kind": literal("organization"), "address": literal("")},
    }  # fmt: skip


def run(connection: Connection, cast_: Cast) -> None:
    """A session of everybody: those of Kestrel Works have ended but for a few, those of the others run."""
    id_, now = Account.id, literal(cast_.now, Account.created_at.type)
    device = {"id": id_, "account_id": id_, "client_id": Account.fs_uniquifier, "name": Account.name, "seen_at": now}
    session = {
        "id": id_, "uuid": Account.fs_uniquifier, "license_id": id_, "organization_id": id_, "account_id": id_,
        "device_id": id_, "holder": Account.fs_uniquifier, "takes_seat": literal(True), "is_reserved": literal(False),
        "seq": literal(0), "taken_at": now, "renewed_at": now, "expires_at": now,
    }  # fmt: skip
    ours = session | {
        "license_id": literal(cast_.license["cloud"]), "organization_id": literal(cast_.organization_id),
        "ended_at": now, "ended_reason": literal("given_back"),
    }  # fmt: skip
    denied = {"id": id_, "organization_id": id_, "product_id": literal(cast_.product["draft"]), "account_id": id_,
              "uuid": Account.fs_uniquifier, "code": literal("no_permission"), "at": now}  # fmt: skip
    theirs, members = Account.id >= FIRM, Account.id.between(FIRST, FIRM - 1)
    filled = ((Device, device, Account.id >= FIRST), (Lease, session, theirs), (Lease, ours, members),
              (Denial, denied, theirs))  # fmt: skip
    for table, values, who in filled:
        columns = {getattr(table, name): value for name, value in values.items()}
        connection.execute(insert(table).from_select(list(columns), select(*columns.values()).where(who)))
    few = (Lease.license_id == cast_.license["cloud"], Lease.id % 1000 == 0)
    connection.execute(update(Lease).where(*few).values(ended_at=None, ended_reason=None))


def everybody_may_run_everything(cast_: Cast) -> Any:
    """A permission of every member on every license of his organization."""
    now = literal(cast_.now, Permission.given_at.type)
    found = select(License.id, Member.id, now).join(PermissionKey, PermissionKey.id == License.key_id)
    found = found.join(Member, Member.organization_id == PermissionKey.organization_id).where(Member.id >= FIRST)
    return insert(Permission).from_select(["license_id", "member_id", "given_at"], found)
