"""What is kept on this computer for one portal: private files in the user's data folder, whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = "SEAT_DATA"  # the variable that names another folder


def data_folder() -> Path:
    """Where programs of this user keep what they must not lose."""
    if named := os.environ.get(FOLDER):
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "portal-seat"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "portal-seat"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "portal-seat"


class Store:
    """JSON files of mode 0600, by name; what cannot be read counts as missing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, url: str, folder: Path | None = None) -> Store:
        """The files for the portal at an address."""
        name = re.sub(r"[^a-z0-9.-]+", "_", url.lower().partition("://")[2]).strip("._") or "portal"
        return cls((folder or data_folder()) / name)

    def read(self, name: str) -> dict[str, Any]:
        """What was kept under a name; empty when nothing was."""
        try:
            found = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write(self, name: str, content: dict[str, Any]) -> None:
        """Keep something under a name, in the place of what was there."""
        draft = self._draft(content)
        draft.replace(self.folder / f"{name}.json")

    def write_once(self, name: str, content: dict[str, Any]) -> dict[str, Any]:
        """Keep something unless another process was first; returns what is kept."""
        draft = self._draft(content)
        with contextlib.suppress(FileExistsError):
            os.link(draft, self.folder / f"{name}.json")
        draft.unlink()
        return self.read(name)

    def remove(self, name: str) -> None:
        """Forget what was kept under a name."""
        (self.folder / f"{name}.json").unlink(missing_ok=True)

    def names(self, beginning: str) -> list[str]:
        """The names that begin so, in order."""
        return sorted(path.stem for path in self.folder.glob(f"{beginning}*.json"))

    def newest(self) -> float:
        """When any of the files was last written, by this computer's clock: a trace of time that has passed."""
        times = [0.0]
        for path in [*self.folder.glob("*.json")]:
            with contextlib.suppress(FileNotFoundError):  # another program of the user has just removed it
                times.append(path.stat().st_mtime)
        return max(times)

    def touch(self) -> None:
        """Let every file be of now."""
        for path in [*self.folder.glob("*.json")]:
            with contextlib.suppress(FileNotFoundError):
                os.utime(path)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep the other processes of this user out, until the block ends or the process dies."""
        self._make_folder()
        with (self.folder / "lock").open("a+b") as file:
            _lock(file.fileno())
            yield

    def _draft(self, content: dict[str, Any]) -> Path:
        self._make_folder()
        # Made for its owner alone from the first moment.
        number, name = tempfile.mkstemp(dir=self.folder, suffix=".draft")
        with os.fdopen(number, "w", encoding="utf-8") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        return Path(name)

    def _make_folder(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)


if sys.platform == "win32":
    import msvcrt

    def _lock(number: int) -> None:
        msvcrt.locking(number, msvcrt.LK_LOCK, 1)
else:
    import fcntl

    def _lock(number: int) -> None:
        fcntl.flock(number, fcntl.LOCK_EX)
