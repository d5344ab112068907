"""The commands that run the portal: run, demo, worker, check, and the mail test."""

import errno
import http.client
import logging.config
import os
import signal
import socket
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from multiprocessing import get_context

import click

from core import logs, up
from core import settings as settings_
from core.settings import DEMO, ROOT, Settings

FLEET = ("--seats", "6", "--minutes", "1440", "--seed", "7")
TAKEN = {
    errno.EADDRINUSE: "Port {port} on {host} is in use; set PORT to another one.",
    errno.EACCES: "Port {port} is not open to this user; set PORT to one above 1023.",
    errno.EADDRNOTAVAIL: "HOST {host} is not an address of this machine.",
}


@click.command()
def run() -> int:
    """Serve the portal with its worker."""
    settings = settings_.current()
    refuse_taken_port(settings)
    return serve(settings, apart(begin, settings))


@click.command()
def demo() -> int:
    """Serve a worked example with its worker, on this machine only."""
    settings = settings_.load(settings_.environment(), demo=True)
    refuse_taken_port(settings)
    return serve(settings, apart(begin, settings))


@click.command()
def worker() -> int:
    """Do what is due in the background: mail, and what has a time."""
    from core import worker as background
    from core.cli import beginning

    settings = beginning.ready(settings_.current())
    logging.config.dictConfig(logs.config(settings))
    background.run(settings)
    return 0


@click.command()
def check() -> int:
    """Say whether the portal can serve, one line for each thing it needs."""
    from core import checks

    found = []
    for line in checks.lines(settings_.current()):
        click.echo(line)
        found.append(line)
    if failed := [line.name for line in found if not line.is_good]:
        click.echo(f"The portal cannot serve: {', '.join(failed)}.", err=True)
    return 1 if failed else 0


@click.group()
def mail() -> None:
    """Look after mail."""


@mail.command()
@click.argument("address")
def test(address: str) -> None:
    """Send one message to ADDRESS now, and name the step that fails."""
    from core import addresses
    from core.mailing import smtp

    settings = settings_.current()
    if settings.mail_server is None:
        raise click.ClickException("MAIL_SERVER is not set: mail is kept under Outgoing mail.")
    if addresses.problem(address) is not None:
        raise click.ClickException(f"“{address}” is not an email address.")
    try:
        smtp.send(settings, address, test_message(settings, address))
    except smtp.MailFailed as failed:
        raise click.ClickException(str(failed)) from None
    click.echo(f"The mail server {settings.mail_server}:{settings.mail_port} took a message for {address}.")


def test_message(settings: Settings, address: str) -> EmailMessage:
    """A message that says why it was sent."""
    message = EmailMessage()
    message["Subject"] = f"A test from {settings.portal_name}"
    message["From"], message["To"] = settings.mail_from, address
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="portal.invalid")
    message.set_content(f"{settings.portal_name} at {settings.base_url} can send mail to this address.\n")
    return message


def apart(work: Callable[[Settings], str], settings: Settings) -> str:
    """Do the work in a process that ends: what it imports would stay in the parent's memory as long as it serves."""
    with ProcessPoolExecutor(1, get_context("fork"), end_together, (os.getpid(),)) as pool:
        return pool.submit(work, settings).result()


def end_together(parent: int) -> None:
    """In the process apart: end at Ctrl-C without a word, and when the parent is killed."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    up.end_with(parent)()


def begin(settings: Settings) -> str:
    """Bring the database to where it can be served; what there is to say of it."""
    from core.cli import beginning

    return beginning.demo(settings) if settings.is_demo else beginning.run(settings)


def refuse_taken_port(settings: Settings) -> None:
    """Stop before anything is made when the address cannot be listened on."""
    host, port = settings.host, settings.port
    try:
        family, kind, *_rest, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probing:
            # As the server does it: a port that was let go a moment ago is not taken.
            probing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probing.bind(address)
    except socket.gaierror:
        raise click.ClickException(TAKEN[errno.EADDRNOTAVAIL].format(host=host)) from None
    except OSError as error:
        sentence = TAKEN.get(error.errno or 0, "HOST {host} and PORT {port} cannot be listened on.")
        raise click.ClickException(sentence.format(host=host, port=port)) from None


def serve(settings: Settings, text: str) -> int:
    """Run web server and worker until told to stop; `text` is said with the address once they answer."""
    environ = {**settings_.environment(), "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"}
    commands = {
        "web server": [sys.executable, "-m", "core.web"],
        "worker": [sys.executable, "-m", "core.cli", "worker"],
    }
    if settings.is_demo:
        environ[DEMO] = "1"
        # Whoever opens the Status page of the demo is to see people at work.
        commands["fleet"] = [sys.executable, "-m", "core.cli", "fleet", "--calm", *FLEET]
    return up.run(commands, environ, when_up=announcer(settings, text), spare=["fleet"])


def announcer(settings: Settings, text: str) -> Callable[[], bool]:
    """What says the text and the address as soon as the portal answers, and whether it did."""

    def announce() -> bool:
        """Say it once the portal answers."""
        if not answers(settings):
            return False
        where = f"{settings.portal_name} is at {settings.base_url}. Ctrl-C stops it."
        click.echo(f"{text}\n{where}" if text else where)
        sys.stdout.flush()
        return True

    return announce


def answers(settings: Settings) -> bool:
    """Whether the web server answers."""
    connection = http.client.HTTPConnection(settings.host, settings.port, timeout=1)
    try:
        # It answers only to names that it knows; `.example.com` among them includes example.com itself.
        connection.request("GET", "/healthz", headers={"Host": settings.trusted_hosts[0].lstrip(".")})
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
