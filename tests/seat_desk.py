"""Programs that ask for seats, without the wire: by the names of the cast, at so many seconds after its beginning."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session

from core.denials import Denied
from core.grants import TokenFamily
from core.leases import Lease, Station, Ticket
from core.seats import freeing, giving, taking
from core.seats.asking import Asking, Caller
from core.seats.request import Queued, Seat
from models import License
from tests.cast import Cast


class SeatDesk:
    """Every person's program is signed in once for each device; `desk.later` moves its clock."""

    def __init__(self, session: Session, cast: Cast) -> None:
        self.session, self.cast, self.later = session, cast, 0.0
        self._callers: dict[tuple[str, str], Caller] = {}

    @property
    def now(self) -> datetime:
        """The desk's time."""
        return self.cast.now + timedelta(seconds=self.later)

    def ask(self, name: str, uuid: str, product: str = "render", device: str = "", **more: Any) -> Seat | Queued:
        """A person's program, or a station's, asks for a seat from one of his devices."""
        asking = Asking(uuid, product, device or f"{name}'s", **more)
        return taking.ask(self.session, self.caller(name, device), asking, self.now)

    def seat(self, name: str, uuid: str, *rest: Any, **more: Any) -> Seat:
        """As `ask`, and gets one."""
        found = self.ask(name, uuid, *rest, **more)
        assert isinstance(found, Seat)
        return found

    def denied(self, name: str, uuid: str, *rest: Any, **more: Any) -> Denied:
        """As `ask`, and is refused."""
        with pytest.raises(Denied) as caught:
            self.ask(name, uuid, *rest, **more)
        return caught.value

    def fill(self, seats: int, name: str = "bob") -> None:
        """Take so many seats of the floating product, each from a device of its own."""
        for number in range(seats):
            self.seat(name, f"fill-{number}", device=f"d{number}")

    def give_back(self, name: str, uuid: str, device: str = "") -> None:
        """The program gives its seat back."""
        giving.give_back(self.session, self.caller(name, device), uuid, self.now)

    def end(self, uuid: str, reason: str) -> None:
        """End a lease at once, as an administrator does."""
        lease = self.lease(uuid)
        lease.ending_at, lease.ending_reason = self.now, reason
        self.session.flush()
        freeing.lock(self.session, lease.license_id)
        freeing.end(self.session, lease.license_id, Lease.id == lease.id, reason, self.now)
        self.session.commit()

    def lease(self, uuid: str) -> Lease:
        """The row of a launch."""
        return self.session.scalars(select(Lease).where(Lease.uuid == uuid).execution_options(**FRESH)).one()

    def license(self, name: str) -> License:
        """A license by the cast's name for it."""
        return self.session.get_one(License, self.cast.license[name], populate_existing=True)

    def caller(self, name: str, device: str = "") -> Caller:
        """Whose token it is; a name that the cast does not know is a station's."""
        if (name, device) not in self._callers:
            make = self._person if name in self.cast.names else self._station
            self._callers[name, device] = make(name)
            self.session.commit()
        return self._callers[name, device]

    def station(self, name: str, product: str) -> None:
        """Make a station, which asks by its name from then on."""
        row = Station(
            organization_id=self.cast.organization_id, product_id=self.cast.product[product], name=name,
            key_hash=Station.hashed(name), made_at=self.cast.now,
        )  # fmt: skip
        self.session.add(row)
        self.session.commit()

    def _person(self, name: str) -> Caller:
        player = self.cast.player(name)
        here = self.cast.organization_id if player.member_id is not None and name != "mallory" else None
        row = TokenFamily(account_id=player.account_id, organization_id=here, client_name="x", made_at=self.cast.now)
        self.session.add(row)
        self.session.flush()
        return Caller(here, row.id, player.account_id)

    def _station(self, name: str) -> Caller:
        id_ = self.session.scalars(select(Station.id).where(Station.name == name)).one()
        return Caller(self.cast.organization_id, station_id=id_)


FRESH = {"populate_existing": True}


def wrong_books(session: Session) -> list[str]:
    """The licenses whose stored counts are not what leases and offers say."""
    session.rollback()
    rows = session.connection().execute(BOOKS).all()
    session.rollback()
    return [
        str(dict(row._mapping))
        for row in rows
        if row.in_use != row.leases + row.offers or row.reserved_in_use != row.reserved or row.leases < row.devices
    ]


def _books() -> Select[*tuple[Any, ...]]:
    takes = func.count(Lease.id).filter(Lease.takes_seat)
    offers = select(func.count(Ticket.id)).where(Ticket.license_id == License.id).scalar_subquery()
    return (
        select(
            License.id, License.in_use, License.reserved_in_use, takes.label("leases"),
            func.count(Lease.id).filter(Lease.takes_seat, Lease.is_reserved).label("reserved"),
            func.count(Lease.device_id.distinct()).label("devices"), offers.label("offers"),
        )
        .outerjoin(Lease, and_(Lease.license_id == License.id, *Lease.LIVE))
        .group_by(License.id)
    )  # fmt: skip


BOOKS = _books()  # made once: a machine looks after every step
