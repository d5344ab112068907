"""What the letters about keys and licenses say."""

from __future__ import annotations

from flask_babel import gettext as _

from core.mailing.letters.parts import Content, Writing, plain
from core.pages.words import day, number
from models import License, PermissionKey


def key_revoked(w: Writing) -> Content:
    """To those whose licenses are withdrawn."""
    return _about_key(
        w,
        _("A permission key was withdrawn"),
        _("The vendor withdrew it. Its licenses cannot be used; permissions are kept in case it becomes good again."),
    )


def key_reinstated(w: Writing) -> Content:
    """To those whose licenses are good again."""
    return _about_key(
        w,
        _("A permission key is good again"),
        _("The vendor took the withdrawal back. Its licenses can be used, and permissions are what they were."),
    )


def license_changed(w: Writing) -> Content:
    """To those whose license got another end or number of seats."""
    license = w.session.get(License, w.row.args.get("license"))
    if license is None:
        return _about_key(w, _("A license has changed"), "")
    end = day(license.end_on) if license.end_on else _("No end date")
    over = license.over_assigned
    text = [_("The vendor changed its expiration date or its seats.")]
    if over:
        text.append(_("It is over-assigned by %(count)s: take permissions back or add a key.", count=number(over)))
    facts = [
        (_("Serial number"), license.serial),
        (_("Seats"), number(license.seats)),
        (_("Expiration date"), str(end)),
    ]
    name = plain(license.product.name)
    heading = _("%(product)s %(type)s has changed", product=name, type=license.word)
    return Content(heading, text, facts, _("Products"), w.page(_products_path(w.key())))


def _about_key(w: Writing, heading: str, sentence: str) -> Content:
    key = w.key()
    names = {f"{plain(each.product.name)} {each.word}": None for each in key.licenses}
    facts = [(_("Permission key"), f"… {key.last_group}"), (_("Licenses"), ", ".join(names))]
    if key.organization is not None:
        facts.insert(0, (_("Organization"), plain(key.organization.name)))
    return Content(heading, [sentence], facts, _("Products"), w.page(_products_path(key)))


def _products_path(key: PermissionKey) -> str:
    return "/products" if key.organization_id is None else "/admin/products"
