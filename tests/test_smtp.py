"""The dialogue with a mail server: each step that can fail is named, with the server's words."""

import socket
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from types import SimpleNamespace
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from core.mailing import smtp
from core.settings import Settings, load

Start = Callable[..., Settings]


class Refusing:
    """A server that takes everything but what it was told to refuse."""

    def __init__(self, **refused: str) -> None:
        self.refused = refused
        self.taken: list[Any] = []

    async def handle_MAIL(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        envelope.mail_from = address
        return self.refused.get("sender", "250 OK")

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        envelope.rcpt_tos.append(address)
        return self.refused.get("recipient", "250 OK")

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.taken.append(envelope)
        return self.refused.get("data", "250 OK")


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a server and returns settings that lead to it."""
    running: list[Controller] = []

    def start(handler: Refusing | None = None, *, more: dict[str, str] | None = None, **options: Any) -> Settings:
        controller = Controller(handler or Refusing(), hostname="127.0.0.1", port=free_port(), **options)
        controller.start()
        running.append(controller)
        return to(controller.port, **(more or {}))

    yield start
    for controller in running:
        controller.stop()


def test_a_letter_arrives_as_it_was_written(start: Start) -> None:
    server = Refusing()
    smtp.send(start(server, more={"MAIL_FROM": "The Portal <portal@example.com>"}), "bob@example.com", letter())
    assert [envelope.mail_from for envelope in server.taken] == ["portal@example.com"]
    assert server.taken[0].rcpt_tos == ["bob@example.com"]
    assert b"Subject: Hello" in server.taken[0].content


@pytest.mark.parametrize(
    ("step", "words"),
    [("sender", "550 no relaying"), ("recipient", "550 no such mailbox"), ("data", "554 looks like spam")],
)
def test_a_refusal_names_its_step_and_the_servers_words(start: Start, step: str, words: str) -> None:
    settings = start(Refusing(**{step: words}))
    failed = failure(settings)
    assert (failed.step, failed.words) == (step, words)
    assert str(failed) == f"The mail server 127.0.0.1:{settings.mail_port} failed at the step {step}: {words}"


def test_nobody_at_the_port_is_the_step_connect() -> None:
    failed = failure(to(free_port()))
    assert (failed.step, failed.words) == ("connect", "Connection refused")


def test_an_unknown_host_is_the_step_connect() -> None:
    failed = failure(load({"MAIL_SERVER": "mail.invalid"}))
    assert (failed.step, failed.words) == ("connect", "no such host.")


@pytest.mark.parametrize("ssl", ["no", "yes"])
def test_a_server_that_says_nothing_ends_after_the_time_out(ssl: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        failed = failure(to(silent.getsockname()[1], MAIL_TIMEOUT="1", MAIL_USE_SSL=ssl))
    assert failed.words == "no answer within 1 seconds."


def test_tls_that_the_server_does_not_offer_sends_nothing(start: Start) -> None:
    server = Refusing()
    assert failure(start(server, more={"MAIL_USE_TLS": "yes"})).step == "TLS"
    assert server.taken == []


def test_a_server_without_tls_at_a_tls_port_is_the_step_tls(start: Start) -> None:
    assert failure(start(more={"MAIL_USE_SSL": "yes"})).step == "TLS"


def test_a_wrong_password_is_the_step_sign_in(start: Start) -> None:
    def nobody(*_asked: Any) -> AuthResult:
        return AuthResult(success=False, handled=False)

    more = {"MAIL_USERNAME": "me", "MAIL_PASSWORD": "wrong"}
    settings = start(more=more, authenticator=nobody, auth_require_tls=False)
    failed = failure(settings)
    assert failed.step == "sign-in"
    assert failed.words.startswith("535 ")
    assert "wrong" not in str(failed)


def test_words_of_the_server_stay_on_one_short_line() -> None:
    error = SimpleNamespace(strerror="a\nb" * 500)
    assert len(smtp._words(error, load({}))) == smtp.ANSWER_LENGTH  # type: ignore[arg-type]
    assert "\n" not in smtp._words(error, load({}))  # type: ignore[arg-type]


def failure(settings: Settings) -> smtp.MailFailed:
    with pytest.raises(smtp.MailFailed) as failed:
        smtp.send(settings, "bob@example.com", letter())
    return failed.value


def letter() -> EmailMessage:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "Hello", "portal@example.com", "bob@example.com"
    message.set_content("There.\n")
    return message


def to(port: int, **more: str) -> Settings:
    return load({"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(port), **more})


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
