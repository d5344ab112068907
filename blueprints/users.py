"""Users: the list of members, invitations by a pasted list, and one address per row action."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, request
from flask_babel import gettext as _

from core import access, invitation_links, mail
from core.dates import now
from core.db import db
from core.errors import BadInput, RuleBroken
from core.forms import pasted
from core.guard import Desk, admin_desk
from core.lists import roster_page, what_ends
from core.lists.roster import Wanted
from core.pages.answers import answer, away, rule_broken, saying_when
from core.pages.htmx import fire, htmx, say, vary
from core.pages.words import day, ngettext
from core.people import initials
from models import CO_ADMINISTRATOR, DISABLED, INVITATION_AGE, Member, Permission

bp = Blueprint("users", __name__, url_prefix=roster_page.HOME)


# ── the page ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@bp.get("")
def page() -> str:
    """Everybody, 50 at a time, and what became of the paste before."""
    desk = admin_desk()
    return roster_page.page(desk, roster_page.wanted(request.args), **pasted.recall())


@bp.get("/counts")
def counts() -> str:
    """The tabs and the sentence in the heading, after a row changed."""
    return roster_page.counts(admin_desk(), roster_page.wanted(request.args))


@bp.post("")
def invite() -> Response:
    """Invite a pasted list; every address gets its line, good ones go through whatever the others are."""
    text = request.form.get("emails", "")
    try:
        entries = pasted.checked(text)
        enough = pasted.count(entries)
    except RuleBroken as refused:
        context = {"typed": text, "error": str(refused.message), "results": None}
        return saying_when(_pasted(admin_desk(), context, refused.status), refused)
    desk = admin_desk()
    outcomes = pasted.invite(desk, entries, enough, now())
    db.session.commit()
    return _pasted(desk, pasted.shown(outcomes, desk.me), pasted.status(outcomes))


def _pasted(desk: Desk, context: dict[str, Any], status: int) -> Response:
    """The form with its results: for htmx the card, after which the list looks again; else a redirect or a page."""
    if htmx.wants_fragment:
        response = fire(vary(make_response(render_template("users/_invite.html", **context), status)), "roster")
        return say(response, context["results"].heading, unseen=True) if context["results"] else response
    if status < 400 and pasted.remember(context):
        return vary(make_response(redirect(roster_page.HOME, 303)))
    return make_response(roster_page.page(desk, Wanted(), **context), status)


# ── one click ────────────────────────────────────────────────────────────────────────────────────────────────────────


@bp.post("/<int:member_id>/disable")
def disable_submit(member_id: int) -> Response:
    """Stop a participation; what it held is free at once, what it runs ends when there was time to save."""
    desk = admin_desk(member_id)
    member = desk.member(member_id)
    before, ending = member.state, what_ends.ending(member)
    freed = member.disable(desk.actor, desk.me, now())
    if before != DISABLED:
        mail.disabled(member)
    return _changed(desk, member, _("%(name)s is disabled.", name=member.shown_name), ending, what_ends.freed(freed))


@bp.post("/<int:member_id>/enable")
def enable(member_id: int) -> Response:
    """Readmit somebody; what he had is offered, not given."""
    desk = admin_desk(member_id)
    member = desk.member(member_id)
    before = member.state
    member.enable(desk.actor, now())
    if before == DISABLED:
        mail.enabled(member)
    said = _("%(name)s is enabled.", name=member.shown_name)
    # Pressed in the results of a paste: there is no row of the table to be replaced.
    if htmx.target == f"outcome-{member_id}":
        db.session.commit()
        lines = [pasted.enabled(member)]
        return fire(answer("users/_outcomes.html", roster_page.HOME, said=said, lines=lines), "roster")
    return _changed(desk, member, said)


@bp.post("/<int:member_id>/restore")
def restore(member_id: int) -> Response:
    """Give back what still fits of what somebody had before."""
    desk = admin_desk(member_id)
    member = desk.member(member_id)
    back, rest = member.restore(desk.actor, now())
    for asked in access.answer_given(db.session, [member_id], [each.license_id for each in back], desk.actor, now()):
        mail.access_answered(asked)
    said = ngettext("%(num)s permission is back.", "%(num)s permissions are back.", len(back))
    return _changed(desk, member, said, *(_not_back(permission, why) for permission, why in rest))


def _not_back(permission: Permission, why: Any) -> str:
    license = permission.license
    return f"{license.product.name} {license.word}: {why}"


@bp.post("/<int:member_id>/resend")
def resend(member_id: int) -> Response:
    """Invite again by a new link; the old one is dead."""
    desk = admin_desk(member_id)
    member = desk.member(member_id)
    pasted.count_one(member)
    member.resend(desk.actor, desk.me, now())
    mail.invitation(member, now())
    said = _("A new link for %(email)s replaces the earlier one, which no longer works.", email=member.email)
    return _changed(desk, member, said)


@bp.post("/<int:member_id>/link")
def link(member_id: int) -> Response:
    """The link of an invitation, to hand over by another way than mail."""
    desk = admin_desk(member_id)
    member = desk.member(member_id)
    nonce = member.hand_out_link(desk.actor, now())
    db.session.commit()
    until = day(member.invited_at + INVITATION_AGE)
    context = {"member": member, "link": invitation_links.copied(member.id, nonce), "until": until}
    name = "users/_link.html" if htmx.wants_fragment else "users/link.html"
    return vary(make_response(roster_page.question(name, **context)))


# ── asks first ───────────────────────────────────────────────────────────────────────────────────────────────────────


@bp.get("/<int:member_id>/co-admin")
def co_admin(member_id: int) -> str:
    """Ask, naming whom it replaces."""
    desk = admin_desk(member_id)
    member, former = desk.member(member_id), desk.organization.holder_of(CO_ADMINISTRATOR)
    title = _("Make %(name)s co-administrator?", name=member.shown_name)
    if former is None:
        return roster_page.question("users/co_admin.html", member=member, former=None, title=title)
    title = _("Make %(name)s co-administrator instead of %(former)s?", name=member.shown_name, former=former.shown_name)
    return roster_page.question(
        "users/co_admin.html", member=member, former=former, title=title, face=initials(member.shown_name),
        former_face=initials(former.shown_name), kept=what_ends.kept(former),
    )  # fmt: skip


@bp.post("/<int:member_id>/co-admin")
def co_admin_submit(member_id: int) -> Response:
    """Appoint the one co-administrator in place of whom the form named; two rows change."""
    # Whom the question named. Somebody else by now is a refusal, not a replacement that nobody asked for.
    replaced = _replaced()
    desk = admin_desk(member_id, *([replaced] if replaced else []))
    member = desk.member(member_id)
    before = member.role
    former = member.make_co_administrator(replaced, desk.actor, desk.me, now())
    if before != member.role:
        mail.co_admin(member, former)
    said = _("%(name)s is co-administrator now.", name=member.shown_name)
    if former is not None:
        said += " " + _("%(name)s is a member now.", name=former.shown_name)
    context = roster_page.table(desk, roster_page.wanted_before()) if htmx.wants_fragment else {}
    db.session.commit()
    return answer("users/_table.html", roster_page.address_before(member.id), said=said, **context)


def _replaced() -> int | None:
    text = request.form.get("replaces", "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadInput(_("This form is out of date. Load the page again."))
    return int(text) if text else None


@bp.get("/<int:member_id>/member")
def member(member_id: int) -> str:
    """Ask before the co-administrator's role is taken back."""
    desk = admin_desk(member_id)
    found = desk.member(member_id)
    title = _("Is %(name)s no longer co-administrator?", name=found.shown_name)
    return roster_page.question("users/member.html", member=found, title=title, is_me=found.id == desk.me.id)


