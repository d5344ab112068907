"""Which addresses programs ask: they have no session there, and get no pages."""

from __future__ import annotations

from flask import Flask, Request, Response, has_request_context, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin

API = "/api/v1/"
REFERENCE = frozenset({API, f"{API}openapi.json"})  # for whoever writes programs


class Sessions(SecureCookieSessionInterface):
    """Sessions of people: what a program sends along as a cookie is not even read."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """The session of a person; an empty one for a program."""
        if is_for_programs(request.path):
            request.environ.pop("HTTP_COOKIE", None)
        return super().open_session(app, request)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Keep a person's session; a program has none to keep."""
        if not is_asking():
            super().save_session(app, session, response)


def is_asking() -> bool:
    """Whether a program is to be answered now."""
    return has_request_context() and is_for_programs(request.path)


def is_for_programs(path: str) -> bool:
    """Whether programs ask at an address."""
    return path.startswith(API) and path not in REFERENCE
