"""The script `portal`: what it makes on first use, when it makes it again, and what it says where it cannot.

A real venv and a real pip, but of no packages: `requirements.txt` is empty here, and core.cli says what it was given.
After the first, venvs are copies of it: making one takes five seconds.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.settings import ROOT

CLI = """
import os, sys
print("given", sys.argv[1:], "in", os.getcwd(), "by", sys.prefix, "read", sys.stdin.read())
"""
PYTHON = Path(sys.executable).resolve()
PATH = f"{PYTHON.parent}:/usr/bin:/bin"
FIRST = "Installing the portal's packages"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in a path with spaces after its first use."""
    root = checkout(tmp_path_factory.mktemp("setup") / "a folder with spaces")
    first = portal(root, "one", "two words", stdin="typed")
    assert first.returncode == 0, first.stderr
    assert FIRST in first.stderr
    assert first.stdout == f"given ['one', 'two words'] in {root} by {root}/.venv read typed\n"
    return root


@pytest.fixture
def tools(installed: Path, tmp_path: Path) -> str:
    """A path whose python3 makes a venv by copying one."""
    copy = f'cp -R "{installed}/.venv" "$3" && rm "$3/stamp"'
    script(tmp_path / "tools" / "python3", f'[ "$1 $2" != "-m venv" ] || {{ {copy}; exit; }}\nexec "{PYTHON}" "$@"')
    return f"{tmp_path}/tools:{PATH}"


def test_a_second_start_installs_nothing(installed: Path) -> None:
    before = (installed / ".venv").stat().st_mtime_ns
    done = portal(installed)
    assert (done.returncode, done.stderr) == (0, "")
    assert (installed / ".venv").stat().st_mtime_ns == before


def test_it_may_be_called_through_a_link_from_anywhere(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to(installed / "portal")
    (tmp_path / "two").symlink_to("one")
    done = portal(installed, command=["../two"], cwd=folder(tmp_path / "elsewhere"))
    assert done.stdout.startswith(f"given [] in {tmp_path}/elsewhere by {installed}/.venv")


def test_a_core_in_the_callers_folder_is_not_run(installed: Path, tmp_path: Path) -> None:
    (folder(tmp_path / "core" / "cli") / "__main__.py").write_text("print('wrong')")
    assert "given" in portal(installed, command=[str(installed / "portal")], cwd=tmp_path).stdout


def test_it_works_without_any_environment(installed: Path) -> None:
    done = subprocess.run([installed / "portal"], env={}, capture_output=True, text=True, input="")
    assert (done.returncode, done.stderr) == (0, "")


def test_an_installation_stopped_half_way_is_made_again(tmp_path: Path, tools: str) -> None:
    root = checkout(tmp_path / "root")
    with subprocess.Popen(
        [root / "portal"], env=clean(tools), start_new_session=True, stderr=subprocess.DEVNULL
    ) as first:
        wait_for(root / ".venv" / "bin" / "python")
        os.killpg(first.pid, signal.SIGKILL)
    done = portal(root, path=tools)
    assert done.returncode == 0
    assert FIRST in done.stderr


def test_of_two_that_start_at_once_one_installs(tmp_path: Path, tools: str) -> None:
    root = checkout(tmp_path / "root")
    starts = [
        subprocess.Popen(
            [root / "portal"], env=clean(tools), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    said = [start.communicate()[1] for start in starts]
    assert [start.returncode for start in starts] == [0, 0, 0]
    assert sum(FIRST in each for each in said) == 1


def test_a_moved_folder_is_installed_again(installed: Path, tmp_path: Path, tools: str) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(installed, moved, symlinks=True)
    done = portal(moved, path=tools)
    assert FIRST in done.stderr
    assert f"by {moved}/.venv" in done.stdout


def test_changed_requirements_that_fail_say_so_and_are_tried_again(installed: Path, tmp_path: Path, tools: str) -> None:
    root = tmp_path / "changed"
    shutil.copytree(installed, root, symlinks=True)
    (root / "requirements.txt").write_text("./nothing-here\n")
    for _ in range(2):
        done = portal(root, path=tools)
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.splitlines()[-1].startswith("The packages could not be installed; the lines above say why.")


@pytest.mark.parametrize(
    ("fails", "words"),
    [
        ("version_info", "The portal needs Python 3.11 or newer; on Debian or Ubuntu, apt install python3"),
        ("ensurepip", "cannot make a venv; on Debian or Ubuntu, apt install python3-venv mends that."),
    ],
)
def test_it_says_what_to_install(tmp_path: Path, fails: str, words: str) -> None:
    root, tools = checkout(tmp_path / "root"), folder(tmp_path / "tools")
    for name in ("cat", "cksum", "readlink", "rm", "mv"):
        (tools / name).symlink_to(str(shutil.which(name)))
    script(tools / "python3", f'case "$*" in *{fails}*) exit 1 ;; esac')
    done = portal(root, path=str(tools))
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-test.txt"])
def test_every_requirement_is_pinned_as_the_constraints_have_it(name: str) -> None:
    pinned = set((ROOT / "constraints.txt").read_text().lower().split())
    wanted = {re.sub(r"\[.*?\]", "", line) for line in (ROOT / name).read_text().lower().split()}
    assert wanted - pinned == set()


def checkout(root: Path) -> Path:
    """A checkout with no packages to install and a command line that tells what it was given."""
    folder(root / "core" / "cli")
    shutil.copy2(ROOT / "portal", root / "portal")
    for name in ("requirements.txt", "constraints.txt", "core/__init__.py", "core/cli/__init__.py"):
        (root / name).touch()
    (root / "core" / "cli" / "__main__.py").write_text(CLI)
    return root


def portal(
    root: Path,
    *arguments: str,
    stdin: str = "",
    command: list[str] | None = None,
    cwd: Path | None = None,
    path: str | None = None,
) -> "subprocess.CompletedProcess[str]":
    call = [*(command or ["./portal"]), *arguments]
    return subprocess.run(
        call, env=clean(path), cwd=cwd or root, capture_output=True, text=True, input=stdin, timeout=120
    )


def clean(path: str | None = None) -> dict[str, str]:
    """An environment like a newcomer's, with this Python first."""
    return {"PATH": path or PATH, "HOME": "/nonexistent"}


def script(path: Path, text: str) -> None:
    folder(path.parent)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
