"""Asking for access: asked once, answered once, and a program that keeps asking finds the answer without a restart."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import access
from core.activity import Activity
from core.denials import Denied
from core.errors import RuleBroken
from core.grants import TokenFamily
from core.leases import AccessRequest, Denial
from core.seats import taking
from core.seats.asking import Asking, Caller
from core.seats.request import Seat
from models import License, Permission
from tests.at_once import at_once
from tests.cast import Cast
from tests.clients import Client
from tests.kestrel import Kestrel
from tests.letter_box import letters_to
from tests.statements import counted, engine_of

ClientFor = Callable[[str], Client]
HOME = "/admin/requests"


@pytest.fixture
def asked(client_for: ClientFor, on_app: Session) -> int:
    """bob's open request for the product that he has no permission for."""
    assert client_for("bob").send("/products/ask", product="hub").status_code == 303
    return on_app.scalars(select(AccessRequest.id)).one()


def permissions(session: Session, cast: Cast) -> int:
    """How many permissions bob has for it."""
    session.rollback()
    mine = (
        select(Permission)
        .join(License)
        .where(Permission.member_id == cast.bob.member_id, License.product_id == cast.product["hub"])
    )
    return len(session.scalars(mine).all())


def outcomes(session: Session) -> list[str | None]:
    session.rollback()
    return list(session.scalars(select(AccessRequest.outcome)))


def test_a_launch_that_keeps_asking_gets_its_seat_after_the_grant(kestrel: Kestrel) -> None:
    session, cast = kestrel.session, kestrel.cast
    family = TokenFamily(
        account_id=cast.bob.account_id, organization_id=cast.organization_id, client_name="x", made_at=cast.now
    )
    session.add(family)
    session.commit()
    caller = Caller(cast.organization_id, family.id, cast.bob.account_id)
    ask = partial(taking.ask, session, caller, Asking("u1", "hub", "d", queue=True), cast.now)
    with pytest.raises(Denied) as caught:
        ask()
    assert caught.value.code == "no_permission"
    request, is_news = access.ask(kestrel.bob, "hub", kestrel.by("bob"), cast.now)
    assert is_news
    assert access.ask(kestrel.bob, "hub", kestrel.by("bob"), cast.now) == (request, False)
    assert access.grant(request, "", kestrel.by("alice"), cast.now)
    assert not access.grant(request, "", kestrel.by("carol"), cast.now)
    with pytest.raises(RuleBroken):
        access.decline(request, "", kestrel.by("carol"), cast.now)
    session.commit()
    assert isinstance(ask(), Seat)
    assert session.scalars(select(Denial.served_at)).one() is not None


@pytest.mark.on_sqlite
def test_whoever_can_answer_gets_one_letter_and_the_person_the_answer(
    app: Flask, cast: Cast, client_for: ClientFor, asked: int
) -> None:
    assert client_for("bob").send("/products/ask", product="hub").status_code == 303
    sent = [(letter.kind, letter.recipient) for letter in letters_to(app)]
    assert sent == [("access-asked", cast.alice.email), ("access-asked", cast.carol.email)]
    assert client_for("carol").send(f"{HOME}/{asked}/grant", message="Welcome").status_code == 303
    [answer] = letters_to(app, cast.bob.email)
    assert answer.kind == "access-granted"
    assert "Welcome" in answer.text


@pytest.mark.on_sqlite
def test_only_administrators_of_the_organization_answer(
    cast: Cast, client_for: ClientFor, on_app: Session, asked: int
) -> None:
    for name, status in (("bob", 403), ("dora", 403), ("mallory", 404), ("dave", 404)):
        for deed in ("grant", "decline"):
            assert client_for(name).send(f"{HOME}/{asked}/{deed}").status_code == status, name
    assert outcomes(on_app) == [None]
    assert permissions(on_app, cast) == 0


@pytest.mark.on_sqlite
def test_a_message_that_is_too_long_loses_nothing(client_for: ClientFor, on_app: Session, asked: int) -> None:
    answer = client_for("alice").send(f"{HOME}/{asked}/decline", message="x" * 501)
    assert answer.status_code == 422
    assert "x" * 501 in answer.text
    assert outcomes(on_app) == [None]


@pytest.mark.on_sqlite
def test_a_stale_page_is_told_what_happened(client_for: ClientFor, asked: int) -> None:
    assert client_for("alice").send(f"{HOME}/{asked}/decline").status_code == 303
    late = client_for("carol").send(f"{HOME}/{asked}/grant")
    assert late.status_code == 409
    assert "Alice Example has declined this meanwhile." in late.text


