"""What people write behind a command: items of a key, days, keys, accounts, organizations."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any, BinaryIO

import click
from sqlalchemy import select

from core import addresses, keys, passwords
from core.cli.office import plain
from core.dates import LicenseType
from core.db import Mode, db, transaction_mode
from core.errors import BadInput
from models import Account, Item, Organization, PermissionKey, Product


class Day(click.ParamType[date]):
    """An ISO date such as 2027-03-31."""

    name = "DATE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """The day of a text."""
        try:
            return value if isinstance(value, date) else date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value} is not a date such as 2027-03-31.", param, ctx)


DAY = Day()
MOST_DIGITS = 9  # of a number that a database can look for


def parse_item(text: str) -> Item:
    """The item that `CODE:TYPE[:SEATS[:START[:END]]]` means; what is left empty has its default."""
    code, kind, seats, start, end, *rest = [*plain(text).split(":"), "", "", "", ""]
    if text.count(":") not in range(1, 5) or any(rest):
        raise BadInput(f"“{text}” is not an item: write CODE:TYPE[:SEATS[:START[:END]]].")
    product = find_product(code)
    if kind not in set(LicenseType):
        raise BadInput(f"“{kind}” is not a license type; they are {', '.join(LicenseType)}.")
    if seats and not is_number(seats):
        raise BadInput(f"“{seats}” is not a number of seats.")
    return Item(product, LicenseType(kind), int(seats or "1"), _day(start), _day(end))


def find_product(code: str) -> Product:
    """The product with this code."""
    found = db.session.scalars(select(Product).where(Product.code == plain(code).strip().lower())).one_or_none()
    if found is None:
        raise BadInput(f"There is no product “{code}”; `./portal products list` has them.")
    return found


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise BadInput(f"“{text}” is not a date such as 2027-03-31.") from None


def is_number(text: str) -> bool:
    """Whether a text is a number that can be one of ours."""
    return text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS


def find_key(text: str) -> PermissionKey:
    """The key with this text, or with this number in the list."""
    if is_number(text):
        found = db.session.get(PermissionKey, int(text))
        if found is None:
            raise BadInput(f"There is no key {text}.")
        return found
    try:
        return PermissionKey.known(db.session, keys.parse(text))
    except keys.KeyTextError as error:
        raise BadInput(error) from None


def read_password(stream: BinaryIO) -> str:
    """The first line of a stream."""
    try:
        return stream.readline().decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise click.ClickException("The password is not text in UTF-8.") from None


def checked_hash(password: str, about: Iterable[str]) -> str:
    """What is kept of a password, unless it is too easy to guess; hashed before anything is written."""
    passwords.check(password, about)
    with transaction_mode(Mode.LATE):
        return passwords.hashed(password)


def find_account(email: str) -> Account:
    """The account with this address."""
    found = Account.by_email(db.session, addresses.clean(plain(email)))
    if found is None:
        raise BadInput(f"There is no account with the address {email}.")
    return found


def find_organization(text: str) -> Organization:
    """The organization with this number, or with this name when only one has it."""
    living, text = select(Organization).where(Organization.deleted_at.is_(None)), plain(text)
    if is_number(text) and (found := db.session.scalars(living.where(Organization.id == int(text))).one_or_none()):
        return found
    named = list(db.session.scalars(living.where(Organization.name == text.strip()).order_by(Organization.id)))
    if not named:
        raise BadInput(f"There is no organization “{text}”; `./portal organizations list` has them.")
    if len(named) > 1:
        numbers = ", ".join(str(each.id) for each in named)
        raise BadInput(f"{len(named)} organizations are named “{text}”; give the number: {numbers}.")
    return named[0]
