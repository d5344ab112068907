"""The simulated fleet: it sails for this machine only, gives back what it took, and says how it went."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.activity import COMMAND
from core.cli import main
from core.cli.fleet import Log, is_here
from core.dates import now
from core.leases import Lease, Station
from core.meta import Meta
from core.oauth import stations
from core.settings import ROOT, Settings
from models import Organization, Product
from tests.cast import Cast
from tests.client_desk import until
from tests.databases import Database, environ

QUICK = ["--seats", "8", "--minutes", "0.03", "--seed", "4", "--product", "render"]


def sailed(*arguments: str) -> str:
    """What the command says when all is well: a process, because a fleet has a loop and signals of its own."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "core.cli", "fleet", *arguments, *QUICK],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout


@pytest.mark.on_sqlite
def test_a_fleet_takes_seats_and_gives_them_back(server: str, on_app: Session, cast: Cast) -> None:
    organization = Organization.locked(on_app, cast.organization_id)
    product = on_app.get_one(Product, cast.product["render"])
    _station, key = stations.add(organization, product, "Fleet", COMMAND, now())
    on_app.commit()
    *events, summary = sailed(key, "--url", server).splitlines()
    counts = {words.split(None, 1)[1]: int(words.split()[0]) for words in events}
    on_app.rollback()
    live = on_app.scalars(select(Lease).where(*Lease.LIVE)).all()
    taken = counts["taken"]
    assert 0 < taken == counts["given back"] + counts.get("crashes", 0)
    assert len(live) <= counts.get("crashes", 0)
    assert summary.startswith("At most ")


@pytest.mark.on_sqlite
@pytest.mark.parametrize("is_demo", [False, True], ids=["stations", "people"])
def test_a_fleet_finds_its_crew_on_this_machine(
    server: str, settings: Settings, database: Database, on_app: Session, cast: Cast, is_demo: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    on_app.execute(update(Meta).values(is_demo=is_demo))
    on_app.commit()
    for name, value in environ(database.url, settings.data, PORT=str(settings.port), BASE_URL=server).items():
        monkeypatch.setenv(name, value)
    sailed()
    on_app.rollback()
    taken = on_app.scalars(select(Lease)).all()
    assert taken
    assert {lease.account_id is not None for lease in taken} == {is_demo}
    assert not is_demo or {lease.account_id for lease in taken} <= {
        cast.player(name).account_id for name in ("alice", "carol", "bob", "mallory")
    }
    assert on_app.scalars(select(Station).where(Station.revoked_at.is_(None))).all() == []


@pytest.mark.parametrize("url", ["http://[2001:db8::1]", "http://192.0.2.1:8000", "nonsense"])
def test_a_fleet_does_not_sail_for_other_machines(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "st_x", "--url", url, *QUICK]) == 1
    assert "--" in capsys.readouterr().err


def test_this_machine_is_known_by_its_addresses() -> None:
    assert [is_here(host) for host in ("127.0.0.1", "::1", "localhost", "192.0.2.1")] == [True, True, True, False]


def test_a_portal_that_fails_is_no_success() -> None:
    log = Log()
    assert log.is_well
    log.events["server error"] += 1
    assert not log.is_well


PARENT = """
    import os, sys
    from core import up
    folder, sleeps = sys.argv[1], [sys.executable, "-c", "import time; time.sleep(60)"]
    sails = "import sys; print('sailed', file=open(sys.argv[1] + '/log', 'a')); sys.exit(3)"
    fleet = [sys.executable, "-c", sails, folder]
    def is_up():
        is_up.tries += 1
        return is_up.tries > 3
    is_up.tries = 0
    sys.exit(up.run({"web": sleeps, "fleet": fleet}, dict(os.environ), when_up=is_up, spare=["fleet"]))
"""


def test_the_demo_goes_on_without_its_fleet(tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(PARENT), str(tmp_path)]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}) as parent:
        until(lambda: (tmp_path / "log").exists() and (tmp_path / "log").read_text())
        until(lambda: not children(parent.pid, "sailed"))
        assert parent.poll() is None
        parent.terminate()
        assert parent.wait(10) == 0
    assert (tmp_path / "log").read_text() == "sailed\n"


def children(pid: int, word: str) -> list[int]:
    """The children of a process whose command holds a word."""
    listed = subprocess.run(["pgrep", "-P", str(pid), "-f", word], capture_output=True, text=True).stdout
    return [int(each) for each in listed.split()]
