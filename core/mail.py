"""One function per letter: it puts a row into the outbox of the given row's session, so that change and letter are one.

What a letter says is in `core/mailing/letters/`; when it leaves, in `core/mailing/delivery.py`.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from flask import current_app
from flask_babel import get_locale
from flask_babel import gettext as _

from core import dates
from core.leases import AccessRequest
from core.mailing import outbox
from core.mailing.outbox import DROPPED, FAILED, KEPT, SENT, WAITING, Outbox
from core.pages.languages import LANGUAGES
from models import CO_ADMINISTRATOR, PENDING, Account, License, Member, Organization, PermissionKey, session_of

INVITATION, CONFIRMED, DECLINED = "invitation", "confirmed", "declined"
DISABLED, ENABLED, REMOVED, LEFT = "disabled", "enabled", "removed", "left"
CO_ADMIN, NO_LONGER_CO_ADMIN, TRANSFERRED = "co-admin", "no-longer-co-admin", "transferred"
KEY_REVOKED, KEY_REINSTATED, LICENSE_CHANGED = "key-revoked", "key-reinstated", "license-changed"
CONFIRM, ALREADY_REGISTERED = "confirm", "already-registered"
RESET, PASSWORD_CHANGED = "reset", "password-changed"
CHANGE_EMAIL, EMAIL_NOTICE = "change-email", "email-notice"
BLOCKED, UNBLOCKED, FAREWELL, TEST = "blocked", "unblocked", "farewell", "test"
ACCESS_ASKED, ACCESS_GRANTED, ACCESS_DECLINED = "access-asked", "access-granted", "access-declined"

NO_ANSWER = re.compile(r"no answer within (\S+) seconds")


# ── About members ────────────────────────────────────────────────────────────────────────────────────────────────────


def invitation(member: Member, now: datetime | None = None, *, to_stranger: bool = False) -> Outbox:
    """The link to confirm, to the invited address; one that still waits for the same member is superseded.

    A stranger has no account and was never written to, so neither is looked for.
    """
    session = session_of(member)
    invited = None if to_stranger else member.invited
    inviter = session.get(Member, member.invited_by) if member.invited_by else None
    language = locale_of(invited, inviter.account if inviter else None)
    session.flush()  # the row of the letter names the member by id
    return outbox.put(
        session, INVITATION, member.email, language, now or dates.now(), member_id=member.id,
        supersedes=not to_stranger,
    )  # fmt: skip


def confirmed(member: Member, now: datetime | None = None) -> Outbox | None:
    """To whom invited: the person takes part."""
    return _to_inviter(CONFIRMED, member, now)


def declined(member: Member, now: datetime | None = None) -> Outbox | None:
    """To whom invited: the person said no."""
    return _to_inviter(DECLINED, member, now)


def disabled(member: Member, now: datetime | None = None) -> Outbox:
    """To the member: participation is disabled."""
    return _to_member(DISABLED, member, now)


def enabled(member: Member, now: datetime | None = None) -> Outbox:
    """To the member: participation is enabled again."""
    return _to_member(ENABLED, member, now)


def removed(member: Member, now: datetime | None = None) -> Outbox:
    """To the member: participation has ended."""
    return _to_member(REMOVED, member, now)


def left(member: Member, now: datetime | None = None) -> Outbox | None:
    """To the administrator: a member left."""
    administrator = _organization(member).holder_of("administrator")
    return _to_member(LEFT, administrator, now, ids={"about": member.id}) if administrator else None


def co_admin(member: Member, former: Member | None = None, now: datetime | None = None) -> None:
    """To the new co-administrator, and to the one who was replaced."""
    _to_member(CO_ADMIN, member, now)
    if former is not None:
        _to_member(NO_LONGER_CO_ADMIN, former, now, ids={"successor": member.id})


def no_longer_co_admin(member: Member, now: datetime | None = None) -> Outbox:
    """To the member whose role was taken back."""
    return _to_member(NO_LONGER_CO_ADMIN, member, now)


def transferred(member: Member, former: Member | None, now: datetime | None = None) -> None:
    """To the new administrator, the former one, and the co-administrator."""
    informed = [member, former, _organization(member).holder_of(CO_ADMINISTRATOR)]
    ids = {"successor": member.id, **({"former": former.id} if former is not None else {})}
    for each in {each.id: each for each in informed if each is not None}.values():
        _to_member(TRANSFERRED, each, now, ids=ids)


# ── About requests for access ────────────────────────────────────────────────────────────────────────────────────────


def access_asked(request: AccessRequest, now: datetime | None = None) -> None:
    """To the administrator and the co-administrator: somebody asks for a permission."""
    session = session_of(request)
    for leader in session.get_one(Organization, request.organization_id).leaders:
        if leader.account_id != request.account_id:
            _to_member(ACCESS_ASKED, leader, now, ids={"request": request.id})


def access_answered(request: AccessRequest, now: datetime | None = None) -> Outbox:
    """To the person who asked: granted or declined."""
    kind = ACCESS_GRANTED if request.outcome == "granted" else ACCESS_DECLINED
    account = session_of(request).get_one(Account, request.account_id)
    return _to_account(kind, account, now, ids={"request": request.id})


# ── About keys and licenses ──────────────────────────────────────────────────────────────────────────────────────────


def key_revoked(key: PermissionKey, now: datetime | None = None) -> None:
    """To those whose licenses are withdrawn."""
    _to_owner(KEY_REVOKED, key, now)


def key_reinstated(key: PermissionKey, now: datetime | None = None) -> None:
    """To those whose licenses are good again."""
    _to_owner(KEY_REINSTATED, key, now)


def license_changed(license: License, now: datetime | None = None) -> None:
    """To those whose license got another end or number of seats."""
    _to_owner(LICENSE_CHANGED, license.key, now, {"license": license.id})


# ── About accounts ───────────────────────────────────────────────────────────────────────────────────────────────────


def confirm(account: Account, now: datetime | None = None) -> Outbox:
    """The link that confirms the address of a new account."""
    return _to_account(CONFIRM, _with_nonce(account), now, supersedes=True)


def already_registered(account: Account, now: datetime | None = None) -> Outbox:
    """To an address that somebody tried to register though it has an account."""
    return _to_account(ALREADY_REGISTERED, account, now, supersedes=True)


def reset(account: Account, now: datetime | None = None) -> Outbox:
    """The link that sets a new password."""
    return _to_account(RESET, _with_nonce(account), now, supersedes=True)


def password_changed(account: Account, now: datetime | None = None) -> Outbox:
    """That the password is another one now."""
    return _to_account(PASSWORD_CHANGED, account, now)


def change_email(account: Account, now: datetime | None = None) -> None:
    """The link to the wanted address, and a notice to the present one."""
    if not account.wanted_email:
        raise ValueError("the account wants no other address")
    _to_account(CHANGE_EMAIL, account, now, supersedes=True, recipient=account.wanted_email)
    _to_account(EMAIL_NOTICE, account, now, supersedes=True)


def blocked(account: Account, now: datetime | None = None) -> Outbox:
    """That nobody can sign in to the account."""
    return _to_account(BLOCKED, account, now)


def unblocked(account: Account, now: datetime | None = None) -> Outbox:
    """That signing in is possible again."""
    return _to_account(UNBLOCKED, account, now)


def farewell(account: Account, now: datetime | None = None) -> Outbox:
    """That the account is no more; to be put before it is emptied."""
    return _to_account(FAREWELL, account, now)


def probe(account: Account, now: datetime | None = None) -> Outbox:
    """A test, to an operator's own address."""
    return _to_account(TEST, account, now, supersedes=True)


