"""Organization Profile in Admin Space: name, time zone and whom to reach."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _

from core.dates import now
from core.db import db
from core.errors import BadInput
from core.forms import countries
from core.forms.organization_forms import FIELDS, checked, typed, zone_choices
from core.guard import Desk, admin_desk
from core.pages.words import ngettext

bp = Blueprint("organization_profile", __name__, url_prefix="/admin/settings")


@bp.get("")
def index() -> str:
    """The profile, to be changed."""
    desk = admin_desk()
    return page(desk, current(desk))


@bp.post("")
def edit() -> Any:
    """Change the profile."""
    desk = admin_desk()
    before = desk.organization.zone
    try:
        desk.organization.edit(current(desk) | checked(request.form), desk.actor, now())
    except BadInput as refused:
        db.session.rollback()
        return page(desk, current(desk) | typed(request.form), refused), refused.status
    db.session.commit()
    flash(saved(desk, before))
    return redirect(url_for(".index"), 303)


def current(desk: Desk) -> dict[str, str]:
    """The profile as it is."""
    return {name: getattr(desk.organization, name) for name in FIELDS}


def saved(desk: Desk, before: str) -> str:
    """What happened; another time zone moved the days of the licenses."""
    zone, licenses = desk.organization.zone, len(desk.organization.licenses)
    if zone == before or not licenses:
        return str(_("The profile is saved."))
    return str(
        ngettext(
            "The profile is saved. The days of %(num)s license now begin and end in %(zone)s.",
            "The profile is saved. The days of %(num)s licenses now begin and end in %(zone)s.",
            licenses,
            zone=zone,
        )
    )


def page(desk: Desk, profile: Mapping[str, str], refused: BadInput | None = None) -> str:
    """The page, with what was typed when it was refused."""
    return render_template(
        "organization_profile/index.html", profile=profile, zones=zone_choices(profile["zone"]),
        countries=countries.choices(), wrong={refused.field: refused.message} if refused else {},
        created_at=desk.organization.created_at,
    )  # fmt: skip
