"""What a command of the vendor needs: the settings, a database with the current schema, and a session."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import click
from flask import Flask, current_app
from sqlalchemy.exc import IntegrityError

from core import db as database
from core import settings as settings_
from core.cli import beginning
from core.db import Base, Mode, db, transaction_mode
from core.errors import RuleBroken
from core.pages import languages
from core.revisions import EMPTY
from core.sealing import SealBroken, Sealer
from core.secret_files import with_secrets
from core.settings import Settings

IN_MEMORY = "sqlite://"


@contextlib.contextmanager
def office(*, finds: bool = False, hashes: bool = False) -> Iterator[Settings]:
    """An application context on the portal's database; what is refused in it ends the command in one sentence.

    A command that only `finds` something sees an empty portal where there is none, and makes no file. With `hashes` it
    is the whole application, which knows how passwords are kept; without, it starts faster.
    """
    settings = opened(settings_.current(), finds)
    with (whole(settings) if hashes else application(settings)).app_context(), in_one_sentence():
        if settings.database_url == IN_MEMORY:
            # No portal yet: an empty one in memory answers every question.
            Base.metadata.create_all(db.engine)
        yield settings


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """An office for a command that changes nothing: it waits for no writer."""
    with office(finds=True), transaction_mode(Mode.READ):
        yield


def opened(settings: Settings, finds: bool) -> Settings:
    """The settings of a database that can be used: brought to the current schema, or for reading as it is."""
    if not finds:
        return beginning.ready(settings)
    if beginning.state_of(settings) == EMPTY:
        settings = replace(settings, database_url=IN_MEMORY)
    return with_secrets(settings, create=False)


def application(settings: Settings) -> Flask:
    """An application with a database and a language, without pages: quick to start."""
    app = Flask("portal.office")
    app.extensions["settings"] = settings
    app.extensions["sealer"] = Sealer(settings.seal_key) if settings.seal_key else None
    database.init_app(app, settings.database_url)
    languages.init_app(app)
    return app


def whole(settings: Settings) -> Flask:
    """The application as it serves pages."""
    from app import create_app

    return create_app(settings)


@contextlib.contextmanager
def in_one_sentence() -> Iterator[None]:
    """Say what a rule refuses while there is an application to say it in."""
    try:
        yield
    except SealBroken:
        raise click.ClickException("The key cannot be unsealed: SEAL_KEY is not the one it was sealed with.") from None
    except RuleBroken as refused:
        raise click.ClickException(_sentence(refused)) from None
    except IntegrityError:
        raise click.ClickException("Somebody changed the same thing at the same moment. Try again.") from None


def _sentence(refused: RuleBroken) -> str:
    item = refused.facts.get("item")
    return plain(f"Item {item}: {refused.message}" if item else refused.message)


def sealer() -> Sealer:
    """What unseals keys; the portal that issued them has its key."""
    found = current_app.extensions["sealer"]
    if found is None:
        raise click.ClickException("There is no key here that unseals permission keys: SEAL_KEY is missing.")
    return found  # type: ignore[no-any-return]


def show(rows: Sequence[dict[str, Any]], columns: Sequence[str], as_json: bool) -> None:
    """Print rows as a table of some columns, or whole as JSON; people's text cannot steer the terminal."""
    if as_json:
        click.echo(json.dumps(list(rows), indent=2))
        return
    lines = [[plain(row[column]) for column in columns] for row in rows]
    widths = [max([len(line[n]) for line in lines] + [len(column)]) for n, column in enumerate(columns)]
    for line in [[column.upper().replace("_", " ") for column in columns], *lines] if lines else []:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def show_one(row: dict[str, Any], columns: Sequence[str], as_json: bool) -> None:
    """Print one row, a line for each of some columns, or whole as JSON."""
    if as_json:
        click.echo(json.dumps(row, indent=2))
        return
    for column in columns:
        click.echo(f"{column.replace('_', ' ')}: {plain(row[column])}".rstrip())


def plain(value: Any) -> str:
    """A value in one printable line, as a person reads it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = "" if value is None else str(value)
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
