"""/api/v1: programs ask for seats, keep them and give them back. No session, no form, no page."""

from __future__ import annotations

import uuid as uuids
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

from flask import Response, current_app, g, jsonify, make_response, request
from flask_babel import gettext as _
from sqlalchemy.exc import SQLAlchemyError

from core import access
from core.api import answers, asked_about, files, schemas
from core.api.describing import Questions
from core.api.examples import ASK, BORROWED, CHAIN, ENTITLEMENTS, HEALTH, KEY, LEASE, LINKS, LOAN, QUEUED, UUID
from core.api.once import answer_once, asked_once
from core.api.problems import base_url, malformed, plain, written
from core.api.rates import Second
from core.api.texts import N_
from core.dates import now
from core.db import db
from core.denials import Denied
from core.oauth import bearer
from core.revisions import CURRENT, state_of
from core.seats import borrowing, entitling, explaining, giving, showing, taking
from core.seats.asking import Asking, Caller
from core.seats.request import Queued, Seat
from core.security import csrf

bp = Questions("api", __name__, url_prefix="/api/v1")
csrf.exempt(bp)  # a cookie opens nothing here

WAYS = frozenset({"no_permission", "no_seat_available"})  # what asking for access can change
OPEN = frozenset({"api.health"})
#: Whose own statements do not ask whether all stands that a sign-in stands on, or which answer from what was kept.
CHECKED = frozenset({"api.explain", "api.show_lease", "api.borrow_lease", "api.return_lease", "api.request_offline"})


@bp.before_request
def know_caller() -> None:
    """Whose request it is; what is stored of the sign-in is read with the rest of the question."""
    if request.endpoint not in OPEN:
        credential = request.headers.get("Authorization", "")
        cast(Second, current_app.extensions.setdefault("api-rates", Second())).count(credential)
        ask = bearer.caller_of if request.endpoint in CHECKED else bearer.presented
        g.caller = ask(request)


@bp.get("/health")
@bp.answers(200, N_("The portal answers."), schemas.HealthSchema, HEALTH)
@bp.named(
    "health", N_("The clock, the version of the protocol, and whether the portal is being maintained."), security=[]
)
def health() -> Response:
    """The portal's clock, the version of the protocol, and whether it is being maintained."""
    notice = _maintenance()
    status = "maintenance" if notice else "ok"
    return jsonify(status=status, protocol=answers.PROTOCOL, server_time=plain(now()), maintenance=notice)


@bp.put("/leases/<uuid>", parameters=[UUID])
@bp.takes(schemas.AskSchema, example=ASK)
@bp.answers(201, N_("A seat was taken."), schemas.LeaseSchema, LEASE, links=LINKS)
@bp.answers(200, N_("The seat is kept, or taken again."), schemas.LeaseSchema, LEASE, links=LINKS)
@bp.answers(202, N_("No seat is free; the launch waits."), schemas.QueuedSchema, QUEUED, links=LINKS)
@bp.refuses("malformed_request", "token_invalid", "not_a_member", "membership_disabled", "no_permission",
            "flex_not_allowed_has_named", "unknown_product", "no_seat_available", "device_limit", "device_conflict",
            "lease_id_conflict", "cooling_down", "lease_ended", "rate_limited", "maintenance")  # fmt: skip
@bp.named("ask_for_lease", N_("Take a seat, keep it, or wait for one: the same question every few minutes."))
def ask_for_lease(said: dict[str, Any], uuid: str) -> Response:
    """Take a seat, keep it, or wait for one; repeating it changes nothing.

    The same question at every step: the first takes a seat, each later one keeps it. A right that is gone is noticed
    at the next one.
    """
    asking, at = asking_of(said, launch(uuid)), now()
    answer = seat_or_place(asking, at)
    clock = said.get("client_time")
    if isinstance(answer, Queued):
        return make_response(jsonify(answers.of_queue(asking, answer, at, clock)), 202)
    body = answers.of_seat(db.session, caller(), asking, answer, at, clock)
    return make_response(jsonify(body), 201 if answer.is_new else 200)


