"""Invitations as tests handle them: links of either purpose, and the rows and accounts that they lead to."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import tokens
from core.tokens import Purpose
from models import Account, Member
from tests.cast import SECRET_KEY, Cast
from tests.users_page import ClientFor, member

NEW = "new@firm.example"
PASSWORD = "a quite different passphrase"


def link_of(row: Member, purpose: Purpose = Purpose.INVITATION) -> str:
    """The link that leads to the page of a pending member."""
    return f"/invitations/{tokens.make(SECRET_KEY, purpose, row.nonce or '', row.id)}"


@pytest.fixture
def mailed(cast: Cast, on_app: Session) -> str:
    """The link in the letter to dave."""
    return link_of(member(on_app, cast.dave))


@pytest.fixture
def copied(cast: Cast, on_app: Session) -> str:
    """The link that alice copied for dave."""
    return link_of(member(on_app, cast.dave), Purpose.INVITATION_COPY)


@pytest.fixture
def to_new(client_for: ClientFor, on_app: Session) -> Callable[..., str]:
    """Invites an address that nobody has an account for; the link of the purpose that is asked for."""
    client_for("alice").send("/admin/users", emails=NEW)

    def link(purpose: Purpose = Purpose.INVITATION) -> str:
        return link_of(new_row(on_app), purpose)

    return link


def new_row(session: Session) -> Member:
    """The newest row of the new address."""
    session.rollback()
    query = select(Member).where(Member.email == NEW).order_by(Member.id.desc()).limit(1)
    return session.scalars(query, execution_options={"populate_existing": True}).one()


def account_of(session: Session, email: str = NEW) -> Account | None:
    """The account of an address, as it is now."""
    session.rollback()
    query = select(Account).where(Account.email_key == email)
    return session.scalars(query, execution_options={"populate_existing": True}).one_or_none()
