"""Who waits for the lock of an organization sees what is true after the wait, not what he saw before it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import sleep

from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from core.db import db
from models import Organization
from tests.cast import Cast
from tests.kestrel import Kestrel

PATIENCE = 20.0  # seconds
Seen = dict[int, tuple[str, str, str]]


def seen_after(app: Flask, cast: Cast, change: Callable[[Kestrel], object], *ids: int | None) -> Seen:
    """Name, state and role of some members as somebody loads them who waited while they were changed."""
    started = threading.Event()

    def wait_and_see() -> Seen:
        with app.app_context():
            started.set()
            wanted = [each for each in ids if each is not None]
            found = Organization.at_work(db.session, cast.organization_id, *wanted, lock=True)
            return {member.id: (member.shown_name, member.state, member.role) for member in found.values()}

    with ThreadPoolExecutor(1) as pool, app.app_context():
        kestrel = Kestrel(db.session, cast)
        assert kestrel.organization
        waiting = pool.submit(wait_and_see)
        assert started.wait(PATIENCE)
        until_somebody_waits(kestrel.session)
        change(kestrel)  # rows that the other one wants too: had he locked them first, both would wait for ever
        kestrel.session.commit()
        return waiting.result(PATIENCE)


def until_somebody_waits(session: Session) -> None:
    """Return once another connection waits for a lock; SQLite lets nobody in anyway."""
    if session.get_bind().dialect.name == "postgresql":
        while not session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
            sleep(0.01)  # between two looks


def test_role_that_was_taken_back_meanwhile_is_seen(bare_app: Flask, cast: Cast) -> None:
    def disable_carol(kestrel: Kestrel) -> None:
        kestrel.carol.disable(kestrel.by("alice"), kestrel.alice, kestrel.now)

    seen = seen_after(bare_app, cast, disable_carol, cast.carol.member_id, cast.bob.member_id)
    assert seen[cast.carol.member_id or 0] == ("Carol Example", "disabled", "member")


def test_who_was_removed_meanwhile_is_not_found(bare_app: Flask, cast: Cast) -> None:
    def remove_bob(kestrel: Kestrel) -> None:
        kestrel.bob.remove(kestrel.by("alice"), kestrel.alice, kestrel.now)

    seen = seen_after(bare_app, cast, remove_bob, cast.alice.member_id, cast.bob.member_id)
    assert set(seen) == {cast.alice.member_id}


def test_who_joined_meanwhile_is_known_by_name(bare_app: Flask, cast: Cast) -> None:
    def confirm_dave(kestrel: Kestrel) -> None:
        kestrel.dave.confirm(kestrel.account("dave"), kestrel.by("dave"), kestrel.now)

    seen = seen_after(bare_app, cast, confirm_dave, cast.alice.member_id, cast.dave.member_id)
    assert seen[cast.dave.member_id or 0] == ("Dave Example", "enabled", "member")
