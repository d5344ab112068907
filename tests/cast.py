"""The people, products and keys that tests play with, made by the rules themselves."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta

from argon2 import PasswordHasher
from sqlalchemy.orm import Session

from core import addresses
from core.activity import COMMAND, Actor
from core.dates import LicenseType
from core.sealing import Sealer
from models import Account, Item, License, Member, Organization, PermissionKey, Product

PASSWORD = "a long enough passphrase"
HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
SECRET_KEY = "only for tests: 7f3a9c51e2d84b06af"
SEAL_KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()
ADDRESS = "192.0.2.1"


@dataclass(frozen=True)
class Player:
    """One of the cast: plain values that outlive every session."""

    name: str
    email: str
    account_id: int
    uniquifier: str
    member_id: int | None = None
    password: str = PASSWORD

    @property
    def actor(self) -> Actor:
        """The player as the one who acts."""
        return Actor("person", self.account_id, ADDRESS)


@dataclass(frozen=True)
class Cast:
    """Everybody and everything; ids, never rows."""

    now: datetime
    organization_id: int  # Kestrel Works
    other_id: int  # Harbor Design
    alice: Player  # administrator of Kestrel Works
    carol: Player  # its co-administrator
    bob: Player  # an enabled member
    dora: Player  # a disabled member
    dave: Player  # a pending member, who has an account
    mallory: Player  # administrator of Harbor Design
    erin: Player  # an account without an organization
    otto: Player  # an operator
    license: dict[str, int] = field(
        default_factory=dict
    )  # annual, perpetual, cloud, network, three_years, expired, other
    product: dict[str, int] = field(default_factory=dict)  # draft, render, hub (for organizations only)
    unused: dict[str, str] = field(default_factory=dict)  # texts: personal, shared, floating, only, mixed, later

    def player(self, name: str) -> Player:
        """The one with this name."""
        found = getattr(self, name)
        if not isinstance(found, Player):
            raise LookupError(name)
        return found

    @property
    def names(self) -> list[str]:
        """Everybody's name."""
        return [each.name for each in fields(self) if isinstance(getattr(self, each.name), Player)]


def play(session: Session, now: datetime) -> Cast:
    """Put the whole cast into an empty database and commit."""
    return Director(session, now).cast()


