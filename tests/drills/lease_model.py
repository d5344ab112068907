"""What must hold of seats, in plain words: sets of who holds what, no counter, no database.

A seat is taken by a holder while one of his leases lives; so many holders, and seats held for who waits, fit on a
license. The model is told what happened and says beforehand what may.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

LEASE, WINDOW, COOL_DOWN = timedelta(seconds=600), timedelta(minutes=15), timedelta(seconds=300)
PATIENCE = timedelta(seconds=90)
SEAT, QUEUED = "seat", "queued"


@dataclass
class Pool:
    """A license."""

    product: str
    seats: int
    is_floating: bool
    ends_at: datetime
    is_revoked: bool = False


@dataclass
class Held:
    """A living lease."""

    who: str
    device: str
    line: str
    holder: str
    expires_at: datetime
    ending: tuple[datetime, str] | None = None
    borrowed_until: datetime | None = None

    def is_over(self, now: datetime) -> bool:
        """Whether it is dead."""
        return self.expires_at <= now or (self.ending is not None and self.ending[0] <= now)

    def is_away(self, now: datetime) -> bool:
        """Whether it is borrowed."""
        return self.borrowed_until is not None and self.borrowed_until > now

    def end_by(self, at: datetime, reason: str) -> None:
        """End it at a moment, unless it ends before."""
        if self.ending is None or self.ending[0] > at:
            self.ending = (at, reason)


@dataclass
class Gone:
    """A lease that has ended; `ended_at` when somebody noted it."""

    who: str
    device: str
    line: str
    reason: str
    was_ended: bool  # by an administrator
    ended_at: datetime | None = None
    ending: tuple[datetime, str] | None = None  # the window in which it fell silent, or which ran out
    gave_back: bool = False  # when it was over, before anybody had noted that


@dataclass
class Model:
    """Licenses, permissions, leases and the queue."""

    now: datetime
    lines: dict[str, Pool]
    permits: set[tuple[str, str]]
    disabled: set[str] = field(default_factory=set)
    live: dict[str, Held] = field(default_factory=dict)
    gone: dict[str, Gone] = field(default_factory=dict)
    open_holders: set[tuple[str, str]] = field(default_factory=set)  # line and holder of seats that are not reserved
    queue: dict[str, datetime] = field(default_factory=dict)  # launches that wait, in their order, and their last word
    askers: dict[str, tuple[str, str]] = field(default_factory=dict)  # whose launches they are, and on which device
    late: set[str] = field(default_factory=set)  # launches that did not come for the seat that was held for them

    # ── what happens ──

    def pass_time(self) -> None:
        """End what is over."""
        for uuid in [uuid for uuid, held in self.live.items() if held.is_over(self.now)]:
            held = self.live[uuid]
            silent = "line_expired" if self.lines[held.line].ends_at <= held.expires_at else "expired"
            self.end(uuid, held.ending[1] if held.ending is not None else silent)

    def end(self, uuid: str, reason: str, noted_at: datetime | None = None) -> None:
        """End one lease."""
        held = self.live.pop(uuid)
        was_ended = held.ending is not None and held.ending[1] == "by_admin"
        self.gone[uuid] = Gone(held.who, held.device, held.line, reason, was_ended, noted_at, held.ending)
        if held.holder not in self.holders(held.line):
            self.open_holders.discard((held.line, held.holder))

    def wind_down(self, uuids: list[str], reason: str, gives_up: bool) -> None:
        """Open a window for some leases; with what else they end, a reserved floating seat becomes an open one."""
        for uuid in uuids:
            held = self.live[uuid]
            if gives_up and self.lines[held.line].is_floating:
                self.open_holders.add((held.line, held.holder))
            if not held.is_away(self.now):
                held.end_by(min(self.now + WINDOW, self.lines[held.line].ends_at), reason)

    def go_on(self, line: str, reason: str) -> None:
        """Take windows back."""
        for held in self.live.values():
            if held.line == line and held.ending is not None and held.ending[1] == reason:
                held.ending = None
        for gone in self.gone.values():  # who fell silent within it, unless somebody has noted that
            is_open = gone.ending is not None and gone.ending[1] == reason and gone.ending[0] > self.now
            if gone.line == line and gone.ended_at is None and is_open:
                gone.reason, gone.ending = "expired", None

    def move_end(self, line: str, ends_at: datetime) -> None:
        """A license ends at another moment."""
        self.lines[line].ends_at = ends_at
        mine = [uuid for uuid, held in self.live.items() if held.line == line]
        for held in (self.live[uuid] for uuid in mine):
            held.expires_at = min(held.expires_at, ends_at)
            held.borrowed_until = min(held.borrowed_until, ends_at) if held.borrowed_until else None
        if ends_at > self.now + WINDOW:
            self.go_on(line, "line_expired")
        else:
            self.wind_down(mine, "line_expired", gives_up=False)

    # ── what may happen ──

    def holders(self, line: str) -> set[str]:
        """Whose seats of a license are taken."""
        return {held.holder for held in self.live.values() if held.line == line}

    def reservations(self, line: str) -> int:
        """How many seats of a license are kept for somebody."""
        return sum(1 for _who, which in self.permits if which == line)

    def is_cooling(self, who: str, device: str, line: str) -> bool:
        """Whether an administrator has just ended a session of his there; a station's devices are apart."""
        is_station = who == "lab"

        def same(each: Held | Gone) -> bool:
            return each.line == line and each.who == who and (not is_station or each.device == device)

        running = any(same(each) and each.ending is not None and each.ending[1] == "by_admin"
                      for each in self.live.values())  # fmt: skip
        return running or any(
            same(each) and each.was_ended and (each.ended_at is None or each.ended_at > self.now - COOL_DOWN)
            for each in self.gone.values()
        )

    def usable(self, who: str, device: str, product: str) -> list[str]:
        """The licenses of a product that give him seats now, as far as his rights go."""
        if who in self.disabled:
            return []
        return [
            name
            for name, line in self.lines.items()
            if line.product == product and not line.is_revoked and line.ends_at > self.now
            and not self.is_cooling(who, device, name)
            and (line.is_floating or (who, name) in self.permits)
        ]  # fmt: skip

    def free(self, line: str, held_for_others: int, reserved: bool) -> int:
        """How many more seats of a license could be taken."""
        pool, holders = self.lines[line], self.holders(line)
        free = pool.seats - len(holders) - held_for_others
        if not reserved:
            open_ = sum((line, holder) in self.open_holders for holder in holders) + held_for_others
            free = min(free, pool.seats - self.reservations(line) - open_)
        return max(0, free)

    def waiting(self, uuid: str, offered: set[str]) -> int:
        """How many are served before this launch; a device once, however many of its launches wait."""
        waits = [each for each, said in self.queue.items() if said > self.now - PATIENCE and each not in self.late]
        ahead = waits[: waits.index(uuid) if uuid in waits else None]
        return len({self.askers[each] for each in ahead} - {self.askers[each] for each in offered})

    def may_answer(
        self, uuid: str, who: str, device: str, product: str, queue: bool, offers: dict[str, str]
    ) -> set[str]:
        """What a question may be answered with; `offers` are the launches for which a seat is held, and where."""
        self.askers.setdefault(uuid, (who, device))
        if (held := self.live.get(uuid)) is not None:
            return self._kept(held, who, device, product)
        ended = self.gone.get(uuid)
        if ended is not None and (conflict := self._conflict(ended, who, device, product)) is not None:
            return {conflict}
        if ended is not None and ended.reason not in ("expired", "line_expired"):
            return {f"lease_ended {ended.reason}"}
        may = self._new(uuid, who, device, product, queue, offers)
        if ended is not None and self.lines[ended.line].ends_at <= self.now and may != {SEAT}:
            return may | {"lease_ended line_expired"}  # whether it fell silent before is not told apart
        return may

    def _conflict(self, lease: Held | Gone, who: str, device: str, product: str) -> str | None:
        if lease.who != who or self.lines[lease.line].product != product:
            return "lease_id_conflict"
        return "device_conflict" if lease.device != device else None

    def _kept(self, held: Held, who: str, device: str, product: str) -> set[str]:
        if (conflict := self._conflict(held, who, device, product)) is not None:
            return {conflict}
        if who in self.disabled and not self.lines[held.line].is_revoked:
            return {"membership_disabled"}
        return {SEAT}

    def _new(self, uuid: str, who: str, device: str, product: str, queue: bool, offers: dict[str, str]) -> set[str]:
        if who in self.disabled:
            return {"membership_disabled"}
        usable = self.usable(who, device, product)
        if not usable:
            cooling = any(self.is_cooling(who, device, name) for name in self._rights(who, product))
            return {"cooling_down" if cooling else "no_permission"}
        full = {"no_seat_available"}
        if any(self._holds(who, device, line) for line in usable):
            return {SEAT}
        if not self.lines[usable[0]].is_floating:
            if f"{who}" in self.holders(usable[0]):
                return {"device_limit"}
            return {SEAT} if self.free(usable[0], 0, reserved=True) else full
        full = {QUEUED} if queue else full
        if any(self.is_cooling(who, device, name) for name in self._rights(who, product)) and not queue:
            full = {"cooling_down"}
        if offers.get(uuid) in usable or any(self._is_kept(who, line, offers) for line in usable):
            return {SEAT}
        free = sum(self.free(line, list(offers.values()).count(line), reserved=False) for line in usable)
        waiting = self.waiting(uuid, set(offers))
        if free > waiting:
            return {SEAT}
        return full if not free or self._all_may(product) else full | {SEAT}

    def _rights(self, who: str, product: str) -> list[str]:
        """The licenses of a product that he could use but for a cool-down."""
        return [
            name
            for name, line in self.lines.items()
            if line.product == product and not line.is_revoked and line.ends_at > self.now
            and (line.is_floating or (who, name) in self.permits)
        ]  # fmt: skip

    def _holds(self, who: str, device: str, line: str) -> bool:
        return any(
            held.line == line and held.who == who and held.device == device
            and (held.holder != who or (who, line) in self.permits)
            for held in self.live.values()
        )  # fmt: skip

    def _is_kept(self, who: str, line: str, offers: dict[str, str]) -> bool:
        """Whether a seat is kept for him, and not in use."""
        if (who, line) not in self.permits or who in self.holders(line):
            return False
        return self.free(line, list(offers.values()).count(line), reserved=True) > 0

    def _all_may(self, product: str) -> bool:
        """Whether whoever waits may take any seat of the product, so that all free ones are held for them."""
        names = [name for name, line in self.lines.items() if line.product == product]
        return not any(each.was_ended and each.line in names for each in self.gone.values()) and not any(
            held.ending is not None and held.ending[1] == "by_admin" for held in self.live.values()
        )
