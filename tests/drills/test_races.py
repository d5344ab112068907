"""Two at once against the running program: two web processes with threads, both databases, forms as browsers send them.

After every round no rule is broken, no answer is 5xx, and whoever lost was told why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import delete, func, select

from core import addresses
from core.activity import COMMAND, Activity
from core.dates import LicenseType
from core.db import db
from core.limits import LimitWindow
from core.sealing import Sealer
from models import CO_ADMINISTRATOR, ENABLED, Item, Member, Organization, PermissionKey
from tests.cast import SEAL_KEY, SECRET_KEY, Cast
from tests.databases import Database
from tests.drills.books import Chains, broken, oversold
from tests.drills.people import Person, one_won, together
from tests.figures import Figure
from tests.invitation_page import link_of
from tests.kestrel import Kestrel
from tests.program import Program

Round = Callable[["Stage"], None]


class Stage:
    """The cast before a running portal, and its database to prepare a round and to look at what it left."""

    def __init__(self, app: Flask, cast: Cast, program: Program) -> None:
        self.app, self.cast, self.program, self.chains = app, cast, program, Chains()
        self._people: dict[str, Person] = {}

    def person(self, name: str, which: str = "") -> Person:
        """One of the cast in a browser that is signed in; `which` tells several of his apart."""
        if name + which not in self._people:
            self._people[name + which] = Person(self.program.address, self.cast.player(name))
        return self._people[name + which]

    def prepare(self, change: Callable[[Kestrel], object]) -> None:
        """Change rows between two rounds, and forget what limits have counted."""
        with self.app.app_context():
            kestrel = Kestrel(db.session, self.cast)
            kestrel.session.execute(delete(LimitWindow))
            change(kestrel)
            kestrel.session.commit()

    def check(self) -> None:
        """Every rule holds."""
        with self.app.app_context():
            assert broken(db.session) == []
            assert oversold(db.session) == {}
            assert self.chains.broken(db.session) == []

    def row(self, name: str, act: str) -> str:
        """The address of a row action."""
        return f"/admin/users/{self.live(name)}/{act}"

    def box(self, license: str, name: str, act: str) -> str:
        """The address of a box of Permissions."""
        return f"/admin/permissions/{self.cast.license[license]}/{self.live(name)}/{act}"

    def live(self, name: str, organization: str = "organization_id") -> int:
        """The id of the row that somebody has in a list now."""
        with self.app.app_context():
            mine = (Member.email_key == self.cast.player(name).email, Member.ended_at.is_(None))
            query = select(Member.id).where(*mine, Member.organization_id == getattr(self.cast, organization))
            return db.session.scalars(query).one()


@pytest.fixture
def stage(bare_app: Flask, cast: Cast, database: Database, tmp_path: Path) -> Iterator[Stage]:
    """The program of an operator: two web processes, four threads each."""
    secrets = {"SECRET_KEY": SECRET_KEY, "SEAL_KEY": SEAL_KEY, "WORKERS": "2", "LOG_LEVEL": "warning"}
    program = Program(tmp_path, database.url, **secrets)
    with program.running():
        yield Stage(bare_app, cast, program)


# ── the races ────────────────────────────────────────────────────────────────────────────────────────────────────────


def last_seat(stage: Stage) -> None:
    """Two administrators give the last seat of a license to one person each."""

    def two_seats(kestrel: Kestrel) -> None:
        kestrel.organization.license(stage.cast.license["annual"]).key.extend(COMMAND, kestrel.now, seats=2)
        for each in (kestrel.alice, kestrel.carol):
            kestrel.license("annual").take(each, kestrel.by("alice"), kestrel.now)
        bob = kestrel.organization.member_of(kestrel.account("bob"))
        kestrel.license("annual").give(bob, kestrel.by("alice"), kestrel.now)

    stage.prepare(two_seats)
    answers = together(
        lambda: stage.person("alice").send(stage.box("annual", "alice", "give")),
        lambda: stage.person("carol").send(stage.box("annual", "carol", "give")),
    )
    one_won(answers, "2 of 2 seats are given away")


def one_key(stage: Stage) -> None:
    """Two organizations enter one permission key."""
    made: list[tuple[int, str]] = []

    def issue(kestrel: Kestrel) -> None:
        item = Item(kestrel.product("hub"), LicenseType.ANNUAL, 2)
        key, text = PermissionKey.issue(kestrel.session, [item], Sealer(SEAL_KEY), COMMAND, kestrel.now)
        made.append((key.id, text))

    stage.prepare(issue)
    ((key_id, text),) = made
    answers = together(
        *(
            lambda who=who: stage.person(who).send("/admin/products", permission_key=text)
            for who in ("alice", "mallory")
        )
    )
    one_won(answers, "already in use")
    stage.prepare(lambda kestrel: kestrel.session.get_one(PermissionKey, key_id).release(COMMAND, kestrel.now))


def two_co_administrators(stage: Stage) -> None:
    """Two pages that show the same co-administrator appoint somebody else each."""
    carol = str(stage.live("carol"))
    answers = together(
        lambda: stage.person("alice").send(stage.row("bob", "co-admin"), replaces=carol),
        lambda: stage.person("alice", "again").send(stage.row("dora", "co-admin"), replaces=carol),
    )
    one_won(answers, "co-administrator meanwhile")
    stage.prepare(carol_again)


def carol_again(kestrel: Kestrel) -> None:
    """Make carol co-administrator and everybody else what he was."""
    organization = kestrel.organization
    alice = organization.member_of(kestrel.account("alice"))
    if alice.role != "administrator":
        organization.transfer(alice, COMMAND, kestrel.now)
    kestrel.session.flush()
    holder, carol = organization.holder_of(CO_ADMINISTRATOR), organization.member_of(kestrel.account("carol"))
    carol.make_co_administrator(holder.id if holder else None, kestrel.by("alice"), alice, kestrel.now)


def transfer_against_removal(stage: Stage) -> None:
    """The vendor makes somebody administrator whom the administrator removes."""
    transfer = f"/operator/organizations/{stage.cast.organization_id}/transfer"
    answers = together(
        lambda: stage.person("otto").send(transfer, email=stage.cast.bob.email),
        lambda: stage.person("alice").send(stage.row("bob", "remove")),
    )
    one_won(answers, "is not a member", "cannot be removed", "can do this")

    def back(kestrel: Kestrel) -> None:
        account = kestrel.account("bob")
        if account.membership is None:
            kestrel.enabled(account.email)
        carol_again(kestrel)

    stage.prepare(back)


def one_invitation(stage: Stage) -> None:
    """A double click on Confirm, from two browsers of the same person."""
    link = stage_invitation(stage, "dave")
    before = confirmations(stage)
    answers = together(
        lambda: stage.person("dave").send(f"{link}/confirm", plain=True),
        lambda: stage.person("dave", "again").send(f"{link}/confirm", plain=True),
    )
    # The second click leads where the first one led, or says that the link is used.
    assert {each.status for each in answers} <= {303, 410}, answers
    assert "/organization" in {each.to for each in answers}
    assert all("no longer valid" in each.text for each in answers if each.status == 410), answers
    assert confirmations(stage) == before + 1
    stage.prepare(dave_leaves)


def two_organizations(stage: Stage) -> None:
    """Somebody whom two organizations invited confirms both."""
    ours, theirs = stage_invitation(stage, "dave"), stage_invitation(stage, "dave", "other_id")
    answers = together(
        lambda: stage.person("dave").send(f"{ours}/confirm", plain=True),
        lambda: stage.person("dave", "again").send(f"{theirs}/confirm", plain=True),
    )
    one_won(answers, "already. Leave it first.")
    stage.prepare(dave_leaves)


def restore_against_permit(stage: Stage) -> None:
    """Of a license's last seat: somebody's earlier permission comes back, or another administrator takes it."""

    def suspended(kestrel: Kestrel) -> None:
        organization, license = kestrel.organization, kestrel.license("annual")
        alice, bob = (organization.member_of(kestrel.account(name)) for name in ("alice", "bob"))
        organization.license(license.id).key.extend(COMMAND, kestrel.now, seats=1)
        for each in (alice, bob, organization.member_of(kestrel.account("carol"))):
            license.take(each, kestrel.by("alice"), kestrel.now)
        license.give(bob, kestrel.by("alice"), kestrel.now)
        bob.disable(kestrel.by("alice"), alice, kestrel.now)
        bob.enable(kestrel.by("alice"), kestrel.now)

    stage.prepare(suspended)
    restored, given = together(
        lambda: stage.person("alice").send(stage.row("bob", "restore")),
        lambda: stage.person("carol").send(stage.box("annual", "carol", "give")),
    )
    if given.won:
        assert "given away" in restored.text, restored
    else:
        assert "1 of 1 seat is given away" in given.text, given
        assert "1 permission is back" in restored.text, restored


RACES: list[Round] = [
    last_seat, one_key, two_co_administrators, transfer_against_removal, one_invitation, two_organizations,
    restore_against_permit,
]  # fmt: skip


def test_races(stage: Stage, drilling: bool, figure: Figure) -> None:
    """Every race in turn, so many rounds; one program serves them all."""
    rounds = 500 if drilling else 20
    stage.prepare(enable_dora)
    for _number in range(rounds):
        for race in RACES:
            race(stage)
            stage.check()
    with stage.app.app_context():
        assert Chains().broken(db.session) == []  # from the beginning, whatever was followed before
    figure("races", len(RACES))
    figure("rounds of each", rounds)


# ── between the rounds ───────────────────────────────────────────────────────────────────────────────────────────────


def enable_dora(kestrel: Kestrel) -> None:
    """Have one more who can be appointed."""
    if kestrel.dora.state != ENABLED:
        kestrel.dora.enable(kestrel.by("alice"), kestrel.now)


def stage_invitation(stage: Stage, name: str, organization: str = "organization_id") -> str:
    """The link in a fresh invitation of somebody who takes part nowhere."""
    links: list[str] = []

    def invite(kestrel: Kestrel) -> None:
        who = "alice" if organization == "organization_id" else "mallory"
        inviting = Organization.locked(kestrel.session, getattr(stage.cast, organization))
        entry = addresses.split(stage.cast.player(name).email)[0]
        me = inviting.member_of(kestrel.account(who))
        invited = inviting.invite(entry, kestrel.by(who), me, kestrel.now)
        assert invited.member is not None
        links.append(link_of(invited.member))

    stage.prepare(invite)
    return links[0]


def dave_leaves(kestrel: Kestrel) -> None:
    """End whatever dave is anywhere."""
    account = kestrel.account("dave")
    if (member := account.membership) is not None:
        Organization.locked(kestrel.session, member.organization_id)
        member.leave(kestrel.by("dave"), kestrel.now)


def confirmations(stage: Stage) -> int:
    """How often an invitation to Kestrel Works was confirmed."""
    with stage.app.app_context():
        mine = (Activity.stream == str(stage.cast.organization_id), Activity.action == "member.confirm")
        return db.session.scalar(select(func.count()).select_from(Activity).where(*mine)) or 0
