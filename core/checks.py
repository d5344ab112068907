"""What `./portal check` says: one line each for configuration, database, migrations, mail and disk."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from core import disk as room
from core import probe, revisions
from core import setting_kinds as kinds
from core.mailing import smtp
from core.secret_files import with_secrets
from core.settings import Settings

MOST_FAULTS = 3  # that one line names
MIGRATIONS = {
    revisions.EMPTY: (True, "none yet; the first start makes them"),
    revisions.CURRENT: (True, "current"),
    revisions.OLDER: (False, "older than this program; ./portal run migrates them"),
    revisions.NEWER: (False, "newer than this program; run the newer program"),
    revisions.FOREIGN: (False, "missing: the database belongs to another program"),
}


class Line(NamedTuple):
    """One line: what was looked at, whether the portal can serve with it, and what was found."""

    name: str
    is_good: bool
    found: str
    is_warning: bool = False

    def __str__(self) -> str:
        word = "failed" if not self.is_good else "warning" if self.is_warning else "ok"
        return f"{self.name:<14} {word:<8} {self.found}"


def lines(settings: Settings) -> Iterator[Line]:
    """Each line as it is found; creates no file."""
    yield configuration(settings)
    yield database(settings)
    yield migrations(settings)
    yield mail(settings)
    yield disk(settings)


def configuration(settings: Settings) -> Line:
    """Secrets, and what is likely to be meant otherwise."""
    with_secrets(settings, create=False)
    name = kinds.host_of(settings.base_url)
    if kinds.is_address(name) and name in ("0.0.0.0", "::"):  # noqa: S104 - to warn of it
        return Line("configuration", True, f"links begin with {settings.base_url}; set BASE_URL", True)
    if settings.base_url.startswith("http:") and not kinds.is_loopback(name):
        return Line("configuration", True, f"passwords travel unencrypted to {settings.base_url}", True)
    return Line("configuration", True, settings.base_url)


def database(settings: Settings) -> Line:
    """Whether it can be reached, and whether what it holds is as the rules leave it."""
    path = probe.sqlite_file(settings)
    return _asked("database", settings, lambda: _database(settings, path))


def _database(settings: Settings, path: Path | None) -> Line:
    if path is not None and not path.exists():
        return Line("database", True, f"SQLite, not made yet: {path}")
    if wrong := probe.faults(settings):
        more = f" (and {len(wrong) - MOST_FAULTS} more)" if len(wrong) > MOST_FAULTS else ""
        return Line("database", True, " ".join(wrong[:MOST_FAULTS]) + more, True)
    return Line("database", True, "PostgreSQL" if path is None else f"SQLite: {path}")


def migrations(settings: Settings) -> Line:
    """Whether the schema is the program's."""
    return _asked("migrations", settings, lambda: Line("migrations", *MIGRATIONS[probe.state(settings)]))


def _asked(name: str, settings: Settings, ask: Callable[[], Line]) -> Line:
    try:
        return ask()
    except SQLAlchemyError as error:
        words = " ".join(str(getattr(error, "orig", None) or error).split())
        return Line(name, False, f"the database cannot be used: {words}")


def mail(settings: Settings) -> Line:
    """Whether the mail server answers; without it the portal serves and letters wait."""
    if settings.mail_server is None:
        return Line("mail", True, "kept, not sent: MAIL_SERVER is not set")
    warnings = [warning for warning in (_unencrypted(settings), _unanswered(settings)) if warning]
    found = "; ".join(warnings) or f"{settings.mail_server}:{settings.mail_port}"
    return Line("mail", True, found, bool(warnings))


def _unencrypted(settings: Settings) -> str:
    is_open = not (settings.mail_use_tls or settings.mail_use_ssl or kinds.is_loopback(settings.mail_server or ""))
    return f"letters go to {settings.mail_server} unencrypted, set MAIL_USE_TLS" if is_open else ""


def _unanswered(settings: Settings) -> str:
    try:
        with smtp.dialogue(settings):
            return ""
    except smtp.MailFailed as failed:
        return str(failed)


def disk(settings: Settings) -> Line:
    """Whether the data folder can be written to and has room."""
    folder = next(path for path in (settings.data, *settings.data.parents) if path.exists())
    if not os.access(folder, os.W_OK | os.X_OK):
        return Line("disk", False, f"{folder} cannot be written to")
    return Line("disk", room.has_room(folder), f"{room.free_percent(folder)} % free in {folder}")
