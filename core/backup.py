"""A backup: one file with everything that a portal needs to go on, read at one moment, and put back whole.

A compressed tar of a description, the database and, unless the environment has them, the two secrets. The description
keeps a digest of every table, so that what was put back is known to be what was kept.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import sqlite3
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy.exc import DatabaseError, SQLAlchemyError

from core import __version__, digests, postgres_copies, probe, revisions
from core.dates import now
from core.secret_files import with_secrets
from core.settings import Settings

FORMAT = 1
PIECE = 1 << 20  # bytes in memory at one time
ABOUT, DATABASE = "portal.json", "database"
SECRETS = ("secret_key", "seal_key")
SQLITE, POSTGRESQL = "SQLite", "PostgreSQL"
BESIDE = ("-wal", "-shm")  # what SQLite keeps beside a database


class BackupError(Exception):
    """A backup that cannot be made or put back; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class About:
    """What a backup says of itself."""

    format: int
    version: str  # of the program that made it
    made_at: str
    kind: str
    revision: str
    tables: dict[str, digests.Table]
    signing_keys: list[str]

    @property
    def rows(self) -> int:
        """How many rows it holds."""
        return sum(each.rows for each in self.tables.values())


# ── making ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def make(settings: Settings, target: Path) -> About:
    """Write a backup while the portal goes on; a file that is there already is replaced when it is one, too.

    :raise BackupError: when it cannot be made; then nothing is left of it.
    """
    if target.exists():
        about(target)
    with _in_one_sentence(), tempfile.TemporaryDirectory(dir=target.absolute().parent, prefix=".backup-") as folder:
        copy, draft = Path(folder, DATABASE), Path(folder, "draft")
        found = _copied(settings, copy)
        with tarfile.open(draft, "x:gz", compresslevel=3) as tar:
            _add(tar, ABOUT, json.dumps(asdict(found), indent=1).encode())
            for name, secret in _secrets(settings).items():
                _add(tar, name, secret.encode())
            tar.add(copy, DATABASE)
        _flush(draft)
        draft.chmod(0o600)
        draft.replace(target)
    return found


def _copied(settings: Settings, copy: Path) -> About:
    if (path := probe.sqlite_file(settings)) is not None:
        _vacuum_into(path, copy)
        with digests.reading(f"sqlite:///{copy}") as connection:
            return _about(connection, SQLITE)
    with digests.reading(settings.database_url) as connection:
        postgres_copies.dump(settings.database_url, connection, copy)
        return _about(connection, POSTGRESQL)


def _vacuum_into(path: Path, copy: Path) -> None:
    # A snapshot: who writes meanwhile waits for nothing, and nothing of his is half in it.
    with contextlib.closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
        connection.execute("VACUUM INTO ?", (str(copy),))
    copy.chmod(0o600)
    _flush(copy)


def _about(connection: Any, kind: str) -> About:
    tables = digests.of(connection)
    return About(FORMAT, __version__, now().isoformat(timespec="seconds"), kind, digests.revision(connection), tables,
                 digests.signing_keys(connection, tables))  # fmt: skip


def _secrets(settings: Settings) -> dict[str, str]:
    """The secrets that stand in files of the data folder, by name."""
    kept = with_secrets(settings, create=False)
    found = {name: getattr(kept, name) for name in SECRETS if getattr(settings, name) is None}
    return {name: secret for name, secret in found.items() if secret is not None}


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), 0o600
    tar.addfile(info, io.BytesIO(content))


# ── putting back ─────────────────────────────────────────────────────────────────────────────────────────────────────


def about(source: Path) -> About:
    """What a backup says of itself.

    :raise BackupError: when it is none.
    """
    with _in_one_sentence(), _opened(source) as tar:
        return _described(tar, source)


