"""The operator's view of organizations: name, administrator, number of members, licenses; never who runs what."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy import func, select

from core import addresses, mail
from core.dates import now
from core.db import db
from core.errors import BadInput, RuleBroken
from core.guard import operator_only
from models import ADMINISTRATOR, CO_ADMINISTRATOR, Account, License, Member, Organization, PermissionKey

bp = Blueprint("organizations", __name__, url_prefix="/operator/organizations")
PAGE = 50


@bp.get("")
def index() -> str:
    """The list, by name; searched by name."""
    operator_only()
    q, after = request.args.get("q", "").strip()[:200], request.args.get("after", type=int)
    matching = [Organization.deleted_at.is_(None), Organization.name.icontains(q, autoescape=True)]
    query = rows_query().where(*matching).order_by(Organization.id.desc()).limit(PAGE + 1)
    found = db.session.execute(query if after is None else query.where(Organization.id < after)).all()
    return render_template(
        "organizations/index.html",
        rows=found[:PAGE],
        total=db.session.scalar(select(func.count()).select_from(Organization).where(*matching)),
        after=found[PAGE - 1].id if len(found) > PAGE else None,
        q=q,
    )


@bp.get("/<int:organization_id>")
def show(organization_id: int) -> str:
    """One organization: profile, administrators, number of members, licenses with masked keys."""
    operator_only()
    return page(load(organization_id))


@bp.post("/<int:organization_id>/transfer")
def transfer(organization_id: int) -> Any:
    """Make an enabled member administrator, for instance when the administrator has vanished."""
    by = operator_only()
    organization = Organization.locked(db.session, load(organization_id).id)
    try:
        member = organization.member_of(find_account(request.form.get("email", "")))
        former = organization.holder_of(ADMINISTRATOR)
        organization.transfer(member, by, now())
    except RuleBroken as refused:
        db.session.rollback()
        return page(load(organization_id), refused), refused.status
    mail.transferred(member, former)
    db.session.commit()
    flash(_("%(name)s is administrator now.", name=member.shown_name))
    return redirect(url_for(".show", organization_id=organization_id), 303)


def load(organization_id: int) -> Organization:
    """The organization with this id, or 404."""
    return db.get_or_abort(Organization, organization_id)


def find_account(email: str) -> Account:
    """The account with this address.

    :raise BadInput: when there is none.
    """
    account = Account.by_email(db.session, addresses.clean(email)) if email.strip() else None
    if account is None:
        raise BadInput(_("There is no account with this address."), field="email")
    return account


def page(organization: Organization, refused: RuleBroken | None = None) -> str:
    """The view of one organization."""
    counting = select(func.count()).where(Member.organization_id == organization.id, *Member.LIVE)
    return render_template(
        "organizations/show.html",
        organization=organization,
        administrator=organization.holder_of(ADMINISTRATOR),
        co_administrator=organization.holder_of(CO_ADMINISTRATOR),
        members=db.session.scalar(counting),
        licenses=organization.licenses,
        refused=refused,
        now=now(),
    )


def rows_query() -> Any:
    """Organizations with their administrator and numbers, one statement."""
    members = select(func.count()).where(Member.organization_id == Organization.id, *Member.LIVE).scalar_subquery()
    licenses = (
        select(func.count(License.id))
        .join(License.key)
        .where(PermissionKey.organization_id == Organization.id)
        .scalar_subquery()
    )
    return (
        select(
            Organization.id,
            Organization.name,
            Organization.created_at,
            Account.name.label("administrator"),
            Account.email,
            members.label("members"),
            licenses.label("licenses"),
        )
        .outerjoin(Member, (Member.organization_id == Organization.id) & (Member.role == ADMINISTRATOR))
        .outerjoin(Account, Account.id == Member.account_id)
    )
