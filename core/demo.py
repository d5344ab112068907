"""The worked example of `./portal demo`: two organizations in the middle of their work, the same at every first start.

People and keys are fixed; dates count from the day of the first start, so that something always ends in 12 days.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import current_app
from flask_security import hash_password
from sqlalchemy import select
from stdnum import luhn

from core import addresses, keys, mail
from core.activity import COMMAND, Actor
from core.dates import LicenseType, now
from core.db import db
from core.demo_data import CATALOG, KEYS, ORGANIZATIONS, PASSWORD, PEOPLE, DemoKey, DemoOrganization, DemoPerson
from core.settings import Settings
from models import Account, Item, Member, Organization, PermissionKey, Product

ALPHABET = keys.ALPHABET


def prepare(settings: Settings) -> str:
    """Make the example in an empty database, or go on with the one that is there; returns what the terminal shows."""
    from app import create_app

    app = create_app(settings)
    with app.app_context():
        if db.session.scalar(select(Account.id).limit(1)) is None:
            Example(settings, now()).make()
            db.session.commit()
        return welcome(settings)


def welcome(settings: Settings) -> str:
    """Who can sign in with which password, and the permission keys that nobody has redeemed yet."""
    who = [(person.email, PASSWORD, person.note) for person in PEOPLE if person.note]
    unused = []
    for demo_key in KEYS:
        key = db.session.scalars(select(PermissionKey).where(PermissionKey.text_hash == digest(demo_key))).one_or_none()
        if demo_key.redeemed_by is None and key is not None and key.redeemed_at is None:
            unused.append((text_of(demo_key), demo_key.note))
    return "\n".join(
        [
            f"The demo runs at {settings.base_url} and keeps its data in {settings.data}.",
            "",
            "Who can sign in (address, password, who):",
            *columns(who),
            "",
            "Unused permission keys:",
            *columns(unused),
            "",
            "Letters are kept, not sent: the operator reads them under Outgoing mail, links included.",
            "Ctrl-C stops the demo; it goes on where it was at the next start.",
            "",
        ]
    )


def columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows in aligned columns, two spaces in front."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))] if rows else []
    return ["  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def text_of(key: DemoKey) -> str:
    """The text of a demo key: genuine in form, always the same, and good for no other database."""
    number = int.from_bytes(hashlib.sha256(f"demo:{key.name}".encode()).digest(), "big")
    groups = ("".join(ALPHABET[number >> (20 * group + 5 * n) & 31] for n in range(4)) for group in range(5))
    return "-".join(group + luhn.calc_check_digit(group, ALPHABET) for group in groups)


def digest(key: DemoKey) -> bytes:
    """What the key is looked up by."""
    return keys.digest(text_of(key))


@dataclass
class Example:
    """Makes the example through the rules that everybody goes through, in the order in which things happened."""

    settings: Settings
    now: datetime

    def make(self) -> None:
        """Everything; the caller commits."""
        self.catalog = [
            Product.add(db.session, code, name, only, COMMAND, self.ago(800)) for code, name, only in CATALOG
        ]
        hashed = hash_password(PASSWORD)
        self.people = {person.email: self.account(person, hashed) for person in PEOPLE}
        self.operator = next(each for each in self.people.values() if each.is_operator)
        self.keys = {demo_key.name: self.issue(demo_key) for demo_key in KEYS}
        for demo_organization in ORGANIZATIONS:
            self.organization(demo_organization)
        for demo_key in KEYS:
            self.redeem_personally(demo_key)
        for demo_key in KEYS:
            self.afterwards(demo_key)

    def ago(self, days: float) -> datetime:
        """The moment some days ago; negative days are ahead."""
        return self.now - timedelta(days=days)

    def account(self, person: DemoPerson, hashed: str) -> Account:
        """A confirmed account."""
        account = Account(
            email=person.email,
            email_key=addresses.key(person.email),
            name=person.name,
            password=hashed,
            fs_uniquifier=hashlib.sha256(f"demo:{person.email}".encode()).hexdigest(),
            created_at=self.ago(800),
            confirmed_at=self.ago(800),
            is_operator=person.is_operator,
            zone=person.zone,
            company=person.company,
        )
        db.session.add(account)
        db.session.flush()
        return account

    def issue(self, demo_key: DemoKey) -> PermissionKey:
        """A key, issued when it was."""
        products = {product.code: product for product in self.catalog}
        items = [
            Item(
                products[item.product],
                LicenseType(item.type),
                item.seats,
                self.ago(item.start).date(),
                self.ago(item.end).date() if item.end is not None else None,
            )
            for item in demo_key.items
        ]
        by, issued = Actor("operator", self.operator.id), self.ago(demo_key.issued)
        return PermissionKey.issue(
            db.session, items, current_app.extensions["sealer"], by, issued, note=demo_key.note, text=text_of(demo_key)
        )[0]

    def organization(self, demo: DemoOrganization) -> None:
        """An organization with its keys, its people in every state, and their permissions."""
        founder = self.people[demo.administrator]
        by = Actor("person", founder.id, "127.0.0.1")
        names = [key.name for key in KEYS if key.redeemed_by == demo.name]
        founded = self.ago(demo.founded)
        profile = {"name": demo.name, "zone": demo.zone, "country": demo.country, "contact": founder.name}
        organization = Organization.create(founder, self.keys[names[0]], profile, by, founded, founded.date())
        for name in names[1:]:
            key = self.keys[name]
            key.redeem(organization, by, max(founded, key.issued_at), key.issued_at.date())
        me = organization.holder_of("administrator")
        if me is None:
            raise LookupError("the founder is the administrator")
        for guest in demo.guests:
            member = self.invite(organization, guest.email, by, me, self.ago(guest.invited))
            if guest.confirmed is not None:
                account = self.people[guest.email]
                member.confirm(account, Actor("person", account.id, "127.0.0.1"), self.ago(guest.confirmed))
            if guest.is_co_administrator:
                member.make_co_administrator(None, by, me, self.ago(guest.confirmed or 0))
        self.give(organization, demo, by)
        for guest in demo.guests:
            if guest.disabled is not None:
                self.member(organization, guest.email).disable(by, me, self.ago(guest.disabled))

    def invite(self, organization: Organization, email: str, by: Actor, me: Member, at: datetime) -> Member:
        """A pending member with his letter."""
        entry = addresses.split(email)[0]
        invited = organization.invite(entry, by, me, at)
        if invited.member is None:
            raise LookupError(f"{email} cannot be invited: {invited.outcome}")
        mail.invitation(invited.member, at)
        return invited.member

    def give(self, organization: Organization, demo: DemoOrganization, by: Actor) -> None:
        """The permissions of the example."""
        for key_name, position, emails in demo.permissions:
            license = self.keys[key_name].item(position)
            for email in emails:
                license.give(self.member(organization, email), by, self.ago(demo.founded / 2))

    @staticmethod
    def member(organization: Organization, email: str) -> Member:
        """The live member with this address."""
        query = select(Member).where(Member.organization_id == organization.id, Member.email == email, *Member.LIVE)
        return db.session.scalars(query).one()

    def redeem_personally(self, demo_key: DemoKey) -> None:
        """A key that belongs to a person."""
        owner = self.people.get(demo_key.redeemed_by or "")
        if owner is not None:
            at = self.ago(demo_key.issued)
            self.keys[demo_key.name].redeem(owner, Actor("person", owner.id, "127.0.0.1"), at, at.date())

    def afterwards(self, demo_key: DemoKey) -> None:
        """What the vendor did to a key later."""
        key, by = self.keys[demo_key.name], Actor("operator", self.operator.id)
        if demo_key.seats_now is not None:
            key.extend(by, self.ago(1), position=1, seats=demo_key.seats_now)
        if demo_key.revoked is not None:
            key.revoke(by, self.ago(demo_key.revoked), demo_key.why)
