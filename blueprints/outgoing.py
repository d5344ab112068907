"""Outgoing mail: what waits, what was sent, what could not be, in the mail server's words; and each letter to read."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, current_app, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _

from core import mail
from core.dates import now
from core.db import db
from core.guard import operator_only
from core.lists import letter_register
from core.mailing import letters, outbox
from core.mailing.outbox import Outbox
from core.pages.answers import answer
from core.people import me
from core.settings import Settings
from models import Account

ENDLESS = 100_000  # columns: a page breaks the lines of a letter where it is narrow enough
bp = Blueprint("outgoing", __name__, url_prefix="/operator/mail")


@bp.get("")
def index() -> str:
    """The letters, newest first, 50 at a time."""
    operator_only()
    sending = outbox.is_sending(settings())
    q, state = request.args.get("q", "").strip()[:200], request.args.get("state", "")
    state = state if state in letter_register.STATES else ""
    waiting, failed = outbox.counts(db.session)
    return render_template(
        "outgoing/index.html", q=q, state=state, waiting=waiting, failed=failed, sending=sending,
        register=letter_register.find(q, state, request.args.get("after", type=int), sending),
        outage=letter_register.outage() if sending else None, server=settings().mail_server,
        is_demo=settings().is_demo, keep=outbox.KEEP.days,
    )  # fmt: skip


@bp.get("/<int:letter_id>")
def show(letter_id: int) -> str:
    """One letter; its link can be followed only where no letter leaves."""
    operator_only()
    row, organization = load(letter_id)
    sending = outbox.is_sending(settings())
    # Where letters leave, an operator who could open a link would have other people's mailboxes.
    letter = None if sending else letters.render(db.session, row, settings(), width=ENDLESS)
    link = letter.url if letter is not None else ""
    letter = letter or letters.render(db.session, row, settings(), masked=True, width=ENDLESS)
    before, found, after = around(letter.text if letter is not None else "", link)
    return render_template(
        "outgoing/show.html", row=letter_register.row(row, organization, sending), kept=row, letter=letter,
        before=before, link=found, after=after,
    )  # fmt: skip


@bp.post("/<int:letter_id>/send")
def send(letter_id: int) -> Response:
    """Try a letter again at once."""
    operator_only()
    row, organization = load(letter_id)
    is_tried = outbox.send_again(db.session, row, now())
    db.session.commit()
    said = _("The letter to %(email)s is on its way.", email=row.recipient) if is_tried else _("Nothing is to be sent.")
    rows = [letter_register.row(row, organization, outbox.is_sending(settings()))]
    return answer("outgoing/_rows.html", url_for(".index"), said=said, rows=rows)


@bp.post("/test")
def send_test() -> Any:
    """Send a test to the operator's own address."""
    operator_only()
    mail.probe(db.session.get_one(Account, me().id))
    db.session.commit()
    flash(_("A test to %(email)s is on its way.", email=me().email))
    return redirect(url_for(".index"), 303)


def around(text: str, link: str) -> tuple[str, str, str]:
    """The text before a link, the link, and the text after it; without a link all of it stands before."""
    return text.partition(link) if link else (text, "", "")


def load(letter_id: int) -> tuple[Outbox, str | None]:
    """The letter with this id and the organization it is about, 404 when there is none."""
    found = db.session.execute(letter_register.with_organization().where(Outbox.id == letter_id)).one_or_none()
    if found is None:
        abort(404)
    letter, organization = found
    return letter, organization


def settings() -> Settings:
    """The settings of the portal."""
    found: Settings = current_app.extensions["settings"]
    return found
