"""What every template may use besides its own context: asset(name) and the filters address and day."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import flask_babel
from babel.lists import format_list
from flask import Flask
from flask_babel import format_date, format_time, get_locale
from flask_babel import gettext as _
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from core.pages.assets import asset
from core.pages.languages import ENGLISH, whole
from core.refusals import Grouped


def init_app(app: Flask) -> None:
    """Give the templates of an application asset(), address and day."""
    app.jinja_env.globals["asset"] = asset
    app.jinja_env.filters["address"] = address
    app.jinja_env.filters["day"] = day
    app.jinja_env.globals["ngettext"] = grouping(app.jinja_env.globals["ngettext"])


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
    return str(format_date(value))


def short_day(value: date) -> str:
    """A day of this year: 6 Dec."""
    own = get_locale()
    is_english = own is None or str(own) == ENGLISH
    return str(format_date(value, "d MMM" if is_english else whole(own.datetime_skeletons["MMMd"].pattern)))


def time(value: datetime) -> str:
    """The time of a moment in the time zone that pages show: 10:35."""
    return str(format_time(value))


def moment(instant: datetime, zone: str) -> str:
    """A moment in a zone that is not the reader's own, which is named: 8 Dec 2026, 10:35 (Europe/Berlin)."""
    there = instant.astimezone(ZoneInfo(zone))
    # `rebase` would move it to the reader's zone, as everything else is.
    words = {"day": format_date(there, rebase=False), "time": format_time(there, rebase=False), "zone": zone}
    return str(_("%(day)s, %(time)s (%(zone)s)", **words))


def listed(names: Sequence[str]) -> str:
    """Names one of which is enough: “Anna Brenner or Tom Achterberg”."""
    return str(format_list(list(names), "or", get_locale() or ENGLISH)) if names else ""
