"""What becomes of somebody's seats and sessions when his participation ends: said before, and after."""

from __future__ import annotations

from flask_babel import gettext as _

from core.dates import now
from core.db import db
from core.lists import sessions
from core.pages.words import ngettext
from core.people import me
from models import ENABLED, Member


def ends(member: Member) -> list[str]:
    """What he runs, and what becomes of it, a sentence each."""
    running = sessions.of_member(db.session, member.organization_id, member.account_id, now())
    return sessions.consequences(running, now(), me().shown_zone)


def ending(member: Member) -> str:
    """What he runs and has time to save from now on; nothing for who runs nothing, or has his time already."""
    if not member.is_busy or member.state != ENABLED:
        return ""
    return sessions.said(sessions.of_member(db.session, member.organization_id, member.account_id, now()), now())


def freed(licenses: list[int]) -> str:
    """How many seats are free again."""
    if not licenses:
        return ""
    return str(ngettext("%(num)s seat is free again.", "%(num)s seats are free again.", len(licenses)))


def taken_back(member: Member) -> str:
    """How many permissions are taken back, and how many seats that frees."""
    held = sum(each.suspended_at is None for each in member.permissions)
    if not held:
        return str(_("No seat is held, so nothing becomes free."))
    taken = ngettext("%(num)s permission is taken back", "%(num)s permissions are taken back", held)
    free = ngettext("%(num)s seat becomes free", "%(num)s seats become free", held)
    return str(_("%(permissions)s, and %(seats)s.", permissions=taken, seats=free))


def kept(member: Member) -> str:
    """How many licenses stay his."""
    held = sum(each.suspended_at is None for each in member.permissions)
    return str(ngettext("%(num)s license", "%(num)s licenses", held))
