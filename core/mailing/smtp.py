"""The dialogue with the mail server, step by step, so that a failure names its step.

Flask-Mail's connection has neither a time-out nor checked certificates, and one error for everything; this one has.
"""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
from collections.abc import Iterator, Sequence
from email.message import EmailMessage
from email.utils import parseaddr

import flask_mail
from flask import Flask

from core.settings import Settings

ANSWER_LENGTH = 200  # of a server's words
OF_THE_LETTER = frozenset({"recipient", "data"})  # steps at which one letter fails and another may not


class MailFailed(Exception):
    """The dialogue ended at a step; the message is one sentence with the server's words."""

    def __init__(self, server: str, step: str, words: str, code: int = 0) -> None:
        super().__init__(f"The mail server {server} failed at the step {step}: {words}")
        self.step = step
        self.words = words
        self.code = code

    @property
    def is_of_the_server(self) -> bool:
        """Whether no letter can leave, so that the server and not this letter is to be waited for."""
        return self.step not in OF_THE_LETTER

    @property
    def is_permanent(self) -> bool:
        """Whether the server said that trying again is of no use."""
        return 500 <= self.code < 600


class Connection(flask_mail.Connection):
    """Flask-Mail's connection, encrypted and signed in as the settings say; it takes any number of letters."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(flask_mail_of(settings))
        self.settings = settings
        self.host: smtplib.SMTP | None = None

    def __exit__(self, *_error: object) -> None:
        self.close()

    def configure_host(self) -> smtplib.SMTP:
        """Connect, encrypt and sign in.

        :raise MailFailed: connect, TLS or sign-in.
        """
        host = self._connected()
        try:
            if self.settings.mail_use_tls:
                with self._step("TLS"):
                    host.starttls(context=ssl.create_default_context())
            if self.settings.mail_username:
                with self._step("sign-in"):
                    host.login(self.settings.mail_username, self.settings.mail_password or "")
            with self._step("connect"):
                # Asked now: whether it takes SMTPUTF8 is looked up before the first command.
                host.ehlo_or_helo_if_needed()
        except BaseException:
            host.close()
            raise
        return host

    def send(self, message: flask_mail.Message, envelope_from: str | tuple[str, str] | None = None) -> None:
        """Send a letter of Flask-Mail's kind.

        :raise MailFailed: sender, recipient or data.
        :raise flask_mail.BadHeaderError: when a header has a line break.
        """
        if message.has_bad_headers():
            raise flask_mail.BadHeaderError
        for recipient in message.recipients:
            self.hand_over(parseaddr(str(recipient))[1], message.as_bytes())

    def hand_over(self, recipient: str, content: bytes) -> None:
        """Hand one recipient's letter over; after a refusal the next one can follow.

        :raise MailFailed: sender, recipient or data.
        """
        host = self.host
        if host is None:
            raise ValueError("not connected")
        options = self._options(host, recipient)
        with self._step("sender"):
            _expect(host.mail(parseaddr(self.settings.mail_from)[1], options))
        with self._step("recipient"), self._again(host):
            _expect(host.rcpt(recipient))
        with self._step("data"), self._again(host):
            _expect(host.data(content))

    def close(self) -> None:
        """Say goodbye, as far as anybody listens."""
        host, self.host = self.host, None
        if host is not None:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                host.quit()
            host.close()

    def _connected(self) -> smtplib.SMTP:
        settings = self.settings
        host, port, timeout = settings.mail_server or "", settings.mail_port, settings.mail_timeout
        # The name we greet with; the library would ask the network for it, which can take longer than the dialogue.
        ours = parseaddr(settings.mail_from)[1].rpartition("@")[2]
        with self._step("connect"):
            if settings.mail_use_ssl:
                context = ssl.create_default_context()
                return smtplib.SMTP_SSL(host, port, local_hostname=ours, timeout=timeout, context=context)
            return smtplib.SMTP(host, port, local_hostname=ours, timeout=timeout)

    def _options(self, host: smtplib.SMTP, recipient: str) -> Sequence[str]:
        if recipient.isascii():
            return ()
        with self._step("recipient"):
            if not host.has_extn("smtputf8"):
                raise smtplib.SMTPResponseException(553, "the server takes no address with letters outside of ASCII")
        return ("SMTPUTF8",)

    @contextlib.contextmanager
    def _again(self, host: smtplib.SMTP) -> Iterator[None]:
        """Leave the connection good for the next letter after this one was refused."""
        try:
            yield
        except smtplib.SMTPResponseException:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                host.rset()
            raise

    @contextlib.contextmanager
    def _step(self, name: str) -> Iterator[None]:
        try:
            yield
        except (OSError, smtplib.SMTPException) as error:
            server = f"{self.settings.mail_server}:{self.settings.mail_port}"
            step = "TLS" if isinstance(error, ssl.SSLError) else name
            raise MailFailed(server, step, _words(error, self.settings), _code(error)) from None


def dialogue(settings: Settings) -> Connection:
    """A connection, to be opened by `with`.

    :raise MailFailed: on opening: connect, TLS or sign-in.
    """
    return Connection(settings)


def send(settings: Settings, recipient: str, message: EmailMessage) -> None:
    """Send one message now.

    :raise MailFailed: naming the step: connect, TLS, sign-in, sender, recipient or data.
    """
    with dialogue(settings) as connection:
        connection.hand_over(recipient, message.as_bytes())


def init_app(app: Flask, settings: Settings) -> None:
    """Let an application write letters of Flask-Mail's kind."""
    app.extensions["mail"] = flask_mail_of(settings).state


def flask_mail_of(settings: Settings) -> flask_mail.Mail:
    """Flask-Mail with these settings, and without an application that it would read them from."""
    mail = flask_mail.Mail()
    mail.state = mail.init_mail({"MAIL_SERVER": settings.mail_server, "MAIL_PORT": settings.mail_port})
    return mail


def _expect(answer: tuple[int, bytes]) -> None:
    code, words = answer
    if not 200 <= code < 300:
        raise smtplib.SMTPResponseException(code, words)


def _code(error: Exception) -> int:
    return error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else 0


def _words(error: Exception, settings: Settings) -> str:
    """What happened, on one line; the server's own words where it said any."""
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        return _line(f"{error.smtp_code} {text}")
    # smtplib hides a time-out in the words of a lost connection.
    if isinstance(error, TimeoutError) or str(error).endswith("timed out"):
        return f"no answer within {settings.mail_timeout:g} seconds."
    if isinstance(error, socket.gaierror):
        return "no such host."
    if isinstance(error, ssl.SSLError):
        return f"{getattr(error, 'verify_message', '') or error.reason or 'no secure connection'}."
    return _line(getattr(error, "strerror", None) or str(error))


def _line(text: str) -> str:
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:ANSWER_LENGTH]
