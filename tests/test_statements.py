"""How many statements a request takes, session included: as many for ten thousand members as for ten."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from core.activity import COMMAND
from core.dates import LicenseType, now
from core.db import db
from core.lists import running_page
from core.sealing import Sealer
from models import Account, Item, License, Member, PermissionKey, Product
from tests import sessions
from tests.cast import SEAL_KEY, Cast
from tests.clients import Client
from tests.kestrel import Kestrel
from tests.statements import FIRST, counted, engine_of, fill

ClientFor = Callable[[str], Client]
Taken = dict[str, int]
PAGE, PERMISSIONS, ROW, PIECE = 6, 8, 8, 4
PAGES = {
    "/admin/users": PAGE,
    "/admin/users?q=person": PAGE,
    "/admin/users?q=bob@example.com": PAGE,
    "/admin/users?state=disabled": PAGE,
    f"/admin/users?after={FIRST + 1}&before=50": PAGE,
    "/admin/products": PAGE,
    "/admin/permissions": PERMISSIONS,
    "/admin/permissions?q=person": PERMISSIONS,
    f"/admin/permissions?after={FIRST + 1}": PERMISSIONS,
    "/products": PAGE,
    "/devices": PAGE,
    "/admin/stations": PAGE,
}
STATUS = {  # for ten sessions and for a thousand
    "/admin/status": PAGE,
    "/admin/status?q=person": PAGE,
    f"/admin/status?after={sessions.FIRST + 1}&before=50": PAGE,
    "/admin/status/live": 4,  # when something has changed
}
UNCHANGED = 3  # a look at Status that finds nothing new


def statements(engine: Engine, request: Callable[[], TestResponse]) -> int:
    """How many statements a request takes that is answered well."""
    with counted(engine) as seen:
        answer = request()
    assert answer.status_code == 200, answer.text
    print(answer.request.path, len(seen), *seen, sep="\n  ")  # what pytest shows when it is too many
    return len(seen)


def test_a_request_takes_as_many_for_ten_thousand_members(app: Flask, cast: Cast, client_for: ClientFor) -> None:
    engine, alice = engine_of(app), client_for("alice")
    assert alice.token
    fill(engine, cast, 10)
    few = {**pages(engine, alice, cast), **row_actions(app, alice, cast, FIRST, held=1)}
    fill(engine, cast, 10_000, 2 * FIRST)  # apart from the ids that invitations took
    many = {**pages(engine, alice, cast), **row_actions(app, alice, cast, 2 * FIRST, held=12)}
    assert few == many
    budgets = {**PAGES, **dict.fromkeys(pieces(cast), PIECE)}
    assert {name: number for name, number in many.items() if number > budgets.get(name, ROW)} == {}


def test_status_takes_as_many_for_a_thousand_sessions(app: Flask, cast: Cast, client_for: ClientFor) -> None:
    engine, alice = engine_of(app), client_for("alice")
    assert alice.token
    taken = []
    for size, first in ((10, sessions.FIRST), (990, 2 * sessions.FIRST)):
        sessions.fill(engine, cast, "cloud", size, first)
        taken.append({path: statements(engine, lambda: alice.get(path)) for path in STATUS})  # noqa: B023
    assert taken[0] == taken[1]
    assert {path: number for path, number in taken[1].items() if number > STATUS[path]} == {}


def test_look_that_finds_nothing_new_at_status(
    app: Flask, cast: Cast, client_for: ClientFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = now()
    monkeypatch.setattr(running_page, "now", lambda: at)
    sessions.fill(engine_of(app), cast, "cloud", 1000)
    alice = client_for("alice")
    url = alice.get("/admin/status").text.partition('id="board" hx-get="')[2].partition('"')[0]
    with counted(engine_of(app)) as seen:
        assert alice.fragment(url).status_code == 204
    assert len(seen) <= UNCHANGED


def test_what_a_member_holds_adds_no_statement(app: Flask, cast: Cast, client_for: ClientFor) -> None:
    fill(engine_of(app), cast, 10)
    alice = client_for("alice")
    assert alice.token
    one, twelve = (row_actions(app, alice, cast, FIRST + place, held) for place, held in ((1, 1), (2, 12)))
    none = row_actions(app, alice, cast, FIRST, held=0)
    assert one == twelve
    assert {name: number for name, number in none.items() if number > one[name]} == {}


def pages(engine: Engine, alice: Client, cast: Cast) -> Taken:
    """What every page and every piece of one takes."""
    alice.get("/admin/users/counts")  # what was counted since the last change is remembered
    return {
        **{path: statements(engine, lambda: alice.get(path)) for path in PAGES},  # noqa: B023
        **{name: statements(engine, lambda: alice.fragment(path)) for name, path in pieces(cast).items()},  # noqa: B023
    }


def pieces(cast: Cast) -> dict[str, str]:
    """What opens below a row or over the page."""
    return {
        "counts": "/admin/users/counts",
        "details": f"/admin/products/{cast.license['annual']}/details",
        "co-admin?": f"/admin/users/{cast.bob.member_id}/co-admin",
        "member?": f"/admin/users/{cast.carol.member_id}/member",
        "remove?": f"/admin/users/{cast.bob.member_id}/remove",
        "withdraw?": f"/admin/users/{cast.dave.member_id}/withdraw",
        "move?": f"/admin/permissions/{cast.license['perpetual']}/{cast.bob.member_id}/move",
    }


def row_actions(app: Flask, alice: Client, cast: Cast, member_id: int, held: int) -> Taken:
    """What every button takes for one member, in an order in which each is possible, and for somebody invited."""
    engine = engine_of(app)
    hold(app, cast, member_id, held)
    person, guest = f"/admin/users/{member_id}", f"/admin/users/{invited(app, alice, f'guest{member_id}@new.example')}"
    box = f"/admin/permissions/{cast.license['cloud']}/{member_id}"
    actions = {
        "give": f"{box}/give", "take": f"{box}/take", "disable": f"{person}/disable", "enable": f"{person}/enable",
        "restore": f"{person}/restore", "co-admin": f"{person}/co-admin", "member": f"{person}/member",
        "remove": f"{person}/remove", "resend": f"{guest}/resend", "withdraw": f"{guest}/withdraw",
    }  # fmt: skip
    taken = {}
    for name, path in actions.items():
        replaces = {"replaces": co_administrator(app, cast)} if name == "co-admin" else {}
        taken[name] = statements(engine, lambda: alice.swap(path, **replaces))  # noqa: B023
    again = f"/admin/users/{cast.carol.member_id}/co-admin"  # so that whoever comes next replaces somebody too
    assert alice.swap(again, replaces="").status_code == 200
    return taken


def hold(app: Flask, cast: Cast, member_id: int, number: int) -> None:
    """Let somebody hold permissions for so many products."""
    with app.app_context():
        kestrel = Kestrel(db.session, cast)
        member = kestrel.organization.member(member_id)
        for license in [product_line(kestrel, f"{member_id}-{n}") for n in range(number)]:
            license.give(member, kestrel.by("alice"), cast.now)
        db.session.commit()


def product_line(kestrel: Kestrel, name: str) -> License:
    """The organization's license of another product."""
    session, cast = kestrel.session, kestrel.cast
    product = Product.add(session, name, f"Product {name}", False, COMMAND, cast.now)
    key, _text = PermissionKey.issue(
        session, [Item(product, LicenseType.ANNUAL, 2)], Sealer(SEAL_KEY), COMMAND, cast.now
    )
    key.redeem(kestrel.organization, kestrel.by("alice"), cast.now, cast.now.date())
    return key.licenses[0]


