"""Every address × everybody: what each of the cast gets there, on both databases.

A row names method, address and what each person's status is; `{bob}` is the id of bob's row, `{annual}` a license's.
Everything belongs to Kestrel Works: mallory, who is administrator elsewhere, is the stranger of every row with an id.
"""

from __future__ import annotations

import re

import pytest
from flask import Flask
from sqlalchemy import func, select

from core.activity import COMMAND, Activity
from core.db import db
from core.guard import OPEN_VIEWS
from tests.cast import Cast
from tests.databases import Rewind
from tests.kestrel import Kestrel
from tests.visit import Visit

TABLE = """
                                                   alice carol   bob  dora  dave mallory  erin  otto anonymous
GET  /                                               303   303   303   303   303     303   303   303       303
GET  /activate                                       200   200   200   200   200     200   200   200       303
POST /activate/approve                               303   303   303   303   303     303   303   303       303
GET  /activate/approved                              200   200   200   200   200     200   200   200       303
POST /activate/decline                               303   303   303   303   303     303   303   303       303
GET  /activate/declined                              200   200   200   200   200     200   200   200       303
GET  /admin/activity                                 200   200   403   403   404     200   404   404       303
GET  /admin/activity/export                          200   200   403   403   404     200   404   404       303
GET  /admin/permissions                              200   200   403   403   404     200   404   404       303
POST /admin/permissions/{annual}                     303   303   403   403   404     404   404   404       303
GET  /admin/permissions/{annual}/{bob}/take          200   200   403   403   404     404   404   404       303
POST /admin/permissions/{annual}/{bob}/take          303   303   403   403   404     404   404   404       303
GET  /admin/permissions/{perpetual}/{bob}/move       200   200   403   403   404     404   404   404       303
POST /admin/permissions/{perpetual}/{bob}/move       303   303   403   403   404     404   404   404       303
POST /admin/permissions/{three_years}/{bob}/give     303   303   403   403   404     404   404   404       303
POST /admin/permissions/{three_years}/{dora}/give    409   409   403   403   404     404   404   404       303
GET  /admin/products                                 200   200   403   403   404     200   404   404       303
POST /admin/products                                 303   303   403   403   404     303   404   404       303
GET  /admin/products/validate                        303   303   403   403   404     303   404   404       303
POST /admin/products/validate                        200   200   403   403   404     200   404   404       303
GET  /admin/products/{annual}/copy                   303   303   403   403   404     404   404   404       303
POST /admin/products/{annual}/copy                   200   200   403   403   404     404   404   404       303
GET  /admin/products/{annual}/details                200   200   403   403   404     404   404   404       303
GET  /admin/products/{annual}/reveal                 303   303   403   403   404     404   404   404       303
POST /admin/products/{annual}/reveal                 200   200   403   403   404     404   404   404       303
GET  /admin/requests                                 200   200   403   403   404     200   404   404       303
POST /admin/requests/{request}/decline               303   303   403   403   404     404   404   404       303
POST /admin/requests/{request}/grant                 303   303   403   403   404     404   404   404       303
GET  /admin/settings                                 200   200   403   403   404     200   404   404       303
POST /admin/settings                                 303   303   403   403   404     303   404   404       303
GET  /admin/stations                                 200   200   403   403   404     200   404   404       303
POST /admin/stations                                 200   200   403   403   404     422   404   404       303
GET  /admin/stations/{station}/rename                200   200   403   403   404     404   404   404       303
POST /admin/stations/{station}/rename                303   303   403   403   404     404   404   404       303
GET  /admin/stations/{station}/revoke                200   200   403   403   404     404   404   404       303
POST /admin/stations/{station}/revoke                303   303   403   403   404     404   404   404       303
GET  /admin/status                                   200   200   403   403   404     200   404   404       303
GET  /admin/status/live                              200   200   403   403   404     200   404   404       303
GET  /admin/status/{session}/end                     200   200   403   403   404     404   404   404       303
POST /admin/status/{session}/end                     303   303   403   403   404     404   404   404       303
GET  /admin/status/{borrowed}/write-off              200   200   403   403   404     404   404   404       303
POST /admin/status/{borrowed}/write-off              303   303   403   403   404     404   404   404       303
POST /admin/status/{borrowed}/end                    409   409   403   403   404     404   404   404       303
POST /admin/status/{session}/write-off               409   409   403   403   404     404   404   404       303
GET  /admin/users                                    200   200   403   403   404     200   404   404       303
POST /admin/users                                    303   303   403   403   404     303   404   404       303
GET  /admin/users/counts                             200   200   403   403   404     200   404   404       303
POST /admin/users/{alice}/disable                    409   409   403   403   404     404   404   404       303
POST /admin/users/{alice}/remove                     409   409   403   403   404     404   404   404       303
GET  /admin/users/{bob}/co-admin                     200   200   403   403   404     404   404   404       303
POST /admin/users/{bob}/co-admin                     303   303   403   403   404     404   404   404       303
GET  /admin/users/{bob}/disable                      200   200   403   403   404     404   404   404       303
POST /admin/users/{bob}/disable                      303   303   403   403   404     404   404   404       303
GET  /admin/users/{bob}/remove                       200   200   403   403   404     404   404   404       303
POST /admin/users/{bob}/remove                       303   303   403   403   404     404   404   404       303
POST /admin/users/{bob}/restore                      303   303   403   403   404     404   404   404       303
GET  /admin/users/{bob}/why                          200   200   403   403   404     404   404   404       303
POST /admin/users/{carol}/disable                    303   409   403   403   404     404   404   404       303
GET  /admin/users/{carol}/member                     200   200   403   403   404     404   404   404       303
POST /admin/users/{carol}/member                     303   303   403   403   404     404   404   404       303
POST /admin/users/{dave}/link                        200   200   403   403   404     404   404   404       303
POST /admin/users/{dave}/resend                      303   303   403   403   404     404   404   404       303
GET  /admin/users/{dave}/withdraw                    200   200   403   403   404     404   404   404       303
POST /admin/users/{dave}/withdraw                    303   303   403   403   404     404   404   404       303
POST /admin/users/{dora}/co-admin                    409   409   403   403   404     404   404   404       303
POST /admin/users/{dora}/enable                      303   303   403   403   404     404   404   404       303
POST /admin/users/{dora}/restore                     409   409   403   403   404     404   404   404       303
GET  /api/v1/                                        200   200   200   200   200     200   200   200       200
GET  /api/v1/openapi.json                            200   200   200   200   200     200   200   200       200
GET  /confirm                                        200   200   200   200   200     200   200   200       200
POST /confirm                                        303   303   303   303   303     303   303   303       303
GET  /confirm/sent                                   200   200   200   200   200     200   200   200       200
GET  /confirm/{nothing}                              410   410   410   410   410     410   410   410       410
POST /confirm/{nothing}                              410   410   410   410   410     410   410   410       410
POST /confirm/{nothing}/not-me                       410   410   410   410   410     410   410   410       410
GET  /devices                                        200   200   200   200   200     200   200   200       303
GET  /devices/offline                                200   200   200   200   200     200   200   200       303
POST /devices/offline                                422   422   422   422   422     422   422   422       303
GET  /devices/offline/{away}                         404   200   404   404   404     404   404   404       303
GET  /devices/offline/{away}/file                    404   200   404   404   404     404   404   404       303
GET  /devices/{device}/rename                        404   404   200   404   404     404   404   404       303
POST /devices/{device}/rename                        404   404   303   404   404     404   404   404       303
GET  /devices/{device}/unbind                        404   404   200   404   404     404   404   404       303
POST /devices/{device}/unbind                        404   404   303   404   404     404   404   404       303
GET  /devices/{device}/remove                        404   404   200   404   404     404   404   404       303
POST /devices/{device}/remove                        404   404   303   404   404     404   404   404       303
GET  /devices/{device}/not-me                        404   404   200   404   404     404   404   404       303
POST /devices/{device}/not-me                        404   404   303   404   404     404   404   404       303
POST /devices/sign-ins/{sign_in}/not-me              404   404   303   404   404     404   404   404       303
GET  /email/{nothing}                                410   410   410   410   410     410   410   410       410
POST /email/{nothing}                                410   410   410   410   410     410   410   410       410
GET  /healthz                                        200   200   200   200   200     200   200   200       200
GET  /invitations/declined                           200   200   200   200   200     200   200   200       200
GET  /invitations/{invitation}                       200   200   200   200   200     200   200   200       200
POST /invitations/{invitation}/confirm               403   403   403   403   303     403   403   403       303
POST /invitations/{invitation}/decline               303   303   303   303   303     303   303   303       303
POST /invitations/{invitation}/sign-up               303   303   303   303   303     303   303   303       303
POST /invitations/{invitation}/switch                303   303   303   303   303     303   303   303       303
GET  /invitations/{nothing}                          410   410   410   410   410     410   410   410       410
POST /invitations/{nothing}/confirm                  410   410   410   410   410     410   410   410       303
POST /invitations/{nothing}/decline                  410   410   410   410   410     410   410   410       410
POST /invitations/{nothing}/sign-up                  410   410   410   410   410     410   410   410       410
POST /invitations/{nothing}/switch                   410   410   410   410   410     410   410   410       303
GET  /login                                          303   303   303   303   303     303   303   303       200
POST /login                                          303   303   303   303   303     303   303   303       303
POST /logout                                         303   303   303   303   303     303   303   303       303
GET  /operator/activity                              404   404   404   404   404     404   404   200       303
GET  /operator/activity/export                       404   404   404   404   404     404   404   200       303
GET  /operator/keys                                  404   404   404   404   404     404   404   200       303
POST /operator/keys                                  404   404   404   404   404     404   404   303       303
POST /operator/keys/items/1/take-out                 404   404   404   404   404     404   404   200       303
POST /operator/keys/items/add                        404   404   404   404   404     404   404   200       303
GET  /operator/keys/{key}/extend                     404   404   404   404   404     404   404   200       303
POST /operator/keys/{key}/extend                     404   404   404   404   404     404   404   303       303
POST /operator/keys/{key}/reinstate                  404   404   404   404   404     404   404   303       303
GET  /operator/keys/{key}/release                    404   404   404   404   404     404   404   200       303
POST /operator/keys/{key}/release                    404   404   404   404   404     404   404   303       303
POST /operator/keys/{key}/reveal                     404   404   404   404   404     404   404   200       303
GET  /operator/keys/{key}/revoke                     404   404   404   404   404     404   404   200       303
POST /operator/keys/{key}/revoke                     404   404   404   404   404     404   404   303       303
GET  /operator/mail                                  404   404   404   404   404     404   404   200       303
POST /operator/mail/test                             404   404   404   404   404     404   404   303       303
GET  /operator/mail/{letter}                         404   404   404   404   404     404   404   200       303
POST /operator/mail/{letter}/send                    404   404   404   404   404     404   404   303       303
GET  /operator/organizations                         404   404   404   404   404     404   404   200       303
GET  /operator/organizations/{kestrel}               404   404   404   404   404     404   404   200       303
GET  /operator/organizations/{kestrel}/transfer        404   404   404   404   404     404   404   200       303
POST /operator/organizations/{kestrel}/transfer      404   404   404   404   404     404   404   303       303
GET  /operator/products                              404   404   404   404   404     404   404   200       303
POST /operator/products                              404   404   404   404   404     404   404   303       303
GET  /organization                                   200   200   200   200   200     200   200   200       303
GET  /organization/create                            303   303   409   409   200     303   200   403       303
POST /organization/create                            303   303   409   409   303     303   303   403       303
GET  /organization/create/validate                   303   303   303   303   303     303   303   303       303
POST /organization/create/validate                   303   303   409   409   200     303   200   403       303
GET  /organization/leave                             409   200   200   200   404     409   404   404       303
POST /organization/leave                             409   303   303   303   404     409   404   404       303
GET  /problems/no-seat-available                     200   200   200   200   200     200   200   200       200
GET  /products                                       200   200   200   200   200     200   200   200       303
POST /products                                       303   303   303   303   303     303   303   403       303
POST /products/ask                                   303   303   303   409   404     303   404   404       303
POST /products/validate                              200   200   200   200   200     200   200   403       303
GET  /products/why                                   200   200   200   200   200     200   200   200       303
POST /products/{own}/copy                            404   404   404   404   404     404   200   404       303
GET  /products/{own}/details                         404   404   404   404   404     404   200   404       303
POST /products/{own}/reveal                          404   404   404   404   404     404   200   404       303
GET  /profile                                        200   200   200   200   200     200   200   200       303
POST /profile                                        303   303   303   303   303     303   303   303       303
GET  /profile/delete                                 409   200   200   200   200     409   200   409       303
POST /profile/delete                                 422   422   422   422   422     422   422   422       303
POST /profile/email                                  303   303   303   303   303     303   303   303       303
POST /profile/password                               303   303   303   303   303     303   303   303       303
POST /profile/sign-out-others                        303   303   303   303   303     303   303   303       303
GET  /readyz                                         503   503   503   503   503     503   503   503       503
GET  /register                                       303   303   303   303   303     303   303   303       200
POST /register                                       303   303   303   303   303     303   303   303       303
GET  /register/sent                                  200   200   200   200   200     200   200   200       200
GET  /reset                                          200   200   200   200   200     200   200   200       200
POST /reset                                          303   303   303   303   303     303   303   303       303
GET  /reset/sent                                     200   200   200   200   200     200   200   200       200
GET  /reset/{nothing}                                410   410   410   410   410     410   410   410       410
POST /reset/{nothing}                                410   410   410   410   410     410   410   410       410
GET  /setup/{nothing}                                410   410   410   410   410     410   410   410       410
POST /setup/{nothing}                                410   410   410   410   410     410   410   410       410
"""

