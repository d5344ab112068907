"""What no constraint can keep, looked for: facts that are stored and could be computed, and rules over several rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from sqlalchemy import ColumnElement, ScalarSelect, String, and_, case, cast, func, literal, or_, select
from sqlalchemy.orm import Session, aliased

from core.activity import PORTAL, entries, first_broken
from core.leases import Lease, Ticket, UsageDay
from models import ADMINISTRATOR, CO_ADMINISTRATOR, Account, License, Member, Organization, Permission, PermissionKey

AT_ONCE = 1000  # entries of Activity in memory at one time
_given = Permission.suspended_at.is_(None)
_is_enabled = Member.confirmed_at.is_not(None) & Member.disabled_at.is_(None) & Member.ended_at.is_(None)


def faults(session: Session) -> list[str]:
    """Everything that is not as the rules leave it, one sentence each; changes nothing."""
    looks = (roles, people, owners, permissions, doubles, counts, days, seats, holders, copies, usage, chains)
    return [sentence for look in looks for sentence in look(session)]


def roles(session: Session) -> Iterator[str]:
    """Exactly one administrator in every organization, at most one co-administrator."""
    for role, least in ((ADMINISTRATOR, 1), (CO_ADMINISTRATOR, 0)):
        held = (Member.organization_id == Organization.id) & (Member.role == role) & _is_enabled
        query = select(Organization.id, Organization.name, func.count(Member.id)).outerjoin(Member, held)
        query = query.where(Organization.deleted_at.is_(None)).group_by(Organization.id, Organization.name)
        number_of = func.count(Member.id)
        wrong = (number_of < least) | (number_of > 1)
        for id, name, number in session.execute(query.having(wrong).order_by(Organization.id)):
            yield f"Organization {id}, “{name}”, has {number} {role}s."


def people(session: Session) -> Iterator[str]:
    """Who takes part has a confirmed account of his own and is no operator."""
    query = select(Member.id, Account.id, Account.confirmed_at, Account.is_operator)
    query = query.outerjoin(Account, Account.id == Member.account_id)
    query = query.where(Member.confirmed_at.is_not(None), Member.ended_at.is_(None))
    wrong = Account.id.is_(None) | Account.confirmed_at.is_(None) | Account.is_operator
    for member, account, confirmed_at, _is_operator in session.execute(query.where(wrong).order_by(Member.id)):
        if account is None:
            yield f"Member {member} takes part without an account."
        elif confirmed_at is None:
            yield f"Member {member} takes part though the address of account {account} is not confirmed."
        else:
            yield f"Member {member} takes part though account {account} is an operator's."


def owners(session: Session) -> Iterator[str]:
    """A person has no license that only an organization can have."""
    query = select(PermissionKey.id, PermissionKey.account_id).join(License, License.key_id == PermissionKey.id)
    floating = License.type.in_(("flex-cloud", "flex-network"))
    query = query.where(PermissionKey.account_id.is_not(None), floating).distinct()
    for key, account in session.execute(query.order_by(PermissionKey.id)):
        yield f"Key {key} holds a floating license, though account {account} has it as a person."


def permissions(session: Session) -> Iterator[str]:
    """A permission that counts belongs to an enabled member of the license's organization."""
    query = select(Permission.id, PermissionKey.organization_id, Member.organization_id, Member.id)
    query = query.join(Member, Member.id == Permission.member_id).join(License, License.id == Permission.license_id)
    query = query.join(PermissionKey, PermissionKey.id == License.key_id)
    foreign = PermissionKey.organization_id.is_distinct_from(Member.organization_id)
    wrong = foreign | (_given & ~_is_enabled)
    for permission, owner, organization, member in session.execute(query.where(wrong).order_by(Permission.id)):
        if owner != organization:
            yield f"Permission {permission} is for a license that is not member {member}'s organization's."
        else:
            yield f"Permission {permission} counts though member {member} is not enabled."


def doubles(session: Session) -> Iterator[str]:
    """Nobody has two permissions for one product."""
    # The product stands at the license, so no index over permissions can keep it.
    query = select(Permission.member_id, License.product_id, func.count())
    query = query.join(License, License.id == Permission.license_id).where(_given)
    query = query.group_by(Permission.member_id, License.product_id).having(func.count() > 1)
    for member, product, number in session.execute(query.order_by(Permission.member_id, License.product_id)):
        yield f"Member {member} has {number} permissions for product {product}."


