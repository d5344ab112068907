"""What programs and their people could learn or hold that is not theirs: other organizations' sessions, queues, rows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session

from core.activity import COMMAND
from models import Account, License, Organization
from tests.api_desk import Programs
from tests.cast import Cast
from tests.clients import Client

ClientFor = Callable[[str], Client]


# ── what is nobody else's business ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.on_sqlite
def test_next_owner_of_a_key_sees_nothing_of_who_still_saves_on_it(
    program: Programs, client_for: ClientFor, on_app: Session, cast: Cast
) -> None:
    assert program("bob", "CAD-7").ask().status_code == 201
    key = on_app.get_one(License, cast.license["cloud"]).key
    key.release(COMMAND, cast.now)
    on_app.commit()
    assert key.redeem(on_app.get_one(Organization, cast.other_id), COMMAND, cast.now, cast.now.date())
    on_app.commit()
    mallory, opened = client_for("mallory"), f"/admin/products?open={cast.license['cloud']}"
    for path in ("/admin/status", opened):
        page = mallory.get(path).text
        assert "Render Studio" in page
        assert "Bob Example" not in page
        assert "CAD-7" not in page
