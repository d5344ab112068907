"""Whatever people do, in whatever order: afterwards the books are right, on both databases.

The rules alone, thousands of orders in seconds; `drills/test_machine.py` goes through the pages.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from core.activity import COMMAND
from core.audit import faults
from core.errors import RuleBroken
from models import Account, License, Member
from tests.kestrel import Kestrel

PEOPLE = ["alice", "carol", "bob", "dora", "dave", "erin"]
LINES = ["annual", "perpetual", "cloud", "network", "three_years", "expired"]
KEYS = ["personal", "shared", "floating", "mixed"]
Step = tuple[str, str, str, str, int]

#: Deed → what it does with a person, whoever acts, a license, and a small number.
DEEDS: dict[str, Callable[[Kestrel, Member, str, str, int], object]] = {
    "give": lambda k, m, who, line, n: line_of(k, line).give(m, k.by(who), k.now),
    "take": lambda k, m, who, line, n: line_of(k, line).take(m, k.by(who), k.now),
    "move": lambda k, m, who, line, n: line_of(k, line).move(m, k.by(who), k.now),
    "disable": lambda k, m, who, line, n: m.disable(k.by(who), acting(k, who), k.now),
    "enable": lambda k, m, who, line, n: m.enable(k.by(who), k.now),
    "restore": lambda k, m, who, line, n: m.restore(k.by(who), k.now),
    "remove": lambda k, m, who, line, n: m.remove(k.by(who), acting(k, who), k.now),
    "leave": lambda k, m, who, line, n: m.leave(k.by(who), k.now),
    "appoint": lambda k, m, who, line, n: m.make_co_administrator(holder(k), k.by(who), acting(k, who), k.now),
    "dismiss": lambda k, m, who, line, n: m.make_member(k.by(who), k.now),
    "confirm": lambda k, m, who, line, n: m.confirm(invited(k, m), COMMAND, k.now),
    "decline": lambda k, m, who, line, n: m.decline(k.by(who), k.now),
    "transfer": lambda k, m, who, line, n: k.organization.transfer(m, COMMAND, k.now),
    "invite": lambda k, m, who, line, n: k.invite(f"{PEOPLE[n % 6]}@example.com", who),
    "redeem": lambda k, m, who, line, n: k.key(KEYS[n % 4]).redeem(k.organization, k.by(who), k.now, k.today),
    "keep": lambda k, m, who, line, n: k.key(KEYS[n % 4]).redeem(k.account(who), k.by(who), k.now, k.today),
    "revoke": lambda k, m, who, line, n: k.license(line).key.revoke(COMMAND, k.now),
    "reinstate": lambda k, m, who, line, n: k.license(line).key.reinstate(COMMAND, k.now),
    "release": lambda k, m, who, line, n: k.license(line).key.release(COMMAND, k.now),
    "reduce": lambda k, m, who, line, n: reduce(k, line, n),
    "lengthen": lambda k, m, who, line, n: lengthen(k, line, n),
    "edit": lambda k, m, who, line, n: k.organization.edit(
        {"name": f"K{n}", "zone": ["UTC", "Asia/Tokyo"][n % 2]}, k.by(who), k.now
    ),
}
steps = st.lists(
    st.tuples(
        st.sampled_from(sorted(DEEDS)),
        st.sampled_from(PEOPLE),
        st.sampled_from(PEOPLE[:3]),
        st.sampled_from(LINES),
        st.integers(0, 5),
    ),
    min_size=4,
    max_size=14,
)


def line_of(kestrel: Kestrel, name: str) -> License:
    """The license as a page finds it: only while it is the organization's."""
    return kestrel.organization.license(kestrel.cast.license[name])


def newest(kestrel: Kestrel, name: str) -> Member:
    """The live member that somebody is; else the one he was."""
    email = f"{name}@example.com"
    kestrel.session.flush()
    live = kestrel.session.query(Member).filter_by(email_key=email, organization_id=kestrel.cast.organization_id)
    return live.filter(Member.ended_at.is_(None)).one_or_none() or kestrel.member("bob" if name == "erin" else name)


def acting(kestrel: Kestrel, who: str) -> Member:
    return newest(kestrel, who)


def holder(kestrel: Kestrel) -> int | None:
    found = kestrel.organization.holder_of("co-administrator")
    return found.id if found else None


def invited(kestrel: Kestrel, member: Member) -> Account:
    return Account.by_email(kestrel.session, member.email) or kestrel.account("erin")


def reduce(kestrel: Kestrel, line: str, seats: int) -> None:
    license = kestrel.license(line)
    license.key.extend(COMMAND, kestrel.now, position=license.position, seats=seats)


def lengthen(kestrel: Kestrel, line: str, days: int) -> None:
    license = kestrel.license(line)
    end = kestrel.today + timedelta(days=days - 1)
    license.key.extend(COMMAND, kestrel.now, position=license.position, end=end)


def do(kestrel: Kestrel, step: Step) -> None:
    """Do one thing as a view does: whole, or not at all."""
    deed, name, who, line, number = step
    savepoint = kestrel.session.begin_nested()
    try:
        DEEDS[deed](kestrel, newest(kestrel, name), who, line, number)
        savepoint.commit()
    except RuleBroken:
        savepoint.rollback()


def test_books_are_right_whatever_is_done(kestrel: Kestrel) -> None:
    @settings(
        max_examples=40,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(steps)
    def whatever(done: list[Step]) -> None:
        try:
            for step in done:
                do(kestrel, step)
            kestrel.session.flush()
            assert faults(kestrel.session) == []
        finally:
            kestrel.session.rollback()

    whatever()
