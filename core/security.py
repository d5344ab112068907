"""What every answer keeps: tokens in forms, headers, cookies, trusted hosts. One place for all of it."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, Response, request
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

from core.pages.answers import problem, sentence_of
from core.programs import Sessions
from core.settings import Settings

# `data:`: the style sheet carries its icons. Inline styles and scripts are nowhere allowed, so none is written.
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    # Links in letters carry tokens, which no other site is to see; Flask-WTF asks for the referrer on our own pages.
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",  # what `frame-ancestors` says, for browsers that do not know it
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
        # With this prefix no other host of the domain can set it.
        SESSION_COOKIE_NAME="__Host-session" if secure else "session",
        SESSION_COOKIE_SECURE=secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",  # with Strict, a link from a letter would find nobody signed in
        MAX_CONTENT_LENGTH=MOST_BYTES,
        MAX_FORM_MEMORY_SIZE=MOST_BYTES,
        MAX_FORM_PARTS=2000,  # of multipart, which no form of ours sends; core.front counts the fields of the others
        TRUSTED_HOSTS=[Host(name) for name in settings.trusted_hosts],
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session; a page left open over lunch still works
    )
    app.session_interface = Sessions()
    app.before_request(drop_broken_addresses)
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


def drop_broken_addresses() -> None:
    """Take an address that is none for one that was not sent; reading it later would be a fault of ours."""
    for name in ("HTTP_REFERER", "HTTP_HX_CURRENT_URL"):
        try:
            urlsplit(request.environ.get(name, ""))
        except ValueError:
            del request.environ[name]


def forged(_error: CSRFError) -> Response:
    """A form without the token of this session: 400."""
    return problem(400, sentence_of(400))


def with_headers(response: Response) -> Response:
    """The headers of every answer; pages are private and leave nothing behind."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
    # Pages show people and keys: none stays in a cache, or is there again behind Back after signing out.
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    return response