Row = tuple[str, str, dict[str, int]]


def rows() -> list[Row]:
    """The table: method, address, status by person."""
    head, *lines = [line.split() for line in TABLE.strip().splitlines() if line.strip()]
    return [(line[0], line[1], dict(zip(head, map(int, line[2:]), strict=True))) for line in lines]


@pytest.fixture
def visit(app: Flask, cast: Cast, put_back: Rewind) -> Visit:
    """Everybody's browsers."""
    return Visit(app, cast, put_back)


def test_everybody_gets_what_the_table_says(visit: Visit) -> None:
    found = []
    for method, address, wanted in rows():
        got = {who: visit.status(method, address, who) for who in wanted}
        found.append((method, address, got))
        if method == "POST":
            visit.put_back()  # what was refused may have been counted
    assert found == rows()


@pytest.mark.on_sqlite
def test_nothing_is_sent_without_a_token(visit: Visit) -> None:
    """Who is signed in gets 400; who is not is led to sign in, or gets 400 where everybody may come."""
    for method, address, people in rows():
        if method == "POST":
            got = {who: visit.status(method, address, who, token=False) for who in people}
            is_private = endpoint_of(visit, address) not in OPEN_VIEWS
            assert (address, got) == (address, dict.fromkeys(people, 400) | ({"anonymous": 303} if is_private else {}))


