"""Whatever two organizations and the vendor do, in whatever order and by whichever page: no rule is ever broken.

Every deed goes through the whole application, the ones that must be refused too. After each the books are right as
plain SQL says it, a refusal has its sentence and left nothing, and what changed stands in Activity.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from flask import Flask
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy.orm import Session

from tests.cast import Cast
from tests.drills.scene import HEADS, Scene, let_go, link
from tests.figures import Figure

NAMES = ["alice", "carol", "bob", "dora", "dave", "mallory", "erin", "otto"]
ADDRESSES = [f"{name}{more}@example.com" for name in (*NAMES, "stranger") for more in ("", ".new")]
#: Mostly those who may, or nothing would ever happen; sometimes anybody.
acting = st.sampled_from([*HEADS[:1] * 5, *HEADS[1:] * 3, *NAMES])
people = st.sampled_from(NAMES)
#: The vendor, or once in a while somebody who is not.
vendor = st.sampled_from(["otto"] * 7 + ["alice"])
numbers = st.integers(0, 59)
MOST_KEYS = 16


class Machine(RuleBasedStateMachine):
    """One rule a deed; who it is about is drawn by number from those who are there."""

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self.scene, self.steps, self.vendor_reduced = scene, 0, False

    @invariant()
    def no_rule_is_broken(self) -> None:
        self.scene.check(self.vendor_reduced)
        self.steps, self.vendor_reduced = self.steps + 1, False

    # ── the list of users ──

    @rule(by=acting, harbor=st.booleans(), emails=st.lists(st.sampled_from([*ADDRESSES, "nobody"]), min_size=1,
          max_size=4), htmx=st.booleans())  # fmt: skip
    def invite(self, by: str, harbor: bool, emails: list[str], htmx: bool) -> None:
        who = self.scene.who(by, self.scene.cast.other_id if harbor else self.scene.cast.organization_id)
        self.scene.do(who, "/admin/users", htmx, self.scene.heads(who), emails="\n".join(emails))

    @rule(by=acting, number=numbers, act=st.sampled_from(
        ["disable", "disable", "enable", "enable", "restore", "resend", "withdraw", "link", "member", "remove"]
    ), htmx=st.booleans())  # fmt: skip
    def act_on_row(self, by: str, number: int, act: str, htmx: bool) -> None:
        row = self.scene.row(number)
        who = self.scene.who(by, row.organization_id)
        may = self.scene.heads(who, row.organization_id)
        answer = self.scene.do(who, f"/admin/users/{row.id}/{act}", htmx, may and not row.ended)
        # Somebody else's users and those who went do not exist; who was cut off meanwhile is led to sign-in.
        assert (may and not row.ended) or answer.status_code in (302, 303, 401, 403, 404), answer.status_code
        if act in ("disable", "remove") and self.scene.player(who).account_id == row.account_id:
            assert answer.status_code >= 300

    @rule(by=acting, number=numbers, stale=st.integers(0, 4), htmx=st.booleans())
    def appoint(self, by: str, number: int, stale: int, htmx: bool) -> None:
        row = self.scene.row(number)
        who = self.scene.who(by, row.organization_id)
        query = "SELECT id FROM member WHERE organization_id = :id AND role = 'co-administrator' AND ended_at IS NULL"
        found = [str(each.id) for each in self.scene.ask(query, id=row.organization_id)]
        replaces = "".join(found) if stale else str(row.id)
        may = self.scene.heads(who, row.organization_id)
        self.scene.do(who, f"/admin/users/{row.id}/co-admin", htmx, may, replaces=replaces)

    # ── permissions and products ──

    @rule(by=acting, number=numbers, line=numbers, act=st.sampled_from(["give", "give", "take", "move"]),
          htmx=st.booleans())  # fmt: skip
    def tick(self, by: str, number: int, line: int, act: str, htmx: bool) -> None:
        row = self.scene.row(number)
        who = self.scene.who(by, row.organization_id)
        license_id = self.scene.license(row.organization_id, line)
        may = self.scene.heads(who, row.organization_id)
        self.scene.do(who, f"/admin/permissions/{license_id}/{row.id}/{act}", htmx, may)

    @rule(number=numbers, htmx=st.booleans())
    def take_back(self, number: int, htmx: bool) -> None:
        query = """SELECT p.license_id, p.member_id, m.organization_id FROM permission p
            JOIN member m ON m.id = p.member_id ORDER BY p.id"""
        if held := self.scene.ask(query):
            license_id, member_id, organization_id = held[number % len(held)]
            who = self.scene.who("administrator", organization_id)
            self.scene.do(who, f"/admin/permissions/{license_id}/{member_id}/take", htmx)

    @rule(number=numbers, htmx=st.booleans())
    def come_and_go(self, number: int, htmx: bool) -> None:
        """Three deeds in their order, which chance alone would seldom find."""
        query = "SELECT member_id, organization_id FROM permission p JOIN member m ON m.id = p.member_id ORDER BY p.id"
        if held := self.scene.ask(query):
            member_id, organization_id = held[number % len(held)]
            who = self.scene.who("administrator", organization_id)
            for act in ("disable", "enable", "restore"):
                self.scene.do(who, f"/admin/users/{member_id}/{act}", htmx)
                self.scene.check(vendor_reduced=False)

    @rule(number=numbers, harbor=st.booleans(), htmx=st.booleans())
    def replace(self, number: int, harbor: bool, htmx: bool) -> None:
        """The administrator appoints somebody enabled in place of whom the page shows."""
        organization_id = self.scene.cast.other_id if harbor else self.scene.cast.organization_id
        query = """SELECT id, role FROM member WHERE organization_id = :id AND confirmed_at IS NOT NULL
            AND disabled_at IS NULL AND ended_at IS NULL ORDER BY id"""
        enabled = self.scene.ask(query, id=organization_id)
        replaces = "".join(str(each.id) for each in enabled if each.role == "co-administrator")
        member_id, who = enabled[number % len(enabled)].id, self.scene.who("administrator", organization_id)
        self.scene.do(who, f"/admin/users/{member_id}/co-admin", htmx, replaces=replaces)

    @rule(by=acting, harbor=st.booleans(), number=numbers, htmx=st.booleans())
    def redeem(self, by: str, harbor: bool, number: int, htmx: bool) -> None:
        who = self.scene.who(by, self.scene.cast.other_id if harbor else self.scene.cast.organization_id)
        key = self.scene.texts[number % len(self.scene.texts)]
        self.scene.do(who, "/admin/products", htmx, self.scene.heads(who), permission_key=key)

    @rule(who=people, number=numbers, htmx=st.booleans())
    def redeem_for_oneself(self, who: str, number: int, htmx: bool) -> None:
        key = self.scene.texts[number % len(self.scene.texts)]
        self.scene.do(who, "/products", htmx, who != "otto", permission_key=key)

    # ── the person himself ──

    @rule(number=numbers, anybody=st.sampled_from(["", "", "", *NAMES]), copied=st.booleans(),
          answer=st.sampled_from(["confirm", "confirm", "decline"]), htmx=st.booleans())  # fmt: skip
    def answer_invitation(self, number: int, anybody: str, copied: bool, answer: str, htmx: bool) -> None:
        pending = self.scene.ask("SELECT id FROM member WHERE nonce IS NOT NULL")
        rows = [row for row in map(self.scene.row, range(number, number + 60)) if row.nonce or not pending]
        row = rows[0]
        who = anybody or self.scene.owner(row.email_key)
        self.scene.do(who, f"{link(row, copied)}/{answer}", htmx)

    @rule(who=people, htmx=st.booleans())
    def leave(self, who: str, htmx: bool) -> None:
        self.scene.do(who, "/organization/leave", htmx)

    @rule(who=people, email=st.sampled_from(ADDRESSES), htmx=st.booleans())
    def change_address(self, who: str, email: str, htmx: bool) -> None:
        self.scene.change_address(who, email, htmx)

    @rule(who=people, product=st.sampled_from(["draft", "render", "hub"]), number=st.integers(0, 3),
          goes=st.sampled_from([False, False, True]), waits=st.booleans())  # fmt: skip
    def run(self, who: str, product: str, number: int, goes: bool, waits: bool) -> None:
        """What people run, of which the deeds of others are the end."""
        self.scene.program(who, product, number, goes=goes, waits=waits)

    # ── the vendor ──

    @rule(by=vendor, harbor=st.booleans(), who=people, number=numbers, htmx=st.booleans())
    def transfer(self, by: str, harbor: bool, who: str, number: int, htmx: bool) -> None:
        organization_id = self.scene.cast.other_id if harbor else self.scene.cast.organization_id
        path = f"/operator/organizations/{organization_id}/transfer"
        self.scene.do(by, path, htmx, by == "otto", email=self.scene.email(who))

    @rule(by=vendor, number=numbers, act=st.sampled_from(["revoke", "reinstate", "reinstate", "release"]),
          htmx=st.booleans())  # fmt: skip
    def act_on_key(self, by: str, number: int, act: str, htmx: bool) -> None:
        key_id, _position = self.scene.key(number)
        self.scene.do(by, f"/operator/keys/{key_id}/{act}", htmx, by == "otto")

    @rule(by=vendor, number=numbers, seats=st.integers(0, 5), htmx=st.booleans())
    def change_seats(self, by: str, number: int, seats: int, htmx: bool) -> None:
        key_id, position = self.scene.key(number)
        self.vendor_reduced = by == "otto"
        self.scene.do(by, f"/operator/keys/{key_id}/extend", htmx, by == "otto", **{f"seats-{position}": seats})

    @rule(who=people, rarely=st.integers(0, 4))
    def block(self, who: str, rarely: int) -> None:
        self.scene.block(who, rarely == 0)  # or everybody would soon be locked out, and nothing happen any more

    @rule()
    def unblock_all(self) -> None:
        for who in NAMES:
            self.scene.block(who, False)

    @precondition(lambda self: len(self.scene.texts) < MOST_KEYS)
    @rule(product=st.sampled_from(["draft", "render", "hub"]), kind=st.sampled_from(["annual", "perpetual", "trial"]),
          seats=st.integers(1, 3))  # fmt: skip
    def issue(self, product: str, kind: str, seats: int) -> None:
        self.scene.issue(product, kind, seats)


def test_no_deed_breaks_a_rule(
    app: Flask, cast: Cast, on_app: Session, put_back: Callable[[], None], drilling: bool, figure: Figure
) -> None:
    """12 × 13 steps on each database; drilling, 320 × 20 from a seed of the day.

    Many short plays: of each one a few rules are left out, so that the others come more often.
    """
    number = secrets.randbelow(2**32) if drilling else 1
    machines: list[Machine] = []

    class Fresh(Machine):
        def __init__(self) -> None:
            let_go(app, on_app)
            put_back()
            super().__init__(Scene(app, cast, on_app))
            machines.append(self)

    figure("seed", number)
    length = settings(
        max_examples=320 if drilling else 12, stateful_step_count=20 if drilling else 13,
        derandomize=not drilling, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    run_state_machine_as_test(seed(number)(Fresh) if drilling else Fresh, settings=length)
    steps = sum(each.steps - 1 for each in machines)
    figure("steps", steps)
    figure("changed something", sum(each.scene.changed for each in machines))
    figure("refused", sum(each.scene.refused for each in machines))
    assert steps >= (5_000 if drilling else 150)
