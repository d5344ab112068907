"""Programs come, crash, wait and borrow while administrators and the vendor take their rights away and give them back.

Whatever the order: every answer is one that a plain model allows, what lives is what the model says, and the books are
right after every step.
"""

from __future__ import annotations

import contextlib
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flask import Flask
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core import windows
from core.db import db
from core.denials import Denied
from core.errors import RuleBroken
from core.leases import BY_ADMIN, WRITTEN_OFF, Lease, Ticket
from core.seats import borrowing, ending, sweeping
from core.seats.request import Seat
from models import License, Organization
from tests.cast import Cast
from tests.drills.lease_model import LEASE, QUEUED, SEAT, Gone, Held, Model, Pool
from tests.figures import Figure
from tests.kestrel import Kestrel
from tests.seat_desk import SeatDesk, wrong_books

PEOPLE = ["bob", "carol", "alice"]
LINES = {"annual": "draft", "perpetual": "draft", "cloud": "render", "network": "render"}
FOREVER = datetime.max.replace(tzinfo=UTC)
#: What happens, and how often: mostly programs ask, and what is taken away comes back soon.
DEEDS = {
    "start": 8, "ask_again": 9, "ask_with_a_strange_number": 1, "give_back": 6, "wait": 6, "borrow": 1,
    "end_session": 2, "disable": 1, "enable_all": 2, "permit": 2, "take_permission": 1, "change_seats": 1,
    "revoke": 1, "reinstate": 3, "move_end": 1,
}  # fmt: skip
#: Who is there already: every open seat is taken, some by two copies, and two wait.
CROWD = (
    ("lab", "one", "render"), ("lab", "one", "render"), ("lab", "two", "render"), ("bob", "one", "draft"),
    ("bob", "one", "draft"), ("alice", "one", "render"), ("lab", "three", "render"),
)  # fmt: skip
# Made once: what every step looks at.
LEASES = select(Lease.uuid, Lease.expires_at, Lease.ending_at, Lease.ended_at, Lease.ended_reason)
TICKETS = select(Ticket.uuid, Ticket.license_id, Ticket.offered_until).order_by(Ticket.id)
WAITS = [1, 5, 20, 20, 30, 30, 30, 61, 61, 61, 200, 301, 601]


@dataclass(frozen=True)
class Chance:
    """What is drawn for one step; each deed takes what it needs."""

    number: int
    who: str
    device: str
    line: str
    flag: bool

    def of(self, choices: list[int]) -> int:
        """One of some numbers."""
        return choices[self.number % len(choices)]


chances = st.builds(
    Chance, number=st.integers(0, 99), who=st.sampled_from([*PEOPLE, "bob", "lab", "lab"]),
    device=st.sampled_from(["one", "two", "three"]), line=st.sampled_from(["cloud", "network", *LINES]),
    flag=st.booleans(),
)  # fmt: skip


