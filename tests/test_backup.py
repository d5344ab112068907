"""A backup is made while people work; put back elsewhere, it is the same portal. What is no backup changes nothing."""

from __future__ import annotations

import io
import json
import os
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import update

from core import digests
from core.db import db, engine_for
from core.settings import ROOT
from models import Account, Organization
from tests.cast import PASSWORD, SEAL_KEY, SECRET_KEY, Cast
from tests.clients import Client
from tests.databases import POSTGRESQL, Database, Server, Source
from tests.forked import COMMANDS, Done, environment

WRITERS = 4
Portal = Callable[..., Done]


@pytest.fixture
def programs(database: Database, sources: Callable[[str], Source]) -> str:
    """The PATH on which PostgreSQL's programs are."""
    source = sources(database.kind)
    more = [str(source.server.binaries)] if isinstance(source, Server) else []
    return os.pathsep.join([*more, os.environ["PATH"]])


@pytest.fixture
def portal(database: Database, programs: str, tmp_path: Path) -> Portal:
    """Runs a command on the test's portal, or with the settings given."""

    def run(*arguments: str, **settings: str) -> Done:
        known = {"DATABASE_URL": database.url, "PORTAL_DATA": str(tmp_path / "data"), "PATH": programs,
                 "SECRET_KEY": SECRET_KEY, "SEAL_KEY": SEAL_KEY}  # fmt: skip
        return COMMANDS.run(arguments, environment(**known | settings), tmp_path)

    return run


@pytest.fixture
def elsewhere(database: Database, blank: Database, tmp_path: Path) -> dict[str, str]:
    """The settings of a portal on another machine, which has nothing yet."""
    folder = tmp_path / "elsewhere"
    url = blank.url if database.kind == POSTGRESQL else f"sqlite:///{folder / 'portal.db'}"
    return {"DATABASE_URL": url, "PORTAL_DATA": str(folder)}


def held(url: str) -> dict[str, digests.Table]:
    """What a database holds."""
    with digests.reading(url) as connection:
        return digests.of(connection)


def good(done: Done) -> str:
    """What a command said that did its work."""
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(done: Done) -> str:
    """The one sentence of a command that did not."""
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    return done.stderr


def test_backup_put_back_elsewhere_is_the_same_portal(
    portal: Portal, elsewhere: dict[str, str], database: Database, cast: Cast, tmp_path: Path
) -> None:
    assert "rows of schema" in good(portal("backup", "one"))
    assert (tmp_path / "one").stat().st_mode & 0o777 == 0o600
    assert "are back" in good(portal("restore", "one", **elsewhere))
    assert held(elsewhere["DATABASE_URL"]) == held(database.url)
    assert good(portal("keys", "list", **elsewhere)) == good(portal("keys", "list"))
    assert good(portal("activity", "verify", **elsewhere)) == good(portal("activity", "verify"))
    key = cast.unused["shared"]
    assert key in good(portal("keys", "show", key, **elsewhere))  # what was sealed opens


def test_backup_under_writers_is_of_one_moment(
    portal: Portal, elsewhere: dict[str, str], app: Flask, cast: Cast
) -> None:
    stop, numbers = threading.Event(), [0] * WRITERS

    def write(which: int) -> None:
        while not stop.is_set():
            with app.app_context():
                numbers[which] += 1
                words = f"{which} {numbers[which]}"  # in two places, which are never apart
                db.session.execute(update(Organization).values(contact=words))
                db.session.execute(update(Account).values(company=words))
                db.session.commit()

    threads = [threading.Thread(target=write, args=(which,)) for which in range(WRITERS)]
    for each in threads:
        each.start()
    try:
        good(portal("backup", "one"))
    finally:
        stop.set()
        for each in threads:
            each.join()
    good(portal("restore", "one", **elsewhere))
    with digests.reading(elsewhere["DATABASE_URL"]) as connection:
        words = {row[0] for row in connection.exec_driver_sql("SELECT contact FROM organization")}
        words |= {row[0] for row in connection.exec_driver_sql("SELECT company FROM account")}
    assert len(words) == 1
    assert min(numbers) > 0


def test_sign_in_works_on_the_copy(portal: Portal, elsewhere: dict[str, str], cast: Cast, tmp_path: Path) -> None:
    from app import create_app
    from core import settings as settings_
    from core.secret_files import with_secrets

    good(portal("backup", "one"))
    good(portal("restore", "one", **elsewhere))
    environ = environment(**elsewhere, SECRET_KEY=SECRET_KEY, SEAL_KEY=SEAL_KEY)
    made = create_app(with_secrets(settings_.load(environ), create=False))
    try:
        visitor = Client(made)
        visitor.get("/login")
        answer = visitor.send("/login", email="alice@example.com", password=PASSWORD)
        assert answer.status_code == 303
        assert visitor.get("/admin/products").status_code == 200
    finally:
        with made.app_context():
            db.engine.dispose()