def counts(session: Session) -> Iterator[str]:
    """What a license says is given away is what a count says."""
    held = (Permission.license_id == License.id) & _given
    query = select(License.id, License.reserved, func.count(Permission.id)).outerjoin(Permission, held)
    query = query.group_by(License.id, License.reserved).having(License.reserved != func.count(Permission.id))
    for license, reserved, number in session.execute(query.order_by(License.id)):
        yield f"License {license} says that {reserved} seats are given away; it is {number}."


def days(session: Session) -> Iterator[str]:
    """A license knows its instants exactly while somebody has its key."""
    query = select(License.id).join(PermissionKey, PermissionKey.id == License.key_id)
    has_start = License.starts_at.is_not(None)
    has_end = License.ends_at.is_not(None)
    ends = License.end_on.is_not(None)
    redeemed = PermissionKey.redeemed_at.is_not(None)
    wrong = (redeemed & (~has_start | (has_end != ends))) | (~redeemed & (has_start | has_end))
    for license in session.scalars(query.where(wrong).order_by(License.id)):
        yield f"License {license} does not know when it starts or ends."


def seats(session: Session) -> Iterator[str]:
    """The seats that a license counts are those of live leases, and those held for people who wait."""
    taken = and_(Lease.license_id == License.id, *Lease.LIVE, Lease.takes_seat)
    in_use = _number(Lease, taken) + _number(Ticket, Ticket.license_id == License.id)
    reserved = _number(Lease, taken & Lease.is_reserved)
    query = select(License.id, License.in_use, in_use, License.reserved_in_use, reserved)
    wrong = (License.in_use != in_use) | (License.reserved_in_use != reserved)
    for license, said, number, said_reserved, number_reserved in session.execute(
        query.where(wrong).order_by(License.id)
    ):
        if said != number:
            yield f"License {license} says that {said} seats are in use; it is {number}."
        if said_reserved != number_reserved:
            yield f"License {license} says that {said_reserved} given seats are in use; it is {number_reserved}."


def holders(session: Session) -> Iterator[str]:
    """A lease names whose seat it is: the person's own, or one that a device of his or of a station draws."""
    own = literal("a") + cast(Lease.account_id, String)
    device = literal(":d") + cast(Lease.device_id, String)
    station = literal("s") + cast(Lease.station_id, String) + device
    # Who has lost a reservation keeps its seat while he saves.
    is_right = case(
        (Lease.station_id.is_not(None), and_(Lease.holder == station, ~Lease.is_reserved)),
        (Lease.is_reserved, Lease.holder == own),
        else_=or_(Lease.holder == own + device, and_(Lease.holder == own, Lease.permission_id.is_(None))),
    )
    for lease in session.scalars(select(Lease.id).where(*Lease.LIVE, ~is_right).order_by(Lease.id)):
        yield f"Lease {lease} does not say whose seat it is."


def copies(session: Session) -> Iterator[str]:
    """A lease that takes no seat shares that of another one of its holder."""
    other = aliased(Lease)
    shared = and_(other.license_id == Lease.license_id, other.holder == Lease.holder, other.takes_seat)
    has_seat = select(other.id).where(shared, other.ended_at.is_(None)).exists()
    alone = select(Lease.id).where(*Lease.LIVE, ~Lease.takes_seat, ~has_seat)
    for lease in session.scalars(alone.order_by(Lease.id)):
        yield f"Lease {lease} runs on no seat."


def usage(session: Session) -> Iterator[str]:
    """What a day saw is no less than nothing."""
    negative = (UsageDay.peak < 0) | (UsageDay.check_outs < 0) | (UsageDay.denials < 0)
    query = select(UsageDay.license_id, UsageDay.day).where(negative)
    for license, day in session.execute(query.order_by(UsageDay.license_id, UsageDay.day)):
        yield f"License {license} counts less than nothing on {day}."


def _number(of: type[Lease] | type[Ticket], which: ColumnElement[bool]) -> ScalarSelect[int]:
    return select(func.count()).select_from(of).where(which).correlate(License).scalar_subquery()


def chains(session: Session) -> Iterator[str]:
    """Every entry of Activity follows from the one before it."""
    read = session.execute(entries().execution_options(yield_per=AT_ONCE))
    for stream, chain in groupby(read, lambda entry: str(entry.stream)):
        if (number := first_broken(chain)) is not None:
            whose = "the portal" if stream == PORTAL else f"organization {stream}"
            yield f"The activity of {whose} was changed at entry {number}."
