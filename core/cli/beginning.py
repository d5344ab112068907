"""What happens before anything is served: the right database, its current schema, and the secrets beside it."""

import click

from core import probe, revisions, tokens
from core.secret_files import with_secrets
from core.settings import Settings

UNUSABLE = {
    revisions.OLDER: "The database is older than this program; `./portal run` brings it up to date.",
    revisions.NEWER: "The database is newer than this program; run the newer program.",
    revisions.FOREIGN: "The database has tables that are not the portal's; name an empty one.",
}


def run(settings: Settings) -> str:
    """Bring the database up to date; the link that creates the first operator, while there is none."""
    state = state_of(settings, may_migrate=True)
    if probe.is_demo(settings):
        raise click.ClickException("This database is the demo's; set PORTAL_DATA to another folder.")
    settings = up_to_date(settings, state)
    return "" if probe.has_operator(settings) else f"Create the first operator: {setup_link(settings)}"


def demo(settings: Settings) -> str:
    """Bring the demo's database up to date and fill it once; who can sign in, and which keys are unused."""
    state = state_of(settings, may_migrate=True)
    if state != revisions.EMPTY and not probe.is_demo(settings):
        raise click.ClickException("This database is not the demo's; leave PORTAL_DATA and DATABASE_URL out.")
    settings = up_to_date(settings, state)
    from core.demo import build as example

    return example.prepare(settings)


def ready(settings: Settings) -> Settings:
    """The settings with secrets, after an empty database was brought to the current schema."""
    return up_to_date(settings, state_of(settings))


def state_of(settings: Settings, *, may_migrate: bool = False) -> str:
    """EMPTY or CURRENT, or OLDER for who may migrate; everything else stops the command."""
    state = probe.state(settings)
    if state in UNUSABLE and not (may_migrate and state == revisions.OLDER):
        raise click.ClickException(UNUSABLE[state])
    return state


def up_to_date(settings: Settings, state: str) -> Settings:
    """The settings with secrets, after the database was made or migrated where it has to be."""
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = with_secrets(settings, create=True)
    if state != revisions.CURRENT:
        # Alembic is slow to import, and most starts have nothing to migrate.
        from core import migrate

        migrate.upgrade(settings, is_demo=settings.is_demo)
    return settings


def setup_link(settings: Settings) -> str:
    """The link that creates the first operator; it opens nothing once there is one."""
    token = tokens.make(settings.secret_key or "", tokens.Purpose.SETUP, probe.instance(settings), 1)
    return f"{settings.base_url}/setup/{token}"
