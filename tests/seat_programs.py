"""Programs that take seats of the server under test: signed in as one of the cast, and as processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from portal_seat import Client, Code
from portal_seat.clock import SystemClock
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.leases import Lease
from core.settings import ROOT
from models import License, Product
from tests.cast import Cast
from tests.clients import Client as Browser

PRODUCT = "render"
CLIENT = ROOT / "clients" / "python" / "src"
#: Says that it runs, and when it is asked to end, saves first.
SAVES = """
import os, signal, sys, time
def save(*_): os.write(1, b"saved\\n"); sys.exit(3)  # not print, which may be interrupted while it prints
signal.signal(signal.SIGTERM, save); signal.signal(signal.SIGUSR1, save)
print("ready", flush=True)
time.sleep(60)
"""


class Hurried(SystemClock):
    """A clock that does not wait between two questions about a code."""

    def sleep(self, seconds: float) -> None:
        """Go on."""


def computer(server: str, browser: Browser, folder: Path, name: str = "WS-14") -> Client:
    """A client on a person's computer; he approves each code that it shows, in his browser."""

    def approve(code: Code) -> None:
        assert browser.send("/activate/approve", user_code=code.code).location == "/activate/approved"

    return Client(server, folder=folder, on_sign_in=approve, clock=Hurried(), device_name=name)


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def portal_seat(server: str) -> Iterator[Start]:
    """`portal_seat(folder, "status")`: `portal-seat`, as a station or as whoever is signed in in the folder."""
    started: list[subprocess.Popen[str]] = []

    def start(folder: Path, *arguments: str, station_key: str = "") -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "portal_seat", "--url", server, "--data", str(folder), *arguments]
        environ = {**os.environ, "PYTHONPATH": str(CLIENT), "SEAT_STATION_KEY": station_key}
        started.append(
            subprocess.Popen(command, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        )
        return started[-1]

    yield start
    for process in started:
        with process:
            process.kill()


def running(program: str, *options: str) -> tuple[str, ...]:
    """The arguments that run a Python program on a seat."""
    return ("run", "--product", PRODUCT, *options, "--", sys.executable, "-c", program)


def heard(process: subprocess.Popen[str]) -> str:
    """The next line that a process says."""
    assert process.stdout is not None
    return process.stdout.readline().rstrip()


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """How a process ended: its code, what it said, and what it said of what went wrong."""
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def live(session: Session) -> int:
    """How many leases live."""
    session.rollback()
    return session.scalar(select(func.count()).select_from(Lease).where(*Lease.LIVE)) or 0


def the_lease(session: Session) -> Lease:
    """The only one that lives."""
    session.rollback()
    return session.scalars(select(Lease).where(*Lease.LIVE).execution_options(populate_existing=True)).one()


def no_seat(session: Session) -> None:
    """Leave no seat of the product."""
    for license in session.scalars(select(License).join(Product).where(Product.code == PRODUCT)):
        license.seats = 0
    session.commit()


def one_seat(session: Session, cast: Cast) -> None:
    """Leave one seat that anybody may take."""
    no_seat(session)
    network = session.get_one(License, cast.license["network"])
    assert not network.reserved
    network.seats = 1
    session.commit()
