"""Invitations through a mail server that does harm, sent by the running program whose worker is killed meanwhile.

Every invitation arrives once, or is seen to wait or to have failed, with the reason; no page waits for the mail server.
"""

from __future__ import annotations

import random
import secrets
import statistics
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import update

from core.dates import now
from core.db import db
from core.mailing.outbox import FAILED, MOST_TRIES, Outbox, state_of
from tests.cast import SEAL_KEY, SECRET_KEY, Cast
from tests.databases import Database
from tests.drills import hostile_smtp as hostile
from tests.drills.hostile_smtp import Fault, HostileServer
from tests.drills.letters import PATIENCE, SECOND, Round, until
from tests.figures import Figure
from tests.program import Program

TIMEOUT = 1  # seconds that the worker waits for an answer
GREYLISTED = Fault(hostile.RECIPIENT, "451 4.7.1 Try again later")
FULL = Fault(hostile.RECIPIENT, "452 4.2.2 Mailbox full")
UNKNOWN = Fault(hostile.RECIPIENT, "550 5.1.1 No such mailbox here")
TOO_BIG = Fault(hostile.DOT, "552 5.3.4 Message too big")
LOST, CUT, KILLED = (Fault(hostile.DOT, act) for act in (hostile.LOSE, hostile.CUT, hostile.CALL))
OF_CONNECTIONS = [
    *(Fault(step, hostile.DROP) for step in (hostile.CONNECT, hostile.HELLO, hostile.SENDER)),
    *(Fault(step, hostile.STALL) for step in (hostile.CONNECT, hostile.HELLO, hostile.SENDER)),
    Fault(hostile.CONNECT, "421 4.3.2 Come back later"),
    Fault(hostile.CONNECT, "554 5.7.1 Not you"),
]  # fmt: skip
#: What the next tries of one recipient meet, before all is well.
PASSING = [
    [GREYLISTED], [GREYLISTED] * 3, [FULL], [LOST], [CUT], [GREYLISTED, LOST],
    *([Fault(step, hostile.DROP)] for step in (hostile.RECIPIENT, hostile.DATA, hostile.BODY)),
    *([Fault(step, hostile.STALL)] for step in (hostile.RECIPIENT, hostile.DATA, hostile.BODY, hostile.DOT)),
]  # fmt: skip
LASTING = {
    UNKNOWN: "Not sent: no such mailbox here",
    TOO_BIG: "Not sent: message too big",
    FULL: "Not sent yet: mailbox full",
}


@pytest.fixture
def server() -> Iterator[HostileServer]:
    """A server that is good until it is told otherwise."""
    made = HostileServer()
    made.start()
    yield made
    made.end()


@pytest.fixture
def round_(bare_app: Flask, cast: Cast, database: Database, tmp_path: Path, server: HostileServer) -> Iterator[Round]:
    """The program of an operator whose letters go to the hostile server."""
    mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(server.port), "MAIL_TIMEOUT": str(TIMEOUT)}
    keys = {"SECRET_KEY": SECRET_KEY, "SEAL_KEY": SEAL_KEY, "LOG_LEVEL": "info"}
    program = Program(tmp_path, database.url, **keys, **mail)
    with program.running():
        yield Round(bare_app, program, server, cast)


def test_every_invitation_arrives_once_or_says_why_not(round_: Round, drilling: bool, figure: Figure) -> None:
    seed = secrets.randbelow(10**6) if drilling else 8
    chance = random.Random(seed)  # noqa: S311 - no secret
    addresses = [f"guest-{number}@example.org" for number in range(425 if drilling else 20)]
    lasting = dict(zip(addresses, (UNKNOWN, TOO_BIG, FULL), strict=False))
    round_.server.always.update(lasting)
    give_trouble(round_, addresses[3:], chance)
    is_away(round_, addresses[:10])
    for at in range(10, len(addresses), 50):
        round_.server.of_connections.extend(chance.sample(OF_CONNECTIONS, len(OF_CONNECTIONS)))
        round_.invite(*addresses[at : at + 50])
        round_.settle([each for each in addresses[: at + 50] if lasting.get(each) != FULL], 10 * PATIENCE)
    twice = round_.check(lasting)
    round_.check_seen(lasting, LASTING)
    resend(round_)
    give_up(round_)
    round_.check_log()
    assert round_.kills >= 1
    assert round_.waits > len(addresses) // 4
    note(round_, figure, seed=seed, twice=twice)


def test_no_page_and_no_other_letter_waits_for_a_server_that_stalls(
    round_: Round, drilling: bool, figure: Figure
) -> None:
    healthy: list[float] = []
    stalled: list[float] = []
    for block in range(4 if drilling else 2):
        for number in range(4):
            healthy.append(round_.invite(f"healthy-{block}-{number}@example.org"))
        round_.server.greets = False
        meet_silence(round_, block)
        for number in range(4):
            stalled.append(round_.invite(f"stalled-{block}-{number}@example.org"))
        until(lambda: "no answer within 1 seconds" in str(round_.letters()[-1].failed_reason))
        round_.server.greets = True
    ratio = statistics.median(stalled) / statistics.median(healthy)
    assert ratio <= 2, (healthy, stalled)
    one_stalls(round_)
    is_slow(round_)
    round_.check({"stalls@example.org": UNKNOWN})
    note(round_, figure, ratio=f"{ratio:.2f}", milliseconds=round(statistics.median(stalled) * 1000))


