"""What letters are made of: their content, names that link nowhere, and links made at the moment of writing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from sqlalchemy.orm import Session

from core import dates, tokens
from core.mailing.outbox import Outbox
from core.pages.words import listed
from core.settings import Settings
from core.tokens import Purpose
from models import Account, Member, Organization, PermissionKey

T = TypeVar("T")

MASKED = "(link)"

# What makes mail programs turn text into a link: a dot or @ within a word, a scheme.
_LINKING = re.compile(r"(?<=\S)[.。．｡](?=\w{2})|(?<=\S)[@＠](?=\S)|[:：](?=//)")
_BREAK = "\u200b"  # of no width; a program that looks for links stops here


class NotNeeded(Exception):
    """What the letter is about is over: it is not sent."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a letter says, once for its text and its HTML; `url` is the link to act on."""

    heading: str
    text: Sequence[str]
    facts: Sequence[tuple[str, str]] = ()
    button: str = ""
    url: str = ""
    after: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Writing:
    """One letter being written, with what its row names; masked, it has no secret and may be about what is over."""

    session: Session
    row: Outbox
    settings: Settings
    masked: bool
    now: datetime = field(default_factory=dates.now)

    def must(self, is_needed: bool) -> None:
        """Go on only while the letter is needed.

        :raise NotNeeded: otherwise, unless the letter is masked.
        """
        if not is_needed and not self.masked:
            raise NotNeeded

    def link(self, path: str, purpose: Purpose, nonce: str | None, ident: int) -> str:
        """A link with a token of the row's present nonce; without one there is nothing to open."""
        if self.masked:
            return MASKED
        if not nonce:
            raise NotNeeded
        token = tokens.make(self.settings.secret_key or "", purpose, nonce, ident)
        return self.page(f"/{path}/{token}")

    def page(self, path: str) -> str:
        """The address of a page."""
        return f"{self.settings.base_url}{path}"

    def member(self, name: str = "") -> Member:
        """The member of the row, or of one of its arguments."""
        return self.found(Member, self.row.args.get(name) if name else self.row.member_id)

    def account(self) -> Account:
        """The account of the row."""
        return self.found(Account, self.row.account_id)

    def key(self) -> PermissionKey:
        """The permission key that the row names."""
        return self.found(PermissionKey, self.row.args.get("key"))

    def organization(self, member: Member) -> Organization:
        """The member's organization."""
        return self.found(Organization, member.organization_id)

    def found(self, kind: type[T], ident: int | None) -> T:
        """The row of a kind.

        :raise NotNeeded: when it is gone, even for a masked letter: nothing is left to write.
        """
        row = self.session.get(kind, ident) if ident is not None else None
        if row is None:
            raise NotNeeded
        return row


def plain(text: str) -> str:
    """A name as it may stand in a letter: on one line, and nothing that a mail program makes a link of."""
    return _LINKING.sub(lambda found: found[0] + _BREAK, " ".join(text.split()))


def name_of(member: Member) -> str:
    """Who it is: the name, or the address of somebody who has not confirmed."""
    known = member.account if member.confirmed_at is not None else None
    return plain(known.name) if known is not None else member.email


def names_of(members: Sequence[Member]) -> str:
    """“Anna Brenner or Tom Achterberg”."""
    return listed([name_of(each) for each in members])
