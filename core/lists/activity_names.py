"""Whom and what entries of Activity are about: names of today for the ids that they keep, a statement for each kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, func, select
from sqlalchemy.orm import Session

from core.activity import Activity
from core.dates import LicenseType
from core.grants import TokenFamily
from core.leases import AccessRequest, Device, Lease, Station
from models import Account, License, Member, Organization, PermissionKey, Product

Entry = Row[Any]
Query = Select[*tuple[Any, ...]]
AFTER, BEFORE = "after", "before"
#: Ids within `before` and `after`: where they stand, under which name, and of what kind they are.
INSIDE = (
    (AFTER, "license", "license"), (BEFORE, "license", "license"), (AFTER, "licenses", "license"),
    (AFTER, "suspended", "license"), (BEFORE, "administrator", "member"), (BEFORE, "co_administrator", "member"),
    (AFTER, "product", "product"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Names:
    """The names by kind and id; empty for what is gone."""

    found: dict[tuple[str, int], str]

    def of(self, kind: str, id: int | None) -> str:
        """The name of one thing."""
        return self.found.get((kind, id or 0), "")


def names_of(session: Session, entries: Iterable[Entry]) -> Names:
    """The names for some entries."""
    ids: dict[str, set[int]] = defaultdict(set)
    for entry in entries:
        for kind, id in _ids(entry):
            ids[kind].add(id)
    found = {
        (kind, row.id): SAID[kind](row)
        for kind, wanted in ids.items()
        if kind in QUERIES
        for row in session.execute(QUERIES[kind].where(_id_of(QUERIES[kind]).in_(wanted)))
    }
    return Names(found)


def _ids(entry: Entry) -> Iterator[tuple[str, int]]:
    if entry.actor_id is not None:
        yield "account", entry.actor_id
    if entry.target_id is not None:
        yield entry.target_kind, entry.target_id
    for side, name, kind in INSIDE:
        for id in within(entry, side, name):
            yield kind, id


def within(entry: Entry, side: str, name: str) -> list[int]:
    """The ids that an entry keeps under a name; none when it keeps none."""
    kept = getattr(entry, side)
    value = kept.get(name) if isinstance(kept, dict) else None
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, int)]


def matching(text: str) -> list[Any]:
    """The conditions of a search: every word is part of who acted or of whom the entry is about."""
    return [_is_about(word) for word in text.split()]


def _is_about(word: str) -> Any:
    person = Account.name.icontains(word, autoescape=True) | Account.email.icontains(word, autoescape=True)
    people = select(Account.id).where(person)
    invited = Member.email.icontains(word, autoescape=True) | Member.account_id.in_(people)
    members = select(Member.id).where(invited)
    is_member = (Activity.target_kind == "member") & Activity.target_id.in_(members)
    is_account = (Activity.target_kind == "account") & Activity.target_id.in_(people)
    return Activity.actor_id.in_(people) | is_member | is_account


def _id_of(query: Query) -> Any:
    return next(iter(query.selected_columns))


def _license(row: Row[Any]) -> str:
    return f"{row.product} {LicenseType(row.type).word}"


_named: Callable[[Row[Any]], str] = lambda row: str(row.name)  # noqa: E731  # one of many in a table
_SESSION = select(Lease.id, Product.name.label("product"), func.coalesce(Account.name, Station.name).label("name"))
QUERIES: dict[str, Query] = {
    "account": select(Account.id, Account.name),
    "member": select(
        Member.id, Member.email, Member.confirmed_at, Account.name
    ).outerjoin(Account, Account.id == Member.account_id),
    "organization": select(Organization.id, Organization.name),
    "product": select(Product.id, Product.name),
    "permission_key": select(PermissionKey.id, PermissionKey.last_group),
    "license": select(License.id, Product.name.label("product"), License.type)
    .join(Product, Product.id == License.product_id),
    "device": select(Device.id, Device.name),
    "station": select(Station.id, Station.name),
    "token_family": select(TokenFamily.id, TokenFamily.client_name.label("name")),
    "access_request": select(AccessRequest.id, Product.name.label("product"), Account.name)
    .join(Product, Product.id == AccessRequest.product_id).join(Account, Account.id == AccessRequest.account_id),
    "lease": _SESSION.join(License, License.id == Lease.license_id).join(Product, Product.id == License.product_id)
    .outerjoin(Account, Account.id == Lease.account_id).outerjoin(Station, Station.id == Lease.station_id),
}  # fmt: skip
SAID: dict[str, Callable[[Row[Any]], str]] = {
    **dict.fromkeys(QUERIES, _named),
    "member": lambda row: row.name if row.name and row.confirmed_at else row.email,
    "permission_key": lambda row: f"…{row.last_group}",
    "license": _license,
    "access_request": lambda row: f"{row.product}, {row.name}",
    "lease": lambda row: f"{row.product}, {row.name}",
}
