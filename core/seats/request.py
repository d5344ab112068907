"""One question of a program with everything that decides about it, and what it may get for an answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy.orm import Session

from core.dates import LicenseType
from core.rights import Condition, condition
from core.seats.asking import Asking, Caller, Facts

TRIES = 5  # of a question that met another one


class Raced(Exception):
    """Somebody changed the same seats meanwhile, or could; asking again finds out how."""


@dataclass(frozen=True, slots=True)
class Seat:
    """What a program holds; `used` and `total` are of the license."""

    lease_id: int
    license_id: int
    kind: str
    used: int
    total: int
    expires_at: datetime
    is_new: bool = False
    ending_at: datetime | None = None
    message: str = ""
    borrowed_until: datetime | None = None
    line_ends_at: datetime | None = None
    line_end_on: date | None = None  # its last day, where its owner is
    public_key: str | None = None  # of the device


@dataclass(frozen=True, slots=True)
class Queued:
    """A place in the queue, counted from 1."""

    position: int


@dataclass(slots=True)
class Line:
    """A license of the product, with the seats that the asker's holders have on it already."""

    row: Facts
    held: dict[str, Facts] = field(default_factory=dict)

    @property
    def is_floating(self) -> bool:
        """Whether seats are drawn by whoever comes."""
        return LicenseType(self.row.type).is_floating

    @property
    def is_personal(self) -> bool:
        """Whether it is a person's own license."""
        return self.row.owner_id is not None

    @property
    def kind(self) -> str:
        """The word of the protocol for the seat that the asker would get here first."""
        if self.is_personal:
            return "personal"
        return "named" if not self.is_floating else "floating" if self.row.permission_id is None else "reserved"

    @property
    def last_first(self) -> tuple[float, int]:
        """Orders licenses by their ends, the last one first, those without an end last of all."""
        return last_first(self.row.ends_at, self.row.license_id)

    def condition(self, now: datetime) -> Condition:
        """What the license is at a moment."""
        return condition(self.row, now)


def is_past(expires_at: datetime, ending_at: datetime | None, now: datetime) -> bool:
    """Whether a lease is over, be it ended already or not."""
    return expires_at <= now or (ending_at is not None and ending_at <= now)


def lines_of(rows: Iterable[Facts]) -> list[Line]:
    """The licenses of some rows, in the order in which seats are taken from them."""
    lines: dict[int, Line] = {}
    for row in rows:
        if row.license_id is not None:
            line = lines.setdefault(row.license_id, Line(row))
            if row.held_id is not None:
                line.held[row.held_holder] = row
    return sorted(lines.values(), key=_rank)


def _rank(line: Line) -> tuple[int, tuple[float, int]]:
    return rank(line.kind, line.row.type, line.row.ends_at, line.row.license_id)


def rank(kind: str, type_: str, ends_at: datetime | None, license_id: int) -> tuple[int, tuple[float, int]]:
    """Orders licenses: personal, named, trial, reserved, floating; of a kind the one that ends last first."""
    kind = "trial" if type_ == LicenseType.TRIAL and kind != "personal" else kind
    return ("personal", "named", "trial", "reserved", "floating").index(kind), last_first(ends_at, license_id)


def last_first(ends_at: datetime | None, license_id: int) -> tuple[float, int]:
    """Orders licenses by their ends, the last one first, those without an end last of all."""
    return -ends_at.timestamp() if ends_at is not None else 0.0, license_id


@dataclass(slots=True)
class Request:
    """A question and all that decides about it.

    `is_locked` while nobody else can change the seats that it is about; `is_offered` once it is served with the seat
    that was held for it; `has_left` once it waits no longer.
    """

    session: Session
    caller: Caller
    asking: Asking
    now: datetime
    facts: Facts
    lines: list[Line]
    is_locked: bool = False
    is_offered: bool = False
    has_left: bool = False

    @property
    def is_ours(self) -> bool:
        """Whether the lease with this uuid is the asker's."""
        mine = (self.caller.account_id, self.caller.station_id)
        return (self.facts.known_account_id, self.facts.known_station_id) == mine

    @property
    def ticket_id(self) -> int | None:
        """The asker's place in the queue, while he has one."""
        return None if self.has_left else self.facts.ticket_id

    @property
    def offered_id(self) -> int | None:
        """The license on which a seat is held for the asker, who waited for it."""
        is_held = self.ticket_id is not None and self.facts.offered_license_id is not None
        return self.facts.offered_license_id if is_held and self.facts.offered_until > self.now else None

    @property
    def own_holder(self) -> str:
        """Whose a seat is that was given to the person, whichever device it serves."""
        return f"a{self.caller.account_id}"

    def open_holder(self, device_id: int) -> str:
        """Whose a seat is that one device draws."""
        whose = f"s{self.caller.station_id}" if self.caller.station_id is not None else self.own_holder
        return f"{whose}:d{device_id}"

    def settle(self) -> None:
        """Make sure that nobody changes these seats meanwhile.

        :raise Raced: when somebody could; asked again, the question locks them first.
        """
        if not self.is_locked:
            raise Raced

    @property
    def public_key(self) -> str | None:
        """What the asker's device signs with, as far as it has said."""
        return self.facts.public_key or self.asking.public_key

    @property
    def has_own(self) -> bool:
        """Whether a live named seat is the asker's, so that he draws from no pool."""
        return any(
            (line.is_personal or (line.row.permission_id is not None and not line.is_floating))
            and line.condition(self.now) is Condition.ACTIVE
            and bool(line.row.seats)
            for line in self.lines
        )

    def line(self, license_id: int) -> Line | None:
        """The license with this id, while the asker's side has it."""
        return next((each for each in self.lines if each.row.license_id == license_id), None)
