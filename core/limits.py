"""Limits that hold over all processes and restarts: how often somebody may do something, counted in the database.

In a view, before anything is loaded or locked:

    limits.count("key", f"account {me().id}")        # raises TooMany: 429, Retry-After, and a sentence

It commits at once, whatever becomes of the request; so a refused or failed attempt counts, and no lock is held on.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import String, case, delete, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from core.dates import now
from core.db import Base, Instant, db
from core.errors import TooMany
from models import rows_changed


@dataclass(frozen=True, slots=True)
class Rule:
    """So many in so long, and what is said beyond."""

    most: int
    window: timedelta
    sentence: Any


MINUTES_15, HOUR, DAY = timedelta(minutes=15), timedelta(hours=1), timedelta(days=1)
WAIT = _l("Too many attempts. Wait a moment, then try again.")

RULES = {
    # Wrong passwords; a right one is given back. The owner's usual addresses count apart from strangers'.
    "sign-in": Rule(10, MINUTES_15, _l("Too many wrong passwords. Wait a quarter of an hour, or reset the password.")),
    "sign-in-address": Rule(60, HOUR, _l("Too many wrong passwords from here. Try again later.")),
    "password": Rule(10, MINUTES_15, _l("Too many wrong passwords. Try again in a quarter of an hour.")),
    "register": Rule(60, HOUR, _l("Too many accounts were asked for from here. Try again later.")),
    "reset": Rule(5, HOUR, _l("Too many links were asked for. Look for the last one, in the spam folder too.")),
    "reset-address": Rule(60, HOUR, WAIT),
    # A company shares an address, so that more come from one than from one account.
    "key": Rule(60, HOUR, _l("Too many permission keys were entered. Try again later.")),
    "key-address": Rule(300, HOUR, _l("Too many permission keys were entered from here. Try again later.")),
    "invitation": Rule(500, DAY, _l("An organization invites at most 500 people a day. Invite the others tomorrow.")),
    # Codes of programs: a fleet behind one address may start in one morning; a person types one.
    "device-code": Rule(1000, HOUR, WAIT),
    "user-code": Rule(10, MINUTES_15, _l("Too many wrong codes. Wait a quarter of an hour.")),
    # Each is a letter to the administrators.
    "access": Rule(20, DAY, _l("You asked for much today. Ask again tomorrow.")),
    # Counts by recipient, whoever writes: nobody's mailbox is filled from here.
    "letter": Rule(5, DAY, _l("This address got enough mail for today. Try again tomorrow.")),
}


class LimitWindow(Base):
    """How often a rule was used by a subject since its window began."""

    __tablename__ = "limit_window"

    rule: Mapped[str] = mapped_column(String(20), primary_key=True)
    subject: Mapped[str] = mapped_column(String(64), primary_key=True)
    count: Mapped[int]
    ends_at: Mapped[datetime] = mapped_column(Instant, index=True)


def count(rule: str, subject: str, amount: int = 1) -> None:
    """Count it and commit; to be called before the request changes or locks anything.

    `subject` is whoever is limited: an address, `account 7`, `organization 3`, a recipient. `amount` may be many, as
    for a pasted list; a list that does not fit as a whole is refused as a whole.

    :raise TooMany: with `retry_after` in seconds; what was refused is not counted.
    """
    if db.session.new or db.session.dirty or db.session.deleted:
        raise RuntimeError("count before anything is changed: counting commits")
    count_within(rule, subject, amount)
    db.session.commit()


def count_within(rule: str, subject: str, amount: int = 1) -> None:
    """Count it in the caller's transaction: for what has to be looked up under a lock first, and is always limited.

    :raise TooMany: as `count`; the transaction is rolled back.
    """
    at = now()
    ((_hidden, used, ends_at),) = db.session.execute(_counting(db.session, rule, [subject], amount, at))
    if used > RULES[rule].most:
        # Nothing of it stays: a list that is too long must not use up what is left for a shorter one.
        db.session.rollback()
        raise TooMany(RULES[rule].sentence, retry_after=max(1, round((ends_at - at).total_seconds())))


def count_each(rule: str, subjects: Collection[str]) -> set[str]:
    """Count one for each of many and commit; returns those beyond their limit, whom the caller leaves out."""
    if not subjects:
        return set()
    found = db.session.execute(_counting(db.session, rule, subjects, 1, now())).all()
    db.session.commit()
    beyond = {kept for kept, used, _ends_at in found if used > RULES[rule].most}
    return {subject for subject in subjects if hidden(subject) in beyond}


def give_back(rule: str, subject: str, amount: int = 1) -> None:
    """Count less, as for a right password; in the caller's transaction."""
    where = (LimitWindow.rule == rule) & (LimitWindow.subject == hidden(subject)) & (LimitWindow.count >= amount)
    _run(update(LimitWindow).where(where).values(count=LimitWindow.count - amount))


def forget(rule: str, subject: str) -> None:
    """Begin anew, as after a reset of the password; in the caller's transaction."""
    _run(delete(LimitWindow).where(LimitWindow.rule == rule, LimitWindow.subject == hidden(subject)))


def sweep(session: Session, at: datetime) -> int:
    """Remove the windows that are over, and count them; the worker's, now and then."""
    return rows_changed(session, delete(LimitWindow).where(LimitWindow.ends_at <= at))


def place(address: str) -> str:
    """Where a request comes from as limits count it: of IPv6 the network, because whoever has one has 2⁶⁴ addresses."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return address
    return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))


def hidden(subject: str) -> str:
    """What the table keeps of a subject: addresses of people have no business in it."""
    return hashlib.sha256(subject.encode()).hexdigest()


def _run(statement: Any) -> None:
    db.session.execute(statement.execution_options(synchronize_session=False))


def _counting(session: Session, rule: str, subjects: Collection[str], amount: int, at: datetime) -> Any:
    """One statement, so that of many requests at one time none is missed."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    fresh = {"rule": rule, "count": amount, "ends_at": at + RULES[rule].window}
    is_over = LimitWindow.ends_at <= at
    # In one order, so that two lists with the same people do not wait for each other.
    statement = insert(LimitWindow).values([{**fresh, "subject": each} for each in sorted(map(hidden, set(subjects)))])
    return statement.on_conflict_do_update(
        index_elements=[LimitWindow.rule, LimitWindow.subject],
        set_={
            "count": case((is_over, amount), else_=LimitWindow.count + amount),
            "ends_at": case((is_over, statement.excluded.ends_at), else_=LimitWindow.ends_at),
        },
    ).returning(LimitWindow.subject, LimitWindow.count, LimitWindow.ends_at)
