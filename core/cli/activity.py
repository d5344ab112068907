"""The command that looks after Activity: whether every entry is what it was when it was written."""

import click


@click.group()
def activity() -> None:
    """Look after the record of who did what."""


@activity.command()
def verify() -> int:
    """Say whether every entry is as it was written, and name the first of each record that is not."""
    from sqlalchemy import func, select

    from core import audit
    from core.activity import Activity
    from core.cli.office import reading
    from core.db import db

    with reading():
        broken = list(audit.chains(db.session))
        number = db.session.scalar(select(func.count()).select_from(Activity)) or 0
    for sentence in broken:
        click.echo(sentence, err=True)
    if not broken:
        click.echo(f"{number} entries, each as it was written.")
    return 1 if broken else 0