def test_what_is_there_is_replaced_only_when_asked(
    portal: Portal, elsewhere: dict[str, str], cast: Cast, tmp_path: Path
) -> None:
    good(portal("backup", "one"))
    good(portal("restore", "one", **elsewhere))
    good(portal("products", "add", "later", "Later", **elsewhere))
    before = held(elsewhere["DATABASE_URL"])
    assert "--replace" in refused(portal("restore", "one", **elsewhere))
    assert held(elsewhere["DATABASE_URL"]) == before
    good(portal("restore", "one", "--replace", **elsewhere))
    assert "later" not in good(portal("products", "list", **elsewhere))


def test_nobody_s_work_is_replaced_while_he_is_at_it(portal: Portal, elsewhere: dict[str, str], cast: Cast) -> None:
    good(portal("backup", "one"))
    good(portal("restore", "one", **elsewhere))
    engine = engine_for(elsewhere["DATABASE_URL"])
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM account").all()
        connection.rollback()
        assert "stop" in refused(portal("restore", "one", "--replace", **elsewhere))
    engine.dispose()
    good(portal("restore", "one", "--replace", **elsewhere))


@pytest.mark.on_sqlite
def test_secrets_are_in_it_unless_the_environment_has_them(
    portal: Portal, elsewhere: dict[str, str], cast: Cast, tmp_path: Path
) -> None:
    done = portal("backup", "without")
    assert "came from the environment" in done.stderr
    (tmp_path / "data").mkdir()
    for name, secret in (("secret_key", SECRET_KEY), ("seal_key", SEAL_KEY)):
        (tmp_path / "data" / name).write_text(secret)
    good(portal("backup", "with", SECRET_KEY="", SEAL_KEY=""))
    assert [names(tmp_path / each) for each in ("without", "with")] == [
        ["portal.json", "database"],
        ["portal.json", "secret_key", "seal_key", "database"],
    ]
    good(portal("restore", "with", **elsewhere))
    for name, secret in (("secret_key", SECRET_KEY), ("seal_key", SEAL_KEY)):
        path = Path(elsewhere["PORTAL_DATA"], name)
        assert (path.read_text(), path.stat().st_mode & 0o777) == (secret, 0o600)


def names(path: Path) -> list[str]:
    """The names in a backup."""
    with tarfile.open(path) as tar:
        return tar.getnames()


def changed(path: Path, **about: object) -> Path:
    """A backup that says something else of itself, and wants to leave a file outside."""
    other = path.with_name("other")
    with tarfile.open(path) as tar, tarfile.open(other, "w:gz") as target:
        for info in tar:
            content = tar.extractfile(info)
            assert content is not None
            data = content.read()
            if info.name == "portal.json":
                data = json.dumps({**json.loads(data), **about}).encode()
            info.size = len(data)
            target.addfile(info, io.BytesIO(data))
        evil = tarfile.TarInfo("../../evil")
        target.addfile(evil, io.BytesIO())
    return other


NONE = "is no backup of the portal, or it is damaged"
BROKEN: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda path: path.with_name("nothing"), "No such file"),
    "cut off": (lambda path: cut(path, 0.5), NONE),
    "changed": (lambda path: turned(path), NONE),
    "something else": (lambda _path: ROOT / "README.md", NONE),
    "newer schema": (
        lambda path: changed(path, revision="9999", version="9.0"),
        "newer than the program; use version 9.0",
    ),
    "another kind": (
        lambda path: changed(path, kind="PostgreSQL"),
        "a backup of PostgreSQL, and DATABASE_URL names SQLite",
    ),
    "another format": (lambda path: changed(path, format=2), "a program that this one does not know"),
    "other rows": (lambda path: changed(path, tables={}), "its database is not what it says"),
}


def cut(path: Path, share: float) -> Path:
    """A backup of which only the beginning was copied."""
    other = path.with_name("cut")
    other.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return other


def turned(path: Path) -> Path:
    """A backup in which a byte is another one."""
    other, data = path.with_name("turned"), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    other.write_bytes(data)
    return other


@pytest.mark.on_sqlite
def test_what_is_no_backup_is_refused_and_changes_nothing(
    portal: Portal, elsewhere: dict[str, str], cast: Cast, tmp_path: Path
) -> None:
    good(portal("backup", "one"))
    good(portal("restore", "one", **elsewhere))
    folder = Path(elsewhere["PORTAL_DATA"])
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name, (make, sentence) in BROKEN.items():
        broken = make(tmp_path / "one")
        assert sentence in refused(portal("restore", str(broken), "--replace", **elsewhere)), name
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before, name
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.on_sqlite
def test_only_a_backup_is_written_over(portal: Portal, cast: Cast, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("My letters")
    assert NONE in refused(portal("backup", "precious"))
    assert precious.read_text() == "My letters"
    good(portal("backup", "one"))
    good(portal("products", "add", "later", "Later"))
    good(portal("backup", "one"))
    assert "No such file" in refused(portal("backup", "nowhere/one"))
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["one", "precious"]


@pytest.mark.on_postgresql
def test_missing_programs_are_named(portal: Portal, cast: Cast, tmp_path: Path) -> None:
    assert "pg_dump is missing" in refused(portal("backup", "one", PATH=str(tmp_path)))
    assert not (tmp_path / "one").exists()


@pytest.mark.on_sqlite
def test_nothing_to_keep_is_said(blank: Database, portal: Portal) -> None:
    assert "There is no portal yet" in refused(portal("backup", "one", DATABASE_URL=blank.url))
