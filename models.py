"""The domain: accounts, keys, organizations, members, licenses, permissions, and every rule that changes one of them.

A rule is a named constraint plus a method that raises. Methods never read the request, send mail or commit. Whoever
changes an organization locks it first (`Organization.locked`), then loads what he changes; that order keeps two
databases and any number of processes to one truth.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, TypeVar, cast

from flask_babel import lazy_gettext as _l
from flask_security.core import UserMixin
from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    CursorResult,
    ForeignKey,
    Index,
    LargeBinary,
    Select,
    String,
    UniqueConstraint,
    delete,
    exists,
    false,
    or_,
    select,
    update,
)
from sqlalchemy.orm import (
    Mapped,
    Session,
    aliased,
    contains_eager,
    foreign,
    joinedload,
    mapped_column,
    object_session,
    query_expression,
    relationship,
    with_expression,
)
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.util import identity_key

from core import addresses, keys, leases, windows
from core.activity import Actor, record
from core.dates import LicenseType, end_of, ends_at, is_zone, starts_at
from core.db import Base, Instant
from core.errors import BadInput, Gone, Missing, RuleBroken
from core.grants import TokenFamily
from core.leases import AccessRequest, Lease, Ticket
from core.refusals import (
    DEAD_LINK,
    CannotJoin,
    CoAdministratorChanged,
    HasAnother,
    KeyEmpty,
    KeyExpired,
    KeyInUse,
    KeyUnknown,
    KeyWithdrawn,
    LazyDay,
    NeedsOrganization,
    NoSeat,
    WrongAccount,
)  # fmt: skip
from core.sealing import Sealer

T = TypeVar("T", bound=Base)
LOCK = {"key_share": True}  # a row is changed, never its id: who only refers to it does not wait

NAME_LENGTH = 200
MOST_SEATS = 100_000
INVITATION_AGE = timedelta(days=14)
UNCONFIRMED_AGE = timedelta(days=7)
ENDS_SOON_DAYS = 30

ADMINISTRATOR, CO_ADMINISTRATOR, MEMBER = "administrator", "co-administrator", "member"
PENDING, ENABLED, DISABLED, ENDED = "pending", "enabled", "disabled", "ended"


def session_of(row: Base) -> Session:
    """The session that a row was loaded in."""
    found = object_session(row)
    if found is None:
        raise LookupError("the row is in no session")
    return found


def line(text: str | None, *, field: str, required: bool = True, longest: int = NAME_LENGTH) -> str:
    """One line of a person's text: trimmed, control characters and line breaks as spaces.

    :raise BadInput: when it is empty though required, or longer than `longest` characters.
    """
    cleaned = " ".join("".join(c if c.isprintable() else " " for c in text or "").split())
    if required and not cleaned:
        raise BadInput(_l("Enter a name."), field=field)
    if len(cleaned) > longest:
        raise BadInput(
            _l("This is %(length)s characters long; %(longest)s fit.", length=len(cleaned), longest=longest),
            field=field,
        )
    return cleaned


# ── Account ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class Account(Base, UserMixin):
    """A person who can sign in; the identity is this row, not the address."""

    __tablename__ = "account"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254))
    email_key: Mapped[str] = mapped_column(String(320), unique=True)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    password: Mapped[str | None] = mapped_column(String(255))
    # What a session and Flask-Login name the account by; another one ends whatever somebody else had begun.
    fs_uniquifier: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(Instant)
    confirmed_at: Mapped[datetime | None] = mapped_column(Instant)
    blocked_at: Mapped[datetime | None] = mapped_column(Instant)
    deleted_at: Mapped[datetime | None] = mapped_column(Instant)
    is_operator: Mapped[bool] = mapped_column(default=False, server_default=false())
    locale: Mapped[str | None] = mapped_column(String(20))
    zone: Mapped[str] = mapped_column(String(64), default="UTC", server_default="UTC")
    title: Mapped[str] = mapped_column(String(NAME_LENGTH), default="", server_default="")
    company: Mapped[str] = mapped_column(String(NAME_LENGTH), default="", server_default="")
    address: Mapped[str] = mapped_column(String(500), default="", server_default="")
    phone: Mapped[str] = mapped_column(String(50), default="", server_default="")
    wanted_email: Mapped[str | None] = mapped_column(String(254))  # asked for, not confirmed yet
    nonce: Mapped[str | None] = mapped_column(String(32))  # what the links in letters are bound to, until one is used

    @staticmethod
    def by_email(session: Session, email: str) -> Account | None:
        """The account that has this address, however it is spelled."""
        return session.scalars(select(Account).where(Account.email_key == addresses.key(email))).one_or_none()

    @classmethod
    def sign_up(cls, session: Session, name: str, email: str, hashed: str | None, now: datetime) -> Account | None:
        """An account whose address is to be confirmed, in place of one that never was; None when the address is taken.

        :raise BadInput: for a name or an address that cannot be.
        """
        name, email = line(name, field="name"), checked_email(email)
        account = cls.by_email(session, email)
        if account is not None and (account.is_confirmed or not account.active):
            return None
        if account is None:
            account = cls(fs_uniquifier=secrets.token_hex(16))
            session.add(account)
        account.email, account.email_key, account.name = email, addresses.key(email), name
        # Asking again begins the days anew in which the address can be confirmed.
        account.password, account.created_at, account.nonce = hashed, now, secrets.token_urlsafe(16)
        return flushed(account)

    @classmethod
    def create_confirmed(
        cls, session: Session, email: str, name: str, hashed: str | None, is_operator: bool, by: Actor, now: datetime
    ) -> Account:
        """An account that the vendor vouches for.

        :raise BadInput: when the address has an account, or is none.
        """
        account = cls.sign_up(session, name, email, hashed, now)
        if account is None:
            raise BadInput(_l("There is an account with this address already."), field="email")
        account.is_operator = is_operator
        account.confirm(by, now)
        return account

    @classmethod
    def first_operator(cls, session: Session, name: str, email: str, hashed: str, now: datetime) -> Account:
        """The operator that a new portal begins with; the link that he came by is proof enough of the address.

        :raise RuleBroken: when the address has an account.
        """
        account = cls.sign_up(session, name, email, hashed, now)
        if account is None:
            raise RuleBroken(_l("An account has this address. Choose another one."), field="email")
        account.is_operator = True
        account.confirm(Actor("operator", account.id), now)
        return account

    @property
    def active(self) -> bool:  # type: ignore[override]  # the name that Flask-Security asks for
        """Whether the account may sign in at all."""
        return self.blocked_at is None and self.deleted_at is None

    @property
    def is_confirmed(self) -> bool:
        """Whether the address is known to be the person's."""
        return self.confirmed_at is not None

    @property
    def roles(self) -> tuple[()]:  # type: ignore[override]
        """What Flask-Security calls roles: none; the operator is a column, organizations have roles of their own."""
        return ()

    @property
    def membership(self) -> Member | None:
        """The one live, confirmed participation in an organization."""
        mine = select(Member).where(Member.account_id == self.id, *Member.LIVE, Member.confirmed_at.is_not(None))
        return session_of(self).scalars(mine.options(joinedload(Member.organization))).one_or_none()

    def check_free_to_join(self) -> None:
        """Say why the account can neither create nor join an organization now.

        :raise RuleBroken: blocked, an operator, or a member somewhere.
        """
        if not self.active:
            raise RuleBroken(_l("This account is blocked. Contact the vendor."))
        if self.is_operator:
            raise RuleBroken(_l("An operator belongs to no organization."))
        if (member := self.membership) is not None:
            raise CannotJoin(member.organization.name)

    def confirm(self, by: Actor, now: datetime) -> None:
        """The address is the person's; confirming twice changes nothing."""
        if self.confirmed_at is None:
            self.confirmed_at, self.nonce = now, None
            record(session_of(self), None, by, "account.confirm", self, now)

    def disown(self) -> None:
        """Remove an account that the owner of its address did not ask for."""
        if self.is_confirmed:
            raise RuleBroken(_l("This account is in use."))
        # Not recorded: of an account that nobody asked for, nothing is kept.
        session_of(self).delete(self)
        session_of(self).flush()

    @classmethod
    def remove_unconfirmed(cls, session: Session, by: Actor, now: datetime) -> int:
        """Remove the accounts whose address nobody confirmed in time; returns how many."""
        stale = list(
            session.scalars(select(cls).where(cls.confirmed_at.is_(None), cls.created_at < now - UNCONFIRMED_AGE))
        )
        for account in stale:
            record(session, None, by, "account.expire", account, now)
            account.disown()
        return len(stale)

    def set_password(self, hashed: str, by: Actor, now: datetime) -> None:
        """Take a new password; links in letters die."""
        self.password, self.nonce = hashed, None
        record(session_of(self), None, by, "account.password", self, now)

    def recover(self, hashed: str, by: Actor, now: datetime) -> None:
        """Whoever reads the account's mail takes it back: nothing that somebody else may have begun survives."""
        self.end_sign_ins(now)
        self.wanted_email = None
        self.confirm(by, now)
        self.set_password(hashed, by, now)

    def take_over(self, name: str, hashed: str, by: Actor, now: datetime) -> None:
        """Give an account that nobody confirmed to the owner of its address; of whoever began it nothing stays.

        :raise RuleBroken: when it is confirmed, so somebody's, or blocked.
        """
        if self.is_confirmed:
            raise RuleBroken(_l("This account is in use."))
        if not self.active:
            raise RuleBroken(_l("This account is blocked. Contact the vendor."))
        self.name, self.fs_uniquifier = line(name, field="name"), secrets.token_hex(16)
        self.title = self.company = self.address = self.phone = ""
        self.locale, self.zone = None, "UTC"
        self.recover(hashed, by, now)

    def want_email(self, email: str, field: str = "email") -> str:
        """Remember the address that is to be confirmed, and return it; a link to an earlier one dies.

        :raise BadInput: when it is no address, or the account's own.
        """
        email = checked_email(email, field)
        # Compared as it is spelled: another spelling of the same address is a change that one may want.
        if email == self.email:
            raise BadInput(_l("This is the address of this account already."), field=field)
        self.wanted_email, self.nonce = email, secrets.token_urlsafe(16)
        return email

    def change_email(self, email: str, by: Actor, now: datetime) -> None:
        """Take the address that was confirmed; membership, permissions and sign-ins stay.

        :raise RuleBroken: when another account has it.
        """
        owner = Account.by_email(session_of(self), email)
        if owner is not None and owner.id != self.id:
            if owner.is_confirmed:
                raise RuleBroken(_l("Another account uses this address."), field="email")
            owner.disown()  # the address was never proved to be its
        self.email, self.email_key, self.wanted_email, self.nonce = email, addresses.key(email), None, None
        record(session_of(self), None, by, "account.email", self, now)

    def edit(self, profile: dict[str, str], by: Actor, now: datetime) -> None:
        """Change the contact information; a new time zone moves the instants of the person's own licenses.

        :raise BadInput: for a name, a length or a zone that cannot be.
        """
        checked = checked_contact(profile)
        changed = [name for name, value in checked.items() if getattr(self, name) != value]
        for name in changed:
            setattr(self, name, checked[name])
        if "zone" in changed:
            mine = select(PermissionKey).where(PermissionKey.account_id == self.id)
            License.set_all_instants(
                [row for key in session_of(self).scalars(mine) for row in key.licenses], self.zone, now
            )
        if changed:
            # Which fields, not what they said: activity cannot be changed, and people may want to be forgotten.
            record(session_of(self), None, by, "account.edit", self, now, after=sorted(changed))

    def block(self, by: Actor, now: datetime) -> bool:
        """Stop every sign-in and all that runs; membership and permissions stay. False when it was blocked already."""
        if self.blocked_at is not None:
            return False
        self.blocked_at = now
        self.end_sign_ins(now)
        his, waits = Lease.account_id == self.id, Ticket.account_id == self.id
        windows.wind_down(session_of(self), his, leases.BLOCKED, now, waits=waits)
        record(session_of(self), None, by, "account.block", self, now)
        return True

    def unblock(self, by: Actor, now: datetime) -> bool:
        """Allow signing in again. False when it was not blocked."""
        if self.blocked_at is None:
            return False
        self.blocked_at = None
        record(session_of(self), None, by, "account.unblock", self, now)
        return True

    def check_may_delete(self) -> None:
        """Say why the account cannot be deleted by its person.

        :raise RuleBroken: for an operator, and for an organization's administrator, who has to hand over first.
        """
        if self.is_operator:
            raise RuleBroken(_l("An operator’s account cannot be deleted."))
        if (member := self.membership) is not None:
            member.check_may_leave()

    def empty(self, by: Actor, now: datetime) -> None:
        """Forget the person, for good; his address is free for a new account. What refers to the row goes on to."""
        self.end_sign_ins(now)
        record(session_of(self), None, by, "account.delete", self, now)
        self.email = self.name = self.title = self.company = self.address = self.phone = ""
        self.email_key, self.fs_uniquifier = f"deleted {self.id}", secrets.token_hex(16)
        self.password = self.locale = self.wanted_email = self.nonce = None
        self.zone, self.deleted_at = "UTC", now

    def end_sign_ins(self, now: datetime, *, except_id: int | None = None) -> int:
        """End the account's sign-ins, all or all but one; returns how many ended."""
        ending = update(SignIn).where(SignIn.account_id == self.id, SignIn.ended_at.is_(None))
        if except_id is not None:
            ending = ending.where(SignIn.id != except_id)
        return rows_changed(session_of(self), ending.values(ended_at=now))

    def permits_leaving(self) -> bool:
        """Whether `Leave organization` is possible."""
        return (member := self.membership) is not None and member.role != ADMINISTRATOR


