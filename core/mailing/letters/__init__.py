"""A row of the outbox becomes a letter: subject, text and HTML, in the row's language, with links made now."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formataddr, parseaddr
from functools import partial
from typing import Any

from flask import current_app
from flask_babel import force_locale
from flask_mail import Message
from sqlalchemy.orm import Session

from core import addresses, mail
from core.mailing.letters import access, accounts, licenses, members
from core.mailing.letters.parts import Content, NotNeeded, Writing
from core.mailing.outbox import Outbox
from core.pages.languages import tag
from core.settings import Settings

WIDTH = 76
SUBJECT_LENGTH = 150
_GAPS = re.compile(r"\n{3,}")
AUTOMATIC = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}


WRITERS: dict[str, Callable[[Writing], Content]] = {
    mail.INVITATION: members.invitation,
    mail.CONFIRMED: members.confirmed,
    mail.DECLINED: members.declined,
    mail.DISABLED: members.disabled,
    mail.ENABLED: members.enabled,
    mail.REMOVED: members.removed,
    mail.LEFT: members.left,
    mail.CO_ADMIN: members.co_admin,
    mail.NO_LONGER_CO_ADMIN: members.no_longer_co_admin,
    mail.TRANSFERRED: members.transferred,
    mail.KEY_REVOKED: licenses.key_revoked,
    mail.KEY_REINSTATED: licenses.key_reinstated,
    mail.LICENSE_CHANGED: licenses.license_changed,
    mail.CONFIRM: accounts.confirm,
    mail.ALREADY_REGISTERED: accounts.already_registered,
    mail.RESET: accounts.reset,
    mail.PASSWORD_CHANGED: accounts.password_changed,
    mail.CHANGE_EMAIL: accounts.change_email,
    mail.EMAIL_NOTICE: accounts.email_notice,
    mail.BLOCKED: accounts.blocked,
    mail.UNBLOCKED: accounts.unblocked,
    mail.FAREWELL: accounts.farewell,
    mail.TEST: accounts.probe,
    mail.ACCESS_ASKED: access.asked,
    mail.ACCESS_GRANTED: access.granted,
    mail.ACCESS_DECLINED: access.declined,
}


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter that is ready; `url` is the link in it that is to be acted on."""

    subject: str
    text: str
    html: str
    url: str


def render(
    session: Session, row: Outbox, settings: Settings, *, masked: bool = False, width: int = WIDTH
) -> Letter | None:
    """The letter, or None when it is no longer needed; masked, its secret link is “(link)” and it is always needed."""
    with force_locale(row.locale):
        try:
            content = WRITERS[row.kind](Writing(session, row, settings, masked))
        except NotNeeded:
            return None
        context = {
            "letter": content,
            "portal_name": settings.portal_name,
            "lang": tag(row.locale),
            "wrapped": partial(wrapped, width=width),
        }
        return Letter(
            shortened(content.heading),
            _GAPS.sub("\n\n", _filled("mail/letter.txt", context)).strip() + "\n",
            _filled("mail/letter.html", context),
            content.url,
        )


def message(letter: Letter, row: Outbox, settings: Settings) -> Message:
    """What is handed to the mail server; every try of a row is the same message, with the same id and date."""
    name, address = parseaddr(settings.mail_from)
    made = Message(
        subject=letter.subject,
        recipients=[ascii_domain(row.recipient)],
        sender=formataddr((name or settings.portal_name, address)),
        body=letter.text,
        html=letter.html,
        date=row.made_at.timestamp(),
        extra_headers=AUTOMATIC,
    )
    made.msgId = row.message_id
    return made


def shortened(heading: str) -> str:
    """A heading as a subject: cut where it is too long, in a word that has no end too."""
    heading = " ".join(heading.split())  # a header is one line, whatever stands in a row
    return heading if len(heading) <= SUBJECT_LENGTH else heading[: SUBJECT_LENGTH - 1].rstrip() + "…"


def wrapped(text: str, width: int = WIDTH) -> str:
    """A paragraph in lines of a letter's width; what has no space in it stays whole."""
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)


def ascii_domain(address: str) -> str:
    """The address with the domain as servers write it; what stands before the @ is as it was typed."""
    return address.rpartition("@")[0] + "@" + addresses.key(address).rpartition("@")[2]


def _filled(template: str, context: dict[str, Any]) -> str:
    # Not render_template: a letter is written by the worker too, where there is no request to fill a page's frame.
    return current_app.jinja_env.get_template(template).render(context)
