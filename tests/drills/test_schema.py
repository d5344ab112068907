"""What the OpenAPI document allows, sent in every way and order: no 5xx, nothing that is not written in it."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from models import License
from tests import schema_runs
from tests.api_desk import STATION_KEY, Programs
from tests.cast import Cast
from tests.clients import Client
from tests.figures import Figure

pytestmark = pytest.mark.on_sqlite
PLENTY = 100_000
EXPECTED = {200, 201, 204, 400, 404, 405, 415, 422}


def test_api_does_what_its_document_says(
    program: Programs, app: Flask, anonymous: Client, cast: Cast, on_app: Session, drilling: bool, figure: Figure
) -> None:
    """No status and no member that is not documented; the links of answers lead on to what they say.

    The short form soon finds every seat taken. In the long one there is always another, so that its links lead far.
    """
    program()
    if drilling:
        on_app.get_one(License, cast.license["cloud"]).seats = PLENTY
        on_app.commit()
    app.testing = False  # a defect is an answer too
    document = anonymous.get("/api/v1/openapi.json").get_json()
    document["components"]["schemas"]["Ask"]["properties"]["product"]["enum"] = ["render"]
    found = schema_runs.run(app, document, f"Bearer {STATION_KEY}", examples=1000 if drilling else 4)
    figure("requests", found.statuses.total())
    figure("links followed", found.links)
    assert not found.failures
    assert not [status for status in found.statuses if status >= 500]
    assert found.statuses.keys() >= EXPECTED
    assert found.links > 0
