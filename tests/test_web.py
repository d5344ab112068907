"""The web server's workers: static files with the headers of pages, and no more in memory than they need."""

import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.test import Client

from core import logs
from core.pages.assets import asset
from core.security import HEADERS
from core.settings import ROOT
from core.web import with_static
from tests.servers import free_port


@pytest.fixture(scope="module")
def visitor() -> Client:
    """A browser of an application that has nothing but static files."""
    return Client(with_static(Flask("empty", static_folder=None).wsgi_app))


def test_a_named_file_is_kept_for_good_and_has_the_headers_of_pages(visitor: Client) -> None:
    answer = visitor.get(asset("app.css"), buffered=True)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "max-age=315360000, public, immutable"
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_file_whose_name_does_not_change_is_kept_shortly(visitor: Client) -> None:
    assert visitor.get("/static/mark.svg", buffered=True).headers["Cache-Control"] == "max-age=60, public"


def test_a_browser_that_can_gets_the_small_file(visitor: Client) -> None:
    answer = visitor.get(asset("app.js"), headers={"Accept-Encoding": "gzip, br"}, buffered=True)
    assert answer.headers["Content-Encoding"] == "br"
    assert "Accept-Encoding" in answer.headers["Vary"]


@pytest.mark.parametrize("path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd", "/static/none"])
def test_nothing_else_is_served(visitor: Client, path: str) -> None:
    assert visitor.get(path, buffered=True).status_code == 404


def test_a_web_process_knows_neither_alembic_nor_huey(tmp_path: Path) -> None:
    code = "import sys; from core import web; web.create(); print({'alembic', 'huey'} & set(sys.modules))"
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "PORTAL_DATA": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_server_that_is_still_starting_stops_at_once(tmp_path: Path) -> None:
    code = (
        "import pathlib, time; from core import web; web.create = lambda: (pathlib.Path('x').touch(), time.sleep(60))"
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "PORT": str(free_port())}
    with subprocess.Popen([sys.executable, "-c", f"{code}; web.serve()"], env=environ, cwd=tmp_path) as server:
        deadline = time.monotonic() + 60
        while not (tmp_path / "x").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        server.terminate()
        assert server.wait(20) == 0


@pytest.mark.parametrize("kind", [logs.TextLine, logs.JsonLine])
def test_what_people_type_stays_on_one_line_of_the_log(kind: type[logging.Formatter]) -> None:
    line = kind().format(logging.makeLogRecord({"msg": "Hello %s", "args": ("\nERROR\x1b[31m",)}))
    assert "Hello" in line
    assert not {"\n", "\x1b"} & set(line)
