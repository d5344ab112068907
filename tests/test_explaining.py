"""Whatever happened before: what is explained is what a program on a new device gets, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from core.activity import COMMAND
from core.denials import Denied
from core.errors import Missing, RuleBroken
from core.grants import TokenFamily
from core.leases import Lease
from core.seats import ending, freeing, taking
from core.seats.asking import Asking, Caller
from core.seats.explaining import OF_LICENSE, Answer, Chain, Promise, explain
from core.seats.request import Raced, Seat
from models import License
from tests.kestrel import Kestrel

PEOPLE = ["bob", "alice", "carol", "dora"]
LINES = ["annual", "perpetual", "cloud", "network", "three_years"]
PRODUCTS = ["draft", "render", "hub"]
EXAMPLES = 30
Step = tuple[str, str, str, str, int, int]


class Scene:
    """Kestrel Works with programs that run, at a time that goes on."""

    def __init__(self, kestrel: Kestrel) -> None:
        self.kestrel, self.session, self.now, self.asked = kestrel, kestrel.session, kestrel.now, 0

    def ask(self, who: str, product: str, device: str, *, queue: bool = False) -> object:
        """A launch of a program, as one of the cast's, in the test's transaction."""
        self.asked += 1
        player = self.kestrel.cast.player(who)
        family = TokenFamily(account_id=player.account_id, organization_id=self.kestrel.cast.organization_id,
                             client_name="x", made_at=self.now)  # fmt: skip
        self.session.add(family)
        self.session.flush()
        caller = Caller(family.organization_id, family.id, player.account_id)
        return taking.answered(self.session, caller, Asking(f"u{self.asked}", product, device, queue=queue), self.now,
                               is_locked=True)  # fmt: skip

    def line(self, name: str) -> License:
        """One of the organization's licenses."""
        return self.kestrel.organization.license(self.kestrel.cast.license[name])

    def lease(self, number: int) -> Lease:
        """One that lives."""
        live = list(self.session.scalars(select(Lease).where(*Lease.LIVE).order_by(Lease.id)))
        if not live:
            raise RuleBroken("nothing runs")
        return live[number % len(live)]

    def end(self, number: int) -> None:
        """End one by an administrator, with a window or at once."""
        ending.end_session(self.session, self.kestrel.cast.organization_id, self.lease(number).id, COMMAND, "",
                           number % 3 * 300, self.now)  # fmt: skip

    def give_back(self, number: int) -> None:
        """A program stops."""
        lease = self.lease(number)
        freeing.end(self.session, lease.license_id, Lease.id == lease.id, "given_back", self.now)

    def renew(self, number: int) -> None:
        """A program gives a sign of life."""
        self.lease(number).expires_at = self.now + timedelta(minutes=10)

    def float(self, product: str, seats: int) -> None:
        """Add a floating license of a product."""
        key = self.kestrel.new_key("flex-cloud", 1 + seats % 2, product, seats % 3 - 1)
        key.redeem(self.kestrel.organization, COMMAND, self.now, self.kestrel.today)

    def keep(self, who: str, product: str, start: int) -> None:
        """Let somebody have a license of his own."""
        key = self.kestrel.new_key("annual", 1, product, start % 2)
        key.redeem(self.kestrel.account(who), COMMAND, self.now, self.kestrel.today)

    def resize(self, line: str, seats: int) -> None:
        """The vendor changes the seats."""
        license = self.line(line)
        license.key.extend(COMMAND, self.now, position=license.position, seats=seats % 3)

    def date(self, line: str, days: int) -> None:
        """Let a license start or end on another day."""
        license = self.line(line)
        license.starts_at = self.now + timedelta(days=days - 4)
        if license.end_on is not None and days < 3:
            license.ends_at = self.now + timedelta(minutes=days * 5)


