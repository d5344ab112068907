"""The operator's register of letters: searched by recipient, filtered by state, read page by page, newest first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, Select, func, select

from core import mail
from core.dates import now, today
from core.db import db
from core.mailing import outbox
from core.mailing.outbox import DROPPED, FAILED, KEPT, SENT, WAITING, Outbox
from core.pages.words import ngettext, short_day, time
from core.people import me
from models import Member, Organization

PAGE = 50
STATES = (WAITING, FAILED, SENT)

#: What a letter is about; functions, because the reader's language is not known yet.
TITLES: dict[str, Callable[[str], str]] = {
    mail.INVITATION: lambda name: _("Invitation to %(name)s", name=name),
    mail.CONFIRMED: lambda name: _("Invitation to %(name)s confirmed", name=name),
    mail.DECLINED: lambda name: _("Invitation to %(name)s declined", name=name),
    mail.DISABLED: lambda name: _("Disabled in %(name)s", name=name),
    mail.ENABLED: lambda name: _("Enabled in %(name)s", name=name),
    mail.REMOVED: lambda name: _("Removed from %(name)s", name=name),
    mail.LEFT: lambda name: _("Somebody left %(name)s", name=name),
    mail.CO_ADMIN: lambda name: _("Co-administrator of %(name)s", name=name),
    mail.NO_LONGER_CO_ADMIN: lambda name: _("No longer co-administrator of %(name)s", name=name),
    mail.TRANSFERRED: lambda name: _("Another administrator of %(name)s", name=name),
    mail.KEY_REVOKED: lambda _name: _("Permission key withdrawn"),
    mail.KEY_REINSTATED: lambda _name: _("Permission key good again"),
    mail.LICENSE_CHANGED: lambda _name: _("License changed"),
    mail.CONFIRM: lambda _name: _("Confirm the address of a new account"),
    mail.ALREADY_REGISTERED: lambda _name: _("There is an account already"),
    mail.RESET: lambda _name: _("Set a new password"),
    mail.PASSWORD_CHANGED: lambda _name: _("Password changed"),
    mail.CHANGE_EMAIL: lambda _name: _("Confirm another address"),
    mail.EMAIL_NOTICE: lambda _name: _("Notice of another address"),
    mail.BLOCKED: lambda _name: _("Account blocked"),
    mail.UNBLOCKED: lambda _name: _("Account open again"),
    mail.FAREWELL: lambda _name: _("Account deleted"),
    mail.TEST: lambda _name: _("Test"),
    mail.ACCESS_ASKED: lambda name: _("A request for access in %(name)s", name=name),
    mail.ACCESS_GRANTED: lambda _name: _("A request for access granted"),
    mail.ACCESS_DECLINED: lambda _name: _("A request for access declined"),
}


@dataclass(frozen=True, slots=True)
class Register:
    """One page of the register: prepared rows, and where the next page begins."""

    rows: list[dict[str, Any]]
    after: int | None


def find(q: str, state: str, after: int | None, sending: bool) -> Register:
    """The letters before the one with the id `after` that match a search and a state."""
    query = with_organization().where(*_matching(q, state)).order_by(Outbox.id.desc()).limit(PAGE + 1)
    found = list(db.session.execute(query if after is None else query.where(Outbox.id < after)))
    rows = [row(letter, name, sending) for letter, name in found[:PAGE]]
    return Register(rows, found[PAGE - 1][0].id if len(found) > PAGE else None)


def with_organization() -> Select[Outbox, str | None]:
    """Letters, each with the name of the organization that its member is or was in."""
    joined: Select[Any, Any] = select(Outbox, Organization.name).outerjoin(Member, Member.id == Outbox.member_id)
    return joined.outerjoin(Organization, Organization.id == Member.organization_id)


def row(letter: Outbox, organization: str | None, sending: bool) -> dict[str, Any]:
    """What the table and the page of a letter show of it."""
    state = outbox.state_of(letter, sending)
    tone, word, is_open = badge(state)
    return {
        "id": letter.id,
        "recipient": letter.recipient,
        "title": TITLES[letter.kind](organization or "…"),
        "tone": tone,
        "word": word,
        "is_open": is_open,
        "more": _more(letter, state),
        "made": moment(letter.made_at),
        "tried": moment(letter.tried_at) if letter.tried_at else _("Not tried yet"),
        "is_tried": letter.tried_at is not None,
        "is_kept": state == KEPT,
        "can_send": sending and state in (WAITING, FAILED),
        "is_failed": state == FAILED,
    }


def badge(state: str) -> tuple[str, str, bool]:
    """Tone, word, and whether the dot is a ring."""
    return {
        WAITING: ("warn", _("Waiting"), True),
        FAILED: ("bad", _("Not sent"), False),
        SENT: ("ok", _("Sent"), False),
        KEPT: ("off", _("Kept"), True),
        DROPPED: ("off", _("Not needed"), True),
    }[state]


def moment(at: datetime) -> str:
    """A time of today, or the day and the time, in the reader's zone."""
    is_today = today(at, me().shown_zone) == today(now(), me().shown_zone)
    return time(at) if is_today else str(_("%(day)s, %(time)s", day=short_day(at), time=time(at)))


@dataclass(frozen=True, slots=True)
class Outage:
    """The mail server takes nothing: how many letters wait for it, until when, and what it said."""

    waiting: int
    next_try: str
    words: str


def outage() -> Outage | None:
    """The outage that letters wait through now, None when there is none."""
    # A reason without a try: the server, not this letter, is waited for. All of them have the same words.
    held = (Outbox.next_try_at.is_not(None), Outbox.tries == 0, Outbox.failed_reason.is_not(None))
    query = select(func.count(), func.min(Outbox.next_try_at), func.max(Outbox.failed_reason)).where(*held)
    waiting, next_try, words = db.session.execute(query).one()
    return Outage(waiting, moment(next_try), words or "") if next_try is not None else None


def _matching(q: str, state: str) -> list[ColumnElement[bool]]:
    conditions = [Outbox.recipient.icontains(word, autoescape=True) for word in q.split()]
    states = {
        WAITING: Outbox.next_try_at.is_not(None),
        FAILED: Outbox.failed_at.is_not(None),
        SENT: Outbox.sent_at.is_not(None),
    }
    return [*conditions, *([states[state]] if state in states else [])]


def _more(letter: Outbox, state: str) -> str:
    """The line below the state: what was said, or what comes next."""
    if state == WAITING and letter.failed_reason and letter.next_try_at:
        time = moment(letter.next_try_at)
        return str(_("Next try at %(time)s. %(words)s", time=time, words=letter.failed_reason))
    if state == SENT and letter.tries > 1:
        return str(ngettext("After %(num)s try", "After %(num)s tries", letter.tries))
    if state == DROPPED:
        return str(_("Answered, withdrawn or replaced before it left"))
    return (letter.failed_reason or "") if state == FAILED else ""
