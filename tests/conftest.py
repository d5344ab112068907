"""What tests stand on: fresh databases of both kinds, the application, the cast, clients, a server, a browser.

A test that asks for `database` (or for anything that stands on it) runs on SQLite and on PostgreSQL; mark it
`on_sqlite` where one database is enough, as for pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import create_engine, event
from sqlalchemy.orm import Session

from core import db as database_
from core import settings as settings_
from core.db import db
from core.pages.languages import Formats, Languages
from core.settings import Settings
from tests import quick
from tests.api_desk import clock, program  # noqa: F401  # fixtures
from tests.browser import browser_type_launch_args, page  # noqa: F401  # fixtures
from tests.cast import Cast
from tests.clients import Client, sign_in
from tests.databases import POSTGRESQL, SQLITE, Database, Files, Rewind, Server, Source, environ
from tests.figures import drilling, figure, pytest_addoption, pytest_terminal_summary  # noqa: F401  # hooks, fixtures
from tests.forked import COMMANDS
from tests.invitation_page import copied, mailed, to_new  # noqa: F401  # fixtures
from tests.kestrel import Kestrel
from tests.letter_desk import desk, writing_app  # noqa: F401  # fixtures
from tests.programs import bound, plain  # noqa: F401  # fixtures
from tests.seat_programs import portal_seat  # noqa: F401  # fixture
from tests.servers import free_port, serving
from tests.smtp import Mailbox, smtp  # noqa: F401  # fixture

KINDS = {SQLITE: Files, POSTGRESQL: Server}
#: Files that take long, begun first so that the end does not wait for one of them.
LONG = (
    "test_axe", "test_seed_journey", "test_mail", "test_users_browser", "test_look", "test_keyboard",
    "test_rules_races", "test_cast_routes", "test_setup", "test_operator_keys", "test_up", "test_screen_reader",
    "test_without_javascript",
)  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """Make our marks known, and what all tests stand on quick."""
    quick.begin()
    config.addinivalue_line("markers", "on_sqlite: one database is enough for this test")
    config.addinivalue_line("markers", "on_postgresql: this test is about PostgreSQL")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes long first; everything else stays in its order."""
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))


def pytest_collection_finish() -> None:
    """Everything is imported: begin."""
    quick.settle()


def pytest_sessionfinish() -> None:
    """Leave nothing running."""
    COMMANDS.stop()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test that needs a database on both kinds, or on the one that its mark names."""
    if "database" in metafunc.fixturenames:
        marks = {mark.name for mark in metafunc.definition.iter_markers()}
        kinds = [kind for kind in KINDS if f"on_{kind}" in marks] or list(KINDS)
        metafunc.parametrize("database", kinds, indirect=True)


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Source]]:
    """Where databases come from, each kind started at its first use."""
    started: dict[str, Source] = {}

    def source(kind: str) -> Source:
        if kind not in started:
            started[kind] = KINDS[kind](tmp_path_factory.mktemp(kind))
        return started[kind]

    yield source
    for each in started.values():
        each.stop()


@pytest.fixture
def database(request: pytest.FixtureRequest, sources: Callable[[str], Source]) -> Iterator[Database]:
    """A fresh database; with the cast in it when the test asks for `cast`."""
    source = sources(request.param)
    made = source.fresh(with_cast="cast" in request.fixturenames)
    yield made
    source.drop(made)


@pytest.fixture
def blank(database: Database, sources: Callable[[str], Source]) -> Database:
    """A database of the same kind without tables."""
    return sources(database.kind).blank()


@pytest.fixture
def cast(database: Database) -> Cast:
    """Who is in the database: alice, carol, bob, dora, dave, mallory, erin and otto."""
    assert database.cast is not None
    return database.cast


@pytest.fixture
def put_back(database: Database, cast: Cast, sources: Callable[[str], Source]) -> Rewind:
    """Makes the database what it was when the test began, or when it was kept."""
    return Rewind(sources(database.kind), database)


@pytest.fixture
def bare_app(database: Database) -> Iterator[Flask]:
    """An application that has nothing but the database and the texts: for tests of the rules."""
    app = Flask("portal.tests")
    database_.init_app(app, database.url)
    Languages(app, date_formats=Formats())
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def session(bare_app: Flask) -> Iterator[Session]:
    """The database session of an application context."""
    with bare_app.app_context():
        yield db.session


@pytest.fixture
def kestrel(session: Session, cast: Cast) -> Kestrel:
    """Kestrel Works and its people as rows: for tests of the rules."""
    return Kestrel(session, cast)


@pytest.fixture
def settings(database: Database, tmp_path_factory: pytest.TempPathFactory, smtp_environ: dict[str, str]) -> Settings:
    """The settings of the application under test."""
    port = free_port()
    folder = tmp_path_factory.mktemp("data")
    more = {"PORT": str(port), "BASE_URL": f"http://127.0.0.1:{port}", **smtp_environ}
    return settings_.load(environ(database.url, folder, **more))


@pytest.fixture
def smtp_environ(request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings of mail; letters are kept unless the test asks for `smtp`."""
    if "smtp" not in request.fixturenames:
        return {}
    mailbox: Mailbox = request.getfixturevalue("smtp")
    return mailbox.environ


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    """The whole application: tokens of forms are checked as ever, only hashing of passwords is cheap."""
    from app import create_app

    made = create_app(settings)
    made.testing = True
    make_hashing_cheap(made)
    yield made
    with made.app_context():
        db.engine.dispose()


def make_hashing_cheap(app: Flask) -> None:
    """Argon2 with the smallest cost: a test is no attack."""
    context = app.extensions["security"].pwd_context
    context.update(argon2__time_cost=1, argon2__memory_cost=8, argon2__parallelism=1)


@pytest.fixture
def anonymous(app: Flask) -> Client:
    """A browser that nobody is signed in to."""
    return Client(app)


@pytest.fixture
def client_for(app: Flask, cast: Cast) -> Callable[[str], Client]:
    """`client_for("alice")`: a browser that alice is signed in to."""

    def client(name: str) -> Client:
        return sign_in(Client(app), cast.player(name))

    return client


@pytest.fixture
def server(app: Flask, settings: Settings) -> Iterator[str]:
    """The address of the application behind a real port, with its front and static files."""
    with serving(app, settings.port):
        yield settings.base_url


@pytest.fixture
def on_app(database: Database, app: Flask) -> Iterator[Session]:
    """A session apart from every request, to look at what one left and to change what the next one finds."""
    engine = create_engine(database.url)  # without the writer gate, which a session that is kept open would hold
    if database.kind == SQLITE:
        event.listen(engine, "connect", lambda connection, _record: database_.teach(connection))
    with Session(engine, expire_on_commit=False) as session:
        yield session
    engine.dispose()
