"""A mail server that does harm by script: to a connection, or to the next try of a recipient."""

from __future__ import annotations

import asyncio
import email
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage

from tests.servers import PATIENCE, free_port

CONNECT, HELLO, SENDER, RECIPIENT, DATA, BODY, DOT = "connect", "EHLO", "MAIL", "RCPT", "DATA", "body", "dot"
DROP, STALL, LOSE, CUT, CALL = "drop", "stall", "lose", "cut", "call"
ANSWERS = {CONNECT: "220 hostile", DATA: "354 Go on"}  # 250 elsewhere


@dataclass(frozen=True)
class Fault:
    """What happens at a step: an answer in place of the good one, or one of the acts above.

    `lose` takes the letter and hangs up without a word, `cut` hangs up after its word, `call` calls before it.
    """

    step: str
    act: str


class Hangup(Exception):
    """The server ends this connection."""


class HostileServer:
    """Faults are queues: each connection, and each try of a recipient, takes the next one; an empty queue is good."""

    def __init__(self) -> None:
        self.port = free_port()
        self.of_connections: deque[Fault] = deque()
        self.of: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self.always: dict[str, Fault] = {}  # for these addresses, at every try
        self.greets = True  # False: takes connections and says nothing
        self.silent = 0  # connections that are kept waiting now
        self.pause = 0.0  # seconds before each answer
        self.accepted: list[tuple[str, EmailMessage]] = []
        self.offered: defaultdict[str, set[str]] = defaultdict(set)  # address → every Message-ID in a letter's body
        self.unheard: set[str] = set()  # addresses whose letter was taken, and nobody was there to hear it
        self.met: Counter[Fault] = Counter()
        self.tried: Counter[str] = Counter()
        self.on_call: Callable[[], None] = lambda: None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="hostile", daemon=True)
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()
        self._thread.start()

    def start(self) -> None:
        """Listen, again on the same port."""
        self._run(self._start())

    def stop(self) -> None:
        """Close the port, and every connection."""
        self._run(self._stop())

    def end(self) -> None:
        """Be gone for good."""
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    def ids(self, address: str) -> list[str]:
        """The Message-ID of each letter that was accepted for an address."""
        return [str(letter["Message-ID"]) for to, letter in list(self.accepted) if to == address]

    def _run(self, work: object) -> None:
        assert asyncio.iscoroutine(work)
        asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for each in list(self._talks):
            each.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.create_task(Talk(self, reader, writer).run())
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)


class Talk:
    """One connection."""

    def __init__(self, server: HostileServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server, self.reader, self.writer = server, reader, writer
        self.fault = server.of_connections.popleft() if server.of_connections else None
        self.address = ""
        self.unheard = ""  # whose letter was taken, until the next command shows that the answer was heard

    async def run(self) -> None:
        """Speak until one side has enough."""
        try:
            if not self.server.greets:
                await self._silence()
            await self._step(CONNECT)
            while line := await self.reader.readline():
                await self._command(line.decode().strip())
        except (Hangup, OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.server.unheard |= {self.unheard} - {""}
            self.writer.transport.abort()

    async def _command(self, line: str) -> None:
        verb, self.unheard = line[:4].upper(), ""
        if verb == "QUIT":
            await self._say("221 Bye")
            raise Hangup
        if verb == RECIPIENT:
            self._take_up(line.partition("<")[2].partition(">")[0])
        if verb == DATA:
            await self._data()
        else:
            await self._step({"EHLO": HELLO}.get(verb, verb))

    def _take_up(self, address: str) -> None:
        """A recipient's own fault takes the place of the connection's."""
        self.address = address
        self.server.tried[address] += 1
        own = self.server.of[address]
        self.fault = self.server.always.get(address) or (own.popleft() if own else None)

    async def _data(self) -> None:
        if not await self._step(DATA):
            return
        if self._is_due(BODY):
            await self.reader.readline()
            await self._harm(BODY)
        content = await self.reader.readuntil(b"\r\n.\r\n")
        letter = email.message_from_bytes(content[:-3], policy=policy.default)
        assert isinstance(letter, EmailMessage)
        self.server.offered[self.address].add(str(letter["Message-ID"]))
        await self._dot(letter)

    async def _dot(self, letter: EmailMessage) -> None:
        act = self.fault.act if self.fault and self._is_due(DOT) else ""
        if act in (LOSE, CUT, CALL) or not act:
            self.server.accepted.append((self.address, letter))
            self.unheard = self.address if act != CUT else ""
        if act == CALL:
            await asyncio.get_running_loop().run_in_executor(None, self.server.on_call)
        await self._step(DOT)

    async def _step(self, step: str) -> bool:
        """Answer, or do harm; whether it was the good answer."""
        if self._is_due(step) and not await self._harm(step):
            return False
        await self._say(ANSWERS.get(step, "250 OK"))
        return True

    def _is_due(self, step: str) -> bool:
        return self.fault is not None and self.fault.step == step

    async def _harm(self, step: str) -> bool:
        """Do the harm; True when the good answer follows."""
        fault, self.fault = self.fault, None
        assert fault is not None
        self.server.met[fault] += 1
        if fault.act == STALL:
            await self._silence()
        if fault.act == CALL:
            return True
        if fault.act in (DROP, LOSE):
            raise Hangup
        await self._say(ANSWERS.get(step, "250 OK") if fault.act == CUT else fault.act)
        if fault.act == CUT or fault.act.startswith("421") or step == CONNECT:
            raise Hangup
        return False

    async def _silence(self) -> None:
        self.server.silent += 1
        try:
            while await self.reader.read(1024):
                pass
        finally:
            self.server.silent -= 1
        raise Hangup

    async def _say(self, line: str) -> None:
        await asyncio.sleep(self.server.pause)
        self.writer.write(f"{line}\r\n".encode())
        await self.writer.drain()
