"""What programs and their people could learn or hold that is not theirs: others' sessions, queues, rows without end."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import access, idempotency, jobs, limits
from core.activity import COMMAND
from core.api import rates
from core.grants import RefreshToken
from core.idempotency import KeptAnswer, Once
from core.leases import QUEUE_PATIENCE, AccessRequest, Denial, Device, Ticket
from core.oauth import families
from core.seats import sweeping, waiting
from core.seats.request import Queued
from models import Account, License, Organization, PermissionKey, Product
from tests.api_desk import Programs, code, new_uuid
from tests.cast import Cast
from tests.clients import Client
from tests.endings import POOL
from tests.kestrel import Kestrel
from tests.letter_box import letters_to
from tests.programs import ProgramAt
from tests.seat_desk import SeatDesk, wrong_books

ClientFor = Callable[[str], Client]


@pytest.fixture
def seat_desk(session: Session, cast: Cast) -> Iterator[SeatDesk]:
    """Programs that ask; afterwards the books are right."""
    yield SeatDesk(session, cast)
    assert wrong_books(session) == []


# ── what is nobody else's business ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.on_sqlite
def test_next_owner_of_a_key_sees_nothing_of_who_still_saves_on_it(
    program: Programs, client_for: ClientFor, on_app: Session, cast: Cast
) -> None:
    assert program("bob", "CAD-7").ask().status_code == 201
    key = on_app.get_one(License, cast.license["cloud"]).key
    key.release(COMMAND, cast.now)
    on_app.commit()
    assert key.redeem(on_app.get_one(Organization, cast.other_id), COMMAND, cast.now, cast.now.date())
    on_app.commit()
    mallory, opened = client_for("mallory"), f"/admin/products?open={cast.license['cloud']}"
    for path in ("/admin/status", opened):
        page = mallory.get(path).text
        assert "Render Studio" in page
        assert "Bob Example" not in page
        assert "CAD-7" not in page


@pytest.mark.on_sqlite
def test_organization_reads_nothing_of_a_seat_that_is_a_persons_own(
    program: Programs, client_for: ClientFor, on_app: Session, cast: Cast
) -> None:
    account = on_app.get_one(Account, cast.carol.account_id)  # who has no other seat of this product
    key = PermissionKey.known(on_app, cast.unused["personal"])
    key.redeem(account, cast.carol.actor, cast.now, cast.now.date())
    on_app.commit()
    assert program("carol", "HOME-PC", product="draft").ask().status_code == 201
    office = program("carol", "CAD-7", product="draft", uuid=new_uuid())
    assert code(office.ask()) == (409, "device_limit")
    page = client_for("alice").get("/admin/status").text
    assert "Carol Example" not in page
    assert "HOME-PC" not in page


def test_launch_of_somebody_else_with_the_same_number_makes_no_denial_untrue(
    seat_desk: SeatDesk, session: Session
) -> None:
    assert seat_desk.denied("erin", "same").code == "no_permission"
    seat_desk.seat("bob", "same")
    assert session.scalars(select(Denial.served_at)).one() is None


# ── queues ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_left_the_queue_comes_back_at_its_end(seat_desk: SeatDesk) -> None:
    seat_desk.fill(POOL)
    assert seat_desk.ask("alice", "a", queue=True) == Queued(1)
    seat_desk.later = 89
    assert seat_desk.ask("alice", "a", queue=True) == Queued(1)
    seat_desk.later = 120
    assert seat_desk.ask("bob", "b", queue=True) == Queued(2)
    seat_desk.later = 180  # and 91 after alice's last word
    assert seat_desk.ask("alice", "a", queue=True) == Queued(2)
    assert seat_desk.ask("bob", "b", queue=True) == Queued(1)


def test_one_device_has_one_seat_held_however_often_it_asks(seat_desk: SeatDesk, session: Session) -> None:
    seat_desk.fill(POOL)
    for number in range(3):
        assert isinstance(seat_desk.ask("alice", f"a{number}", queue=True), Queued)
    for number in range(2):
        seat_desk.give_back("bob", f"fill-{number}", device=f"d{number}")
    held = session.scalars(select(Ticket.uuid).where(Ticket.license_id.is_not(None))).all()
    assert held == ["a0"]
    seat_desk.seat("bob", "next", device="next")
    for number in range(3):
        seat_desk.seat("alice", f"a{number}", queue=True)  # copies on the one seat


def test_who_left_the_queue_leaves_no_row(seat_desk: SeatDesk, session: Session) -> None:
    seat_desk.fill(POOL)
    for number in range(3):
        seat_desk.ask("alice", f"a{number}", queue=True)
    assert sweeping.remove_gone(session, seat_desk.now + QUEUE_PATIENCE) == 0
    assert sweeping.remove_gone(session, seat_desk.now + QUEUE_PATIENCE + timedelta(hours=1)) == 3


# ── what programs say of themselves ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.on_sqlite
def test_name_of_a_device_turns_no_text_around(program: Programs, client_for: ClientFor, cast: Cast) -> None:
    named = program("bob", "d1", with_device={"name": "CAD\u202e7-\u2067\u200bWS\ufeff"})
    assert named.ask(version="1\u202e.2").status_code == 201
    page = client_for("alice").get("/admin/status").text
    assert "CAD7-WS" in page
    assert "1.2" in page
    assert not any(unicodedata.category(character) == "Cf" for character in page)
    nameless = program("carol", "\u202e\u202c")
    assert code(nameless.ask()) == (400, "malformed_request")


@pytest.mark.on_sqlite
def test_one_credential_is_counted_however_it_is_spelled(program: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MOST", 3)
    monkeypatch.setattr("core.api.rates.time.monotonic", lambda: 1.0)
    lab = program()
    key = lab.authorization.removeprefix("Bearer ")
    answers = []
    for scheme in ("Bearer ", "bearer ", "BEARER  ", "bEARER   "):
        lab.authorization = scheme + key
        answers.append(lab.send("GET", "entitlements").status_code)
    assert answers[-1] == 429


# ── rows without end ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_credential_fills_no_table_with_denials(
    seat_desk: SeatDesk, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MOST_A_DAY", 3)
    seat_desk.station("lab", "render")
    seat_desk.station("other", "render")
    seat_desk.fill(POOL)
    for number in range(5):
        assert seat_desk.denied("lab", f"l{number}", device=f"l{number}").code == "no_seat_available"
    assert seat_desk.denied("lab", "waits", device="waits", queue=True).code == "no_seat_available"
    seat_desk.denied("other", "o", device="o")
    counts = [session.scalar(select(func.count()).select_from(table)) for table in (Denial, Ticket, Device)]
    assert counts == [4, 0, POOL + 4]
    seat_desk.later = timedelta(days=1, seconds=1).total_seconds()
    seat_desk.fill(POOL)
    assert isinstance(seat_desk.ask("lab", "l9", queue=True), Queued)


def test_one_credential_fills_no_table_with_answers(
    session: Session, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "MOST_KEPT", 3)
    first = Once("sign-in:2", "k", b"")
    idempotency.keep(session, first, 200, {}, cast.now)
    for number in range(5):
        once = Once("sign-in:1", f"k{number}", b"")
        idempotency.keep(session, once, 200, {}, cast.now + timedelta(seconds=number))
    kept = session.execute(select(KeptAnswer.credential, KeptAnswer.key).order_by(KeptAnswer.key)).all()
    assert [tuple(row) for row in kept] == [("sign-in:2", "k"), *(("sign-in:1", f"k{n}") for n in (2, 3, 4))]


def test_what_is_old_is_removed(seat_desk: SeatDesk, session: Session, cast: Cast) -> None:
    seat_desk.fill(POOL)
    seat_desk.denied("alice", "a")
    asked = {"organization_id": cast.organization_id, "account_id": cast.bob.account_id, "asked_at": cast.now}
    product = cast.product["draft"]
    session.add(AccessRequest(product_id=product, closed_at=cast.now, outcome="dropped", **asked))
    session.add(AccessRequest(product_id=product, **asked))
    idempotency.keep(session, Once("sign-in:1", "k", b""), 200, {}, cast.now)
    session.commit()
    year = cast.now + timedelta(days=399)
    assert [jobs.remove_denials(session, year), jobs.remove_requests(session, year)] == [0, 0]
    later = year + timedelta(days=2)
    assert [jobs.remove_denials(session, later), jobs.remove_requests(session, later)] == [1, 1]
    assert [idempotency.remove_old(session, at) for at in (cast.now, later)] == [0, 1]


def test_one_sign_in_fills_no_table_with_tokens(
    plain: ProgramAt, on_app: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(families, "MOST_KNOWN_AGAIN", 3)
    tokens = [plain.tokens["refresh_token"]]
    for _number in range(5):
        assert plain.refresh().status_code == 200
        tokens.append(plain.tokens["refresh_token"])
    assert on_app.scalar(select(func.count()).select_from(RefreshToken)) == 4
    assert plain.refresh(tokens[0]).status_code == 400  # too old to tell anything
    assert plain.refresh(tokens[5]).status_code == 200
    assert plain.refresh(tokens[3]).status_code == 400
    assert plain.refresh().status_code == 400  # that one was told from one that never was


@pytest.mark.on_sqlite
def test_nobody_fills_his_administrators_mailbox_with_requests(
    app: Flask, client_for: ClientFor, on_app: Session, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(limits.RULES, "access", limits.Rule(3, limits.DAY, "Enough."))
    bob = client_for("bob")
    for number in range(5):
        Product.add(on_app, f"p{number}", f"Product {number}", False, COMMAND, cast.now)
    on_app.commit()
    answers = [bob.send("/products/ask", product=f"p{number}").status_code for number in range(5)]
    assert answers == [303, 303, 303, 429, 429]
    assert len(letters_to(app, cast.alice.email)) == 3


def test_who_asked_elsewhere_before_is_news_here(kestrel: Kestrel) -> None:
    session, cast = kestrel.session, kestrel.cast
    asked = {"account_id": cast.bob.account_id, "product_id": cast.product["hub"], "asked_at": cast.now}
    session.add(AccessRequest(organization_id=cast.other_id, closed_at=cast.now, outcome="dropped", **asked))
    session.commit()
    assert access.ask(kestrel.bob, "hub", kestrel.by("bob"), cast.now)[1]
