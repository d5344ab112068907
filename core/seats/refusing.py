"""Why there is no seat: a code and a sentence for each thing that can be in the way."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask_babel import gettext as _
from flask_babel import ngettext

from core import signing
from core.denials import Denied
from core.leases import COOL_DOWN, DISABLED, KEY_REVOKED, LEFT, LINE_EXPIRED, REMOVED, WITHDRAWN
from core.pages.words import day, moment
from core.rights import Condition
from core.seats.request import Line, Request

#: Which of several refusals is told: the one that the person can do most about.
URGENCY = (
    "device_limit", "cooling_down", "no_seat_available", "membership_disabled", "not_a_member", "no_permission",
)  # fmt: skip


def check_caller(request: Request) -> None:
    """Refuse who may ask for nothing at all.

    :raise Denied: token_invalid, unknown_product, or device_conflict.
    """
    facts, asking = request.facts, request.asking
    if (refused := of_account(request) or of_product(request)) is not None:
        raise refused
    if facts.bound_device_id not in (None, facts.device_id):
        raise cloned()
    known = {key for key in (facts.public_key, asking.public_key) if key}
    if len(known) > 1 or (facts.bound_key and {signing.thumbprint(key) for key in known} - {facts.bound_key}):
        raise cloned()


def check_known(request: Request) -> None:
    """Refuse a launch's number that stands for something else.

    :raise Denied: lease_id_conflict, or device_conflict.
    """
    facts = request.facts
    if facts.known_id is None:
        return
    if not request.is_ours or facts.known_product_id != facts.product_id:
        raise Denied("lease_id_conflict", _("Another application’s session has this number."))
    if facts.known_device_id != facts.device_id:
        raise cloned()


def busy() -> Denied:
    """Too many asked for the same thing at once; nothing was changed."""
    return Denied("maintenance", _("The portal is busy. Try again."), retry_after_s=1)


def of_account(request: Request) -> Denied | None:
    """Why nothing is answered to this account; None while it is in order."""
    return signed_out() if request.facts.blocked_at is not None or request.facts.deleted_at is not None else None


def of_product(request: Request) -> Denied | None:
    """That the product is none; None when it is one."""
    facts = request.facts
    if facts.product_id is None:
        return Denied("unknown_product", _("There is no product “%(code)s”.", code=request.asking.product))
    # A station's key is for one product.
    is_another = request.caller.station_id is not None and facts.station_product_id != facts.product_id
    return no_permission(request) if is_another else None


def signed_out() -> Denied:
    """The token, or what it stands for, has ended."""
    return Denied("token_invalid", _("Sign in again."))


def cloned() -> Denied:
    """A device that is known by another key, or that went back in time."""
    return Denied("device_conflict", _("Another computer uses this one’s name. Sign in again on this one."))


def of_membership(request: Request) -> Denied | None:
    """Why the organization's licenses are out of reach; None when they are not."""
    facts = request.facts
    if request.caller.station_id is not None or request.caller.organization_id is None:
        return None
    if facts.member_id is None:
        return Denied("not_a_member", _("You are no longer a member of the organization."))
    if facts.disabled_at is not None:
        return Denied("membership_disabled", _("You are disabled. An administrator can change that."))
    return None


def of_line(request: Request, line: Line) -> Denied | None:
    """Why a license gives the asker nothing, whatever is free on it; None when it may."""
    if not line.is_personal and (refused := of_membership(request)) is not None:
        return refused
    return next((refused for check in CHECKS.values() if (refused := check(request, line)) is not None), None)


class NotNow(Denied):
    """The license does not run at this time; a permission would not help."""


def _of_dates(request: Request, line: Line) -> Denied | None:
    words = _not_now(line, request.now)
    return NotNow("no_permission", words) if words is not None else None


def _of_permission(request: Request, line: Line) -> Denied | None:
    # A station has no permissions, and of named seats none.
    if line.is_floating or line.is_personal or line.row.permission_id is not None:
        return None
    return no_permission(request)


def _of_cooling(request: Request, line: Line) -> Denied | None:
    if line.row.cooled_at is None:
        return None
    left = line.row.cooled_at + COOL_DOWN - request.now
    return Denied("cooling_down", _("Your session was ended. Try again in a few minutes."),
                  retry_after_s=math.ceil(left.total_seconds()))  # fmt: skip


#: What a license itself can have against the asker, under the names of the steps, in their order.
CHECKS: dict[str, Callable[[Request, Line], Denied | None]] = {
    "dates": _of_dates, "permission": _of_permission, "cool_down": _of_cooling,
}  # fmt: skip


def _not_now(line: Line, now: datetime) -> str | None:
    state = line.condition(now)
    if state is Condition.REVOKED:
        return str(_("It was withdrawn by the vendor."))
    if state is Condition.EXPIRED:
        return str(_("It ended on %(day)s.", day=day(line.row.end_on)))
    return str(_("It starts on %(day)s.", day=day(line.row.start_on))) if state is Condition.AHEAD else None


def no_permission(request: Request) -> Denied:
    """Nothing of the product is the asker's."""
    return Denied("no_permission", _("You have no permission for %(product)s.", product=request.facts.product))


def nothing(request: Request) -> Denied:
    """There is no license of the product that could have a seat."""
    return of_membership(request) or no_permission(request)


def full(request: Request, line: Line, used: int, next_release: datetime | None) -> Denied:
    """Every seat of a license is in use, or kept for somebody; the next one may come free at `next_release`."""
    row, product = line.row, request.facts.product
    if not row.seats:
        words = _("%(product)s has no seats.", product=product)
    elif used < row.seats:
        words = _("The free seats of %(product)s are kept for others.", product=product)
    else:
        words = ngettext("The only seat of %(product)s is in use.", "All %(num)s seats of %(product)s are in use.",
                         row.seats, product=product)  # fmt: skip
    return Denied("no_seat_available", words, seats=row.seats, used=used, next_expected_release=next_release)


def elsewhere(request: Request, line: Line, held: Any) -> Denied:
    """The asker's own seat serves another device."""
    since = moment(held.held_taken_at, request.facts.own_zone if line.is_personal else request.facts.zone)
    words = _("Your seat is in use on %(device)s since %(time)s.", device=held.held_device_name, time=since)
    return Denied("device_limit", words, device=held.held_device_name, since=held.held_taken_at)


def ended(reason: str) -> Denied:
    """The session is over, and asking again does not change that."""
    words = {
        DISABLED: _("You were disabled."),
        REMOVED: _("You were removed from the organization."),
        LEFT: _("You left the organization."),
        WITHDRAWN: _("Your permission was withdrawn."),
        KEY_REVOKED: _("The license was withdrawn by the vendor."),
        LINE_EXPIRED: _("The license has expired."),
    }
    return Denied("lease_ended", words.get(reason, _("The session was ended.")), reason=reason)


def worst(refusals: list[Denied]) -> Denied:
    """The refusal to tell, of several; where there is a license that runs, not the dates of another one.

    Of several full licenses it says when the first seat of any of them is expected.
    """
    urgency = {code: place for place, code in enumerate(URGENCY)}
    told = min(refusals, key=lambda each: (urgency.get(each.code, len(URGENCY)), isinstance(each, NotNow)))
    if told.code == "no_seat_available":
        releases = [each.facts["next_expected_release"] for each in refusals if each.code == told.code]
        told.facts["next_expected_release"] = min(filter(None, releases), default=None)
    return told