def put_back(settings: Settings, source: Path, *, replace: bool = False) -> About:
    """Put a backup where the settings say; with `replace` instead of what is there.

    :raise BackupError: when it is none or damaged, for another kind of database, from a newer program, when there is
        something already, or somebody uses it. Then everything is as it was.
    """
    with _in_one_sentence(), _opened(source) as tar:
        found = _described(tar, source)
        _check(settings, found)
        if not replace and _is_in_use(settings):
            raise BackupError(f"There is a portal in {settings.data} already; --replace puts the backup in its place.")
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=settings.data, prefix=".restore-") as folder:
            files = {name: _extracted(tar, name, Path(folder)) for name in (*SECRETS, DATABASE)}
            while tar.fileobj is not None and tar.fileobj.read(PIECE):
                pass  # to the end, where the checksum of the whole stands
            _place_database(settings, found, files.pop(DATABASE))
            for name, file in files.items():
                if file is not None:
                    file.replace(settings.data / name)
        _flush(settings.data)
    return found


def _check(settings: Settings, found: About) -> None:
    kind = SQLITE if settings.is_sqlite else POSTGRESQL
    if found.kind != kind:
        raise BackupError(f"This is a backup of {found.kind}, and DATABASE_URL names {kind}.")
    if found.revision not in revisions.known():
        raise BackupError(f"This backup is newer than the program; use version {found.version} or a later one.")


def _is_in_use(settings: Settings) -> bool:
    is_there = settings.data.exists() and any(settings.data.iterdir())
    return is_there or not (settings.is_sqlite or postgres_copies.is_empty(settings.database_url))


def _place_database(settings: Settings, found: About, file: Path | None) -> None:
    if file is None:
        raise BackupError("This backup is damaged: it holds no database.")
    if (path := probe.sqlite_file(settings)) is None:
        postgres_copies.load(settings.database_url, file)
        _compare(settings.database_url, found)
        return
    _compare(f"sqlite:///{file}", found)
    _refuse_running(path)
    for each in (path, *(path.with_name(path.name + end) for end in BESIDE)):
        each.unlink(missing_ok=True)  # what belongs to the old database would be taken for the new one's
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.replace(path)


def _compare(database_url: str, found: About) -> None:
    with contextlib.suppress(DatabaseError), digests.reading(database_url) as connection:
        if digests.of(connection) == found.tables:
            return
    raise BackupError("This backup is damaged: its database is not what it says.")


def _refuse_running(path: Path) -> None:
    if not path.exists():
        return
    # Who has the database open holds a lock on it for as long.
    with contextlib.closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError:
            raise BackupError("The portal is running; stop it first.") from None
        except sqlite3.DatabaseError:
            return  # damaged: that is why it is replaced


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def _opened(source: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(source, "r:gz") as tar:
            yield tar
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, KeyError, ValueError, TypeError):
        raise BackupError(f"{source} is no backup of the portal, or it is damaged.") from None


def _described(tar: tarfile.TarFile, source: Path) -> About:
    said = json.loads(_content(tar, ABOUT))
    if said.get("format") != FORMAT:
        raise BackupError(f"{source} was made by a program that this one does not know.")
    tables = {name: digests.Table(**each) for name, each in said.pop("tables").items()}
    return About(tables=tables, **said)


def _content(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    return file.read() if file is not None else b""


def _extracted(tar: tarfile.TarFile, name: str, folder: Path) -> Path | None:
    """One file of a backup; only those whose names are known ever leave it."""
    if name not in tar.getnames():
        return None
    file = tar.extractfile(name)
    path = folder / name
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
        while file is not None and (piece := file.read(PIECE)):
            target.write(piece)
        target.flush()
        os.fsync(target.fileno())
    return path


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _in_one_sentence() -> Iterator[None]:
    try:
        yield
    except postgres_copies.ProgramFailed as failed:
        raise BackupError(str(failed)) from None
    except SQLAlchemyError as error:
        raise BackupError(f"The database cannot be used: {getattr(error, 'orig', None) or error}.") from None
    except (OSError, sqlite3.Error) as error:
        words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        where = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
        raise BackupError(f"{where}{words}.") from None
