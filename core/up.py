"""The parent of `run` and `demo`: starts web server and worker, restarts either, and stops both."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

GRACE = 35.0  # seconds to stop in; the web server gives its requests 30
SETTLED = 5.0  # seconds after which a process counts as having come up
LONGEST_PAUSE = 30.0  # seconds between two tries to start what ends again and again
TICK = 0.1  # seconds
PR_SET_PDEATHSIG = 1  # linux/prctl.h; Python has no name for it
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Child:
    """One of the processes, with what is known of its life."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    is_needed: bool = True
    has_lived: bool = False
    pause: float = 0.0
    due: float = 0.0
    born: float = field(init=False)
    process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    def start(self) -> None:
        """Start it in a session of its own, so that Ctrl-C reaches the parent alone."""
        self.born = time.monotonic()
        self.process = subprocess.Popen(
            self.command, env=self.environ, start_new_session=True, preexec_fn=end_with(os.getpid())
        )

    def ended(self) -> int | None:
        """How it ended, or None while it lives; notes whether it has come up."""
        if self.process is None:
            return None
        if (code := self.process.poll()) is None:
            if time.monotonic() - self.born >= SETTLED:
                self.has_lived, self.pause = True, 0.0
            return None
        # The web server's workers outlive a killed master and would keep the port.
        self.kill()
        self.process = None
        return code

    def restart_later(self) -> None:
        """Start it again, after a pause that grows while it keeps ending."""
        self.due = time.monotonic() + self.pause
        self.pause = min(LONGEST_PAUSE, max(0.5, self.pause * 2))

    def kill(self) -> None:
        """End it and all that it started."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)


def run(
    commands: Mapping[str, Sequence[str]],
    environ: Mapping[str, str],
    *,
    when_up: Callable[[], bool] = lambda: False,
    spare: Collection[str] = (),
    grace: float = GRACE,
) -> int:
    """Run the commands until a signal; the code is 0 then, or that of a process that never came up.

    `when_up` is called again and again until it returns true: from then on all of them count as having come up. What is
    `spare` begins after that, and stays away when it ends.
    """
    stopping = _note_signals()
    children = [Child(name, command, environ, name not in spare) for name, command in commands.items()]
    is_up = False
    code = 0
    try:
        for child in children:
            if child.is_needed:
                child.start()
        while not stopping and not code:
            time.sleep(TICK)
            if not is_up and when_up():
                is_up = True
                for child in children:
                    child.has_lived = True
                    if not child.is_needed:
                        child.start()
            code = next((failed for child in children if (failed := _look_after(child))), 0)
    finally:
        _stop(children, grace)
    return code


def _note_signals() -> list[int]:
    stopping: list[int] = []
    for number in STOP_SIGNALS:
        # Under nohup the end of the terminal is none of ours. A shell's background job ignores SIGINT too, and yet
        # whoever sends it means it.
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, _frame: stopping.append(number))
    return stopping


def _look_after(child: Child) -> int:
    """Restart the child when it ended; returns its code when it never came up, else 0."""
    if child.process is None:
        if child.is_needed and time.monotonic() >= child.due:
            child.start()
        return 0
    code = child.ended()
    if code is None or not child.is_needed:
        return 0
    if not child.has_lived:
        # Negative after a signal. Ending well before it ever served is no success either.
        return abs(code) or 1
    print(f"The {child.name} ended ({code}) and is started again.", file=sys.stderr, flush=True)
    child.restart_later()
    return 0


def _stop(children: Sequence[Child], grace: float) -> None:
    alive = [child.process for child in children if child.process is not None]
    for process in alive:
        process.terminate()
    deadline = time.monotonic() + grace
    for process in alive:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.1, deadline - time.monotonic()))
    for child in children:
        child.kill()


def end_with(parent: int) -> Callable[[], None]:
    """What a child does before it begins: ask to be stopped when its parent is killed, where Linux allows."""
    if not sys.platform.startswith("linux"):
        return lambda: None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        # Killed before we asked: nobody will tell us any more.
        if os.getppid() != parent:
            os._exit(1)

    return ask
