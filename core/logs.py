"""What a line of the log looks like; one configuration for every process of the portal."""

import json
import logging
import re
from typing import Any

from core.settings import Settings

UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def config(settings: Settings) -> dict[str, Any]:
    """The configuration for `logging.config.dictConfig`."""
    kind = JsonLine if settings.log_format == "json" else TextLine
    level = settings.log_level.upper()
    # Granian tells of every start and stop of a worker at INFO; the portal's own words are enough.
    server = level if level == "DEBUG" else "WARNING"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": f"{kind.__module__}.{kind.__qualname__}"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"level": level, "handlers": ["stderr"]},
        "loggers": {"_granian": {"level": server}, "alembic": {"level": "WARNING"}, "huey": {"level": "WARNING"}},
    }


class TextLine(logging.Formatter):
    """Time, level, logger, message; what people typed cannot begin a line of its own."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The message on one line; only a traceback has more."""
        record.message = UNPRINTABLE.sub(lambda found: repr(found[0])[1:-1], record.message)
        return super().formatMessage(record)


class JsonLine(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as time, level, logger, message, and error where there is one."""
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
