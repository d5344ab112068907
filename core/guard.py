"""Who may come in: every view is private unless named here, and one guard asks for organization, role and state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Flask, abort, request
from flask_babel import gettext as _
from flask_login import current_user

from core.activity import Actor
from core.db import SAFE_METHODS, db
from core.errors import Missing, NotAllowed
from core.pages.words import listed
from core.people import actor, me
from models import ENABLED, License, Member, Organization

#: Views that answer without a sign-in. Everything else is private, whatever its author forgot.
OPEN_VIEWS = frozenset(
    {
        "static",
        "api.health",  # the rest of the license API asks for a credential of its own (`blueprints.api`)
        "api.ask_for_lease",
        "api.show_lease",
        "api.give_lease_back",
        "api.borrow_lease",
        "api.return_lease",
        "api.request_offline",
        "api.list_entitlements",
        "api.explain",
        "reference.show",
        "reference.openapi",
        "reference.problem",
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
        "oauth.device",
        "oauth.token",
        "oauth.metadata",
        "oauth.jwks",
    }
)


def init_app(app: Flask) -> None:
    """Close every view that is not named as open."""

    def must_be_signed_in() -> Any:
        # No view has this address: 404 for everybody tells nobody more.
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
    at_hand: Mapping[int, Member]  # who was loaded with him

    def member(self, member_id: int) -> Member:
        """The live member of this organization, 404 for every other id."""
        return self.at_hand.get(member_id) or self.organization.member(member_id)

    def license(self, license_id: int) -> License:
        """The license of this organization, 404 for every other id."""
        return self.organization.license(license_id)


def admin_desk(*member_ids: int) -> Desk:
    """The desk of the signed-in person in Admin Space; on an unsafe method his organization is locked first.

    Members whom the request is about are loaded with his own row, in the same statement.

    :raise Missing: without an organization.
    :raise NotAllowed: when the role or the state does not allow it, saying whom to ask.
    """
    desk = own_desk(*member_ids)
    if desk.me.state != ENABLED or not desk.me.may_administer:
        raise NotAllowed(ask_for(desk.organization))
    return desk


def administrator() -> int:
    """The organization of the signed-in administrator or co-administrator, for a page that only looks.

    His row was read with the session in this very request, so that a look that repeats itself costs nothing more.

    :raise Missing: without an organization.
    :raise NotAllowed: when the role or the state does not allow it, saying whom to ask.
    """
    person = me()
    if person.organization_id is None or person.state != ENABLED or not person.may_administer:
        return admin_desk().organization.id
    return person.organization_id


def own_desk(*member_ids: int) -> Desk:
    """The signed-in person's own organization and row, whatever the role; locked on an unsafe method.

    :raise Missing: without an organization.
    """
    organization_id, my_id = me().organization_id, me().member_id
    if organization_id is None or my_id is None:
        raise Missing(_("You do not belong to an organization."))
    is_changing = request.method not in SAFE_METHODS
    # Loaded under the lock: what the person's row said before it may have changed.
    found = Organization.at_work(db.session, organization_id, my_id, *member_ids, lock=is_changing)
    mine = Member.found(found.get(my_id))
    return Desk(mine.organization, mine, actor(), found)


def operator_only() -> Actor:
    """The signed-in operator; for everybody else the address does not exist."""
    if not me().is_operator:
        abort(404)
    return actor()


def ask_for(organization: Organization) -> str:
    """The sentence that says who can do it."""
    names = listed([leader.shown_name for leader in organization.leaders])
    return str(_("%(names)s can do this.", names=names))
