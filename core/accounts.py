"""Accounts: Flask-Security with our own table, and how a session begins, ends and is asked for again.

Flask-Security brings the hashing of passwords, Flask-Login the session; the pages are our own
(`blueprints/accounts.py`), because the library's confirm by GET, commit letters apart, and bind no link to a row.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import flask_login
from flask import Flask, Response, g, jsonify, make_response, redirect, request, request_started, session
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_security import RoleMixin, Security, UserDatastore
from sqlalchemy import select

from core import addresses, limits, passwords
from core.dates import now
from core.db import SAFE_METHODS, Mode, db
from core.errors import BadInput
from core.pages.htmx import htmx, vary
from core.people import SESSION_SECRET, device_of
from core.settings import Settings
from models import Account, SignIn

SIGN_IN = "/login"
LATELY = timedelta(days=30)

log = logging.getLogger("portal.accounts")

#: Views that hash a password: on SQLite they take the one writer's place only when they write (`begin_writing`).
HASHING = frozenset(
    {
        "accounts.sign_in_submit",
        "accounts.register_submit",
        "account_links.reset_submit",
        "account_links.setup_submit",
        "profile.email_submit",
        "profile.password_submit",
        "invitations.sign_up",
    }
)


class NoRole(RoleMixin):
    """Flask-Security wants a role model; the portal has one role, `Account.is_operator`, and no table of them."""


def init_app(app: Flask, settings: Settings) -> None:
    """Set Flask-Security up: argon2 without a secret of ours, no views, no tokens, no roles."""
    app.config.update(
        SECURITY_PASSWORD_HASH="argon2",  # noqa: S106  # the name of the method
        SECURITY_PASSWORD_SINGLE_HASH=True,  # no key of ours in it: SECRET_KEY can be changed
        SECURITY_PASSWORD_SCHEMES=["argon2"],
        SECURITY_PASSWORD_HASH_PASSLIB_OPTIONS=passwords.COST,
        SECURITY_CLI_USERS_NAME=None,
        SECURITY_CLI_ROLES_NAME=None,
    )
    # It finds and keeps nobody for us: core.people loads the person, models.py changes accounts.
    security = Security(app, UserDatastore(Account, NoRole), register_blueprint=False)
    _drop_principal(app, security)
    manager = security.login_manager
    manager.session_protection = None  # a session is a row; an address that changes on the way does not end it
    manager._request_callback = None  # nobody signs in by a token in an address or header
    manager.unauthorized_handler(ask_to_sign_in)
    request_started.connect(_hash_before_writing, app)


def _drop_principal(app: Flask, security: Any) -> None:
    # It would load the person for every request, static files included, for roles that nobody has.
    ours = security.principal._on_before_request
    app.before_request_funcs[None] = [each for each in app.before_request_funcs[None] if each != ours]


def _hash_before_writing(_app: Flask, **_more: Any) -> None:
    if request.endpoint in HASHING:
        g.transaction_mode = Mode.LATE


def authenticated(email: str, password: str) -> Account:
    """The account with this address and password, locked, after `begin_writing`.

    :raise BadInput: one answer for a wrong password, an unknown address, and one that is not confirmed.
    :raise TooMany: for either after too many wrong passwords; right ones do not count.
    """
    counted = _wrong_password_subjects(addresses.key(email))
    # Counted before it is looked at, so that many guesses at one time are not all the first; a right one is given back.
    for rule, subject in counted.items():
        limits.count(rule, subject)
    found = Account.by_email(db.session, email)
    verified = found.password if found is not None else None
    is_right = passwords.is_right(password, verified)
    begin_writing()
    account = locked(found.id) if found is not None and is_right else None
    # What was verified may have changed while it was hashed; a reset must not be followed by an old password.
    if account is None or account.password != verified or not account.is_confirmed:
        log.warning("a sign-in from %s was refused", request.remote_addr)
        raise BadInput(_l("Email and password do not match, or the address is not confirmed yet."))
    for rule, subject in counted.items():
        limits.give_back(rule, subject)
    if not account.active:
        db.session.commit()  # what was given back, though the answer is no
        raise BadInput(_l("This account is blocked. Contact the vendor."))
    return account


def _wrong_password_subjects(email_key: str) -> dict[str, str]:
    """Who is counted by which rule: where the account was used lately counts apart, so that no stranger locks it."""
    address = request.remote_addr or ""
    lately = (SignIn.address == address) & (SignIn.created_at > now() - LATELY)
    known = select(SignIn.id).join(Account, Account.id == SignIn.account_id).where(Account.email_key == email_key)
    place = f" at {address}" if db.session.execute(known.where(lately).limit(1)).first() else ""
    return {"sign-in": f"{email_key}{place}", "sign-in-address": address}


def begin_writing() -> None:
    """End what was read while a password was hashed; from here on the request writes, alone."""
    db.session.rollback()
    g.transaction_mode = Mode.WRITE


def locked(account_id: int) -> Account | None:
    """The account as it is now, locked against a second request, after `begin_writing`."""
    return db.session.get(Account, account_id, with_for_update=True, populate_existing=True)


def sign_in(account: Account) -> None:
    """Begin a session: a row, its secret in a new cookie, nothing kept of the session before. The caller commits."""
    end_session()
    _row, secret = SignIn.start(account, device_of(request.user_agent.string), request.remote_addr or "", now())
    session.clear()
    g.pop("csrf_token", None)  # Flask-WTF keeps the old session's token here as long as the request
    flask_login.login_user(account)
    log.info("account %d signed in from %s", account.id, request.remote_addr)
    session[SESSION_SECRET] = secret


def begin_anew(account: Account) -> None:
    """End all sessions of the account and go on in a new one: a copy of the cookie is dead too. The caller commits."""
    account.end_sign_ins(now())
    sign_in(account)


def sign_out() -> None:
    """End the session; a copy of its cookie opens nothing. The caller commits."""
    end_session()
    flask_login.logout_user()
    session.clear()
    g.pop("csrf_token", None)


def end_session() -> None:
    """End the row of the session that the request came with, if any."""
    if secret := session.get(SESSION_SECRET):
        SignIn.end(db.session, secret, now())


def ask_to_sign_in() -> Response:
    """What a visitor without a session gets at a private address, and way back to it."""
    if request.path.startswith("/api/"):
        return make_response(jsonify(status=401, detail=_("Sign in first.")), 401)
    if htmx:
        response = make_response("", 401)
        response.headers["HX-Redirect"] = sign_in_address(htmx.current_url)
        return vary(response)
    # An address that takes a POST may have no page: back to the one that had the form.
    back = request.full_path if request.method in SAFE_METHODS else request.referrer
    return vary(make_response(redirect(sign_in_address(back), 303)))


def sign_in_address(back: str | None) -> str:
    """The sign-in page that leads back to an address of this site."""
    path = local(back)
    return f"{SIGN_IN}?{urlencode({'next': path}, safe='/')}" if path and path != "/" else SIGN_IN


def local(address: str | None) -> str | None:
    """The path and query of an address of this site; None for every other and for what is no address.

    Browsers take a backslash for a slash and drop control characters, so neither may be in it.
    """
    if not address or len(address) > 2000 or address.startswith("//") or "\\" in address or not address.isprintable():
        return None
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    if (parts.scheme or parts.netloc) and (parts.scheme not in {"http", "https"} or parts.netloc != request.host):
        return None
    # Signing in must lead neither to sign-in again nor out.
    if not parts.path.startswith("/") or parts.path.startswith("//") or parts.path in {SIGN_IN, "/logout"}:
        return None
    return parts.path + (f"?{parts.query}" if parts.query else "")
