"""Asking for access: a person asks for a permission, once for each product, and an administrator grants or declines.

Whoever asks, grants or declines has locked the organization; the database keeps that only one request is open. A
permission that is given by itself, under Permissions or with what is restored, grants what was asked.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlencode

from flask_babel import lazy_gettext as _l
from sqlalchemy import exists, select
from sqlalchemy.orm import Session, contains_eager

from core.activity import Actor, record
from core.errors import Missing, RuleBroken
from core.leases import MESSAGE, AccessRequest
from core.seats import explaining
from core.seats.request import rank
from models import (
    Account,
    License,
    Member,
    Organization,
    Permission,
    PermissionKey,
    Product,
    flushed,
    line,
    session_of,
)  # fmt: skip

ASKED_EVERY = timedelta(days=1)  # a letter a person and product


def ask(member: Member, product_code: str, by: Actor, now: datetime) -> tuple[AccessRequest, bool]:
    """Ask for a permission; with whether it is news. One that is open is not asked for again.

    :raise Missing: when there is no such product.
    :raise RuleBroken: when it is not a permission that is missing, saying what is.
    """
    session = session_of(member)
    chain = explaining.explain(session, member.organization_id, member.account_id or 0, product_code, now)
    if chain.code == "unknown_product":
        raise Missing(chain.sentence)
    if chain.code != "no_permission":
        raise RuleBroken(chain.sentence)
    earlier = _earlier(session, member, chain.request.facts.product_id)
    for request in earlier:
        if request.closed_at is None:
            return request, False
    request = AccessRequest(
        organization_id=member.organization_id, account_id=member.account_id, asked_at=now,
        product_id=chain.request.facts.product_id,
    )  # fmt: skip
    session.add(request)
    record(session, member.organization_id, by, "access.ask", flushed(request), now,
           after={"product": request.product_id})  # fmt: skip
    return request, all(each.asked_at <= now - ASKED_EVERY for each in earlier)


def page_of(product_code: str) -> str:
    """The page where a person reads why he cannot run a product, and asks for it."""
    return f"/products/why?{urlencode({'product': product_code})}"


def found(session: Session, organization_id: int, request_id: int) -> AccessRequest:
    """The organization's request with this id, as it is now.

    :raise Missing: when it is another organization's.
    """
    query = select(AccessRequest).where(
        AccessRequest.id == request_id, AccessRequest.organization_id == organization_id
    )
    request = session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    if request is None:
        raise Missing(_l("There is no such request."))
    return request


def grant(request: AccessRequest, message: str, by: Actor, now: datetime) -> bool:
    """Give the permission, on the license that seats are taken from first. False when it was granted already.

    :raise RuleBroken: declined meanwhile, no longer a member, or no seat is free to give.
    """
    if not _check_open(request, "granted"):
        return False
    session = session_of(request)
    member = _member(request)
    license = _given(member, request.product_id, by, now)
    _close(session, request, "granted", message, by, now, license_id=license.id)
    return True


def answer_given(
    session: Session, members: Collection[int], licenses: Collection[int], by: Actor, now: datetime
) -> list[AccessRequest]:
    """Grant what members asked for and have now been given on some licenses; returns the requests, for the letters."""
    given = exists().where(
        Permission.member_id.in_(members), Permission.license_id.in_(licenses), Permission.suspended_at.is_(None),
        Member.id == Permission.member_id, Member.account_id == AccessRequest.account_id,
        Member.organization_id == AccessRequest.organization_id,
        License.id == Permission.license_id, License.product_id == AccessRequest.product_id,
    )  # fmt: skip
    answered = session.scalars(select(AccessRequest).where(AccessRequest.closed_at.is_(None), given)).all()
    for request in answered:
        _close(session, request, "granted", "", by, now)
    return list(answered)


def decline(request: AccessRequest, message: str, by: Actor, now: datetime) -> bool:
    """Say no. False when it was declined already.

    :raise RuleBroken: when it was granted meanwhile.
    """
    if not _check_open(request, "declined"):
        return False
    _close(session_of(request), request, "declined", message, by, now)
    return True


def choice(licenses: Sequence[License], now: datetime) -> License | None:
    """On which of a product's licenses a permission is given: the first in the order in which seats are taken."""
    live = [each for each in licenses if each.is_live(now)]
    # What has not begun is given too, but only where nothing runs now.
    usable = live or [each for each in licenses if each.key.revoked_at is None and each.is_ahead(now)]
    in_order = sorted(usable, key=_rank)
    return next((each for each in in_order if each.free), in_order[0] if in_order else None)


def licenses_of(session: Session, organization_id: int, product_ids: Sequence[int]) -> list[License]:
    """An organization's licenses of some products, each with its key."""
    query = select(License).join(License.key).options(contains_eager(License.key))
    query = query.where(PermissionKey.organization_id == organization_id, License.product_id.in_(product_ids))
    return list(session.scalars(query.order_by(License.id).execution_options(populate_existing=True)))


def _rank(license: License) -> tuple[int, tuple[float, int]]:
    return rank("floating" if license.is_floating else "named", license.type, license.ends_at, license.id)


def _earlier(session: Session, member: Member, product_id: int) -> list[AccessRequest]:
    mine = (AccessRequest.account_id == member.account_id, AccessRequest.product_id == product_id)
    here = AccessRequest.organization_id == member.organization_id
    return list(session.scalars(select(AccessRequest).where(*mine, here).execution_options(populate_existing=True)))


def _check_open(request: AccessRequest, outcome: str) -> bool:
    if request.closed_at is None:
        return True
    if request.outcome == outcome:
        return False
    closer = session_of(request).get(Account, request.closed_by) if request.closed_by else None
    if closer is None:
        raise RuleBroken(_l("This request was dropped: the person is disabled, or no longer a member."))
    if request.outcome == "granted":
        raise RuleBroken(_l("%(name)s has granted this meanwhile.", name=closer.name))
    raise RuleBroken(_l("%(name)s has declined this meanwhile.", name=closer.name))


def _member(request: AccessRequest) -> Member:
    """The member who asked."""
    session = session_of(request)
    organization = session.get_one(Organization, request.organization_id)
    return organization.member_of(session.get_one(Account, request.account_id))


def _given(member: Member, product_id: int, by: Actor, now: datetime) -> License:
    """The license on which the member has a permission now; what he has already is enough while it runs."""
    session = session_of(member)
    held = [each for each in member.permissions if each.license.product_id == product_id]
    for permission in held:
        if permission.suspended_at is None and permission.license.is_live(now):
            return permission.license
    license = choice(licenses_of(session, member.organization_id, [product_id]), now)
    if license is None:
        product = session.get_one(Product, product_id)
        raise RuleBroken(_l("There is no license of %(product)s to give. Add a key first.", product=product.name))
    license.move(member, by, now, held)
    return license


def _close(
    session: Session, request: AccessRequest, outcome: str, message: str, by: Actor, now: datetime,
    license_id: int | None = None,
) -> None:  # fmt: skip
    request.message = line(message, field="message", required=False, longest=MESSAGE)
    request.closed_at, request.closed_by, request.outcome = now, by.id, outcome
    action = "access.grant" if outcome == "granted" else "access.decline"
    after = {"license": license_id} if license_id is not None else None
    record(session, request.organization_id, by, action, request, now, after=after)