@bp.post("/<int:member_id>/member")
def member_submit(member_id: int) -> Response:
    """Take the co-administrator's role back; whoever gives up his own leaves Admin Space."""
    desk = admin_desk(member_id)
    found = desk.member(member_id)
    before = found.role
    found.make_member(desk.actor, now())
    if before != found.role:
        mail.no_longer_co_admin(found)
    said = _("%(name)s is no longer co-administrator.", name=found.shown_name)
    if found.id != desk.me.id:
        return _changed(desk, found, said)
    db.session.commit()
    return away("/organization", said=said)


@bp.get("/<int:member_id>/disable")
def disable(member_id: int) -> str:
    """Ask before what somebody runs ends; who runs nothing is disabled with one click."""
    desk = admin_desk(member_id)
    found = desk.member(member_id)
    title = _("Disable %(name)s?", name=found.shown_name)
    return roster_page.question(
        "users/disable.html", member=found, title=title, freed=what_ends.taken_back(found), ends=what_ends.ends(found)
    )


@bp.get("/<int:member_id>/remove")
def remove(member_id: int) -> str:
    """Ask before a participation ends."""
    desk = admin_desk(member_id)
    found = desk.member(member_id)
    title = _("Remove %(name)s?", name=found.shown_name)
    return roster_page.question(
        "users/remove.html", member=found, title=title, freed=what_ends.taken_back(found), ends=what_ends.ends(found)
    )


