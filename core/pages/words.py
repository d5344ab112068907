"""What every template may use besides its own context: asset(name) and the filters address and day."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import flask_babel
from flask import Flask
from flask_babel import format_date, format_datetime, format_decimal
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from core.pages.assets import asset


def init_app(app: Flask) -> None:
    """Give the templates of an application asset(), address and day."""
    app.jinja_env.globals["asset"] = asset
    app.jinja_env.filters["address"] = address
    app.jinja_env.filters["day"] = day
    app.jinja_env.globals["ngettext"] = grouping(app.jinja_env.globals["ngettext"])


class Grouped(int):
    """A number that writes itself as the reader's language groups it: 10,000."""

    def __str__(self) -> str:
        return str(format_decimal(int(self)))


def number(value: int) -> str:
    """A number as the reader's language groups it."""
    return str(Grouped(value))


def ngettext(singular: str, plural: str, num: int, **variables: Any) -> str:
    """Flask-Babel's, with the number as the reader's language groups it."""
    return str(flask_babel.ngettext(singular, plural, Grouped(num), **variables))


def grouping(translate: Any) -> Callable[..., str]:
    """The same for a template's own."""

    @pass_context
    def grouped(context: Context, singular: str, plural: str, num: int, **variables: Any) -> str:
        text: str = translate(context, singular, plural, Grouped(num), **variables)
        return text

    return grouped


def address(text: str) -> Markup:
    """Return text escaped, with a place to break the line before its last @."""
    before, at, after = text.rpartition("@")
    return escape(text) if not at else escape(before) + Markup("<wbr>") + escape(at + after)


def day(value: date) -> str:
    """A day as pages write it: 6 Dec 2026; of a moment, its day in the time zone that pages show."""
    return str(format_date(value, "d MMM yyyy"))


def moment(instant: datetime, zone: str) -> str:
    """A moment in a zone that is not the reader's own, which is named: 8 Dec 2026, 10:35 (Europe/Berlin)."""
    there = instant.astimezone(ZoneInfo(zone))
    return f"{format_datetime(there, 'd MMM yyyy, HH:mm', rebase=False)} ({zone})"
