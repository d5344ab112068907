"""The kinds of settings: each takes the text of a value and returns it typed.

:raise ValueError: with the rest of a sentence that begins with the setting's name.
"""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
SECRET_LENGTH = 32
NAME = re.compile(r"(?!-)[\w-]{1,63}(?<!-)(\.(?!-)[\w-]{1,63}(?<!-))*\.?")


def line(longest: int) -> Callable[[str], str]:
    """Text of one line."""

    def parse(text: str) -> str:
        if len(text) > longest or not text.isprintable():
            raise ValueError(f"must be one line of at most {longest} characters")
        return text

    return parse


def whole(least: int, most: int) -> Callable[[str], int]:
    """A whole number between two others."""

    def parse(text: str) -> int:
        # Nine digits tell, and of thousands Python would complain in words of its own.
        if not (text.isascii() and text.isdigit() and least <= int(text[:9]) <= most):
            raise ValueError(f"must be a whole number from {least} to {most}, not “{text}”")
        return int(text)

    return parse


def seconds(least: float, most: float) -> Callable[[str], float]:
    """A number of seconds between two others."""

    def parse(text: str) -> float:
        if not re.fullmatch(r"\d+(\.\d+)?", text) or not least <= float(text) <= most:
            raise ValueError(f"must be a number of seconds from {least} to {most}, not “{text}”")
        return float(text)

    return parse


def yes_no(text: str) -> bool:
    """Yes or no, in the words people use."""
    word = text.lower()
    if word not in ("yes", "true", "on", "1", "no", "false", "off", "0"):
        raise ValueError(f"must be yes or no, not “{text}”")
    return word in ("yes", "true", "on", "1")


def one_of(*words: str) -> Callable[[str], str]:
    """One of a few words, in either case."""

    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(f"must be one of {', '.join(words)}, not “{text}”")
        return text.lower()

    return parse


def host(text: str) -> str:
    """A host name or an address, without port; IPv6 without brackets."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if not is_address(bare) and not NAME.fullmatch(bare):
        raise ValueError(f"must be a host name or an address without port, not “{text}”")
    return bare


def hosts(text: str) -> tuple[str, ...]:
    """Host names separated by commas or spaces; a leading dot includes what is below it."""
    names = [word for word in re.split(r"[,\s]+", text) if word]
    for name in names:
        host(name.removeprefix("."))
    return tuple(bracketed(name) for name in names)


def folder(text: str) -> Path:
    """A folder; a relative one counts from the folder the command was started in."""
    if "\0" in text:
        raise ValueError("must be a folder")
    return Path(text).expanduser().absolute()


def base_url(text: str) -> str:
    """An http or https address without path, without slash at its end."""
    parts = _split(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError(f"must be an address such as https://portal.example.com, not “{text}”")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must have no path: the portal lives at the root of its host")
    host(parts.hostname)
    return f"{parts.scheme}://{parts.netloc}".lower()


def database_url(text: str) -> str:
    """A SQLAlchemy address of SQLite or PostgreSQL, with the driver that is installed."""
    scheme, colon, rest = text.partition("://")
    if not colon:
        raise ValueError("must look like postgresql://user:password@host/name or sqlite:////folder/file")
    if scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        _split(text)
        return f"postgresql+psycopg://{rest}"
    if scheme != "sqlite":
        raise ValueError(f"must name SQLite or PostgreSQL, not “{scheme}”")
    if not rest.startswith("/") or rest.lstrip("/").startswith(":memory:") or rest == "/":
        raise ValueError("must name a file: several processes share the database")
    return f"sqlite:///{folder(rest[1:])}"


def secret_key(text: str) -> str:
    """A secret that nobody guesses."""
    if len(text) < SECRET_LENGTH or len(set(text)) < SECRET_LENGTH // 4:
        raise ValueError(f"is too weak; use at least {SECRET_LENGTH} random characters")
    return text


def seal_key(text: str) -> str:
    """32 bytes as URL-safe base64."""
    try:
        size = len(base64.urlsafe_b64decode(text))
    except (binascii.Error, ValueError):
        size = 0
    if size != SECRET_LENGTH:
        raise ValueError("must be 32 random bytes as URL-safe base64")
    return text


def sender(text: str) -> str:
    """`name@host` or `Name <name@host>`."""
    if not re.fullmatch(r"([^<>\r\n]*<)?[^@<>\s]+@[^@<>\s]+(?(1)>)", text) or not text.isprintable():
        raise ValueError(f"must be an address such as portal@example.com, not “{text}”")
    return text


def host_of(url: str) -> str:
    """The host of an address, without port and brackets."""
    return urlsplit(url).hostname or ""


def bracketed(name: str) -> str:
    """A host as it stands in an address."""
    return f"[{name}]" if ":" in name and not name.startswith("[") else name


def is_address(name: str) -> bool:
    """Whether a host is an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(name: str) -> bool:
    """Whether a host is this machine, as far as its text tells."""
    return name == "localhost" or (is_address(name) and ipaddress.ip_address(name).is_loopback)


def trusted_hosts(name: str) -> tuple[str, ...]:
    """The hosts to answer to when nobody named any."""
    # Who listens on every address reaches the portal by its loopback names too.
    is_here = is_loopback(name) or (is_address(name) and ipaddress.ip_address(name).is_unspecified)
    return tuple(dict.fromkeys((bracketed(name), *LOOPBACK))) if is_here else (bracketed(name),)


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError:
        raise ValueError("must be an address such as https://portal.example.com") from None
    return parts
