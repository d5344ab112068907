"""What every answer keeps: tokens in forms, headers, cookies, trusted hosts. One place for all of it."""

from __future__ import annotations

from flask import Flask, Response, request
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

from core.pages.answers import problem, sentence_of
from core.settings import Settings

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
MOST_BYTES = 1024 * 1024  # of a request; 10,000 pasted addresses are a third of it

csrf = CSRFProtect()


def init_app(app: Flask, settings: Settings) -> None:
    """Set cookies, limits and hosts, and put the headers on every answer."""
    secure = settings.base_url.startswith("https:")
    app.config.update(
        SECRET_KEY=settings.secret_key,
        SESSION_COOKIE_NAME="__Host-session" if secure else "session",
        SESSION_COOKIE_SECURE=secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=MOST_BYTES,
        MAX_FORM_MEMORY_SIZE=MOST_BYTES,
        MAX_FORM_PARTS=2000,
        TRUSTED_HOSTS=[Host(name) for name in settings.trusted_hosts],
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session; a page left open over lunch still works
    )
    csrf.init_app(app)
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    app.register_error_handler(CSRFError, forged)
    app.after_request(with_headers)
    app.config["PORTAL_SECURE"] = secure


class Host(str):
    """A host to answer to. Werkzeug cuts one at its first colon, and so would never know an IPv6 address."""

    __slots__ = ()

    def partition(self, sep: str, /) -> tuple[str, str, str]:
        """The whole of an IPv6 address."""
        return (str(self), "", "") if self.startswith("[") else super().partition(sep)


def forged(_error: CSRFError) -> Response:
    """A form without the token of this session: 400."""
    return problem(400, sentence_of(400))


def with_headers(response: Response) -> Response:
    """The headers of every answer; pages are private and leave nothing behind."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    return response
