"""One launch of a program and its seat: taken, kept by a thread of its own, given back."""

from __future__ import annotations

import contextlib
import logging
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from portal_seat.answers import BORROWED, QUEUED, SAVE_AND_CLOSE, Answer, Directive
from portal_seat.errors import WAITING, Refused, SeatError, SignInNeeded, TokenInvalid, Unreachable
from portal_seat.keeping import RUNNING, Keeper, State, window
from portal_seat.portal import Portal

log = logging.getLogger(__name__)
LAST_WAIT = 15.0  # seconds for a question that is under way when the seat is given back


def nothing(_news: Any) -> None:
    """What happens when nobody listens."""


@dataclass(frozen=True, slots=True)
class Listeners:
    """Whom to tell what, mostly from the thread that keeps the seat."""

    state: Callable[[State], None] = nothing
    queue: Callable[[int], None] = nothing
    directive: Callable[[Directive], None] = nothing


class Seat:
    """A seat for as long as the `with` block lasts; it may be asked for anything from any thread."""

    def __init__(
        self,
        portal: Portal,
        product: str,
        *,
        version: str = "",
        queue: bool = False,
        listeners: Listeners | None = None,
        renew_every: float | None = None,
    ) -> None:
        self.product, self.version, self.queue = product, version, queue
        self.idle_seconds = 0  # since the person last did anything: the program keeps it up to date
        self.lease_id = str(uuid.uuid4())
        self.answer: Answer | None = None
        self.keeper = Keeper(renew_every)
        self._portal, self._clock = portal, portal.wire.clock
        self._listeners = listeners or Listeners()
        self._told: tuple[Directive, ...] = ()
        self._position = 0
        self._seq = 0
        self._is_closing = False
        self._changed = threading.Condition()
        self._asking = threading.Lock()  # one question at a time: a late answer never overtakes a newer one
        self._thread = threading.Thread(target=self._keep, name=f"seat {product}", daemon=True)

    # ── what the program wants to know ──

    @property
    def state(self) -> State:
        """What the program may do now."""
        return self.keeper.state_at(self._clock.monotonic())

    @property
    def may_work(self) -> bool:
        """Whether everything works; saving and exporting work always."""
        return self.state in RUNNING

    @property
    def problem(self) -> SeatError | None:
        """Why the seat is not simply licensed; its text is for the person."""
        return self.keeper.problem

    @property
    def shows_banner(self) -> bool:
        """Whether to tell the person, quietly, that the portal does not answer."""
        return self.keeper.shows_banner

    @property
    def seconds_to_close(self) -> float | None:
        """Seconds until the program has to be saved and closed; None while nobody asked for it."""
        ending_at = self.keeper.ending_at
        return None if ending_at is None else max(0.0, ending_at - self._clock.monotonic())

    # ── taking ──

    def __enter__(self) -> Self:
        """Take the seat; waits in the queue where that was asked for."""
        self.take()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Give the seat back, whatever happened."""
        self.give_back()

    def take(self) -> None:
        """Take the seat, and keep it from now on.

        :raise Refused: with the portal's reason.
        :raise Unreachable: when there is neither an answer nor a kept lease to begin with.
        """
        try:
            while not self._is_taken():
                self._wait()
        except BaseException:
            self.give_back()
            raise
        self._thread.start()

    def start_again(self) -> None:
        """Ask for a new seat after the session has ended: only when the person wants it."""
        with self._asking:
            self.lease_id, self._seq = str(uuid.uuid4()), 0
        self.ask_now()

    def _is_taken(self) -> bool:
        if (left := self._portal.borrowed_for(self.product)) is not None:
            self._step(lambda: self.keeper.borrowed(left, self._clock.monotonic()))
            return True
        sent_at = self._clock.monotonic()
        try:
            self._answered(self._portal.signed_in(self._ask), sent_at)
        except (Unreachable, *WAITING) as missed:
            if self.state is not State.QUEUED:
                self._start_offline(missed)
            else:
                self._step(lambda error=missed: self.keeper.missed(error, self._clock.monotonic()))  # type: ignore[misc]
        return self.state in RUNNING

    def _start_offline(self, missed: Unreachable | Refused) -> None:
        left = self._portal.kept_for(self.product, missed)
        self._step(lambda: self.keeper.started_offline(left, missed, self._clock.monotonic()))

    # ── keeping ──

    def _keep(self) -> None:
        while not self._is_closing:
            self._wait()
            self._step(lambda: self.keeper.tick(self._clock.monotonic()))
            if not self._is_closing and self._clock.monotonic() >= self.keeper.due:
                self.ask_now()

    def _wait(self) -> None:
        with self._changed:
            pause = self.keeper.next_change() - self._clock.monotonic()
            if pause > 0 and not self._is_closing:
                self._clock.wait(self._changed, pause)

    def ask_now(self) -> None:
        """Renew at once, as after the computer slept; nothing that happens is raised, it shows in `state`."""
        with self._asking:
            if self._is_closing:
                return
            sent_at = self._clock.monotonic()
            try:
                self._answered(self._ask(), sent_at)
            except SignInNeeded as gone:
                self._refused(TokenInvalid(str(gone)))
            except Refused as refused:
                self._refused(refused)
            except Exception as missed:  # a full disk or a fault of ours costs nobody his work
                error = missed if isinstance(missed, Unreachable) else Unreachable(repr(missed))
                self._step(lambda: self.keeper.missed(error, self._clock.monotonic()))

    def _ask(self) -> Answer:
        self._seq += 1
        body = {
            "product": self.product, "version": self.version, "device": self._portal.device.described(),
            "queue": self.queue, "idle_seconds": int(self.idle_seconds), "seq": self._seq,
            "client_time": datetime.fromtimestamp(self._clock.wall(), UTC).isoformat(timespec="seconds"),
        }  # fmt: skip
        return self._portal.api.ask(self.lease_id, body)

    def _answered(self, answer: Answer, sent_at: float) -> None:
        self.answer = answer
        self._step(lambda: self.keeper.answered(answer, sent_at))
        if answer.state == QUEUED:
            if answer.position != self._position:
                self._tell(self._listeners.queue, answer.position)
            self._position = answer.position
            return
        self._portal.keep(self.product, answer)
        self._direct(answer.directives)

    def _refused(self, refused: Refused) -> None:
        self._step(lambda: self.keeper.refused(refused, self._clock.monotonic()))
        if (left := window(refused)) > 0:
            self._direct((Directive(SAVE_AND_CLOSE, refused.detail, left),))
        if not isinstance(refused, WAITING):
            self._portal.forget(self.product)  # a “no” counts at the next start too

    # ── telling ──

    def _direct(self, directives: tuple[Directive, ...]) -> None:
        """Tell what is new: a directive comes with every answer until it is over, with less time each time."""
        known = {(each.kind, each.message) for each in self._told}
        self._told = directives
        for each in directives:
            if (each.kind, each.message) not in known:
                self._tell(self._listeners.directive, each)

    def _step(self, change: Callable[[], None]) -> None:
        with self._changed:
            before = self.keeper.state
            change()
            after = self.keeper.state
            self._changed.notify_all()
        if after is not before:
            self._tell(self._listeners.state, after)

    def _tell(self, listener: Callable[[Any], None], news: Any) -> None:
        try:
            listener(news)
        except Exception:
            log.exception("A listener failed; the seat is kept.")

    # ── giving back, and taking along ──

    def give_back(self) -> None:
        """Give the seat back; done again, it changes nothing. What is borrowed stays with this computer."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(LAST_WAIT)
        if self.keeper.state is State.GIVEN_BACK:
            return
        if self._seq and not self.is_borrowed:
            with contextlib.suppress(SeatError):  # unheard of, it ends by itself within one lease time
                self._portal.api.give_back(self.lease_id)
        self._step(self.keeper.gave_back)

    @property
    def is_borrowed(self) -> bool:
        """Whether the seat is this computer's until a day, with or without a network."""
        return self.answer is not None and self.answer.state == BORROWED

    def borrow(self, until: datetime) -> None:
        """Take the seat along: until then it counts without a network, and after this program has ended.

        :raise Refused: BorrowTooLong, BorrowNotAllowed, BorrowLimit.
        """
        with self._asking:
            answer = self._portal.borrow(self.product, self.lease_id, until)
            self.answer = answer
            self._step(lambda: self.keeper.borrowed(answer.lasts, self._clock.monotonic()))
