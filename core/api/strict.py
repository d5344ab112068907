"""JSON without surprises: one meaning for every reader, or none."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NoReturn

Pairs = Iterable[tuple[str, Any]]


def loads(body: bytes) -> Any:
    """The value of a UTF-8 text.

    :raise ValueError: for every other text, names that stand twice, numbers that are none, and what is nested deep.
    """
    try:
        return json.loads(body.decode(), object_pairs_hook=_once_each, parse_constant=_refused)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _once_each(pairs: Pairs) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name!r} stands twice")
        found[name] = value
    return found


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")
