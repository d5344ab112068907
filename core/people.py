"""The signed-in person: one Core statement reads session, account, member and organization for every request."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from flask import Flask, request, session
from flask_login import current_user as _current_user
from flask_security.core import UserMixin
from flask_security.utils import set_request_attr
from sqlalchemy import Row, bindparam, cast, select, update
from sqlalchemy.sql.sqltypes import String

from core.activity import Activity, Actor
from core.dates import now
from core.db import db, writing_apart
from models import ADMINISTRATOR, CO_ADMINISTRATOR, Account, Member, Organization, SignIn, state_of

SESSION_SECRET = "sid"
IDLE_AGE = timedelta(days=14)
LONGEST_AGE = timedelta(days=30)
USED_EVERY = timedelta(minutes=5)  # how exact `used_at` is: a session in use costs one write in five minutes

_newest = (
    select(Activity.number)
    .where(Activity.stream == cast(Organization.id, String))
    .order_by(Activity.number.desc())
    .limit(1)
    .correlate(Organization)
    .scalar_subquery()
)
_mine = (Member.account_id == Account.id) & Member.confirmed_at.is_not(None) & Member.ended_at.is_(None)
PERSON = (
    select(
        Account.id, Account.fs_uniquifier, Account.name, Account.email, Account.is_operator, Account.locale, Account.zone,
        Account.blocked_at, Account.deleted_at, Account.confirmed_at.label("account_confirmed_at"),
        SignIn.id.label("sign_in_id"), SignIn.used_at, SignIn.created_at,
        Member.id.label("member_id"), Member.role, Member.confirmed_at, Member.disabled_at, Member.ended_at,
        Organization.id.label("organization_id"), Organization.name.label("organization_name"),
        Organization.zone.label("organization_zone"), _newest.label("activity"),
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


class Person(UserMixin):
    """Who is signed in, as views and templates read it; to change the account, load `Account`."""

    __slots__ = (
        "account_confirmed_at", "activity", "blocked_at", "confirmed_at", "created_at", "deleted_at", "disabled_at",
        "email", "ended_at", "fs_uniquifier", "id", "is_operator", "locale", "member_id", "name", "organization_id",
        "organization_name", "organization_zone", "role", "sign_in_id", "used_at", "zone",
    )  # fmt: skip

    def __init__(self, row: Row[Any]) -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(row, name))

    @property
    def active(self) -> bool:
        """Whether the account may be signed in."""
        return self.blocked_at is None and self.deleted_at is None and self.account_confirmed_at is not None

    @property
    def roles(self) -> tuple[str, ...]:
        """The operator is the only role that Flask-Security knows."""
        return ("operator",) if self.is_operator else ()

    @property
    def state(self) -> str | None:
        """ENABLED, DISABLED, or None without an organization."""
        return state_of(self) if self.member_id is not None else None

    @property
    def may_administer(self) -> bool:
        """Whether Admin Space is his."""
        return self.role in (ADMINISTRATOR, CO_ADMINISTRATOR)

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


def load(uniquifier: str) -> Person | Account | None:
    """The person of a session, or None when the session ended, aged, or the account may not sign in."""
    secret = session.get(SESSION_SECRET)
    if not secret:
        return None
    values = {"uniquifier": uniquifier, "secret_hash": SignIn.hashed(secret)}
    row = db.session.connection().execute(PERSON, values).first()
    if row is None or _is_aged(row, now()):
        return None
    person = Person(row)
    if not person.active:
        return None
    set_request_attr("fs_authn_via", "session")
    set_request_attr("fs_paa", session.get("fs_paa", 0))
    _note_use(row, now())
    if request.blueprint == "security":  # the library's own views change the account
        return db.session.get(Account, person.id)
    return person


def _is_aged(row: Row[Any], at: datetime) -> bool:
    return at - row.used_at > IDLE_AGE or at - row.created_at > LONGEST_AGE


def _note_use(row: Row[Any], at: datetime) -> None:
    if at - row.used_at < USED_EVERY or request.method not in {"GET", "HEAD"}:
        return
    with writing_apart() as connection:
        connection.execute(update(SignIn).where(SignIn.id == row.sign_in_id).values(used_at=at))


def me() -> Any:
    """The signed-in `Person`; anonymous visitors never reach a view that asks."""
    return _current_user


def actor() -> Actor:
    """The signed-in person as the one who acts."""
    person = me()
    return Actor("operator" if person.is_operator else "person", person.id, request.remote_addr or "")
