"""Many processes that ask for seats at the same time, some of them killed in the middle of it.

    python -m tests.drills.rush PLAN.json

Every process writes what it got to a file of its own; one that is killed writes nothing.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Flask
from sqlalchemy import event, func, insert, select, text

from core import db as database_
from core.db import db
from core.denials import Denied
from core.leases import LEASE, Lease
from core.pages.languages import Formats, Languages
from core.seats import taking
from core.seats.asking import Asking, Caller
from core.seats.request import Seat

PATIENCE = 600.0  # seconds
TAKEN, FULL = "taken", "no_seat_available"
Attempt = Callable[[int], str]


@dataclass(frozen=True)
class Plan:
    """Who asks for what, how often, and which of the processes are killed."""

    way: str  # core, http or naive
    folder: str
    url: str  # of the database, or of the server
    organization_id: int
    station_id: int
    key: str
    product: str
    license_id: int
    device_id: int
    seats: int
    processes: int
    attempts: int
    start: str
    step_s: float = 0.0  # by which a process's clock goes on between two attempts
    killed: int = 0

    @classmethod
    def read(cls, path: str) -> Plan:
        """The plan in a file."""
        return cls(**json.loads(Path(path).read_text(encoding="utf-8")))

    def write(self) -> Path:
        """Put it where the processes find it."""
        path = Path(self.folder, "plan.json")
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")
        return path

    def uuid(self, number: int, attempt: int) -> str:
        """The number of a launch."""
        return f"00000000-0000-4000-8000-{number:06}{attempt:06}"

    def now(self, attempt: int) -> datetime:
        """What a process's clock says at its attempt."""
        return datetime.fromisoformat(self.start) + timedelta(seconds=attempt * self.step_s)


def main() -> None:
    """Fork the processes and wait for them; nothing that is opened before is shared."""
    plan = Plan.read(sys.argv[1])
    context = get_context("fork")
    together = context.Barrier(plan.processes)
    processes = [context.Process(target=play, args=(plan, number, together)) for number in range(plan.processes)]
    for each in processes:
        each.start()
    for each in processes:
        each.join(PATIENCE)
    if any(each.is_alive() for each in processes):
        raise SystemExit("somebody waits for ever")


def play(plan: Plan, number: int, together: Any) -> None:
    """One process: ask as often as the plan says, each time from another device."""
    attempt = {"core": by_core, "naive": naively, "http": by_http}[plan.way](plan, number)
    together.wait(PATIENCE)
    outcomes: Counter[str] = Counter(attempt(each) for each in range(plan.attempts))
    Path(plan.folder, f"{number}.json").write_text(json.dumps(outcomes), encoding="utf-8")


def by_core(plan: Plan, number: int) -> Attempt:
    """Seats as the portal takes them."""
    app = application(plan)
    caller = Caller(plan.organization_id, station_id=plan.station_id)
    if number < plan.killed:
        kill_amid_statements(app, 10 + 37 * number % (3 * plan.attempts))

    def attempt(which: int) -> str:
        uuid = plan.uuid(number, which)
        with app.test_request_context(method="PUT"):
            try:
                found = taking.ask(db.session, caller, Asking(uuid, plan.product, uuid), plan.now(which))
            except Denied as refused:
                return refused.code
        return TAKEN if isinstance(found, Seat) else "queued"

    return attempt


def naively(plan: Plan, number: int) -> Attempt:
    """Seats as they must not be taken: counted first, then taken, in one transaction."""
    app = application(plan)

    def attempt(which: int) -> str:
        uuid, now = plan.uuid(number, which), plan.now(which)
        with app.test_request_context(method="PUT"):
            session = db.session
            taken = select(func.count(Lease.id)).where(Lease.license_id == plan.license_id, *Lease.LIVE)
            if session.scalars(taken).one() >= plan.seats:
                return FULL
            if session.get_bind().dialect.name == "postgresql":
                session.execute(text("SELECT pg_sleep(0.05)"))  # as long as a round trip between continents
            session.execute(
                insert(Lease).values(
                    uuid=uuid, organization_id=plan.organization_id, license_id=plan.license_id,
                    station_id=plan.station_id, device_id=plan.device_id, holder=uuid, takes_seat=True,
                    is_reserved=False, seq=0, taken_at=now, renewed_at=now, expires_at=now + LEASE,
                )
            )  # fmt: skip
            session.commit()
        return TAKEN

    return attempt


def by_http(plan: Plan, number: int) -> Attempt:
    """Seats as programs ask for them; who is cut off asks the same again."""
    address = urlsplit(plan.url)
    connections: list[http.client.HTTPConnection] = []

    def put(uuid: str) -> tuple[int, dict[str, Any]]:
        if not connections:
            connections.append(http.client.HTTPConnection(address.hostname or "", address.port, timeout=30))
        head = {"Authorization": f"Bearer {plan.key}", "Content-Type": "application/json"}
        body = json.dumps({"product": plan.product, "device": {"id": uuid}})
        connections[0].request("PUT", f"/api/v1/leases/{uuid}", body, head)
        answer = connections[0].getresponse()
        return answer.status, json.loads(answer.read())

    def attempt(which: int) -> str:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                status, answer = put(plan.uuid(number, which))
            except (OSError, http.client.HTTPException):
                if connections:
                    connections.pop().close()
                time.sleep(0.05)  # before the next try, as a program does
                continue
            if status not in (429, 503):
                return TAKEN if status in (200, 201) else str(answer.get("code", status))
            time.sleep(0.2)  # it is asked to
        raise TimeoutError("no answer")

    return attempt


def application(plan: Plan) -> Flask:
    """An application that has nothing but the database and the texts."""
    app = Flask("portal.rush")
    database_.init_app(app, plan.url)
    Languages(app, date_formats=Formats())
    return app


def kill_amid_statements(app: Flask, after: int) -> None:
    """Let this process die without a word at one of its statements."""
    left = [after]

    def count(*_rest: Any) -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", count)


if __name__ == "__main__":
    main()
