"""Two organizations and everybody around them before the whole application: who acts, and what each deed left."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from core.activity import COMMAND, Actor
from core.dates import LicenseType, now
from core.db import db
from core.denials import Denied
from core.grants import TokenFamily
from core.sealing import Sealer
from core.seats import giving, taking
from core.seats.asking import Asking, Caller
from core.tokens import Purpose, make
from models import Account, Item, PermissionKey, Product
from tests.cast import PASSWORD, SEAL_KEY, SECRET_KEY, Cast, Player
from tests.clients import Client, said, sign_in
from tests.drills.books import Chains, broken, oversold

#: All that deeds may change; how far an address is from being changed is no deed yet.
STATE = (
    "SELECT id, account_id, email_key, role, nonce, confirmed_at, disabled_at, ended_at FROM member",
    "SELECT license_id, member_id, suspended_at FROM permission",
    "SELECT id, seats, end_on, reserved FROM license",
    "SELECT id, organization_id, account_id, revoked_at FROM permission_key",
    "SELECT id, email, blocked_at FROM account",
)
HEADS = ("administrator", "co-administrator")
SENTENCE = re.compile(r"\w\S* \S+.*\.", re.S)


@dataclass(frozen=True)
class Row:
    """A participation as plain SQL reads it."""

    id: int
    organization_id: int
    account_id: int | None
    email_key: str
    role: str
    nonce: str | None
    ended: bool


@dataclass
class Scene:
    """The application, its database, and a browser for each of the cast."""

    app: Flask
    cast: Cast
    session: Session
    chains: Chains = field(default_factory=Chains)
    texts: list[str] = field(default_factory=list)
    refused: int = 0
    changed: int = 0
    _clients: dict[str, Client] = field(default_factory=dict)
    _over: dict[int, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.texts += self.cast.unused.values()

    # ── who and what there is ──

    def ask(self, query: str, **values: Any) -> list[Any]:
        """The rows of a query, as they are now."""
        self.session.rollback()
        rows = list(self.session.execute(text(query), values))
        self.session.rollback()
        return rows

    def row(self, number: int) -> Row:
        """One of all who take part or are invited, or of those whose row ended last."""
        columns = "id, organization_id, account_id, email_key, role, nonce, ended_at IS NOT NULL"
        live = self.ask(f"SELECT {columns} FROM member WHERE ended_at IS NULL ORDER BY id")
        ended = self.ask(f"SELECT {columns} FROM member WHERE ended_at IS NOT NULL ORDER BY ended_at DESC LIMIT 1")
        rows = [Row(*each) for each in (*live, *ended)]
        return rows[number % len(rows)]

    def license(self, organization_id: int, number: int) -> int:
        """A license of an organization; once in a while somebody else's."""
        query = """SELECT l.id FROM license l JOIN permission_key k ON k.id = l.key_id
            ORDER BY CASE WHEN k.organization_id = :id THEN 0 ELSE 1 END, l.id"""
        mine = "SELECT l.id FROM license l JOIN permission_key k ON k.id = l.key_id WHERE k.organization_id = :id"
        ids = [each.id for each in self.ask(query, id=organization_id)]
        return int(ids[number % (len(self.ask(mine, id=organization_id)) + 1)])

    def key(self, number: int) -> tuple[int, int]:
        """A key and the position of one of its items."""
        rows = self.ask("SELECT key_id, position FROM license ORDER BY id")
        return rows[number % len(rows)][0], rows[number % len(rows)][1]

    def who(self, role: str, organization_id: int) -> str:
        """The one of the cast who is meant: by his name, or by what he is in an organization."""
        if role not in HEADS:
            return role
        holder = self.ask(
            "SELECT account_id FROM member WHERE organization_id = :id AND role = :role AND ended_at IS NULL",
            id=organization_id, role=role,
        )  # fmt: skip
        return self.name(holder[0].account_id) if holder else "bob"

    def name(self, account_id: int | None) -> str:
        """Whose account it is."""
        return next((each for each in self.cast.names if self.cast.player(each).account_id == account_id), "erin")

    def owner(self, email_key: str) -> str:
        """Who has this address now; erin when nobody has."""
        found = self.ask("SELECT id FROM account WHERE email_key = :email", email=email_key)
        return self.name(found[0].id if found else None)

    def email(self, name: str) -> str:
        """The address of one of the cast now."""
        return str(self.ask("SELECT email FROM account WHERE id = :id", id=self.player(name).account_id)[0].email)

    def player(self, name: str) -> Player:
        """One of the cast."""
        return self.cast.player(name)

    def heads(self, name: str, organization_id: int | None = None) -> bool:
        """Whether somebody may administer an organization, or any."""
        query = """SELECT m.organization_id FROM member m JOIN account a ON a.id = m.account_id WHERE a.id = :id AND
            m.ended_at IS NULL AND m.role <> 'member' AND a.blocked_at IS NULL"""
        found = [each.organization_id for each in self.ask(query, id=self.player(name).account_id)]
        return bool(found) if organization_id is None else organization_id in found

    # ── a deed ──

    def do(self, name: str, path: str, htmx: bool, allowed: bool = True, /, **fields: Any) -> TestResponse:
        """Send a form as somebody, and hold what it left against what it answered."""
        client = self._client(name)
        answers: list[TestResponse] = []
        self._watched(lambda: answers.append((client.swap if htmx else client.send)(path, **fields)), answers, allowed)
        return answers[0]

    def command(self, change: Callable[[Session], object]) -> None:
        """Do what only a command does."""

        def run() -> None:
            with self.app.app_context():
                change(db.session)
                db.session.commit()

        self._watched(run, [], True)

    def _watched(self, act: Callable[[], None], answers: list[TestResponse], allowed: bool) -> None:
        before, entries = self._state(), self._entries()
        act()
        changed, recorded = self._state() != before, self._entries() - entries
        if any(each.status_code >= 400 for each in answers):
            why(answers[0])
            self.refused += 1
            assert not changed, f"refused with {answers[0].status_code}, and yet something changed"
            assert not recorded, f"refused with {answers[0].status_code}, and yet recorded"
        assert allowed or not changed, "somebody did what only others may"
        assert recorded or not changed, "something changed that nobody can read in Activity"
        self.changed += changed

    def _client(self, name: str) -> Client:
        if name not in self._clients:
            self._clients[name] = sign_in(Client(self.app), self.player(name))
        return self._clients[name]

    def _state(self) -> list[frozenset[Any]]:
        return [frozenset(map(tuple, self.ask(query))) for query in STATE]

    def _entries(self) -> int:
        return int(self.ask("SELECT count(*) AS n FROM activity")[0].n)

    # ── between deeds ──

    def check(self, vendor_reduced: bool) -> None:
        """Every rule holds, and nobody got a seat that there is not."""
        self.session.rollback()
        self.session.execute(text("DELETE FROM limit_window"))
        self.session.commit()
        assert broken(self.session) == []
        assert self.chains.broken(self.session) == []
        over = oversold(self.session)
        self.session.rollback()
        if not vendor_reduced:
            more = [id for id, (given, _seats) in over.items() if given > self._over.get(id, (0, 0))[0]]
            assert not more, "a seat was given that there is not"
        self._over = over

    def issue(self, product: str, kind: str, seats: int) -> None:
        """One more key of the vendor's."""

        def add(session: Session) -> None:
            item = Item(session.get_one(Product, self.cast.product[product]), LicenseType(kind), seats)
            self.texts.append(PermissionKey.issue(session, [item], Sealer(SEAL_KEY), COMMAND, now())[1])

        self.command(add)

    def block(self, name: str, is_blocked: bool) -> None:
        """Stop or allow somebody's signing in; whoever was stopped signs in anew."""
        by, account_id = Actor("command", None), self.player(name).account_id

        def change(session: Session) -> None:
            account = session.get_one(Account, account_id)
            (account.block if is_blocked else account.unblock)(by, now())

        self.command(change)
        self._clients.pop(name, None)

    def program(self, name: str, product: str, number: int, *, goes: bool, waits: bool) -> None:
        """Somebody's program asks for a seat, renews it, waits, or gives it back; that is nobody's deed."""
        account_id, launch = self.player(name).account_id, f"{name} {product} {number}"
        with self.app.app_context():
            caller = signed_in(db.session, account_id)
            with contextlib.suppress(Denied):
                if goes:
                    giving.give_back(db.session, caller, launch, now())
                else:
                    taking.ask(db.session, caller, Asking(launch, product, f"{name} {number % 2}", queue=waits), now())

    def change_address(self, name: str, email: str, htmx: bool) -> None:
        """Ask for another address and open the link that is mailed to it."""
        player = self.player(name)
        wanted = self.do(name, "/profile/email", htmx, new_email=email, password=PASSWORD)
        nonce = self.ask("SELECT nonce FROM account WHERE id = :id", id=player.account_id)[0].nonce
        if wanted.status_code < 400 and nonce:
            self.do(name, f"/email/{make(SECRET_KEY, Purpose.CHANGE_EMAIL, nonce, player.account_id)}", htmx)


