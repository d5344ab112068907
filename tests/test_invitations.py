"""The page behind an invitation: who sees what, and who may answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.tokens import Purpose
from models import Account, Member, Organization
from tests.at_once import at_once
from tests.cast import Cast
from tests.clients import Client
from tests.invitation_page import account_of, link_of, new_row
from tests.users_page import ClientFor, actions, letters, member

# ── what the page shows ───────────────────────────────────────────────────────────────────────────────────────────────


def test_whoever_has_no_account_is_offered_one(anonymous: Client, to_new: Callable[..., str]) -> None:
    page = anonymous.get(to_new()).text
    assert "Kestrel Works" in page
    assert "Alice Example, administrator" in page
    assert "new<wbr>@firm.example" in page
    assert 'name="name"' in page
    assert 'name="password"' in page
    assert page.count("Create account</button>") == page.count("Decline</button>") == 1


@pytest.mark.on_sqlite
def test_whoever_has_an_account_is_led_to_sign_in_and_back(anonymous: Client, cast: Cast, mailed: str) -> None:
    page = anonymous.get(mailed).text
    assert f'href="/login?next={mailed}">Sign in</a>' in page
    assert 'name="password"' not in page
    answer = anonymous.send(f"/login?next={mailed}", next=mailed, email=cast.dave.email, password=cast.dave.password)
    assert (answer.status_code, answer.location) == (303, mailed)
    assert "Confirm participation</button>" in anonymous.get(mailed).text


@pytest.mark.on_sqlite
def test_the_invited_person_is_asked(client_for: ClientFor, mailed: str, copied: str) -> None:
    dave = client_for("dave")
    for link in (mailed, copied):
        page = dave.get(link).text
        assert "Work with Kestrel Works?" in page
        assert page.count("Confirm participation</button>") == page.count("Decline</button>") == 1


@pytest.mark.on_sqlite
def test_somebody_else_sees_both_addresses_and_may_switch(
    client_for: ClientFor, cast: Cast, on_app: Session, mailed: str
) -> None:
    erin = client_for("erin")
    page = erin.get(mailed).text
    assert "dave<wbr>@example.com" in page
    assert "erin<wbr>@example.com" in page
    assert "Confirm participation" not in page
    answer = erin.send(f"{mailed}/switch")
    assert (answer.status_code, answer.location) == (303, mailed)
    assert "Sign in</a>" in erin.get(mailed).text
    assert member(on_app, cast.dave).state == "pending"


@pytest.mark.on_sqlite
def test_an_address_that_changed_meanwhile_is_somebody_elses(
    client_for: ClientFor, cast: Cast, on_app: Session, mailed: str
) -> None:
    account = on_app.get_one(Account, cast.dave.account_id)
    account.email = account.email_key = "david@elsewhere.example"
    on_app.commit()
    dave = client_for("dave")
    assert "This invitation is for another address" in dave.get(mailed).text
    assert dave.send(f"{mailed}/confirm").status_code == 403
    assert member(on_app, cast.dave).state == "pending"


@pytest.mark.on_sqlite
def test_looking_changes_nothing(
    client_for: ClientFor, anonymous: Client, cast: Cast, on_app: Session, mailed: str
) -> None:
    before = actions(on_app, cast)
    for client in (anonymous, client_for("dave"), client_for("erin")):
        for _ in range(3):
            assert client.get(mailed).status_code == client.head(mailed).status_code == 200
    for verb in ("confirm", "decline", "sign-up", "switch"):
        assert client_for("dave").get(f"{mailed}/{verb}").status_code == 405
    assert (actions(on_app, cast), member(on_app, cast.dave).state) == (before, "pending")


@pytest.mark.on_sqlite
def test_names_are_text_on_the_page(client_for: ClientFor, cast: Cast, on_app: Session, mailed: str) -> None:
    on_app.get_one(Organization, cast.organization_id).name = "<img src=x>=cmd()"
    on_app.get_one(Account, cast.alice.account_id).name = '"><script>alert(1)</script>'
    on_app.commit()
    page = client_for("dave").get(mailed).text
    assert "<img" not in page
    assert "<script>alert" not in page


# ── confirm ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("purpose", [Purpose.INVITATION, Purpose.INVITATION_COPY])
def test_confirming_takes_part_and_tells_the_inviter(
    client_for: ClientFor, cast: Cast, on_app: Session, purpose: Purpose
) -> None:
    link, dave = link_of(member(on_app, cast.dave), purpose), client_for("dave")
    answer = dave.send(f"{link}/confirm")
    assert (answer.status_code, answer.location) == (303, "/organization")
    assert member(on_app, cast.dave).state == "enabled"
    assert letters(on_app) == [("confirmed", cast.alice.email)]
    assert "You take part in Kestrel Works now." in dave.get("/organization").text


def test_a_used_link_leads_the_member_it_made_to_his_page(
    client_for: ClientFor, anonymous: Client, cast: Cast, on_app: Session, mailed: str
) -> None:
    dave = client_for("dave")
    dave.send(f"{mailed}/confirm")
    for answer in (dave.get(mailed), dave.send(f"{mailed}/confirm"), dave.send(f"{mailed}/decline")):
        assert (answer.status_code, answer.location) == (303, "/organization")
    for client in (anonymous, client_for("erin"), client_for("alice")):
        assert client.get(mailed).status_code == 410
    assert member(on_app, cast.dave).state == "enabled"


@pytest.mark.parametrize("name", ["erin", "alice", "mallory", "otto"])
def test_nobody_else_confirms(client_for: ClientFor, cast: Cast, on_app: Session, mailed: str, name: str) -> None:
    answer = client_for(name).send(f"{mailed}/confirm")
    assert answer.status_code == 403
    assert "This invitation is for another address" in answer.text
    assert member(on_app, cast.dave).state == "pending"


@pytest.mark.on_sqlite
def test_without_a_sign_in_nobody_confirms(anonymous: Client, cast: Cast, on_app: Session, mailed: str) -> None:
    answer = anonymous.send(f"{mailed}/confirm")
    assert answer.status_code == 303
    assert answer.location.startswith("/login")
    assert member(on_app, cast.dave).state == "pending"


@pytest.mark.on_sqlite
def test_without_a_token_nobody_answers(client_for: ClientFor, cast: Cast, on_app: Session, mailed: str) -> None:
    dave = client_for("dave")
    for verb in ("confirm", "decline", "switch"):
        assert dave.post(f"{mailed}/{verb}").status_code == 400
    assert member(on_app, cast.dave).state == "pending"


def elsewhere(session: Session, cast: Cast) -> Member:
    """The row that mallory's organization has for dave."""
    session.rollback()
    query = select(Member).where(Member.organization_id == cast.other_id, Member.email == cast.dave.email)
    return session.scalars(query).one()


