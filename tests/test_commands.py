"""The commands that run and check the portal: what they refuse, in one sentence, and that looking makes no file."""

import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from core import __version__
from tests.forked import COMMANDS, Done, environment


def portal(*arguments: str, cwd: Path, **environ: str) -> Done:
    """Run a command as the script does, with data in a folder below `cwd`."""
    return COMMANDS.run(arguments, environment(**{"PORT": str(free_port()), **environ}), cwd)


def started(*arguments: str, cwd: Path) -> Done:
    """The same, by an interpreter of its own."""
    command = [sys.executable, "-P", "-m", "core.cli", *arguments]
    return subprocess.run(command, env=environment(), cwd=cwd, capture_output=True, text=True, timeout=60)


def refused(done: Done) -> str:
    """The one sentence a refused command says."""
    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    return done.stderr.strip()


def test_the_version_is_said_in_one_place(tmp_path: Path) -> None:
    assert started("--version", cwd=tmp_path).stdout == f"{__version__}\n"


def test_help_lists_every_command(tmp_path: Path) -> None:
    said = started("--help", cwd=tmp_path).stdout
    for name in ("check", "demo", "keys", "mail", "organizations", "products", "run", "users", "worker"):
        assert f"\n  {name} " in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fly"], "No such command 'fly'."),
        (["run", "--fast"], "No such option '--fast'."),
        (["mail", "test"], "Missing argument 'ADDRESS'."),
        (["mail", "test", "bob@example.com"], "MAIL_SERVER is not set"),
    ],
)
def test_a_mistake_is_answered_in_one_sentence(tmp_path: Path, arguments: list[str], words: str) -> None:
    assert refused(portal(*arguments, cwd=tmp_path)).startswith(words)


@pytest.mark.parametrize("command", ["run", "demo", "worker", "check"])
def test_a_bad_setting_stops_every_command(tmp_path: Path, command: str) -> None:
    assert refused(portal(command, cwd=tmp_path, PORT="none")) == (
        "PORT must be a whole number from 1 to 65535, not “none”."
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["run", "demo"])
def test_a_port_in_use_is_named_before_anything_is_made(tmp_path: Path, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        sentence = refused(portal(command, cwd=tmp_path, PORT=port))
    assert sentence == f"Port {port} on 127.0.0.1 is in use; set PORT to another one."
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("host", ["203.0.113.9", "nowhere.invalid"])
def test_a_foreign_host_is_named(tmp_path: Path, host: str) -> None:
    assert refused(portal("run", cwd=tmp_path, HOST=host)) == f"HOST {host} is not an address of this machine."


@pytest.mark.parametrize("command", ["run", "demo", "worker"])
def test_a_database_of_something_else_is_left_alone(tmp_path: Path, command: str) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE things (id)")
    other.close()
    before = path.read_bytes()
    sentence = refused(portal(command, cwd=tmp_path, DATABASE_URL=f"sqlite:///{path}"))
    assert sentence == "The database has tables that are not the portal's; name an empty one."
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_an_unreachable_database_is_one_sentence(tmp_path: Path) -> None:
    url = f"postgresql://someone@127.0.0.1:{free_port()}/portal"
    assert refused(portal("run", cwd=tmp_path, DATABASE_URL=url)).startswith("The database cannot be used: ")


def test_check_of_a_new_portal_is_good_and_makes_no_file(tmp_path: Path) -> None:
    done = portal("check", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert names == ["configuration", "database", "migrations", "mail", "disk"]
    assert list(tmp_path.iterdir()) == []


def test_check_fails_with_an_unreachable_database(tmp_path: Path) -> None:
    done = portal("check", cwd=tmp_path, DATABASE_URL=f"postgresql://me:hidden@127.0.0.1:{free_port()}/portal")
    assert done.returncode == 1
    assert done.stderr == "The portal cannot serve: database, migrations.\n"
    assert "hidden" not in done.stdout


def test_check_warns_of_mail_without_tls_and_still_can_serve(tmp_path: Path) -> None:
    done = portal("check", cwd=tmp_path, MAIL_SERVER="mail.invalid")
    assert done.returncode == 0
    assert "mail           warning  letters go to mail.invalid unencrypted, set MAIL_USE_TLS; " in done.stdout
    assert "The mail server mail.invalid:25 failed at the step connect: no such host." in done.stdout


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
