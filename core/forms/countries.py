"""Countries by their two letters, named in the reader's language."""

from __future__ import annotations

import unicodedata
from functools import cache

from babel import Locale
from flask_babel import get_locale
from flask_babel import gettext as _

# Two letters that stand for unions, tests, islands without a code of their own.
_NOT_COUNTRIES = frozenset(["AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"])


def choices() -> list[tuple[str, str]]:
    """What a field offers: nothing, then every country by name."""
    return [("", str(_("Not given"))), *_by_name(str(get_locale() or "en"))]


def is_country(code: str) -> bool:
    """Whether there is a country with these letters."""
    return code in dict(_by_name("en"))


@cache
def _by_name(locale: str) -> list[tuple[str, str]]:
    territories = Locale.parse(locale).territories.items()
    # Three digits are regions: 001 is the world.
    named = [(code, name) for code, name in territories if len(code) == 2 and code not in _NOT_COUNTRIES]
    return sorted(named, key=lambda pair: unicodedata.normalize("NFKD", pair[1]).casefold())
