"""Time as the client sees it, so that a test can move it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Protocol

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 60.0  # seconds between two tries while nobody answers
JITTER = 0.1  # so that the programs that lost a server together do not come back together


class Clock(Protocol):
    """What tells the time and waits."""

    def monotonic(self) -> float:
        """Seconds that only go forward: what online leases are measured with."""

    def wall(self) -> float:
        """Seconds since 1970 as this computer believes: for leases without a network."""

    def wait(self, changed: threading.Condition, seconds: float) -> None:
        """Return after some seconds, or when somebody notifies; the caller holds the condition."""

    def sleep(self, seconds: float) -> None:
        """Return after some seconds."""


class SystemClock:
    """The clock of this computer."""

    def monotonic(self) -> float:
        """Seconds that only go forward."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def wait(self, changed: threading.Condition, seconds: float) -> None:
        """Return after some seconds, or when somebody notifies."""
        changed.wait(min(seconds, threading.TIMEOUT_MAX))

    def sleep(self, seconds: float) -> None:
        """Return after some seconds."""
        time.sleep(seconds)


def spread(seconds: float, chance: Callable[[], float] = random.random) -> float:
    """About as many seconds, 10 % more or less."""
    return seconds * (1 + JITTER * (2 * chance() - 1))


class BackOff:
    """How long to wait after each try that nobody answered: 5 s at first, doubled up to 60 s."""

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        self.tries = 0
        self._chance = chance

    def pause(self, retry_after: float | None = None) -> float:
        """Seconds until the next try; never before the server asked for it."""
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self.tries, 10))
        self.tries += 1
        return max(spread(pause, self._chance), (retry_after or 0.0) * (1 + JITTER * self._chance()))

    def reset(self) -> None:
        """Somebody answered."""
        self.tries = 0
