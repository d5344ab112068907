"""Who may come in: every view is private unless named here, and one guard asks for organization, role and state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Flask, abort, request
from flask_babel import gettext as _
from flask_login import current_user

from core.activity import Actor
from core.db import SAFE_METHODS, db
from core.errors import Missing, NotAllowed
from core.people import actor, me
from models import ENABLED, License, Member, Organization

#: Views that answer without a sign-in. Everything else is private, whatever its author forgot.
OPEN_VIEWS = frozenset(
    {
        "static",
        "health.healthz",
        "health.readyz",
        "home.index",
        "invitations.show",
        "invitations.sign_up",
        "invitations.decline",
        "invitations.declined",
        "accounts.sign_in",
        "accounts.sign_in_submit",
        "accounts.register",
        "accounts.register_submit",
        "accounts.register_sent",
        "accounts.resend",
        "accounts.resend_submit",
        "accounts.resend_sent",
        "accounts.forgot",
        "accounts.forgot_submit",
        "accounts.forgot_sent",
        "account_links.confirm",
        "account_links.confirm_submit",
        "account_links.not_me",
        "account_links.reset",
        "account_links.reset_submit",
        "account_links.email",
        "account_links.email_submit",
        "account_links.setup",
        "account_links.setup_submit",
    }
)


def init_app(app: Flask) -> None:
    """Close every view that is not named as open."""

    def must_be_signed_in() -> Any:
        if request.endpoint is None or request.endpoint in OPEN_VIEWS or current_user.is_authenticated:
            return None
        return app.login_manager.unauthorized()  # type: ignore[attr-defined]

    # Before the token check: who lost the session is led to sign-in, not told that the form is out of date.
    app.before_request_funcs.setdefault(None, []).insert(0, must_be_signed_in)


@dataclass(frozen=True, slots=True)
class Desk:
    """An administrator or co-administrator at work: his organization, his own row, and he as the one who acts."""

    organization: Organization
    me: Member
    actor: Actor

    def member(self, member_id: int) -> Member:
        """The live member of this organization, 404 for every other id."""
        return self.organization.member(member_id)

    def license(self, license_id: int) -> License:
        """The license of this organization, 404 for every other id."""
        return self.organization.license(license_id)


def admin_desk() -> Desk:
    """The desk of the signed-in person in Admin Space; on an unsafe method his organization is locked first.

    :raise Missing: without an organization.
    :raise NotAllowed: when the role or the state does not allow it, saying whom to ask.
    """
    desk = own_desk()
    if desk.me.state != ENABLED or not desk.me.may_administer:
        raise NotAllowed(ask_for(desk.organization))
    return desk


def own_desk() -> Desk:
    """The signed-in person's own organization and row, whatever the role; locked on an unsafe method.

    :raise Missing: without an organization.
    """
    organization_id, member_id = me().organization_id, me().member_id
    if organization_id is None or member_id is None:
        raise Missing(_("You do not belong to an organization."))
    if request.method in SAFE_METHODS:
        organization = db.session.get_one(Organization, organization_id)
    else:
        organization = Organization.locked(db.session, organization_id)
    # Loaded after the lock: what the person's row said before it may have changed.
    return Desk(organization, organization.member(member_id), actor())


def operator_only() -> Actor:
    """The signed-in operator; for everybody else the address does not exist."""
    if not me().is_operator:
        abort(404)
    return actor()


def ask_for(organization: Organization) -> str:
    """The sentence that says who can do it."""
    names = _(" or ").join(leader.shown_name for leader in organization.leaders)
    return str(_("%(names)s can do this.", names=names))
