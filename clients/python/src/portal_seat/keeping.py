"""What a program may do at a moment, from what it was answered and when. Knows no network and no thread.

    LICENSED ──no answer──► RECONNECTING ──grace is over──► READ_ONLY
        ▲                        │                             │
        └───────an answer────────┴─────────────────────────────┘

A refusal leads straight to READ_ONLY; from most refusals an answer leads back, from the end of a session only a person.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from enum import StrEnum

from portal_seat.answers import QUEUED, SAVE_AND_CLOSE, Answer, seconds
from portal_seat.clock import LONGEST_PAUSE, BackOff, spread
from portal_seat.errors import MAY_PASS, WAITING, MembershipDisabled, Refused, SeatError, Unreachable

START_GRACE = 4 * 3600.0  # seconds that a program may run from its start with nothing but a kept lease
BANNER_AFTER = 2  # tries without an answer, until the person is told


class State(StrEnum):
    """What the program may do."""

    STARTING = "starting"
    QUEUED = "queued"
    LICENSED = "licensed"
    RECONNECTING = "reconnecting"
    READ_ONLY = "read-only"
    GIVEN_BACK = "given back"


RUNNING = (State.LICENSED, State.RECONNECTING)


class Keeper:
    """The state of one launch. Every time is of a clock that only goes forward."""

    def __init__(self, renew_every: float | None = None, chance: Callable[[], float] = random.random) -> None:
        self.state = State.STARTING
        self.due = 0.0  # when to ask next; infinite when only a person can change anything
        self.grace_until = math.inf
        self.ending_at: float | None = None  # by when the program has to be saved and closed
        self.misses = 0
        self.problem: SeatError | None = None  # why it is not LICENSED
        self._renew_every = renew_every or math.inf
        self._chance = chance
        self._back_off = BackOff(chance)

    @property
    def shows_banner(self) -> bool:
        """Whether to tell the person, quietly, that the portal does not answer."""
        return self.misses >= BANNER_AFTER

    def answered(self, answer: Answer, sent_at: float) -> None:
        """There is a seat, or a place in the queue; counted from when the question was sent, which is the safe side."""
        self.misses, self.problem = 0, None
        self._back_off.reset()
        pause = min(spread(answer.ask_after, self._chance), self._renew_every)
        self.due = sent_at + pause
        if answer.state == QUEUED:
            self.state = State.QUEUED if self.state in (State.STARTING, State.QUEUED) else State.READ_ONLY
            return
        self.state = State.LICENSED
        self.grace_until = sent_at + max(answer.grace, answer.lasts)
        deadlines = [each.deadline_s for each in answer.directives if each.kind == SAVE_AND_CLOSE]
        self.ending_at = sent_at + min(each or 0.0 for each in deadlines) if deadlines else None

    def missed(self, error: Unreachable | Refused, at: float) -> None:
        """Nobody answered, or the portal asked to wait: go on with what there is."""
        self.misses += 1
        self.due = at + self._back_off.pause(error.retry_after)
        if self.state is State.LICENSED and not isinstance(error, WAITING):
            self.state, self.problem = State.RECONNECTING, error
        self.tick(at)

    def refused(self, error: Refused, at: float) -> None:
        """The portal said no."""
        if isinstance(error, WAITING):
            return self.missed(error, at)
        self._back_off.reset()
        self.misses, self.problem = 0, error
        self.due = math.inf
        if isinstance(error, MAY_PASS):
            self.due = at + max(spread(LONGEST_PAUSE, self._chance), error.retry_after or 0.0)
        if isinstance(error, MembershipDisabled) and (left := window(error)) > 0:
            self.state, self.ending_at = State.LICENSED, at + left
            return None
        self.state = State.READ_ONLY
        return None

    def started_offline(self, left: float, problem: SeatError, at: float) -> None:
        """Begin without an answer, with a kept lease that is good for some seconds yet."""
        self.state, self.problem = State.RECONNECTING, problem
        self.grace_until = at + min(START_GRACE, left)
        self.misses = 1
        self.due = at + self._back_off.pause()

    def borrowed(self, left: float, at: float) -> None:
        """The seat is this computer's for some seconds, whoever answers; before they end it asks like everybody."""
        self.state, self.problem, self.misses = State.LICENSED, None, 0
        self.grace_until = at + left
        self.due = at + max(0.0, left - LONGEST_PAUSE)

    def gave_back(self) -> None:
        """It is over."""
        self.state, self.due = State.GIVEN_BACK, math.inf

    def tick(self, at: float) -> None:
        """Note what time alone changes."""
        self.state = self.state_at(at)

    def state_at(self, at: float) -> State:
        """The state at a moment, if nothing is answered until then."""
        return State.READ_ONLY if self.state in RUNNING and at >= self.grace_until else self.state

    def next_change(self) -> float:
        """When to look again."""
        return min(self.due, self.grace_until) if self.state in RUNNING else self.due


def window(error: Refused) -> float:
    """Seconds in which a running session may still save, where a refusal leaves some."""
    ending_at, answered_at = error.facts.get("ending_at"), error.facts.get("answered_at")
    return seconds(ending_at) - answered_at if ending_at and answered_at else 0.0
