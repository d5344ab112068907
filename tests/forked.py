"""The portal's commands as processes of their own, forked from one that has imported what all of them need.

What a command is given and what it leaves is what `./portal` would give and leave: arguments, environment, folder,
the three streams and an exit code. Only the second that Python and the models take to start is spent once.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from sqlalchemy.orm import configure_mappers

from core.settings import ROOT

PATIENCE = 60  # seconds after which a command is ended
STREAMS = ("stdin", "stdout", "stderr")
Done = subprocess.CompletedProcess[str]


def environment(**more: str) -> dict[str, str]:
    """What the script `portal` leaves of the environment of a person, and settings."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", **more}


class Commands:
    """Runs commands; the process that they are forked from starts with the first one."""

    def __init__(self) -> None:
        self._parent: subprocess.Popen[str] | None = None

    def run(self, arguments: tuple[str, ...], environ: Mapping[str, str], folder: Path, typed: bytes = b"") -> Done:
        """One command from beginning to end."""
        with tempfile.TemporaryDirectory() as streams:
            stdin, stdout, stderr = (Path(streams, name) for name in STREAMS)
            stdin.write_bytes(typed)
            order = {"arguments": arguments, "environ": dict(environ), "folder": str(folder), "streams": streams}
            return Done(arguments, self._ask(order), stdout.read_text("utf-8"), stderr.read_text("utf-8"))

    def stop(self) -> None:
        """End the process that others are forked from."""
        if self._parent is not None:
            self._parent.communicate()
            self._parent = None

    def _ask(self, order: dict[str, Any]) -> int:
        self._parent = self._parent or subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.forked"], env=environment(), cwd=ROOT,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(json.dumps(order) + "\n")
        return int(self._parent.stdout.readline())


#: Those of this run.
COMMANDS = Commands()
#: What commands import sooner or later.
MODULES = ("app", "core.cli.process", "core.cli.vendor", "core.checks", "core.migrate", "core.probe", "psycopg")


def serve() -> None:
    """Fork a command for every line of standard input, and answer with its exit code."""
    for name in MODULES:
        importlib.import_module(name)
    configure_mappers()
    gc.freeze()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            become(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def become(order: dict[str, Any]) -> NoReturn:
    """Be the command that was ordered, and end with it."""
    signal.alarm(PATIENCE)
    os.environ.clear()
    os.environ.update(order["environ"])
    os.chdir(order["folder"])
    for number, name in enumerate(STREAMS):
        stream = os.open(Path(order["streams"], name), os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(number, "w" if number else "r", encoding="utf-8", buffering=1 if number == 2 else -1)
        for number in range(len(STREAMS))
    )
    os._exit(end_of(order["arguments"]))


def end_of(arguments: list[str]) -> int:
    """The exit code of a command, as the interpreter would give it."""
    from core.cli import main

    try:
        code = main(arguments)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    return code


if __name__ == "__main__":
    serve()