DEEDS: dict[str, Callable[[Scene, str, str, str, int], object]] = {
    "ask": lambda s, who, product, line, n: s.ask(who, product, f"d{n % 3}"),
    "ask again": lambda s, who, product, line, n: s.ask(who, product, f"d{n}"),
    "wait": lambda s, who, product, line, n: s.ask(who, product, f"d{n}", queue=True),
    "renew": lambda s, who, product, line, n: s.renew(n),
    "give back": lambda s, who, product, line, n: s.give_back(n),
    "end": lambda s, who, product, line, n: s.end(n),
    "give": lambda s, who, product, line, n: s.line(line).give(s.kestrel.member(who), COMMAND, s.now),
    "take": lambda s, who, product, line, n: s.line(line).take(s.kestrel.member(who), COMMAND, s.now),
    "disable": lambda s, who, product, line, n: s.kestrel.member(who).disable(COMMAND, s.kestrel.alice, s.now),
    "enable": lambda s, who, product, line, n: s.kestrel.member(who).enable(COMMAND, s.now),
    "remove": lambda s, who, product, line, n: s.kestrel.member(who).remove(COMMAND, s.kestrel.alice, s.now),
    "block": lambda s, who, product, line, n: n == 5 and s.kestrel.account(who).block(COMMAND, s.now),
    "float": lambda s, who, product, line, n: s.float(product, n),
    "keep": lambda s, who, product, line, n: s.keep(who, product, n),
    "resize": lambda s, who, product, line, n: s.resize(line, n),
    "date": lambda s, who, product, line, n: s.date(line, n),
    "revoke": lambda s, who, product, line, n: s.line(line).key.revoke(COMMAND, s.now),
    "sweep": lambda s, who, product, line, n: freeing.sweep(s.session, s.line(line).id, s.now),
}
steps = st.lists(
    st.tuples(
        st.sampled_from([*["ask", "ask again", "wait"] * 3, *sorted(DEEDS)]),
        st.sampled_from(PEOPLE),
        st.sampled_from(PRODUCTS),
        st.sampled_from(LINES),
        st.integers(0, 7),
        st.sampled_from([0, 0, 1, 2, 8, 11]),
    ),
    min_size=3,
    max_size=16,
)


def do(scene: Scene, step: Step) -> None:
    """Do one thing, whole or not at all, and let time pass."""
    deed, who, product, line, number, minutes = step
    savepoint = scene.session.begin_nested()
    try:
        DEEDS[deed](scene, who, product, line, number)
        scene.session.flush()
        savepoint.commit()
    except (Denied, RuleBroken, IntegrityError, Raced):
        savepoint.rollback()
    scene.now += timedelta(minutes=minutes)


def told(scene: Scene, who: str, product: str) -> tuple[object, ...]:
    """What a program on a new device is answered; afterwards nothing has happened."""
    savepoint = scene.session.begin_nested()
    try:
        seat = scene.ask(who, product, "never seen")
        assert isinstance(seat, Seat)
        return seat.license_id, seat.kind
    except Denied as denied:
        return denied.code, str(denied)
    finally:
        savepoint.rollback()


def explained(scene: Scene, who: str, product: str) -> tuple[object, ...]:
    """Where the chain of the same person and product leads."""
    cast = scene.kestrel.cast
    chain = explain(scene.session, cast.organization_id, cast.player(who).account_id, product, scene.now)
    assert is_sound(chain)
    if isinstance(chain.outcome, Promise):
        return chain.outcome.license_id, chain.outcome.kind
    return chain.code, chain.sentence


def is_sound(chain: Chain) -> bool:
    """After a no of a license nothing of it is reached; a sentence stands with every step that is."""
    for _line, found in chain.by_license:
        answers = [step.answer for step in found]
        assert [step.key for step in found] == list(OF_LICENSE)
        assert answers == sorted(answers, key=[Answer.YES, Answer.NO, Answer.NOT_REACHED].index)
        assert answers.count(Answer.NO) <= 1
    return all(bool(step.sentence) == (step.answer is not Answer.NOT_REACHED) for step in chain.steps)


def test_what_is_explained_is_what_a_program_gets(kestrel: Kestrel) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(steps, st.sampled_from([*PEOPLE, "erin"]))
    def whatever(done: list[Step], who: str) -> None:
        scene = Scene(kestrel)
        try:
            for step in done:
                do(scene, step)
            for product in (*PRODUCTS, "nothing"):
                assert explained(scene, who, product) == told(scene, who, product), (who, product)
        finally:
            kestrel.session.rollback()

    whatever()


def test_nobody_is_explained_who_does_not_exist(kestrel: Kestrel) -> None:
    with pytest.raises(Missing):
        explain(kestrel.session, None, 10**6, "draft", kestrel.now)
