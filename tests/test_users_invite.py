"""A pasted list of addresses: a line for each, good ones go through, what failed stays in the field."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import limits
from core.limits import RULES, Rule
from models import Account, Member
from tests.at_once import at_once
from tests.cast import Cast
from tests.clients import said
from tests.users_page import USERS, ClientFor, actions, letters, member


def lines(page: str) -> list[str]:
    """The result list, a line for each address."""
    found = re.findall(r"<li[^>]*><span class=\"i i-.*?</li>", page, re.S)
    return [" ".join(re.sub(r"<[^>]+>", " ", line.replace("<wbr>", "")).split()) for line in found]


def typed(page: str) -> str:
    """What stands in the field."""
    found = re.search(r"<textarea[^>]*>\n?(.*?)</textarea>", page, re.S)
    assert found
    return found[1]


def heading(page: str) -> str:
    """The heading of the results."""
    found = re.search(r'<h2 id="invited">(.*?)</h2>', page)
    return found[1] if found else ""


EVERYBODY = (
    "New@Firm.example; dave@example.com,dora@example.com\nmallory@example.com\tbob@example.com;"
    "Alice <ALICE@example.com>; otto@example.com; nonsense;;"
)


def test_every_address_gets_its_line_good_ones_first(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    response = client_for("alice").swap(USERS, emails=EVERYBODY)
    assert (response.status_code, heading(response.text)) == (200, "2 of 8 addresses invited")
    assert lines(response.text) == [
        "New@Firm.example Invited",
        "dave@example.com Invitation sent again. The earlier link no longer works.",
        "dora@example.com Disabled. Enable instead of inviting. Enable",
        "mallory@example.com Part of another organization. Has to leave it first.",
        "otto@example.com Cannot be invited. Works for the vendor.",
        "bob@example.com Already a member",
        "Alice &lt;ALICE@example.com&gt; You are the administrator",
        "nonsense Not an address. There is no @",
    ]
    assert typed(response.text) == "nonsense"
    assert letters(on_app) == [("invitation", "New@Firm.example"), ("invitation", "dave@example.com")]


def test_the_invited_are_pending_at_once_and_hold_no_seat(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    client_for("alice").send(USERS, emails="New@Firm.example")
    row = on_app.scalars(select(Member).where(Member.email_key == "new@firm.example")).one()
    assert (row.state, row.role, row.email, row.account_id) == ("pending", "member", "New@Firm.example", None)
    assert row.invited_by == cast.alice.member_id


@pytest.mark.on_sqlite
def test_a_plain_form_is_led_to_the_same_lines(client_for: ClientFor, cast: Cast) -> None:
    alice = client_for("alice")
    response = alice.send(USERS, emails=EVERYBODY)
    assert (response.status_code, response.location) == (303, USERS)
    page = alice.get(USERS).text
    assert (heading(page), len(lines(page)), typed(page)) == ("2 of 8 addresses invited", 8, "nonsense")
    assert heading(alice.get(USERS).text) == ""  # once


@pytest.mark.on_sqlite
def test_results_that_no_cookie_holds_are_told_at_once(client_for: ClientFor, cast: Cast) -> None:
    emails = ";".join([*(f"person{n}@crowd.example" for n in range(60)), "nonsense"])
    response = client_for("alice").send(USERS, emails=emails)
    assert (response.status_code, heading(response.text)) == (200, "60 of 61 addresses invited")
    assert typed(response.text) == "nonsense"


@pytest.mark.on_sqlite
def test_of_many_the_failures_come_first_and_the_rest_is_folded(client_for: ClientFor, cast: Cast) -> None:
    emails = ";".join([*(f"person{n}@crowd.example" for n in range(30)), "mallory@example.com", "nonsense"])
    page = client_for("alice").swap(USERS, emails=emails).text
    shown, folded = page.split("<details", 1)
    assert [line.split()[0] for line in lines(shown)] == ["nonsense", "mallory@example.com"]
    assert "Show 30 more addresses" in folded
    assert len(lines(folded)) == 30


def test_the_same_address_twice_is_one_person(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    response = client_for("alice").swap(USERS, emails="anna@firm.example; ANNA@Firm.Example ,Anna <anna@firm.example>")
    assert heading(response.text) == "1 of 1 address invited"
    assert len(letters(on_app)) == 1


def test_whoever_changed_the_address_is_known_by_the_new_one(
    client_for: ClientFor, cast: Cast, on_app: Session
) -> None:
    account = on_app.get_one(Account, cast.bob.account_id)
    account.email = account.email_key = "robert@elsewhere.example"
    on_app.commit()
    page = client_for("alice").swap(USERS, emails="robert@elsewhere.example").text
    assert lines(page) == ["robert@elsewhere.example Already a member"]


@pytest.mark.on_sqlite
def test_the_co_administrator_is_told_who_it_is(client_for: ClientFor, cast: Cast) -> None:
    page = client_for("carol").swap(USERS, emails="carol@example.com; alice@example.com").text
    assert lines(page) == [
        "alice@example.com Already a member", "carol@example.com You are the co-administrator"
    ]  # fmt: skip


@pytest.mark.on_sqlite
@pytest.mark.parametrize(
    ("emails", "sentence"),
    [
        ("", "Enter at least one address."),
        (" ;,\n", "Enter at least one address."),
        ("a b; c d", "There is no address in it."),
        ("ab", "Not an address. There is no @"),
    ],
)
def test_without_an_address_the_form_comes_back(
    client_for: ClientFor, cast: Cast, on_app: Session, emails: str, sentence: str
) -> None:
    alice = client_for("alice")
    for response in (alice.send(USERS, emails=emails), alice.swap(USERS, emails=emails)):
        assert response.status_code == 422
        assert f'id="emails-error">{sentence}<' in response.text
    assert letters(on_app) == []


def test_too_many_are_refused_as_a_whole_with_the_text_kept(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    emails = "; ".join(f"person{n}@crowd.example" for n in range(10_000))
    response = client_for("alice").swap(USERS, emails=emails)
    assert response.status_code == 422
    assert "These are 10,000 addresses; 500 fit at once. Nobody was invited." in response.text
    assert typed(response.text) == emails
    on_app.rollback()
    assert on_app.scalar(select(func.count()).where(Member.email_key.like("%crowd%"))) == 0


@pytest.mark.on_sqlite
@pytest.mark.parametrize(
    "emails",
    [
        "a@b.example\r\nBcc: all@example.com",
        "<script>alert(1)</script>@b.example",
        '"=cmd()" <a@b.example>',
        "x" * 5000,
        "a" * 70 + "@b.example",
        "a\x00b@c.example",
        "\ud7ff@c.example",
        "%s@%(x)s.example",
    ],
)
def test_odd_text_is_text(client_for: ClientFor, cast: Cast, on_app: Session, emails: str) -> None:
    alice = client_for("alice")
    response = alice.swap(USERS, emails=emails)
    assert response.status_code in (200, 422)
    assert "<script" not in response.text
    assert all("\n" not in to and "\r" not in to for _kind, to in letters(on_app))
    assert alice.get(USERS).status_code == 200


@pytest.mark.on_sqlite
def test_enabling_from_the_list_answers_with_the_line(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    alice = client_for("alice")
    alice.swap(USERS, emails=cast.dora.email)
    response = alice.post(
        f"{USERS}/{cast.dora.member_id}/enable",
        data={"csrf_token": alice.token},
        headers={"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": f"li#outcome-{cast.dora.member_id}"},
    )
    assert lines(response.text) == ["dora@example.com Enabled Permissions"]
    assert "roster" in response.headers["HX-Trigger"]  # the list below looks again
    assert member(on_app, cast.dora).state == "enabled"


@pytest.mark.on_sqlite
def test_an_organization_invites_so_many_a_day(
    client_for: ClientFor, cast: Cast, on_app: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = RULES["invitation"]
    monkeypatch.setitem(limits.RULES, "invitation", Rule(3, rule.window, rule.sentence))
    alice = client_for("alice")
    emails = "a@crowd.example; b@crowd.example"
    assert alice.swap(USERS, emails=emails).status_code == 200
    response = alice.swap(USERS, emails="c@crowd.example; d@crowd.example")
    assert (response.status_code, typed(response.text)) == (429, "c@crowd.example; d@crowd.example")
    assert int(response.headers["Retry-After"]) > 0
    assert client_for("mallory").swap(USERS, emails=emails).status_code == 200  # nobody else waits
    assert len(letters(on_app)) == 4


def test_of_two_pastes_at_once_each_address_is_one_row(client_for: ClientFor, cast: Cast, on_app: Session) -> None:
    alice, carol = client_for("alice"), client_for("carol")
    alice.token, carol.token  # noqa: B018  # read before the race
    emails = ";".join(f"person{n}@crowd.example" for n in range(10))
    answers = at_once(lambda: alice.swap(USERS, emails=emails), lambda: carol.swap(USERS, emails=emails))
    assert [each.status_code for each in answers] == [200, 200]
    on_app.rollback()
    assert on_app.scalar(select(func.count()).where(Member.email_key.like("%crowd%"))) == 10
    assert actions(on_app, cast).count("member.invite") == 14  # the cast's four, and ten
    assert actions(on_app, cast).count("member.resend") == 10


@pytest.mark.on_sqlite
def test_results_are_said_aloud_once(client_for: ClientFor, cast: Cast) -> None:
    answer = client_for("alice").swap(USERS, emails="a@crowd.example")
    assert said(answer) == ["1 of 1 address invited"]
    assert 'role="status" aria-live="off"' in answer.text  # the list itself keeps silent
