"""A command that runs on a seat: told when it has to save, asked to end near the deadline, never killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import FrameType

from portal_seat.answers import NOTICE, SAVE_AND_CLOSE, Directive
from portal_seat.keeping import State
from portal_seat.seat import Seat

EARLY, EARLIEST_PART = 5.0, 0.2  # how long before a deadline the command is asked to end: seconds, part of the time
NOT_FOUND, NOT_EXECUTABLE = 127, 126
PASSED_ON = ("SIGTERM", "SIGHUP")


class Run:
    """One run of a command."""

    def __init__(self, command: Sequence[str], *, save_signal: int | None = None, save_time: float = 60.0) -> None:
        self._command, self._save_signal, self._save_time = command, save_signal, save_time
        self._process: subprocess.Popen[bytes] | None = None
        self._ending: threading.Timer | None = None
        self._seat: Seat | None = None
        self._is_lost = False

    def on(self, seat: Seat) -> int:
        """Run on a seat, and give it back, however the command ends; its exit code as a shell has it."""
        self._seat = seat
        for name in PASSED_ON:
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._pass_on)
        with seat:
            code = self._run()
        return code if code >= 0 else 128 - code

    def _run(self) -> int:
        try:
            self._process = subprocess.Popen(self._command)
        except OSError as error:
            say(f"{self._command[0]}: {error.strerror}.")
            return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
        # The terminal sends Ctrl-C to the command too; it decides what that means.
        signal.signal(signal.SIGINT, lambda _number, _frame: None)
        code = self._process.wait()
        self._call_off()
        return code

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        if self._process is None:
            sys.exit(128 + number)
        self._process.send_signal(number)

    # ── what the seat has to say ──

    def heed(self, directive: Directive) -> None:
        """Tell the command what the portal asks for."""
        if directive.kind == SAVE_AND_CLOSE:
            self._close_within(directive.message, directive.deadline_s or 0.0)
        elif directive.kind == NOTICE:
            say(directive.message)

    def heed_state(self, state: State) -> None:
        """Let the command end when its seat is lost for good; call that off when it has one again."""
        if state is State.READ_ONLY:
            self._is_lost = True
            self._close_within(str((self._seat and self._seat.problem) or "The seat is lost."), self._save_time)
        elif state is State.LICENSED and self._is_lost:
            self._is_lost = False
            self._call_off()

    def _close_within(self, why: str, seconds: float) -> None:
        say(f"{why} Save now: {os.path.basename(self._command[0])} is asked to end in {seconds:.0f} seconds.")  # noqa: PTH119
        if self._save_signal is not None and self._process is not None:
            self._process.send_signal(self._save_signal)
        self._call_off()
        self._ending = threading.Timer(seconds - min(EARLY, seconds * EARLIEST_PART), self._end)
        self._ending.daemon = True
        self._ending.start()

    def _end(self) -> None:
        if self._process is not None:
            self._process.terminate()

    def _call_off(self) -> None:
        if self._ending is not None:
            self._ending.cancel()


def say(sentence: str) -> None:
    """Tell the person; standard output is the command's."""
    print(sentence, file=sys.stderr, flush=True)
