"""Ending what runs: a session by an administrator, a borrowed seat that will not come back, a device's whole stock."""

from __future__ import annotations

from datetime import datetime, timedelta

from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, case, select, update
from sqlalchemy.orm import Session

from core.activity import Actor, record
from core.errors import BadInput, Missing, RuleBroken
from core.leases import BY_ADMIN, SAVE_WINDOW, WRITTEN_OFF, Lease, Station
from core.refusals import Grouped
from core.seats import freeing
from models import Account, line

LONGEST_MESSAGE = 500
LONGEST_WINDOW_S = 86_400
DEFAULT_WINDOW_S = int(SAVE_WINDOW.total_seconds())


def end_session(
    session: Session, organization_id: int, lease_id: int, by: Actor, message: str, window_s: int, now: datetime
) -> Lease:
    """End a running application's hold on its seat, after `window_s` seconds to save in; 0 ends it at once.

    The caller has locked the organization. One that has ended already stays as it ended; one that is ending anyway
    may be ended sooner, never later. Its person cannot take that license again for `COOL_DOWN`.

    :raise Missing: when the organization has no such lease.
    :raise RuleBroken: for a borrowed seat, which cannot be called back.
    :raise BadInput: for a message or a time that does not fit.
    """
    message = line(message, field="message", required=False, longest=LONGEST_MESSAGE)
    check_window(window_s)
    lease = of_organization(session, organization_id, lease_id)
    if lease.ended_at is not None:
        return lease
    if is_borrowed(lease, now):
        raise RuleBroken(_l("A borrowed seat cannot be called back. It can be written off."))
    _begin_end(session, lease, BY_ADMIN, message, now + timedelta(seconds=window_s))
    record(session, organization_id, by, "lease.end", lease, now, after={"seconds": window_s, "message": message})
    if window_s == 0:
        freeing.end(session, lease.license_id, Lease.id == lease.id, BY_ADMIN, now)
        freeing.serve_queue(session, lease.license_id, now)
    return _again(session, lease)


def write_off(session: Session, organization_id: int, lease_id: int, by: Actor, now: datetime) -> Lease:
    """Free the seat of a borrowed lease whose device is lost; one that has ended already stays as it ended.

    The caller has locked the organization.

    :raise Missing: when the organization has no such lease.
    :raise RuleBroken: when it is not borrowed.
    """
    lease = of_organization(session, organization_id, lease_id)
    if lease.ended_at is not None:
        return lease
    if not is_borrowed(lease, now):
        raise RuleBroken(_l("This seat is not borrowed. End the session instead."))
    until = lease.borrowed_until
    record(session, organization_id, by, "lease.write_off", lease, now, before={"until": until and until.isoformat()})
    freeing.end(session, lease.license_id, Lease.id == lease.id, WRITTEN_OFF, now)
    freeing.serve_queue(session, lease.license_id, now)
    return _again(session, lease)


def end_all(session: Session, which: ColumnElement[bool], reason: str, now: datetime) -> int:
    """End every live lease that a condition names, at once; returns how many.

    What is borrowed ends too: whoever asks for this knows that the device is gone.
    """
    licenses = select(Lease.license_id).where(*Lease.LIVE, which).distinct()
    ended = 0
    for license_id in sorted(session.scalars(licenses)):
        freeing.lock(session, license_id)
        ended += len(freeing.end(session, license_id, which, reason, now))
        freeing.serve_queue(session, license_id, now)
    return ended


def of_organization(session: Session, organization_id: int, lease_id: int) -> Lease:
    """The organization's lease with this id, its license locked, so that it stays as it is read.

    :raise Missing: when there is none.
    """
    mine = (Lease.id == lease_id, Lease.organization_id == organization_id)
    if (license_id := session.scalar(select(Lease.license_id).where(*mine))) is None:
        raise Missing(_l("There is no such session."))
    freeing.lock(session, license_id)
    lease = session.scalars(select(Lease).where(*mine).execution_options(populate_existing=True)).one()
    # Ended and revived on another license meanwhile: then that one is to be locked.
    return lease if lease.license_id == license_id else of_organization(session, organization_id, lease_id)


def is_borrowed(lease: Lease, now: datetime) -> bool:
    """Whether a lease is away until a day, and not back by itself."""
    return lease.borrowed_until is not None and lease.borrowed_until > now


def check_window(window_s: int) -> None:
    """See whether a save-and-close window is one.

    :raise BadInput: when it is not.
    """
    if not 0 <= window_s <= LONGEST_WINDOW_S:
        raise no_window()


def no_window() -> BadInput:
    """What was typed is no time to save in."""
    words = _l("Enter a number of seconds from 0 to %(longest)s.", longest=Grouped(LONGEST_WINDOW_S))
    return BadInput(words, field="seconds")


def holder_name(session: Session, lease: Lease) -> str:
    """Whose a lease is: a person's name, or a station's."""
    named = select(Account.name).where(Account.id == lease.account_id)
    if lease.station_id is not None:
        named = select(Station.name).where(Station.id == lease.station_id)
    return session.scalar(named) or ""


def _begin_end(session: Session, lease: Lease, reason: str, message: str, at: datetime) -> None:
    """Set the window, or shorten the one there is; the newest reason is what the program is told."""
    sooner = case((Lease.ending_at < at, Lease.ending_at), else_=at)
    ending = update(Lease).where(Lease.id == lease.id)
    session.execute(ending.values(ending_at=sooner, ending_reason=reason, ending_message=message))


def _again(session: Session, lease: Lease) -> Lease:
    session.refresh(lease)
    return lease
