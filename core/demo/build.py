"""The worked example of `./portal demo`: two organizations in the middle of their work, the same at every first start.

People and keys are fixed; dates count from the day of the first start, so that something always ends in 12 days.
What happened is a list of deeds, done through the rules that everybody goes through, in the order of time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial

from flask import current_app
from sqlalchemy import select
from stdnum import luhn

from core import addresses, keys, mail, passwords
from core.activity import COMMAND, Actor
from core.dates import LicenseType, now, today
from core.db import db
from core.demo import running
from core.demo import text as demo_text
from core.demo.data import (
    CATALOG,
    KEYS,
    ORGANIZATIONS,
    PASSWORD,
    PEOPLE,
    ZONE,
    DemoGuest,
    DemoItem,
    DemoKey,
    DemoOrganization,
    DemoPerson,
)
from core.mailing.outbox import KEEP
from core.settings import Settings
from models import ADMINISTRATOR, Account, Item, Member, Organization, PermissionKey, Product

Deed = tuple[float, Callable[[datetime], object]]  # how many days ago, and what was done
OPENED = 800  # days ago the vendor set the portal up
SIGNED_UP = 400
SOON = 0.1  # of a day: what follows at once


def prepare(settings: Settings) -> str:
    """Make the example in an empty database, or go on with the one that is there; returns what the terminal shows."""
    from app import create_app

    with create_app(settings).app_context():
        try:
            if db.session.scalar(select(Account.id).limit(1)) is None:
                at = now()
                Example(at).make()
                db.session.commit()
                running.begin(db.session, at)
            return demo_text.welcome(settings, unused())
        finally:
            db.session.rollback()
            db.engine.dispose()


def unused() -> list[tuple[str, str]]:
    """Text and words of the keys to try that nobody has redeemed yet."""
    to_try = [(text_of(key), key.words) for key in KEYS if key.words]
    hashes = [keys.digest(text) for text, _words in to_try]
    waiting = select(PermissionKey.text_hash).where(PermissionKey.redeemed_at.is_(None))
    left = set(db.session.scalars(waiting.where(PermissionKey.text_hash.in_(hashes))))
    return [row for row, digest in zip(to_try, hashes, strict=True) if digest in left]


def text_of(key: DemoKey) -> str:
    """The text of a demo key: genuine in form, always the same, and good for no other database."""
    number = int.from_bytes(hashlib.sha256(f"demo:{key.name}".encode()).digest(), "big")
    groups = ("".join(keys.ALPHABET[number >> (20 * group + 5 * n) & 31] for n in range(4)) for group in range(5))
    return "-".join(group + luhn.calc_check_digit(group, keys.ALPHABET) for group in groups)


@dataclass
class Example:
    """Makes the example; the caller commits."""

    now: datetime
    hashed: str = ""
    products: dict[str, Product] = field(default_factory=dict)
    people: dict[str, Account] = field(default_factory=dict)
    keys: dict[str, PermissionKey] = field(default_factory=dict)
    organizations: dict[str, Organization] = field(default_factory=dict)

    def make(self) -> None:
        """Do every deed when it was done."""
        self.hashed = passwords.hashed(PASSWORD)
        for days, do in sorted(self.deeds(), key=lambda deed: -deed[0]):
            do(self.now - timedelta(days=days))

    # ── what happened, and when ──

    def deeds(self) -> Iterator[Deed]:
        """Everything that happened, in no order but that of equal times."""
        for row in CATALOG:
            yield OPENED, partial(self.add_product, *row)
        for person in PEOPLE:
            yield OPENED if person.is_operator else SIGNED_UP, partial(self.sign_up, person)
            if person.blocked is not None:
                yield person.blocked, partial(self.block, person)
        for key in KEYS:
            yield from self.deeds_to_key(key)
        for organization in ORGANIZATIONS:
            yield from self.deeds_in_organization(organization)

    def deeds_to_key(self, key: DemoKey) -> Iterator[Deed]:
        """Issued, redeemed unless an organization was founded with it, and what the vendor did to it later."""
        yield key.issued, partial(self.issue, key)
        if key.redeemed_by is not None and key.name not in FOUNDING:
            yield key.issued - SOON, partial(self.redeem, key)
        if key.seats_now is not None:
            yield SOON, partial(self.change_seats, key)
        if key.revoked is not None:
            yield key.revoked, partial(self.revoke, key)

    def deeds_in_organization(self, demo: DemoOrganization) -> Iterator[Deed]:
        """Founded, its people in every state, and their permissions."""
        yield demo.founded, partial(self.found, demo)
        for guest in demo.guests:
            yield guest.invited, partial(self.invite, demo, guest)
            if guest.confirmed is not None:
                yield guest.confirmed, partial(self.confirm, demo, guest)
            if guest.is_co_administrator:
                yield (guest.confirmed or 0) - SOON, partial(self.make_co_administrator, demo, guest)
            if guest.disabled is not None:
                yield guest.disabled, partial(self.disable, demo, guest)
        since = {guest.email: guest.confirmed or 0 for guest in demo.guests}
        issued = {key.name: key.issued for key in KEYS}
        for key, position, emails in demo.permissions:
            for email in emails:
                days = min(issued[key], since.get(email, demo.founded)) - 2 * SOON
                yield days, partial(self.give, demo, key, position, email)

    # ── the vendor ──

    def add_product(self, code: str, name: str, organization_only: bool, at: datetime) -> None:
        """A product of the catalog."""
        self.products[code] = Product.add(db.session, code, name, organization_only, COMMAND, at)

    def issue(self, demo: DemoKey, at: datetime) -> None:
        """A key with a text that is always the same."""
        items = [self.item(each) for each in demo.items]
        sealer = current_app.extensions["sealer"]
        self.keys[demo.name], _text = PermissionKey.issue(
            db.session, items, sealer, self.operator, at, note=demo.note, text=text_of(demo)
        )

    def item(self, demo: DemoItem) -> Item:
        """An item with its days."""
        end = None if demo.end is None else self.day(demo.end)
        return Item(self.products[demo.product], LicenseType(demo.type), demo.seats, self.day(demo.start), end)

    def day(self, days: int) -> date:
        """The day so many days ago, where the people of the example live."""
        return today(self.now, ZONE) - timedelta(days=days)

    def change_seats(self, demo: DemoKey, at: datetime) -> None:
        """Fewer seats than are given away, or none at all."""
        key = self.keys[demo.name]
        key.extend(self.operator, at, position=1, seats=demo.seats_now)
        mail.license_changed(key.item(1), at)

    def revoke(self, demo: DemoKey, at: datetime) -> None:
        """A key that was withdrawn."""
        self.keys[demo.name].revoke(self.operator, at, demo.why)
        mail.key_revoked(self.keys[demo.name], at)

    def block(self, demo: DemoPerson, at: datetime) -> None:
        """An account that nobody can sign in to."""
        self.people[demo.email].block(self.operator, at)
        mail.blocked(self.people[demo.email], at)

    @property
    def operator(self) -> Actor:
        """The vendor's person as the one who acts."""
        return Actor("operator", next(each.id for each in self.people.values() if each.is_operator), "127.0.0.1")

    # ── people and organizations ──

    def sign_up(self, demo: DemoPerson, at: datetime) -> None:
        """A confirmed account."""
        account = Account.sign_up(db.session, demo.name, demo.email, self.hashed, at)
        if account is None:
            raise LookupError(f"{demo.email} is taken")
        account.is_operator, account.zone, account.company = demo.is_operator, demo.zone, demo.company
        account.confirm(Actor("person", account.id, "127.0.0.1"), at)
        self.people[demo.email] = account

    def redeem(self, demo: DemoKey, at: datetime) -> None:
        """A key that became licenses of an organization or a person."""
        owner = self.organizations.get(demo.redeemed_by or "") or self.people[demo.redeemed_by or ""]
        by = self.administrator(owner)[1] if isinstance(owner, Organization) else by_person(owner)
        self.keys[demo.name].redeem(owner, by, at, at.date())

    def found(self, demo: DemoOrganization, at: datetime) -> None:
        """An organization, created with the first of its keys."""
        founder = self.people[demo.administrator]
        profile = {"name": demo.name, "zone": demo.zone, "country": demo.country, "contact": founder.name}
        key = self.keys[next(name for name in FOUNDING if FOUNDING[name] == demo.name)]
        self.organizations[demo.name] = Organization.create(founder, key, profile, by_person(founder), at, at.date())

    def invite(self, demo: DemoOrganization, guest: DemoGuest, at: datetime) -> None:
        """A pending member; the letter is kept as long as letters are."""
        organization = self.organizations[demo.name]
        me, by = self.administrator(organization)
        invited = organization.invite(addresses.split(guest.email)[0], by, me, at)
        if invited.member is None:
            raise LookupError(f"{guest.email} cannot be invited: {invited.outcome}")
        if at > self.now - KEEP and guest.confirmed is None:
            mail.invitation(invited.member, at)

    def confirm(self, demo: DemoOrganization, guest: DemoGuest, at: datetime) -> None:
        """The invited person takes part."""
        member, account = self.member(demo, guest.email), self.people[guest.email]
        member.confirm(account, by_person(account), at)
        if at > self.now - KEEP:
            mail.confirmed(member, at)

    def make_co_administrator(self, demo: DemoOrganization, guest: DemoGuest, at: datetime) -> None:
        """The one co-administrator."""
        me, by = self.administrator(self.organizations[demo.name])
        self.member(demo, guest.email).make_co_administrator(None, by, me, at)

    def disable(self, demo: DemoOrganization, guest: DemoGuest, at: datetime) -> None:
        """A member whose participation was stopped."""
        me, by = self.administrator(self.organizations[demo.name])
        member = self.member(demo, guest.email)
        member.disable(by, me, at)
        mail.disabled(member, at)

    def give(self, demo: DemoOrganization, key: str, position: int, email: str, at: datetime) -> None:
        """A permission."""
        _me, by = self.administrator(self.organizations[demo.name])
        self.keys[key].item(position).give(self.member(demo, email), by, at)

    def administrator(self, organization: Organization) -> tuple[Member, Actor]:
        """The administrator's row, and he as the one who acts."""
        member = organization.holder_of(ADMINISTRATOR)
        if member is None or member.account is None:
            raise LookupError("an organization has an administrator")
        return member, by_person(member.account)

    def member(self, demo: DemoOrganization, email: str) -> Member:
        """The live member with this address."""
        organization = self.organizations[demo.name]
        query = select(Member).where(Member.organization_id == organization.id, Member.email == email, *Member.LIVE)
        return db.session.scalars(query).one()


def by_person(account: Account) -> Actor:
    """An account as the one who acts."""
    return Actor("person", account.id, "127.0.0.1")


#: The first key of each organization, with which it was created.
FOUNDING = {
    next(key.name for key in KEYS if key.redeemed_by == organization.name): organization.name
    for organization in ORGANIZATIONS
}
