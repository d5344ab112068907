"""PostgreSQL plans what is marked once a connection: a question about a seat is planned for longer than it is answered.

Everything else is planned for the values that it has: of a list, whose organization it is decides the plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.pq import ExecStatus, TransactionStatus
from sqlalchemy import Engine, event


class Connection(psycopg.Connection[Any]):
    """The driver forgets at every rollback what was planned, for a table may be gone; none of ours ever is."""

    def rollback(self) -> None:
        """As ever, but what is planned stays."""
        if self.pgconn.transaction_status == TransactionStatus.IDLE:
            return
        if self.pgconn.exec_(b"ROLLBACK").status != ExecStatus.COMMAND_OK:
            super().rollback()  # it says what is wrong


def attach(engine: Engine, marks: Mapping[str, Any]) -> None:
    """Let an engine plan once what has these execution options."""

    @event.listens_for(engine, "do_connect")
    def connecting(_dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]) -> Connection:
        return Connection.connect(*arguments, **options)

    @event.listens_for(engine, "do_execute")
    def executing(cursor: Any, statement: str, values: Any, context: Any) -> bool:
        if isinstance(cursor, psycopg.ServerCursor):
            return False  # a long answer, read in pieces
        cursor.execute(statement, values, prepare=marks.items() <= context.execution_options.items())
        return True