def endpoint_of(visit: Visit, address: str) -> str:
    path = address.format(**visit.values)
    return str(visit.app.url_map.bind("127.0.0.1").match(path, method="POST")[0])


@pytest.mark.on_sqlite
def test_table_has_every_address(app: Flask) -> None:
    """A new address needs its row; what programs call knows no person (`test_api_input.py`, `test_oauth.py`)."""
    routes = {
        (method, re.sub(r"<[^>]+>", "*", str(rule)))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint != "static" and not rule.endpoint.startswith(("api.", "oauth."))
    }
    written = {
        (method, re.sub(r"{\w+}|(?<=/items/)1|(?<=/problems/)[a-z-]+", "*", address))
        for method, address, _statuses in rows()
    }
    assert written == routes


FOREIGN = (
    "/admin/permissions/{other}",
    "/admin/permissions/{other}/{bob}/give",
    "/admin/permissions/{annual}/{mallory}/give",
    "/admin/permissions/{annual}/{mallory}/move",
    "/admin/permissions/{other}/{bob}/take",
    "/admin/products/{other}/reveal",
    "/admin/products/{other}/copy",
    "/admin/requests/{elsewhere}/grant",
    "/admin/requests/{elsewhere}/decline",
    "/admin/status/{foreign}/end",
    "/admin/status/{foreign}/write-off",
    *(f"/admin/users/{{mallory}}/{what}" for what in (
        "co-admin", "disable", "enable", "link", "member", "remove", "resend", "restore", "withdraw",
    )),
)  # fmt: skip


def test_ids_of_another_organization_do_not_exist(visit: Visit) -> None:
    """X25: nothing is found, and nothing is changed, there or here."""
    visit.values["mallory"] = visit.cast.mallory.member_id
    with visit.app.app_context():
        before = db.session.scalar(select(func.count()).select_from(Activity))
    for address in FOREIGN:
        for who in ("alice", "carol"):
            assert (address, visit.status("POST", address, who)) == (address, 404)
    with visit.app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Activity)) == before


@pytest.mark.on_sqlite
def test_plain_form_of_a_full_license_is_refused_with_the_reason(visit: Visit) -> None:
    """X17 without JavaScript, at both addresses that give a seat."""
    alice = visit.client("alice")
    with visit.app.app_context():
        Kestrel(db.session, visit.cast).license("annual").key.extend(COMMAND, visit.cast.now, seats=1)
        db.session.commit()
    section = f"/admin/permissions/{visit.values['annual']}"
    for answer in (
        alice.send(f"{section}/{visit.values['carol']}/give"),
        alice.send(section, had="", tick=[str(visit.values["carol"])]),
    ):
        assert answer.status_code == 409
        assert "It was taken by Bob Example" in answer.text
        assert "/admin/permissions" in answer.text