class Machine(RuleBasedStateMachine):
    """One rule for all deeds, for of several some would be left out of each play."""

    def __init__(self, session: Session, cast: Cast) -> None:
        super().__init__()
        self.session, self.desk, self.kestrel = session, SeatDesk(session, cast), Kestrel(session, cast)
        for name, seats in {"cloud": 2, "network": 1, "annual": 2}.items():
            self.desk.license(name).seats = seats
        self.desk.station("lab", "render")
        self.names = {id_: name for name, id_ in cast.license.items()}
        self.launches: list[tuple[str, str, str, str]] = []
        self.steps, self.outcomes = 0, Counter[str]()
        self.used = dict.fromkeys(LINES, 0)
        pools = {name: self.pool(name) for name in LINES}
        self.model = Model(self.desk.now, pools, {("bob", "annual"), ("carol", "cloud")})
        for who, device, product in CROWD:
            self.launches.append((f"u{len(self.launches)}", who, device, product))
            self.ask(*self.launches[-1], queue=True)

    @rule(deed=st.sampled_from([name for name, weight in DEEDS.items() for _ in range(weight)]), chance=chances)
    def play(self, deed: str, chance: Chance) -> None:
        getattr(self, deed)(chance)

    def pool(self, name: str) -> Pool:
        row = self.desk.license(name)
        return Pool(LINES[name], row.seats, row.is_floating, row.ends_at or FOREVER)

    @invariant()
    def books_are_right(self) -> None:
        assert wrong_books(self.session) == []
        self.compare()
        offers = list(self.offers().values())
        for name, pool in self.model.lines.items():
            used = len(self.model.holders(name)) + offers.count(name)
            assert used <= max(pool.seats, self.used[name]), (name, used, pool.seats)
            self.used[name] = used
        self.session.rollback()
        self.steps += 1

    # ── programs ──

    def start(self, chance: Chance) -> None:
        """A new launch; every third one is a copy of what runs."""
        who, device, product = chance.who, chance.device, "render" if chance.who == "lab" else LINES[chance.line]
        if chance.number % 3 == 0 and (alive := self.one_alive(chance)) is not None:
            _uuid, who, device, product = alive
        self.launches.append((f"u{len(self.launches)}", who, device, product))
        self.ask(*self.launches[-1], queue=chance.flag)

    def ask_again(self, chance: Chance) -> None:
        """A renewal, a poll of the queue, or a program that comes back."""
        self.ask(*self.launch(chance), queue=chance.flag)

    def ask_with_a_strange_number(self, chance: Chance) -> None:
        known = [each for each in self.launches if each[0] in {*self.model.live, *self.model.gone}]
        if known and chance.who != "lab":
            uuid = known[chance.number % len(known)][0]
            self.ask(uuid, chance.who, chance.device, LINES[chance.line], queue=False)

    def give_back(self, chance: Chance) -> None:
        """Who runs, or was offered a seat; a few come twice, or never had one."""
        offered, live = self.offers(), self.model.live
        rather = [each for each in self.launches if each[0] in (offered if chance.flag and offered else live)]
        uuid, who, device, _product = self.launch(chance, rather if chance.number % 4 else [])
        with contextlib.suppress(Denied):  # a launch that was refused before it was known
            self.desk.give_back(who, uuid, device)
        self.session.rollback()
        self.model.queue.pop(uuid, None)
        if uuid in self.model.live:
            self.model.end(uuid, "given_back", self.desk.now)
        elif uuid in self.model.gone:
            self.model.gone[uuid].gave_back = True

    def wait(self, chance: Chance) -> None:
        self.desk.later += chance.of(WAITS)
        self.model.now = self.desk.now
        self.model.pass_time()
        if chance.flag:
            sweeping.sweep_due(self.session, self.desk.now)

    def borrow(self, chance: Chance) -> None:
        if (alive := self.one_alive(chance)) is None:
            return
        uuid, who, device, _product = alive
        until = self.desk.now + timedelta(hours=chance.of([1, 2, 24]))
        try:
            borrowing.borrow(self.session, self.desk.caller(who, device), uuid, until, self.desk.now)
        except Denied:
            self.session.rollback()
            return
        self.session.commit()
        held = self.model.live[uuid]
        assert held.ending is None
        assert who not in self.model.disabled
        held.expires_at = held.borrowed_until = until

    # ── administrators ──

    def end_session(self, chance: Chance) -> None:
        if (alive := self.one_alive(chance)) is None:
            return
        uuid, window = alive[0], chance.of([0, 10, 60, 900])
        held, at = self.model.live[uuid], self.desk.now + timedelta(seconds=window)
        if held.is_away(self.desk.now):
            self.act(lambda session, by: ending.write_off(session, self.here, self.id_of(uuid), by, self.desk.now))
            self.model.end(uuid, WRITTEN_OFF, self.desk.now)
            return
        self.act(
            lambda session, by: ending.end_session(session, self.here, self.id_of(uuid), by, "", window, self.desk.now)
        )
        held.ending = (min(at, held.ending[0]) if held.ending is not None else at, BY_ADMIN)
        if not window:
            self.model.end(uuid, BY_ADMIN, self.desk.now)

    def disable(self, chance: Chance) -> None:
        who = "carol" if chance.flag else "bob"
        self.act(lambda _session, by: self.kestrel.member(who).disable(by, self.kestrel.alice, self.desk.now))
        if who not in self.model.disabled:
            self.model.disabled.add(who)
            self.model.permits = {each for each in self.model.permits if each[0] != who}
            self.model.wind_down(self.of(who), "membership_disabled", gives_up=True)
            for uuid, owner, _device, _product in self.launches:
                if owner == who:
                    self.model.queue.pop(uuid, None)

    def enable_all(self, _chance: Chance) -> None:
        for who in sorted(self.model.disabled):
            self.act(lambda _session, by, who=who: self.kestrel.member(who).enable(by, self.desk.now))
        self.model.disabled.clear()

    def permit(self, chance: Chance) -> None:
        who, line = PEOPLE[chance.number % 3], chance.line
        if self.act(lambda _session, by: self.kestrel.license(line).give(self.kestrel.member(who), by, self.desk.now)):
            self.model.permits.add((who, line))

    def take_permission(self, chance: Chance) -> None:
        permits = sorted(self.model.permits)
        who, line = permits[chance.number % len(permits)] if permits else ("alice", "cloud")
        self.act(lambda _session, by: self.kestrel.license(line).take(self.kestrel.member(who), by, self.desk.now))
        if (who, line) in self.model.permits:
            self.model.permits.discard((who, line))
            mine = [uuid for uuid, held in self.model.live.items() if (held.line, held.holder) == (line, who)]
            self.model.wind_down(mine, "permission_withdrawn", gives_up=True)

    # ── the vendor ──

    def change_seats(self, chance: Chance) -> None:
        line, seats = chance.line, chance.of([0, 1, 2, 2, 3])
        row = self.kestrel.license(line)
        self.act(lambda _session, by: row.key.extend(by, self.desk.now, position=row.position, seats=seats))
        self.model.lines[line].seats = seats
        self.note_end(line)

    def revoke(self, _chance: Chance) -> None:
        self.act(lambda _session, by: self.kestrel.license("cloud").key.revoke(by, self.desk.now))
        if not self.model.lines["cloud"].is_revoked:
            for name in ("cloud", "network"):
                self.model.lines[name].is_revoked = True
            mine = [uuid for uuid, held in self.model.live.items() if held.line in ("cloud", "network")]
            self.model.wind_down(mine, "key_revoked", gives_up=False)

    def reinstate(self, _chance: Chance) -> None:
        self.act(lambda _session, by: self.kestrel.license("cloud").key.reinstate(by, self.desk.now))
        if self.model.lines["cloud"].is_revoked:
            for name in ("cloud", "network"):
                self.model.lines[name].is_revoked = False
                self.model.go_on(name, "key_revoked")

    def move_end(self, chance: Chance) -> None:
        line = chance.line
        ends_at, id_ = (
            self.desk.now + timedelta(seconds=chance.of([200, 1200, 86_400, 86_400])),
            self.desk.cast.license[line],
        )
        self.session.execute(update(License).where(License.id == id_).values(ends_at=ends_at))
        windows.end_with_license(self.session, [id_], self.desk.now)
        self.session.commit()
        self.model.move_end(line, ends_at)

    # ── how ──

    def ask(self, uuid: str, who: str, device: str, product: str, queue: bool) -> None:
        self.model.late = self.held().keys() - self.offers().keys()
        may = self.model.may_answer(uuid, who, device, product, queue, self.offers())
        self.session.rollback()
        try:
            found = self.desk.ask(who, uuid, product, device, queue=queue, seq=self.steps)
            got = SEAT if isinstance(found, Seat) else QUEUED
        except Denied as refused:
            got = " ".join(filter(None, (refused.code, refused.facts.get("reason"))))
        assert got in may, (got, may)
        self.outcomes[got] += 1
        if uuid in self.model.live and got in (SEAT, "membership_disabled"):
            self.renewed(uuid)
        elif got == SEAT:
            self.begun(uuid, who, device)
        if got == QUEUED:
            self.model.queue[uuid] = self.desk.now
        elif got != "lease_id_conflict":
            self.model.queue.pop(uuid, None)

    def renewed(self, uuid: str) -> None:
        held = self.model.live[uuid]
        until = min(self.desk.now + LEASE, self.model.lines[held.line].ends_at)
        if held.is_away(self.desk.now):
            held.expires_at = max(until, held.borrowed_until or until)
            return
        held.borrowed_until = None
        held.expires_at = min(until, held.ending[0]) if held.ending is not None else until

    def begun(self, uuid: str, who: str, device: str) -> None:
        """Note what was given; whether it may be is seen at the end of the step."""
        row = self.desk.lease(uuid)
        line = self.names[row.license_id]
        holder = who if row.holder.count(":") == 0 else f"{who}:{device}"
        if holder == who:
            assert (who, line) in self.model.permits
        elif holder not in self.model.holders(line):
            self.model.open_holders.add((line, holder))
        until = min(self.desk.now + LEASE, self.model.lines[line].ends_at)
        self.model.gone.pop(uuid, None)
        self.model.live[uuid] = Held(who, device, line, holder, until)

    def act(self, deed: Callable[..., object]) -> bool:
        """Do something as an administrator does, or be refused."""
        try:
            Organization.locked(self.session, self.here)
            deed(self.session, self.kestrel.by("alice"))
            self.session.commit()
        except RuleBroken:
            self.session.rollback()
            return False
        return True

    @property
    def here(self) -> int:
        return self.desk.cast.organization_id

    def launch(self, chance: Chance, rather: Sequence[tuple[str, str, str, str]] = ()) -> tuple[str, str, str, str]:
        """One of the newest launches, or of those that are rather to be had."""
        some = rather or self.launches[-8:]
        return some[chance.number % len(some)]

    def one_alive(self, chance: Chance) -> tuple[str, str, str, str] | None:
        """A launch that has a seat."""
        alive = [each for each in self.launches if each[0] in self.model.live]
        return alive[chance.number % len(alive)] if alive else None

    def of(self, who: str) -> list[str]:
        return [uuid for uuid, held in self.model.live.items() if held.who == who]

    def id_of(self, uuid: str) -> int:
        return self.desk.lease(uuid).id

    def note_end(self, line: str) -> None:
        row = self.desk.license(line)
        if row.ends_at is not None and row.ends_at != self.model.lines[line].ends_at:
            self.model.move_end(line, row.ends_at)

    def offers(self) -> dict[str, str]:
        """For which launches a seat is held, and where."""
        return {uuid: name for uuid, (name, until) in self.held().items() if until > self.desk.now}

    def held(self) -> dict[str, tuple[str, datetime]]:
        """Where and until when seats were held for launches, late ones too."""
        rows = [row for row in self.session.connection().execute(TICKETS) if row.license_id is not None]
        return {row.uuid: (self.names[row.license_id], row.offered_until) for row in rows}

    def compare(self) -> None:
        """What lives is what the model says, and so is why the rest has ended."""
        rows = self.session.connection().execute(LEASES).all()
        over = [row for row in rows if row.ended_at is not None]
        alive = {row.uuid: (row.expires_at, row.ending_at) for row in rows if row.ended_at is None}
        for uuid, gone in self.model.gone.items():
            if uuid in alive:  # nobody has noted it yet
                expires_at, ending_at = alive.pop(uuid)
                assert min(expires_at, ending_at or expires_at) <= self.desk.now or self.is_beyond(gone), uuid
        assert alive == {uuid: (held.expires_at, held.ending and held.ending[0])
                         for uuid, held in self.model.live.items()}  # fmt: skip
        for row in over:
            gone = self.model.gone[row.uuid]
            gone.ended_at = row.ended_at
            if gone.gave_back:
                gone.reason = row.ended_reason
            same = {"expired", "line_expired"}
            assert row.ended_reason == gone.reason or {row.ended_reason, gone.reason} <= same, row.uuid
            gone.reason = row.ended_reason
        waiting = [row.uuid for row in self.session.connection().execute(TICKETS)]
        assert set(waiting) <= set(self.model.queue)
        self.model.queue = {uuid: self.model.queue[uuid] for uuid in waiting}

    def is_beyond(self, gone: Gone) -> bool:
        return self.model.lines[gone.line].ends_at <= self.desk.now


def test_seats_are_what_the_model_says(
    bare_app: Flask, cast: Cast, put_back: Callable[[], None], drilling: bool, figure: Figure
) -> None:
    """8 × 64 steps on each database; drilling, 204 × 50 from a seed of the day."""
    number = secrets.randbelow(2**32) if drilling else 3
    machines: list[Machine] = []
    with bare_app.app_context():

        class Fresh(Machine):
            def __init__(self) -> None:
                db.session.rollback()
                db.session.expunge_all()
                put_back()
                super().__init__(db.session, cast)
                machines.append(self)

        length = settings(
            max_examples=204 if drilling else 8, stateful_step_count=51 if drilling else 65, derandomize=not drilling,
            database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        figure("seed", number)
        run_state_machine_as_test(seed(number)(Fresh) if drilling else Fresh, settings=length)
    steps = sum(each.steps - 1 for each in machines)
    figure("steps", steps)
    figure("outcomes", dict(sum((each.outcomes for each in machines), Counter())))
    assert steps >= (10_000 if drilling else 500)
