"""The language of a page: the person's own, else the browser's; English is the one there is today."""

from __future__ import annotations

from flask import Flask, has_request_context, request
from flask_babel import Babel
from flask_login import current_user

LANGUAGES = ("en",)


def init_app(app: Flask) -> None:
    """Choose language and time zone for every request."""
    Babel(app, locale_selector=language, timezone_selector=zone)


def language() -> str:
    """The language of the profile, else the best of what the browser asks for; a command has neither."""
    if not has_request_context():
        return LANGUAGES[0]
    if current_user and current_user.is_authenticated and current_user.locale in LANGUAGES:
        return str(current_user.locale)
    return request.accept_languages.best_match(LANGUAGES) or LANGUAGES[0]


def zone() -> str:
    """The time zone that times are shown in."""
    return str(current_user.shown_zone) if current_user and hasattr(current_user, "shown_zone") else "UTC"
