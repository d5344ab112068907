"""Why a person gets a seat of a product, or why not: step by step, as a program on a device nobody knows yet finds it.

Nothing is changed and nothing is kept. What is in the way is said by `refusing`, in the words that the program shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.dates import LicenseType
from core.denials import Denied
from core.errors import Missing
from core.leases import COOL_DOWN, Device, Lease
from core.pages.words import day, ngettext, number
from core.seats import freeing, refusing
from core.seats.asking import Asking, Caller, facts_about
from core.seats.request import Line, Request, is_past, lines_of
from core.seats.room import Room, rooms
from core.seats.taking import Choice, choices_of

#: The steps of a license, in their order; those of the person and the product come before.
NO_DEVICE = 0
OF_LICENSE = ("kind", *refusing.CHECKS, "device", "seats")


class Answer(StrEnum):
    """What a step says."""

    YES = "yes"
    NO = "no"
    NOT_REACHED = "not_reached"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that decides, with a sentence and the facts behind it; `license_id` where it is about a license."""

    key: str
    answer: Answer
    sentence: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    license_id: int | None = None


@dataclass(frozen=True, slots=True)
class Promise:
    """The seat that a program would get."""

    license_id: int
    kind: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Chain:
    """All steps in their order, and where they lead: to a seat, or to the denial that a program shows."""

    request: Request
    steps: list[Step]
    outcome: Promise | Denied

    @property
    def code(self) -> str | None:
        """The code of the denial; None for a seat."""
        return self.outcome.code if isinstance(self.outcome, Denied) else None

    @property
    def sentence(self) -> str:
        """Where it leads, in words."""
        return str(self.outcome) if isinstance(self.outcome, Denied) else self.outcome.sentence

    @property
    def general(self) -> list[Step]:
        """The steps about the person and the product."""
        return [step for step in self.steps if step.license_id is None]

    @property
    def by_license(self) -> list[tuple[Line, list[Step]]]:
        """Every license with its steps, in the order in which seats are taken."""
        return [
            (line, [step for step in self.steps if step.license_id == line.row.license_id])
            for line in self.request.lines
        ]


def explain(
    session: Session,
    organization_id: int | None,
    account_id: int,
    product_code: str,
    now: datetime,
    *,
    with_personal: bool = True,
) -> Chain:
    """The chain of one person and one product. What is his alone is left out where others read it.

    :raise Missing: when there is no such account.
    """
    rows = facts_about(session, organization_id, account_id, product_code, now)
    if not rows:
        raise Missing(_("There is no such account."))
    lines = [line for line in lines_of(rows) if with_personal or not line.is_personal]
    caller, asking = Caller(organization_id, account_id=account_id), Asking("", product_code, "")
    return chain_of(Request(session, caller, asking, now, rows[0], lines))


def chain_of(request: Request) -> Chain:
    """The chain of a question that is not asked: of a launch, and of a device, that nobody knows yet."""
    steps, ended = _general(request)
    findings = [Finding(line) for line in request.lines]
    promise = None
    if ended is None:
        for finding in findings:
            _check(request, finding)
        promise = _seat(request, [each for each in findings if not each.is_closed])
    for finding in findings:
        steps += finding.finished()
    refusals = [each.refused for each in findings if each.refused is not None]
    return Chain(request, steps, promise or ended or refusing.worst(refusals or [refusing.nothing(request)]))


# ── the person and the product ───────────────────────────────────────────────────────────────────────────────────────


def _general(request: Request) -> tuple[list[Step], Denied | None]:
    """The steps before any license, and what ends the chain there; who is no member may have licenses of his own."""
    steps: list[Step] = []
    ended: Denied | None = None
    for key, refused, words in _about_person(request):
        if ended is not None or (key == "enabled" and steps[-1].answer is Answer.NO):
            steps.append(Step(key, Answer.NOT_REACHED))
            continue
        steps.append(_step(key, refused, words))
        if key in ("account", "product"):
            ended = refused
    return steps, ended


def _about_person(request: Request) -> Iterator[tuple[str, Denied | None, str]]:
    facts, membership = request.facts, refusing.of_membership(request)
    yield "account", refusing.of_account(request), _("The account is in order.")
    yield "product", refusing.of_product(request), _("%(product)s is in the catalog.", product=facts.product)
    if request.caller.organization_id is not None:
        for key, code, words in (
            ("member", "not_a_member", _("Member of %(name)s.", name=facts.organization_name)),
            ("enabled", "membership_disabled", _("Enabled.")),
        ):
            yield key, membership if membership is not None and membership.code == code else None, words


def _step(key: str, refused: Denied | None, words: str, license_id: int | None = None, **facts: Any) -> Step:
    if refused is None:
        return Step(key, Answer.YES, str(words), facts, license_id)
    return Step(key, Answer.NO, str(refused), {"code": refused.code, **refused.facts}, license_id)


