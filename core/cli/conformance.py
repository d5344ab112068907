"""`./portal conformance URL TOKEN…`: whether a running portal keeps the protocol, asked from outside, point by point.

It takes seats of one product for a moment and gives all of them back: have a product for it that nobody works with.
"""

from __future__ import annotations

import shlex
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import click

if TYPE_CHECKING:
    from core.cli.conformance_kit import Kit

OK, IN_PART, NOT_RUN, FAILED = "ok", "in part", "not run", "failed"
COOLS_DOWN = 5  # the point that ends a session
LOCAL_PATIENCE = 60.0  # seconds that a restarted portal has to come back
#: What only an administrator, an operator or the clock can do, as `--hands` is asked for it.
DEEDS = {
    "expire": "let this lease expire", "end": "end this session at once", "disable": "disable the member who has this",
    "enable": "enable him again", "shorten": "let this lease's license end within 5 minutes",
    "lengthen": "give that license its end back", "restart": "restart the portal",
    "write-off": "write this borrowed lease off", "rotate": "rotate the signing key",
    "day-ahead": "set its clock a day ahead", "day-behind": "set its clock a day behind",
    "day-back": "set its clock right", "pass-offer": "let 60 seconds pass for an offered seat",
    "respell": "spell the address of the person who has this otherwise",
}  # fmt: skip


class NotKept(Exception):
    """The portal answered otherwise than the protocol says."""


class NotRun(Exception):
    """The point cannot be asked about here, and why."""


class InPart(Exception):
    """What was asked is kept; the rest cannot be asked about here, and why."""


class Hands(Protocol):
    """Whoever can do what no program can."""

    def do(self, deed: str, lease_id: str) -> bool:
        """Whether it was done."""


class NoHands:
    """Nobody; whoever waits long enough sees leases expire all the same."""

    def __init__(self, waits: bool) -> None:
        self.waits = waits

    def do(self, deed: str, lease_id: str) -> bool:
        """Wait for what time alone does."""
        seconds = {"expire": 601, "pass-offer": 61}.get(deed)
        if not self.waits or seconds is None:
            return False
        time.sleep(seconds)
        return True


@dataclass(frozen=True)
class CommandHands:
    """A command that is run with the deed and the lease's number behind it."""

    command: str

    def do(self, deed: str, lease_id: str) -> bool:
        """Whether the command ended well."""
        return subprocess.run([*shlex.split(self.command), deed, lease_id], stdout=subprocess.DEVNULL).returncode == 0


@dataclass(frozen=True)
class RestartingHands:
    """A command that restarts the portal; for everything else others."""

    command: str
    others: Hands

    def do(self, deed: str, lease_id: str) -> bool:
        """Whether it was done."""
        if deed != "restart":
            return self.others.do(deed, lease_id)
        return subprocess.run(shlex.split(self.command), stdout=subprocess.DEVNULL).returncode == 0


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one point."""

    number: int
    name: str
    outcome: str
    words: str = ""

    def __str__(self) -> str:
        return f"{self.outcome:<8} {self.number:>2}  {self.name}{': ' + self.words if self.words else ''}"


@click.command()
@click.argument("url")
@click.argument("tokens", metavar="TOKEN…", nargs=-1, required=True)
@click.option("--product", metavar="CODE", help="What to take seats of; the first that TOKEN may run, unless named.")
@click.option("--only", type=int, multiple=True, metavar="N", help="Only this point; may be repeated.")
@click.option("--wait", is_flag=True, help="Wait until leases expire: more than half an hour in all.")
@click.option("--hands", metavar="COMMAND", help="Run as COMMAND DEED LEASE to do what only an administrator can.")
@click.option("--restart", metavar="COMMAND", help="Restarts the portal, and returns once it is about to come back.")
@click.option("--whole", is_flag=True, help="Fail also when a point was not run, or only in part.")
def conformance(
    url: str, tokens: tuple[str, ...], product: str | None, only: tuple[int, ...], wait: bool, hands: str | None,
    restart: str | None, whole: bool,
) -> int:  # fmt: skip
    """See whether the portal at URL keeps the license protocol.

    TOKEN is a station key, or the access token of a program; a second one, of another organization, lets the kit try
    its doors too. It takes free seats of a product for a moment: have one that nobody works with.

    A line a point: ok, in part, not run with the reason, or failed. Exits with 1 when one failed.
    """
    able: Hands = CommandHands(hands) if hands else NoHands(wait)
    able = RestartingHands(restart, able) if restart else able
    counted = Counter[str]()
    for result in results(url, tokens, product, able, frozenset(only)):
        click.echo(str(result))
        counted[result.outcome] += 1
    click.echo(", ".join(f"{counted[outcome]} {outcome}" for outcome in (OK, IN_PART, NOT_RUN, FAILED)), err=True)
    return 1 if counted[FAILED] or (whole and counted[OK] < counted.total()) else 0


def results(
    url: str, tokens: tuple[str, ...], product: str | None, hands: Hands, only: frozenset[int] = frozenset()
) -> Iterator[Result]:
    """What becomes of each point, one after the other."""
    import httpx2

    from core.cli.conformance_kit import Kit
    from core.cli.conformance_points import POINTS

    with httpx2.Client(base_url=url.rstrip("/"), timeout=30.0) as http:
        kit = Kit(http, tokens, product, hands)
        points = [(number, *each) for number, each in enumerate(POINTS.items(), start=1)]
        # After it a person gets no seat for a while.
        points.sort(key=lambda point: kit.is_person and point[0] == COOLS_DOWN)
        for number, name, point in points:
            if not only or number in only:
                yield _asked(kit, number, name, point)


def _asked(kit: Kit, number: int, name: str, point: Callable[[Kit], str | None]) -> Result:
    import httpx2

    try:
        return Result(number, name, OK, point(kit) or "")
    except NotKept as wrong:
        return Result(number, name, FAILED, str(wrong))
    except InPart as rest:
        return Result(number, name, IN_PART, str(rest))
    except NotRun as why:
        return Result(number, name, NOT_RUN, str(why))
    except httpx2.HTTPError as broken:
        return Result(number, name, FAILED, f"no answer: {broken}")
    finally:
        kit.clear()
