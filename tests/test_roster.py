"""The list of users: what it finds, in which order, and that its size does not matter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, insert, text
from sqlalchemy.orm import Session

from core.db import db
from core.lists import roster
from core.lists.roster import PAGE, Counts, Wanted
from models import Account, License, Member, Organization, Permission
from tests.cast import Cast

MANY = 10_000


def names(session: Session, cast: Cast, wanted: Wanted, limit: int = PAGE) -> list[str]:
    """Who is found, by the part of the address before the @."""
    page = roster.read(session, cast.organization_id, wanted, cast.now, limit)
    return [row.email.partition("@")[0] for row in page.found]


def test_everybody_is_listed_in_the_order_of_addresses(session: Session, cast: Cast) -> None:
    assert names(session, cast, Wanted()) == ["alice", "bob", "carol", "dave", "dora"]


@pytest.mark.parametrize(
    ("state", "found"), [("enabled", ["alice", "bob", "carol"]), ("pending", ["dave"]), ("disabled", ["dora"])]
)
def test_a_state_lists_those_who_are_in_it(session: Session, cast: Cast, state: str, found: list[str]) -> None:
    assert names(session, cast, Wanted(state=state)) == found


def test_pages_follow_each_other_without_gap_or_repetition(session: Session, cast: Cast) -> None:
    first = roster.read(session, cast.organization_id, Wanted(), cast.now, 2)
    rest = roster.read(session, cast.organization_id, Wanted(after=first.found[-1].id), cast.now, 3)
    assert first.has_more
    assert not rest.has_more
    assert [row.email for row in [*first.found, *rest.found]] == sorted(
        f"{name}@example.com" for name in ("alice", "bob", "carol", "dave", "dora")
    )


def test_a_page_begins_after_a_person_who_left_meanwhile(session: Session, cast: Cast) -> None:
    bob = session.get_one(Member, cast.bob.member_id)
    bob.ended_at, bob.ended_reason = cast.now, "left"
    session.flush()
    assert names(session, cast, Wanted(after=bob.id)) == ["carol", "dave", "dora"]


def test_a_member_of_another_organization_begins_no_page(session: Session, cast: Cast) -> None:
    session.get_one(Member, cast.mallory.member_id).email_key = "a@example.com"  # before everybody here
    session.flush()
    assert names(session, cast, Wanted(after=cast.mallory.member_id)) == []


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("bob", ["bob"]),
        ("BOB@EXAMPLE.COM", ["bob"]),
        ("bob example", ["bob"]),
        ("example.com", ["alice", "bob", "carol", "dave", "dora"]),
        ("carol dora", []),
        ("100%", []),
        ("_", []),
        ("'; drop table member", []),
    ],
)
def test_search_looks_for_every_word(session: Session, cast: Cast, q: str, found: list[str]) -> None:
    assert names(session, cast, Wanted(q=q)) == found


@pytest.mark.parametrize("q", ["öztürk", "ÖZTÜRK", "Öztürk", "schlüter-ö"])
def test_search_takes_capitals_of_every_alphabet_for_small_letters(session: Session, cast: Cast, q: str) -> None:
    session.get_one(Account, cast.bob.account_id).name = "Jana Schlüter-Öztürk"
    session.flush()
    assert names(session, cast, Wanted(q=q)) == ["bob"]


def test_the_present_address_is_found_and_shown(session: Session, cast: Cast) -> None:
    session.get_one(Account, cast.bob.account_id).email = "robert@elsewhere.example"
    session.flush()
    (row,) = roster.read(session, cast.organization_id, Wanted(q="robert@"), cast.now).found
    assert (row.id, row.account_email) == (cast.bob.member_id, "robert@elsewhere.example")


def test_a_row_tells_what_is_given_and_what_could_come_back(session: Session, cast: Cast) -> None:
    found = {row.email[0:4]: row for row in roster.read(session, cast.organization_id, Wanted(), cast.now).found}
    assert (found["bob@"].given, found["bob@"].suspended) == (1, 0)
    assert (found["dora"].given, found["dora"].suspended, found["dora"].restorable) == (0, 1, 1)


def test_what_does_not_fit_is_not_offered(session: Session, cast: Cast) -> None:
    license = session.get_one(License, cast.license["perpetual"])
    license.reserved = license.seats
    assert restorable(session, cast) == 0
    license.reserved, license.key.revoked_at = 0, cast.now
    assert restorable(session, cast) == 0
    license.key.revoked_at, license.ends_at = None, cast.now
    assert restorable(session, cast) == 0
    license.ends_at = None
    assert restorable(session, cast) == 1
    other = session.get_one(License, cast.license["annual"])
    session.add(Permission(license=other, member_id=cast.dora.member_id, given_at=cast.now))
    assert restorable(session, cast) == 0


def restorable(session: Session, cast: Cast) -> int:
    """How much of what dora had would fit now."""
    session.flush()
    row = roster.one(session, cast.organization_id, cast.dora.member_id or 0, cast.now)
    assert row is not None
    return int(row.restorable)


def test_somebody_who_joined_elsewhere_cannot_join_now(session: Session, cast: Cast) -> None:
    def elsewhere() -> bool:
        session.flush()
        row = roster.one(session, cast.organization_id, cast.dave.member_id or 0, cast.now)
        assert row is not None
        return bool(row.is_elsewhere)

    assert not elsewhere()
    member = Member(
        organization_id=cast.other_id, account_id=cast.dave.account_id, email=cast.dave.email,
        email_key=cast.dave.email, role="member", invited_at=cast.now, confirmed_at=cast.now,
    )  # fmt: skip
    session.add(member)
    assert elsewhere()
    member.ended_at, member.ended_reason = cast.now, "left"
    assert not elsewhere()
    session.get_one(Account, cast.dave.account_id).is_operator = True
    assert elsewhere()


def test_a_row_of_another_organization_is_none(session: Session, cast: Cast) -> None:
    assert roster.one(session, cast.organization_id, cast.mallory.member_id or 0, cast.now) is None


def test_counts_are_by_state_and_follow_the_search(bare_app: Flask, session: Session, cast: Cast) -> None:
    assert roster.count(session, cast.organization_id, "", 1) == Counts(enabled=3, pending=1, disabled=1)
    assert roster.count(session, cast.organization_id, "bob", 1) == Counts(enabled=1, pending=0, disabled=0)
    assert roster.count(session, cast.other_id, "", 1) == Counts(enabled=1, pending=0, disabled=0)


def test_counts_are_remembered_until_the_next_activity(session: Session, cast: Cast, statements: list[str]) -> None:
    first = roster.count(session, cast.organization_id, "", 7)
    statements.clear()
    assert roster.count(session, cast.organization_id, "", 7) == first
    assert statements == []
    roster.count(session, cast.organization_id, "", 8)
    assert len(statements) == 1


@pytest.fixture
def statements(session: Session) -> Iterator[list[str]]:
    """What is asked of the database."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    event.listen(session.get_bind(), "before_cursor_execute", note)
    yield asked
    event.remove(session.get_bind(), "before_cursor_execute", note)