@bp.post("/<int:member_id>/remove")
def remove_submit(member_id: int) -> Response:
    """End a participation; what it held is free at once, what it runs ends when there was time to save."""
    desk = admin_desk(member_id)
    found = desk.member(member_id)
    ending = what_ends.ending(found)
    freed = found.remove(desk.actor, desk.me, now())
    mail.removed(found)
    return _changed(desk, found, _("%(name)s is removed.", name=found.shown_name), ending, what_ends.freed(freed))


@bp.get("/<int:member_id>/withdraw")
def withdraw(member_id: int) -> str:
    """Ask before an invitation is taken back."""
    found = admin_desk(member_id).member(member_id)
    title = _("Withdraw the invitation of %(email)s?", email=found.email)
    return roster_page.question("users/withdraw.html", member=found, title=title)


@bp.post("/<int:member_id>/withdraw")
def withdraw_submit(member_id: int) -> Response:
    """Take an invitation back; its link is dead."""
    desk = admin_desk(member_id)
    found = desk.member(member_id)
    found.withdraw(desk.actor, now())
    return _changed(desk, found, _("The invitation of %(email)s is withdrawn.", email=found.email))


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _changed(desk: Desk, member: Member, *said: str) -> Response:
    """Commit, then the fresh row to htmx, after which the counts look again, and a redirect to a plain form."""
    rows = roster_page.row(desk, member.id) if htmx.wants_fragment and member.ended_at is None else []
    db.session.commit()
    to = roster_page.address_before(member.id)
    return fire(answer("users/_rows.html", to, said=" ".join(filter(None, said)), rows=rows), "counts")


@bp.errorhandler(RuleBroken)
def refused(error: RuleBroken) -> Response:
    """A rule said no to a row action: what is true now, and why, instead of what the page still showed."""
    is_elsewhere = request.endpoint == "users.link" or (htmx.target or "").startswith("outcome-")
    # Only a change that came too late leaves a row to be shown; everything else has a page or a message.
    if error.status != 409 or request.method == "GET" or (htmx.wants_fragment and is_elsewhere):
        return rule_broken(error)
    db.session.rollback()
    try:
        return _still(admin_desk(), error)
    except RuleBroken as also:
        return rule_broken(also)


def _still(desk: Desk, error: RuleBroken) -> Response:
    wanted, sentence = roster_page.wanted_before(), str(error.message)
    if not htmx.wants_fragment:
        return make_response(roster_page.page(desk, wanted, problem=sentence), error.status)
    if request.endpoint == "users.co_admin_submit":
        fragment = render_template("users/_table.html", **roster_page.table(desk, wanted))
    else:
        rows = roster_page.row(desk, (request.view_args or {}).get("member_id", 0))
        fragment = render_template("users/_rows.html", rows=rows)
    return say(vary(make_response(fragment, error.status)), sentence, bad=True)
