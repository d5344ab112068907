"""Who sails in a fleet: stations by their keys, or the people of the demo, whose programs are signed in for them."""

from __future__ import annotations

import contextlib
import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from core import settings as settings_

if TYPE_CHECKING:
    from sqlalchemy import Select

    from core.settings import Settings
    from models import Member, Product

STATION = "Fleet"
DEMO, FLEET = "demo", "fleet"  # how its devices begin to call themselves
RENEWED = 600.0  # seconds after which a person's token, good for 15 minutes, is made anew


@dataclass(frozen=True, slots=True)
class Sailor:
    """Whose token a program shows, what it runs, and what its computer calls itself, where that is known."""

    token: Callable[[], str]
    product: str
    device: str | None = None


def of_keys(keys: Sequence[str], product: str | None) -> list[Sailor]:
    """Stations, each for the product that was named."""
    if product is None:
        raise click.ClickException("Name what the stations run: --product CODE.")
    return [Sailor(lambda key=key: key, product) for key in keys]  # type: ignore[misc]


@contextlib.contextmanager
def at_home(chance: random.Random, seats: int, product: str | None, calm: bool) -> Iterator[tuple[list[Sailor], str]]:
    """The crew of this machine's own portal, and its address."""
    from core import probe
    from core.cli.office import application
    from core.db import db
    from core.revisions import CURRENT
    from core.secret_files import with_secrets

    settings = _own()
    if probe.state(settings) != CURRENT:
        raise click.ClickException("There is no portal here; name one with TOKEN and --url.")
    is_demo = probe.is_demo(settings)
    url = f"http://{settings.host}:{settings.port}"
    with application(with_secrets(settings, create=False)).app_context(), contextlib.ExitStack() as stack:
        stack.callback(lambda: db.engine.dispose())
        crew = _people(chance, seats, product, DEMO if calm else FLEET) if is_demo else None
        crew = crew if crew is not None else stack.enter_context(_stations(product))
        if not crew:
            raise click.ClickException("Nobody here has a seat to take.")
        yield crew, url


def _own() -> Settings:
    """This machine's portal; the demo, where there is nothing else."""
    from core import probe
    from core.revisions import EMPTY

    settings = settings_.current()
    if not settings.is_demo and probe.state(settings) == EMPTY:
        return settings_.load(settings_.environment(), demo=True)
    return settings


# ── stations ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def _stations(only: str | None) -> Iterator[list[Sailor]]:
    """A station for each floating product of each organization, until the fleet is back."""
    from core.activity import COMMAND
    from core.dates import now
    from core.db import db
    from core.oauth import stations
    from models import Organization

    made, crew = list[tuple[int, int]](), list[Sailor]()
    for organization_id, product in _floating():
        if only not in (None, product.code):
            continue
        organization = Organization.locked(db.session, organization_id)
        name = f"{STATION} {product.name}"
        for stale in (each for each in stations.list(db.session, organization_id) if each.name == name):
            stations.revoke(organization, stale.id, COMMAND, now())
        station, key = stations.add(organization, product, name, COMMAND, now())
        made.append((organization_id, station.id))
        crew += of_keys([key], product.code)
        db.session.commit()
    try:
        yield crew
    finally:
        for organization_id, station_id in made:
            stations.revoke(Organization.locked(db.session, organization_id), station_id, COMMAND, now())
        db.session.commit()


def _floating() -> list[tuple[int, Product]]:
    """Each organization with each product that it has floating seats of now."""
    from sqlalchemy import select

    from core.dates import LicenseType, now
    from core.db import db
    from core.rights import Condition, condition
    from models import License, PermissionKey, Product

    columns = (License.starts_at, License.ends_at, PermissionKey.revoked_at, PermissionKey.organization_id, Product)
    owned = select(*columns).select_from(License).join(Product, Product.id == License.product_id).join(PermissionKey)
    floating = License.type.in_([each for each in LicenseType if each.is_floating])
    rows = db.session.execute(owned.where(floating, PermissionKey.organization_id.is_not(None))).all()
    found = {(row.organization_id, row.Product) for row in rows if condition(row, now()) is Condition.ACTIVE}
    return sorted(found, key=lambda each: (each[0], each[1].code))


# ── people of the demo ───────────────────────────────────────────────────────────────────────────────────────────────


