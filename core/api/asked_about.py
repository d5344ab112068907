"""Whom a question is about: oneself, or for an administrator anybody of the organization."""

from __future__ import annotations

from typing import Any, NamedTuple

from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import addresses
from core.denials import Denied
from core.seats.asking import Caller
from models import ADMINISTRATOR, CO_ADMINISTRATOR, Account, Member

MOST_ID = 2**31 - 1


class Person(NamedTuple):
    """An account that is asked about."""

    id: int
    email: str


def account_of(session: Session, caller: Caller, user: str | None) -> Person:
    """The account that is asked about; `user` is an address, or a number.

    :raise Denied: not_a_member, or no_permission for who may not ask about others.
    """
    if caller.account_id is None:
        raise Denied("not_a_member", _("A station asks about nobody."))
    me = session.get_one(Account, caller.account_id)
    if user is None or user == str(me.id) or addresses.key(user) == me.email_key:
        return Person(me.id, me.email)
    if not _may_administer(session, caller):
        raise Denied("no_permission", _("Only administrators ask about others."))
    found = session.execute(_people(caller).where(_is(user))).first()
    if found is None:
        raise Denied("not_a_member", _("Nobody of this name is a member."))
    return Person(found.id, found.email)


def _is(user: str) -> Any:
    if user.isascii() and user.isdigit() and int(user) <= MOST_ID:
        return Account.id == int(user)
    return Account.email_key == addresses.key(user)


def _people(caller: Caller) -> Any:
    """The confirmed members of the caller's organization."""
    return (
        select(Account.id, Account.email, Member.role)
        .join(Member, Member.account_id == Account.id)
        .where(Member.organization_id == caller.organization_id, Member.confirmed_at.is_not(None),
               Member.ended_at.is_(None))
    )  # fmt: skip


def _may_administer(session: Session, caller: Caller) -> bool:
    role = session.execute(_people(caller).where(Account.id == caller.account_id)).first()
    return role is not None and role.role in (ADMINISTRATOR, CO_ADMINISTRATOR)
