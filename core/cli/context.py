"""What a command needs before it begins: a database with the current schema, and the secrets beside it."""

import click

from core import probe, revisions
from core.secret_files import with_secrets
from core.settings import Settings

UNUSABLE = {
    revisions.OLDER: "The database is older than this program; `./portal run` brings it up to date.",
    revisions.NEWER: "The database is newer than this program; run the newer program.",
    revisions.FOREIGN: "The database has tables that are not the portal's; name an empty one.",
}


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
