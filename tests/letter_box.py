"""The letters that wait in the outbox, read as their recipients would."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import Flask
from sqlalchemy import select

from core.db import db
from core.mailing import letters
from core.mailing.outbox import Outbox


@dataclass(frozen=True)
class Read:
    """A letter as it arrives; `path` is the link to act on, without the host."""

    kind: str
    recipient: str
    subject: str
    text: str
    path: str


def letters_to(app: Flask, email: str = "") -> list[Read]:
    """The letters that are still to be sent, oldest first; all, or those to one address."""
    with app.test_request_context():
        rows = db.session.scalars(select(Outbox).where(Outbox.next_try_at.is_not(None)).order_by(Outbox.id)).all()
        return [_read(app, row) for row in rows if row.recipient == (email or row.recipient)]


def link(app: Flask, kind: str) -> str:
    """The path of the link in the newest letter of a kind."""
    return [each for each in letters_to(app) if each.kind == kind][-1].path


def _read(app: Flask, row: Outbox) -> Read:
    letter = letters.render(db.session, row, app.extensions["settings"])
    if letter is None:
        return Read(row.kind, row.recipient, "", "", "")
    return Read(row.kind, row.recipient, letter.subject, letter.text, urlsplit(letter.url).path)
