"""The operator's view of organizations: name, administrator, number of members, licenses; never who runs what."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, make_response, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy import ColumnElement, func, or_, select

from core import addresses, mail
from core.dates import now
from core.db import db
from core.errors import BadInput, RuleBroken
from core.guard import operator_only
from core.pages.answers import away, rule_broken
from core.pages.htmx import htmx, mend, vary
from models import ADMINISTRATOR, CO_ADMINISTRATOR, ENABLED, Account, License, Member, Organization, PermissionKey

bp = Blueprint("organizations", __name__, url_prefix="/operator/organizations")
PAGE = 50
MOST_TYPED = 320


@bp.get("")
def index() -> str:
    """The list, newest first; searched by name, number, or the administrator's name or address."""
    operator_only()
    q, after = request.args.get("q", "").strip()[:200], request.args.get("after", type=int)
    query = rows_query().where(*matching(q)).order_by(Organization.id.desc()).limit(PAGE + 1)
    found = db.session.execute(query if after is None else query.where(Organization.id < after)).all()
    return render_template(
        "organizations/index.html",
        rows=found[:PAGE],
        total=db.session.scalar(counting(q).where(*matching(q))),
        after=found[PAGE - 1].id if len(found) > PAGE else None,
        q=q,
    )


@bp.get("/<int:organization_id>")
def show(organization_id: int) -> str:
    """One organization: profile, administrators, number of members, licenses with masked keys."""
    operator_only()
    return page(load(organization_id))


@bp.get("/<int:organization_id>/transfer")
def transfer(organization_id: int) -> Any:
    """Ask before an enabled member becomes administrator, for instance when the administrator has vanished."""
    operator_only()
    organization = load(organization_id)
    try:
        member = heir(organization)
    except RuleBroken as refused:
        return refusal(organization, refused)
    former, second = organization.holder_of(ADMINISTRATOR), organization.holder_of(CO_ADMINISTRATOR)
    names = {"name": member.shown_name, "former": former.shown_name if former else ""}
    title = _("Make %(name)s administrator instead of %(former)s?", **names)
    return render_template(
        "organizations/transfer.html", organization=organization, member=member, former=former, title=title,
        becomes_co_admin=second in (None, member),
    )  # fmt: skip


@bp.post("/<int:organization_id>/transfer")
def transfer_submit(organization_id: int) -> Any:
    """Make an enabled member administrator."""
    by = operator_only()
    organization = Organization.locked(db.session, load(organization_id).id)
    try:
        member, former = heir(organization), organization.holder_of(ADMINISTRATOR)
        if organization.transfer(member, by, now()):
            mail.transferred(member, former)
    except RuleBroken as refused:
        db.session.rollback()
        return refusal(load(organization_id), refused)
    db.session.commit()
    said = _("%(name)s is administrator now.", name=member.shown_name)
    return away(url_for(".show", organization_id=organization_id), said=said)


def load(organization_id: int) -> Organization:
    """The organization with this id, or 404."""
    return db.get_or_abort(Organization, organization_id)


def heir(organization: Organization) -> Member:
    """The enabled member whose address was typed.

    :raise RuleBroken: when there is none, or he is administrator.
    """
    email = addresses.clean(typed())
    account = Account.by_email(db.session, email) if email else None
    if account is None:
        raise BadInput(_("There is no account with this address."), field="email")
    member = organization.member_of(account)
    if member.role == ADMINISTRATOR:
        raise RuleBroken(_("%(name)s is administrator already.", name=member.shown_name), field="email")
    if member.state != ENABLED:
        raise RuleBroken(_("Only an enabled user can become administrator."), field="email")
    return member


def typed() -> str:
    """The address that was typed."""
    return str(request.values.get("email", ""))[:MOST_TYPED]


def refusal(organization: Organization, refused: RuleBroken) -> Response:
    """The field with what was typed and what is wrong with it."""
    if htmx and request.method == "GET":
        context = {"organization": organization, "typed": typed(), "refused": refused}
        text = render_template("organizations/_transfer.html", **context)
        return mend(vary(make_response(text, refused.status)), "transfer")
    if htmx.wants_fragment:
        return rule_broken(refused)
    return vary(make_response(page(organization, refused), refused.status))


def page(organization: Organization, refused: RuleBroken | None = None) -> str:
    """The view of one organization."""
    members = select(func.count(Member.id)).where(Member.organization_id == organization.id, *Member.LIVE)
    return render_template(
        "organizations/show.html",
        organization=organization,
        administrator=organization.holder_of(ADMINISTRATOR),
        members=db.session.scalar(members),
        licenses=organization.licenses,
        typed=typed() if refused else "",
        refused=refused,
        now=now(),
    )


def matching(q: str) -> list[ColumnElement[bool]]:
    """What an organization in the list has to be like."""
    there = Organization.deleted_at.is_(None)
    if not q:
        return [there]
    found = [each.icontains(q, autoescape=True) for each in (Organization.name, Account.name, Account.email_key)]
    if q.isascii() and q.isdecimal() and len(q) < 10:  # more digits are no id
        found.append(Organization.id == int(q))
    return [there, or_(*found)]


def counting(q: str) -> Any:
    """How many organizations; whom they have at their head only a search asks."""
    query = select(func.count()).select_from(Organization)
    return with_administrator(query) if q else query


def rows_query() -> Any:
    """Organizations with their administrator and numbers, one statement."""
    members = select(func.count(Member.id)).where(Member.organization_id == Organization.id, *Member.LIVE)
    licenses = select(func.count(License.id)).join(License.key).where(PermissionKey.organization_id == Organization.id)
    rows = select(
        Organization.id, Organization.name, Organization.created_at, Account.name.label("administrator"), Account.email,
        members.correlate(Organization).scalar_subquery().label("members"),
        licenses.correlate(Organization).scalar_subquery().label("licenses"),
    )  # fmt: skip
    return with_administrator(rows.select_from(Organization))


def with_administrator(query: Any) -> Any:
    """The query with the account of the administrator beside each organization."""
    holds = (Member.organization_id == Organization.id) & (Member.role == ADMINISTRATOR) & Member.ended_at.is_(None)
    return query.outerjoin(Member, holds).outerjoin(Account, Account.id == Member.account_id)
