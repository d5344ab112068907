"""What ends a right, done to the cast while their programs run; and how a session stands afterwards."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.orm import Session

from core.activity import COMMAND
from core.leases import SAVE_WINDOW
from models import PermissionKey
from tests.cast import Cast
from tests.kestrel import Kestrel
from tests.races import Deed
from tests.seat_desk import SeatDesk

LONG = int(SAVE_WINDOW.total_seconds())
POOL = 5  # open seats of the floating product: 6, of which one is reserved for carol
ENDINGS = {
    "disable": "membership_disabled", "remove": "removed", "leave": "left", "block": "account_blocked",
}  # fmt: skip


def deed(what: str, name: str, cast: Cast) -> Deed:
    """One of the things that end a participation, or an account's use."""

    def do(session: Session) -> None:
        kestrel = Kestrel(session, cast)
        alice, by = kestrel.organization.member_of(kestrel.account("alice")), kestrel.by("alice")
        if what == "block":
            kestrel.account(name).block(COMMAND, cast.now)
        elif what == "leave":
            kestrel.member(name).leave(kestrel.by(name), cast.now)
        else:
            getattr(kestrel.member(name), what)(by, alice, cast.now)

    return do


def window(desk: SeatDesk, uuid: str) -> tuple[str | None, float]:
    """Why a session ends, and in how many seconds of the desk's beginning."""
    lease = desk.lease(uuid)
    assert lease.ending_at is not None
    return lease.ending_reason, (lease.ending_at - desk.cast.now).total_seconds()


def borrow(desk: SeatDesk, uuid: str) -> None:
    """Take a session's seat along for two days."""
    lease = desk.lease(uuid)
    lease.borrowed_until = lease.expires_at = desk.now + timedelta(days=2)
    desk.session.commit()


def end_of(desk: SeatDesk, license: str, seconds: int) -> None:
    """Let a license end so many seconds after the beginning."""
    desk.license(license).ends_at = desk.cast.now + timedelta(seconds=seconds)
    desk.session.commit()


def untick(desk: SeatDesk, kestrel: Kestrel, license: str, name: str) -> None:
    """Take somebody's permission back."""
    kestrel.organization.license(desk.cast.license[license]).take(kestrel.member(name), kestrel.by("alice"), desk.now)
    desk.session.commit()


def tick(desk: SeatDesk, kestrel: Kestrel, license: str, name: str) -> None:
    """Give somebody a permission."""
    kestrel.organization.license(desk.cast.license[license]).give(kestrel.member(name), kestrel.by("alice"), desk.now)
    desk.session.commit()


def key_of(desk: SeatDesk, license: str) -> PermissionKey:
    """The key of a license."""
    return desk.session.get_one(PermissionKey, desk.license(license).key_id, populate_existing=True)


def vendor(desk: SeatDesk, what: str, license: str = "annual", **more: object) -> None:
    """What the vendor does to a license's key."""
    getattr(key_of(desk, license), what)(COMMAND, desk.now, **more)
    desk.session.commit()
