"""What Users, Permissions and Products say of running sessions, and the questions before one of these ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.dates import now
from core.leases import Lease
from tests import sessions
from tests.cast import Cast
from tests.clients import Client, said
from tests.statements import counted, engine_of

ClientFor = Callable[[str], Client]
SAVES = "keeps working for 15 minutes to save."
pytestmark = pytest.mark.on_sqlite


@pytest.fixture
def running(on_app: Session, cast: Cast) -> Session:
    """bob runs Draft Pro on his own seat."""
    lease_id = sessions.begin(on_app, cast, "bob", "annual", device="CAD-1", is_reserved=True,
                              taken_at=now() - timedelta(days=40))  # fmt: skip
    on_app.get_one(Lease, lease_id).holder = f"a{cast.bob.account_id}"
    on_app.commit()
    return on_app


def test_row_of_who_runs_something_asks_and_of_who_does_not_acts(
    client_for: ClientFor, cast: Cast, running: Session
) -> None:
    page = client_for("alice").get("/admin/users").text
    assert f'hx-get="/admin/users/{cast.bob.member_id}/disable"' in page
    assert f'hx-post="/admin/users/{cast.carol.member_id}/disable"' in page


@pytest.mark.parametrize("what", ["disable", "remove"])
def test_question_names_product_device_and_since_when(
    client_for: ClientFor, cast: Cast, running: Session, what: str
) -> None:
    alice, path = client_for("alice"), f"/admin/users/{cast.bob.member_id}/{what}"
    page = alice.get(path).text
    assert "Draft Pro on CAD-1, since " in page
    assert SAVES in page
    answer = alice.swap(path)
    assert f"Draft Pro on CAD-1 {SAVES}" in " ".join(said(answer))
    lease = running.scalars(select(Lease).execution_options(populate_existing=True)).one()
    assert lease.ending_reason == {"disable": "membership_disabled", "remove": "removed"}[what]


def test_tick_on_which_something_runs_asks_first(client_for: ClientFor, cast: Cast, running: Session) -> None:
    alice, box = client_for("alice"), f"/admin/permissions/{cast.license['annual']}/{cast.bob.member_id}/take"
    assert f'hx-get="{box}?"' in alice.get("/admin/permissions").text
    page = alice.get(box).text
    assert "Take back Draft Pro from Bob Example?" in page
    assert SAVES in page
    assert alice.swap(box).status_code == 200
    assert running.scalars(select(Lease.ending_reason)).one() == "permission_withdrawn"


def test_plain_form_that_would_end_something_asks_with_the_same_ticks(
    client_for: ClientFor, cast: Cast, running: Session
) -> None:
    alice, path = client_for("alice"), f"/admin/permissions/{cast.license['annual']}"
    ticks = {"had": str(cast.bob.member_id), "tick": str(cast.carol.member_id)}
    question = alice.send(path, **ticks)
    assert question.status_code == 200
    assert "Draft Pro of Bob Example on CAD-1, since" in question.text
    assert running.scalars(select(Lease.ending_reason)).one() is None
    assert f'name="tick" value="{cast.carol.member_id}"' in question.text
    assert alice.send(path, **ticks, sure="1").status_code == 303
    running.rollback()
    assert running.scalars(select(Lease.ending_reason)).one() == "permission_withdrawn"


def test_users_says_when_somebody_last_used_something(
    client_for: ClientFor, cast: Cast, running: Session, on_app: Session
) -> None:
    row = client_for("alice").get(f"/admin/users?q={cast.bob.email}").text
    assert ">Now<" in row
    lease = on_app.scalars(select(Lease)).one()
    lease.ended_at, lease.ended_reason = now() - timedelta(days=400), "given_back"
    on_app.commit()
    row = client_for("alice").get(f"/admin/users?q={cast.bob.email}").text
    assert str((now() - timedelta(days=400)).year) in row
    assert "Never used" in client_for("alice").get(f"/admin/users?q={cast.carol.email}").text


def test_borrowed_seat_is_shown_as_held(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    sessions.begin(on_app, cast, "bob", "cloud", "borrowed", device="LAPTOP")
    alice = client_for("alice")
    assert "Borrowed seat held until" in alice.get("/admin/users").text
    assert "cannot be called back: held until" in alice.get(f"/admin/users/{cast.bob.member_id}/remove").text


def test_products_says_how_many_seats_are_in_use_and_by_whom(
    client_for: ClientFor, cast: Cast, running: Session
) -> None:
    alice = client_for("alice")
    assert "1 of 3 in use" in alice.get("/admin/products").text
    details = alice.fragment(f"/admin/products/{cast.license['annual']}/details").text
    assert "In use now" in details
    assert "Bob Example" in details
    assert "In use now" in alice.get(f"/admin/products?open={cast.license['annual']}").text


def test_statements_do_not_grow_with_sessions(app: Flask, client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    """Disabling somebody takes as many for one session as for thirty."""
    taken, alice = [], client_for("alice")
    assert alice.token
    for name, copies in (("bob", 0), ("carol", 30)):
        sessions.begin(on_app, cast, name, "cloud")
        for _number in range(copies):
            one_more(on_app)
        with counted(engine_of(app)) as seen:
            assert alice.swap(f"/admin/users/{cast.player(name).member_id}/disable").status_code == 200
        taken.append(len(seen))
    assert taken[0] == taken[1] <= 14


def one_more(session: Session) -> None:
    """One more copy of the session that began last."""
    last = session.scalars(select(Lease).order_by(Lease.id.desc()).limit(1)).one()
    own = {"id", "uuid", "takes_seat"}
    values = {each.name: getattr(last, each.name) for each in Lease.__table__.columns if each.name not in own}
    session.add(Lease(**values, takes_seat=False, uuid=f"copy of {last.id}"))
    session.commit()
