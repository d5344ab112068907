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
from sqlalchemy.orm import Session

from core.dates import LicenseType
from core.denials import Denied
from core.errors import Missing
from core.leases import COOL_DOWN
from core.pages.words import day, ngettext, number
from core.seats import refusing
from core.seats.asking import Asking, Caller, facts_about
from core.seats.request import Line, Request, lines_of
from core.seats.room import Room, rooms

#: The steps of a license, in their order; those of the person and the product come before.
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
    request = Request(session, caller, asking, now, rows[0], lines)
    steps, refused = _of_person(request)
    if refused is not None:
        return Chain(request, [*steps, *_unreached(lines)], refused)
    return _along(request, steps)


def _along(request: Request, steps: list[Step]) -> Chain:
    """Go from license to license until one has a seat."""
    free, refusals, promise = rooms(request), [], None
    for line in request.lines:
        if promise is not None:
            steps += _unreached([line])
            continue
        made, found = _of_license(request, line, free[line.row.license_id])
        steps += made
        if isinstance(found, Denied):
            refusals.append(found)
        else:
            promise = found
    return Chain(request, steps, promise or refusing.worst(refusals or [refusing.nothing(request)]))


def _unreached(lines: list[Line]) -> list[Step]:
    return [Step(key, Answer.NOT_REACHED, license_id=line.row.license_id) for line in lines for key in OF_LICENSE]


# ── the person and the product ───────────────────────────────────────────────────────────────────────────────────────


def _of_person(request: Request) -> tuple[list[Step], Denied | None]:
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


# ── one license ──────────────────────────────────────────────────────────────────────────────────────────────────────

Found = tuple[str, Denied | None, str, dict[str, Any]]


def _of_license(request: Request, line: Line, room: Room) -> tuple[list[Step], Promise | Denied | None]:
    """The steps of a license, and its seat or what it has against the asker; nothing where it is passed over."""
    if line.is_floating and request.has_own:
        words = _("There is a named seat, and it is taken first.")
        return _steps(line, [("kind", Denied("flex_not_allowed_has_named", words), "", {})]), None
    if not line.is_personal and (refused := refusing.of_membership(request)) is not None:
        return _steps(line, []), refused
    found: list[Found] = [("kind", None, _kind(line), {"kind": line.kind})]
    found += [(key, check(request, line), _fine(key, line), {}) for key, check in refusing.CHECKS.items()]
    refused = next((each[1] for each in found if each[1] is not None), None)
    if refused is not None:
        return _steps(line, found), refused
    more, seat = _seat(request, line, room)
    return _steps(line, [*found, *more]), seat


def _steps(line: Line, found: list[Found]) -> list[Step]:
    """What was found, up to the first refusal; the rest of the license's steps are not reached."""
    steps: list[Step] = []
    for key, refused, words, facts in found:
        steps.append(_step(key, refused, words, line.row.license_id, **facts))
        if refused is not None:
            break
    return steps + [Step(key, Answer.NOT_REACHED, license_id=line.row.license_id) for key in OF_LICENSE[len(steps) :]]


def _seat(request: Request, line: Line, room: Room) -> tuple[list[Found], Promise | Denied]:
    """Whether one is free: the one that was given or kept first, then, of floating ones, an open one."""
    held = line.held.get(f"p{line.row.permission_id}")
    is_away = held is not None and held.held_expires_at > request.now
    away = refusing.elsewhere(request, line, held) if is_away else None
    kind, free = None, 0
    if line.kind != "floating" and away is None and room.kept > 0:
        kind, free = line.kind, room.kept
    elif line.is_floating and room.draw():
        kind, free = "floating", room.open
    refused = None if kind is not None else away or refusing.full(request, line)
    found: list[Found] = [
        ("device", refused if away is not None else None, _device(line, held if is_away else None), {}),
        ("seats", refused, _free(line, free), {"free": free, "seats": line.row.seats}),
    ]
    return found, refused or Promise(line.row.license_id, kind or "", _promised(line, kind))


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
        "personal": _("A program gets the seat of %(license)s, which is yours."),
        "named": _("A program gets the named seat of %(license)s."),
        "reserved": _("A program gets the reserved seat of %(license)s."),
        "floating": _("A program gets a free seat of %(license)s."),
    }
    return str(words.get(kind or "", "") % {"license": LicenseType(line.row.type).word})
