"""Every page and every state: axe finds nothing, and no page complains.

The short form looks at one state light in a wide window and at the next dark on a phone, in turn; the long form looks
at each in both schemes and both widths, and in every language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser
from sqlalchemy.exc import OperationalError
from werkzeug.routing import Rule

from core import meta, tokens
from core.dates import now
from core.db import db
from core.pages.languages import LANGUAGES
from core.tokens import Purpose
from tests import states
from tests.cast import PASSWORD, SECRET_KEY, Cast
from tests.clients import Client
from tests.databases import Rewind
from tests.figures import Figure
from tests.letter_desk import LETTERS, Desk
from tests.looking import ALL, IN_TURN, Viewer
from tests.permission_pages import crowd
from tests.tour import Tour
from tests.visit import Visit

pytestmark = pytest.mark.on_sqlite
MORE = 60  # people, more than a page lists
OFTEN = 5  # letters that one address gets in an hour
CAST = (*states.VISITOR, *states.ALICE, *states.MEMBERS, *states.OPERATOR)
#: What answers with a piece of a page, with another address, or to machines.
NO_PAGES = {
    "/api/v1/openapi.json", "/devices/offline/{away}/file",
    "/", "/healthz", "/readyz", "/admin/users/counts", "/admin/products/validate", "/admin/products/{annual}/details",
    "/admin/products/{annual}/reveal", "/admin/products/{annual}/copy", "/products/{own}/details",
    "/organization/create/validate", "/admin/status/live", "/admin/activity/export",
    "/operator/activity/export",
}  # fmt: skip


def languages(drilling: bool) -> tuple[str, ...]:
    """English, and in the long form all."""
    return LANGUAGES if drilling else LANGUAGES[:1]


@pytest.fixture
def viewer(browser: Browser, settings: object, drilling: bool, figure: Figure) -> Iterator[Viewer]:
    """Looks, and has found nothing wrong in the end."""
    viewer = Viewer(browser, ALL if drilling else IN_TURN, base_url=getattr(settings, "base_url", None))
    yield viewer
    figure("looks", viewer.seen)
    viewer.context.close()
    assert not viewer.wrong, "\n".join(viewer.wrong)


@pytest.fixture
def tour(app: Flask, cast: Cast, put_back: Rewind, server: str, viewer: Viewer) -> Tour:
    """Everybody's pages."""
    return Tour(app, cast, put_back, viewer)


def test_every_page_and_state_is_accessible(tour: Tour, viewer: Viewer, drilling: bool) -> None:
    for language in languages(drilling):
        viewer.page.set_extra_http_headers({"Accept-Language": language})
        tour.go(CAST)


def test_error_pages_are_accessible(
    tour: Tour, viewer: Viewer, app: Flask, monkeypatch: pytest.MonkeyPatch, drilling: bool
) -> None:
    app.testing = False
    app.config["MAX_CONTENT_LENGTH"] = states.MOST_BYTES
    for endpoint, error in ((states.BROKEN, KeyError()), (states.LOCKED, OperationalError("", {}, Exception()))):
        monkeypatch.setitem(app.view_functions, endpoint, raising(error))
    for language in languages(drilling):
        viewer.page.set_extra_http_headers({"Accept-Language": language})
        visitor = Client(app)
        for _ in range(OFTEN):
            visitor.send("/reset", email=states.OFTEN)
        tour.go(states.ERRORS)


def raising(error: Exception) -> Callable[[], None]:
    """A view that fails."""

    def view() -> None:
        raise error

    return view


def test_full_lists_are_accessible(tour: Tour, app: Flask, cast: Cast) -> None:
    crowd(app, cast, MORE)
    tour.go(states.FULL)


def test_a_portal_with_nothing_in_it_is_accessible(app: Flask, server: str, viewer: Viewer) -> None:
    """As its first operator finds it, whom the page behind the first link makes."""
    page, link = viewer.page, first_link(app)
    form = {"email": "otto@example.com", "password": PASSWORD}
    page.goto(link)
    viewer.look("setup")
    states.send(link, name="", email="otto", password="short")(page, str)
    viewer.look("setup with errors")
    states.send(link, name="Otto Example", **form)(page, str)
    for path in states.NEW:
        page.goto(path)
        viewer.look(f"new {path}")


def first_link(app: Flask) -> str:
    """Where the first operator begins."""
    with app.app_context():
        row = meta.begin(db.session, now())
        db.session.commit()
        return f"/setup/{tokens.make(SECRET_KEY, Purpose.SETUP, row.instance, 1)}"


def test_letters_are_accessible(desk: Desk, viewer: Viewer, drilling: bool) -> None:
    for put, _recipients in LETTERS.values():
        put(desk)
    for number, row in enumerate(desk.put()):
        for row.locale in languages(drilling):
            viewer.begin()
            viewer.page.set_content(desk.letter(number, masked=True).html)
            viewer.look(f"letter {row.kind} to {row.recipient} in {row.locale}")


def test_every_page_is_looked_at(app: Flask, cast: Cast, put_back: Rewind) -> None:
    """A new page needs its row, and what has none is no page."""
    visit = Visit(app, cast, put_back)
    no_pages = {rule_of(app, path) for path in NO_PAGES if not is_page(visit, path)}
    looked_at = {rule_of(app, state.path) for state in (*CAST, *states.ERRORS) if state.status not in (404, 405)}
    routes = {str(rule) for rule in app.url_map.iter_rules() if is_for_people(rule)}
    assert routes - looked_at - no_pages == {"/setup/<token>", "/static/<path:filename>"}


def is_for_people(rule: Rule) -> bool:
    """Whether an address is opened, and by people."""
    return "GET" in (rule.methods or ()) and not rule.endpoint.startswith(("api.", "oauth."))


def rule_of(app: Flask, path: str) -> str:
    """The rule of an address with names in it."""
    plain = re.sub(r"{\w+}", "1", path.partition("?")[0])
    return str(app.url_map.bind("127.0.0.1").match(plain, method="GET", return_rule=True)[0])


def is_page(visit: Visit, path: str) -> bool:
    """Whether a browser would show it as a page of its own."""
    answers = [visit.client(who).get(path.format(**visit.values)) for who in ("alice", "erin")]
    return any(answer.status_code == 200 and "<!doctype" in answer.text for answer in answers)
