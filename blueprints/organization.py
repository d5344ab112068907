"""Creating an organization, and what a member sees of his own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from flask import Blueprint, Response, flash, make_response, render_template, request, url_for
from flask_babel import gettext as _

from core import mail, personal
from core.dates import is_zone, now, today
from core.db import db
from core.errors import NotAllowed, RuleBroken
from core.forms import countries, drafts, key_entry
from core.forms.key_entry import FIELD, Entered
from core.forms.key_results import Results
from core.forms.organization_forms import checked, typed, zone_choices
from core.guard import own_desk
from core.pages.answers import away
from core.pages.htmx import htmx, vary
from core.people import actor, me
from models import Account, Organization

bp = Blueprint("organization", __name__, url_prefix="/organization")


@bp.get("")
def index() -> str:
    """The person's organization, or that there is none."""
    if me().organization_id is None:
        waiting = [] if me().is_operator else personal.waiting(db.session, me().email, now())
        return render_template("organization/none.html", invitations=waiting)
    desk = own_desk()
    return render_template("organization/index.html", organization=desk.organization, member=desk.me)


@bp.get("/leave")
def leave() -> str:
    """Ask before one's own participation ends."""
    desk = own_desk()
    desk.me.check_may_leave()
    title = _("Leave %(name)s?", name=desk.organization.name)
    held = sum(1 for each in desk.me.permissions if each.suspended_at is None)
    return render_template(
        "organization/leave.html", organization=desk.organization, member=desk.me, title=title, held=held
    )


@bp.post("/leave")
def leave_submit() -> Response:
    """End one's own participation."""
    desk = own_desk()
    desk.me.leave(desk.actor, now())
    mail.left(desk.me)
    db.session.commit()
    return away(url_for(".index"), said=_("You have left %(name)s.", name=desk.organization.name))


@bp.get("/create")
def create() -> Any:
    """Ask for a permission key; one that was entered elsewhere is filled in."""
    return led_elsewhere("") or page(drafts.kept())


@bp.post("/create/validate")
def validate() -> Any:
    """Show what is in the key, with the form that creates the organization; nothing is consumed."""
    key_entry.count(actor())
    text = request.form.get(FIELD, "")
    return led_elsewhere(text) or page(text, entered(text))


@bp.get("/create/validate")
def validated() -> Response:
    """Whoever comes back to the address of the answer, as after signing in anew, begins again."""
    return away(url_for(".create"))


@bp.post("/create")
def create_submit() -> Any:
    """Create the organization and redeem the key, in one go or not at all."""
    key_entry.count(actor())
    text = request.form.get(FIELD, "")
    if (answer := led_elsewhere(text)) is not None:
        return answer
    entries = entered(text)
    try:
        organization = founded(entries[0])
    except RuleBroken as refused:
        db.session.rollback()
        return refusal(text, refused)
    db.session.commit()
    # The first key founds it; the others wait in the field of Products, where their new owner adds them.
    keep_for_products(entries[1:])
    return away(
        url_for("products.index"), said=_("%(name)s is created, and you are its administrator.", name=organization.name)
    )


def entered(text: str) -> list[Entered]:
    """The keys, of which the person may own some already."""
    return key_entry.read(text, day(), db.session.get_one(Account, me().id))


def founded(entered: Entered) -> Organization:
    """The new organization.

    :raise RuleBroken: when the key, the profile or the person does not allow it.
    """
    if entered.key is None or entered.problem is not None:
        raise entered.problem or RuleBroken(_("Enter a permission key."), field=FIELD)
    account = db.session.get_one(Account, me().id)
    return Organization.create(account, entered.key, checked(request.form), actor(), now(), day())


def refusal(text: str, refused: RuleBroken) -> Any:
    """Why nothing was created; of two forms sent at once, the second is led to what the first one made."""
    member = db.session.get_one(Account, me().id).membership
    if member is not None:
        return for_member(member.organization, member.may_administer, text)
    return page(text, entered(text), refused)


def led_elsewhere(text: str) -> Any:
    """What somebody is answered who creates no organization here; None for everybody else.

    :raise NotAllowed: for an operator.
    """
    if me().is_operator:
        raise NotAllowed(_("An operator belongs to no organization."))
    if me().organization_id is None:
        return None
    return for_member(db.session.get_one(Organization, me().organization_id), me().may_administer, text)


def for_member(organization: Organization, may_administer: bool, text: str) -> Any:
    """An administrator is led to Products with the keys that he entered; a member has to leave first."""
    if not may_administer:
        return render_template("organization/member.html", organization=organization), 409
    if text.strip():
        keep_for_products(each for each in key_entry.read(text, day(), organization) if not each.is_owned)
    return away(url_for("products.index"))


def keep_for_products(entries: Iterable[Entered]) -> None:
    """Have these keys in the field of Products, and no others."""
    drafts.take()
    if rest := "\n".join(each.typed for each in entries):
        drafts.keep(rest)


def day() -> date:
    """Today, in the zone of the form, else of the person."""
    zone = request.form.get("zone", "")
    return today(now(), zone if is_zone(zone) else me().zone)


def page(text: str, entries: Sequence[Entered] = (), refused: RuleBroken | None = None) -> Response:
    """The page, or its content for htmx; the first key decides, the others are for later."""
    first = entries[0] if entries else None
    results = Results(entries[:1], day()) if entries else None
    profile = suggested() | typed(request.form)
    if results is not None and results.said and htmx.wants_fragment:
        flash(results.said, results.said_to)
    content = render_template(
        "organization/_create.html" if htmx.wants_fragment else "organization/create.html",
        text=text, results=results, refused=refused, others=len(entries) - 1,
        reason=key_entry.why_organization(first.key) if first is not None and first.key is not None else "",
        profile=profile, zones=zone_choices(profile["zone"]), countries=countries.choices(),
    )  # fmt: skip
    status = refused.status if refused is not None else results.status if results is not None else 200
    return vary(make_response(content, status))


def suggested() -> dict[str, str]:
    """What the form begins with: the person's company and time zone."""
    account = db.session.get_one(Account, me().id)
    return {"name": account.company, "zone": account.zone, "country": ""}
