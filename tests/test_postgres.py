"""What PostgreSQL has planned stays planned, and a rollback is one all the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import Connection, literal, select, text
from sqlalchemy.exc import DBAPIError, OperationalError

from core.db import PLANNED_ONCE, db

pytestmark = pytest.mark.on_postgresql
ONE = select(literal(1))
PLANNED = text("SELECT count(*) FROM pg_prepared_statements")


@pytest.fixture
def connection(bare_app: Flask) -> Iterator[Connection]:
    """A connection of the application's."""
    with bare_app.app_context(), db.engine.connect() as connection:
        yield connection


def test_marked_statement_is_planned_once_whatever_is_rolled_back(connection: Connection) -> None:
    for _ in range(3):
        connection.execute(ONE.execution_options(**PLANNED_ONCE))
        connection.rollback()
    assert connection.scalar(PLANNED) == 1
    assert connection.scalar(text("SELECT generic_plans + custom_plans FROM pg_prepared_statements")) == 3


def test_any_other_statement_is_planned_for_its_values(connection: Connection) -> None:
    for _ in range(10):
        connection.execute(ONE)
        connection.commit()
    assert connection.scalar(PLANNED) == 0


@pytest.mark.parametrize("fails", [False, True])
def test_rollback_undoes_what_was_done(connection: Connection, fails: bool) -> None:
    connection.execute(text("INSERT INTO product (code, name) VALUES ('gone', 'Gone')"))
    if fails:
        with pytest.raises(DBAPIError):
            connection.execute(text("SELECT 1 / 0"))
    connection.rollback()
    assert connection.scalar(text("SELECT count(*) FROM product WHERE code = 'gone'")) == 0


def test_connection_that_broke_is_replaced(connection: Connection) -> None:
    with db.engine.connect() as other:
        ending = text("SELECT pg_terminate_backend(:pid, 5000)")
        other.execute(ending, {"pid": connection.scalar(text("SELECT pg_backend_pid()"))})
    with pytest.raises(OperationalError):
        connection.execute(ONE)
    connection.rollback()
    assert connection.scalar(ONE) == 1


def test_long_answer_is_read_in_pieces(connection: Connection) -> None:
    numbers = connection.execute(text("SELECT generate_series(1, 5)").execution_options(yield_per=2))
    assert numbers.scalars().all() == [1, 2, 3, 4, 5]
