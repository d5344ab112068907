"""Sending what is due: claim a letter, write it, hand it over, note what became of it; a transaction for each step.

The dialogue with the mail server runs between transactions. When the server is away, all that is due waits for it and
nothing is given up; when it refuses one letter, the others go on.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from datetime import timedelta

from flask_mail import Message
from sqlalchemy.exc import SQLAlchemyError

from core.dates import now
from core.db import Mode, db, transaction_mode
from core.mailing import letters, outbox
from core.mailing.outbox import Outbox
from core.mailing.smtp import Connection, MailFailed, dialogue
from core.settings import Settings

log = logging.getLogger("portal.mail")

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(seconds=30)  # between two looks whether the server is back
SERVICE_CLOSING = 421
NOTE_TRIES = 30  # seconds that a database may be away between sending a letter and noting it


class Post:
    """What the senders of one process share: the settings, and whether the mail server is away."""

    def __init__(self, settings: Settings, stopping: threading.Event) -> None:
        self.settings = settings
        self.stopping = stopping
        self._pause: timedelta | None = None

    @property
    def hold(self) -> timedelta:
        """How long a claim lasts: longer than a dialogue that fails at its slowest."""
        return timedelta(seconds=60 + 3 * self.settings.mail_timeout)

    def send_due(self) -> None:
        """Send all letters that are due, over one connection; needs an application context."""
        with contextlib.ExitStack() as goodbye:
            line = Line(self, goodbye)
            while not self.stopping.is_set() and (row := self._claimed()) is not None:
                self._send(row, line)

    def _claimed(self) -> Outbox | None:
        with transaction_mode(Mode.READ):
            # Three senders look every second: asking first leaves the one writer's place to others.
            due = outbox.is_anything_due(db.session, now())
            db.session.rollback()
        if not due:
            return None
        row = outbox.claim(db.session, now(), self.hold)
        db.session.commit()
        return row

    def _send(self, row: Outbox, line: Line) -> None:
        try:
            message = self._written(row)
        except Exception:  # a defect in one letter keeps no other one waiting
            log.exception("letter %s could not be written", row.id)
            self._write(lambda: _not_written(row))
            return
        if message is None:
            self._write(lambda: outbox.drop(db.session, row, now()))
            return
        try:
            line.send(message)
        except MailFailed as failed:
            self._note(row, failed)
        else:
            self._write(lambda: outbox.note_sent(db.session, row, now()))
            self._came_back()

    def _written(self, row: Outbox) -> Message | None:
        with transaction_mode(Mode.READ):
            try:
                letter = letters.render(db.session, row, self.settings)
            finally:
                db.session.rollback()
        return letters.message(letter, row, self.settings) if letter is not None else None

    def _note(self, row: Outbox, failed: MailFailed) -> None:
        if failed.is_of_the_server:
            self._note_away(row, failed)
            return
        log.warning("letter %s: %s", row.id, failed)
        self._write(lambda: outbox.note_failed(db.session, row, failed.words, now(), permanently=failed.is_permanent))
        self._came_back()

    def _note_away(self, row: Outbox, failed: MailFailed) -> None:
        if self._pause is None:
            log.warning("%s", failed)
        self._pause = min(LONGEST_PAUSE, self._pause * 2) if self._pause else FIRST_PAUSE
        until, words = now() + self._pause, f"{failed.step}: {failed.words}"
        self._write(lambda: outbox.note_server_away(db.session, row, words, now(), until))

    def _came_back(self) -> None:
        # Not before it spoke of a letter: one that greets and then takes nothing would be asked without a pause.
        if self._pause is not None:
            self._pause = None
            log.warning("the mail server is back")
            self._write(lambda: outbox.hurry(db.session, now()))

    def _write(self, change: Callable[[], None]) -> None:
        """Commit a change; what was sent must not be forgotten because the database is restarted just now."""
        for left in reversed(range(NOTE_TRIES)):
            try:
                change()
                db.session.commit()
                return
            except SQLAlchemyError:
                db.session.rollback()
                if not left:
                    raise
                self.stopping.wait(1)


class Line:
    """A connection that is made for the first letter, and again when the server ends it between two."""

    def __init__(self, post: Post, goodbye: contextlib.ExitStack) -> None:
        self._post = post
        self._goodbye = goodbye
        self._open: Connection | None = None

    def send(self, message: Message) -> None:
        """Hand a letter over.

        :raise MailFailed: as the dialogue does.
        """
        is_used = self._open is not None
        try:
            self._hand_over(message)
        except MailFailed as failed:
            # Servers take only so many letters in one go, or hang up while nothing is said.
            if not is_used or not failed.is_of_the_server:
                raise
            self._hand_over(message)

    def _hand_over(self, message: Message) -> None:
        if self._open is None:
            self._open = self._goodbye.enter_context(dialogue(self._post.settings))
        try:
            self._open.send(message)
        except MailFailed as failed:
            # 0: it hung up within a letter, and nobody knows whether it took it. The next try has the same Message-ID.
            if failed.is_of_the_server or failed.code in (0, SERVICE_CLOSING):
                self._open.close()
                self._open = None
            raise


def _not_written(row: Outbox) -> None:
    outbox.note_failed(db.session, row, outbox.NOT_WRITTEN, now(), permanently=False)
