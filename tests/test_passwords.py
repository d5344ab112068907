"""Passwords: hashing holds nobody up, takes as long for everybody, and guessable ones are refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from core import passwords
from core.accounts import HASHING
from core.db import Mode, current_mode, db
from core.errors import BadInput
from core.guard import OPEN_VIEWS
from models import SignIn
from tests.clients import Client
from tests.test_sessions import SIGN_IN, bob

__all__ = ["bob"]


# ── hashing holds nobody up ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.on_sqlite
@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/login", SIGN_IN),
        ("/login", {**SIGN_IN, "password": "not the password"}),
        ("/register", {"name": "Ann", "email": "ann@example.com", "password": "a sentence is good"}),
        ("/profile/email", {"new_email": "new@example.com", "password": SIGN_IN["password"]}),
        ("/profile/password", {"current_password": SIGN_IN["password"], "new_password": "quite another sentence"}),
    ],
)
def test_others_can_write_while_a_password_is_hashed(
    bob: Client, anonymous: Client, path: str, form: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = []

    def somebody_writes(function: Callable[..., Any]) -> Callable[..., Any]:
        def during(*arguments: Any) -> Any:
            assert current_mode() is Mode.LATE
            writer = threading.Thread(target=write, args=(bob.application,))
            writer.start()
            writer.join(5)
            hashed.append(not writer.is_alive())
            return function(*arguments)

        return during

    bob.token, anonymous.token  # noqa: B018  # read before, their pages are not what is tested
    for name in ("hash_password", "verify_password"):
        monkeypatch.setattr(passwords, name, somebody_writes(getattr(passwords, name)))
    client = bob if path.startswith("/profile") else anonymous
    assert client.send(path, **form).status_code in {303, 422}
    assert hashed
    assert all(hashed)


def write(app: Flask) -> None:
    with app.app_context():
        row = db.session.scalars(select(SignIn)).first()
        assert row is not None
        row.device = "written meanwhile"
        db.session.commit()


@pytest.mark.on_sqlite
def test_an_unknown_person_costs_a_hash_as_everybody_does(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str] = []

    def counted(password: str, kept: str) -> bool:
        verified.append(kept)
        return True

    monkeypatch.setattr(passwords, "verify_password", counted)
    with app.app_context():
        assert not passwords.is_right("a sentence is good", None)
        assert not passwords.is_right("x" * 5000, "$argon2id$kept")
        assert passwords.is_right("a sentence is good", "$argon2id$kept")
    assert len(verified) == 3
    assert verified[0] == verified[1] != verified[2]


@pytest.mark.on_sqlite
def test_the_lists_of_views_name_views_that_exist(app: Flask) -> None:
    assert set(app.view_functions) >= HASHING
    assert set(app.view_functions) >= OPEN_VIEWS


@pytest.mark.on_sqlite
def test_hashes_are_costly_where_nobody_makes_them_cheap(settings: Any) -> None:
    from app import create_app

    app = create_app(settings)
    with app.app_context():
        assert passwords.hashed("a sentence is good").startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        db.engine.dispose()


COMMON = ["password", "12345678", "qwertyuiop", "P@ssw0rd!", "newpassword1", "aaaaaaaa", "abcdefgh", "iloveyou1"]
ABOUT = ["AnnArcher", "archer2026", "ann.archer!", "Halden Portal", "portalportal"]
GOOD = ["a sentence is good", "correct horse battery staple", "archer of the green wood", "x7Kq9mWzP", "x" * 41]


@pytest.mark.parametrize("password", COMMON + ABOUT)
def test_what_others_would_try_first_is_refused(password: str) -> None:
    with pytest.raises(BadInput):
        passwords.check(password, ("Ann Archer", "ann@example.com", "Halden Portal"))


@pytest.mark.parametrize("password", GOOD)
def test_everything_else_is_taken(password: str) -> None:
    passwords.check(password, ("Ann Archer", "ann@example.com", "Halden Portal"))