@pytest.fixture
def crowd(session: Session, cast: Cast) -> None:
    """Ten thousand people in one organization, half of them pending."""
    accounts = [
        {"id": n, "email": f"p{n}@crowd.example", "email_key": f"p{n}@crowd.example", "name": f"Person {n}",
         "fs_uniquifier": f"u{n}", "created_at": cast.now, "confirmed_at": cast.now}
        for n in range(1000, 1000 + MANY // 2)
    ]  # fmt: skip
    session.execute(insert(Account), accounts)
    members = [
        {"id": n, "organization_id": cast.organization_id, "email": f"p{n}@crowd.example",
         "email_key": f"p{n}@crowd.example", "role": "member", "invited_at": cast.now,
         "account_id": n if n < 1000 + MANY // 2 else None, "confirmed_at": cast.now if n < 1000 + MANY // 2 else None}
        for n in range(1000, 1000 + MANY)
    ]  # fmt: skip
    session.execute(insert(Member), members)
    session.commit()
    if session.get_bind().dialect.name == "postgresql":
        # What the tests before this one left behind would count as pages to read.
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
    else:
        session.execute(text("ANALYZE"))
        session.commit()


@pytest.mark.usefixtures("crowd")
def test_a_page_of_ten_thousand_is_one_statement_on_the_index(
    session: Session, cast: Cast, statements: list[str]
) -> None:
    for wanted in (Wanted(), Wanted(after=5500), Wanted(state="pending")):
        statements.clear()
        page = roster.read(session, cast.organization_id, wanted, cast.now)
        assert (len(page.found), page.has_more, len(statements)) == (PAGE, True, 1)
        plan = explained(session, cast, wanted)
        assert "uq_member_one_per_address" in plan
        assert "TEMP B-TREE FOR ORDER BY" not in plan
        assert "Sort" not in plan


def explained(session: Session, cast: Cast, wanted: Wanted) -> str:
    """How the database reads a page."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_rest: object) -> None:
        asked.append((statement, parameters))

    event.listen(session.get_bind(), "before_cursor_execute", note)
    roster.read(session, cast.organization_id, wanted, cast.now)
    event.remove(session.get_bind(), "before_cursor_execute", note)
    ((statement, parameters),) = asked
    word = "EXPLAIN QUERY PLAN" if session.get_bind().dialect.name == "sqlite" else "EXPLAIN"
    rows = session.connection().exec_driver_sql(f"{word} {statement}", parameters).all()
    return "\n".join(str(row[-1]) for row in rows)


@pytest.mark.on_sqlite
@pytest.mark.usefixtures("crowd")
def test_pages_of_ten_thousand_show_everybody_once(session: Session, cast: Cast) -> None:
    seen: list[int] = []
    wanted = Wanted()
    while True:
        page = roster.read(session, cast.organization_id, wanted, cast.now, 1500)
        seen += [row.id for row in page.found]
        if not page.has_more:
            break
        wanted = Wanted(after=page.found[-1].id)
    assert len(seen) == len(set(seen)) == MANY + 5
    assert session.get_one(Organization, cast.organization_id)
