"""Permissions: who may run what. One section a license, one check box a person; every tick is a POST of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, abort, flash, make_response, redirect, render_template, request
from flask_babel import gettext as _

from core import access, mail
from core.dates import now
from core.db import db
from core.errors import BadInput, RuleBroken
from core.guard import Desk, admin_desk
from core.lists import sheet
from core.lists.sessions import consequences, on_given_seats
from core.lists.sheet import Sheet, View
from core.lists.sheet_words import Offer, facts_of, given, present, taken
from core.pages.answers import answer, refusal
from core.pages.htmx import htmx, vary
from core.pages.words import ngettext
from core.people import me
from core.refusals import HasAnother
from models import License, Member, Permission, line

bp = Blueprint("permissions", __name__, url_prefix="/admin/permissions")
HOME = "/admin/permissions"
SECTIONS = "permissions/_sections.html"
LONGEST_SEARCH = 200
Held = Sequence[Permission]
Act = Callable[[Desk, License, Member, Held], Callable[..., str]]


@bp.get("")
def index() -> str:
    """The sheet: everybody, a search, or one member."""
    desk, view = admin_desk(), view_of(request.args)
    member = desk.member(view.member) if view.member is not None else None
    found = sheet.read(db.session, desk.organization.id, view, now())
    context = {"view": view, "keep": fields_of(view), "sheet": found, "groups": present(found, view)}
    if member is not None:
        fits, rest = restorable(found)
        return render_template("permissions/member.html", member=member, fits=fits, rest=rest, **context)
    return render_template(
        "permissions/index.html", tabs=tabs_of(view), next=found.after and address(view, after=found.after),
        first=address(view, after=None), alone=not view.is_narrow and len(found.people) == 1, **context,
    )  # fmt: skip


@bp.post("/<int:license_id>")
def save(license_id: int) -> Response:
    """Apply all the ticks of one section, as a plain form sends them: what was changed on the page, and only that."""
    desk, view = admin_desk(), view_of(request.form)
    license = desk.license(license_id)
    ticked, had = numbers(request.form.getlist("tick")), numbers(request.form.get("had", "").split())
    # The page sends one page of boxes; without a bound one request could hold the organization's lock for thousands.
    if len(ticked | had) > 2 * sheet.PAGE:
        raise BadInput(_("These are more users than the page lists. Load it again."))
    if "sure" not in request.form and (running := on_given_seats(db.session, license_id, sorted(had - ticked), now())):
        return asked(license, running, view, ticked, had)
    count, refused = apply_ticks(desk, license, sorted(had - ticked), sorted(ticked - had))
    db.session.commit()
    to = address(view) + f"#license-{license_id}"
    asks = len(refused) == 1 and isinstance(next(iter(refused.values())), HasAnother)
    if refused and not count and not asks:
        return refusal(SECTIONS, to, next(iter(refused.values())))
    if count:
        flash(ngettext("%(num)s permission of %(product)s changed", "%(num)s permissions of %(product)s changed",
                       count, product=license.product.name))  # fmt: skip
    for each in refused.values():
        flash(str(each.message), "error")
    if asks:
        to = address(view, f"/{license_id}/{next(iter(refused))}/move")
    return make_response(redirect(to, 303))


@bp.post("/<int:license_id>/<int:member_id>/give")
def give(license_id: int, member_id: int) -> Response:
    """Tick: give a seat, or reserve one."""

    def act(desk: Desk, license: License, member: Member, held: Held) -> Callable[..., str]:
        license.give(member, desk.actor, now(), held)
        return given

    return change(license_id, member_id, act)


@bp.get("/<int:license_id>/<int:member_id>/take")
def take_ask(license_id: int, member_id: int) -> str:
    """Ask before what somebody runs on his seat ends; a tick on which nothing runs is taken back with one click."""
    desk, view = admin_desk(member_id), view_of(request.args)
    member, license = desk.member(member_id), desk.license(license_id)
    words = {"product": license.product.name, "name": member.shown_name}
    running = on_given_seats(db.session, license_id, [member_id], now())
    return render_template(
        "permissions/take.html", title=_("Take back %(product)s from %(name)s?", **words), button=_("Take back"),
        url=f"{HOME}/{license_id}/{member_id}/take", back=HOME, target=f"#product-{license.product_id}",
        keep=fields_of(view), fields=[], ends=consequences(running, now(), desk.organization.zone),
    )  # fmt: skip


@bp.post("/<int:license_id>/<int:member_id>/take")
def take(license_id: int, member_id: int) -> Response:
    """Take the tick back; the seat is free at once."""

    def act(desk: Desk, license: License, member: Member, held: Held) -> Callable[..., str]:
        license.take(member, desk.actor, now(), held)
        return taken

    return change(license_id, member_id, act)


@bp.get("/<int:license_id>/<int:member_id>/move")
def move_ask(license_id: int, member_id: int) -> str:
    """Ask whether the member's permission moves here from the license of the same product that he has."""
    desk, view = admin_desk(member_id), view_of(request.args)
    member = desk.member(member_id)
    lines = sheet.read(db.session, desk.organization.id, View(member=member.id), now()).lines
    if license_id not in lines:
        abort(404)
    box = next(iter(lines[license_id].boxes), None)
    return render_template(
        "permissions/move.html", line=lines[license_id], member=member, back=address(view), keep=fields_of(view),
        held=lines.get(box.other) if box and box.other else None, facts=facts_of,
    )  # fmt: skip


