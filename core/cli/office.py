"""What a command of the vendor needs: the settings, a database with the current schema, and a session."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import click
from flask import Flask, current_app
from flask_babel import Babel

from core import migrate
from core.db import Base, db
from core.revisions import CURRENT, EMPTY, FOREIGN, NEWER
from core.sealing import Sealer
from core.secret_files import with_secrets
from core.settings import Settings, environment, load

IN_MEMORY = "sqlite://"


@contextlib.contextmanager
def office(*, reads: bool = False, pages: bool = False) -> Iterator[Settings]:
    """An application context on the portal's database; a command that only reads makes no file.

    With `pages` it is the whole application, as for what hashes passwords; without, it starts faster.

    An empty database is brought to the current schema; an older one is for `run` and `demo` to migrate.
    """
    settings = with_secrets(load(environment()), create=not reads)
    state = migrate.state(settings)
    if state == EMPTY and reads and settings.is_sqlite:
        settings, state = replace(settings, database_url=IN_MEMORY), CURRENT
    elif state == EMPTY:
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        migrate.upgrade(settings)
    elif state != CURRENT:
        raise click.ClickException(WRONG_SCHEMA[state])
    with (whole(settings) if pages else application(settings)).app_context():
        if settings.database_url == IN_MEMORY:
            Base.metadata.create_all(db.engine)
        yield settings


WRONG_SCHEMA = {
    FOREIGN: "The database holds tables that are not the portal's. Use an empty one.",
    NEWER: "The database is newer than this program. Install the newer version again.",
    "older": "The database has an older schema. `./portal run` brings it to the current one.",
}


def application(settings: Settings) -> Flask:
    """An application with a database and a language, without pages: quick to start."""
    app = migrate.application(settings)
    app.extensions["settings"] = settings
    app.extensions["sealer"] = Sealer(settings.seal_key) if settings.seal_key else None
    Babel(app)
    return app


def whole(settings: Settings) -> Flask:
    """The application as it serves pages."""
    from app import create_app

    return create_app(settings)


def sealer() -> Sealer:
    """What unseals keys; the portal that issued them has its key."""
    found = current_app.extensions["sealer"]
    if found is None:
        raise click.ClickException("There is no key here that unseals permission keys: SEAL_KEY is missing.")
    return found  # type: ignore[no-any-return]


def show(rows: Sequence[dict[str, Any]], columns: Sequence[str], as_json: bool) -> None:
    """Print rows as a table of some columns, or whole as JSON; people's text cannot steer the terminal."""
    if as_json:
        click.echo(json.dumps(list(rows), indent=2, ensure_ascii=False))
        return
    lines = [[plain(row[column]) for column in columns] for row in rows]
    widths = [max([len(line[n]) for line in lines] + [len(column)]) for n, column in enumerate(columns)]
    for line in [[column.upper().replace("_", " ") for column in columns], *lines] if lines else []:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def plain(value: Any) -> str:
    """A value in one printable line."""
    text = "" if value is None else str(value)
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
