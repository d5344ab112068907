"""The commands that keep a portal: backup and restore."""

from pathlib import Path

import click

from core import settings as settings_

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", type=FILE)
def backup(file: Path) -> None:
    """Write everything that the portal needs to go on into FILE, while it runs."""
    from core import backup as backups
    from core import probe
    from core.revisions import EMPTY

    settings = settings_.current()
    if probe.state(settings) == EMPTY:
        raise click.ClickException("There is no portal yet; the first start makes one.")
    try:
        found = backups.make(settings, file)
    except backups.BackupError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{file}: {found.rows} rows of schema {found.revision}. Whoever has it has the portal: keep it safe.")
    if settings.secret_key or settings.seal_key:
        click.echo("SECRET_KEY or SEAL_KEY came from the environment and is not in it.", err=True)


@click.command()
@click.argument("file", type=FILE)
@click.option("--replace", is_flag=True, help="Put it in the place of the portal that is there.")
def restore(file: Path, replace: bool) -> None:
    """Put the backup FILE where this portal keeps its things."""
    from core import backup as backups

    settings = settings_.current()
    try:
        found = backups.put_back(settings, file, replace=replace)
    except backups.BackupError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{found.rows} rows of schema {found.revision}, made at {found.made_at}, are back.")
