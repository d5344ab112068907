"""An account by an invitation's link: made, taken over, or refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.dates import now
from core.tokens import Purpose
from models import Account, SignIn
from tests.at_once import at_once
from tests.cast import HASH, Cast
from tests.clients import Client
from tests.invitation_page import NEW, PASSWORD, account_of, link_of, new_row
from tests.users_page import ClientFor, letters, member


def test_the_mailed_link_makes_a_confirmed_account_and_goes_on(
    anonymous: Client, to_new: Callable[..., str], on_app: Session
) -> None:
    link = to_new()
    answer = anonymous.send(f"{link}/sign-up", name="Nora New", password=PASSWORD)
    assert (answer.status_code, answer.location) == (303, link)
    account = account_of(on_app)
    assert account
    assert (account.name, account.is_confirmed) == ("Nora New", True)
    assert [kind for kind, _to in letters(on_app)] == ["invitation"]  # no second letter
    anonymous.forget_token()
    assert "Confirm participation</button>" in anonymous.get(link).text
    assert anonymous.send(f"{link}/confirm").location == "/organization"
    assert new_row(on_app).account_id == account.id


def test_whoever_registered_a_strangers_address_keeps_nothing(
    app: Flask, anonymous: Client, to_new: Callable[..., str], on_app: Session
) -> None:
    link = to_new()
    squatter = Account(
        email=NEW, email_key=NEW, name="Squatter", password=HASH, fs_uniquifier="squatter", created_at=now(),
        company="Evil", phone="666", wanted_email="evil@example.com", nonce="n", zone="Asia/Tokyo",
    )  # fmt: skip
    on_app.add(squatter)
    on_app.flush()
    on_app.add(
        SignIn(account_id=squatter.id, secret_hash=b"x" * 32, device="", address="", created_at=now(), used_at=now())
    )
    on_app.commit()
    anonymous.send(f"{link}/sign-up", name="Nora New", password=PASSWORD)
    account = account_of(on_app)
    assert account
    assert account.id == squatter.id
    assert (account.name, account.company, account.phone, account.zone) == ("Nora New", "", "", "UTC")
    assert (account.wanted_email, account.nonce, account.is_confirmed) == (None, None, True)
    assert account.password != HASH
    assert account.fs_uniquifier != "squatter"
    ended = select(SignIn.ended_at).where(SignIn.account_id == account.id).order_by(SignIn.id)
    assert [moment is not None for moment in on_app.scalars(ended)] == [True, False]


def test_a_copied_link_proves_nothing(anonymous: Client, to_new: Callable[..., str], on_app: Session) -> None:
    link = to_new(Purpose.INVITATION_COPY)
    answer = anonymous.send(f"{link}/sign-up", name="Nora New", password=PASSWORD)
    assert (answer.status_code, answer.location) == (303, "/register/sent")
    account = account_of(on_app)
    assert account
    assert not account.is_confirmed
    assert letters(on_app)[-1] == ("confirm", NEW)
    assert "Confirm participation" not in anonymous.get(link).text


@pytest.mark.on_sqlite
@pytest.mark.parametrize("purpose", [Purpose.INVITATION, Purpose.INVITATION_COPY])
def test_an_account_that_is_somebodys_is_not_taken_over(
    anonymous: Client, cast: Cast, on_app: Session, purpose: Purpose
) -> None:
    link = link_of(member(on_app, cast.dave), purpose)
    anonymous.send(f"{link}/sign-up", name="Evil", password=PASSWORD)
    account = account_of(on_app, cast.dave.email)
    assert account
    assert (account.name, account.password) == ("Dave Example", HASH)
    assert "Confirm participation" not in anonymous.get(link).text


@pytest.mark.on_sqlite
@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": "", "password": PASSWORD}, "name"),
        ({"name": "x" * 5000, "password": PASSWORD}, "name"),
        ({"name": "Nora", "password": "short"}, "password"),
        ({"name": "Nora", "password": NEW}, "password"),
        ({"name": "Nora", "password": "x" * 2000}, "password"),
        ({}, "name"),
    ],
)
def test_bad_input_gets_the_form_back(
    anonymous: Client, to_new: Callable[..., str], on_app: Session, fields: dict[str, str], field: str
) -> None:
    answer = anonymous.send(f"{to_new()}/sign-up", **fields)
    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert f'value="{fields.get("name", "")}"' in answer.text
    assert f'value="{fields.get("password", "none")}"' not in answer.text.replace(f'"username" value="{NEW}"', "")
    assert account_of(on_app) is None


@pytest.mark.on_sqlite
def test_extra_fields_change_nothing(anonymous: Client, to_new: Callable[..., str], on_app: Session) -> None:
    anonymous.send(
        f"{to_new()}/sign-up",
        name="Nora",
        password=PASSWORD,
        email="evil@example.com",
        is_operator="1",
        role="administrator",
    )
    account = account_of(on_app)
    assert account
    assert not account.is_operator
    assert account_of(on_app, "evil@example.com") is None


@pytest.mark.on_sqlite
def test_whoever_is_signed_in_makes_no_second_account(
    client_for: ClientFor, to_new: Callable[..., str], on_app: Session
) -> None:
    assert client_for("erin").send(f"{to_new()}/sign-up", name="Nora", password=PASSWORD).status_code == 303
    assert account_of(on_app) is None


def test_two_who_sign_up_at_once_make_one_account(
    app: Flask, anonymous: Client, to_new: Callable[..., str], on_app: Session
) -> None:
    link, also = to_new(), Client(app)
    anonymous.token, also.token  # noqa: B018  # read before the race
    answers = at_once(
        lambda: anonymous.send(f"{link}/sign-up", name="One", password=PASSWORD),
        lambda: also.send(f"{link}/sign-up", name="Two", password=PASSWORD),
    )
    assert [each.status_code for each in answers] == [303, 303]
    on_app.rollback()
    assert on_app.scalar(select(func.count()).where(Account.email_key == NEW)) == 1
    pages = [client.get(link).text for client in (anonymous, also)]
    assert sum("Confirm participation" in page for page in pages) == 1  # the other one is asked to sign in
