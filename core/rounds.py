"""What a thread of a process does again and again, on when database or server went away."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

log = logging.getLogger("portal.rounds")


def repeat(app: Flask, stopping: threading.Event, every: float, do: Callable[[], None]) -> None:
    """Do something again and again in a fresh context; what goes wrong is logged when it begins and when it ends."""
    is_well = True
    while not stopping.is_set():
        was_well, is_well = is_well, once(app, do, is_news=is_well)
        if is_well and not was_well:
            log.warning("%s goes on", threading.current_thread().name)
        stopping.wait(every)


def once(app: Flask, do: Callable[[], None], *, is_news: bool = True) -> bool:
    """Do something in a fresh context; False when it went wrong, which is logged as far as it is news."""
    try:
        with app.app_context():
            do()
    except SQLAlchemyError as error:
        if is_news:
            log.warning("the database cannot be used: %s", getattr(error, "orig", None) or error)
        return False
    except Exception:
        if is_news:
            log.exception("%s failed", threading.current_thread().name)
        return False
    return True
