"""What drills measure: `--drills` asks for their long forms, and the figures stand at the end of the run."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from _pytest.terminal import TerminalReporter

Figure = Callable[[str, object], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Know the option that `make drills` sets."""
    parser.addoption("--drills", action="store_true", help="run drills in their long form and print their figures")


@pytest.fixture
def drilling(request: pytest.FixtureRequest) -> bool:
    """Whether this is the long form: `rounds = 500 if drilling else 20`."""
    return bool(request.config.getoption("--drills"))


@pytest.fixture
def figure(record_property: Figure) -> Figure:
    """Notes a figure of this drill: `figure("rounds", 500)`."""
    return record_property


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Print the figures of every drill that has some, a line each."""
    if not terminalreporter.config.getoption("--drills"):
        return
    terminalreporter.section("figures")
    for report in (*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")):
        if report.user_properties:
            words = ", ".join(f"{name} {value}" for name, value in report.user_properties)
            terminalreporter.write_line(f"{report.nodeid.removeprefix('tests/drills/')}: {words}")
