"""What a command needs before it begins: settings, secrets, and a database with the current schema."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import replace

import click
from flask import Flask

from core import probe, revisions
from core import settings as settings_
from core.secret_files import with_secrets
from core.settings import Settings

UNUSABLE = {
    revisions.OLDER: "The database is older than this program; `./portal run` brings it up to date.",
    revisions.NEWER: "The database is newer than this program; run the newer program.",
    revisions.FOREIGN: "The database has tables that are not the portal's; name an empty one.",
}


@contextlib.contextmanager
def application(*, reads_only: bool = False) -> Iterator[Flask]:
    """The application in its context, on a current database; an empty one is brought to the current schema.

    A command that only reads makes no file: where there is no database yet, it reads an empty one elsewhere.
    """
    settings = settings_.current()
    with contextlib.ExitStack() as stack:
        if reads_only and state_of(settings) == revisions.EMPTY:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            settings = replace(settings_.load({"PORTAL_DATA": folder}), base_url=settings.base_url)
        settings = ready(settings)
        from app import create_app

        app = create_app(settings)
        stack.enter_context(app.app_context())
        yield app


def ready(settings: Settings) -> Settings:
    """The settings with secrets, after an empty database was brought to the current schema."""
    if state_of(settings) == revisions.EMPTY:
        return migrated(settings)
    return with_secrets(settings, create=True)


def migrated(settings: Settings) -> Settings:
    """The settings with secrets, after the database was brought to the current schema."""
    from core import migrate

    settings = with_secrets(settings, create=True)
    migrate.upgrade(settings, is_demo=settings.is_demo)
    return settings


def state_of(settings: Settings, *, may_migrate: bool = False) -> str:
    """EMPTY or CURRENT, or OLDER for who may migrate; everything else stops the command."""
    state = probe.state(settings)
    if state in UNUSABLE and not (may_migrate and state == revisions.OLDER):
        raise click.ClickException(UNUSABLE[state])
    return state