def test_who_joined_elsewhere_is_refused_and_may_come_back(
    client_for: ClientFor, cast: Cast, on_app: Session, mailed: str
) -> None:
    client_for("mallory").send("/admin/users", emails=cast.dave.email)
    on_app.rollback()
    other = on_app.scalars(
        select(Member).where(Member.organization_id == cast.other_id, Member.email == cast.dave.email)
    )
    dave = client_for("dave")
    assert dave.send(f"{link_of(other.one())}/confirm").status_code == 303
    sentence = "You belong to Harbor Design already. Leave it first."
    assert sentence in dave.get(mailed).text
    answer = dave.send(f"{mailed}/confirm")
    assert (answer.status_code, sentence in answer.text) == (409, True)
    assert "Cannot join now (part of another organization)" in client_for("alice").get("/admin/users").text
    dave.send("/organization/leave")
    assert dave.send(f"{mailed}/confirm").location == "/organization"
    assert member(on_app, cast.dave).state == "enabled"


@pytest.mark.on_sqlite
def test_an_operator_joins_nothing(client_for: ClientFor, cast: Cast, on_app: Session, mailed: str) -> None:
    on_app.get_one(Account, cast.dave.account_id).is_operator = True
    on_app.commit()
    answer = client_for("dave").send(f"{mailed}/confirm")
    assert (answer.status_code, "An operator belongs to no organization." in answer.text) == (409, True)


def test_two_invitations_at_once_make_one_member(
    client_for: ClientFor, cast: Cast, on_app: Session, mailed: str
) -> None:
    client_for("mallory").send("/admin/users", emails=cast.dave.email)
    other, dave, also = link_of(elsewhere(on_app, cast)), client_for("dave"), client_for("dave")
    dave.token, also.token  # noqa: B018  # read before the race
    answers = at_once(lambda: dave.send(f"{mailed}/confirm"), lambda: also.send(f"{other}/confirm"))
    assert sorted(each.status_code for each in answers) == [303, 409]
    on_app.rollback()
    confirmed = select(func.count()).where(Member.account_id == cast.dave.account_id, Member.confirmed_at.is_not(None))
    assert on_app.scalar(confirmed) == 1


def test_a_double_click_confirms_once(client_for: ClientFor, cast: Cast, on_app: Session, mailed: str) -> None:
    dave = client_for("dave")
    also = client_for("dave")
    dave.token, also.token  # noqa: B018  # read before the race
    answers = at_once(lambda: dave.send(f"{mailed}/confirm"), lambda: also.send(f"{mailed}/confirm"))
    assert [each.location for each in answers] == ["/organization"] * 2
    assert [kind for kind, _to in letters(on_app)] == ["confirmed"]


# ── decline ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_declining_by_the_mailed_link_needs_no_account(
    anonymous: Client, to_new: Callable[..., str], on_app: Session, cast: Cast
) -> None:
    link = to_new()
    answer = anonymous.send(f"{link}/decline")
    assert (answer.status_code, answer.location) == (303, "/invitations/declined")
    assert "Kestrel" not in anonymous.get(answer.location).text
    assert new_row(on_app).ended_reason == "declined"
    assert letters(on_app)[-1] == ("declined", cast.alice.email)
    assert anonymous.get(link).status_code == 410
    assert account_of(on_app) is None


def test_declining_by_a_copied_link_needs_the_owner_of_the_address(
    client_for: ClientFor, anonymous: Client, cast: Cast, on_app: Session, copied: str
) -> None:
    assert anonymous.send(f"{copied}/decline").status_code == 403
    assert client_for("erin").send(f"{copied}/decline").status_code == 403
    assert member(on_app, cast.dave).state == "pending"
    assert client_for("dave").send(f"{copied}/decline").location == "/invitations/declined"
    assert member(on_app, cast.dave).ended_reason == "declined"


@pytest.mark.on_sqlite
def test_a_copied_link_offers_no_decline_to_strangers(
    anonymous: Client, to_new: Callable[..., str], copied: str
) -> None:
    for link in (copied, to_new(Purpose.INVITATION_COPY)):
        assert "Decline" not in anonymous.get(link).text
