"""What became of the letters to members, as the Users page says it."""

from __future__ import annotations

import pytest
from flask import Flask

from core import mail
from core.dates import now
from core.lists import roster
from tests.letter_desk import Desk


@pytest.mark.parametrize(
    ("values", "state", "words"),
    [
        ({}, "kept", "Mail kept, not sent"),
        ({"sent_at": True}, "sent", "Mail sent"),
        (
            {"failed_at": True, "tries": 1, "failed_reason": "552 5.2.2 Mailbox full"},
            "failed",
            "Not sent: mailbox full",
        ),
        ({"dropped_at": True}, "dropped", "Mail not sent"),
    ],
)
def test_the_users_page_reads_what_became_of_an_invitation(
    desk: Desk, values: dict[str, object], state: str, words: str
) -> None:
    row = mail.invitation(desk.member("dave"))
    for name, value in values.items():
        setattr(row, name, now() if value is True else value)
        row.next_try_at = None if name.endswith("_at") else row.next_try_at
    desk.session.flush()
    assert (told(desk, "dave"), told(desk, "bob")) == ((state, words), ("", ""))


@pytest.mark.parametrize(
    ("tries", "reason", "words"),
    [
        (0, None, "Mail on its way"),
        (0, "connect: Connection refused", "Not sent yet: the mail server does not answer"),
        (1, "451 4.7.1 Greylisted", "Not sent yet: greylisted"),
        (1, "connect: Connection refused", "Not sent yet: the mail server does not answer"),
    ],
)
def test_words_for_a_letter_that_waits(bare_app: Flask, tries: int, reason: str | None, words: str) -> None:
    with bare_app.app_context():
        assert mail.state_words("waiting", reason, tries) == words


def test_the_newest_invitation_counts(desk: Desk) -> None:
    dave = desk.member("dave")
    mail.invitation(dave)
    mail.invitation(dave)
    desk.session.flush()
    assert told(desk, "dave")[0] == "kept"


def told(desk: Desk, name: str) -> tuple[str, str]:
    """What the list of users knows of the invitation of somebody."""
    row = roster.one(desk.session, desk.cast.organization_id, desk.member(name).id, now())
    return mail.state_of_invitation(row)