@pytest.mark.on_sqlite
def test_a_request_of_who_is_disabled_is_dropped(
    cast: Cast, client_for: ClientFor, on_app: Session, asked: int
) -> None:
    assert client_for("alice").send(f"/admin/users/{cast.bob.member_id}/disable").status_code == 303
    assert outcomes(on_app) == ["dropped"]
    late = client_for("carol").send(f"{HOME}/{asked}/grant")
    assert (late.status_code, permissions(on_app, cast)) == (409, 0)


def tick(client: Client, cast: Cast, htmx: bool) -> int:
    """Give bob the permission that he asked for under Permissions."""
    box = f"/admin/permissions/{cast.license['three_years']}"
    if htmx:
        return client.swap(f"{box}/{cast.bob.member_id}/give").status_code
    return client.send(box, tick=str(cast.bob.member_id), had="").status_code


@pytest.mark.parametrize("htmx", [True, False])
def test_a_tick_grants_what_was_asked_for(
    app: Flask, cast: Cast, client_for: ClientFor, on_app: Session, asked: int, htmx: bool
) -> None:
    alice = client_for("alice")
    assert "Bob Example" in alice.get(HOME).text
    assert tick(alice, cast, htmx) in (200, 303)
    request = on_app.get_one(AccessRequest, asked, populate_existing=True)
    assert (request.outcome, request.closed_by) == ("granted", cast.alice.account_id)
    assert permissions(on_app, cast) == 1
    assert [letter.kind for letter in letters_to(app, cast.bob.email)] == ["access-granted"]
    assert "Bob Example" not in alice.get(HOME).text
    assert on_app.scalars(select(Activity.action).order_by(Activity.id.desc()).limit(2)).all() == [
        "access.grant", "permission.give",
    ]  # fmt: skip
    assert client_for("carol").send(f"{HOME}/{asked}/decline").status_code == 409


def test_a_tick_for_another_product_answers_nothing(
    cast: Cast, client_for: ClientFor, on_app: Session, asked: int
) -> None:
    for license in ("annual", "cloud"):
        client_for("alice").swap(f"/admin/permissions/{cast.license[license]}/{cast.bob.member_id}/give")
    client_for("alice").swap(f"/admin/permissions/{cast.license['three_years']}/{cast.carol.member_id}/give")
    assert outcomes(on_app) == [None]


@pytest.mark.on_sqlite
def test_what_is_restored_grants_what_was_asked_for(
    app: Flask, cast: Cast, client_for: ClientFor, on_app: Session
) -> None:
    alice, bob = client_for("alice"), f"/admin/users/{cast.bob.member_id}"
    assert tick(alice, cast, htmx=True) == 200
    for deed in ("disable", "enable"):
        assert alice.send(f"{bob}/{deed}").status_code == 303
    assert client_for("bob").send("/products/ask", product="hub").status_code == 303
    assert alice.send(f"{bob}/restore").status_code == 303
    assert outcomes(on_app) == ["granted"]
    assert "access-granted" in [letter.kind for letter in letters_to(app, cast.bob.email)]


def test_of_two_answers_at_one_time_one_counts(cast: Cast, client_for: ClientFor, on_app: Session, asked: int) -> None:
    alice, carol = client_for("alice"), client_for("carol")
    for each in (alice, carol):
        assert each.token
    answers = at_once(partial(alice.send, f"{HOME}/{asked}/grant"), partial(carol.send, f"{HOME}/{asked}/decline"))
    assert sorted(each.status_code for each in answers) == [303, 409]
    [outcome] = outcomes(on_app)
    assert permissions(on_app, cast) == (1 if outcome == "granted" else 0)


def test_a_double_click_asks_once(app: Flask, client_for: ClientFor, on_app: Session) -> None:
    first, second = client_for("bob"), client_for("bob")
    for each in (first, second):
        assert each.token
    answers = at_once(*(partial(each.send, "/products/ask", product="hub") for each in (first, second)))
    assert [each.status_code for each in answers] == [303, 303]
    assert outcomes(on_app) == [None]
    assert len(letters_to(app)) == 2


@pytest.mark.on_sqlite
def test_the_list_takes_six_statements_at_most(app: Flask, client_for: ClientFor, asked: int) -> None:
    alice = client_for("alice")
    assert alice.token
    with counted(engine_of(app)) as statements:
        assert alice.get(HOME).status_code == 200
    assert len(statements) <= 6, statements
