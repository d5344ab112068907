"""What a request asks of the database: every statement on an engine, without the ends of transactions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from flask import Flask
from sqlalchemy import Connection, Engine, event, insert

from core import addresses
from core.db import db
from models import MEMBER, Account, Member
from tests.cast import HASH, Cast


@contextlib.contextmanager
def counted(engine: Engine) -> Iterator[list[str]]:
    """The statements of a block, in their order."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


def engine_of(app: Flask) -> Engine:
    """The engine that an application's requests use."""
    with app.app_context():
        return db.engine


FIRST = 1_000_000  # far from the ids of the cast


def fill(engine: Engine, cast: Cast, size: int, first: int = FIRST) -> None:
    """So many more enabled members, each with an account, written in two statements."""
    with engine.begin() as connection:
        accounts = fill_accounts(connection, cast, size, first)
        members = [
            {
                "id": each["id"], "organization_id": cast.organization_id, "account_id": each["id"], "role": MEMBER,
                "email": each["email"], "email_key": each["email_key"], "invited_at": cast.now,
                "confirmed_at": cast.now,
            }
            for each in accounts
        ]  # fmt: skip
        connection.execute(insert(Member), members)
        connection.exec_driver_sql("ANALYZE")


def fill_accounts(connection: Connection, cast: Cast, size: int, first: int) -> list[dict[str, Any]]:
    """So many more accounts, written in one statement; returns them."""
    people = [(first + number, f"person{first + number}@firm.example") for number in range(size)]
    accounts = [
        {
            "id": id_, "email": email, "email_key": addresses.key(email), "name": f"Person {id_}", "password": HASH,
            "fs_uniquifier": f"filled{id_}", "created_at": cast.now, "confirmed_at": cast.now,
        }
        for id_, email in people
    ]  # fmt: skip
    connection.execute(insert(Account), accounts)
    return accounts
