"""The client on a computer without a network: its files are carried to the real portal, and what comes back works."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from joserfc.jwk import KeySet, OKPKey
from portal_seat import Client, ClockRollback, State, Unreachable, Untrusted
from portal_seat.command import main
from sqlalchemy.orm import Session

from core.dates import now
from tests.cast import Cast
from tests.client_desk import FakePortal, StillClock
from tests.clients import Client as Browser
from tests.seat_programs import PRODUCT, live, the_lease

pytestmark = pytest.mark.on_sqlite
DAY = timedelta(days=1)


class Away:
    """A computer without a network, and who carries its files."""

    def __init__(self, app: Flask, folder: Path, browser: Browser) -> None:
        self.url, self.folder, self.browser = app.extensions["settings"].base_url, folder, browser
        self.clock = StillClock()
        self.clock.now = now().timestamp()

    def client(self, **more: object) -> Client:
        """Its client; nothing that it sends arrives."""
        return Client(self.url, folder=self.folder, clock=self.clock, transport=FakePortal(None).transport, **more)  # type: ignore[arg-type]

    def command(self, *arguments: str) -> int:
        """`portal-seat` on it."""
        return main(["--url", self.url, "--data", str(self.folder), *arguments])

    def carried(self, text: str) -> str:
        """The file that the portal gives for one that is uploaded; nothing for a return."""
        fields = {"csrf_token": self.browser.token, "file": (io.BytesIO(text.encode()), "file")}
        answer = self.browser.post("/devices/offline", data=fields, content_type="multipart/form-data")
        assert answer.status_code == 303, answer.text
        return "" if answer.location == "/devices" else self.browser.get(f"{answer.location}/file").text


@pytest.fixture
def away(app: Flask, tmp_path: Path, client_for: Callable[[str], Browser]) -> Away:
    """A computer of bob's."""
    return Away(app, tmp_path / "away", client_for("bob"))


def test_a_seat_is_requested_installed_and_returned_by_files(
    away: Away, tmp_path: Path, on_app: Session, cast: Cast, capsys: pytest.CaptureFixture[str]
) -> None:
    asked, brought, returned = (tmp_path / name for name in ("request", "seat", "return"))
    tomorrow = (cast.now.astimezone() + DAY).date().isoformat()
    assert away.command("request", "--product", PRODUCT, "--until", tomorrow, str(asked)) == 0
    brought.write_text(away.carried(asked.read_text()))
    assert the_lease(on_app).account_id == cast.bob.account_id
    assert away.command("install", str(brought)) == 0
    assert f"{PRODUCT} is borrowed until {tomorrow} 23:59." in capsys.readouterr().out
    with away.client() as client, client.seat(PRODUCT) as seat:
        assert seat.state is State.LICENSED
    for _ in range(2):
        assert away.command("return", "--product", PRODUCT, "--file", str(returned)) == 0
        away.carried(returned.read_text())
    assert live(on_app) == 0
    assert away.command("install", str(brought)) == 1
    assert "returned already" in capsys.readouterr().err


def test_a_seat_that_is_given_up_counts_here_no_more(away: Away) -> None:
    with away.client() as client:
        client.install(away.carried(client.request(PRODUCT, now() + DAY)))
        assert client.give_up(PRODUCT)
        with pytest.raises(Unreachable), client.seat(PRODUCT):
            pytest.fail("It started.")
        assert client.give_up("draft") is None


def test_an_answer_for_another_computer_does_not_count(away: Away, tmp_path: Path) -> None:
    with away.client() as client:
        answer = away.carried(client.request(PRODUCT, now() + DAY))
    away.folder = tmp_path / "another"
    with away.client() as other, pytest.raises(Untrusted, match="another device"):
        other.install(answer)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"token": "x", "keys": []}', '{"token": 1, "keys": 7}'])
def test_what_is_no_answer_is_said(away: Away, text: str) -> None:
    with away.client() as client, pytest.raises(Untrusted):
        client.install(text)


def test_a_program_with_keys_of_its_own_believes_no_others(away: Away) -> None:
    strange: dict[str, object] = dict(KeySet([OKPKey.generate_key("Ed25519", {"kid": "x"})]).as_dict(private=False))
    with away.client() as client:
        answer = away.carried(client.request(PRODUCT, now() + DAY))
    with away.client(keys=strange) as client, pytest.raises(Untrusted, match="not signed by"):
        client.install(answer)
    with away.client(keys={"keys": json.loads(answer)["keys"]}) as client:
        assert client.install(answer).product == PRODUCT


def test_a_clock_that_is_behind_the_answer_is_named(away: Away) -> None:
    with away.client() as client:
        answer = away.carried(client.request(PRODUCT, now() + DAY))
        away.clock.move(-3600)
        with pytest.raises(ClockRollback):
            client.install(answer)
