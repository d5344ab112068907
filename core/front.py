"""RSGI to WSGI: the whole request is read, bounded in size and time, before a thread is taken.

A WSGI server hands a thread to a request whose body still drips in, so eight slow clients stop eight threads.
Here a slow body costs a coroutine, and a thread sees only requests that are complete.
"""

import asyncio
import io
import logging
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

from granian.rsgi import HTTPProtocol, Scope  # type: ignore[attr-defined]

from core.security import MOST_BYTES

BODY_DEADLINE = 10.0  # seconds
MOST_FIELDS = 10_000  # of a form; reading 300,000 empty ones would hold a thread for seconds
THREADS = 4  # of a process; more cost throughput and tail, because they wait for one interpreter and one writer

Environ = dict[str, Any]
Header = tuple[str, str]
log = logging.getLogger("portal.front")
access = logging.getLogger("portal.access")


class WsgiApp(Protocol):
    """What the front calls."""

    def __call__(self, environ: Environ, start_response: Callable[..., Any], /) -> Iterable[bytes]: ...


class Answer(NamedTuple):
    """A whole answer."""

    status: int
    headers: list[Header]
    body: bytes


class Refusal(Exception):
    """A request that never reaches the application."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass
class Front:
    """The RSGI application around a WSGI application.

    `headers` go with the front's own answers; `told` makes their bodies for programs of path, status and sentence.
    """

    app: WsgiApp
    headers: Sequence[Header] = ()
    told: Callable[[str, int, str], bytes | None] = lambda _path, _status, _sentence: None
    body_limit: int = MOST_BYTES
    body_deadline: float = BODY_DEADLINE
    most_fields: int = MOST_FIELDS
    threads: int = THREADS

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(self.threads, "request")

    async def __rsgi__(self, scope: Scope, proto: HTTPProtocol) -> None:
        """Answer one request."""
        began = time.perf_counter()
        environ: Environ = {}
        answer = await self._answer(scope, proto, environ)
        _send(proto, answer, is_head=scope.method == "HEAD")
        _log_access(scope, environ, answer.status, time.perf_counter() - began)

    async def _answer(self, scope: Scope, proto: HTTPProtocol, environ: Environ) -> Answer:
        try:
            headers = _headers_of(scope)
            body = await self._body(headers, proto)
            environ.update(_environ_of(scope, headers, body))
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._call, environ)
        except Refusal as refusal:
            return self._own_answer(scope.path, refusal.status, str(refusal))
        except Exception:
            log.exception("A request could not be answered")
            # Granian would answer too, without the headers that go with all of ours.
            sentence = "Something went wrong. Try again later."
            return self._own_answer(scope.path, HTTPStatus.INTERNAL_SERVER_ERROR, sentence)

    async def _body(self, headers: Sequence[Header], proto: HTTPProtocol) -> bytes:
        length = _length_of(headers)
        if length == 0:
            return b""
        if length is not None and length > self.body_limit:
            raise _too_large()
        try:
            async with asyncio.timeout(self.body_deadline):
                body = await self._read(proto)
        except TimeoutError:
            raise Refusal(HTTPStatus.REQUEST_TIMEOUT, "The request took too long.") from None
        # A broken body ends like a whole one here; only its length tells. Half a form must not be acted on.
        if length is None:
            raise Refusal(HTTPStatus.LENGTH_REQUIRED, "The request does not say how long it is.")
        if len(body) != length:
            raise Refusal(HTTPStatus.BAD_REQUEST, "The request ended early.")
        if body.count(b"&") >= self.most_fields and _is_form(headers):
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The form has too many fields.")
        return body

    async def _read(self, proto: HTTPProtocol) -> bytes:
        body = bytearray()
        async for chunk in proto:
            body += chunk
            if len(body) > self.body_limit:
                raise _too_large()
        return bytes(body)

    def _call(self, environ: Environ) -> Answer:
        begun: list[tuple[str, list[Header]]] = []
        written: list[bytes] = []

        def start_response(status: str, headers: list[Header], _error: Any = None) -> Callable[[bytes], None]:
            begun.append((status, headers))
            return written.append

        parts = self.app(environ, start_response)
        try:
            written.extend(parts)
        finally:
            getattr(parts, "close", lambda: None)()
        # An application may begin anew when it fails on the way (PEP 3333): the last word counts.
        status, headers = begun[-1]
        return Answer(int(status[:3]), headers, b"".join(written))

    def _own_answer(self, path: str, status: HTTPStatus, sentence: str) -> Answer:
        problem = self.told(path, status, sentence)
        kind = "text/plain; charset=utf-8" if problem is None else "application/problem+json"
        # What is left of a refused body is not worth reading: the connection ends with the answer.
        own = [("content-type", kind), ("cache-control", "no-store"), ("connection", "close")]
        return Answer(status, [*own, *self.headers], f"{sentence}\n".encode() if problem is None else problem)


def _headers_of(scope: Scope) -> list[Header]:
    try:
        return scope.headers.items()
    except (ValueError, RuntimeError):
        raise Refusal(HTTPStatus.BAD_REQUEST, "The request has a header that cannot be read.") from None


def _length_of(headers: Sequence[Header]) -> int | None:
    """The announced length of the body; none when it comes in chunks."""
    if any(name == "transfer-encoding" for name, _ in headers):
        return None
    lengths = {value.strip() for name, value in headers if name == "content-length"} or {"0"}
    # The same length twice is allowed (RFC 9110); two different ones are an attempt to smuggle a request.
    length = lengths.pop()
    if lengths or not re.fullmatch("[0-9]{1,18}", length):
        raise Refusal(HTTPStatus.BAD_REQUEST, "The length of the request makes no sense.")
    return int(length)


def _is_form(headers: Sequence[Header]) -> bool:
    return any(name == "content-type" and "urlencoded" in value.lower() for name, value in headers)


def _too_large() -> Refusal:
    return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large.")


def _environ_of(scope: Scope, headers: Sequence[Header], body: bytes) -> Environ:
    server, _, port = scope.server.rpartition(":")
    return {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        # WSGI wants the bytes of the path one by one, as latin-1 has them (PEP 3333).
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": server,
        "SERVER_PORT": port,
        # Granian names HTTP/1.0 "1".
        "SERVER_PROTOCOL": "HTTP/1.0" if scope.http_version == "1" else f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": _address_of(scope),
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    } | _header_variables(headers)


def _address_of(scope: Scope) -> str:
    return scope.client.rpartition(":")[0].strip("[]")


def _header_variables(headers: Sequence[Header]) -> dict[str, str]:
    variables: dict[str, str] = {}
    for name, value in headers:
        # An underscore would let X_Forwarded_For pass for X-Forwarded-For.
        if "_" in name or name in ("content-length", "transfer-encoding"):
            continue
        key = "CONTENT_TYPE" if name == "content-type" else "HTTP_" + name.upper().replace("-", "_")
        # Cookies may come in several headers, whose values commas would spoil (RFC 9113).
        glue = "; " if name == "cookie" else ","
        variables[key] = f"{variables[key]}{glue}{value}" if key in variables else value
    # A proxy may have looked at the one and the application at the other.
    if len([name for name, _ in headers if name == "host"]) > 1:
        raise Refusal(HTTPStatus.BAD_REQUEST, "The request names two hosts.")
    return variables


def _send(proto: HTTPProtocol, answer: Answer, is_head: bool) -> None:
    headers = [*answer.headers, ("server", "portal")]
    if is_head or answer.status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        proto.response_empty(answer.status, headers)
    else:
        proto.response_bytes(answer.status, headers, answer.body)


def _log_access(scope: Scope, environ: Environ, status: int, seconds: float) -> None:
    # The links in mail carry their token in the path, and a token in a log is a key in a log.
    path = quote(re.sub(r"[^/]{20,}", "(hidden)", scope.path), safe="/()")
    # Behind a trusted proxy the application has put the visitor's address into its environ.
    address = environ.get("REMOTE_ADDR") or _address_of(scope)
    access.info('%s "%s %s" %d %.1f ms', address, scope.method, path, status, seconds * 1000)