def signed_in(session: Session, account_id: int) -> Caller:
    """A program's sign-in for what somebody belongs to now, a new one when the last was ended."""
    membership = session.get_one(Account, account_id).membership
    here = membership.organization_id if membership is not None else None
    query = select(TokenFamily.id).where(TokenFamily.account_id == account_id, TokenFamily.revoked_at.is_(None))
    known = session.scalars(query.where(TokenFamily.organization_id.is_not_distinct_from(here))).first()
    if known is None:
        family = TokenFamily(account_id=account_id, organization_id=here, client_name="drill", made_at=now())
        session.add(family)
        session.commit()
        known = family.id
    return Caller(here, known, account_id)


def why(response: TestResponse) -> None:
    """A refusal is the visitor's, and says why in a sentence."""
    assert response.status_code < 500, response.text[-2000:]
    if response.status_code == 401:  # whose session has ended is led to sign in, and asked for no sentence
        assert response.headers["HX-Redirect"].startswith("/login")
        return
    words = " ".join([re.sub(r"<head.*?</head>|<[^>]+>", " ", response.text, flags=re.S), *said(response)])
    assert SENTENCE.search(words), f"{response.status_code} without a sentence: {words[:300]}"


def link(row: Row, copied: bool) -> str:
    """The link of an invitation; of one that is answered, a dead one."""
    purpose = Purpose.INVITATION_COPY if copied else Purpose.INVITATION
    return f"/invitations/{make(SECRET_KEY, purpose, row.nonce or '', row.id)}"


def let_go(app: Flask, session: Session) -> None:
    """End every connection: a database that is put back ends those that are left."""
    session.close()
    session.get_bind().engine.dispose()
    with app.app_context():
        db.engine.dispose()
