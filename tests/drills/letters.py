"""A round of invitations before a hostile mail server: the program, who was invited, and what became of the letters."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

from flask import Flask
from sqlalchemy import select, update

from core.dates import now
from core.db import db
from core.mailing.delivery import LONGEST_PAUSE
from core.mailing.outbox import DELAYS, FAILED, SENT, WAITING, Outbox, state_of
from models import Member
from tests.cast import Cast
from tests.drills.hostile_smtp import Fault, HostileServer
from tests.drills.people import Person
from tests.program import Program
from tests.smtp import link_in

PATIENCE = 90.0  # seconds; a busy machine is no fault of the mail
SECOND = timedelta(seconds=1)


class Round:
    """Acts on the program as people do, and looks into its outbox."""

    def __init__(self, app: Flask, program: Program, server: HostileServer, cast: Cast) -> None:
        self.app, self.program, self.server = app, program, server
        self.alice, self.otto = (Person(program.address, cast.player(name)) for name in ("alice", "otto"))
        self.invited: list[str] = []
        self.kills = self.waits = 0
        self.since = now()
        server.on_call = self.kill

    def invite(self, *addresses: str) -> float:
        """Invite by the page's form; returns the seconds that the answer took."""
        begin = time.perf_counter()
        answer = self.alice.send("/admin/users", emails="\n".join(addresses))
        taken = time.perf_counter() - begin
        assert answer.status == 200, answer
        self.invited += addresses
        return taken

    def letters(self, address: str = "") -> list[Outbox]:
        """The letters, or those to one address, oldest first."""
        query = select(Outbox).where(Outbox.recipient == address) if address else select(Outbox)
        with self.app.app_context():
            return list(db.session.scalars(query.order_by(Outbox.id)))

    def member_id(self, address: str) -> int:
        with self.app.app_context():
            return db.session.scalars(select(Member.id).where(Member.email == address)).one()

    def kill(self) -> None:
        """Kill the worker; the parent starts another, and what the dead one held is free when its claim is over."""
        worker = self.program.child("worker")
        os.kill(worker, signal.SIGKILL)
        until(lambda: self.program.child("worker") != worker)
        with self.app.app_context():
            held = update(Outbox).where(Outbox.claimed_until.is_not(None)).values(claimed_until=now())
            db.session.execute(held)
            db.session.commit()
        self.kills += 1

    def hurry(self) -> None:
        """Let the time pass until all that waits is due, having looked whether the waits are what is promised."""
        for row in self.letters():
            self.check_wait(row)
        with self.app.app_context():
            due = update(Outbox).where(Outbox.next_try_at > now(), Outbox.claimed_until.is_(None))
            db.session.execute(due.values(next_try_at=now()))
            db.session.commit()
        self.since = now()

    def check_wait(self, row: Outbox) -> None:
        """A letter that was refused for itself waits longer and longer, one that waits for the server not long."""
        if row.next_try_at is None or row.tried_at is None or row.tried_at <= self.since or row.claimed_until:
            return
        wait = row.next_try_at - row.tried_at
        if re.match("connect: |sender: ", str(row.failed_reason)):
            assert wait <= LONGEST_PAUSE + SECOND, (row.recipient, wait)
        else:
            assert wait == DELAYS[min(row.tries, len(DELAYS)) - 1], (row.recipient, row.tries, wait)
        self.waits += 1

    def settle(self, addresses: Sequence[str], patience: float = PATIENCE) -> None:
        """Go on until the letters to these addresses have left or were given up."""

        def is_settled() -> bool:
            self.hurry()
            return not [row for row in self.letters() if row.recipient in addresses and row.next_try_at is not None]

        until(is_settled, patience)

    def check(self, lasting: dict[str, Fault]) -> int:
        """Everybody got one letter or is shown why not; returns how many got the same one again."""
        twice = 0
        for address in self.invited:
            row, ids = self.letters(address)[-1], self.server.ids(address)
            assert self.server.offered[address] <= {row.message_id}, address
            if address in lasting:
                assert (state_of(row, True), ids) in ((FAILED, []), (WAITING, [])), (address, row.failed_reason, ids)
                continue
            assert (state_of(row, True), set(ids)) == (SENT, {row.message_id}), (address, row.failed_reason, ids)
            assert len(ids) == 1 or address in self.server.unheard, (address, ids)
            twice += len(ids) - 1
        return twice

    def check_seen(self, lasting: dict[str, Fault], words: dict[Fault, str]) -> None:
        """The reason stands in the row of the administrator's list and of the operator's."""
        for address, fault in lasting.items():
            # The last try may have met a server that is away; the next one hears the reason that lasts.
            until(partial(self.is_said, address, words[fault]))
            assert fault.act in self.otto.read(f"/operator/mail?q={address}"), address

    def is_said(self, address: str, words: str) -> bool:
        """Whether the administrator reads this about an invitation; where not, it is tried again at once."""
        if words in self.alice.read(f"/admin/users?q={address}"):
            return True
        self.hurry()
        return False

    def check_log(self) -> None:
        """No link, and no token of one, is in the program's log."""
        said = self.program.log.read_text()
        tokens = {link_in(letter).rpartition("/")[2] for _to, letter in self.server.accepted}
        assert "/invitations/" not in said
        assert not [token for token in tokens if token in said]


def until(is_true: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait for a state."""
    end = time.monotonic() + patience
    while not is_true():
        assert time.monotonic() < end, "it did not come about"
        threading.Event().wait(0.1)
