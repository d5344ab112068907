"""The parent of web server and worker: it restarts either, stops both, and takes nothing with it when it dies."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.settings import ROOT

# The parent runs two children that append a line to a file at each start and stop.
PARENT = """
    import os, signal, sys
    from core import up
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may have been started to ignore it
    folder, up.SETTLED, grace = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    child = [sys.executable, folder + "/child.py", folder]
    sys.exit(up.run({"web": [*child, "web"], "worker": [*child, "worker"]}, dict(os.environ), grace=grace))
"""
CHILD = """
    import os, signal, subprocess, sys, time
    folder, name = sys.argv[1:]
    def note(word):
        with open(f"{folder}/log", "a") as log: log.write(f"{word} {name} {os.getpid()}\\n")
    def stop(*_):
        note("stopped")
        sys.exit(0)
    signal.signal(signal.SIGTERM, stop if not os.path.exists(f"{folder}/stubborn-{name}") else signal.SIG_IGN)
    signal.signal(signal.SIGINT, lambda *_: note("interrupted"))
    if os.path.exists(f"{folder}/fails-{name}"):
        note("failed")
        sys.exit(7)
    if name == "web":
        helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        with open(f"{folder}/helper", "w") as file: file.write(str(helper.pid))
    note("started")
    while True: time.sleep(60)
"""


class Parent:
    """A running parent and what its children wrote."""

    def __init__(self, folder: Path, *, settled: float = 0.3, grace: float = 30) -> None:
        self.folder = folder
        (folder / "child.py").write_text(textwrap.dedent(CHILD))
        command = [sys.executable, "-c", textwrap.dedent(PARENT), str(folder), str(settled), str(grace)]
        with (folder / "said").open("w") as said:
            self.process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=said)

    def noted(self, word: str, name: str) -> list[int]:
        """The process ids of the children that noted a word, oldest first."""
        log = self.folder / "log"
        lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
        return [int(pid) for said, who, pid in lines if (said, who) == (word, name)]

    def is_up(self) -> bool:
        """Whether both children started."""
        return bool(self.noted("started", "web") and self.noted("started", "worker"))

    def is_settled(self) -> bool:
        """Whether both children have lived long enough to count as having come up."""
        return self.is_up() and time.time() - (self.folder / "log").stat().st_mtime > 0.5


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[Parent]:
    """A parent whose children are up."""
    running = Parent(tmp_path)
    wait_until(running.is_up)
    yield running
    end(running)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_both_and_is_no_failure(parent: Parent, number: signal.Signals) -> None:
    parent.process.send_signal(number)
    parent.process.send_signal(number)
    assert parent.process.wait(60) == 0
    assert parent.noted("stopped", "web") == parent.noted("started", "web")
    assert parent.noted("stopped", "worker") == parent.noted("started", "worker")


def test_ctrl_c_reaches_the_parent_alone(parent: Parent) -> None:
    parent.process.send_signal(signal.SIGINT)
    parent.process.wait(60)
    assert parent.noted("interrupted", "web") == []


@pytest.mark.parametrize(("killed", "other"), [("web", "worker"), ("worker", "web")])
def test_a_killed_child_is_started_again_and_the_other_goes_on(parent: Parent, killed: str, other: str) -> None:
    wait_until(parent.is_settled)
    os.kill(parent.noted("started", killed)[0], signal.SIGKILL)
    wait_until(lambda: len(parent.noted("started", killed)) == 2)
    assert len(parent.noted("started", other)) == 1
    assert f"The {killed} ended (-9) and is started again." in (parent.folder / "said").read_text()


def test_what_a_killed_child_started_is_ended(parent: Parent) -> None:
    wait_until(parent.is_settled)
    helper = int((parent.folder / "helper").read_text())
    os.kill(parent.noted("started", "web")[0], signal.SIGKILL)
    wait_until(lambda: not is_alive(helper))


def test_a_child_that_came_up_once_is_tried_again_until_it_holds(parent: Parent) -> None:
    wait_until(parent.is_settled)
    (parent.folder / "fails-worker").touch()
    os.kill(parent.noted("started", "worker")[0], signal.SIGKILL)
    wait_until(lambda: len(parent.noted("failed", "worker")) >= 2)
    (parent.folder / "fails-worker").unlink()
    wait_until(lambda: len(parent.noted("started", "worker")) == 2)
    assert parent.process.poll() is None


def test_a_child_that_never_came_up_stops_all_with_its_code(tmp_path: Path) -> None:
    (tmp_path / "fails-worker").touch()
    parent = Parent(tmp_path, settled=30)
    assert parent.process.wait(60) == 7
    assert len(parent.noted("failed", "worker")) == 1
    assert not any(map(is_alive, parent.noted("started", "web")))


def test_a_child_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    (tmp_path / "stubborn-web").touch()
    parent = Parent(tmp_path, grace=1)
    wait_until(parent.is_up)
    parent.process.terminate()
    assert parent.process.wait(60) == 0
    assert not is_alive(parent.noted("started", "web")[0])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells children")
def test_children_stop_when_the_parent_is_killed(parent: Parent) -> None:
    parent.process.kill()
    wait_until(lambda: bool(parent.noted("stopped", "web") and parent.noted("stopped", "worker")))


def wait_until(is_so: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]
    except OSError:
        return False


def end(parent: Parent) -> None:
    parent.process.kill()
    parent.process.wait()
    for name in ("web", "worker"):
        for pid in parent.noted("started", name):
            if is_alive(pid):
                os.killpg(pid, signal.SIGKILL)
