"""What an invitation's link opens: the question, an account to answer it with, and the answer by POST only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, abort, redirect, render_template, request, session
from flask_babel import gettext as _
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from blueprints import accounts as own_accounts
from core import accounts, addresses, invitation_links, limits, mail, passwords
from core.activity import Actor
from core.dates import now
from core.db import db
from core.errors import Gone, RuleBroken
from core.forms.account_forms import NEXT_EMAIL, led_to, shown, typed, usable
from core.invitation_links import Opened
from core.pages.answers import away
from core.pages.words import moment
from core.people import actor, me
from core.refusals import DEAD_LINK, WrongAccount
from models import ADMINISTRATOR, INVITATION_AGE, PENDING, Account, Member, Organization, invitation_expired

bp = Blueprint("invitations", __name__, url_prefix="/invitations")


# ── the question ─────────────────────────────────────────────────────────────────────────────────────────────────────


@bp.get("/<token>")
def show(token: str) -> Response:
    """Who invites whom to what, and the next step for whoever opened the link; nothing is consumed."""
    invitation = alive(token)
    if not current_user.is_authenticated:
        return sign_in_or_up(invitation)
    if not is_mine(invitation.member):
        return shown("invitations/other.html", **about(invitation))
    return shown("invitations/answer.html", **about(invitation, hindrance()))


def sign_in_or_up(invitation: Invitation, refused: RuleBroken | None = None) -> Response:
    """The form for an account, or the way to sign in for an address that has one."""
    account = Account.by_email(db.session, invitation.member.email)
    if account is None or not account.is_confirmed:
        return shown("invitations/sign_up.html", refused, **about(invitation))
    session[NEXT_EMAIL] = invitation.member.email
    back = accounts.sign_in_address(address(invitation.token))
    return shown("invitations/sign_in.html", refused, **about(invitation), sign_in=back)


def hindrance() -> str:
    """Why the signed-in person could not confirm now; the button stays, because it may change in another window."""
    try:
        db.session.get_one(Account, me().id).check_free_to_join()
    except RuleBroken as refused:
        return str(refused.message)
    return ""


def about(invitation: Invitation, warning: str = "") -> dict[str, Any]:
    """What every page of an invitation says of it."""
    member = invitation.member
    products = {each.product.name: each for each in member.organization.licenses if not each.is_over(now())}
    return {
        "token": invitation.token, "member": member, "is_mailed": invitation.is_mailed,
        "inviter": member.inviter or member.organization.holder_of(ADMINISTRATOR), "products": ", ".join(products),
        "until": moment(member.invited_at + INVITATION_AGE, member.organization.zone), "warning": warning,
    }  # fmt: skip


# ── an account to answer with ────────────────────────────────────────────────────────────────────────────────────────


@bp.post("/<token>/sign-up")
def sign_up(token: str) -> Response:
    """Make the account of the invited address, or take over one that was never confirmed."""
    invitation = alive(token)
    if current_user.is_authenticated:
        return led_to(address(token))
    name, email, password = typed("name"), invitation.member.email, typed("password")
    try:
        limits.count("register", request.remote_addr or "")
        usable(name, email, password)
        if not invitation.is_mailed:
            # A copied link proves no mailbox: a letter goes out that does, and letters to an address are counted.
            limits.count("letter", addresses.key(email))
    except RuleBroken as refused:
        # Counting ended the transaction: the invitation is read again, and may be dead by now.
        return sign_in_or_up(alive(token), refused)
    hashed = passwords.hashed(password)
    if invitation.is_mailed:
        return prove_and_sign_in(token, name, hashed)
    own_accounts.sign_up(name, email, hashed)
    return led_to("/register/sent", email)


def prove_and_sign_in(token: str, name: str, hashed: str, *, again: bool = True) -> Response:
    """The mailed link proves the mailbox: confirm the account by it, end what was there before, and sign in."""
    accounts.begin_writing()
    try:
        account = Account.sign_up(db.session, name, alive(token).member.email, hashed, now())
        if account is not None:
            account.take_over(name, hashed, Actor("person", account.id, request.remote_addr or ""), now())
            accounts.sign_in(account)
        db.session.commit()
    except IntegrityError:  # two at one time: the second one finds the account of the first
        if not again:
            raise
        return prove_and_sign_in(token, name, hashed, again=False)
    return led_to(address(token))


@bp.post("/<token>/switch")
def switch(token: str) -> Response:
    """Sign out, and come back to the link."""
    alive(token)
    accounts.sign_out()
    db.session.commit()
    return led_to(address(token))


# ── the answer ───────────────────────────────────────────────────────────────────────────────────────────────────────


@bp.post("/<token>/confirm")
def confirm(token: str) -> Response:
    """Take part; only the account whose confirmed address was invited can."""
    member = alive(token, to_change=True).member
    try:
        member.confirm(db.session.get_one(Account, me().id), actor(), now())
    except RuleBroken as refused:
        return still_open(token, refused)
    mail.confirmed(member, now())
    db.session.commit()
    said = _("You take part in %(organization)s now.", organization=member.organization.name)
    return away("/organization", said=said)


@bp.post("/<token>/decline")
def decline(token: str) -> Response:
    """Say no; the mailed link is enough for that, a copied one needs the owner of the address."""
    invitation = alive(token, to_change=True)
    member = invitation.member
    if not invitation.is_mailed and not is_mine(member):
        return still_open(token, WrongAccount())
    by = actor() if current_user.is_authenticated else Actor("person", None, request.remote_addr or "")
    member.decline(by, now())
    mail.declined(member, now())
    db.session.commit()
    return led_to("/invitations/declined")


@bp.get("/declined")
def declined() -> str:
    """That it was declined; the link is dead, so nobody is named."""
    return render_template("invitations/declined.html")


def is_mine(member: Member) -> bool:
    """Whether the invited address is that of the signed-in person."""
    return bool(current_user.is_authenticated) and addresses.key(me().email) == member.email_key


def still_open(token: str, refused: RuleBroken) -> Response:
    """A rule said no: its sentence on the page, and the invitation as good as before."""
    db.session.rollback()
    if isinstance(refused, Gone):
        raise refused
    invitation = alive(token)
    if not current_user.is_authenticated:
        return sign_in_or_up(invitation, refused)
    template = "invitations/other.html" if isinstance(refused, WrongAccount) else "invitations/answer.html"
    return shown(template, refused, **about(invitation))


# ── the link ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Invitation:
    """A link that opens something, and the pending member it is for."""

    token: str
    member: Member
    is_mailed: bool


def alive(token: str, *, to_change: bool = False) -> Invitation:
    """The invitation that the link opens, with its organization locked when something is to change.

    :raise Gone: for every link that opens nothing, whatever the reason; who is the member it made is led to his page.
    """
    opened = invitation_links.opened(token)
    member = _member(opened) if opened is not None else None
    # One that is gone cannot be locked; its links are dead like all dead links, which `_is_open` says.
    if member is not None and to_change and member.organization.deleted_at is None:
        Organization.locked(db.session, member.organization_id)
        db.session.refresh(member)
    if opened is None or member is None or not _is_open(opened, member):
        raise Gone(DEAD_LINK)
    return Invitation(token, member, opened.is_mailed)


def _member(opened: Opened) -> Member | None:
    query = select(Member).where(Member.id == opened.member_id).options(joinedload(Member.organization))
    return db.session.scalars(query.options(joinedload(Member.inviter))).one_or_none()


def _is_open(opened: Opened, member: Member) -> bool:
    if current_user.is_authenticated and member.account_id == me().id and member.ended_at is None:
        abort(redirect("/organization", 303))
    # The signature proved that the nonce is ours; comparing tells nobody one that he has not.
    is_whole = member.nonce == opened.nonce and member.organization.deleted_at is None
    return is_whole and member.state == PENDING and not invitation_expired(member, now())


def address(token: str) -> str:
    """The page of the link."""
    return f"/invitations/{token}"
