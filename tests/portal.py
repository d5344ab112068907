"""The database behind the application under test, seen and changed between requests, never during one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.activity import Activity
from core.db import db
from models import Account, Member, PermissionKey
from tests.cast import Player


class Portal:
    """Each look is a context and a transaction of its own, so that no request shares it."""

    def __init__(self, app: Flask) -> None:
        self.app = app

    @contextlib.contextmanager
    def session(self) -> Iterator[Session]:
        """Change something; it is committed at the end."""
        with self.app.app_context():
            yield db.session
            db.session.commit()

    def key(self, text: str) -> PermissionKey:
        """A key with its licenses, detached."""
        with self.session() as session:
            key = PermissionKey.known(session, text)
            session.expunge_all()
        return key

    def membership(self, player: Player) -> Member | None:
        """The live membership of an account, with its organization, detached."""
        with self.session() as session:
            member = session.get_one(Account, player.account_id).membership
            session.expunge_all()
        return member

    def recorded(self, action: str) -> int:
        """How many activity entries there are for an action."""
        with self.session() as session:
            return session.scalar(select(func.count()).select_from(Activity).where(Activity.action == action)) or 0
