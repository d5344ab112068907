"""The organization Kestrel Works as tests of the rules handle it: rows by the names of the cast."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import activity, addresses, keys
from core.activity import COMMAND, Activity, Actor
from core.dates import LicenseType
from core.sealing import Sealer
from models import Account, Invited, Item, License, Member, Organization, Permission, PermissionKey, Product
from tests.cast import HASH, SEAL_KEY, Cast


class Kestrel:
    """Rows of the cast in one session, loaded afresh at each access."""

    def __init__(self, session: Session, cast: Cast) -> None:
        self.session, self.cast, self.now = session, cast, cast.now
        self.sealer = Sealer(SEAL_KEY)

    @property
    def today(self) -> date:
        """The day of the tests, in UTC."""
        return self.now.date()

    @property
    def organization(self) -> Organization:
        """Kestrel Works, locked."""
        return Organization.locked(self.session, self.cast.organization_id)

    @property
    def harbor(self) -> Organization:
        """Harbor Design, mallory's, locked."""
        return Organization.locked(self.session, self.cast.other_id)

    def member(self, name: str) -> Member:
        """One of the cast as a member, whatever became of him."""
        return self.session.get_one(Member, self.cast.player(name).member_id, populate_existing=True)

    @property
    def alice(self) -> Member:
        """The administrator."""
        return self.member("alice")

    @property
    def carol(self) -> Member:
        """The co-administrator."""
        return self.member("carol")

    @property
    def bob(self) -> Member:
        """An enabled member."""
        return self.member("bob")

    @property
    def dora(self) -> Member:
        """A disabled member."""
        return self.member("dora")

    @property
    def dave(self) -> Member:
        """A pending member."""
        return self.member("dave")

    def account(self, name: str) -> Account:
        """One of the cast as an account."""
        return self.session.get_one(Account, self.cast.player(name).account_id, populate_existing=True)

    def by(self, name: str) -> Actor:
        """One of the cast as the one who acts."""
        return self.cast.player(name).actor

    def license(self, name: str) -> License:
        """A license by the cast's name for it."""
        return self.session.get_one(License, self.cast.license[name], populate_existing=True)

    def product(self, name: str) -> Product:
        """A product by its code."""
        return self.session.get_one(Product, self.cast.product[name])

    def key(self, name: str) -> PermissionKey:
        """One of the cast's unused keys."""
        return PermissionKey.known(self.session, self.cast.unused[name])

    def new_key(self, kind: str = "annual", seats: int = 1, product: str = "draft", start: int = 0) -> PermissionKey:
        """A key with one item that starts in so many days."""
        first = self.today + timedelta(days=start)
        item = Item(self.product(product), LicenseType(kind), seats, first)
        return PermissionKey.issue(self.session, [item], self.sealer, COMMAND, self.now, text=keys.make())[0]

    def new_account(self, email: str) -> Account:
        """Another confirmed account."""
        row = Account(
            email=email, email_key=addresses.key(email), name="New Example", password=HASH,
            fs_uniquifier=keys.make(), created_at=self.now, confirmed_at=self.now,
        )  # fmt: skip
        self.session.add(row)
        self.session.flush()
        return row

    def invite(self, text: str, name: str = "alice", now: datetime | None = None) -> list[Invited]:
        """What becomes of a pasted list of addresses."""
        organization, by = self.organization, self.by(name)
        me = organization.member_of(self.account(name))
        return [organization.invite(entry, by, me, now or self.now) for entry in addresses.split(text)]

    def enabled(self, email: str) -> Member:
        """A new member who confirmed."""
        (invited,) = self.invite(email)
        assert invited.member is not None
        account = Account.by_email(self.session, email) or self.new_account(email)
        invited.member.confirm(account, Actor("person", account.id), self.now)
        return invited.member

    def entries(self, organization_id: int | None = None) -> int:
        """How many things were recorded in the organization's Activity."""
        return activity.count(self.session, str(organization_id or self.cast.organization_id))

    def last(self, stream: str = "") -> Activity:
        """What was recorded last."""
        query = select(Activity).where(Activity.stream == (stream or str(self.cast.organization_id)))
        return self.session.scalars(query.order_by(Activity.number.desc()).limit(1)).one()

    def recounted(self) -> dict[str, tuple[int, int]]:
        """Of every license of the cast: what it says is given away, and what a count of rows says."""
        return {name: (self.license(name).reserved, given(self.session, id)) for name, id in self.cast.license.items()}


def given(session: Session, license_id: int) -> int:
    """The permissions of a license that are not suspended."""
    query = select(func.count()).where(Permission.license_id == license_id, Permission.suspended_at.is_(None))
    return session.scalar(query) or 0
