"""`run` and `demo` as people start them: real processes on a real port, from the first start to the stop."""

import contextlib
import http.client
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.settings import ROOT
from tests.servers import free_port
from tests.test_commands import portal, refused

PATIENCE = 60  # seconds; a start takes two on an idle machine


class Running:
    """A started portal: its address, and what it has printed."""

    def __init__(self, command: str, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        with (folder / "printed").open("w") as printed:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "core.cli", command],
                env={**kept, "PYTHONPATH": str(ROOT), "PORT": str(self.port), "WORKERS": "1"},
                cwd=folder,
                stdout=printed,
            )

    @property
    def printed(self) -> str:
        """What it printed on standard output."""
        return (self.folder / "printed").read_text()

    def get(self, path: str) -> tuple[int, str]:
        """The answer to a request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def is_ready(self) -> bool:
        """Whether it can serve and has said so."""
        with contextlib.suppress(OSError):
            return self.get("/readyz")[0] == 200 and "Ctrl-C stops it." in self.printed
        return False


@contextlib.contextmanager
def running(command: str, folder: Path) -> Iterator[Running]:
    """A portal that is up; stopped as a supervisor would."""
    started = Running(command, folder)
    try:
        deadline = time.monotonic() + PATIENCE
        while not started.is_ready():
            assert started.process.poll() is None, "it ended"
            assert time.monotonic() < deadline, "it did not come up"
            time.sleep(0.05)
        yield started
        started.process.terminate()
        assert started.process.wait(PATIENCE) == 0
    finally:
        started.process.kill()
        started.process.wait()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The demo, running."""
    with running("demo", tmp_path_factory.mktemp("demo")) as started:
        yield started


@pytest.fixture(scope="module")
def run_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a portal ran, and the link it printed led to a page."""
    folder = tmp_path_factory.mktemp("run")
    with running("run", folder) as started:
        link = re.search(r"Create the first operator: http://127\.0\.0\.1:\d+(/setup/\S+)", started.printed)
        assert link
        assert started.get(link[1])[0] == 200
    return folder


def test_the_demo_prints_passwords_and_keys_and_serves(demo: Running) -> None:
    assert re.search(r"\S+@\S+ +\S+ +operator", demo.printed)
    assert len(re.findall(r"^ +(?:[0-9A-Z]{5}-){4}[0-9A-Z]{5} ", demo.printed, re.M)) >= 6
    assert demo.get("/login")[0] == 200


def test_a_killed_web_server_is_back(demo: Running) -> None:
    pid = web_server_of(demo)
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE
    while not (web_server_of(demo) not in (0, pid) and demo.is_ready()):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def web_server_of(parent: Running) -> int:
    children = Path(f"/proc/{parent.process.pid}/task/{parent.process.pid}/children").read_text().split()
    return next((int(pid) for pid in children if b"core.web" in Path(f"/proc/{pid}/cmdline").read_bytes()), 0)


def test_run_refuses_the_database_of_the_demo(demo: Running, tmp_path: Path) -> None:
    sentence = refused(portal("run", cwd=tmp_path, PORTAL_DATA=str(demo.folder / "demo-data")))
    assert sentence == "This database is the demo's; set PORTAL_DATA to another folder."


def test_demo_refuses_another_database(run_once: Path, tmp_path: Path) -> None:
    sentence = refused(portal("demo", cwd=tmp_path, PORTAL_DATA=str(run_once / "data")))
    assert sentence == "This database is not the demo's; leave PORTAL_DATA and DATABASE_URL out."


def test_the_link_to_begin_is_printed_until_there_is_an_operator(run_once: Path) -> None:
    made = portal("users", "create", "op@example.com", "--operator", cwd=run_once)
    assert made.returncode == 0, made.stderr
    with running("run", run_once) as started:
        assert "Create the first operator" not in started.printed


def test_looking_makes_no_file(run_once: Path) -> None:
    before = kept_in(run_once / "data")
    assert portal("check", cwd=run_once).returncode == 0
    assert json.loads(portal("products", "list", "--json", cwd=run_once).stdout) == []
    assert kept_in(run_once / "data") == before


def kept_in(folder: Path) -> tuple[set[str], list[str]]:
    """The names of the files, without SQLite's own two, which come and go with its connections, and every row."""
    names = {path.name for path in folder.iterdir() if not path.name.endswith(("-wal", "-shm"))}
    with contextlib.closing(sqlite3.connect(folder / "portal.db")) as database:
        return names, list(database.iterdump())


def test_what_it_made_only_its_owner_reads(run_once: Path) -> None:
    assert {path.stat().st_mode & 0o077 for path in (run_once / "data").rglob("*")} == {0}
