"""The language of a page: the person's own, else the best of what the browser asks for, else English.

There is a language for every folder of `translations`; docs/translating.md says how to add one.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache

from babel import Locale
from babel.core import get_global, parse_locale
from babel.support import NullTranslations, Translations
from flask import Flask, Response, has_request_context, request
from flask_babel import Babel, Domain, get_locale
from flask_login import current_user
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from core.settings import ROOT

FOLDER = ROOT / "translations"
ENGLISH = "en"
LANGUAGES = (ENGLISH, *sorted(path.parents[1].name for path in FOLDER.glob("*/LC_MESSAGES/messages.po")))
Parts = tuple[str, str, str]
ANY: Parts = ("*", "", "")
HEADER_LENGTH = 500  # of Accept-Language; browsers send a tenth of it


def init_app(app: Flask) -> None:
    """Choose language and time zone for every request, and tell caches that a page depends on the language."""
    Languages(app, date_formats=Formats(), locale_selector=language, timezone_selector=zone)
    app.after_request(with_language)


def language() -> str:
    """The language of the profile, else the best of what the browser asks for; a command has neither."""
    if not has_request_context():
        return ENGLISH
    if current_user and current_user.is_authenticated and current_user.locale in LANGUAGES:
        return str(current_user.locale)
    return best(request.headers.get("Accept-Language", "")[:HEADER_LENGTH], LANGUAGES)


def zone() -> str:
    """The time zone that times are shown in."""
    return str(current_user.shown_zone) if current_user and hasattr(current_user, "shown_zone") else "UTC"


def tag(locale: str) -> str:
    """A language as HTML and HTTP write it: zh-Hans."""
    return locale.replace("_", "-")


def name(locale: str) -> str:
    """A language in its own words, as a list of them writes it: Deutsch."""
    own = str(Locale.parse(locale).get_display_name(locale))
    return own[:1].upper() + own[1:]


def with_language(response: Response) -> Response:
    """Say what a page is written in, and that another browser may get another one."""
    if response.mimetype == "text/html" and response.status_code not in range(300, 400):
        response.headers.setdefault("Content-Language", tag(str(get_locale() or ENGLISH)))
        response.vary.add("Accept-Language")
    return response


# ── what the browser asks for ────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(256)
def best(header: str, languages: tuple[str, ...]) -> str:
    """The language that an Accept-Language header wants most, the first one when it wants none of them.

    Languages are compared with what they likely stand for: zh-CN is written as zh-Hans is, zh-TW is not.
    """
    asked = [(_likely(tag), quality) for tag, quality in parse_accept_header(header[:HEADER_LENGTH], LanguageAccept)]
    return max(languages, key=lambda each: _wish(asked, each))


def _wish(asked: Sequence[tuple[Parts | None, float]], own: str) -> tuple[float, bool]:
    """How much a language is wanted, and whether with its territory; a star is for those that are not named."""
    mine = _likely(own) or (own, "", "")
    named = [
        (quality, quality > 0 and parts == mine)
        for parts, quality in asked
        if parts is not None and parts[:2] == mine[:2]
    ]
    return max(named or [(quality, False) for parts, quality in asked if parts == ANY], default=(0, False))


def _likely(tag: str) -> Parts | None:
    """Language, script and territory that a tag stands for: those of zh-CN are zh, Hans, CN; None for what is none."""
    if tag == "*":
        return ANY
    try:
        language, territory, script = parse_locale(tag.replace("_", "-"), "-")[:3]
    except ValueError:
        return None
    # Codes of earlier days: iw is he.
    language = get_global("language_aliases").get(language, language)
    known = get_global("likely_subtags")
    for parts in _vaguer(language, script, territory):
        if parts in known:
            likely_language, likely_territory, likely_script = parse_locale(known[parts])[:3]
            return likely_language, script or likely_script or "", territory or likely_territory or ""
    return language, script or "", territory or ""


def _vaguer(language: str, script: str | None, territory: str | None) -> Iterator[str]:
    for parts in ((language, script, territory), (language, territory), (language, script), (language,)):
        yield "_".join(filter(None, parts))


# ── how a language writes ────────────────────────────────────────────────────────────────────────────────────────────


class Formats(dict[str, str | None]):
    """Flask-Babel's formats where none is asked for: 6 Dec 2026, 10:35 in English, elsewhere the language's own."""

    def __missing__(self, key: str) -> str | None:
        own = get_locale()
        if own is None or str(own) == ENGLISH:
            return {"date": "d MMM yyyy", "time": "HH:mm"}.get(key)
        return {"date": whole(own.date_formats["long"].pattern), "time": "short"}.get(key)


def whole(pattern: str) -> str:
    """A pattern of days that is not torn after the number: 24. November."""
    return pattern.replace("d. ", "d.\u00a0")


class Catalogs(Domain):  # type: ignore[misc]  # Flask-Babel ships no types
    """Translations straight from the .po files: nothing is compiled, so nothing is ever out of date."""

    def get_translations(self) -> NullTranslations:
        """Those of the present language."""
        return catalog(str(get_locale() or ENGLISH))


class Languages(Babel):  # type: ignore[misc]
    """Flask-Babel with these catalogs."""

    domain_instance = Catalogs()


@cache
def catalog(locale: str) -> NullTranslations:
    """The translations into a language, read once for each process; English is what the sources say."""
    if locale not in LANGUAGES or locale == ENGLISH:
        return NullTranslations()
    # Most processes of an English portal never need these.
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    with (FOLDER / locale / "LC_MESSAGES" / "messages.po").open("rb") as file:
        read = read_po(file, locale)
    compiled = io.BytesIO()
    write_mo(compiled, read)
    compiled.seek(0)
    return Translations(compiled)
