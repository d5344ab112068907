"""Signing in and out, creating an account, and asking for the letters that confirm it or reset its password."""

from __future__ import annotations

from flask import Blueprint, Response, request
from flask_login import current_user
from sqlalchemy.exc import IntegrityError

from core import accounts, addresses, limits, mail, passwords
from core.dates import now
from core.db import db
from core.errors import RuleBroken
from core.forms.account_forms import led_to, next_email, paced, shown, typed, usable
from models import Account, checked_email

bp = Blueprint("accounts", __name__)


# ── in and out ───────────────────────────────────────────────────────────────────────────────────────────────────────


@bp.get("/login")
def sign_in() -> Response:
    """The sign-in page; whoever is signed in goes on."""
    back = accounts.local(request.args.get("next"))
    if current_user.is_authenticated:
        return led_to(back or "/")
    return shown("accounts/sign_in.html", email=next_email(), back=back)


@bp.post("/login")
def sign_in_submit() -> Response:
    """Begin a session, and go where the visitor wanted to."""
    back = accounts.local(typed("next"))
    try:
        account = accounts.authenticated(typed("email"), typed("password"))
    except RuleBroken as refused:
        return shown("accounts/sign_in.html", refused, email=typed("email"), back=back)
    accounts.sign_in(account)
    db.session.commit()
    return led_to(back or "/")


@bp.post("/logout")
def sign_out() -> Response:
    """End the session."""
    accounts.sign_out()
    db.session.commit()
    return led_to(accounts.SIGN_IN)


# ── an account of one's own ──────────────────────────────────────────────────────────────────────────────────────────


@bp.get("/register")
def register() -> Response:
    """The form for a new account."""
    return led_to("/") if current_user.is_authenticated else shown("accounts/register.html")


@bp.post("/register")
def register_submit() -> Response:
    """One answer for every address; the letter says whether it is to be confirmed or has an account."""
    name, email, password = typed("name"), typed("email"), typed("password")
    try:
        limits.count("register", request.remote_addr or "")
        email = usable(name, email, password)
        limits.count("letter", addresses.key(email))
    except RuleBroken as refused:
        return shown("accounts/register.html", refused)
    sign_up(name, email, passwords.hashed(password))
    return led_to("/register/sent", email)


def sign_up(name: str, email: str, hashed: str, *, again: bool = True) -> None:
    """Make the account and its letter; two at one time for one address come one after the other."""
    accounts.begin_writing()
    try:
        account = Account.sign_up(db.session, name, email, hashed, now())
        if account is not None:
            mail.confirm(account)
        elif (owner := Account.by_email(db.session, email)) is not None:
            mail.already_registered(owner)
        db.session.commit()
    # Two at one time on PostgreSQL: the second one, begun anew, finds the account of the first.
    except IntegrityError:
        if not again:
            raise
        sign_up(name, email, hashed, again=False)


@bp.get("/register/sent")
def register_sent() -> Response:
    """That a letter is on its way."""
    return shown("accounts/sent.html", email=next_email(), of="confirm")


# ── letters ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@bp.get("/confirm")
def resend() -> Response:
    """The form that asks for the confirmation letter again."""
    return shown("accounts/resend.html")


@bp.post("/confirm")
@paced
def resend_submit() -> Response:
    """Send the confirmation again to whom it helps, and say the same to everybody."""
    try:
        email, account = asked_for()
    except RuleBroken as refused:
        return shown("accounts/resend.html", refused)
    if account is not None and not account.is_confirmed:
        mail.confirm(account)
    db.session.commit()
    return led_to("/confirm/sent", email)


@bp.get("/confirm/sent")
def resend_sent() -> Response:
    """That a letter is on its way, if there is something to confirm."""
    return shown("accounts/sent.html", email=next_email(), of="resend")


@bp.get("/reset")
def forgot() -> Response:
    """The form that asks for a link to set a new password."""
    return shown("accounts/forgot.html", email=next_email())


@bp.post("/reset")
@paced
def forgot_submit() -> Response:
    """Send the link to an account's own address, and say the same to everybody."""
    try:
        email, account = asked_for()
    except RuleBroken as refused:
        return shown("accounts/forgot.html", refused, email=typed("email"))
    if account is not None:
        mail.reset(account)
    db.session.commit()
    return led_to("/reset/sent", email)


@bp.get("/reset/sent")
def forgot_sent() -> Response:
    """That a letter is on its way, if there is an account."""
    return shown("accounts/sent.html", email=next_email(), of="reset")


def asked_for() -> tuple[str, Account | None]:
    """The address that a letter is asked for, and its account, locked; None when there is none to be used.

    :raise RuleBroken: for no address, and after too many letters.
    """
    limits.count("reset-address", request.remote_addr or "")
    email = checked_email(typed("email"))
    # By address, known or not, so that the limit tells nobody who has an account; each kind of letter by itself.
    limits.count("reset", f"{request.endpoint} {addresses.key(email)}")
    found = Account.by_email(db.session, email)
    account = accounts.locked(found.id) if found is not None else None
    return email, account if account is not None and account.active else None
