"""A rush for seats: many processes at the same time, leases that run out meanwhile, processes that are killed.

There are never more seats sold than there are, nor fewer than somebody wants; and the same rush on a way that counts
first and takes then sells too many, so this drill can see.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from core import dates
from core.db import db
from core.leases import LEASE, Denial, Device, Lease, Station
from core.settings import ROOT
from models import License, Permission
from tests.cast import SEAL_KEY, SECRET_KEY, Cast
from tests.databases import Database
from tests.drills.rush import FULL, TAKEN, Plan
from tests.figures import Figure
from tests.program import Program
from tests.seat_desk import wrong_books

KEY = "st_for-a-drill-only-0123456789abcdef0123456789"
DYING = 0.2  # of the seats, at the beginning, are held by programs that are heard of no more


@dataclass(frozen=True)
class Size:
    """How large a rush is."""

    seats: int
    processes: int
    attempts: int


@pytest.fixture
def size(drilling: bool) -> Size:
    """500 seats for 3,200 attempts, or a short form."""
    return Size(500, 32, 100) if drilling else Size(60, 4, 50)


@pytest.fixture
def plan(bare_app: Flask, cast: Cast, database: Database, size: Size, tmp_path: Path) -> Plan:
    """A station that may draw all seats of a product, which two licenses have."""
    with bare_app.app_context():
        ids = prepare(db.session, cast, size.seats)
    return Plan(
        way="core", folder=str(tmp_path), url=database.url, organization_id=cast.organization_id, key=KEY,
        product="render", license_id=cast.license["cloud"], seats=size.seats, processes=size.processes,
        attempts=size.attempts, start=cast.now.isoformat(), **ids,
    )  # fmt: skip


@pytest.fixture
def look(bare_app: Flask) -> Iterator[Session]:
    """What the rush left."""
    with bare_app.app_context():
        yield db.session


def prepare(session: Session, cast: Cast, seats: int) -> dict[str, int]:
    """Give the product so many open seats, and make a station and a device."""
    cloud, network = cast.license["cloud"], cast.license["network"]
    session.execute(delete(Permission).where(Permission.license_id.in_([cloud, network])))
    session.execute(update(License).where(License.id == cloud).values(seats=seats - seats // 5, reserved=0))
    session.execute(update(License).where(License.id == network).values(seats=seats // 5))
    station = Station(
        organization_id=cast.organization_id, product_id=cast.product["render"], name="rush", made_at=cast.now,
        key_hash=Station.hashed(KEY),
    )  # fmt: skip
    session.add(station)
    session.flush()
    device = Device(station_id=station.id, client_id="dying", name="dying", seen_at=cast.now)
    session.add(device)
    session.commit()
    return {"station_id": station.id, "device_id": device.id}


def let_die(session: Session, plan: Plan, over_s: float) -> int:
    """Let programs that are heard of no more hold seats, which run out one by one from now on."""
    session.rollback()
    dying, now = int(plan.seats * DYING), dates.now() if plan.way == "http" else plan.now(0)
    devices = [
        {"station_id": plan.station_id, "client_id": f"dead-{each}", "name": "dead", "seen_at": now}
        for each in range(dying)
    ]
    ids = session.scalars(insert(Device).returning(Device.id), devices).all()
    leases = [
        {
            "uuid": f"dead-{each}", "organization_id": plan.organization_id, "license_id": plan.license_id,
            "station_id": plan.station_id, "device_id": id_, "holder": f"s{plan.station_id}:d{id_}",
            "takes_seat": True, "is_reserved": False, "seq": 0, "taken_at": now - LEASE, "renewed_at": now - LEASE,
            "expires_at": now + timedelta(seconds=over_s * (each + 1) / dying),
        }
        for each, id_ in enumerate(ids)
    ]  # fmt: skip
    session.execute(insert(Lease), leases)
    session.execute(update(License).where(License.id == plan.license_id).values(in_use=License.in_use + dying))
    session.commit()
    return dying


def rush(plan: Plan, meanwhile: Callable[[], None] = lambda: None) -> Counter[str]:
    """Let all processes run, and add up what those got that lived to say it."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-P", "-m", "tests.drills.rush", str(plan.write())]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        meanwhile()
        said, _nothing = running.communicate(timeout=900)
    assert running.returncode == 0, said
    assert "Traceback" not in said, said
    results = [path for path in Path(plan.folder).glob("*.json") if path.stem.isdigit()]
    assert len(results) == plan.processes - plan.killed, said
    return sum((Counter(json.loads(path.read_text())) for path in results), Counter())