# ── licenses ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Finding:
    """What is found out about a license, step by step; `refused` is what it has against the asker."""

    line: Line
    steps: list[Step] = field(default_factory=list)
    refused: Denied | None = None
    is_closed: bool = False

    def add(self, key: str, words: str, refused: Denied | None = None, **facts: Any) -> None:
        """Note a step, which closes the license when it refuses."""
        self.steps.append(_step(key, refused, words, self.line.row.license_id, **facts))
        self.refused, self.is_closed = refused, refused is not None

    def finished(self) -> list[Step]:
        """All steps of a license; what was not asked is not reached."""
        rest = OF_LICENSE[len(self.steps) :]
        return [*self.steps, *(Step(key, Answer.NOT_REACHED, license_id=self.line.row.license_id) for key in rest)]


def _check(request: Request, finding: Finding) -> None:
    """Ask a license what it has against the asker, whatever is free on it."""
    line = finding.line
    if line.is_floating and request.has_own:
        words = _("There is a named seat, and it is taken first.")
        finding.add("kind", "", Denied("flex_not_allowed_has_named", words))
        finding.refused = None  # it is passed over, and nothing that a program is told
        return
    if not line.is_personal and (refused := refusing.of_membership(request)) is not None:
        finding.refused, finding.is_closed = refused, True
        return
    finding.add("kind", _kind(line), kind=line.kind)
    for key, check in refusing.CHECKS.items():
        finding.add(key, _fine(key, line), check(request, line))
        if finding.is_closed:
            return


def _seat(request: Request, findings: list[Finding]) -> Promise | None:
    """The first seat that there is on licenses that have nothing against the asker."""
    by_id = {each.line.row.license_id: each for each in findings}
    free = rooms(request)
    for choice in choices_of(request, [each.line for each in findings], NO_DEVICE):
        id_ = choice.line.row.license_id
        if _is_free(request, choice, by_id[id_], free[id_]):
            return Promise(id_, choice.kind, _promised(choice.line, choice.kind))
    return None


def _is_free(request: Request, choice: Choice, finding: Finding, room: Room) -> bool:
    """Whether a seat is free in one of the ways to it."""
    line, away = choice.line, _elsewhere(request, choice.line)
    if choice.is_reserved and line.is_floating and (away is not None or room.kept <= 0):
        return False  # then an open seat is tried, and tells
    if choice.is_reserved and away is not None:
        finding.add("device", "", refusing.elsewhere(request, line, away))
        return False
    is_free, number_of = (room.kept > 0, room.kept) if choice.is_reserved else (room.draw(), room.open)
    finding.add("device", _device(line, away))
    refused = None if is_free else refusing.full(request, line, room.in_use, room.next_release)
    finding.add("seats", _free(line, number_of), refused, free=number_of, seats=line.row.seats)
    return is_free


def _elsewhere(request: Request, line: Line) -> Any:
    """The lease that has the person's own seat, on a device that is another one than one that nobody knows."""
    held = line.held.get(request.own_holder)
    if held is None or not is_past(held.held_expires_at, held.held_ending_at, request.now):
        return held
    copies = select(Lease.taken_at.label("held_taken_at"), Device.name.label("held_device_name"))
    copies = copies.join(Device, Device.id == Lease.device_id).where(
        Lease.license_id == line.row.license_id, Lease.holder == request.own_holder, *Lease.LIVE,
        ~freeing.is_over(request.now),
    )  # fmt: skip
    return request.session.connection().execute(copies.order_by(Lease.id).limit(1)).first()


# ── in words ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _kind(line: Line) -> str:
    if line.is_personal:
        return str(_("It is yours alone."))
    return str(_("Whoever comes takes a free seat.") if line.is_floating else _("Its seats are given to persons."))


def _fine(key: str, line: Line) -> str:
    if key == "dates":
        until = line.row.end_on
        return str(_("It runs until %(day)s.", day=day(until)) if until else _("It has no end date."))
    if key == "permission":
        has_none = line.is_personal or line.row.permission_id is None
        return str(_("It needs no permission.") if has_none else _("There is a permission."))
    minutes = int(COOL_DOWN.total_seconds()) // 60
    return ngettext("No session was ended in the last minute.", "No session was ended in the last %(num)s minutes.",
                    minutes)  # fmt: skip


def _device(line: Line, held: Any) -> str:
    if held is not None:
        words = _(
            "The seat that is kept is in use on %(device)s, so an open one is taken.", device=held.held_device_name
        )
        return str(words)
    is_shared = line.is_personal or line.row.permission_id is None
    return str(_("Each device takes a seat of its own.") if is_shared else _("No other device uses the seat."))


def _free(line: Line, free: int) -> str:
    return ngettext("%(free)s of %(num)s seat is free.", "%(free)s of %(num)s seats are free.", line.row.seats,
                    free=number(free))  # fmt: skip


def _promised(line: Line, kind: str | None) -> str:
    words = {
        "personal": _("An application gets the seat of %(license)s, which is yours."),
        "named": _("An application gets the named seat of %(license)s."),
        "reserved": _("An application gets the reserved seat of %(license)s."),
        "floating": _("An application gets a free seat of %(license)s."),
    }
    return str(words.get(kind or "", "") % {"license": LicenseType(line.row.type).word})
