"""Whether the disk has room, by one measure for `./portal check` and `/readyz`."""

import shutil
from pathlib import Path

LEAST_FREE = 5  # percent; a full disk stops every write, and a database needs room to put itself in order


def has_room(folder: Path) -> bool:
    """Whether enough of the disk below a folder is free."""
    return _free(folder) > LEAST_FREE / 100


def free_percent(folder: Path) -> int:
    """How much of the disk below a folder is free."""
    return int(100 * _free(folder))


def _free(folder: Path) -> float:
    usage = shutil.disk_usage(folder)
    return usage.free / usage.total