@bp.get("/leases/<uuid>", parameters=[UUID])
@bp.answers(200, N_("How it stands."), schemas.StateSchema, LEASE)
@bp.refuses("malformed_request", "token_invalid", "unknown_lease", "lease_ended", "rate_limited", "maintenance")
@bp.named("show_lease", N_("How a launch stands: active, borrowed, queued, or expired, when it may ask again."))
def show_lease(uuid: str) -> Response:
    """How a launch stands: active, borrowed, queued, or expired, when it may ask again."""
    at = now()
    found = showing.shown(db.session, caller(), launch(uuid), at)
    if found.held is None:
        return jsonify(answers.of_expired(found.asking, at))
    if isinstance(found.held, Queued):
        return jsonify(answers.of_queue(found.asking, found.held, at))
    return jsonify(answers.of_seat(db.session, caller(), found.asking, found.held, at))


@bp.delete("/leases/<uuid>", parameters=[UUID])
@bp.answers(204, N_("It is given back; also when it was before."))
@bp.refuses("malformed_request", "token_invalid", "unknown_lease", "rate_limited", "maintenance")
@bp.named("give_lease_back", N_("Give a seat back, or a place in the queue."))
def give_lease_back(uuid: str) -> Response:
    """Give a seat back, or a place in the queue; as often as one likes."""
    giving.give_back(db.session, caller(), launch(uuid), now())
    return answers.nothing()


@bp.post("/leases/<uuid>/borrow", parameters=[UUID, KEY])
@bp.takes(schemas.BorrowSchema, example={"until": "2026-03-05T17:00:00Z"})
@bp.answers(200, N_("The seat is held until then."), schemas.LeaseSchema, BORROWED)
@bp.refuses("malformed_request", "token_invalid", "not_a_member", "membership_disabled", "unknown_product",
            "unknown_lease", "device_conflict", "borrow_limit", "still_running", "lease_ended", "borrow_too_long",
            "borrow_not_allowed", "idempotency_mismatch", "rate_limited", "maintenance")  # fmt: skip
@bp.named("borrow_lease", N_("Take a seat along until a day, without a connection. It counts as used until then."))
def borrow_lease(said: dict[str, Any], uuid: str) -> Response:
    """Take a seat along until a day, without a connection; it counts as used until then."""
    number, at = launch(uuid), now()

    def borrow() -> tuple[int, Any]:
        loan = borrowing.borrow(db.session, caller(), number, said["until"], at)
        return 200, answers.kept(caller(), loan, at)

    status, answer = answer_once(db.session, asked_once(request, caller()), at, borrow)
    return jsonify(answers.signed(db.session, answer, at)) if status == 200 else written(status, answer)


@bp.post("/leases/<uuid>/return", parameters=[UUID, KEY])
@bp.takes(schemas.ReturnSchema, example={"proof": LEASE["token"]})
@bp.answers(204, N_("It is given back; also when it was before."))
@bp.refuses("malformed_request", "token_invalid", "unknown_lease", "device_conflict", "still_running",
            "idempotency_mismatch", "rate_limited", "maintenance")  # fmt: skip
@bp.named("return_lease", N_("Bring a borrowed seat back early. The device itself says that it no longer uses it."))
def return_lease(said: dict[str, Any], uuid: str) -> Response:
    """Bring a borrowed seat back early; the device itself says that it no longer uses it."""
    number, at = launch(uuid), now()

    def bring_back() -> tuple[int, Any]:
        borrowing.bring_back(db.session, caller(), number, said["proof"], at)
        return 204, None

    status, answer = answer_once(db.session, asked_once(request, caller()), at, bring_back)
    return answers.nothing() if status == 204 else written(status, answer)


@bp.post("/offline-requests", parameters=[KEY])
@bp.takes(schemas.CarriedSchema, example={"request": LEASE["token"]})
@bp.answers(201, N_("The seat is held until then. The answer is the file to carry back."), schemas.LoanSchema, LOAN)
@bp.refuses("malformed_request", "token_invalid", "not_a_member", "membership_disabled", "no_permission",
            "unknown_product", "no_seat_available", "device_limit", "device_conflict", "lease_id_conflict",
            "cooling_down", "borrow_limit", "still_running", "lease_ended", "borrow_too_long", "borrow_not_allowed",
            "idempotency_mismatch", "rate_limited", "maintenance")  # fmt: skip
