"""A permission key that waits for its page: kept sealed in the session, so that the cookie carries no key to read."""

from __future__ import annotations

import base64

from flask import current_app, session

from core import keys
from core.people import me
from core.sealing import SealBroken

NAME = "draft"
MOST_BYTES = 1200  # sealed and encoded, half of what a cookie holds; 46 keys


def keep(text: str) -> None:
    """Keep what was typed for the page that the person is led to next: its keys, as many as fit."""
    found = "\n".join(each.key or each.typed for each in keys.find(text)) or text.strip()
    sealed = current_app.extensions["sealer"].seal(_whole_lines(found), _owner())
    session[NAME] = base64.b64encode(sealed).decode()


def kept() -> str:
    """What was kept, which stays; empty when nothing was, or somebody else kept it."""
    try:
        sealed = base64.b64decode(session.get(NAME, ""))
        return str(current_app.extensions["sealer"].unseal(sealed, _owner()))
    except (SealBroken, ValueError):
        return ""


def take() -> str:
    """What was kept, for the last time."""
    text = kept()
    session.pop(NAME, None)
    return text


def _owner() -> bytes:
    return f"draft of account {me().id}".encode()


def _whole_lines(text: str) -> str:
    if len(text.encode()) <= MOST_BYTES:
        return text
    cut = text.encode()[:MOST_BYTES].decode(errors="ignore")
    return cut.rpartition("\n")[0] or cut
