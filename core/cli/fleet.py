"""`./portal fleet`: simulated programs that start, crash, sleep, lose the network and end, for demos and drills."""

from __future__ import annotations

import asyncio
import ipaddress
import random
import signal
import socket
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

if TYPE_CHECKING:
    from core.cli.fleet_crew import Sailor

BROKEN = ("server error", "no answer", "no sense")  # what no portal answers that is well


@dataclass
class Log:
    """What the programs did, and how long the portal took to answer."""

    events: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    running: int = 0
    most: int = 0

    def began(self) -> None:
        """One more has a seat."""
        self.running += 1
        self.most = max(self.most, self.running)

    def ended(self) -> None:
        """One less has a seat."""
        self.running -= 1

    @property
    def is_well(self) -> bool:
        """Whether the portal answered every question with sense."""
        return not any(self.events[name] for name in BROKEN)

    def lines(self) -> list[str]:
        """The summary."""
        told = [f"{count:>7}  {name}" for name, count in sorted(self.events.items())]
        if not self.seconds:
            return [*told, "Nothing was answered."]
        ordered = sorted(self.seconds)
        middle, most = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.95)]
        times = [f"{each * 1000:.0f} ms" for each in (middle, most, ordered[-1])]
        answers = f"{len(ordered)} answers took {times[0]}, 95 of 100 less than {times[1]}, the longest {times[2]}."
        return [*told, f"At most {self.most} programs had a seat at one time; {answers}"]


@click.command()
@click.argument("tokens", metavar="[TOKEN…]", nargs=-1)
@click.option("--seats", type=click.IntRange(1, 5000), default=200, show_default=True, help="Simulated programs.")
@click.option("--minutes", type=click.FloatRange(0.01, 1440), default=2.0, show_default=True, help="Then they end.")
@click.option("--url", help="The portal; this machine's own, unless named.")
@click.option("--product", metavar="CODE", help="Only this product; needed with TOKEN.")
@click.option("--seed", type=int, help="The same number plays the same fleet.")
@click.option("--anywhere", is_flag=True, help="Also against a portal on another machine.")
@click.option("--calm", is_flag=True, hidden=True)
def fleet(
    tokens: tuple[str, ...], seats: int, minutes: float, url: str | None, product: str | None, seed: int | None,
    anywhere: bool, calm: bool,
) -> int:  # fmt: skip
    """Let simulated programs work with a portal, and say how it went.

    TOKEN is a station key. Without one the fleet sails for this machine's own portal: in the demo its people run their
    programs; elsewhere it makes stations for the organizations with floating licenses, and revokes them at the end.
    """
    from core.cli import fleet_crew

    with ExitStack() as stack:
        if tokens:
            crew = fleet_crew.of_keys(tokens, product)
        else:
            crew, own = stack.enter_context(fleet_crew.at_home(random.Random(seed), seats, product, calm))  # noqa: S311  # a play
            url = url or own
        url = checked_url(url, anywhere)
        log = asyncio.run(sail(url, crew, seats, minutes * 60, seed, calm))
    for line in [] if calm else log.lines():
        click.echo(line)
    return 0 if log.is_well else 1


def checked_url(url: str | None, anywhere: bool) -> str:
    """The address of a portal that the fleet may sail for."""
    host = urlsplit(url or "").hostname
    if url is None or host is None:
        raise click.ClickException("Name the portal: --url http://127.0.0.1:8000.")
    if not anywhere and not is_here(host):
        raise click.ClickException(f"{host} is another machine; --anywhere if its owner knows.")
    return url.rstrip("/")


def is_here(host: str) -> bool:
    """Whether every address of a host is this machine's loopback."""
    try:
        found = {each[4][0] for each in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return bool(found) and all(ipaddress.ip_address(str(each)).is_loopback for each in found)


async def sail(url: str, crew: Sequence[Sailor], seats: int, seconds: float, seed: int | None, calm: bool) -> Log:
    """Let the programs live for some seconds; Ctrl-C ends them sooner, and they give back what they hold."""
    import httpx2

    from core.cli.fleet_programs import Program, World

    log, over = Log(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, over.set)
    limits = httpx2.Limits(max_connections=100)
    async with httpx2.AsyncClient(base_url=url, timeout=30.0, limits=limits) as http:
        world = World(http, log, over, seconds, calm)
        programs = [Program(world, number, crew, random.Random(f"{seed}{number}")) for number in range(seats)]  # noqa: S311
        tasks = [asyncio.create_task(each.live()) for each in programs]
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), seconds)
        over.set()
        await asyncio.gather(*tasks)
    return log
