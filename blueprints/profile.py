"""Profile: a person's own contact information, address, password and sessions."""

from __future__ import annotations

from flask import Blueprint, Response, abort, current_app, flash, make_response, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import refresh
from sqlalchemy import func, select

from core import accounts, addresses, farewell, limits, mail, passwords
from core.dates import now, zones
from core.db import db
from core.errors import BadInput, RuleBroken
from core.forms.account_forms import led_to, shown, typed
from core.guard import own_desk
from core.pages.answers import away
from core.pages.htmx import ask_again, htmx, vary
from core.pages.languages import LANGUAGES, name
from core.pages.words import ngettext
from core.people import IDLE_AGE, LONGEST_AGE, actor, me
from models import Account, Member, SignIn, checked_email

bp = Blueprint("profile", __name__, url_prefix="/profile")

CONTACT = ("title", "name", "company", "address", "phone", "locale", "zone")


@bp.get("")
def page() -> Response:
    """Everything about oneself, each part with its own form."""
    return profile()


@bp.post("")
def contact_submit() -> Response:
    """Change the contact information."""
    try:
        if typed("locale") not in {"", *LANGUAGES}:
            raise BadInput(_("There is no such language."), field="locale")
        own_account().edit({each: typed(each) for each in CONTACT}, actor(), now())
    except RuleBroken as refused:
        return profile(refused, "contact")
    db.session.commit()
    me().locale = typed("locale")
    refresh()  # what is said about it is said in the new language
    flash(_("Contact information saved."))
    return led_to("/profile")


@bp.post("/email")
def email_submit() -> Response:
    """Send a link to the new address and a notice to the present one; the link changes it."""
    try:
        recipient = addresses.key(checked_email(typed("new_email"), field="new_email"))
        account = proved(typed("password"), "password", recipient)
        email = account.want_email(typed("new_email"), field="new_email")
    except RuleBroken as refused:
        return profile(refused, "email")
    mail.change_email(account)
    db.session.commit()
    flash(_("A letter with a link is on its way to %(email)s. Nothing changes until it is opened.", email=email))
    return led_to("/profile")


@bp.post("/password")
def password_submit() -> Response:
    """Take a new password and end every other session."""
    try:
        passwords.check(typed("new_password"), (me().name, me().email, portal_name()), field="new_password")
        # Before the account is locked, so that nobody waits for argon2.
        hashed = passwords.hashed(typed("new_password"))
        account = proved(typed("current_password"), "current_password")
    except RuleBroken as refused:
        return profile(refused, "password")
    account.set_password(hashed, actor(), now())
    mail.password_changed(account)
    ended = others()
    accounts.begin_anew(account)
    db.session.commit()
    flash(_("Password changed.") + " " + sessions_ended(ended))
    return led_to("/profile")


@bp.post("/sign-out-others")
def sign_out_others() -> Response:
    """End every session but this one."""
    account, ended = own_account(), others()
    accounts.begin_anew(account)
    db.session.commit()
    flash(sessions_ended(ended))
    return led_to("/profile")


@bp.get("/delete")
def delete() -> str:
    """Ask before the own account is deleted."""
    db.session.get_one(Account, me().id).check_may_delete()
    return render_template("profile/delete.html", member=own_desk().me if me().member_id else None, error={})


@bp.post("/delete")
def delete_submit() -> Response:
    """Delete the own account, once its password was given."""
    try:
        kept = right_password(typed("password"), "password")
        accounts.begin_writing()
        member = own_desk().me if me().member_id else None  # locks the organization, which comes before the account
        account = still(kept, "password")
    except BadInput as refused:
        return delete_again(refused)
    account.check_may_delete()
    farewell_letters(account, member)
    farewell.end(db.session, account, member, actor(), now())
    accounts.sign_out()
    db.session.commit()
    return away(url_for("accounts.sign_in"), said=_("Your account is deleted."))


def delete_again(refused: BadInput) -> Response:
    """The question with what is wrong with the answer."""
    db.session.rollback()
    member = own_desk().me if me().member_id else None
    error = {str(refused.field): str(refused.message)}
    page = render_template("profile/_delete.html" if htmx else "profile/delete.html", member=member, error=error)
    return ask_again(vary(make_response(page, refused.status)))


def farewell_letters(account: Account, member: Member | None) -> None:
    """To the person while his address is known, and to the administrator whom he leaves."""
    mail.farewell(account)
    if member is not None:
        mail.left(member)


def profile(refused: RuleBroken | None = None, form: str = "") -> Response:
    """The page; after a refusal with what was typed into the form that was sent."""
    if refused is not None:
        db.session.rollback()
    account = db.session.get_one(Account, me().id)
    kept = {each: getattr(account, each) or "" for each in CONTACT}
    return shown(
        "profile/page.html",
        refused,
        account=account,
        contact=request.form if form == "contact" else kept,
        sent=form,
        zones=zones(),
        languages=[("", _("As the browser asks")), *((key, name(key)) for key in LANGUAGES)],
        others=others(),
    )


def others() -> int:
    """How many other browsers are signed in."""
    mine = (SignIn.account_id == me().id) & SignIn.ended_at.is_(None) & (SignIn.id != me().sign_in_id)
    lately = (SignIn.used_at > now() - IDLE_AGE) & (SignIn.created_at > now() - LONGEST_AGE)
    return db.session.scalar(select(func.count()).select_from(SignIn).where(mine, lately)) or 0


def own_account() -> Account:
    """The signed-in person's account, locked."""
    account = accounts.locked(me().id)
    if account is None:
        abort(404)
    return account


def proved(password: str, field: str, recipient: str = "") -> Account:
    """The own account, locked, once its password was given; a letter to `recipient` is counted then, not before.

    :raise RuleBroken: for another password, after too many of them, and for too many letters.
    """
    kept = right_password(password, field)
    if recipient:
        limits.count("letter", recipient)
    accounts.begin_writing()
    return still(kept, field)


def right_password(password: str, field: str) -> str:
    """What is kept of the own password, which was given.

    :raise RuleBroken: for another password, and after too many of them.
    """
    limits.count("password", f"account {me().id}")
    kept = db.session.scalar(select(Account.password).where(Account.id == me().id))
    if not passwords.is_right(password, kept):
        raise BadInput(_("This is not the password of this account."), field=field)
    return kept or ""


def still(kept: str, field: str) -> Account:
    """The own account, locked, if its password is what it was.

    :raise BadInput: when it is another one.
    """
    account = own_account()
    # Changed while it was hashed, as by a reset: what was proved is no proof any more.
    if account.password != kept:
        raise BadInput(_("This is not the password of this account."), field=field)
    limits.give_back("password", f"account {me().id}")
    return account


def sessions_ended(count: int) -> str:
    """What became of the other sessions."""
    if not count:
        return str(_("No other browser was signed in."))
    return str(ngettext("%(num)s other browser was signed out.", "%(num)s other browsers were signed out.", count))


def portal_name() -> str:
    """The name of the portal, which is no password."""
    return str(current_app.extensions["settings"].portal_name)