class SignIn(Base):
    """One signed-in browser; the cookie carries a secret of which this row keeps the hash."""

    __tablename__ = "sign_in"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    device: Mapped[str] = mapped_column(String(200))
    address: Mapped[str] = mapped_column(String(45))
    created_at: Mapped[datetime] = mapped_column(Instant)
    used_at: Mapped[datetime] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)

    @staticmethod
    def hashed(secret: str) -> bytes:
        """What is kept of a session's secret."""
        return hashlib.sha256(secret.encode()).digest()

    @classmethod
    def start(cls, account: Account, device: str, address: str, now: datetime) -> tuple[SignIn, str]:
        """A new sign-in and its secret, which is told once."""
        secret = secrets.token_urlsafe(16)
        row = cls(
            account_id=account.id, secret_hash=cls.hashed(secret), device=device[:200], address=address[:45],
            created_at=now, used_at=now,
        )  # fmt: skip
        session_of(account).add(row)
        return row, secret

    @classmethod
    def end(cls, session: Session, secret: str, now: datetime) -> None:
        """End the sign-in with this secret."""
        mine = (cls.secret_hash == cls.hashed(secret)) & cls.ended_at.is_(None)
        session.execute(update(cls).where(mine).values(ended_at=now).execution_options(synchronize_session=False))


def checked_contact(profile: dict[str, str]) -> dict[str, str | None]:
    """A person's contact information, cleaned: title, name, company, address, phone, locale, zone.

    :raise BadInput: for a name, a length or a zone that cannot be.
    """
    zone = profile.get("zone") or "UTC"
    if not is_zone(zone):
        raise BadInput(_l("There is no time zone of this name."), field="zone")
    return {
        "title": line(profile.get("title"), field="title", required=False, longest=50),
        "name": line(profile.get("name"), field="name"),
        "company": line(profile.get("company"), field="company", required=False),
        "address": line(profile.get("address"), field="address", required=False, longest=500),
        "phone": line(profile.get("phone"), field="phone", required=False, longest=50),
        "locale": line(profile.get("locale"), field="locale", required=False, longest=20) or None,
        "zone": zone,
    }


def checked_email(text: str, field: str = "email") -> str:
    """An address as it was typed, without what stands around it.

    :raise BadInput: saying why it is none.
    """
    email = addresses.clean(text)
    if (why := addresses.problem(email)) is not None:
        raise BadInput(_l("Not an address: %(why)s.", why=why), field=field)
    return email


# ── Product and PermissionKey ────────────────────────────────────────────────────────────────────────────────────────