class Director:
    """Makes rows by the rules, one kind a method."""

    def __init__(self, session: Session, now: datetime) -> None:
        self.session, self.now, self.sealer = session, now, Sealer(SEAL_KEY)
        self.product = {
            "draft": Product.add(session, "draft", "Draft Pro", False, COMMAND, now),
            "render": Product.add(session, "render", "Render Studio", False, COMMAND, now),
            "hub": Product.add(session, "hub", "Hub Server", True, COMMAND, now),
        }

    def cast(self) -> Cast:
        """Everybody, each in the state that his role needs."""
        names = ("alice", "carol", "bob", "dora", "dave", "mallory", "erin", "otto")
        account = {name: self.account(name) for name in names}
        account["otto"].is_operator = True
        license: dict[str, License] = {}
        kestrel = self.organization(account["alice"], "Kestrel Works", annual=self.item("draft", "annual", 3))
        harbor = self.organization(account["mallory"], "Harbor Design", other=self.item("draft", "annual", 2))
        license |= {"annual": kestrel.licenses[0], "other": harbor.licenses[0]}
        license |= self.licenses(kestrel, account["alice"])
        member = self.members(kestrel, account)
        self.permissions(kestrel, member, license)
        unused = self.unused()
        self.session.commit()
        return Cast(
            now=self.now, organization_id=kestrel.id, other_id=harbor.id,
            license={name: each.id for name, each in license.items()},
            product={name: each.id for name, each in self.product.items()},
            unused=unused,
            **{name: player(name, each, member.get(name)) for name, each in account.items()},
        )  # fmt: skip

    def account(self, name: str) -> Account:
        """A confirmed account."""
        email = f"{name}@example.com"
        row = Account(
            email=email, email_key=addresses.key(email), name=f"{name.title()} Example", password=HASH,
            fs_uniquifier=name * 4, created_at=self.now, confirmed_at=self.now,
        )  # fmt: skip
        self.session.add(row)
        self.session.flush()
        return row

    def item(self, product: str, kind: str, seats: int = 1, start_in: int = 0) -> Item:
        """An item of a key; it starts in so many days."""
        start = (self.now + timedelta(days=start_in)).date()
        return Item(self.product[product], LicenseType(kind), seats, start)

    def key(self, *items: Item) -> tuple[PermissionKey, str]:
        """A key of the vendor's, and its text."""
        return PermissionKey.issue(self.session, items, self.sealer, COMMAND, self.now)

    def organization(self, account: Account, name: str, **items: Item) -> Organization:
        """An organization, created by an account with a key that holds the items."""
        key, _text = self.key(*items.values())
        by = Actor("person", account.id, ADDRESS)
        return Organization.create(account, key, {"name": name}, by, self.now, self.now.date())

    def licenses(self, organization: Organization, account: Account) -> dict[str, License]:
        """More lines of every type, each from a key of its own but the floating ones."""
        kinds = {
            "perpetual": self.item("draft", "perpetual", 2), "cloud": self.item("render", "flex-cloud", 4),
            "network": self.item("render", "flex-network", 2), "three_years": self.item("hub", "three-years", 5),
            "expired": self.item("render", "trial", 1, -40),
        }  # fmt: skip
        keys = [("perpetual",), ("cloud", "network"), ("three_years",), ("expired",)]
        made: dict[str, License] = {}
        for names in keys:
            key, _text = self.key(*(kinds[name] for name in names))
            then = self.now - timedelta(days=39) if names == ("expired",) else self.now
            key.redeem(organization, Actor("person", account.id, ADDRESS), then, then.date())
            made |= dict(zip(names, key.licenses, strict=True))
        return made

    def members(self, organization: Organization, account: dict[str, Account]) -> dict[str, Member]:
        """The members of Kestrel Works, and mallory's own row."""
        alice = organization.member_of(account["alice"])
        by = Actor("person", account["alice"].id, ADDRESS)
        member = {"alice": alice}
        for name in ("carol", "bob", "dora", "dave"):
            entry = addresses.split(account[name].email)[0]
            invited = organization.invite(entry, by, alice, self.now).member
            assert invited is not None
            member[name] = invited
            if name != "dave":
                invited.confirm(account[name], Actor("person", account[name].id, ADDRESS), self.now)
        member["carol"].make_co_administrator(None, by, alice, self.now)
        mallory = account["mallory"].membership
        assert mallory is not None
        return {**member, "mallory": mallory}

    def permissions(self, organization: Organization, member: dict[str, Member], license: dict[str, License]) -> None:
        """bob has a seat, carol a reservation; what dora had is suspended."""
        by = Actor("person", member["alice"].account_id, ADDRESS)
        license["annual"].give(member["bob"], by, self.now)
        license["cloud"].give(member["carol"], by, self.now)
        license["perpetual"].give(member["dora"], by, self.now)
        member["dora"].disable(by, member["alice"], self.now)

    def unused(self) -> dict[str, str]:
        """A key of every kind that nobody has redeemed."""
        keys = {
            "personal": [self.item("draft", "annual")], "shared": [self.item("draft", "annual", 5)],
            "floating": [self.item("render", "flex-cloud", 3)], "only": [self.item("hub", "annual")],
            "mixed": [self.item("draft", "trial"), self.item("render", "flex-network", 2)],
            "later": [self.item("draft", "annual", 1, 20)],
        }  # fmt: skip
        return {name: self.key(*items)[1] for name, items in keys.items()}


def player(name: str, account: Account, member: Member | None) -> Player:
    """The plain values of one of the cast."""
    return Player(name, account.email, account.id, account.fs_uniquifier, member.id if member else None)
