"""What the operator types into the forms that issue and extend a key; a fault is at `<name>-<number of the item>`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from core.dates import LicenseType
from core.db import db
from core.errors import BadInput, Faults
from models import Item, License, Product

MOST_ITEMS = 20
FIELDS = ("product", "type", "seats", "start", "end")
SHOWN = 40  # characters of what was typed that a sentence repeats

Row = dict[str, str]


def faults_of(refused: BadInput) -> dict[str, Any]:
    """The sentence of every field that was refused, by the reading of the form or by a rule."""
    if isinstance(refused, Faults):
        return refused.by_field
    item = refused.facts.get("item")
    return {f"{refused.field}-{item}" if item else str(refused.field): refused.message}


def blank_row() -> Row:
    """A row of the form, not filled in."""
    return {"product": "", "type": LicenseType.ANNUAL.value, "seats": "1", "start": "", "end": ""}


def typed_rows(form: MultiDict[str, str]) -> list[Row]:
    """The rows as they were typed; a field that is missing counts as empty."""
    columns = [form.getlist(name)[:MOST_ITEMS] for name in FIELDS]
    length = max(map(len, columns))
    padded = [column + [""] * (length - len(column)) for column in columns]
    return [dict(zip(FIELDS, values, strict=True)) for values in zip(*padded, strict=True)] or [blank_row()]


def read_items(rows: Sequence[Row]) -> list[Item]:
    """The items that the rows mean.

    :raise Faults: naming every field that cannot be read.
    """
    catalog = {each.code: each for each in db.session.scalars(select(Product))}
    read = [_read_row(row, number, catalog) for number, row in enumerate(rows, 1)]
    _refuse(faults for _item, faults in read)
    return [item for item, _faults in read if item is not None]


def _read_row(row: Row, number: int, catalog: Mapping[str, Product]) -> tuple[Item | None, dict[str, Any]]:
    faults = {f"{name}-{number}": sentence for name, sentence in _wrong(row, catalog)}
    if faults:
        return None, faults
    seats, start, end = read_number(row["seats"]), read_date(row["start"]), read_date(row["end"])
    return Item(catalog[row["product"]], LicenseType(row["type"]), seats, start, end), {}


def _wrong(row: Row, catalog: Mapping[str, Product]) -> Iterable[tuple[str, Any]]:
    if row["product"] not in catalog:
        yield "product", _("Choose a product.")
    if row["type"] not in set(LicenseType):
        yield "type", _("Choose a license type.")
    for name, read in (("seats", read_number), ("start", read_date), ("end", read_date)):
        try:
            read(row[name])
        except BadInput as refused:
            yield name, refused.message


def read_changes(form: Mapping[str, str], licenses: Sequence[License]) -> list[tuple[License, date | None, int | None]]:
    """End and seats that the form asks for, item by item; None where it says nothing.

    :raise Faults: naming every field that cannot be read.
    """
    faults: dict[str, Any] = {}
    changes = []
    for license in licenses:
        found: list[Any] = []
        for name, read in (("end", read_date), ("seats", read_number)):
            text = form.get(field := f"{name}-{license.position}", "")
            try:
                found.append(read(text) if text.strip() else None)
            except BadInput as refused:
                faults[field] = refused.message
        changes.append((license, *found))
    _refuse([faults])
    return [(license, *found) for license, *found in changes]


def _refuse(faults: Iterable[Mapping[str, Any]]) -> None:
    by_field = {field: sentence for each in faults for field, sentence in each.items()}
    if by_field:
        raise Faults(by_field)


def read_date(text: str) -> date | None:
    """A day as the browser sends it; None when it is empty."""
    try:
        return date.fromisoformat(text.strip()) if text.strip() else None
    except ValueError:
        raise BadInput(_("“%(text)s” is not a date such as 2027-03-31.", text=text[:SHOWN]), field="end") from None


def read_number(text: str) -> int:
    """A number of seats; the model refuses what is too large."""
    text = text.strip()
    if not text:
        raise BadInput(_("Enter a number."), field="seats")
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise BadInput(_("“%(text)s” is not a number of seats.", text=text[:SHOWN]), field="seats")
    return int(text)
