"""Why?: the same words as the denial that a program shows, for who may ask."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from models import License
from tests.cast import Cast
from tests.clients import Client
from tests.sessions import begin
from tests.statements import counted, engine_of

pytestmark = pytest.mark.on_sqlite
ClientFor = Callable[[str], Client]


def why(cast: Cast, name: str, product: str = "hub") -> str:
    """The page about one of the cast."""
    return f"/admin/users/{cast.player(name).member_id}/why?product={product}"


@pytest.mark.parametrize(("name", "status"), [("alice", 200), ("carol", 200), ("bob", 403), ("dora", 403),
                                              ("mallory", 404), ("dave", 404)])  # fmt: skip
def test_administrators_ask_about_their_members(cast: Cast, client_for: ClientFor, name: str, status: int) -> None:
    assert client_for(name).get(why(cast, "bob")).status_code == status


def test_both_sides_read_the_same_sentence(cast: Cast, client_for: ClientFor) -> None:
    said = "You have no permission for"
    assert said in client_for("alice").get(why(cast, "bob")).text
    own = client_for("bob").get("/products/why?product=hub").text
    assert said in own
    assert "Ask for access" in own


def test_where_all_seats_are_in_use_it_says_when_the_next_may_be_free(
    cast: Cast, client_for: ClientFor, on_app: Session
) -> None:
    for license in ("cloud", "network"):
        on_app.get_one(License, cast.license[license]).seats = 1
        begin(on_app, cast, "bob", license, "borrowed")
    said = "The next one may be free at"
    assert said in client_for("alice").get(why(cast, "bob", "render")).text
    assert said in client_for("bob").get("/products/why?product=render").text
    assert said not in client_for("bob").get("/products/why?product=hub").text


def test_who_gets_a_seat_is_told_which(cast: Cast, client_for: ClientFor) -> None:
    assert "An application gets" in client_for("alice").get(why(cast, "bob", "draft")).text


def test_who_gives_permissions_asks_nobody_for_one(cast: Cast, client_for: ClientFor) -> None:
    for name, offers in (("carol", "/admin/permissions?member="), ("bob", "Ask for access")):
        page = client_for(name).get("/products/why?product=hub").text
        assert [offer for offer in ("/admin/permissions?member=", "Ask for access") if offer in page] == [offers]


@pytest.mark.parametrize("product", ["nothing", "x" * 60, "%00", "<b>"])
def test_what_is_no_product_is_said_or_not_there(cast: Cast, client_for: ClientFor, product: str) -> None:
    for name, path in (("alice", why(cast, "bob", product)), ("bob", f"/products/why?product={product}")):
        answer = client_for(name).get(path)
        assert answer.status_code in (200, 303, 404, 422)
        assert "<b>" not in answer.text


def test_an_invitation_runs_nothing(cast: Cast, client_for: ClientFor) -> None:
    answer = client_for("alice").get(why(cast, "erin"))
    assert answer.status_code == 404


def test_eight_statements_are_enough(app: Flask, cast: Cast, client_for: ClientFor) -> None:
    for name, path in (("alice", why(cast, "bob")), ("bob", "/products/why?product=hub")):
        client = client_for(name)
        assert client.token
        with counted(engine_of(app)) as statements:
            assert client.get(path).status_code == 200
        assert len(statements) <= 8, statements
