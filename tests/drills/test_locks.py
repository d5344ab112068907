"""Rows that several deeds want in different orders; and the harness itself, which must see a seat sold twice."""

from __future__ import annotations

import threading

import pytest
from flask import Flask
from sqlalchemy import update
from sqlalchemy.orm import Session

from core.activity import COMMAND
from core.db import db
from models import License, PermissionKey
from tests.cast import Cast
from tests.deeds import redeeming
from tests.drills.books import broken, oversold
from tests.figures import Figure
from tests.races import Deed, race


def test_key_is_redeemed_and_revoked_without_a_deadlock(
    bare_app: Flask, cast: Cast, drilling: bool, figure: Figure
) -> None:
    """Whoever waits for a key while its organization is locked must not be waited for by who locks it after the key."""
    rounds = 500 if drilling else 20
    for _number in range(rounds):
        ends = race(
            bare_app, [redeeming(cast, "shared", "alice"), revoke(cast), redeeming(cast, "shared", "carol")] * 2
        )
        assert all(":" not in end for end in ends), ends  # a colon stands before the words of a database
        race(bare_app, [free(cast)])
        with bare_app.app_context():
            assert broken(db.session) == []
    figure("rounds", rounds)


def revoke(cast: Cast) -> Deed:
    """What the vendor does to the key."""
    return lambda session: PermissionKey.known(session, cast.unused["shared"]).revoke(COMMAND, cast.now) and None


def free(cast: Cast) -> Deed:
    """Make the key what it was before the round."""

    def free(session: Session) -> None:
        key = PermissionKey.known(session, cast.unused["shared"])
        key.reinstate(COMMAND, cast.now)
        key.release(COMMAND, cast.now)

    return free


@pytest.mark.on_postgresql
def test_naive_count_sells_a_seat_twice_and_the_books_see_it(bare_app: Flask, cast: Cast) -> None:
    """The control: look whether a seat is free, then take it, as one would without the one statement."""
    everybody_looked = threading.Barrier(4)

    def naive(session: Session) -> None:
        license = session.get_one(License, cast.license["network"])
        is_free = license.reserved < license.seats
        everybody_looked.wait(20)
        if is_free:
            taking = update(License).where(License.id == license.id).values(reserved=License.reserved + 1)
            session.execute(taking.execution_options(synchronize_session=False))

    assert race(bare_app, [naive] * 4) == ["done"] * 4
    with bare_app.app_context():
        assert oversold(db.session) == {cast.license["network"]: (4, 2)}
        assert broken(db.session) == ["a count is what a recount says"]
