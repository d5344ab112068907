"""A program on a seat, seen and ended by the administrator in a browser, while somebody waits for the seat."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from portal_seat import State
from sqlalchemy.orm import Session

from core.dates import now
from core.leases import LEASE
from core.seats import sweeping
from tests.cast import Cast
from tests.client_desk import until
from tests.clients import Client as Browser
from tests.clients import share
from tests.seat_programs import PRODUCT, SAVES, Start, computer, ended, heard, one_seat, running, the_lease

#: Stays for as long as whoever started it is there.
STAYS = """
import os, time
start = os.getppid()
print("ready", flush=True)
while os.getppid() == start: time.sleep(0.05)
"""


@pytest.mark.on_sqlite
def test_an_ended_program_saves_stops_and_makes_room(
    server: str,
    client_for: Callable[[str], Browser],
    page: Page,
    portal_seat: Start,
    tmp_path: Path,
    on_app: Session,
    cast: Cast,
) -> None:
    one_seat(on_app, cast)
    with computer(server, client_for("bob"), tmp_path / "bob") as bob:
        bob.entitlements()  # he signs in
    share(client_for("alice"), page, server)
    page.clock.install()
    page.goto(f"{server}/admin/status")
    expect(page.locator("tr.rec")).to_have_count(0)

    program = portal_seat(tmp_path / "bob", *running(SAVES, "--renew-every", "0.3", "--save-signal", "USR1"))
    assert heard(program) == "ready"
    with page.expect_response(lambda response: "/admin/status/live" in response.url):
        page.clock.run_for(5000)  # after which it has looked again
    expect(page.locator("tr.rec")).to_contain_text("Bob")

    places: list[int] = []
    with computer(server, client_for("carol"), tmp_path / "carol", "WS-15") as carol:
        waiting = carol.seat(PRODUCT, queue=True, on_queue=places.append, renew_every=0.3)
        thread = threading.Thread(target=waiting.take)
        thread.start()
        until(lambda: places == [1])
        end(page)
        code, out, err = ended(program)
        assert (code, out) == (3, "saved\n")
        assert "For the tender" in err
        thread.join(20)
        assert waiting.state is State.LICENSED
        assert the_lease(on_app).account_id == cast.carol.account_id

        code, out, err = ended(portal_seat(tmp_path / "bob", *running(SAVES)))
        assert (code, out) == (75, "")
        assert "session was ended" in err
        waiting.give_back()


@pytest.mark.on_sqlite
def test_a_killed_program_is_not_responding_then_its_seat_is_free(
    server: str,
    client_for: Callable[[str], Browser],
    page: Page,
    portal_seat: Start,
    tmp_path: Path,
    on_app: Session,
    cast: Cast,
) -> None:
    one_seat(on_app, cast)
    with computer(server, client_for("bob"), tmp_path) as bob:
        bob.entitlements()  # he signs in
    program = portal_seat(tmp_path, *running(STAYS))
    assert heard(program) == "ready"
    share(client_for("alice"), page, server)
    page.goto(f"{server}/admin/status")
    license, row = page.locator(f"#pool-{cast.license['network']}"), page.locator("tr.rec")
    expect(row).to_contain_text("Running")
    program.kill()
    pass_by(on_app, LEASE - timedelta(minutes=2))
    page.reload()
    expect(row).to_contain_text(re.compile(r"Not responding\s*Released in 1:\d\d"))
    expect(license).to_contain_text("1 of 1 in use")
    pass_by(on_app, timedelta(minutes=2))
    assert sweeping.sweep_due(on_app, now()) == 1
    page.reload()
    expect(row).to_have_count(0)
    expect(license).to_contain_text("0 of 1 in use")


def pass_by(session: Session, time: timedelta) -> None:
    """Let time pass for the only lease."""
    lease = the_lease(session)
    lease.taken_at, lease.renewed_at = lease.taken_at - time, lease.renewed_at - time
    lease.expires_at -= time
    session.commit()


def end(page: Page) -> None:
    """End the only session, with 10 seconds to save in."""
    page.locator("tr.rec").get_by_role("button", name="End session").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Message").fill("For the tender")
    dialog.get_by_label("Time to save (seconds)").fill("10")
    dialog.get_by_role("button", name="End session").click()
    expect(dialog).to_be_hidden()
