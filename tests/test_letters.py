"""What letters say, whom they go to, and that their links are good for one thing as long as it is open."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from core import mail, tokens
from core.dates import now
from core.mailing import letters, outbox
from core.mailing.letters.parts import plain
from core.mailing.outbox import Outbox
from core.tokens import Purpose
from models import Account, PermissionKey
from tests.letter_desk import LETTERS, Desk, Put, register, want_email

EVIL = 'Visit http://evil.example/x or www.evil.example <b>now</b> "quoted" me@evil.example'
LINKS = {
    "invitation": ("invitations", Purpose.INVITATION), "confirm": ("confirm", Purpose.CONFIRM),
    "reset": ("reset", Purpose.RESET), "change email": ("email", Purpose.CHANGE_EMAIL),
}  # fmt: skip


# ── every letter ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", LETTERS)
def test_a_letter_goes_to_whom_it_concerns(desk: Desk, name: str) -> None:
    put, recipients = LETTERS[name]
    put(desk)
    assert sorted(row.recipient for row in desk.put()) == sorted(f"{who}@example.com" for who in recipients)


@pytest.mark.on_sqlite
@pytest.mark.parametrize("name", LETTERS)
def test_both_parts_say_the_same(desk: Desk, name: str) -> None:
    LETTERS[name][0](desk)
    for number in range(len(desk.put())):
        letter = desk.letter(number)
        assert letter.text.startswith(letter.subject)
        assert f"<h1>{letter.subject}</h1>" in letter.html
        assert letter.text.endswith("Customer Portal\n")
        assert "None" not in letter.text + letter.html
        if letter.url:
            assert f'<a href="{letter.url}">' in letter.html
            assert re.findall(r"https?://\S+", letter.text)[0] == letter.url
            assert letter.url in letter.text.splitlines()


@pytest.mark.on_sqlite
@pytest.mark.parametrize("name", LETTERS)
def test_a_row_keeps_ids_and_no_secret(desk: Desk, name: str) -> None:
    LETTERS[name][0](desk)
    for row in desk.put():
        assert all(type(value) is int for value in row.args.values())
        kept = " ".join(str(getattr(row, column.key)) for column in Outbox.__table__.columns)
        nonces = [desk.member("dave").nonce, *desk.session.scalars(select(Account.nonce).where(Account.nonce != ""))]
        assert not [nonce for nonce in nonces if nonce and nonce in kept]


@pytest.mark.on_sqlite
@pytest.mark.parametrize("name", LETTERS)
def test_a_masked_letter_has_no_token(desk: Desk, name: str) -> None:
    LETTERS[name][0](desk)
    letter = desk.letter(0, masked=True)
    if name in LINKS:
        assert letter.text.splitlines().count("(link)") == 1
        assert f"/{LINKS[name][0]}/" not in letter.text + letter.html


@pytest.mark.parametrize("name", LINKS)
def test_a_link_opens_its_own_door_with_the_rows_present_nonce(desk: Desk, name: str) -> None:
    LETTERS[name][0](desk)
    letter, row, (path, purpose) = desk.letter(0), desk.put()[0], LINKS[name]
    before, _slash, token = letter.url.rpartition("/")
    assert before == f"{desk.settings.base_url}/{path}"
    ident, nonce = tokens.read(desk.settings.secret_key or "", purpose, token)
    owner = desk.member("dave") if name == "invitation" else desk.session.get_one(Account, row.account_id)
    assert (ident, nonce) == (owner.id, owner.nonce)
    for other in set(Purpose) - {purpose}:
        with pytest.raises(tokens.TokenInvalid):
            tokens.read(desk.settings.secret_key or "", other, token)


# ── invitations ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_invitation_says_who_where_what_until_when_and_how_to_decline(desk: Desk) -> None:
    mail.invitation(desk.member("dave"))
    letter = desk.letter()
    assert letter.subject == "Alice Example invites you to Kestrel Works"
    assert "Invited by: Alice Example, alice@example.com" in letter.text
    assert "Products: Draft Pro, Hub Server, Render Studio" in letter.text
    until = (desk.member("dave").invited_at + timedelta(days=14)).strftime("%-d %b %Y, %H:%M (UTC)")
    assert f"Link valid until: {until}" in letter.text
    assert "To decline, open it and" in letter.text
    assert '<div class="ahead" hidden>You would share the licenses of this organization.' in letter.html


def test_a_long_name_is_cut_in_the_subject_alone(desk: Desk) -> None:
    desk.organization.name = "W" * 200
    mail.invitation(desk.member("dave"))
    letter = desk.letter()
    assert letter.subject == "Alice Example invites you to " + "W" * 120 + "…"
    assert f"<h1>Alice Example invites you to {'W' * 200}</h1>" in letter.html


def test_an_invitation_ends_at_a_time_where_the_organization_is(desk: Desk) -> None:
    member = desk.member("dave")
    desk.organization.zone, member.invited_at = "Europe/Berlin", datetime(2026, 11, 30, 23, 30, tzinfo=UTC)
    mail.invitation(member)
    assert "Link valid until: 15 Dec 2026, 00:30 (Europe/Berlin)" in desk.letter(masked=True).text


def test_an_organization_without_licenses_names_no_products(desk: Desk) -> None:
    mail.invitation(desk.member("dave"))
    desk.session.execute(PermissionKey.__table__.update().values(revoked_at=now()))  # type: ignore[attr-defined]
    desk.session.expire_all()
    assert "Products" not in desk.letter().text


def test_an_invitation_sent_again_carries_the_new_link_only(desk: Desk) -> None:
    dave, alice = desk.member("dave"), desk.member("alice")
    mail.invitation(dave)
    dave.resend(desk.cast.alice.actor, alice, now())
    mail.invitation(dave)
    older, newer = desk.put()
    desk.session.refresh(older)
    assert (outbox.state_of(older, True), outbox.state_of(newer, True)) == ("dropped", "waiting")
    _ident, nonce = tokens.read(
        desk.settings.secret_key or "", Purpose.INVITATION, desk.letter().url.rpartition("/")[2]
    )
    assert nonce == dave.nonce


@pytest.mark.parametrize(
    "end",
    [
        lambda d: d.member("dave").withdraw(d.cast.alice.actor, now()),
        lambda d: d.member("dave").decline(d.cast.dave.actor, now()),
        lambda d: d.member("dave").confirm(d.account("dave"), d.cast.dave.actor, now()),
        lambda d: setattr(d.member("dave"), "invited_at", now() - timedelta(days=14)),
    ],
    ids=["withdrawn", "declined", "confirmed", "expired"],
)
def test_an_invitation_that_is_over_is_not_sent(desk: Desk, end: Put) -> None:
    mail.invitation(desk.member("dave"))
    assert desk.is_needed()
    end(desk)
    assert not desk.is_needed()
    assert "(link)" in desk.letter(masked=True).text


@pytest.mark.parametrize("put", [mail.confirmed, mail.declined])
def test_the_answer_goes_to_the_administrator_when_the_inviter_is_none_any_more(desk: Desk, put: Any) -> None:
    dave, carol = desk.member("dave"), desk.member("carol")
    dave.resend(desk.cast.carol.actor, carol, now())
    put(dave)
    carol.make_member(desk.cast.alice.actor, now())
    put(dave)
    assert [row.recipient for row in desk.put()] == ["carol@example.com", "alice@example.com"]


# ── accounts ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_confirmed_account_gets_no_link_to_confirm(desk: Desk) -> None:
    register(desk)
    account = Account.by_email(desk.session, "nina@example.com")
    assert account is not None
    account.confirm(desk.cast.bob.actor, now())
    assert not desk.is_needed()


def test_the_name_that_a_stranger_typed_is_in_no_letter(desk: Desk) -> None:
    account = Account.sign_up(desk.session, "Buy now at shop", "nina@example.com", "x", now())
    assert account is not None
    mail.confirm(account)
    assert "Buy now" not in desk.letter().text + desk.letter().html


@pytest.mark.parametrize(
    "end",
    [
        lambda d: d.account("bob").set_password("x", d.cast.bob.actor, now()),
        lambda d: d.account("bob").block(d.cast.otto.actor, now()),
    ],
    ids=["password", "block"],
)
def test_a_link_to_set_a_password_dies_with_the_password_and_the_account(desk: Desk, end: Put) -> None:
    mail.reset(desk.account("bob"))
    assert desk.is_needed()
    end(desk)
    assert not desk.is_needed()


def test_a_link_goes_to_the_address_that_was_wanted_and_not_to_the_next_one(desk: Desk) -> None:
    want_email(desk)
    link, notice = desk.put()
    assert (link.recipient, notice.recipient) == ("new@example.com", "bob@example.com")
    desk.account("bob").want_email("other@example.com")
    assert letters.render(desk.session, link, desk.settings) is None


def test_an_address_that_changed_gets_no_link_of_the_account_any_more(desk: Desk) -> None:
    mail.reset(desk.account("bob"))
    desk.account("bob").change_email("elsewhere@example.com", desk.cast.bob.actor, now())
    assert not desk.is_needed()


# ── what people type ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_names_bring_no_link_no_markup_and_no_header(desk: Desk) -> None:
    desk.account("alice").name = EVIL + "\r\nBcc: all@evil.example"
    desk.organization.name = EVIL
    mail.invitation(desk.member("dave"))
    letter = desk.letter()
    ours = desk.settings.base_url
    assert {link[: len(ours)] for link in re.findall(r"https?://\S+", letter.text + letter.html)} == {ours}
    assert not re.findall(r"evil\.example|@evil|www\.evil", letter.text + letter.html + letter.subject)
    assert "<b>" not in letter.html
    content = letters.message(letter, desk.put()[-1], desk.settings).as_bytes()
    headers = content.partition(b"\r\n\r\n")[0]
    assert b"\r\nBcc:" not in headers
    assert len(re.findall(rb"^Subject:", headers, re.MULTILINE)) == 1


@pytest.mark.parametrize(
    ("name", "shown"),
    [("St. John's Works", "St. John's Works"), ("J. R. Miller", "J. R. Miller"), ("a.com", "a.\u200bcom"),
     ("x@y", "x@\u200by"), ("http://1", "http:\u200b//1"), ("a\nb", "a b")],
)  # fmt: skip
def test_only_what_would_become_a_link_is_touched(name: str, shown: str) -> None:
    assert plain(name) == shown


def test_a_very_long_name_leaves_a_short_subject_and_one_line_for_the_link(desk: Desk) -> None:
    desk.organization.name = "x" * 100 + " " + "y" * 99
    mail.invitation(desk.member("dave"))
    letter = desk.letter()
    assert len(letter.subject) <= 150
    assert letter.url in letter.text.splitlines()


def test_an_address_in_an_international_domain_is_written_as_servers_read_it(desk: Desk) -> None:
    desk.member("dave").email, desk.member("dave").email_key = "Dave@bücher.example", "dave@xn--bcher-kva.example"
    mail.invitation(desk.member("dave"))
    message = letters.message(desk.letter(), desk.put()[-1], desk.settings)
    assert message.recipients == ["Dave@xn--bcher-kva.example"]


def test_every_try_is_the_same_message(desk: Desk) -> None:
    mail.invitation(desk.member("dave"))
    row = desk.put()[-1]
    first, second = (letters.message(desk.letter(), row, desk.settings) for _try in range(2))
    assert (first.msgId, first.date) == (second.msgId, second.date) == (row.message_id, row.made_at.timestamp())
