"""Commands about programs that ask for seats: keys of stations, the key that signs tokens."""

from __future__ import annotations

import click

from core import signing
from core.activity import COMMAND
from core.cli.office import office, reading, show
from core.cli.parsing import find_organization, find_product
from core.cli.vendor import json_option, moment
from core.dates import now
from core.db import db
from core.oauth import stations as stations_
from models import Organization


@click.group()
def stations() -> None:
    """Stations, machines of labs and CI with a key of their own: add, list."""


@stations.command("add")
@click.argument("name")
@click.option("--organization", required=True, help="Whose seats it takes: number or name.")
@click.option("--product", required=True, metavar="CODE", help="The product that it runs.")
def add_station(name: str, organization: str, product: str) -> None:
    """Print the key of a new station, once."""
    with office():
        found = Organization.locked(db.session, find_organization(organization).id)
        _station, key = stations_.add(found, find_product(product), name, COMMAND, now())
        db.session.commit()
        click.echo(key)


@stations.command("list")
@click.option("--organization", required=True, help="Number or name.")
@json_option
def list_stations(organization: str, as_json: bool) -> None:
    """List the stations of an organization; their keys are kept nowhere."""
    with reading():
        rows = [
            {"id": each.id, "name": each.name, "product": each.product, "added": moment(each.made_at),
             "used": moment(each.used_at)}
            for each in stations_.list(db.session, find_organization(organization).id)
        ]  # fmt: skip
        show(rows, ("id", "name", "product", "added", "used"), as_json)


@click.group("signing-key")
def signing_key() -> None:
    """The key that signs tokens: rotate."""


@signing_key.command("rotate")
def rotate_signing_key() -> None:
    """Sign with a new key from now on; what the old one signed stays good until it ends."""
    with office():
        kid = signing.rotate(db.session, now())
        db.session.commit()
        click.echo(kid)
