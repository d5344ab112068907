"""The state of a license in the words of the screen: Active, Starts on, Expires in n days, Expired, Revoked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask_babel import gettext as _

from core.dates import today
from core.pages.words import day, ngettext
from models import ENDS_SOON_DAYS, License

ENDING, AHEAD, ACTIVE, EXPIRED, REVOKED = range(5)  # in the order of need


@dataclass(frozen=True, slots=True)
class State:
    """A state as its badge shows it; `rank` orders by need, `days` are left until the end, None without an end."""

    rank: int
    word: str
    tone: str
    note: str = ""
    is_open: bool = False
    days: int | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing runs on it any more."""
        return self.rank in (EXPIRED, REVOKED)


def state_of(license: License, now: datetime, zone: str) -> State:
    """The state of a redeemed license; `zone` is its owner's, in which its days begin and end."""
    days = (license.end_on - today(now, zone)).days if license.end_on is not None else None
    if license.key.revoked_at is not None:
        note = _("by the vendor, %(day)s", day=day(license.key.revoked_at))
        return State(REVOKED, _("Revoked"), "bad", note)
    if license.is_over(now):
        return State(EXPIRED, _("Expired"), "off", is_open=True)
    if license.is_ahead(now):
        return State(AHEAD, _("Starts on %(day)s", day=day(license.start_on)), "info", is_open=True, days=days)
    if days is not None and days <= ENDS_SOON_DAYS:
        return State(ENDING, ends_in(days), "warn", days=days)
    return State(ACTIVE, _("Active"), "ok", days=days)


def ends_in(days: int) -> str:
    """How soon it ends."""
    if days < 1:
        return str(_("Expires today"))
    return str(ngettext("Expires in %(num)s day", "Expires in %(num)s days", days))
