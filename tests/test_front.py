"""The front over a socket: what it reads, what it refuses, and that slow clients cost others nothing."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask, request
from granian import Granian
from granian.constants import HTTPModes, Interfaces

from core import front
from core.front import Front
from core.settings import ROOT

LIMIT = 10_000
DEADLINE = 1.5
FIELDS = 1_000


def make() -> Front:
    """A small application that says what it was given."""
    app = Flask(__name__)

    @app.route("/", methods=["GET", "POST"], defaults={"path": ""})
    @app.route("/<path:path>", methods=["GET", "POST"])
    def echo(path: str) -> dict[str, object]:
        if path == "broken":
            raise KeyError(path)
        told = {name: value for name, value in request.environ.items() if isinstance(value, str)}
        return told | {"path": path, "form": request.form.to_dict(), "cookies": request.cookies.to_dict()}

    limits = {"body_limit": LIMIT, "most_fields": FIELDS}
    return Front(app, [("x-kept", "always")], told=told, body_deadline=DEADLINE, **limits)


def told(path: str, status: int, sentence: str) -> bytes | None:
    """What programs are told, below one address."""
    return json.dumps([path, status, sentence]).encode() if path.startswith("/programs/") else None


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a running front with one worker."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen([sys.executable, __file__, str(port)], env=environ, start_new_session=True)
    try:
        wait_for(port)
        yield port
    finally:
        os.killpg(child.pid, signal.SIGTERM)
        child.wait(10)


def wait_for(port: int) -> None:
    for _ in range(200):
        try:
            get(port, "/")
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the front did not come up")


def test_a_form_arrives_whole(port: int) -> None:
    kind = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\nConnection: close\r\n"
    assert b'"form":{"a":"b c"}' in ask(port, b"POST / HTTP/1.1\r\nHost: a\r\n" + kind + b"\r\na=b%20c")


def test_a_path_is_utf8(port: int) -> None:
    assert '"path":"gr\\u00fc\\u00dfe/x"' in get(port, "/gr%C3%BC%C3%9Fe/x")[2]


def test_repeated_headers_are_joined_and_underscores_are_dropped(port: int) -> None:
    sent = b"Cookie: a=1\r\nCookie: b=2\r\nX-Two: 1\r\nX-Two: 2\r\nX_Forwarded_For: 6.6.6.6\r\n"
    body = ask(port, b"GET / HTTP/1.1\r\nHost: a\r\n" + sent + b"Connection: close\r\n\r\n")
    assert b'"cookies":{"a":"1","b":"2"}' in body
    assert b'"HTTP_X_TWO":"1,2"' in body
    assert b"6.6.6.6" not in body


def test_head_has_the_length_but_no_body(port: int) -> None:
    answer = ask(port, b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert b"content-length: " in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("head", "body", "status"),
    [
        (f"Content-Length: {LIMIT + 1}", "", 413),
        ("Transfer-Encoding: chunked", f"{LIMIT + 1:x}\r\n{'a' * (LIMIT + 1)}\r\n0\r\n\r\n", 413),
        ("Transfer-Encoding: chunked", "3\r\na=b\r\n0\r\n\r\n", 411),
        ("Transfer-Encoding: chunked", "ZZ\r\na=b\r\n0\r\n\r\n", 411),
        ("Transfer-Encoding: chunked\r\nContent-Length: 3", "3\r\na=b\r\n0\r\n\r\n", 411),
        ("Host: b", "", 400),
        ("Content-Length: 9", "a=b", 408),
    ],
)
def test_what_is_refused_carries_the_headers_of_every_answer(port: int, head: str, body: str, status: int) -> None:
    answer = ask(port, f"POST / HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n{body}".encode())
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"x-kept: always\r\n" in answer
    assert b"connection: close\r\n" in answer


@pytest.mark.parametrize(("more", "status"), [(f"Content-Length: {LIMIT + 1}", 413), ("Host: b", 400)])
def test_what_is_refused_is_told_to_programs_in_their_way(port: int, more: str, status: int) -> None:
    sent = f"PUT /programs/a?b HTTP/1.1\r\nHost: a\r\n{more}\r\n\r\n"
    head, _, body = ask(port, sent.encode()).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"content-type: application/problem+json\r\n" in head
    assert json.loads(body)[:2] == ["/programs/a", status]


@pytest.mark.parametrize(("fields", "status"), [(FIELDS, 200), (FIELDS + 1, 413)])
def test_a_form_has_so_many_fields_and_no_more(port: int, fields: int, status: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/", "&".join(["a=b"] * fields), kind)
    assert connection.getresponse().status == status
    connection.close()


@pytest.mark.parametrize("length", ["x", "-1", "9" * 20, "3\r\nContent-Length: 4"])
def test_a_senseless_length_is_400(port: int, length: str) -> None:
    answer = ask(port, f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\nabc".encode())
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_half_a_form_is_not_acted_on(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as half:
        half.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\na=b")
        half.shutdown(socket.SHUT_WR)
        half.settimeout(5)
        assert b" 200 " not in half.recv(4096)


def test_a_fault_of_the_application_is_500_and_says_nothing(port: int) -> None:
    status, _, body = get(port, "/broken")
    assert status == 500
    assert "KeyError" not in body


def test_slow_bodies_cost_others_nothing(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
    for client in slow:
        client.sendall(head)
    began = time.monotonic()
    assert [get(port, "/")[0] for _ in range(20)] == [200] * 20
    # Had each of the four threads one of the slow requests, this would take fifteen deadlines.
    assert time.monotonic() - began < 6 * DEADLINE
    for client in slow:
        client.settimeout(10)
        assert client.recv(12) == b"HTTP/1.1 408"
        client.close()


def test_the_log_has_the_path_without_its_token_or_query(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "portal.access")
    scope: Any = SimpleNamespace(client="10.0.0.1:5", method="GET", path="/a\n/" + "T0ken" * 9)
    front._log_access(scope, {"REMOTE_ADDR": "10.0.0.2"}, 200, 0.5)
    assert caplog.messages == ['10.0.0.2 "GET /a%0A/(hidden)" 200 500.0 ms']


def get(port: int, path: str) -> tuple[int, http.client.HTTPMessage, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, answer.headers, body


def ask(port: int, text: bytes) -> bytes:
    """Send bytes, return all that comes back until the connection ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(text)
        answer = b""
        while part := client.recv(65536):
            answer += part
        return answer


if __name__ == "__main__":
    here = f"{Path(__file__).stem}:make"
    sys.path.insert(0, str(Path(__file__).parent))
    Granian(here, port=int(sys.argv[1]), factory=True, interface=Interfaces.RSGI, http=HTTPModes.http1).serve()
