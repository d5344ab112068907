"""The web server: `python -m core.web` serves, `create` makes the application of each of its workers."""

import os
import signal
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from wsgiref.headers import Headers

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from whitenoise import WhiteNoise

from core import logs
from core import settings as settings_
from core.front import Front, WsgiApp
from core.pages import assets
from core.secret_files import with_secrets
from core.security import HEADERS

if TYPE_CHECKING:
    from flask import Flask  # the master needs none

STOP_AFTER = 30  # seconds that running requests have at a stop
HEADERS_WITHIN = 10_000  # milliseconds to send the head of a request
STOPS = (signal.SIGINT, signal.SIGTERM)
KEEP = 60  # seconds a browser keeps a static file whose name does not change


def serve() -> None:
    """Serve until told to stop."""
    settings = settings_.current()
    os.register_at_fork(before=_hold_stops, after_in_child=_heed_stops, after_in_parent=_let_stops_through)
    # Granian binds addresses, no names.
    address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][4][0]
    Granian(
        "core.web:create",
        factory=True,
        address=str(address),
        port=settings.port,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        websockets=False,
        workers=settings.workers,
        backlog=1024,
        http1_settings=HTTP1Settings(header_read_timeout=HEADERS_WITHIN),
        # Without these a killed worker ends the server, and a stalled request keeps it from stopping.
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_AFTER,
        log_level=LogLevels.debug if settings.log_level == "debug" else LogLevels.warning,
        log_dictconfig=logs.config(settings),
    ).serve()


def _hold_stops() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)


def _heed_stops() -> None:
    # Until its application is loaded a worker has the handlers of its master, which only note the signal there: a
    # stop within the first second would wait for the whole of STOP_AFTER. Held since before the fork, so that none
    # comes in between.
    for number in STOPS:
        signal.signal(number, signal.SIG_DFL)
    _let_stops_through()


def _let_stops_through() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)


def create() -> Front:
    """The application of one worker."""
    # Here, so that the master, which imports this module and serves nothing, stays small.
    from app import create_app
    from core import alive

    settings = with_secrets(settings_.current(), create=True)
    app = create_app(settings)
    alive.begin(app, settings, threading.Event())
    return front_of(app)


def front_of(app: "Flask") -> Front:
    """The application behind its static files and the front, which refuses some requests itself."""
    from core.api import problems

    return Front(with_static(app.wsgi_app), headers=list(HEADERS.items()), told=problems.of_front(app))


def with_static(app: WsgiApp, folder: Path = assets.STATIC) -> WhiteNoise:
    """The application behind its static files, which carry the same headers as pages."""
    return WhiteNoise(
        app,
        root=folder,
        prefix=assets.URL,
        max_age=KEEP,
        allow_all_origins=False,
        immutable_file_test=assets.is_immutable,
        add_headers_function=_add_headers,
    )


def _add_headers(headers: Headers, _path: str, _url: str) -> None:
    for name, value in HEADERS.items():
        headers[name] = value


if __name__ == "__main__":
    serve()
