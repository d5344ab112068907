"""The whole program as an operator starts it: `run`, with web server and worker, and the vendor's commands."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.forked import COMMANDS, environment
from tests.servers import PATIENCE, free_port


class Program:
    """One portal: its settings, its address, and its commands."""

    def __init__(self, folder: Path, database_url: str, **more: str) -> None:
        port = free_port()
        self.folder = folder
        self.address = f"http://127.0.0.1:{port}"
        self.log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None
        known = {"PORT": str(port), "PORTAL_DATA": str(folder / "data"), "DATABASE_URL": database_url, "WORKERS": "1"}
        self.environ = environment(**known | more)

    def command(self, *arguments: str, said: str = "") -> str:
        """Run a command and return what it prints; `said` is its standard input."""
        done = COMMANDS.run(arguments, self.environ, self.folder, said.encode())
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @contextlib.contextmanager
    def running(self, command: str = "run") -> Iterator[str]:
        """Serve, and give the address once it answers; at the end it stops by itself, without an error."""
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "core.cli", command], env=self.environ, stdout=log, stderr=log
            )
        self.process = process
        try:
            self._wait_until_ready(process)
            yield self.address
        finally:
            process.terminate()
            assert process.wait(PATIENCE) == 0, self.log.read_text()
        assert "Traceback" not in self.log.read_text(), self.log.read_text()

    def child(self, command: str) -> int:
        """The process that does one part of the work, 0 while there is none: `worker`, or `core.web`."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in children:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if command.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                    return int(pid)
        return 0

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and process.poll() is None:
            with contextlib.suppress(urllib.error.URLError), urllib.request.urlopen(f"{self.address}/readyz"):  # noqa: S310
                return
            time.sleep(0.05)  # between two looks
        raise TimeoutError(self.log.read_text())
