"""One computer, one key: what a token is bound to is what its device signs with."""

from __future__ import annotations

import pytest
from flask import Flask
from joserfc.jwk import OKPKey
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from core import signing
from core.leases import Device, Lease
from tests.api_desk import UUID, Programs, code
from tests.cast import Cast
from tests.programs import ProgramAt, new_key

pytestmark = pytest.mark.on_sqlite
PATH = f"/api/v1/leases/{UUID}"


def public(key: OKPKey | None) -> str:
    """A key as the API takes it."""
    assert key is not None
    return str(key.as_dict(private=False)["x"])


def put(program: ProgramAt, **device: str) -> TestResponse:
    """Ask for a seat as a device."""
    body = {"product": "render", "device": {"id": "d", **device}}
    return program.client.put(PATH, json=body, headers=program.headers("PUT", PATH))


def test_device_signs_with_the_key_of_its_token(bound: ProgramAt) -> None:
    assert put(bound, public_key=public(bound.key)).status_code == 201
    assert put(bound).status_code == 200


def test_lease_for_another_key_than_the_tokens_is_refused(bound: ProgramAt, on_app: Session) -> None:
    """Else a lease could be made here, with this sign-in, for a computer that nobody let in."""
    assert code(put(bound, public_key=public(new_key()))) == (409, "device_conflict")
    assert on_app.scalars(select(Lease)).all() == []
    assert on_app.scalars(select(Device)).all() == []


def test_device_that_is_known_by_another_key_is_refused_whatever_it_says(
    bound: ProgramAt, program: Programs, on_app: Session
) -> None:
    other = program("bob", "d", with_device={"public_key": public(new_key())})
    assert other.ask().status_code == 201
    assert other.give_back().status_code == 204
    assert code(put(bound)) == (409, "device_conflict")
    assert code(put(bound, public_key=public(bound.key))) == (409, "device_conflict")


def test_key_is_named_as_its_standard_has_it(app: Flask, cast: Cast) -> None:
    key = new_key()
    assert signing.thumbprint(public(key)) == key.thumbprint()
