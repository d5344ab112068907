"""What the links in letters open: GET asks and names the address, POST acts; each link once."""

from __future__ import annotations

import hmac

from flask import Blueprint, Response, current_app, flash, request
from flask_babel import gettext as _
from flask_login import current_user
from sqlalchemy import select

from core import accounts, limits, mail, passwords, tokens
from core.activity import Actor
from core.dates import now
from core.db import db
from core.errors import RuleBroken
from core.forms.account_forms import dead, led_to, shown, typed, usable
from core.meta import Meta
from core.pages.languages import zone
from core.pages.words import moment
from core.tokens import Purpose
from models import Account

bp = Blueprint("account_links", __name__)


# ── confirm ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@bp.get("/confirm/<token>")
def confirm(token: str) -> Response:
    """Ask whether the address, the name and the time are right."""
    account = account_of(Purpose.CONFIRM, token)
    if account is None:
        return dead()
    created = moment(account.created_at, zone())
    return shown("accounts/confirm.html", account=account, token=token, created=created)


@bp.post("/confirm/<token>")
def confirm_submit(token: str) -> Response:
    """Confirm the address, and lead to sign-in."""
    account = account_of(Purpose.CONFIRM, token)
    if account is None:
        return dead()
    account.confirm(visitor(account), now())
    db.session.commit()
    flash(_("The address is confirmed. You can sign in now."))
    return led_to(accounts.SIGN_IN, account.email)


@bp.post("/confirm/<token>/not-me")
def not_me(token: str) -> Response:
    """Remove an account that the owner of the address did not ask for."""
    account = account_of(Purpose.CONFIRM, token)
    if account is None:
        return dead()
    account.disown()
    db.session.commit()
    flash(_("The account was removed. Nothing is kept of it."))
    return led_to(accounts.SIGN_IN)


# ── reset ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@bp.get("/reset/<token>")
def reset(token: str) -> Response:
    """The form for a new password."""
    account = account_of(Purpose.RESET, token)
    return shown("accounts/reset.html", account=account, token=token) if account else dead()


@bp.post("/reset/<token>")
def reset_submit(token: str) -> Response:
    """Set the new password; every session ends, and what a stranger may have begun dies."""
    account = account_of(Purpose.RESET, token)
    if account is None:
        return dead()
    try:
        passwords.check(typed("password"), about(account))
    except RuleBroken as refused:
        return shown("accounts/reset.html", refused, account=account, token=token)
    hashed = passwords.hashed(typed("password"))
    accounts.begin_writing()
    # Beginning to write let go of the account, and another request may have used the link while we hashed.
    if (account := account_of(Purpose.RESET, token)) is None:
        return dead()
    account.recover(hashed, visitor(account), now())
    # Who proved the mailbox is not made to wait for what others guessed.
    limits.forget("sign-in", account.email_key)
    mail.password_changed(account)
    db.session.commit()
    flash(_("The password is changed. Sign in with the new one."))
    return led_to(accounts.SIGN_IN, account.email)


# ── another address ──────────────────────────────────────────────────────────────────────────────────────────────────


@bp.get("/email/<token>")
def email(token: str) -> Response:
    """Ask whether the account is to have this address."""
    account = account_of(Purpose.CHANGE_EMAIL, token)
    return shown("accounts/email.html", account=account, token=token) if account else dead()


@bp.post("/email/<token>")
def email_submit(token: str) -> Response:
    """Take the new address."""
    account = account_of(Purpose.CHANGE_EMAIL, token)
    if account is None:
        return dead()
    account.change_email(account.wanted_email or "", visitor(account), now())
    db.session.commit()
    flash(_("The address of this account is %(email)s now.", email=account.email))
    return led_to("/profile" if current_user.is_authenticated else accounts.SIGN_IN, account.email)


# ── the first operator ───────────────────────────────────────────────────────────────────────────────────────────────


@bp.get("/setup/<token>")
def setup(token: str) -> Response:
    """The form for the first operator."""
    return shown("accounts/setup.html", token=token) if opens_setup(token) else dead()


@bp.post("/setup/<token>")
def setup_submit(token: str) -> Response:
    """Create the first operator, and sign in."""
    if not opens_setup(token):
        return dead()
    name, email, password = typed("name"), typed("email"), typed("password")
    try:
        usable(name, email, password)
        hashed = passwords.hashed(password)
        accounts.begin_writing()
        if not opens_setup(token):
            return dead()
        account = Account.first_operator(db.session, name, email, hashed, now())
    except RuleBroken as refused:
        db.session.rollback()
        return shown("accounts/setup.html", refused, token=token)
    accounts.sign_in(account)
    db.session.commit()
    return led_to("/")


def opens_setup(token: str) -> bool:
    """Whether the link is this portal's and there is no operator yet; two that send the form come one by one."""
    locking = select(Meta).with_for_update() if request.method == "POST" else select(Meta)
    meta = db.session.scalars(locking).one_or_none()
    try:
        ident, nonce = tokens.read(current_app.config["SECRET_KEY"], Purpose.SETUP, token)
    except tokens.TokenInvalid:
        return False
    # Bound to the one row of `meta`, with its instance in place of a nonce: it opens no other portal.
    is_ours = meta is not None and ident == 1 and hmac.compare_digest(nonce, meta.instance)
    return is_ours and not db.session.scalar(select(Account.id).where(Account.is_operator).limit(1))


# ── links ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def account_of(purpose: Purpose, token: str) -> Account | None:
    """The account that a link is for, locked on a POST; None for a link that opens nothing."""
    try:
        ident, nonce = tokens.read(current_app.config["SECRET_KEY"], purpose, token)
    except tokens.TokenInvalid:
        return None
    account = accounts.locked(ident) if request.method == "POST" else db.session.get(Account, ident)
    if account is None or account.nonce is None or not hmac.compare_digest(account.nonce, nonce):
        return None
    return account if fits(purpose, account) else None


def fits(purpose: Purpose, account: Account) -> bool:
    """Whether there is still something that the link is for."""
    if purpose is Purpose.CONFIRM:
        return not account.is_confirmed
    return account.active and (purpose is Purpose.RESET or account.wanted_email is not None)


def visitor(account: Account) -> Actor:
    """Who reads the account's mail, as the one who acts."""
    return Actor("person", account.id, request.remote_addr or "")


def about(account: Account) -> tuple[str, ...]:
    """What everybody knows of the account."""
    return account.name, account.email, current_app.extensions["settings"].portal_name