@bp.post("/<int:license_id>/<int:member_id>/move")
def move(license_id: int, member_id: int) -> Response:
    """Give a seat here in place of the one he has on another license of the product."""

    def act(desk: Desk, license: License, member: Member, held: Held) -> Callable[..., str]:
        license.move(member, desk.actor, now(), held)
        return moved

    return change(license_id, member_id, act)


# ── one change, one answer ───────────────────────────────────────────────────────────────────────────────────────────


def change(license_id: int, member_id: int, act: Act) -> Response:
    """Do one thing to one box and answer the licenses of that product, fresh, also when a rule refuses."""
    desk, view = admin_desk(member_id), view_of(request.form)
    license, held, is_asked = desk.organization.license_and_held(license_id, member_id)
    # Kept as numbers: after the rollback of a refusal each row would be read again.
    organization_id, product_id = desk.organization.id, license.product_id
    back = address(view) + f"#license-{license_id}"
    try:
        member = desk.member(member_id)
        says = act(desk, license, member, held)
        if is_asked:
            answer_requests(desk, [member_id], license)
    except RuleBroken as refused:
        db.session.rollback()
        if isinstance(refused, HasAnother) and not htmx.wants_fragment:
            flash(str(refused.message), "error")
            return vary(make_response(redirect(address(view, f"/{license_id}/{member_id}/move"), 303)))
        offer = Offer(license_id, member_id, str(refused.message)) if isinstance(refused, HasAnother) else None
        context = part_of(organization_id, product_id, view, license_id, member_id, offer)
        if offer and htmx.wants_fragment:  # the box beside the name says it, aloud too
            return vary(make_response(render_template(SECTIONS, **context), refused.status))
        return refusal(SECTIONS, back, refused, **context)
    context = part_of(organization_id, product_id, view, license_id, member_id)
    db.session.commit()
    said = says(context["sheet"].lines[license_id], member.shown_name)
    return answer(SECTIONS, back, said=said, fresh=member_id, **context)


def part_of(
    organization_id: int, product_id: int, view: View, license_id: int, member_id: int, offer: Offer | None = None
) -> dict[str, Any]:
    """What the fragment of one product needs."""
    part = sheet.read(db.session, organization_id, view, now(), product_id, keep=member_id)
    shown = present(part, view, license_id)
    return {"group": shown[0] if shown else None, "sheet": part, "keep": fields_of(view), "offer": offer}


