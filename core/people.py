"""The signed-in person: one Core statement reads session, account, member and organization for every request."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast

from flask import Flask, request, session
from flask_login import current_user as _current_user
from sqlalchemy import bindparam, func, select, update
from sqlalchemy import cast as sql_cast
from sqlalchemy.sql.sqltypes import String

from core.activity import Activity, Actor
from core.dates import now
from core.db import db, writing_apart
from core.leases import AccessRequest
from models import ADMINISTRATOR, CO_ADMINISTRATOR, MEMBER, Account, Member, Organization, SignIn, state_of

SESSION_SECRET = "sid"  # noqa: S105  # the name of it
IDLE_AGE = timedelta(days=14)
LONGEST_AGE = timedelta(days=30)
USED_EVERY = timedelta(minutes=5)  # how exact `used_at` is: a session in use costs one write in five minutes

# The number of the organization's last activity: while it stands, remembered counts are true (`core.lists.roster`).
_newest = (
    select(Activity.number)
    .where(Activity.stream == sql_cast(Organization.id, String))
    .order_by(Activity.number.desc())
    .limit(1)
    .correlate(Organization)
    .scalar_subquery()
)
# How many wait for an answer; only who can give one is shown it.
_requests = (
    select(func.count())
    .select_from(AccessRequest)
    .where(
        AccessRequest.organization_id == Organization.id, AccessRequest.closed_at.is_(None), Member.role != MEMBER,
    )
    .correlate(Organization, Member)
    .scalar_subquery()
)  # fmt: skip
_mine = (Member.account_id == Account.id) & Member.confirmed_at.is_not(None) & Member.ended_at.is_(None)
PERSON = (
    select(
        Account.id, Account.fs_uniquifier, Account.name, Account.email, Account.is_operator, Account.locale,
        Account.zone, Account.blocked_at, Account.deleted_at, Account.confirmed_at.label("account_confirmed_at"),
        SignIn.id.label("sign_in_id"), SignIn.used_at, SignIn.created_at,
        Member.id.label("member_id"), Member.role, Member.confirmed_at, Member.disabled_at, Member.ended_at,
        Organization.id.label("organization_id"), Organization.name.label("organization_name"),
        Organization.zone.label("organization_zone"), _newest.label("activity"),
        _requests.label("requests"),
    )
    .join(SignIn, SignIn.account_id == Account.id)
    .outerjoin(Member, _mine)
    .outerjoin(Organization, Organization.id == Member.organization_id)
    .where(
        Account.fs_uniquifier == bindparam("uniquifier"),
        SignIn.secret_hash == bindparam("secret_hash"),
        SignIn.ended_at.is_(None),
    )
)  # fmt: skip


class Person:
    """Who is signed in, as views and templates read it; to change the account, load `Account`."""

    __slots__ = (
        "account_confirmed_at", "activity", "blocked_at", "confirmed_at", "created_at", "deleted_at", "disabled_at",
        "email", "ended_at", "fs_uniquifier", "id", "is_operator", "locale", "member_id", "name", "organization_id",
        "organization_name", "organization_zone", "requests", "role", "sign_in_id", "used_at", "zone",
    )  # fmt: skip
    account_confirmed_at: datetime | None
    activity: int | None
    blocked_at: datetime | None
    confirmed_at: datetime | None
    created_at: datetime
    deleted_at: datetime | None
    disabled_at: datetime | None
    email: str
    ended_at: datetime | None
    fs_uniquifier: str
    id: int
    is_operator: bool
    locale: str | None
    member_id: int | None
    name: str
    organization_id: int | None
    organization_name: str | None
    organization_zone: str | None
    requests: int
    role: str | None
    sign_in_id: int
    used_at: datetime
    zone: str

    # What Flask-Login and Flask-Security ask of whoever is signed in.
    is_authenticated = True
    is_anonymous = False
    roles = ()

    def __init__(self, row: Any) -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(row, name))

    def get_id(self) -> str:
        """What the session keeps."""
        return self.fs_uniquifier

    @property
    def is_active(self) -> bool:
        """Whether the account may be signed in."""
        return self.blocked_at is None and self.deleted_at is None and self.account_confirmed_at is not None

    @property
    def state(self) -> str | None:
        """ENABLED, DISABLED, or None without an organization."""
        return state_of(self) if self.member_id is not None else None

    @property
    def may_administer(self) -> bool:
        """Whether Admin Space is his."""
        return self.role in (ADMINISTRATOR, CO_ADMINISTRATOR)

    @property
    def first_page(self) -> str:
        """Where `/` leads."""
        if self.is_operator:
            return "/operator/keys"
        return "/admin/products" if self.may_administer else "/products"

    @property
    def initials(self) -> str:
        """Two letters for the round picture."""
        return initials(self.name)

    @property
    def shown_zone(self) -> str:
        """The time zone that pages show: the organization's, else the person's own."""
        return self.organization_zone or self.zone


def initials(name: str) -> str:
    """The first letters of the first and the last word."""
    words = name.split() or ["?"]
    return (words[0][0] + (words[-1][0] if len(words) > 1 else "")).upper()


def init_app(app: Flask) -> None:
    """Replace Flask-Security's user loader, after `Security(app)`."""
    app.login_manager.user_loader(load)  # type: ignore[attr-defined]


def load(uniquifier: str) -> Person | None:
    """The person of a session, or None when the session ended, aged, or the account may not sign in."""
    secret = session.get(SESSION_SECRET)
    if not secret:
        return None
    values = {"uniquifier": uniquifier, "secret_hash": SignIn.hashed(secret)}
    row = db.session.connection().execute(PERSON, values).first()
    if row is None or not (person := Person(row)).is_active or _is_aged(person, now()):
        return None
    _note_use(person, now())
    return person


def _is_aged(person: Person, at: datetime) -> bool:
    return at - person.used_at > IDLE_AGE or at - person.created_at > LONGEST_AGE


def _note_use(person: Person, at: datetime) -> None:
    # A POST writes by itself, and on SQLite a second writer in it would wait for the first for ever.
    if at - person.used_at < USED_EVERY or request.method not in {"GET", "HEAD"}:
        return
    with writing_apart() as connection:
        connection.execute(update(SignIn).where(SignIn.id == person.sign_in_id).values(used_at=at))


def me() -> Person:
    """The signed-in `Person`; anonymous visitors never reach a view that asks."""
    return cast(Person, _current_user)


def actor() -> Actor:
    """The signed-in person as the one who acts."""
    person = me()
    return Actor("operator" if person.is_operator else "person", person.id, request.remote_addr or "")


# In this order: Edge and Opera call themselves Chrome too, and Chrome calls itself Safari; Android is a Linux, and an
# iPhone says that it is like Mac OS.
BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "Chrome": "Chrome", "Safari": "Safari"}
SYSTEMS = {"Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Windows": "Windows", "Mac OS": "macOS",
           "CrOS": "ChromeOS", "Linux": "Linux"}  # fmt: skip


def device_of(user_agent: str) -> str:
    """A browser and its system in the words of the person who uses it; others as they name themselves."""
    browser = next((name for sign, name in BROWSERS.items() if f"{sign}/" in user_agent), "")
    system = next((name for sign, name in SYSTEMS.items() if sign in user_agent), "")
    named = " · ".join(filter(None, (browser, system)))
    return named or "".join(c if c.isprintable() else " " for c in user_agent[:200]).strip()
