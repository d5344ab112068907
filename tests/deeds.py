"""What pages and commands do to the cast's rows, as deeds that can happen at the same time."""

from __future__ import annotations

from datetime import timedelta

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import addresses
from core.activity import COMMAND
from core.db import db
from models import Account, License, Member, Organization, PermissionKey
from tests.cast import Cast
from tests.kestrel import Kestrel
from tests.races import Deed


def giving(cast: Cast, license: str, name: str) -> Deed:
    """What the Permissions page does for one tick."""

    def give(session: Session) -> None:
        organization = Organization.locked(session, cast.organization_id)
        member = organization.member(cast.player(name).member_id or 0)
        organization.license(cast.license[license]).give(member, cast.alice.actor, cast.now)

    return give


def redeeming(cast: Cast, key: str, name: str) -> Deed:
    """What Products does with a key, for the organization of an administrator or for a person."""

    def redeem(session: Session) -> str:
        account = session.get_one(Account, cast.player(name).account_id)
        member = account.membership
        owner: Organization | Account = account
        if member is not None and member.may_administer:
            owner = Organization.locked(session, member.organization_id)
        found = PermissionKey.known(session, cast.unused[key])
        return "added" if found.redeem(owner, cast.player(name).actor, cast.now, cast.now.date()) else "there already"

    return redeem


def creating(cast: Cast, key: str, name: str) -> Deed:
    """What Create an Organization does at the end."""

    def create(session: Session) -> None:
        account = session.get_one(Account, cast.player(name).account_id)
        found = PermissionKey.known(session, cast.unused[key])
        Organization.create(account, found, {"name": name}, cast.player(name).actor, cast.now, cast.now.date())

    return create


def confirming(cast: Cast, organization_id: int, name: str) -> Deed:
    """What the page behind the link does."""

    def confirm(session: Session) -> None:
        Organization.locked(session, organization_id)
        player = cast.player(name)
        query = select(Member).where(Member.organization_id == organization_id, Member.email_key == player.email)
        account = session.get_one(Account, player.account_id)
        session.scalars(query).one().confirm(account, player.actor, cast.now)

    return confirm


def appointing(cast: Cast, name: str, replaces: str | None) -> Deed:
    """What the button Co-admin does."""

    def appoint(session: Session) -> None:
        organization = Organization.locked(session, cast.organization_id)
        former = cast.player(replaces).member_id if replaces else None
        alice = organization.member(cast.alice.member_id or 0)
        member = organization.member(cast.player(name).member_id or 0)
        member.make_co_administrator(former, cast.alice.actor, alice, cast.now)

    return appoint


def doing(cast: Cast, what: str, name: str, who: str = "alice") -> Deed:
    """Disable, remove or leave."""

    def do(session: Session) -> None:
        organization = Organization.locked(session, cast.organization_id)
        member = organization.member(cast.player(name).member_id or 0)
        me = [organization.member(cast.player(who).member_id or 0)] if what != "leave" else []
        getattr(member, what)(cast.player(who).actor, *me, cast.now)

    return do


def vendor(cast: Cast, license: str, seats: int | None = None, revoke: bool = False, release: bool = False) -> Deed:
    """One of the vendor's commands on the key of a license."""

    def deed(session: Session) -> None:
        row = session.get_one(License, cast.license[license])
        if revoke:
            row.key.revoke(COMMAND, cast.now)
        elif release:
            row.key.release(COMMAND, cast.now)
        else:
            row.key.extend(COMMAND, cast.now, position=row.position, seats=seats)

    return deed


def inviting(cast: Cast, organization_id: int, who: str, name: str) -> Deed:
    """What Invite Users does with one address."""

    def invite(session: Session) -> None:
        organization = Organization.locked(session, organization_id)
        me = organization.member(cast.player(who).member_id or 0)
        entry = addresses.split(cast.player(name).email)[0]
        organization.invite(entry, cast.player(who).actor, me, cast.now + timedelta(seconds=1))

    return invite


def crowd(app: Flask, cast: Cast, size: int) -> list[int]:
    """So many more enabled members."""
    with app.app_context():
        kestrel = Kestrel(db.session, cast)
        members = [kestrel.enabled(f"crowd{number}@firm.com").id for number in range(size)]
        db.session.commit()
        return members