def apply_ticks(desk: Desk, license: License, back: list[int], forth: list[int]) -> tuple[int, dict[int, RuleBroken]]:
    """Take back first, then give; returns how many changed, and what did not fit, by member."""
    refused: dict[int, RuleBroken] = {}
    done = 0
    for member_id in [*back, *forth]:
        try:
            member = desk.member(member_id)
            if member_id in back:
                done += license.take(member, desk.actor, now())
            else:
                license.give(member, desk.actor, now())
                done += 1
        except RuleBroken as broken:
            refused[member_id] = broken
    if forth:
        answer_requests(desk, forth, license)
    return done, refused


def answer_requests(desk: Desk, member_ids: Sequence[int], license: License) -> None:
    """Whoever asked for what he has now been given gets his answer."""
    for asked in access.answer_given(db.session, member_ids, [license.id], desk.actor, now()):
        mail.access_answered(asked)


def asked(license: License, running: Sequence[Any], view: View, ticked: set[int], had: set[int]) -> Response:
    """The question before a form's ticks end what runs, which sends the same form again."""
    names = len({each.account_id for each in running})
    title = ngettext("Take back the permission of %(num)s user who runs %(product)s?",
                     "Take back the permissions of %(num)s users who run %(product)s?",
                     names, product=license.product.name)  # fmt: skip
    fields = [("had", " ".join(map(str, sorted(had)))), *(("tick", each) for each in sorted(ticked)), ("sure", "1")]
    ends = consequences(running, now(), me().shown_zone, with_names=True)
    return make_response(
        render_template("permissions/take.html", title=title, button=_("Take back"), url=f"{HOME}/{license.id}",
                        back=HOME, target="", keep=fields_of(view), fields=fields, ends=ends)
    )  # fmt: skip


def moved(line: sheet.Line, name: str) -> str:
    """What happened, said aloud."""
    return str(_("%(name)s moved to %(product)s %(facts)s", name=name, product=line.product, facts=facts_of(line)))


def restorable(found: Sheet) -> tuple[list[str], list[str]]:
    """What one member had before he was disabled: what would fit now, and what would not."""
    fits: list[str] = []
    rest: list[str] = []
    for each in found.lines.values():
        if each.suspended:
            is_free = each.free > 0 and all(box.other is None for box in each.boxes)
            (fits if is_free else rest).append(f"{each.product} {each.type.word}")
    return fits, rest


# ── what part of the sheet is looked at ──────────────────────────────────────────────────────────────────────────────


def view_of(fields: Mapping[str, str]) -> View:
    """The view that an address or a form carries; what makes no sense is left out."""
    # Cleaned whole, then cut: a search that is too long is no fault to be told.
    q = line(fields.get("q"), field="q", required=False, longest=10_000)
    return View(
        q=q[:LONGEST_SEARCH], only=fields.get("only") == "1",
        after=number(fields.get("after")), member=number(fields.get("member")),
    )  # fmt: skip


def fields_of(view: View, **changes: Any) -> dict[str, str]:
    """The view as fields of a form or an address, only those that say something."""
    fields = {"q": view.q, "only": "1" if view.only else "", "after": view.after, "member": view.member, **changes}
    return {name: str(value) for name, value in fields.items() if value}


def address(view: View, path: str = "", **changes: Any) -> str:
    """The address of a view."""
    query = urlencode(fields_of(view, **changes))
    return HOME + path + (f"?{query}" if query else "")


def tabs_of(view: View) -> list[tuple[str, str, None, bool]]:
    """Everybody, or only those who have a permission."""
    everybody, ticked = address(view, only="", after=None), address(view, only="1", after=None)
    return [(everybody, _("All users"), None, not view.only), (ticked, _("Only ticked"), None, view.only)]


def numbers(words: list[str]) -> set[int]:
    """The ids among words."""
    return {found for word in words if (found := number(word)) is not None}


def number(word: str | None) -> int | None:
    """An id, or None for anything else."""
    return int(word) if word and word.isascii() and word.isdigit() and len(word) < 10 else None
