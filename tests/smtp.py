"""A real mail server that keeps what it takes, and misbehaves as it is told."""

from __future__ import annotations

import asyncio
import contextlib
import email
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from email import policy
from email.message import EmailMessage
from typing import Any, cast

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

PATIENCE = 20.0  # seconds to wait for a letter
LINK = re.compile(r"^https?://\S+$", re.MULTILINE)


class Mailbox:
    """The server: `messages` are the letters it took. Its faults are fields, to be set before letters come."""

    def __init__(self) -> None:
        self.port = _free_port()
        self.messages: list[EmailMessage] = []
        self.refused_sender = ""  # answer to MAIL FROM
        self.refused: dict[str, str] = {}  # address → answer to RCPT TO
        self.refused_content: dict[str, str] = {}  # address → answer to DATA
        self.greylists = False  # refuses every address the first time
        self.stalled: set[str] = set()  # no answer for these while they are in here
        self.breaks: set[str] = set()  # takes the letter, then hangs up instead of saying so
        self.most = 0  # letters in one connection; 0: any number
        self.on_letter: Callable[[], None] = lambda: None
        self.connections = 0
        self._asked: Counter[str] = Counter()
        self._arrived = threading.Condition()
        self._controller: Controller | None = None

    @property
    def environ(self) -> dict[str, str]:
        """The settings that lead here."""
        return {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(self.port), "MAIL_TIMEOUT": "1"}

    def start(self) -> None:
        """Listen, again on the same port."""
        self._controller = _Counting(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    def stop(self) -> None:
        """Be away."""
        if self._controller is not None:
            with contextlib.suppress(asyncio.CancelledError):
                self._controller.stop()
            self._controller = None

    def wait(self, count: int) -> list[EmailMessage]:
        """The letters, once there are so many."""
        end = time.monotonic() + PATIENCE
        with self._arrived:
            while len(self.messages) < count:
                if not self._arrived.wait(end - time.monotonic()):
                    raise TimeoutError(f"{len(self.messages)} of {count} letters came")
            return list(self.messages)

    def to(self, address: str) -> list[EmailMessage]:
        """The letters to one address."""
        return [each for each in self.messages if each["To"] == address]

    async def handle_MAIL(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        """Take or refuse a sender."""
        if not self.refused_sender:
            envelope.mail_from = address
        return self.refused_sender or "250 OK"

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        """Take or refuse a recipient."""
        self._asked[address] += 1
        while address in self.stalled:
            await asyncio.sleep(0.02)
        if self.greylists and self._asked[address] == 1:
            return "451 4.7.1 Try again later"
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        """Take a letter."""
        address = envelope.rcpt_tos[0]
        if address in self.refused_content:
            return self.refused_content[address]
        session.taken = getattr(session, "taken", 0) + 1
        if self.most and session.taken > self.most:
            return "421 4.7.0 Too many letters in one go"
        await asyncio.get_running_loop().run_in_executor(None, self.on_letter)
        with self._arrived:
            self.messages.append(_parsed(envelope.content))
            self._arrived.notify_all()
        if address in self.breaks:
            self.breaks.discard(address)
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        return "250 OK"


class _Counting(Controller):
    def __init__(self, mailbox: Mailbox, **options: Any) -> None:
        super().__init__(mailbox, **options)
        self.mailbox = mailbox

    def factory(self) -> SMTP:
        self.mailbox.connections += 1
        return cast(SMTP, super().factory())  # type: ignore[no-untyped-call]


def text_of(message: EmailMessage) -> str:
    """The text part of a letter."""
    part = message.get_body(("plain",))
    assert part is not None
    return "\n".join(str(part.get_content()).splitlines())


def html_of(message: EmailMessage) -> str:
    """The HTML part of a letter."""
    part = message.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def link_in(message: EmailMessage) -> str:
    """The link to act on: the first that stands on a line of its own."""
    found = LINK.search(text_of(message))
    assert found is not None
    return found[0]


@pytest.fixture
def smtp() -> Iterator[Mailbox]:
    """A mail server that the application under test sends through."""
    mailbox = Mailbox()
    mailbox.start()
    mailbox.connections = 0  # starting it made one to itself
    yield mailbox
    mailbox.stop()


def _parsed(content: bytes) -> EmailMessage:
    message = email.message_from_bytes(content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
