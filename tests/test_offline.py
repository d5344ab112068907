"""Computers without a network, as a person carries their files: uploaded, downloaded, brought back; nobody else's."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from core import signing
from core.db import db
from core.leases import Denial, Lease
from models import License
from tests.api_desk import UUID, DeviceKey, new_uuid
from tests.cast import Cast
from tests.clients import Client
from tests.kestrel import Kestrel
from tests.seat_desk import wrong_books

ClientFor = Callable[[str], Client]
pytestmark = pytest.mark.on_sqlite
HERE = f"/devices/offline/{UUID}"


@pytest.fixture
def key() -> DeviceKey:
    """The key of the computer without a network."""
    return DeviceKey()


@pytest.fixture
def file(app: Flask, cast: Cast, key: DeviceKey) -> str:
    """A request for three days."""
    return key.request(app, cast.now + timedelta(days=3))


def upload(client: Client, text: str | bytes) -> TestResponse:
    """Send a file as the form does."""
    data = text.encode() if isinstance(text, str) else text
    fields = {"csrf_token": client.token, "file": (io.BytesIO(data), "file")}
    return client.post("/devices/offline", data=fields, content_type="multipart/form-data")


def live(session: Session) -> list[Lease]:
    assert not wrong_books(session)
    return list(session.scalars(select(Lease).where(*Lease.LIVE)))


def test_request_is_uploaded_and_the_answer_downloaded(
    app: Flask, client_for: ClientFor, file: str, key: DeviceKey, cast: Cast
) -> None:
    bob = client_for("bob")
    answer = upload(bob, f"\n{file}\r\n")
    assert (answer.status_code, answer.location) == (303, HERE)
    page = bob.get(HERE)
    assert "Render Studio is borrowed for WS-AWAY" in page.text
    assert f'href="{HERE}/file"' in page.text
    got = bob.get(f"{HERE}/file")
    assert got.headers["Content-Disposition"] == "attachment; filename=render.seat.json"
    with app.app_context():
        said = signing.verify(db.session, got.get_json()["token"], cast.now)
    assert (said["dev"], said["mode"], said["jti"]) == (signing.thumbprint(key.public), "borrowed", UUID)
    assert said["exp"] == int((cast.now + timedelta(days=3)).timestamp())
    assert "borrowed until" in bob.get("/devices").text


def test_same_file_leads_to_the_same_seat(client_for: ClientFor, file: str, on_app: Session) -> None:
    bob = client_for("bob")
    assert {upload(bob, file).location for _ in range(2)} == {HERE}
    (lease,) = live(on_app)
    assert lease.uuid == UUID


def test_return_is_uploaded_on_the_same_page(client_for: ClientFor, file: str, key: DeviceKey, on_app: Session) -> None:
    bob = client_for("bob")
    upload(bob, file)
    for _ in range(2):
        answer = upload(bob, key.proof())
        assert (answer.status_code, answer.location) == (303, "/devices")
    assert "The seat of Render Studio is free again." in bob.get("/devices").text
    assert live(on_app) == []
    assert bob.get(HERE).status_code == bob.get(f"{HERE}/file").status_code == 404


def test_what_is_refused_says_why_beside_the_field(
    app: Flask, client_for: ClientFor, file: str, key: DeviceKey, on_app: Session, cast: Cast
) -> None:
    bob = client_for("bob")
    upload(bob, file)
    for sent, status, words in (
        ("", 422, "Choose a file."),
        ("x" * 8193, 422, "too large"),
        ("x", 422, "The proof is none for this lease."),
        (b"\xff\xfe\x00", 422, "malformed_request"),
        (file[:-4], 422, "or it was changed on its way."),
        (key.request(app, cast.now, portal="https://other.example"), 422, "for another portal: https://other.example"),
        (key.request(app, cast.now + timedelta(days=9), new_uuid()), 422, "borrow_too_long"),
        (DeviceKey().request(app, cast.now + timedelta(days=1), new_uuid()), 409, "device_conflict"),
        (DeviceKey().proof(), 409, "not signed by the device that has the seat"),
        (key.proof(new_uuid()), 404, "unknown_lease"),
        (key.proof("\ud800"), 422, "The proof is none for this lease."),
        (key.proof("\0"), 422, "The proof is none for this lease."),
    ):  # fmt: skip
        refused = upload(bob, sent)
        assert (sent[:20], refused.status_code) == (sent[:20], status)
        assert words in refused.text
        assert 'aria-invalid="true"' in refused.text
    assert [each.uuid for each in live(on_app)] == [UUID]


def test_denial_is_kept_as_any_other(client_for: ClientFor, file: str, on_app: Session, cast: Cast) -> None:
    for name in ("cloud", "network"):
        on_app.get_one(License, cast.license[name]).seats = 0
    on_app.commit()
    refused = upload(client_for("bob"), file)
    assert (refused.status_code, "no_seat_available" in refused.text) == (409, True)
    assert on_app.scalars(select(Denial.code)).all() == ["no_seat_available"]


def test_who_may_run_nothing_is_lent_nothing(client_for: ClientFor, file: str, on_app: Session) -> None:
    for who, code in (("dora", "membership_disabled"), ("erin", "no_permission"), ("mallory", "no_permission")):
        refused = upload(client_for(who), file)
        assert (who, refused.status_code, code in refused.text) == (who, 403, True)
    assert live(on_app) == []


def test_seat_is_seen_by_nobody_else(client_for: ClientFor, file: str, key: DeviceKey, on_app: Session) -> None:
    upload(client_for("bob"), file)
    for who in ("alice", "mallory", "erin"):
        other = client_for(who)
        assert other.get(HERE).status_code == other.get(f"{HERE}/file").status_code == 404
        assert upload(other, key.proof()).status_code == 404
    assert len(live(on_app)) == 1


def test_borrowed_seat_can_be_fetched_until_its_day(
    client_for: ClientFor, file: str, on_app: Session, cast: Cast
) -> None:
    """Also by who was disabled meanwhile: nobody can call it back."""
    bob = client_for("bob")
    upload(bob, file)
    kestrel = Kestrel(on_app, cast)
    kestrel.bob.disable(kestrel.by("alice"), kestrel.alice, kestrel.now)
    on_app.commit()
    assert upload(bob, file).location == HERE
    expires_at = json.loads(bob.get(f"{HERE}/file").text)["expires_at"]
    assert datetime.fromisoformat(expires_at) == (cast.now + timedelta(days=3)).replace(microsecond=0)
