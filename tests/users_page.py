"""The Users page as tests read it: rows and cells as text, and what an action left in the database."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.activity import Activity
from core.mailing.outbox import Outbox
from models import Member
from tests.cast import Cast, Player
from tests.clients import Client

USERS = "/admin/users"
POSTS = ("disable", "enable", "restore", "resend", "withdraw", "link", "co-admin", "member", "remove")
ASKS = ("co-admin", "disable", "member", "remove", "withdraw")
ClientFor = Callable[[str], Client]


def act(player: Player, action: str) -> str:
    """The address of a row action."""
    return f"{USERS}/{player.member_id}/{action}"


def row_of(page: str, player: Player) -> str:
    """The row of a member in a page or fragment, as text."""
    found = re.search(rf'<tr [^>]*id="member-{player.member_id}".*?</tr>', page, re.S)
    assert found, f"{player.name} has no row"
    return found[0]


def cells(page: str, player: Player) -> list[str]:
    """What the cells of a row say."""
    return [
        " ".join(re.sub(r"<[^>]+>", " ", cell).split())
        for cell in re.findall(r"<td.*?</td>", row_of(page, player), re.S)
    ]


def member(session: Session, player: Player) -> Member:
    """The row as it is in the database now."""
    session.rollback()
    return session.get_one(Member, player.member_id, populate_existing=True)


def letters(session: Session) -> list[tuple[str, str]]:
    """Kind and recipient of all letters, the newest last."""
    session.rollback()
    return [(row.kind, row.recipient) for row in session.scalars(select(Outbox).order_by(Outbox.id))]


def actions(session: Session, cast: Cast) -> list[str]:
    """What the organization's activity says was done."""
    session.rollback()
    stream = Activity.stream == str(cast.organization_id)
    return list(session.scalars(select(Activity.action).where(stream).order_by(Activity.number)))


def base_url(client: Client) -> str:
    """The address that the portal believes it has."""
    return str(client.application.extensions["settings"].base_url)
