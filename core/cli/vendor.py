"""The vendor's commands: accounts, catalog, permission keys, organizations."""

from __future__ import annotations

import sys
from typing import Any

import click
from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from core import mail
from core.activity import COMMAND
from core.cli.office import office, plain, reading, sealer, show, show_one
from core.cli.parsing import DAY, checked_hash, find_account, find_key, find_organization, parse_item, read_password
from core.dates import now
from core.db import db
from models import ADMINISTRATOR, Account, License, Member, Organization, PermissionKey, Product

FACTS = ("key", "state", "owner", "note", "issued_at", "redeemed_at", "revoked_at", "needs_organization")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def users() -> None:
    """Accounts: create, block, unblock."""


@users.command("create")
@click.argument("email")
@click.option("--name", default="", help="The person's name; the address when it is left out.")
@click.option("--operator", is_flag=True, help="The account runs the portal and belongs to no organization.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def create_user(email: str, name: str, operator: bool, password_stdin: bool) -> None:
    """Create an account whose address counts as confirmed."""
    password = read_password(sys.stdin.buffer) if password_stdin else None
    with office(hashes=password_stdin) as settings:
        hashed = checked_hash(password, (name, email)) if password is not None else None
        account = Account.create_confirmed(db.session, email, name or email, hashed, operator, COMMAND, now())
        db.session.commit()
        click.echo(f"{plain(account.email)} has an account.")
        if hashed is None:
            click.echo(f"It has no password yet; one is set at {settings.base_url}/reset.", err=True)


@users.command("block")
@click.argument("email")
def block_user(email: str) -> None:
    """Stop every sign-in of an account; memberships stay as they are."""
    with office():
        account = find_account(email)
        if account.block(COMMAND, now()):
            mail.blocked(account)
        db.session.commit()
        click.echo(f"{plain(account.email)} is blocked.")


@users.command("unblock")
@click.argument("email")
def unblock_user(email: str) -> None:
    """Allow an account to sign in again."""
    with office():
        account = find_account(email)
        if account.unblock(COMMAND, now()):
            mail.unblocked(account)
        db.session.commit()
        click.echo(f"{plain(account.email)} can sign in again.")


@click.group()
def products() -> None:
    """The catalog of products."""


@products.command("add")
@click.argument("code")
@click.argument("name")
@click.option("--organization-only", is_flag=True, help="Only organizations can have it, even with one seat.")
def add_product(code: str, name: str, organization_only: bool) -> None:
    """Add a product to the catalog."""
    with office():
        product = Product.add(db.session, code, name, organization_only, COMMAND, now())
        db.session.commit()
        click.echo(product.code)


@products.command("list")
@json_option
def list_products(as_json: bool) -> None:
    """List the catalog."""
    with reading():
        rows = [
            {"code": each.code, "name": each.name, "organization_only": each.is_organization_only}
            for each in db.session.scalars(select(Product).order_by(Product.code))
        ]
        show(rows, ("code", "name", "organization_only"), as_json)


@click.group()
def keys() -> None:
    """Permission keys: issue, list, show, revoke, reinstate, release, extend."""


@keys.command("issue")
@click.option("--item", "items", multiple=True, required=True, metavar="CODE:TYPE[:SEATS[:START[:END]]]")
@click.option("--note", default="", help="A word for the vendor's own list.")
def issue_key(items: tuple[str, ...], note: str) -> None:
    """Print one new permission key."""
    with office():
        parsed = [parse_item(text) for text in items]
        _key, text = PermissionKey.issue(db.session, parsed, sealer(), COMMAND, now(), note=note)
        db.session.commit()
        click.echo(text)


@keys.command("list")
@json_option
def list_keys(as_json: bool) -> None:
    """List all keys, oldest first; a key shows its last group."""
    with reading():
        owners = joinedload(PermissionKey.organization), joinedload(PermissionKey.account)
        found = db.session.scalars(select(PermissionKey).options(*owners).order_by(PermissionKey.id))
        rows = [describe(key) for key in found.unique()]
        show(rows, ("id", "key", "state", "content", "owner"), as_json)


@keys.command("show")
@click.argument("key")
@json_option
def show_key(key: str, as_json: bool) -> None:
    """Show one key whole, with its items; that it was shown is recorded."""
    with office(finds=True):
        found = find_key(key)
        row = {**describe(found), "key": found.reveal(sealer(), COMMAND, now())}
        db.session.commit()
        show_one(row, FACTS, as_json)
        if not as_json:
            show(row["items"], ("position", "product", "type", "seats", "start", "end", "serial"), as_json=False)


@keys.command("revoke")
@click.argument("key")
@click.option("--why", default="", help="A reason for the vendor's own list.")
def revoke_key(key: str, why: str) -> None:
    """Revoke a key; nobody can use its licenses, permissions are kept."""
    with office():
        found = find_key(key)
        if found.revoke(COMMAND, now(), why):
            mail.key_revoked(found)
        db.session.commit()
        click.echo(f"Key {found.id} is revoked.")


@keys.command("reinstate")
@click.argument("key")
def reinstate_key(key: str) -> None:
    """Make a revoked key good again."""
    with office():
        found = find_key(key)
        if found.reinstate(COMMAND, now()):
            mail.key_reinstated(found)
        db.session.commit()
        click.echo(f"Key {found.id} is good again.")


@keys.command("release")
@click.argument("key")
def release_key(key: str) -> None:
    """Take a key from its owner, so that it can be redeemed again; permissions on it end."""
    with office():
        found = find_key(key)
        found.release(COMMAND, now())
        db.session.commit()
        click.echo(f"Key {found.id} belongs to nobody.")


@keys.command("extend")
@click.argument("key")
@click.option("--item", type=int, help="The number of the item, where a key has several.")
@click.option("--end", type=DAY, help="The new last day.")
@click.option("--seats", type=int, help="The new number of seats.")
def extend_key(key: str, item: int | None, end: Any, seats: int | None) -> None:
    """Change the last day or the seats of one item of a key."""
    if end is None and seats is None:
        raise click.UsageError("Say what changes: --end or --seats.")
    with office():
        found = find_key(key)
        license = found.item(item)
        if found.extend(COMMAND, now(), position=item, end=end, seats=seats):
            mail.license_changed(license)
        db.session.commit()
        until = f"until {license.end_on}" if license.end_on else "without an end"
        click.echo(f"Item {license.position} of key {found.id}: {license.seats} seats, {until}.")


@click.group()
def organizations() -> None:
    """Organizations: list, transfer the administrator's role."""


@organizations.command("list")
@json_option
def list_organizations(as_json: bool) -> None:
    """List the organizations: number, name, administrator, members, licenses."""
    with reading():
        found = db.session.scalars(
            select(Organization).where(Organization.deleted_at.is_(None)).order_by(Organization.id)
        )
        show([summarize(each) for each in found], ("id", "name", "administrator", "members", "licenses"), as_json)


@organizations.command("transfer")
@click.argument("organization")
@click.argument("email")
def transfer_organization(organization: str, email: str) -> None:
    """Make an enabled member administrator, for instance when the administrator has vanished."""
    with office():
        found = Organization.locked(db.session, find_organization(organization).id)
        member = found.member_of(find_account(email))
        former = found.holder_of(ADMINISTRATOR)
        if found.transfer(member, COMMAND, now()):
            mail.transferred(member, former)
        db.session.commit()
        click.echo(f"{plain(member.shown_name)} is administrator of {plain(found.name)}.")


def describe(key: PermissionKey) -> dict[str, Any]:
    """A key as lists and JSON have it; the text is masked."""
    return {
        "id": key.id,
        "key": f"…{key.last_group}",
        "state": "revoked" if key.revoked_at else "redeemed" if key.redeemed_at else "issued",
        "owner": key.owner_name,
        "organization": key.organization.name if key.organization else None,
        "note": key.note,
        "content": ", ".join(map(content, key.licenses)),
        "needs_organization": key.needs_organization,
        "issued_at": moment(key.issued_at),
        "redeemed_at": moment(key.redeemed_at),
        "revoked_at": moment(key.revoked_at),
        "items": [{**each.summary, "serial": each.serial} for each in key.licenses],
    }


def content(license: License) -> str:
    """One item in words, with the day on which it ends; whether that is past changes by itself and is not said."""
    until = f" until {license.end_on}" if license.end_on else ""
    return f"{license.seats} × {license.product.code} {license.word}{until}"


def moment(at: Any) -> str | None:
    """A moment in UTC, to the second."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else None


def summarize(organization: Organization) -> dict[str, Any]:
    """An organization as the list has it."""
    administrator = organization.holder_of(ADMINISTRATOR)
    members = select(func.count()).select_from(Member).where(Member.organization_id == organization.id, *Member.LIVE)
    lines = select(func.count()).select_from(License).join(License.key)
    return {
        "id": organization.id,
        "name": organization.name,
        "administrator": administrator.shown_email if administrator else None,
        "members": db.session.scalar(members),
        "licenses": db.session.scalar(lines.where(PermissionKey.organization_id == organization.id)),
    }