def meet_silence(round_: Round, block: int) -> None:
    """Invite until a letter meets the server that says nothing: one may still leave by a connection from before."""
    for number in range(9):
        address = f"first-{block}-{number}@example.org"
        round_.invite(address)
        until(partial(is_tried, round_, address))
        if not has_left(round_, address):
            return
    raise AssertionError("every letter has left")


def is_tried(round_: Round, address: str) -> bool:
    """Whether the server keeps a letter waiting, has kept it so, or has taken it."""
    reason = round_.letters(address)[-1].failed_reason
    return bool(round_.server.silent or reason or has_left(round_, address))


def has_left(round_: Round, address: str) -> bool:
    """Whether the server has taken a letter."""
    return round_.letters(address)[-1].next_try_at is None


# ── what the server does, and what comes of it ───────────────────────────────────────────────────────────────────────


def give_trouble(round_: Round, addresses: Sequence[str], chance: random.Random) -> None:
    """Two in three meet something that passes; one in a hundred is taken while the worker is killed."""
    for number, address in enumerate(addresses):
        faults = PASSING[number % len(PASSING)] if chance.random() < 0.7 else []
        if number % 100 == 8:
            faults = [KILLED]
        round_.server.of[address].extend(faults)


def is_away(round_: Round, addresses: Sequence[str]) -> None:
    """The port is closed for a while: nothing is lost, and both lists say so."""
    round_.server.stop()
    round_.invite(*addresses)
    until(lambda: all(row.failed_reason for row in round_.letters()))
    assert "Not sent yet: the mail server does not answer" in round_.alice.read(f"/admin/users?q={addresses[0]}")
    assert "connect: Connection refused" in round_.otto.read(f"/operator/mail?q={addresses[0]}")
    round_.server.start()


def resend(round_: Round) -> None:
    """After a failure: a new letter by the administrator, or the same one by the operator; never both."""
    unknown, too_big, full = (f"guest-{number}@example.org" for number in range(3))
    until(lambda: is_put_off(round_.letters(full)[0]))
    round_.server.always.clear()
    for address in (unknown, full):
        assert round_.alice.send(f"/admin/users/{round_.member_id(address)}/resend").status == 200
    assert round_.otto.send(f"/operator/mail/{round_.letters(too_big)[0].id}/send").status == 200
    round_.settle((unknown, too_big, full))
    for address, count in ((unknown, 2), (too_big, 1), (full, 2)):
        rows = round_.letters(address)
        assert len(rows) == count, address
        assert round_.server.ids(address) == [rows[-1].message_id], address
        assert "Sent. Link valid until" in round_.alice.read(f"/admin/users?q={address}"), address


def is_put_off(row: Outbox) -> bool:
    """Whether a letter is in nobody's hands, and will not be for a while."""
    return row.claimed_until is None and row.next_try_at is not None and row.next_try_at > now() + 10 * SECOND


def give_up(round_: Round) -> None:
    """A letter that is put off for two days is given up, and the row says with which words."""
    address = "never@example.org"
    round_.server.always[address] = GREYLISTED
    round_.invite(address)
    until(lambda: round_.letters(address)[0].tries == 1)
    with round_.app.app_context():
        last = update(Outbox).where(Outbox.recipient == address)
        db.session.execute(last.values(tries=MOST_TRIES - 1, next_try_at=now()))
        db.session.commit()
    until(lambda: state_of(round_.letters(address)[0], True) == FAILED)
    assert "Not sent: try again later" in round_.alice.read(f"/admin/users?q={address}")


def one_stalls(round_: Round) -> None:
    """A recipient that never gets an answer costs the others one time-out at most, and the letter is put off."""
    round_.server.always["stalls@example.org"] = Fault(hostile.RECIPIENT, hostile.STALL)
    others = [f"beside-{number}@example.org" for number in range(6)]
    round_.settle(round_.invited)
    round_.invite("stalls@example.org", *others)
    until(lambda: all(round_.server.ids(each) for each in others))
    assert round_.server.tried["stalls@example.org"] <= 1
    until(lambda: is_put_off(round_.letters("stalls@example.org")[0]))
    assert "Not sent yet: no answer within 1 seconds" in round_.alice.read("/admin/users?q=stalls@example.org")


def is_slow(round_: Round) -> None:
    """Answers that each come in time are waited for, however many there are."""
    round_.server.pause = 0.4 * TIMEOUT
    slow = [f"slow-{number}@example.org" for number in range(3)]
    round_.invite(*slow)
    until(lambda: all(row.sent_at for each in slow for row in round_.letters(each)))
    round_.server.pause = 0.0


def note(round_: Round, figure: Figure, **more: object) -> None:
    """The figures of a round."""
    met = sum(round_.server.met.values())
    counted = {"invitations": len(round_.invited), "faults": met, "kills": round_.kills, "waits checked": round_.waits}
    for name, value in {**counted, **more}.items():
        figure(name, value)
