"""Limits hold over requests, processes and restarts, and take nothing from those who did nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from core import limits
from core.dates import now
from core.db import db
from core.errors import TooMany
from core.limits import LimitWindow
from tests.cast import Cast
from tests.clients import Client


@pytest.fixture
def context(bare_app: Flask) -> Iterator[Flask]:
    with bare_app.app_context():
        yield bare_app


def counts() -> dict[str, int]:
    return {row.rule: row.count for row in db.session.scalars(select(LimitWindow))}


def use_up(rule: str, subject: str) -> None:
    for _each in range(limits.RULES[rule].most):
        limits.count(rule, subject)


def test_the_one_beyond_the_limit_is_refused_and_told_how_long(context: Flask) -> None:
    use_up("reset", "anna")
    with pytest.raises(TooMany) as refused:
        limits.count("reset", "anna")
    assert 3500 < refused.value.retry_after <= 3600
    assert str(refused.value).startswith("Too many links")


def test_a_refused_attempt_is_not_counted(context: Flask) -> None:
    use_up("reset", "anna")
    for _each in range(3):
        with pytest.raises(TooMany):
            limits.count("reset", "anna")
    assert counts() == {"reset": 5}


def test_subjects_and_rules_are_counted_apart(context: Flask) -> None:
    use_up("reset", "anna")
    limits.count("reset", "ben")
    limits.count("letter", "anna")


def test_a_window_ends_and_the_next_begins_with_the_next_attempt(context: Flask) -> None:
    use_up("reset", "anna")
    with time_machine.travel(now() + timedelta(hours=1, seconds=1)):
        limits.count("reset", "anna")
        assert counts() == {"reset": 1}


def test_a_list_that_does_not_fit_is_refused_as_a_whole(context: Flask) -> None:
    limits.count("invitation", "organization 1", 499)
    with pytest.raises(TooMany):
        limits.count("invitation", "organization 1", 2)
    limits.count("invitation", "organization 1", 1)


def test_of_many_those_at_their_limit_are_named(context: Flask) -> None:
    use_up("letter", "anna")
    assert limits.count_each("letter", ["anna", "ben", "ben"]) == {"anna"}
    assert limits.count_each("letter", []) == set()


def test_what_is_given_back_counts_no_more_and_never_below_zero(context: Flask) -> None:
    limits.count("sign-in", "anna")
    limits.give_back("sign-in", "anna")
    limits.give_back("sign-in", "anna")
    db.session.commit()
    assert counts() == {"sign-in": 0}


def test_forgetting_begins_anew(context: Flask) -> None:
    use_up("sign-in", "anna")
    limits.forget("sign-in", "anna")
    db.session.commit()
    limits.count("sign-in", "anna")


def test_a_count_stays_though_the_request_rolls_back(context: Flask) -> None:
    limits.count("key", "account 1")
    db.session.rollback()
    assert counts() == {"key": 1}


def test_counting_after_a_change_is_a_defect(context: Flask) -> None:
    db.session.add(LimitWindow(rule="key", subject="x", count=1, ends_at=now()))
    with pytest.raises(RuntimeError, match="before anything is changed"):
        limits.count("key", "account 1")


def test_the_table_keeps_no_address(context: Flask) -> None:
    limits.count("reset", "anna@example.com")
    (kept,) = db.session.scalars(select(LimitWindow.subject))
    assert "anna" not in kept


def test_what_is_over_is_swept_away(context: Flask) -> None:
    limits.count("reset", "anna")
    limits.count("letter", "anna")
    limits.sweep(db.session, now() + timedelta(hours=2))
    assert counts() == {"letter": 1}


def test_of_many_at_one_time_no_more_than_the_limit_pass(context: Flask) -> None:
    passed = []

    def attempt() -> None:
        with context.app_context():
            for _each in range(5):
                try:
                    limits.count("sign-in", "anna")
                    passed.append(1)
                except TooMany:
                    pass

    threads = [threading.Thread(target=attempt) for _each in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(passed) == limits.RULES["sign-in"].most


def wrong(client: Client, email: str = "bob@example.com") -> int:
    return client.send("/login", email=email, password="not the password").status_code


@pytest.mark.on_sqlite
@pytest.mark.parametrize("email", ["bob@example.com", "nobody@example.com"])
def test_wrong_passwords_are_limited_alike_for_known_and_unknown(cast: Cast, anonymous: Client, email: str) -> None:
    assert {wrong(anonymous, email) for _each in range(10)} == {422}
    response = anonymous.send("/login", email=email, password="not the password")
    assert response.status_code == 429
    assert 0 < int(response.headers["Retry-After"]) <= 900
    assert email in response.text


def test_the_spelling_of_an_address_is_no_way_around(cast: Cast, anonymous: Client) -> None:
    for number in range(10):
        wrong(anonymous, "bob@example.com" if number % 2 else " BOB@Example.COM")
    assert wrong(anonymous, "Bob@example.com") == 429


def test_beyond_the_limit_the_right_password_tells_nothing(cast: Cast, anonymous: Client) -> None:
    for _each in range(10):
        wrong(anonymous)
    assert anonymous.send("/login", email=cast.bob.email, password=cast.bob.password).status_code == 429


@pytest.mark.on_sqlite
def test_strangers_lock_the_owner_out_neither_where_he_works_nor_where_he_signed_in(
    cast: Cast, app: Flask, client_for: object
) -> None:
    at_work = Client(app)
    at_work.send("/login", email=cast.bob.email, password=cast.bob.password)
    stranger = Client(app)
    stranger.environ_base["REMOTE_ADDR"] = "203.0.113.9"
    while wrong(stranger) != 429:
        pass
    assert at_work.get("/profile").status_code == 200
    again = Client(app)
    assert again.send("/login", email=cast.bob.email, password=cast.bob.password).status_code == 303


@pytest.mark.on_sqlite
def test_sixty_right_passwords_from_one_address_are_never_refused(cast: Cast, app: Flask) -> None:
    for _each in range(61):
        response = Client(app).send("/login", email=cast.bob.email, password=cast.bob.password)
        assert response.status_code == 303


@pytest.mark.on_sqlite
def test_wrong_passwords_for_many_accounts_are_limited_by_where_they_come_from(cast: Cast, anonymous: Client) -> None:
    found = {wrong(anonymous, f"person{number}@example.com") for number in range(60)}
    assert found == {422}
    assert wrong(anonymous, "another@example.com") == 429


@pytest.mark.on_sqlite
@pytest.mark.parametrize("email", ["bob@example.com", "nobody@example.com"])
def test_letters_that_reset_are_limited_alike_for_known_and_unknown(cast: Cast, anonymous: Client, email: str) -> None:
    assert {anonymous.send("/reset", email=email).status_code for _each in range(5)} == {303}
    assert anonymous.send("/reset", email=email).status_code == 429


@pytest.mark.on_sqlite
@pytest.mark.parametrize("email", ["bob@example.com", "nobody@example.com"])
def test_letters_of_sign_ups_to_one_address_are_limited(cast: Cast, anonymous: Client, email: str) -> None:
    form = {"name": "Bob", "email": email, "password": "a sentence is good"}
    assert {anonymous.send("/register", **form).status_code for _each in range(5)} == {303}
    response = anonymous.send("/register", **form)
    assert response.status_code == 429
    assert "enough mail" in response.text


@pytest.mark.on_sqlite
def test_sign_ups_are_limited_by_where_they_come_from(database: object, anonymous: Client) -> None:
    for number in range(60):
        anonymous.send("/register", name="Bob", email=f"person{number}@example.com", password="short")
    response = anonymous.send("/register", name="Bob", email="another@example.com", password="short")
    assert response.status_code == 429


@pytest.mark.on_sqlite
def test_wrong_present_passwords_are_limited_on_the_profile(cast: Cast, app: Flask) -> None:
    client = Client(app)
    client.send("/login", email=cast.bob.email, password=cast.bob.password)
    client.forget_token()
    form = {"new_email": "new@example.com", "password": "not the password"}
    assert {client.send("/profile/email", **form).status_code for _each in range(10)} == {422}
    assert client.send("/profile/email", **form).status_code == 429
