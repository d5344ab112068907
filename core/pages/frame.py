"""What the frame around every page shows: the side navigation of the room one is in, and the words for it."""

from __future__ import annotations

from typing import Any

from flask import Flask, request
from flask_babel import get_locale
from flask_babel import gettext as _
from flask_login import current_user

from core.pages.languages import ENGLISH, tag
from core.settings import Settings

Entry = tuple[str, str, str, int]
BELOW = {"/admin/stations": "/admin/status"}  # pages that one comes to from another one of the menu
MY_ROOM = ("/profile", "/products/", "/devices/", "/organization/leave")


def init_app(app: Flask, settings: Settings) -> None:
    """Give every template the frame."""

    @app.context_processor
    def frame() -> dict[str, Any]:
        """What base.html needs on every page."""
        title, entries = room(request.path, getattr(current_user, "requests", 0))
        return {
            "portal_name": settings.portal_name,
            "lang": tag(str(get_locale() or ENGLISH)),
            "nav_title": title,
            "nav": entries,
            "nav_current": current(entries, request.path),
        }


def room(path: str, requests: int = 0) -> tuple[str, list[Entry]]:
    """The title and the entries of the room that an address belongs to; no entries outside of the three rooms.

    `requests` is how many people wait for an answer.
    """
    if path.startswith("/admin/"):
        return _("Admin Space"), [
            ("/admin/products", _("Products"), "package", 0),
            ("/admin/users", _("Users"), "users", 0),
            ("/admin/permissions", _("Permissions"), "checkbox", 0),
            ("/admin/requests", _("Requests"), "lock", requests),
            ("/admin/status", _("Status"), "activity-heartbeat", 0),
            ("/admin/activity", _("Activity"), "history", 0),
            ("/admin/settings", _("Organization Profile"), "settings", 0),
        ]
    if path.startswith("/operator/"):
        return _("Operator"), [
            ("/operator/keys", _("Permission keys"), "key", 0),
            ("/operator/organizations", _("Organizations"), "building", 0),
            ("/operator/products", _("Products"), "package", 0),
            ("/operator/mail", _("Outgoing mail"), "mail", 0),
            ("/operator/activity", _("Activity"), "history", 0),
        ]
    if path in {"/products", "/organization", "/devices"} or path.startswith(MY_ROOM):
        return _("My Account"), [
            ("/products", _("My Products"), "package", 0),
            ("/devices", _("Devices"), "device-desktop", 0),
            ("/profile", _("Profile"), "user-circle", 0),
            ("/organization", _("My Organization"), "building", 0),
        ]
    return "", []


def current(entries: list[Entry], path: str) -> str:
    """The entry that a page belongs to."""
    path = next((above for below, above in BELOW.items() if path == below or path.startswith(below + "/")), path)
    return next((url for url, *_rest in entries if path == url or path.startswith(url + "/")), "")
