"""The dialogue with the mail server, step by step, so that a failure names its step."""

import contextlib
import smtplib
import socket
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from email.utils import parseaddr

from core.settings import Settings

ANSWER_LENGTH = 200  # of a server's words


class MailFailed(Exception):
    """The dialogue ended at a step; the message is one sentence with the server's words."""

    def __init__(self, server: str, step: str, words: str) -> None:
        super().__init__(f"The mail server {server} failed at the step {step}: {words}")
        self.step = step
        self.words = words


def send(settings: Settings, recipient: str, message: EmailMessage) -> None:
    """Send one message now.

    :raise MailFailed: naming the step: connect, TLS, sign-in, sender, recipient or data.
    """
    with dialogue(settings) as smtp:
        with _step(settings, "sender"):
            _expect(smtp, smtp.mail(parseaddr(settings.mail_from)[1]))
        with _step(settings, "recipient"):
            _expect(smtp, smtp.rcpt(recipient))
        with _step(settings, "data"):
            _expect(smtp, smtp.data(message.as_bytes()))


@contextlib.contextmanager
def dialogue(settings: Settings) -> Iterator[smtplib.SMTP]:
    """A connection that is encrypted and signed in as the settings say, closed at the end."""
    smtp = _connected(settings)
    try:
        if settings.mail_use_tls:
            with _step(settings, "TLS"):
                smtp.starttls(context=ssl.create_default_context())
        if settings.mail_username:
            with _step(settings, "sign-in"):
                smtp.login(settings.mail_username, settings.mail_password or "")
        with _step(settings, "connect"):
            smtp.ehlo_or_helo_if_needed()
        yield smtp
    finally:
        with contextlib.suppress(OSError, smtplib.SMTPException):
            smtp.quit()
        smtp.close()


def _connected(settings: Settings) -> smtplib.SMTP:
    host, port, timeout = settings.mail_server or "", settings.mail_port, settings.mail_timeout
    with _step(settings, "TLS" if settings.mail_use_ssl else "connect"):
        if not settings.mail_use_ssl:
            return smtplib.SMTP(host, port, timeout=timeout)
        # What is wrong before the first byte of TLS is the connection's fault.
        with _step(settings, "connect"):
            socket.create_connection((host, port), timeout=timeout).close()
        return smtplib.SMTP_SSL(host, port, timeout=timeout, context=ssl.create_default_context())


@contextlib.contextmanager
def _step(settings: Settings, name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, smtplib.SMTPException) as error:
        server = f"{settings.mail_server}:{settings.mail_port}"
        raise MailFailed(server, name, _words(error, settings)) from None


def _expect(smtp: smtplib.SMTP, answer: tuple[int, bytes]) -> None:
    code, words = answer
    if not 200 <= code < 300:
        raise smtplib.SMTPResponseException(code, words)


def _words(error: Exception, settings: Settings) -> str:
    """What happened, on one line; the server's own words where it said any."""
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        return " ".join(f"{error.smtp_code} {text}".split())[:ANSWER_LENGTH]
    # smtplib hides a time-out in the words of a lost connection.
    if isinstance(error, TimeoutError) or str(error).endswith("timed out"):
        return f"no answer within {settings.mail_timeout:g} seconds."
    if isinstance(error, socket.gaierror):
        return "no such host."
    if isinstance(error, ssl.SSLError):
        return f"{getattr(error, 'verify_message', '') or error.reason or 'no secure connection'}."
    return " ".join((getattr(error, "strerror", None) or str(error)).split())[:ANSWER_LENGTH]