def _people(chance: random.Random, seats: int, product: str | None, fleet: str) -> list[Sailor]:
    """As many programs of people who can draw seats; in no order, everybody once before anybody twice."""
    from core.db import db

    _end_leftovers(fleet)
    pairs = [pair for pair in (*_shared(), *_given()) if product in (None, pair[1].code)]
    if fleet == DEMO:  # the example's own sessions stay as they are
        running = _running()
        pairs = [(member, each) for member, each in pairs if (member.account_id, each.id) not in running]
        seats = min(seats, len(pairs))
    chance.shuffle(pairs)
    crew = []
    for number, (member, each) in zip(range(seats), itertools.cycle(pairs), strict=False):
        device = f"{fleet}-{number}"
        crew.append(Sailor(_signed_in(member, each, device), each.code, device))
    db.session.commit()
    return crew


def _running() -> set[tuple[int | None, int]]:
    """Who runs what now: accounts and products."""
    from sqlalchemy import select

    from core.db import db
    from core.leases import Lease
    from models import License

    running = select(Lease.account_id, License.product_id).join(License, License.id == Lease.license_id)
    return {(account_id, product_id) for account_id, product_id in db.session.execute(running.where(*Lease.LIVE))}


def _end_leftovers(fleet: str) -> None:
    """What an earlier fleet had no time to give back, or has crashed with."""
    from sqlalchemy import select

    from core.dates import now
    from core.db import db
    from core.leases import GIVEN_BACK, Device, Lease
    from core.seats import ending

    ours = select(Device.id).where(Device.client_id.startswith(f"{fleet}-"), Device.account_id.is_not(None))
    ending.end_all(db.session, Lease.device_id.in_(ours), GIVEN_BACK, now())


def _shared() -> Iterator[tuple[Member, Product]]:
    """The enabled members with each product that they can draw a floating seat of."""
    from core.db import db
    from models import Member

    for organization_id, product in _floating():
        members = _enabled().where(Member.organization_id == organization_id)
        yield from ((member, product) for member in db.session.scalars(members))


def _given() -> Iterator[tuple[Member, Product]]:
    """The enabled members with each product that they were given a seat of."""
    from core.dates import LicenseType, now
    from core.db import db
    from core.rights import Condition, condition
    from models import License, Member, Permission, PermissionKey, Product

    columns = (License.type, License.starts_at, License.ends_at, PermissionKey.revoked_at, Product)
    query = _enabled().add_columns(*columns).join(Permission, Permission.member_id == Member.id)
    query = query.join(License, License.id == Permission.license_id).join(PermissionKey).join(Product)
    for row in db.session.execute(query.where(Permission.suspended_at.is_(None))):
        if not LicenseType(row.type).is_floating and condition(row, now()) is Condition.ACTIVE:
            yield row.Member, row.Product


def _enabled() -> Select[Any]:
    from sqlalchemy import select

    from models import Account, Member

    query = select(Member).join(Account, Account.id == Member.account_id).where(
        Member.confirmed_at.is_not(None), Member.disabled_at.is_(None), Member.ended_at.is_(None),
        Account.blocked_at.is_(None), Account.deleted_at.is_(None),
    )  # fmt: skip
    return query.order_by(Member.id)


def _signed_in(member: Member, product: Product, device: str) -> Callable[[], str]:
    """A program of the person on his device, signed in as if he had approved it."""
    from sqlalchemy import select

    from core.dates import now
    from core.db import db
    from core.grants import TokenFamily
    from core.leases import Device

    known = (
        select(TokenFamily)
        .join(Device, Device.id == TokenFamily.device_id)
        .where(
            TokenFamily.account_id == member.account_id, TokenFamily.organization_id == member.organization_id,
            TokenFamily.revoked_at.is_(None), Device.client_id == device, Device.removed_at.is_(None),
        )
    )  # fmt: skip
    family = db.session.scalars(known.limit(1)).first()
    if family is None:
        family = TokenFamily(
            account_id=member.account_id, organization_id=member.organization_id, client_name=product.name,
            made_at=now(),
        )  # fmt: skip
        db.session.add(family)
        db.session.flush()
    return _tokens_of(family.id)


def _tokens_of(family_id: int) -> Callable[[], str]:
    """What returns a token that is still good."""
    from core.dates import now
    from core.db import Mode, db, transaction_mode
    from core.grants import TokenFamily
    from core.oauth import families

    made, until = "", 0.0

    def token() -> str:
        """The one at hand, or a fresh one."""
        nonlocal made, until
        if time.monotonic() >= until:
            with transaction_mode(Mode.READ):
                made = families.access_token(db.session, db.session.get_one(TokenFamily, family_id), now())
                db.session.rollback()
            until = time.monotonic() + RENEWED
        return made

    return token