def invited(app: Flask, alice: Client, email: str) -> int:
    """The id of somebody who is invited now."""
    assert alice.swap("/admin/users", emails=email).status_code == 200
    with app.app_context():
        return db.session.scalars(select(Member.id).where(Member.email == email)).one()


def co_administrator(app: Flask, cast: Cast) -> int | str:
    """The id of the co-administrator, as the form names it."""
    with app.app_context():
        holder = Kestrel(db.session, cast).organization.holder_of("co-administrator")
        return holder.id if holder else ""


def test_an_address_of_a_pasted_list_takes_three_at_most(
    app: Flask, cast: Cast, client_for: ClientFor, on_app: Session
) -> None:
    alice = client_for("alice")
    assert alice.token
    emails = ", ".join(f"new{number}@list.example" for number in range(100))
    assert statements(engine_of(app), lambda: alice.swap("/admin/users", emails=emails)) <= 3 * 100 + PAGE
    assert len(on_app.scalars(select(Member).where(Member.email.endswith("@list.example"))).all()) == 100


def test_details_of_an_own_license(app: Flask, client_for: ClientFor, cast: Cast) -> None:
    erin = client_for("erin")
    with app.app_context():
        key = PermissionKey.known(db.session, cast.unused["personal"])
        key.redeem(db.session.get_one(Account, cast.erin.account_id), cast.erin.actor, cast.now, cast.now.date())
        db.session.commit()
        path = f"/products/{key.licenses[0].id}/details"
    assert erin.token
    assert statements(engine_of(app), lambda: erin.fragment(path)) <= PIECE


@pytest.mark.parametrize("question", ["extend", "revoke", "release"])
def test_a_question_about_a_key(app: Flask, client_for: ClientFor, cast: Cast, on_app: Session, question: str) -> None:
    otto = client_for("otto")
    assert otto.token
    path = f"/operator/keys/{on_app.get_one(License, cast.license['cloud']).key_id}/{question}"
    assert statements(engine_of(app), lambda: otto.fragment(path)) <= PIECE
