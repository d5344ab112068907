"""Every dead link of an invitation is one and the same, whoever follows it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import tokens
from core.dates import now
from core.mailing.outbox import Outbox
from core.refusals import DEAD_LINK
from core.tokens import Purpose
from tests.cast import SECRET_KEY, Cast
from tests.clients import Client
from tests.invitation_page import PASSWORD, link_of
from tests.users_page import ClientFor, act, member

SENTENCE = "This link is no longer valid. Ask the person who invited you for a new one."


def kill(how: str, alice: Client, cast: Cast, session: Session) -> None:
    """Make the link to dave dead in one of its ways."""
    if how == "withdrawn":
        alice.send(act(cast.dave, "withdraw"))
    elif how == "superseded":
        alice.send(act(cast.dave, "resend"))
    elif how == "expired":
        member(session, cast.dave).invited_at = now() - timedelta(days=14, seconds=1)
        session.commit()
    elif how == "declined":
        row = member(session, cast.dave)
        row.ended_at, row.ended_reason, row.nonce = now(), "declined", None
        session.commit()


@pytest.mark.on_sqlite
@pytest.mark.parametrize("purpose", [Purpose.INVITATION, Purpose.INVITATION_COPY])
@pytest.mark.parametrize("how", ["withdrawn", "superseded", "expired", "declined"])
def test_a_dead_link_opens_nothing_for_anybody(
    client_for: ClientFor, anonymous: Client, cast: Cast, on_app: Session, how: str, purpose: Purpose
) -> None:
    link = link_of(member(on_app, cast.dave), purpose)
    kill(how, client_for("alice"), cast, on_app)
    before = member(on_app, cast.dave).state
    for client in (anonymous, client_for("dave"), client_for("erin")):
        answers = [
            client.get(link),
            client.send(f"{link}/decline"),
            client.send(f"{link}/sign-up", name="x", password=PASSWORD),
        ]
        if client is not anonymous:
            answers += [client.send(f"{link}/confirm"), client.send(f"{link}/switch")]
        assert {answer.status_code for answer in answers} == {410}
        assert all(SENTENCE in answer.text for answer in answers)
        assert all(name not in answer.text for answer in answers for name in ("Kestrel", "Alice"))
    assert member(on_app, cast.dave).state == before


def test_the_sentence_is_the_one_of_the_rules(bare_app: Flask) -> None:
    with bare_app.test_request_context():
        assert str(DEAD_LINK) == SENTENCE


@pytest.mark.on_sqlite
def test_a_link_that_was_never_made_here_is_as_dead(
    anonymous: Client, cast: Cast, on_app: Session, mailed: str
) -> None:
    row = member(on_app, cast.dave)
    forged = [
        mailed[:-1] + ("A" if mailed[-1] != "A" else "B"),
        mailed[:-5],
        "/invitations/" + tokens.make("another key of another portal", Purpose.INVITATION, row.nonce or "", row.id),
        "/invitations/" + tokens.make(SECRET_KEY, Purpose.CONFIRM, row.nonce or "", row.id),
        "/invitations/" + tokens.make(SECRET_KEY, Purpose.INVITATION, "", row.id),
        "/invitations/" + tokens.make(SECRET_KEY, Purpose.INVITATION, row.nonce or "", 10**9),
        "/invitations/" + tokens.make(SECRET_KEY, Purpose.INVITATION, row.nonce or "", cast.bob.member_id or 0),
        "/invitations/x", "/invitations/%00", "/invitations/" + "x" * 3000, "/invitations/ü",
    ]  # fmt: skip
    texts = set()
    for link in forged:
        answer = anonymous.get(link)
        assert answer.status_code == 410, link
        texts.add(answer.text.partition("<body")[0])
    assert len(texts) == 1


@pytest.mark.on_sqlite
def test_an_old_link_stays_dead_after_a_new_invitation(
    client_for: ClientFor, anonymous: Client, cast: Cast, on_app: Session, mailed: str
) -> None:
    alice, dave = client_for("alice"), client_for("dave")
    dave.send(f"{mailed}/confirm")
    alice.send(act(cast.dave, "remove"))
    alice.send("/admin/users", emails=cast.dave.email)
    for client in (anonymous, dave):
        assert client.get(mailed).status_code == 410


@pytest.mark.on_sqlite
def test_no_letter_and_no_log_carries_a_token(
    client_for: ClientFor, cast: Cast, on_app: Session, mailed: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    client_for("dave").send(f"{mailed}/confirm")
    assert mailed.rpartition("/")[2] not in caplog.text
    on_app.rollback()
    assert all(set(map(type, row.args.values())) <= {int} for row in on_app.scalars(select(Outbox)))
