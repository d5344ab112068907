"""What runs in the worked example: programs of its people on their computers, kept alive while the demo is.

Programs ask as every other one does. `renew` is what the demo's worker does now and then in their place; a fleet of
simulated programs may take that over.
"""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.dates import now, today
from core.db import db
from core.demo.data import AMIRA, ANNA, GRACE, HANH, JANA, LUKASZ, MAX, MEILING, OLU, TOM, ZONE
from core.denials import Denied
from core.grants import TokenFamily
from core.leases import Lease, UsageDay
from core.seats import borrowing, giving, taking
from core.seats.asking import Asking, Caller
from models import Account, License, PermissionKey

RENEW_EVERY = 60.0  # seconds
DAYS = 28  # of past use
HOUR = 60  # minutes
SHARES = (70, 85, 100, 90, 60, 15, 0)  # of a hundred, from Monday


class Launch(NamedTuple):
    """A program on somebody's computer, started so many minutes ago."""

    email: str
    product: str
    device: str
    minutes: int
    os: str = "windows"
    version: str = "2026.1"
    idle: int = 0  # minutes without a hand on it
    ended: int | None = None  # minutes ago
    borrowed: int | None = None  # days
    waits: bool = False

    @property
    def uuid(self) -> str:
        """Its number, the same at every first start."""
        return str(uuid5(NAMESPACE_URL, f"demo:{self.email}:{self.product}:{self.minutes}"))


COMMANDER, MECHANICAL, RENDER, SERVER = "halden-commander", "halden-mechanical", "halden-render", "halden-server"
LAUNCHES = (
    Launch(TOM, SERVER, "BUILD-01", 5 * HOUR, "linux"),
    Launch(ANNA, COMMANDER, "CAD-WS-004", 4 * HOUR),
    Launch(LUKASZ, COMMANDER, "CAD-WS-031", 3 * HOUR, version="2025.2", idle=26),
    Launch(MEILING, COMMANDER, "LAPTOP-LI", 3 * HOUR, "macos", borrowed=3),
    Launch(JANA, COMMANDER, "CAD-WS-021", 2 * HOUR),
    Launch(TOM, MECHANICAL, "CAD-WS-002", 2 * HOUR),
    Launch(MAX, MECHANICAL, "CAD-WS-009", 26 * HOUR, ended=20 * HOUR),
    Launch(JANA, RENDER, "CAD-WS-021", 100),
    Launch(HANH, RENDER, "CAD-WS-012", 80, version="2025.2"),
    Launch(OLU, RENDER, "CAD-WS-017", 70, "linux"),
    Launch(LUKASZ, RENDER, "CAD-WS-031", 9),  # denied: every seat is in use
    Launch(ANNA, RENDER, "CAD-WS-004", 8),  # denied
    Launch(MAX, RENDER, "CAD-WS-009", 6, waits=True),
    Launch(GRACE, MECHANICAL, "STUDIO-1", 3 * HOUR, "macos"),
    Launch(AMIRA, RENDER, "STUDIO-3", 45, "macos"),
)
#: Who asks again and again; who was denied, or gave back, does not.
LIVING = tuple(each for each in LAUNCHES if (each.minutes > 9 and each.ended is None) or each.waits)


def begin(session: Session, at: datetime) -> None:
    """Start every program at its time, and let what it used stand in the days before."""
    look_back(session, at)
    for launch in LAUNCHES:
        then = at - timedelta(minutes=launch.minutes)
        caller = signed_in(session, launch, then)
        _ask(session, caller, launch, then)
        if launch.ended is not None:
            giving.give_back(session, caller, launch.uuid, at - timedelta(minutes=launch.ended))
        elif launch in LIVING:
            _keep(session, launch, then, at)


def renew() -> None:
    """Let every program that still runs ask again; one that was ended stays ended."""
    keep_alive(db.session, now())


def keep_alive(session: Session, at: datetime) -> None:
    """As `renew`, at a moment."""
    for launch in LIVING:
        lease = session.scalars(select(Lease).where(Lease.uuid == launch.uuid)).one_or_none()
        is_away = lease is not None and lease.borrowed_until is not None
        session.rollback()
        if not is_away:
            _ask(session, signed_in(session, launch, at), launch, at)


def _keep(session: Session, launch: Launch, since: datetime, at: datetime) -> None:
    """Hold a seat from the start until now, as if it had been renewed all the time."""
    lease = session.scalars(select(Lease).where(Lease.uuid == launch.uuid)).one_or_none()
    if lease is None:  # it waits
        return
    lease.expires_at = at + timedelta(minutes=1)
    session.commit()
    caller = signed_in(session, launch, since)
    _ask(session, caller, launch, at)
    if launch.borrowed is not None:
        borrowing.borrow(session, caller, launch.uuid, at + timedelta(days=launch.borrowed), at)
        session.commit()


def _ask(session: Session, caller: Caller, launch: Launch, at: datetime) -> None:
    asking = Asking(
        launch.uuid, launch.product, launch.device.lower(), launch.device, launch.os, version=launch.version,
        queue=launch.waits, idle_s=launch.idle * 60, seq=int(at.timestamp()),
    )  # fmt: skip
    with contextlib.suppress(Denied):  # which is kept, and shown
        taking.ask(session, caller, asking, at)


def signed_in(session: Session, launch: Launch, at: datetime) -> Caller:
    """The sign-in of a person's program on one computer, made at its first question."""
    account = session.scalars(select(Account).where(Account.email == launch.email)).one()
    member = account.membership
    here = member.organization_id if member is not None else None
    mine = (TokenFamily.account_id == account.id, TokenFamily.client_name == name_of(launch))
    family = session.scalars(select(TokenFamily).where(*mine)).first()
    if family is None:
        family = TokenFamily(account_id=account.id, organization_id=here, client_name=name_of(launch), made_at=at)
        session.add(family)
        session.flush()
    caller = Caller(here, family.id, account.id)
    session.commit()
    return caller


def name_of(launch: Launch) -> str:
    """What a program calls itself when it signs in."""
    return f"{launch.product} on {launch.device}"


def look_back(session: Session, at: datetime) -> None:
    """What the weeks before saw of every license that was in use then: more in the week, nothing on Sundays."""
    day = today(at, ZONE)
    owned = select(License).join(PermissionKey).where(PermissionKey.redeemed_at.is_not(None), License.seats > 0)
    for license in session.scalars(owned.order_by(License.id)):
        for back in range(1, DAYS + 1):
            then = day - timedelta(days=back)
            if license.start_on <= then <= (license.end_on or then) and (peak := _peak(license, then.toordinal())):
                session.add(
                    UsageDay(license_id=license.id, day=then, peak=peak, check_outs=3 * peak - 1,
                             denials=2 if peak == license.seats > 1 else 0)
                )  # fmt: skip
    session.commit()


def _peak(license: License, ordinal: int) -> int:
    most = license.seats if license.is_floating else license.reserved
    return round(most * SHARES[(ordinal - 1) % 7] / 100)