# ── What became of them ──────────────────────────────────────────────────────────────────────────────────────────────


def state_of_invitation(row: Any) -> tuple[str, str]:
    """State and words of the invitation in a row of the list of users; nothing where there is none."""
    if row.letter_id is None:
        return "", ""
    state = outbox.state_of(row, outbox.is_sending(current_app.extensions["settings"]))
    return state, state_words(state, row.failed_reason, row.tries)


def state_words(state: str, reason: str | None, tries: int) -> str:
    """What an administrator reads beside the name."""
    # A letter that was refused for itself before can wait for the server now.
    is_away = not tries or outbox.names_the_server(reason)
    why = _("the mail server does not answer") if is_away else _plain(reason)
    if state == WAITING:
        return str(_("Not sent yet: %(why)s", why=why) if reason else _("Mail on its way"))
    return str(
        {
            SENT: _("Mail sent"),
            FAILED: _("Not sent: %(why)s", why=why),
            KEPT: _("Mail kept, not sent"),
            DROPPED: _("Mail not sent"),
        }[state]
    )


def _plain(reason: str | None) -> str:
    # What we said ourselves is said in the reader's language, what a server said stays its own.
    words = outbox.plain_words(reason)
    if no_answer := NO_ANSWER.fullmatch(words):
        return str(_("no answer within %(n)s seconds", n=no_answer[1]))
    return str(_("the letter could not be written")) if words == outbox.NOT_WRITTEN else words


def locale_of(*accounts: Account | None) -> str:
    """The language of a letter: that of the first account which has one, else of the page that it comes from."""
    chosen = (account.locale for account in accounts if account is not None)
    return next((each for each in chosen if each in LANGUAGES), str(get_locale() or LANGUAGES[0]))


# ── How ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _to_inviter(kind: str, member: Member, now: datetime | None) -> Outbox | None:
    session = session_of(member)
    inviter = session.get(Member, member.invited_by) if member.invited_by else None
    # Whoever invited may have left or lost the role since: then it is no news of his.
    if inviter is None or inviter.ended_at is not None or not inviter.may_administer:
        inviter = _organization(member).holder_of("administrator")
    return _to_member(kind, inviter, now, ids={"about": member.id}) if inviter is not None else None


def _to_member(kind: str, member: Member, now: datetime | None, *, ids: dict[str, int] | None = None) -> Outbox:
    language = locale_of(member.account if member.state != PENDING else None)
    at = now or dates.now()
    return outbox.put(session_of(member), kind, member.shown_email, language, at, member_id=member.id, ids=ids)


def _to_owner(kind: str, key: PermissionKey, now: datetime | None, more: dict[str, int] | None = None) -> None:
    for account in _owners(key):
        _to_account(kind, account, now, ids={"key": key.id, **(more or {})})


def _owners(key: PermissionKey) -> Iterable[Account]:
    session = session_of(key)
    if key.organization_id is not None:
        leaders = session.get_one(Organization, key.organization_id).leaders
        return [leader.account for leader in leaders if leader.account is not None]
    return [session.get_one(Account, key.account_id)] if key.account_id is not None else []


def _to_account(
    kind: str,
    account: Account,
    now: datetime | None,
    *,
    recipient: str = "",
    ids: dict[str, int] | None = None,
    supersedes: bool = False,
) -> Outbox:
    session_of(account).flush()
    return outbox.put(
        session_of(account), kind, recipient or account.email, locale_of(account), now or dates.now(),
        account_id=account.id, ids=ids, supersedes=supersedes,
    )  # fmt: skip


def _with_nonce(account: Account) -> Account:
    # CONFIRM, RESET and CHANGE_EMAIL links carry Account.nonce; one that no link has used yet stays good.
    account.nonce = account.nonce or secrets.token_urlsafe(16)
    return account


def _organization(member: Member) -> Organization:
    return session_of(member).get_one(Organization, member.organization_id)