def check_sold_out(session: Session, plan: Plan) -> None:
    """Every seat is sold, and none twice: by the count that is kept, by leases, by devices."""
    assert wrong_books(session) == []
    live = (Lease.station_id == plan.station_id, *Lease.LIVE)
    leases, devices = session.execute(
        select(func.count(Lease.id), func.count(Lease.device_id.distinct())).where(*live, Lease.takes_seat)
    ).one()
    counted = session.scalar(select(func.sum(License.in_use)))
    assert (leases, devices, counted) == (plan.seats, plan.seats, plan.seats)
    assert session.scalar(select(func.count(Lease.id)).where(*live, Lease.uuid.like("dead-%"))) == 0


def test_exactly_the_seats_are_sold_to_many_processes(
    plan: Plan, look: Session, drilling: bool, figure: Figure
) -> None:
    """Leases run out meanwhile, and a quarter of the processes is killed amid a statement."""
    for killed in (plan.processes // 4, 0) if drilling else (plan.processes // 4,):
        rushed = replace(plan, step_s=500 / plan.attempts, killed=killed)
        dead = let_die(look, rushed, over_s=400)
        begun = time.monotonic()
        outcomes = rush(rushed)
        figure("attempts a second", round(sum(outcomes.values()) / (time.monotonic() - begun)))
        figure("outcomes", dict(outcomes))
        figure("killed, and ran out meanwhile", (killed, dead))
        check_sold_out(look, rushed)
        assert set(outcomes) == {TAKEN, FULL}
        assert killed or outcomes[TAKEN] == plan.seats
        for table in (Lease, Denial):
            look.execute(delete(table))
        look.execute(update(License).values(in_use=0))
        look.execute(delete(Device).where(Device.client_id != "dying"))
        look.commit()


@pytest.mark.on_postgresql
def test_counting_first_and_taking_then_sells_too_many(plan: Plan, look: Session, figure: Figure) -> None:
    outcomes = rush(replace(plan, way="naive"))
    figure("sold", f"{outcomes[TAKEN]} of {plan.seats}")
    assert outcomes[TAKEN] > plan.seats
    assert wrong_books(look) != []


def test_exactly_the_seats_are_sold_over_the_wire(
    plan: Plan, look: Session, database: Database, tmp_path: Path, figure: Figure
) -> None:
    """Four server processes, one of which is killed in the middle of it."""
    secrets = {"SECRET_KEY": SECRET_KEY, "SEAL_KEY": SEAL_KEY, "WORKERS": "4", "LOG_LEVEL": "error"}
    program = Program(tmp_path, database.url, **secrets)
    with program.running():
        plan = replace(plan, way="http", url=program.address)
        let_die(look, plan, over_s=1.5)
        begun = time.monotonic()
        outcomes = rush(plan, lambda: kill_one(program))
        figure("attempts a second", round(sum(outcomes.values()) / (time.monotonic() - begun)))
        figure("outcomes", dict(outcomes))
        check_sold_out(look, plan)
    assert set(outcomes) == {TAKEN, FULL}
    assert outcomes[TAKEN] == plan.seats


def kill_one(program: Program) -> None:
    """Kill one of the server's processes once it is busy."""
    server = program.child("core.web")
    workers = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    assert len(workers) >= 4
    before, end = ticks(workers[0]), time.monotonic() + 10
    while ticks(workers[0]) < before + 5 and time.monotonic() < end:
        time.sleep(0.02)  # until it has something to do
    os.kill(int(workers[0]), signal.SIGKILL)


def ticks(pid: str) -> int:
    """The processor time that a process has used."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])