@bp.named("request_offline", N_("Borrow a seat for a computer without a network. A file of its own asks for it."))
def request_offline(said: dict[str, Any]) -> Response:
    """Borrow a seat for a computer without a network; the same file again is the same seat."""
    wish, at = files.wish_of(said["request"]), now()
    # The file speaks for a device that is not the one on which this token was made.
    carrier = replace(caller(), family_id=None)

    def lend() -> tuple[int, Any]:
        loan = borrowing.lend(db.session, carrier, wish.asking, wish.until, at)
        return 201, answers.kept(carrier, loan, at)

    status, answer = answer_once(db.session, asked_once(request, caller()), at, lend)
    if status != 201:
        return written(status, answer)
    return make_response(jsonify(answers.with_keys(db.session, answers.signed(db.session, answer, at), at)), status)


@bp.get("/entitlements")
@bp.answers(200, N_("Every product that the caller’s side has."), schemas.EntitlementsSchema, ENTITLEMENTS)
@bp.refuses("token_invalid", "rate_limited", "maintenance")
@bp.named("list_entitlements", N_("What the caller may run now and, where not, why."))
def list_entitlements() -> Response:
    """What the caller may run now and, where not, why."""
    at = now()
    found = entitling.entitlements(db.session, caller(), at)
    return jsonify(entitlements=[answers.of_entitlement(each) for each in found], server_time=plain(at))


@bp.get("/explain")
@bp.takes_from_address(schemas.WhySchema)
@bp.answers(200, N_("Every step, and where it leads."), schemas.ChainSchema, CHAIN)
@bp.refuses("malformed_request", "token_invalid", "not_a_member", "no_permission", "rate_limited", "maintenance")
@bp.named("explain", N_("Why somebody gets a seat, or why not: oneself, or for administrators any member."))
def explain(said: dict[str, Any]) -> Response:
    """Why somebody gets a seat of a product, or why not, in the words that the program shows."""
    who = asked_about.account_of(db.session, caller(), said.get("user"))
    is_myself = who.id == caller().account_id
    chain = explaining.explain(
        db.session, caller().organization_id, who.id, said["product"], now(), with_personal=is_myself
    )
    return jsonify(answers.of_chain(chain, who.email))


# ── what a request brings ────────────────────────────────────────────────────────────────────────────────────────────


def caller() -> Caller:
    """Who asks."""
    return cast(Caller, g.caller)


def launch(uuid: str) -> str:
    """The number of a launch, in its one spelling.

    :raise Denied: malformed_request.
    """
    try:
        if len(uuid) == 36:
            return str(uuids.UUID(uuid))
    except ValueError:
        pass
    raise malformed(_("The address holds no UUID."))


def seat_or_place(asking: Asking, at: datetime) -> Seat | Queued:
    """The seat that is asked for, or a place in the queue.

    :raise Denied: with the page where the person can ask for access, if there is one.
    """
    try:
        return taking.ask(db.session, caller(), asking, at)
    except Denied as refused:
        if refused.code in WAYS and caller().account_id and caller().organization_id:
            refused.facts["request_url"] = f"{base_url()}{access.page_of(asking.product)}"
        raise


def asking_of(said: dict[str, Any], uuid: str) -> Asking:
    """The question as the rules know it."""
    device = said["device"]
    return Asking(
        uuid, said["product"], device["id"], device_name=device.get("name", ""), os=device.get("os", ""),
        public_key=device.get("public_key"), version=said.get("version", ""), queue=said.get("queue", False),
        idle_s=said.get("idle_seconds", 0), seq=said.get("seq", 0),
    )  # fmt: skip


def _maintenance() -> str | None:
    """The sentence for a portal that cannot serve now."""
    try:
        is_ready = state_of(db.session.connection()) == CURRENT
    except SQLAlchemyError:
        db.session.rollback()
        is_ready = False
    return None if is_ready else str(_("The portal is being maintained. Seats are kept."))
