"""A simulated program: it asks for a seat, keeps it, and sooner or later ends, crashes, sleeps or loses the network."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx2

from core.cli.fleet import Log
from core.cli.fleet_crew import Sailor

OFTEN = 1 / 12  # of the whole time: how often a program asks that has less than a lease's time to live
SHORTEST_PAUSE, CALM_PAUSE = 1.0, 60.0
VERSIONS = ("2026.1", "2026.1", "2026.1", "2025.3")
SYSTEMS = ("windows", "windows", "linux", "macos")
#: What happens at a renewal, and how often of 100 times.
FATES = {"works on": 78, "idles": 8, "ends": 6, "crashes": 3, "sleeps": 3, "loses the network": 2}
CALM_FATES = {"works on": 80, "idles": 14, "ends": 5, "crashes": 1, "sleeps": 0, "loses the network": 0}


@dataclass(frozen=True, slots=True)
class World:
    """What the programs share."""

    http: httpx2.AsyncClient
    log: Log
    over: asyncio.Event
    seconds: float
    calm: bool

    async def wait(self, seconds: float) -> None:
        """Wait, but not beyond the end."""
        try:
            await asyncio.wait_for(self.over.wait(), seconds)
        except TimeoutError:
            return


class Program:
    """One computer on which a program is started again and again."""

    def __init__(self, world: World, number: int, crew: Sequence[Sailor], chance: random.Random) -> None:
        self.world, self.log, self.chance = world, world.log, chance
        self.sailor = crew[number % len(crew)]
        self.device = {
            "id": self.sailor.device or f"fleet-{number}", "name": f"WS-{number + 1:03}", "os": chance.choice(SYSTEMS),
        }  # fmt: skip
        self.version = chance.choice(VERSIONS)
        self.lease_id, self.seq, self.idle_s = "", 0, 0

    async def live(self) -> None:
        """Start, work, and start again, until the end."""
        await self.world.wait(self.chance.uniform(0, self._pause(30)))
        while not self.world.over.is_set():
            self.lease_id, self.seq, self.idle_s = str(uuid.uuid4()), 0, 0
            await self._launch()
            await self.world.wait(self.chance.uniform(0.2, 1) * self._pause(120))

    async def _launch(self) -> None:
        """One launch: wait for a seat, keep it, and leave."""
        answer = await self._ask()
        while answer is not None and answer["state"] == "queued" and not self.world.over.is_set():
            await self.world.wait(self._pause(answer["poll_after_s"]))
            answer = await self._ask()
        if answer is None:
            return
        if answer["state"] == "queued":
            await self._give_back("left the queue")
            return
        self.log.began()
        try:
            if await self._work(answer):
                await self._give_back("given back")
        finally:
            self.log.ended()

    async def _work(self, answer: dict[str, Any] | None) -> bool:
        """Keep the seat; whether it is to be given back."""
        while answer is not None and not self.world.over.is_set():
            await self.world.wait(self._pause(answer.get("renew_after_s", 20)))
            if self.world.over.is_set() or _is_to_close(answer):
                break
            fate = self._fate()
            if fate in ("ends", "crashes"):
                return fate == "ends"
            self.idle_s = self.idle_s + 300 if fate == "idles" else 0
            if fate in ("sleeps", "loses the network"):
                await self.world.wait(self._pause(600))
            answer = await self._ask()
        return answer is not None

    def _fate(self) -> str:
        fates = CALM_FATES if self.world.calm else FATES
        fate = self.chance.choices(list(fates), list(fates.values()))[0]
        if fate != "works on":
            self.log.events[fate] += 1
        return fate

    def _pause(self, seconds: float) -> float:
        """A pause that leaves time for several in the fleet's life, and never asks more rarely than is wanted."""
        at_most = CALM_PAUSE if self.world.calm else self.world.seconds * OFTEN
        return max(SHORTEST_PAUSE, min(seconds, at_most)) * self.chance.uniform(0.8, 1.0)

    # ── questions ──

    async def _ask(self) -> dict[str, Any] | None:
        """A seat or a place in the queue; None when there is none to be had."""
        self.seq += 1
        body = {
            "product": self.sailor.product, "version": self.version, "device": self.device, "queue": True,
            "idle_seconds": self.idle_s, "seq": self.seq,
        }  # fmt: skip
        response = await self._send("PUT", json=body)
        while response is None and self.seq > 1 and not self.world.over.is_set():
            await self.world.wait(self._pause(5))  # a program that runs goes on without an answer
            response = await self._send("PUT", json=body)
        if response is None:
            return None
        found: dict[str, Any] = response.json()
        names = {200: "renewed", 201: "taken", 202: "waited"}
        self.log.events[names.get(response.status_code) or f"denied: {found.get('code')}"] += 1
        return found if response.is_success else None

    async def _give_back(self, words: str) -> None:
        if (response := await self._send("DELETE")) is not None:
            self.log.events[words if response.status_code == 204 else f"not {words}"] += 1

    async def _send(self, method: str, **more: Any) -> httpx2.Response | None:
        """A response that means something."""
        headers = {"Authorization": f"Bearer {self.sailor.token()}"}
        began = time.perf_counter()
        try:
            response = await self.world.http.request(method, f"/api/v1/leases/{self.lease_id}", headers=headers, **more)
        except httpx2.HTTPError:
            self.log.events["no answer"] += 1
            return None
        self.log.seconds.append(time.perf_counter() - began)
        if response.status_code >= 500:
            self.log.events["server error"] += 1
            return None
        return response


def _is_to_close(answer: dict[str, Any]) -> bool:
    return any(each["type"] == "save_and_close" for each in answer["directives"])
