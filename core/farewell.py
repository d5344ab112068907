"""A person's account ends at his own wish: what he had is free for others, and what was known of him is forgotten."""

from __future__ import annotations

from datetime import datetime

from flask_babel import lazy_gettext as _l
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core import grants
from core.activity import Actor
from core.errors import RuleBroken
from core.grants import TokenFamily
from core.leases import LEFT, Device, Lease
from core.seats import ending
from models import Account, Member, PermissionKey


def end(session: Session, account: Account, member: Member | None, by: Actor, now: datetime) -> None:
    """Delete an account: he leaves, everything that he runs ends at once, his own keys can be redeemed again.

    The caller has locked his organization, if he is in one, and then the account.

    :raise RuleBroken: for an operator or an administrator, and when he joined or left meanwhile.
    """
    account.check_may_delete()
    if account.membership is not member:
        raise RuleBroken(_l("Your membership has changed meanwhile. Look again."))
    if member is not None:
        member.leave(by, now)
    _end_programs(session, account.id, now)
    for key in session.scalars(select(PermissionKey).where(PermissionKey.account_id == account.id)).all():
        key.release(by, now)
    # The links die: whoever wants him asks again, whoever he is then.
    invited = (Member.email_key == account.email_key, Member.confirmed_at.is_(None), *Member.LIVE)
    session.execute(update(Member).where(*invited).values(nonce=None))
    account.empty(by, now)


def _end_programs(session: Session, account_id: int, now: datetime) -> None:
    # Whoever leaves has left every queue, too; a person's own licenses have none.
    grants.revoke(session, TokenFamily.account_id == account_id, now)
    ending.end_all(session, Lease.account_id == account_id, LEFT, now)
    forgetting = update(Device).where(Device.account_id == account_id, Device.removed_at.is_(None))
    session.execute(forgetting.values(removed_at=now, public_key=None))