class Product(Base):
    """Something the vendor licenses."""

    __tablename__ = "product"

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(50), unique=True)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    is_organization_only: Mapped[bool] = mapped_column(default=False, server_default=false())

    @classmethod
    def add(cls, session: Session, code: str, name: str, organization_only: bool, by: Actor, now: datetime) -> Product:
        """Add a product to the catalog.

        :raise BadInput: when the code is taken, or is not lower-case letters, digits and dashes.
        """
        code = code.strip().lower()
        if not code or len(code) > 50 or not all(c.isascii() and (c.isalnum() or c in "-.") for c in code):
            raise BadInput(_l("A code has letters, digits and dashes only, at most 50."), field="code")
        if session.scalar(select(cls.id).where(cls.code == code)):
            raise BadInput(_l("There is a product with the code %(code)s already.", code=code), field="code")
        product = cls(code=code, name=line(name, field="name"), is_organization_only=organization_only)
        session.add(product)
        record(session, None, by, "product.add", flushed(product), now, after={"code": code})
        return product


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a key to be issued; without dates it starts today and runs as long as its type."""

    product: Product
    type: LicenseType
    seats: int = 1
    start: date | None = None
    end: date | None = None


class Redeemed(Exception):
    """A key has another owner than it was locked for."""


class PermissionKey(Base):
    """Text that the vendor hands out; holds items that become licenses when it is redeemed, once."""

    __tablename__ = "permission_key"

    id: Mapped[int] = mapped_column(primary_key=True)
    text_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    text_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    last_group: Mapped[str] = mapped_column(String(5))
    note: Mapped[str] = mapped_column(String(NAME_LENGTH), default="", server_default="")
    issued_at: Mapped[datetime] = mapped_column(Instant)
    issued_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    revoked_at: Mapped[datetime | None] = mapped_column(Instant)
    revoked_why: Mapped[str] = mapped_column(String(NAME_LENGTH), default="", server_default="")
    organization_id: Mapped[int | None] = mapped_column(ForeignKey("organization.id"), index=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    redeemed_at: Mapped[datetime | None] = mapped_column(Instant)
    redeemed_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    released_at: Mapped[datetime | None] = mapped_column(Instant)

    __table_args__ = (
        CheckConstraint(
            "(redeemed_at IS NULL) = (organization_id IS NULL AND account_id IS NULL)", name="redeemed_has_owner"
        ),
        CheckConstraint("organization_id IS NULL OR account_id IS NULL", name="one_owner"),
        # Without the keys of organizations: SQLite would take all of them for one person's, and read the table instead.
        Index(
            "ix_permission_key_account_id", "account_id",
            sqlite_where=account_id.is_not(None), postgresql_where=account_id.is_not(None),
        ),
    )  # fmt: skip

    # No page reads a key without its items: one statement reads those of all keys of a list.
    licenses: Mapped[list[License]] = relationship(
        back_populates="key", order_by="License.position", lazy="selectin", cascade="all, delete-orphan"
    )
    organization: Mapped[Organization | None] = relationship()
    account: Mapped[Account | None] = relationship(foreign_keys=[account_id])

    @classmethod
    def issue(
        cls,
        session: Session,
        items: Sequence[Item],
        sealer: Sealer,
        by: Actor,
        now: datetime,
        *,
        note: str = "",
        text: str | None = None,
    ) -> tuple[PermissionKey, str]:
        """A new key and its text, which is told once and kept only sealed.

        :raise BadInput: when there is no item, or its seats or dates cannot be.
        """
        if not items:
            raise BadInput(_l("A key holds at least one item."))
        text = text or keys.make()
        digest = keys.digest(text)
        key = cls(
            text_hash=digest, text_sealed=sealer.seal(text, digest), last_group=keys.last_group(text),
            note=line(note, field="note", required=False), issued_at=now,
            issued_by=by.id if by.kind == "operator" else None,  # a command has no account
        )  # fmt: skip
        # In UTC: there is no owner yet whose day it could be.
        key.licenses = License.of_items(items, digest, now.date())
        session.add(key)
        record(session, None, by, "key.issue", flushed(key), now, after=[each.summary for each in key.licenses])
        return key, text

    @classmethod
    def known(cls, session: Session, text: str) -> PermissionKey:
        """The key with this canonical text.

        :raise BadInput: when the vendor never issued it.
        """
        found = session.scalars(select(cls).where(cls.text_hash == keys.digest(text))).one_or_none()
        if found is None:
            raise KeyUnknown()
        return found

    def state(self, today: date) -> str:
        """`revoked`, `redeemed`, `expired` (nobody can redeem it any more) or `issued`."""
        if self.revoked_at is not None:
            return "revoked"
        if self.redeemed_at is not None:
            return "redeemed"
        return "expired" if self._is_over(today) else "issued"

    def _is_over(self, today: date) -> bool:
        return all(each.end_on is not None and each.end_on < today for each in self.licenses)

    @property
    def owner_name(self) -> str | None:
        """The organization's name or the person's address; None while nobody has redeemed it."""
        if self.organization is not None:
            return self.organization.name
        return self.account.email if self.account is not None else None

    @property
    def needs_organization(self) -> bool:
        """Whether only an organization can redeem it: floating, organization-only, or several seats of one kind."""
        return self.has_floating or self.has_organization_only or self.has_several_seats

    @property
    def has_floating(self) -> bool:
        """Whether it holds a FLEX license."""
        return any(each.is_floating for each in self.licenses)

    @property
    def has_organization_only(self) -> bool:
        """Whether it holds a product that persons cannot have."""
        return any(each.product.is_organization_only for each in self.licenses)

    @property
    def has_several_seats(self) -> bool:
        """Whether it holds more than one seat of one product and type."""
        kinds: dict[tuple[int, str], int] = {}
        for each in self.licenses:
            kinds[each.product_id, each.type] = kinds.get((each.product_id, each.type), 0) + each.seats
        return any(seats > 1 for seats in kinds.values())

    def is_owned_by(self, owner: Organization | Account) -> bool:
        """Whether exactly this organization or account redeemed it."""
        kept = self.organization_id if isinstance(owner, Organization) else self.account_id
        return kept == owner.id

    def check_usable(self, today: date) -> None:
        """Say why nobody can redeem it now.

        :raise RuleBroken: withdrawn, in use, expired, or without seats.
        """
        if self.revoked_at is not None:
            raise KeyWithdrawn()
        if self.redeemed_at is not None:
            raise KeyInUse()
        if self._is_over(today):
            raise KeyExpired(max(each.end_on for each in self.licenses if each.end_on))
        if not any(each.seats for each in self.licenses):
            raise KeyEmpty()

    def redeem(self, owner: Organization | Account, by: Actor, now: datetime, today: date) -> bool:
        """Make its items licenses of an organization or a person, all or none; False when they are his already.

        :raise NotAllowed: when a person redeems what needs an organization.
        :raise RuleBroken: when nobody can redeem it, or somebody else just did.
        """
        if self.is_owned_by(owner):
            return False
        self.check_usable(today)
        if isinstance(owner, Account):
            self._check_personal(owner)
        organization_id = owner.id if isinstance(owner, Organization) else None
        taking = update(PermissionKey).where(
            PermissionKey.id == self.id, PermissionKey.redeemed_at.is_(None), PermissionKey.revoked_at.is_(None)
        )
        owned = {"organization_id": organization_id, "account_id": None if organization_id else owner.id}
        values = {**owned, "redeemed_at": now, "redeemed_by": by.id, "released_at": None}
        taken = rows_changed(session_of(self), taking.values(values)) == 1
        # The statement passed by the row at hand; and of two that redeem at once, the slower one reads who was quicker.
        session_of(self).refresh(self)
        if not taken:
            return self._lost_to(owner, today)
        for each in self.licenses:
            each.set_instants(owner.zone)
        record(session_of(self), organization_id, by, "key.redeem", self, now)
        return True

    def _check_personal(self, account: Account) -> None:
        if account.is_operator:
            raise RuleBroken(_l("An operator redeems no keys."), field="permission_key")
        if self.needs_organization:
            raise NeedsOrganization()

    def _lost_to(self, owner: Organization | Account, today: date) -> bool:
        """Somebody was quicker: his own second click is no fault, everything else is."""
        if not self.is_owned_by(owner):
            self.check_usable(today)
            raise KeyInUse()
        return False

    def reveal(self, sealer: Sealer, by: Actor, now: datetime) -> str:
        """The whole text, for somebody who may see it; that it was shown is recorded."""
        self.lock()
        record(session_of(self), self.organization_id, by, "key.reveal", self, now)
        return sealer.unseal(self.text_sealed, self.text_hash)

    def lock(self) -> PermissionKey:
        """Lock its organization, then itself; an organization always comes before its keys."""
        session, owner = session_of(self), self.organization_id
        if owner is not None:
            Organization.locked(session, owner)
        try:
            with session.begin_nested():
                session.refresh(self, with_for_update=LOCK)
                if self.organization_id not in (None, owner):
                    raise Redeemed
        except Redeemed:  # while it was waited for: it is let go, so that its organization comes first
            return self.lock()
        return self

    def revoke(self, by: Actor, now: datetime, why: str = "") -> bool:
        """Withdraw it; its licenses turn Revoked, permissions are kept, what runs on it ends. False when it was.

        Who waits for one of its seats keeps his place, for other licenses of the product.
        """
        self.lock()
        if self.revoked_at is not None:
            return False
        self.revoked_at, self.revoked_why = now, line(why, field="why", required=False)
        self._wind_down(now)
        record(session_of(self), self.organization_id, by, "key.revoke", self, now, after={"why": self.revoked_why})
        return True

    def reinstate(self, by: Actor, now: datetime) -> bool:
        """Take a withdrawal back, and from what still runs the end; False when there was none."""
        self.lock()
        if self.revoked_at is None:
            return False
        self.revoked_at, self.revoked_why = None, ""
        windows.go_on(session_of(self), Lease.license_id.in_(self._license_ids), leases.KEY_REVOKED, now)
        record(session_of(self), self.organization_id, by, "key.reinstate", self, now)
        return True

    def release(self, by: Actor, now: datetime) -> bool:
        """Take it from its owner so that it can be redeemed again; permissions on it end. False when nobody had it.

        What runs on it ends too, borrowed seats as well: the next owner's shall be free.
        """
        self.lock()
        session, owner, licenses = session_of(self), self.organization_id, self._licenses_by_now()
        ids = [each.id for each in licenses]
        if self.redeemed_at is None:
            return False
        windows.call_back(session, Lease.license_id.in_(ids))
        self._wind_down(now)
        session.execute(delete(Permission).where(Permission.license_id.in_(ids)))
        for each in licenses:
            each.reserved, each.starts_at, each.ends_at = 0, None, None
        self.organization_id = self.account_id = self.redeemed_at = self.redeemed_by = None
        self.released_at = now
        record(session, owner, by, "key.release", self, now)
        return True

    def extend(
        self,
        by: Actor,
        now: datetime,
        *,
        position: int | None = None,
        end: date | None = None,
        seats: int | None = None,
    ) -> bool:
        """Change the end or the seats of one item; ticks above fewer seats stay and are shown as over-assigned.

        False when both are what they were.

        :raise BadInput: no such item, none named though there are several, or an end or number that cannot be.
        """
        self.lock()
        self._licenses_by_now()
        license = self.item(position)
        before = license.summary
        if end is not None:
            license.check_end(end)
            license.end_on = end
        if seats is not None:
            license.seats = checked_seats(seats)
        after = license.summary
        if after == before:
            return False
        if self.redeemed_at is not None:
            License.set_all_instants([license], self.owner_zone, now)
        if after["seats"] < before["seats"]:
            windows.take_offers_back(session_of(self), [license.id])
        record(session_of(self), self.organization_id, by, "key.extend", self, now, before=before, after=after)
        return True

    def _licenses_by_now(self) -> Sequence[License]:
        """Its licenses as they are under the lock: what was read before may have changed while it was waited for."""
        mine = select(License).where(License.key_id == self.id).order_by(License.position)
        return session_of(self).scalars(mine.execution_options(populate_existing=True)).all()

    @property
    def _license_ids(self) -> list[int]:
        return [each.id for each in self.licenses]

    def _wind_down(self, now: datetime) -> None:
        session, ids = session_of(self), self._license_ids
        windows.take_offers_back(session, ids)
        windows.wind_down(session, Lease.license_id.in_(ids), leases.KEY_REVOKED, now)

    def item(self, position: int | None) -> License:
        """The item with this number; without a number, the only one.

        :raise BadInput: when it is not there, or not the only one.
        """
        if position is None and len(self.licenses) > 1:
            raise BadInput(_l("This key has %(n)s items; say which one.", n=len(self.licenses)), field="item")
        for each in self.licenses:
            if position in (each.position, None):
                return each
        raise BadInput(_l("This key has no item %(n)s.", n=position), field="item")

    @property
    def owner_zone(self) -> str:
        """The time zone in which its days begin and end."""
        if self.organization_id is not None:
            return session_of(self).get_one(Organization, self.organization_id).zone
        return session_of(self).get_one(Account, self.account_id).zone


# ── Organization ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Organization(Base):
    """One company's group of people and licenses; exactly one administrator, at most one co-administrator."""

    __tablename__ = "organization"
    __table_args__ = (CheckConstraint("name <> '' AND name = trim(name)", name="name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    zone: Mapped[str] = mapped_column(String(64), default="UTC", server_default="UTC")
    country: Mapped[str] = mapped_column(String(2), default="", server_default="")
    address: Mapped[str] = mapped_column(String(500), default="", server_default="")
    contact: Mapped[str] = mapped_column(String(NAME_LENGTH), default="", server_default="")
    phone: Mapped[str] = mapped_column(String(50), default="", server_default="")
    created_at: Mapped[datetime] = mapped_column(Instant)
    deleted_at: Mapped[datetime | None] = mapped_column(Instant)

    @classmethod
    def create(
        cls, account: Account, key: PermissionKey, profile: dict[str, str], by: Actor, now: datetime, today: date
    ) -> Organization:
        """Make the account administrator of a new organization and the key its first licenses, in one go.

        :raise RuleBroken: when the account belongs to an organization, or the key is not usable.
        """
        session = session_of(account)
        # Two forms sent at once wait for each other here, and the second one finds the membership.
        session.refresh(account, with_for_update=LOCK)
        account.check_free_to_join()
        organization = cls(created_at=now, **checked_profile(profile))
        session.add(organization)
        session.flush()
        session.add(
            Member(
                organization_id=organization.id, account_id=account.id, email=account.email,
                email_key=account.email_key, role=ADMINISTRATOR, invited_at=now, confirmed_at=now,
            )
        )  # fmt: skip
        record(session, organization.id, by, "organization.create", organization, now)
        # Last, because an organization comes before its keys. It cannot own the key already, new as it is.
        if not key.redeem(organization, by, now, today):
            raise KeyInUse()
        return organization

    @classmethod
    def locked(cls, session: Session, organization_id: int) -> Organization:
        """The organization, locked until the transaction ends; whoever changes anything in it comes through here.

        :raise Missing: when there is none.
        """
        query = select(cls).where(cls.id == organization_id, cls.deleted_at.is_(None)).with_for_update(key_share=True)
        # What this session read before the lock may have changed while it waited.
        found = session.scalars(query.execution_options(populate_existing=True)).one_or_none()
        if found is None:
            raise Missing(_l("There is no such organization."))
        return found

    @classmethod
    def at_work(cls, session: Session, organization_id: int, *member_ids: int, lock: bool) -> dict[int, Member]:
        """Live members of one organization with the organization itself, in one statement; locked, as by `locked`.

        PostgreSQL waits for the organization first; the members are locked too, because of a locked row it reads what
        is true after the wait.
        """
        query = select(Member).join(Member.organization)
        query = query.options(
            contains_eager(Member.organization), joinedload(Member.account), joinedload(Member.invited)
        )
        query = query.where(cls.id == organization_id, cls.deleted_at.is_(None))
        query = query.where(Member.id.in_(member_ids), *Member.LIVE).execution_options(populate_existing=True)
        if lock:
            query = query.options(with_expression(Member.is_busy, is_busy()))
            # Not the account: PostgreSQL locks nothing that an outer join may leave empty.
            query = query.with_for_update(of=[cls, Member], key_share=True)
        found = {member.id: member for member in session.scalars(query)}
        for member in found.values():
            if member.account_id is not None and member.account is None:  # joined while the lock was waited for
                session.refresh(member, ["account"])
        return found

    def member(self, member_id: int) -> Member:
        """The live member with this id, loaded afresh.

        :raise Missing: when he is another organization's, or gone.
        """
        query = select(Member).where(Member.organization_id == self.id, Member.id == member_id, *Member.LIVE)
        query = query.options(joinedload(Member.account)).execution_options(populate_existing=True)
        return Member.found(session_of(self).scalars(query).one_or_none())

    def member_of(self, account: Account) -> Member:
        """The confirmed, live member that an account is here.

        :raise RuleBroken: when it is none.
        """
        query = select(Member.id).where(
            Member.organization_id == self.id, Member.account_id == account.id, *Member.LIVE
        )
        found = session_of(self).scalar(query.where(Member.confirmed_at.is_not(None)))
        if found is None:
            raise RuleBroken(_l("%(email)s is not a member of this organization.", email=account.email))
        return self.member(found)

    def license(self, license_id: int) -> License:
        """The license with this id, loaded afresh.

        :raise Missing: when it is another organization's.
        """
        return License.found(session_of(self).scalars(self._license(license_id)).one_or_none())

    def license_and_held(self, license_id: int, member_id: int) -> tuple[License, list[Permission], bool]:
        """The license with this id, what one member has of its product, and whether he asks for it; one statement.

        Loaded afresh.

        :raise Missing: when the license is another organization's.
        """
        same = aliased(License)
        of_product = select(same.id).where(same.id == Permission.license_id, same.product_id == License.product_id)
        his = (Permission.member_id == member_id) & of_product.correlate(License, Permission).exists()
        asks = exists().where(
            AccessRequest.closed_at.is_(None), AccessRequest.product_id == License.product_id,
            AccessRequest.account_id == Member.account_id, Member.id == member_id,
        )  # fmt: skip
        query = self._license(license_id).add_columns(Permission, asks.correlate(License)).outerjoin(Permission, his)
        rows = session_of(self).execute(query.options(joinedload(Permission.license))).all()
        license = License.found(rows[0][0] if rows else None)
        return license, [each for _license, each, _asks in rows if each is not None], rows[0][2]

    def _license(self, license_id: int) -> Select[License]:
        # Its key without the other items, which one license is not about.
        key = contains_eager(License.key).lazyload(PermissionKey.licenses)
        query = select(License).join(License.key).options(key, joinedload(License.product))
        query = query.where(License.id == license_id, PermissionKey.organization_id == self.id)
        return query.execution_options(populate_existing=True)

    @property
    def licenses(self) -> list[License]:
        """Every license of its keys, by product, then by end; those without an end last."""
        query = select(License).join(License.key).join(License.product)
        query = query.options(joinedload(License.key), joinedload(License.product))
        query = query.where(PermissionKey.organization_id == self.id)
        # Left to themselves, SQLite puts NULL first and PostgreSQL last.
        in_order = query.order_by(Product.name, License.end_on.is_(None), License.end_on, License.id)
        return list(session_of(self).scalars(in_order).unique())

    def holder_of(self, role: str) -> Member | None:
        """The administrator or the co-administrator."""
        query = select(Member).where(Member.organization_id == self.id, Member.role == role, *Member.LIVE)
        return session_of(self).scalars(query.options(joinedload(Member.account))).one_or_none()

    def co_administrator(self, expected: int | None) -> Member | None:
        """The co-administrator; not looked for when he is who was expected and at hand, for there is only one."""
        at_hand = session_of(self).identity_map.get(identity_key(Member, expected)) if expected else None
        if at_hand is not None and at_hand.organization_id == self.id and at_hand.role == CO_ADMINISTRATOR:
            return at_hand
        return self.holder_of(CO_ADMINISTRATOR)

    @property
    def leaders(self) -> list[Member]:
        """Administrator and, where there is one, co-administrator: whom to ask."""
        return Organization.leaders_of(session_of(self), self.id)

    @staticmethod
    def leaders_of(session: Session, organization_id: int) -> list[Member]:
        """As `leaders`, of an organization that need not be loaded."""
        # Each by the index of his role: “not a member” would read everybody.
        leader = aliased(Member)
        ids = select(leader.id).where(leader.organization_id == organization_id)
        roles = (ids.where(leader.role == each).scalar_subquery() for each in (ADMINISTRATOR, CO_ADMINISTRATOR))
        query = select(Member).where(Member.id.in_(list(roles)), *Member.LIVE)
        in_order = query.options(joinedload(Member.account)).order_by(Member.role)  # the administrator's word is first
        return list(session.scalars(in_order))

    def edit(self, profile: dict[str, str], by: Actor, now: datetime) -> None:
        """Change the profile; a new time zone moves the instants of its licenses in the same transaction."""
        checked = checked_profile(profile)
        before = {name: getattr(self, name) for name in checked}
        for name, value in checked.items():
            setattr(self, name, value)
        if before["zone"] != self.zone:
            License.set_all_instants(self.licenses, self.zone, now)
        changed = [name for name in checked if before[name] != checked[name]]
        if changed:
            record(session_of(self), self.id, by, "organization.edit", self, now, after=sorted(changed))

    def known_among(self, keys: Sequence[str]) -> set[str]:
        """Which of many addresses have an account or a live row here; about the others nothing needs to be asked."""
        mine = select(Member.email_key).where(Member.organization_id == self.id, *Member.LIVE)
        accounts = select(Account.email_key).where(Account.email_key.in_(keys))
        return set(session_of(self).scalars(accounts.union(mine.where(Member.email_key.in_(keys)))))

    def invite(self, entry: addresses.Entry, by: Actor, me: Member, now: datetime, *, is_known: bool = True) -> Invited:
        """Put one address of a pasted list among the members as Pending, or say why not.

        `is_known` may be False when `known_among` did not name the address.
        """
        if entry.problem is not None:
            return Invited(entry, NOT_AN_ADDRESS, reason=entry.problem)
        if is_known and (known := self._known(entry, by, me, now)) is not None:
            return known
        member = Member(
            organization_id=self.id, email=entry.address, email_key=entry.key, role=MEMBER,
            nonce=secrets.token_hex(16), invited_by=me.id, invited_at=now,
        )  # fmt: skip
        session_of(self).add(member)
        record(session_of(self), self.id, by, "member.invite", flushed(member), now)
        return Invited(entry, INVITED, member)

    def _known(self, entry: addresses.Entry, by: Actor, me: Member, now: datetime) -> Invited | None:
        session = session_of(self)
        account = session.scalars(select(Account).where(Account.email_key == entry.key)).one_or_none()
        known = Member.email_key == entry.key
        # One person may be here twice: as a member, and as an invitation to an address that became his only later.
        if account is not None:
            known = known | (Member.account_id == account.id)
        query = select(Member).where(Member.organization_id == self.id, known, *Member.LIVE)
        confirmed_first = query.order_by(Member.confirmed_at.is_(None), Member.id)
        for member in session.scalars(confirmed_first.options(joinedload(Member.account))):
            return self._invite_known(entry, member, by, me, now)
        if account is not None and account.is_operator:
            return Invited(entry, CANNOT_JOIN)
        if account is not None and account.membership is not None:
            return Invited(entry, ELSEWHERE)
        return None

    @staticmethod
    def _invite_known(entry: addresses.Entry, member: Member, by: Actor, me: Member, now: datetime) -> Invited:
        if member.id == me.id:
            return Invited(entry, YOURSELF, member)
        if member.state == PENDING:
            member.resend(by, me, now)
            return Invited(entry, SENT_AGAIN, member)
        return Invited(entry, IS_DISABLED if member.state == DISABLED else IS_MEMBER, member)

    def transfer(self, member: Member, by: Actor, now: datetime) -> bool:
        """Make an enabled member administrator; the former becomes co-administrator if there is none, else member.

        False when he is administrator already.

        :raise RuleBroken: when the member is not enabled.
        """
        if member.role == ADMINISTRATOR:
            return False
        if member.state != ENABLED:
            raise RuleBroken(_l("Only an enabled user can become administrator."))
        session, former = session_of(self), self.holder_of(ADMINISTRATOR)
        slot_free = self.holder_of(CO_ADMINISTRATOR) in (None, member)
        # One index per role: each holder steps down before the next one steps up.
        member.role = MEMBER
        if former is not None:
            former.role = MEMBER
        session.flush()
        member.role = ADMINISTRATOR
        if former is not None and slot_free:
            former.role = CO_ADMINISTRATOR
        record(
            session, self.id, by, "organization.transfer", member, now, before={"administrator": former and former.id}
        )
        return True


def checked_profile(profile: dict[str, str]) -> dict[str, str]:
    """An organization's profile, cleaned: name, zone, country, address, contact, phone.

    :raise BadInput: for a name that is empty or too long, or a zone that does not exist.
    """
    zone = profile.get("zone") or "UTC"
    if not is_zone(zone):
        raise BadInput(_l("There is no such time zone."), field="zone")
    country = profile.get("country", "").strip().upper()
    if country and not (len(country) == 2 and country.isascii() and country.isalpha()):
        raise BadInput(_l("There is no such country."), field="country")
    return {
        "name": line(profile.get("name"), field="name"),
        "zone": zone,
        "country": country,
        "address": line(profile.get("address"), field="address", required=False, longest=500),
        "contact": line(profile.get("contact"), field="contact", required=False),
        "phone": line(profile.get("phone"), field="phone", required=False, longest=50),
    }


INVITED, SENT_AGAIN, IS_MEMBER, IS_DISABLED = "invited", "sent again", "already a member", "disabled"
ELSEWHERE, NOT_AN_ADDRESS, YOURSELF, CANNOT_JOIN = "elsewhere", "not an address", "yourself", "cannot join"


@dataclass(frozen=True, slots=True)
class Invited:
    """What became of one address; a letter is due when `outcome` is INVITED or SENT_AGAIN."""

    entry: addresses.Entry
    outcome: str
    member: Member | None = None
    reason: Any = None

    @property
    def needs_letter(self) -> bool:
        """Whether an invitation has to go out."""
        return self.outcome in (INVITED, SENT_AGAIN)


# ── Member ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def state_of(row: Any) -> str:
    """The state of a member, or of a row that has its three dates."""
    if row.ended_at is not None:
        return ENDED
    if row.confirmed_at is None:
        return PENDING
    return ENABLED if row.disabled_at is None else DISABLED


def invitation_expired(row: Any, now: datetime) -> bool:
    """Whether a pending row's link is over; it works again after Resend."""
    return bool(now >= row.invited_at + INVITATION_AGE)


class Member(Base):
    """A person's participation in an organization: Pending, Enabled or Disabled, all computed from dates."""

    __tablename__ = "member"

    id: Mapped[int] = mapped_column(primary_key=True)
    organization_id: Mapped[int] = mapped_column(ForeignKey("organization.id"))
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    email: Mapped[str] = mapped_column(String(254))
    email_key: Mapped[str] = mapped_column(String(320), index=True)
    role: Mapped[str] = mapped_column(String(20))
    nonce: Mapped[str | None] = mapped_column(String(32))
    invited_by: Mapped[int | None] = mapped_column(ForeignKey("member.id"), index=True)
    invited_at: Mapped[datetime] = mapped_column(Instant)
    confirmed_at: Mapped[datetime | None] = mapped_column(Instant)
    disabled_at: Mapped[datetime | None] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    ended_reason: Mapped[str | None] = mapped_column(String(20))

    organization: Mapped[Organization] = relationship()
    account: Mapped[Account | None] = relationship()
    inviter: Mapped[Member | None] = relationship(remote_side=[id])
    # Whoever has the invited address now: not yet the member's account, and perhaps never.
    invited: Mapped[Account | None] = relationship(
        primaryjoin=lambda: foreign(Member.email_key) == Account.email_key, viewonly=True
    )

    # Whether programs of his are signed in here, or he runs, waits for or asks for anything; None: nobody looked.
    is_busy: Mapped[bool | None] = query_expression()

    LIVE = (ended_at.is_(None),)

    __table_args__ = (
        Index(
            "uq_member_one_per_address", "organization_id", "email_key", unique=True,
            sqlite_where=ended_at.is_(None), postgresql_where=ended_at.is_(None),
        ),
        Index(
            "uq_member_one_organization_per_account", "account_id", unique=True,
            sqlite_where=confirmed_at.is_not(None) & ended_at.is_(None),
            postgresql_where=confirmed_at.is_not(None) & ended_at.is_(None),
        ),
        # Not limited to live rows: `role_only_while_enabled` lets no other row have a role.
        Index(
            "uq_member_one_administrator", "organization_id", unique=True,
            sqlite_where=role == ADMINISTRATOR, postgresql_where=role == ADMINISTRATOR,
        ),
        Index(
            "uq_member_one_co_administrator", "organization_id", unique=True,
            sqlite_where=role == CO_ADMINISTRATOR, postgresql_where=role == CO_ADMINISTRATOR,
        ),
        CheckConstraint("role IN ('administrator', 'co-administrator', 'member')", name="role"),
        CheckConstraint(
            "role = 'member' OR (confirmed_at IS NOT NULL AND disabled_at IS NULL AND ended_at IS NULL)",
            name="role_only_while_enabled",
        ),
        CheckConstraint("confirmed_at IS NULL OR account_id IS NOT NULL", name="confirmed_has_account"),
        CheckConstraint("(ended_at IS NULL) = (ended_reason IS NULL)", name="ended_with_reason"),
        CheckConstraint(
            "ended_reason IN ('withdrawn', 'declined', 'removed', 'left', 'organization deleted')", name="ended_reason"
        ),
    )  # fmt: skip

    @staticmethod
    def found(member: Member | None) -> Member:
        """The member who was looked for.

        :raise Missing: when there is none.
        """
        if member is None:
            raise Missing(_l("This person is not in the list any more."))
        return member

    @property
    def state(self) -> str:
        """PENDING, ENABLED, DISABLED or ENDED."""
        return state_of(self)

    @property
    def shown_name(self) -> str:
        """The person's name once there is an account, else the invited address."""
        return self._known.name if self._known is not None else self.email

    @property
    def shown_email(self) -> str:
        """The address to write to: the account's own, which may have changed since the invitation."""
        return self._known.email if self._known is not None else self.email

    @property
    def _known(self) -> Account | None:
        """Who he is, once he has said so, and until he deletes his account."""
        is_known = self.account is not None and self.confirmed_at is not None and self.account.deleted_at is None
        return self.account if is_known else None

    @property
    def may_administer(self) -> bool:
        """Whether the person acts for the organization."""
        return self.role in (ADMINISTRATOR, CO_ADMINISTRATOR)

    @property
    def permissions(self) -> list[Permission]:
        """All his permissions, suspended ones too, by product."""
        query = select(Permission).join(Permission.license).join(License.product).where(Permission.member_id == self.id)
        query = query.options(joinedload(Permission.license).joinedload(License.product))
        query = query.options(joinedload(Permission.license).joinedload(License.key))
        return list(session_of(self).scalars(query.order_by(Product.name, Permission.id)).unique())

    # Each change below is safe to repeat: doing it again changes and records nothing.

    def resend(self, by: Actor, me: Member, now: datetime) -> None:
        """Send the invitation again: a new link, 14 more days, the old link dead."""
        self._must_be_pending()
        self.nonce, self.invited_at, self.invited_by = secrets.token_hex(16), now, me.id
        record(session_of(self), self.organization_id, by, "member.resend", self, now)

    def hand_out_link(self, by: Actor, now: datetime) -> str:
        """The nonce of a link that reaches the person by another way than mail; that it was asked for is recorded.

        :raise RuleBroken: when the link would be dead.
        """
        self._must_be_pending()
        if self.nonce is None or invitation_expired(self, now):
            raise RuleBroken(_l("This link has expired. Resend makes a new one."))
        record(session_of(self), self.organization_id, by, "member.link", self, now)
        return self.nonce

    def withdraw(self, by: Actor, now: datetime) -> None:
        """Take the invitation back; its link is dead."""
        self._must_be_pending()
        self._end("withdrawn", by, "member.withdraw", now)

    def decline(self, by: Actor, now: datetime) -> None:
        """The invited person says no; the mailed link is enough for that."""
        self._must_be_pending()
        self._end("declined", by, "member.decline", now)

    def confirm(self, account: Account, by: Actor, now: datetime) -> None:
        """The invited person takes part; only the account whose confirmed address was invited can.

        :raise WrongAccount: when it is somebody else's address.
        :raise RuleBroken: when the account cannot join now; the invitation stays good.
        """
        if self.state != PENDING or invitation_expired(self, now):
            raise Gone(DEAD_LINK)
        # Another organization that invited the same person has another lock: the account is what both wait for.
        session_of(self).refresh(account, with_for_update=LOCK)
        if not account.is_confirmed or account.email_key != self.email_key:
            raise WrongAccount()
        account.check_free_to_join()
        self.account, self.account_id, self.confirmed_at, self.nonce = account, account.id, now, None
        record(session_of(self), self.organization_id, by, "member.confirm", self, now)

    def disable(self, by: Actor, me: Member, now: datetime) -> list[int]:
        """Stop his participation; role dropped, permissions suspended. Returns the licenses with a seat free again.

        What he runs ends when there was time to save; he waits and asks for nothing any more.

        :raise RuleBroken: on oneself and on the administrator.
        """
        self._must_be_below(me, _l("You cannot disable yourself."), _l("The administrator cannot be disabled."))
        self._must_be_confirmed()
        if self.state == DISABLED:
            return []
        self._stop_programs(leases.DISABLED, now)
        before, freed = self.role, self._suspend_permissions(now)
        self.role, self.disabled_at = MEMBER, now
        record(
            session_of(self), self.organization_id, by, "member.disable", self, now,
            before={"role": before}, after={"suspended": freed},
        )  # fmt: skip
        return freed

    def enable(self, by: Actor, now: datetime) -> None:
        """Readmit him as a member; nothing is ticked, what he had is `suspended`."""
        self._must_be_confirmed()
        if self.state == DISABLED:
            self.disabled_at = None
            record(session_of(self), self.organization_id, by, "member.enable", self, now)

    @property
    def suspended(self) -> list[Permission]:
        """What he had when he was disabled."""
        return [each for each in self.permissions if each.suspended_at is not None]

    def restore(self, by: Actor, now: datetime) -> tuple[list[Permission], list[tuple[Permission, Any]]]:
        """Give back what still fits; returns what came back, and what did not with the reason."""
        if self.state != ENABLED:
            raise RuleBroken(_l("Only an enabled user can have permissions."))
        held, fits, rest = self.permissions, [], []
        active = {each.license.product_id: each for each in held if each.suspended_at is None}
        for permission in (each for each in held if each.suspended_at is not None):
            try:
                permission.license.check_restorable(self, active.get(permission.license.product_id), now)
            except RuleBroken as refused:
                rest.append((permission, refused.message))
            else:
                fits.append(permission)
                active[permission.license.product_id] = permission
        for permission in fits:
            permission.suspended_at, permission.given_by, permission.given_at = None, by.id, now
        License.count_all(session_of(self), [each.license_id for each in fits], +1)
        if fits:
            restored = {"licenses": [each.license_id for each in fits]}
            record(session_of(self), self.organization_id, by, "member.restore", self, now, after=restored)
        return fits, rest

    def remove(self, by: Actor, me: Member, now: datetime) -> list[int]:
        """End his participation; permissions deleted. Returns the licenses that have a seat free again.

        What he runs ends as when he is disabled, and his programs are signed out.

        :raise RuleBroken: on oneself, on the administrator, and while he is pending.
        """
        self._must_be_below(me, _l("You cannot remove yourself."), _l("The administrator cannot be removed."))
        self._must_be_confirmed()
        self._stop_programs(leases.REMOVED, now)
        freed = self._delete_permissions()
        self._end("removed", by, "member.remove", now)
        return freed

    def leave(self, by: Actor, now: datetime) -> None:
        """End one's own participation; permissions are deleted, and what one runs ends as when one is removed.

        :raise RuleBroken: for the administrator, who has to hand over first.
        """
        self.check_may_leave()
        self._stop_programs(leases.LEFT, now)
        self._delete_permissions()
        self._end("left", by, "member.leave", now)

    def check_may_leave(self) -> None:
        """Say why one cannot leave.

        :raise RuleBroken: for the administrator, who has to hand over first.
        """
        self._must_be_confirmed()
        if self.role == ADMINISTRATOR:
            raise RuleBroken(
                _l("An organization needs an administrator. The vendor can make somebody else administrator.")
            )

    def make_co_administrator(self, replaces: int | None, by: Actor, me: Member, now: datetime) -> Member | None:
        """Make him the one co-administrator, in place of whom the form named; returns who was replaced.

        :raise RuleBroken: on oneself, the administrator, somebody not enabled, or when the slot changed meanwhile.
        """
        if self.role == CO_ADMINISTRATOR and self.id != me.id:
            return None
        self._must_be_below(
            me, _l("You cannot make yourself co-administrator."), _l("The administrator is administrator already.")
        )
        if self.state != ENABLED:
            raise RuleBroken(_l("Only an enabled user can be co-administrator."))
        session, former = session_of(self), self.organization.co_administrator(replaces)
        if (former.id if former else None) != replaces:
            raise CoAdministratorChanged(former.shown_name if former else None)
        if former is not None:
            former.role = MEMBER
            session.flush()  # one index per role: the former steps down first
        self.role = CO_ADMINISTRATOR
        before = {"co_administrator": former and former.id}
        record(session, self.organization_id, by, "member.co_admin", self, now, before=before)
        return former

    def make_member(self, by: Actor, now: datetime) -> None:
        """Take the co-administrator's role back."""
        if self.role == ADMINISTRATOR:
            raise RuleBroken(_l("An organization needs an administrator."))
        if self.role == CO_ADMINISTRATOR:
            self.role = MEMBER
            record(session_of(self), self.organization_id, by, "member.member", self, now)

    def _end(self, reason: str, by: Actor, action: str, now: datetime) -> None:
        before = self.role
        self.role, self.ended_at, self.ended_reason, self.nonce = MEMBER, now, reason, None
        record(session_of(self), self.organization_id, by, action, self, now, before={"role": before})

    def _stop_programs(self, reason: str, now: datetime) -> None:
        """Whoever begins something meanwhile is told at the first renewal, which asks for the right again."""
        if self.is_busy is False or self.account_id is None:
            return
        session, here, who = session_of(self), self.organization_id, self.account_id
        his, waits = ((of.organization_id == here) & (of.account_id == who) for of in (Lease, Ticket))
        windows.wind_down(session, his, reason, now, waits=waits)
        windows.drop_requests(session, here, who, now)
        if reason in windows.SIGNS_OUT:
            families = (TokenFamily.organization_id == here, TokenFamily.account_id == who)
            signing_out = update(TokenFamily).where(*families, TokenFamily.revoked_at.is_(None))
            rows_changed(session, signing_out.values(revoked_at=now))

    def _suspend_permissions(self, now: datetime) -> list[int]:
        freed = self._free_all()
        mine = (Permission.member_id == self.id, Permission.suspended_at.is_(None))
        session_of(self).execute(update(Permission).where(*mine).values(suspended_at=now))
        return freed

    def _delete_permissions(self) -> list[int]:
        freed = self._free_all()
        session_of(self).execute(delete(Permission).where(Permission.member_id == self.id))
        return freed

    def _free_all(self) -> list[int]:
        """Count his seats as free; before his permissions change, for a program locks the license before them too."""
        his = select(Permission.license_id).where(Permission.member_id == self.id, Permission.suspended_at.is_(None))
        counting = update(License).where(License.id.in_(his)).values(reserved=License.reserved - 1)
        session_of(self).flush()
        return sorted(session_of(self).scalars(counting.returning(License.id)))

    def _must_be_below(self, me: Member, on_self: Any, on_administrator: Any) -> None:
        if self.id == me.id:
            raise RuleBroken(on_self)
        if self.role == ADMINISTRATOR:
            raise RuleBroken(on_administrator)

    def _must_be_pending(self) -> None:
        if self.state != PENDING:
            raise RuleBroken(_l("This invitation was answered meanwhile."))

    def _must_be_confirmed(self) -> None:
        if self.state == PENDING:
            raise RuleBroken(_l("This person has not confirmed the invitation. Withdraw it instead."))


# ── License and Permission ───────────────────────────────────────────────────────────────────────────────────────────


class License(Base):
    """One item of a key: a line under Products once the key is redeemed."""

    __tablename__ = "license"
    __table_args__ = (
        UniqueConstraint("key_id", "position"),
        CheckConstraint(
            "type IN ('perpetual', 'annual', 'three-years', 'trial', 'flex-cloud', 'flex-network')", name="type"
        ),
        CheckConstraint("seats >= 0", name="seats"),
        CheckConstraint("reserved >= 0", name="reserved"),
        CheckConstraint("in_use >= 0", name="in_use"),
        CheckConstraint("reserved_in_use >= 0", name="reserved_in_use"),
        CheckConstraint("end_on IS NULL OR end_on >= start_on", name="ends_after_start"),
        CheckConstraint("(type = 'perpetual') = (end_on IS NULL)", name="perpetual_has_no_end"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    key_id: Mapped[int] = mapped_column(ForeignKey("permission_key.id", ondelete="CASCADE"))
    position: Mapped[int]
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"), index=True)
    type: Mapped[str] = mapped_column(String(20))
    seats: Mapped[int]
    serial: Mapped[str] = mapped_column(String(30), unique=True)
    start_on: Mapped[date]
    end_on: Mapped[date | None]
    starts_at: Mapped[datetime | None] = mapped_column(Instant)
    ends_at: Mapped[datetime | None] = mapped_column(Instant)
    # Permissions that are not suspended: named seats given away, floating seats reserved. Stored, so that taking the
    # last seat is one statement; `./portal check` recounts it.
    reserved: Mapped[int] = mapped_column(default=0, server_default="0")
    # Seats that leases take now, and those of them that were given to their holder. Stored for the same reason; never
    # CHECK (in_use <= seats): seats may be reduced below what runs.
    in_use: Mapped[int] = mapped_column(default=0, server_default="0")
    reserved_in_use: Mapped[int] = mapped_column(default=0, server_default="0")

    key: Mapped[PermissionKey] = relationship(back_populates="licenses")
    product: Mapped[Product] = relationship(lazy="joined")  # no license is shown without its name

    @staticmethod
    def found(license: License | None) -> License:
        """The license that was looked for.

        :raise Missing: when there is none.
        """
        if license is None:
            raise Missing(_l("There is no such license."))
        return license

    @classmethod
    def of_items(cls, items: Sequence[Item], digest: bytes, today: date) -> list[License]:
        """The lines of a new key.

        :raise BadInput: with the number of the item in `facts["item"]`.
        """
        made = []
        for position, item in enumerate(items, 1):
            try:
                made.append(cls.of_item(item, digest, position, today))
            except BadInput as refused:
                refused.facts["item"] = position
                raise
        return made

    @classmethod
    def of_item(cls, item: Item, digest: bytes, position: int, today: date) -> License:
        """The line that an item of a new key becomes; its serial number follows from the key.

        :raise BadInput: for seats or dates that cannot be.
        """
        start = item.start or today
        row = cls(
            position=position, product=item.product, type=item.type.value, seats=checked_seats(item.seats),
            start_on=start, end_on=end_of(item.type, start), serial=serial_of(digest, position), reserved=0,
        )  # fmt: skip
        if item.end is not None:
            row.check_end(item.end)
            row.end_on = item.end
        return row

    @property
    def kind(self) -> LicenseType:
        """The license type."""
        return LicenseType(self.type)

    @property
    def word(self) -> str:
        """The type as the screen writes it: ANNUAL, FLEX CLOUD …"""
        return self.kind.word

    @property
    def is_floating(self) -> bool:
        """Whether seats are taken while an application runs."""
        return self.kind.is_floating

    @property
    def free(self) -> int:
        """Seats that can be given away or reserved; never below zero."""
        return max(0, self.seats - self.reserved)

    @property
    def over_assigned(self) -> int:
        """By how many the ticks exceed the seats, after the vendor reduced them."""
        return max(0, self.reserved - self.seats)

    @property
    def summary(self) -> dict[str, Any]:
        """What Activity keeps of it."""
        end = self.end_on.isoformat() if self.end_on else None
        return {
            "position": self.position, "product": self.product.code, "type": self.type, "seats": self.seats,
            "start": self.start_on.isoformat(), "end": end,
        }  # fmt: skip

    def is_over(self, now: datetime) -> bool:
        """Whether its last day is past, in its owner's zone."""
        return self.ends_at is not None and self.ends_at <= now

    def is_ahead(self, now: datetime) -> bool:
        """Whether its first day is still to come."""
        return self.starts_at is not None and self.starts_at > now

    def is_live(self, now: datetime) -> bool:
        """Whether an application may run on it now."""
        return self.key.revoked_at is None and not self.is_over(now) and not self.is_ahead(now)

    def set_instants(self, zone: str) -> None:
        """Compute when it starts and ends, from its days and its owner's zone."""
        self.starts_at = starts_at(self.start_on, zone)
        self.ends_at = ends_at(self.end_on, zone) if self.end_on else None

    @staticmethod
    def set_all_instants(rows: Sequence[License], zone: str, now: datetime) -> None:
        """Compute anew when some licenses start and end; nothing that runs on one outlives it."""
        before = {each.id: each.ends_at for each in rows}
        for each in rows:
            each.set_instants(zone)
        if moved := [each.id for each in rows if each.ends_at != before[each.id]]:
            windows.end_with_license(session_of(rows[0]), moved, now)

    def check_end(self, end: date) -> None:
        """Refuse an end that cannot be.

        :raise BadInput: before the start, or for a type without an end.
        """
        if self.kind is LicenseType.PERPETUAL:
            raise BadInput(_l("A PERPETUAL license has no end date."), field="end")
        if end < self.start_on:
            raise BadInput(_l("It would end before it starts, on %(day)s.", day=LazyDay(self.start_on)), field="end")

    # `held` is what `license_and_held` read of the member under the lock; without it, it is read.

    def give(self, member: Member, by: Actor, now: datetime, held: Sequence[Permission] | None = None) -> Permission:
        """Give the member a seat, or reserve one; giving again changes nothing.

        :raise RuleBroken: not enabled, license over or withdrawn, another license of the product held, no seat free.
        """
        session = session_of(self)
        held = self._held_by(member) if held is None else held
        kept = next((each for each in held if each.license_id == self.id), None)
        if kept is not None and kept.suspended_at is None:
            return kept
        other = next((each for each in held if each.license_id != self.id and each.suspended_at is None), None)
        self._check_givable(member, other, now)
        self._take_one()
        # One row a license and member: a suspended one comes back to life.
        if kept is None:
            kept = Permission(license=self, member=member, given_by=by.id, given_at=now)
            session.add(kept)
        else:
            kept.suspended_at, kept.given_by, kept.given_at = None, by.id, now
        record(session, member.organization_id, by, "permission.give", member, now, after={"license": self.id})
        return kept

    def take(self, member: Member, by: Actor, now: datetime, held: Sequence[Permission] | None = None) -> bool:
        """Take the member's permission back; the seat is free to be given at once. False when he had none.

        What he runs on it ends when there was time to save.
        """
        for permission in self._held_by(member) if held is None else held:
            if permission.license_id == self.id:
                # A suspended one holds no seat: it goes, nothing becomes free, and nobody loses anything.
                if permission.suspended_at is None:
                    self.free_one()  # first, for a program that takes the seat locks the license before it too
                session_of(self).delete(permission)
                if permission.suspended_at is None and self.in_use:
                    his = (Lease.license_id == self.id) & (Lease.holder == f"a{member.account_id}")
                    windows.wind_down(session_of(self), his, leases.WITHDRAWN, now)
                # A suspended one holds no seat, but what could have been restored is gone: that is recorded too.
                record(
                    session_of(self), member.organization_id, by, "permission.take", member, now,
                    before={"license": self.id},
                )  # fmt: skip
                return permission.suspended_at is None
        return False

    def move(self, member: Member, by: Actor, now: datetime, held: Sequence[Permission] | None = None) -> Permission:
        """Give the member a seat here in place of the one he has on another license of the product."""
        held = self._held_by(member) if held is None else held
        for permission in held:
            if permission.license_id != self.id and permission.suspended_at is None:
                permission.license.take(member, by, now, held)
        session_of(self).flush()
        return self.give(member, by, now)

    def free_one(self) -> None:
        """One seat less is given away."""
        self._count(-1)

    @classmethod
    def count_all(cls, session: Session, license_ids: list[int], step: int) -> list[int]:
        """Count a seat of each of some licenses in one statement; returns them.

        :raise RuleBroken: when one of them has no seat left, which who holds the organization's lock knows before.
        """
        if license_ids:
            counting = update(cls).where(cls.id.in_(license_ids)).values(reserved=cls.reserved + step)
            if step > 0:
                counting = counting.where(cls.reserved < cls.seats)
            session.flush()
            if len(session.execute(counting.returning(cls.id)).all()) != len(license_ids):
                raise RuleBroken(_l("Somebody took a seat meanwhile. Try again."))
        return license_ids

    def _take_one(self) -> None:
        if not self._count(+1):
            raise NoSeat(self.reserved, self.seats, self._last_given_to())

    def _count(self, step: int) -> bool:
        """Count a seat in one statement, so that the last one goes to one only; False when none is free."""
        counting = update(License).where(License.id == self.id).values(reserved=License.reserved + step)
        if step > 0:
            counting = counting.where(License.reserved < License.seats)
        session_of(self).flush()
        counting = counting.returning(License.reserved, License.seats, License.in_use)
        counted = session_of(self).execute(counting.execution_options(synchronize_session=False)).first()
        if counted is None:
            session_of(self).refresh(self, ["reserved", "seats"])
            return False
        # Told to the row by hand: a refresh would be a statement more for every tick.
        for name in ("reserved", "seats", "in_use"):
            set_committed_value(self, name, getattr(counted, name))
        return True

    def _last_given_to(self) -> str | None:
        query = select(Permission).where(Permission.license_id == self.id, Permission.suspended_at.is_(None))
        query = query.options(joinedload(Permission.member).joinedload(Member.account))
        last = session_of(self).scalars(query.order_by(Permission.given_at.desc(), Permission.id.desc())).first()
        return last.member.shown_name if last else None

    def _held_by(self, member: Member) -> list[Permission]:
        query = select(Permission).join(Permission.license).options(joinedload(Permission.license))
        query = query.where(Permission.member_id == member.id, License.product_id == self.product_id)
        return list(session_of(self).scalars(query).unique())

    def check_restorable(self, member: Member, other: Permission | None, now: datetime) -> None:
        """Say why the member cannot get back what he had; `other` is his permission for the same product.

        :raise RuleBroken: as `give`.
        """
        self._check_givable(member, other, now)
        if not self.free:
            raise NoSeat(self.reserved, self.seats, self._last_given_to())

    def _check_givable(self, member: Member, other: Permission | None, now: datetime) -> None:
        if member.state != ENABLED:
            raise RuleBroken(_l("Only an enabled user can have permissions."))
        if self.key.revoked_at is not None:
            raise RuleBroken(_l("This license was withdrawn by the vendor."))
        if self.is_over(now):
            raise RuleBroken(_l("This license has expired."))
        if other is not None:
            raise HasAnother(member.shown_name, self.product.name, other.license.word, other)


class Permission(Base):
    """A license × an enabled member: a seat (named) or a reservation (floating); suspended while he is disabled."""

    __tablename__ = "permission"
    __table_args__ = (UniqueConstraint("license_id", "member_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    license_id: Mapped[int] = mapped_column(ForeignKey("license.id", ondelete="CASCADE"))
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id", ondelete="CASCADE"), index=True)
    given_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    given_at: Mapped[datetime] = mapped_column(Instant)
    suspended_at: Mapped[datetime | None] = mapped_column(Instant)

    license: Mapped[License] = relationship()
    member: Mapped[Member] = relationship()


def is_busy() -> ColumnElement[bool]:
    """Whether a member's programs are signed in, run or wait, or he asks for something; found by index."""
    here = [
        select(of.id).where(of.organization_id == Member.organization_id, of.account_id == Member.account_id, still)
        for of, still in (
            (Lease, Lease.ended_at.is_(None)), (Ticket, Ticket.id.is_not(None)),
            (AccessRequest, AccessRequest.closed_at.is_(None)), (TokenFamily, TokenFamily.revoked_at.is_(None)),
        )
    ]  # fmt: skip
    return or_(*(query.correlate(Member).exists() for query in here))


def checked_seats(seats: int) -> int:
    """A number of seats that can be.

    :raise BadInput: below zero, or absurdly many.
    """
    if not 0 <= seats <= MOST_SEATS:
        raise BadInput(_l("Seats are a number from 0 to %(most)s.", most=MOST_SEATS), field="seats")
    return seats


def serial_of(digest: bytes, position: int) -> str:
    """The serial number of a key's item: stable, unique, and no way back to the key."""
    # 12 characters of 5 bits; what is hashed differs from what the key is looked up by.
    number = int.from_bytes(hashlib.sha256(b"serial:%d:" % position + digest).digest()[:8], "big")
    text = "".join(keys.ALPHABET[number >> shift & 31] for shift in range(0, 60, 5))
    return f"SN-{text[:4]}-{text[4:8]}-{text[8:]}"


def flushed(row: T) -> T:
    """The row, with its id."""
    session_of(row).flush()
    return row


def rows_changed(session: Session, statement: Any) -> int:
    """Run an UPDATE or DELETE and count what it really changed."""
    result = session.execute(statement.execution_options(synchronize_session=False))
    return cast(CursorResult[Any], result).rowcount
