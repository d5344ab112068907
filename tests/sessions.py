"""Sessions that run: leases of the cast as rows, in the states that the Status page shows, as many as a test wants."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Engine, insert, update
from sqlalchemy.orm import Session

from core.dates import now
from core.grants import TokenFamily
from core.leases import BY_ADMIN, LEASE, Denial, Device, Lease, Station, Ticket
from models import License
from tests.cast import Cast
from tests.statements import fill_accounts

FIRST = 3_000_000  # far from the ids of the cast and of filled members
STATES: dict[str, dict[str, Any]] = {
    "running": {},
    "idle": {"idle_s": 26 * 60},
    "silent": {"renewed_at": -timedelta(seconds=350), "expires_at": timedelta(seconds=250)},
    "ending": {"ending_at": timedelta(seconds=130), "ending_reason": BY_ADMIN, "ending_message": "For the tender"},
    "borrowed": {"borrowed_until": timedelta(days=2), "expires_at": timedelta(days=2)},
}  # fmt: skip


def begin(session: Session, cast: Cast, who: str, license: str, state: str = "running", **more: Any) -> int:
    """A session of somebody on a license; returns the lease's id."""
    at, account_id = now(), cast.player(who).account_id
    device = Device(account_id=account_id, client_id=f"{who} {license} {state}", name=more.pop("device", f"WS-{who}"),
                    seen_at=at)  # fmt: skip
    session.add(device)
    session.flush()
    values = {**_values(cast, license, at, account_id, device.id), **_moved(STATES[state], at), **more}
    values["organization_id"] = cast.other_id if license == "other" else cast.organization_id
    lease = Lease(uuid=f"{who}-{license}-{state}", holder=f"a{account_id}:d{device.id}", **values)
    session.add(lease)
    license_row = session.get_one(License, cast.license[license])
    license_row.in_use += 1
    session.commit()
    return lease.id


def scene(session: Session, cast: Cast) -> dict[str, int]:
    """What pages about running programs are about, by name: their ids."""
    running, borrowed = begin(session, cast, "bob", "cloud"), begin(session, cast, "carol", "cloud", "borrowed")
    family = TokenFamily(account_id=cast.bob.account_id, organization_id=cast.organization_id,
                         client_name="Render Studio", made_at=now())  # fmt: skip
    station = Station(organization_id=cast.organization_id, product_id=cast.product["render"], name="CI-BUILD-01",
                      key_hash=Station.hashed("st_x"), made_by=cast.alice.account_id, made_at=now())  # fmt: skip
    session.add_all([family, station])
    deny(session, cast, "dora", "render", "membership_disabled", "You are disabled. An administrator can change that.")
    return {
        "session": running, "borrowed": borrowed, "foreign": begin(session, cast, "mallory", "other"),
        "device": session.get_one(Lease, running).device_id, "sign_in": family.id, "station": station.id,
        "render": cast.product["render"],
    }  # fmt: skip


def deny(session: Session, cast: Cast, who: str, product: str, code: str, detail: str, **more: Any) -> None:
    """Somebody who was refused a seat now."""
    values = {"uuid": f"{who}-{code}", "account_id": cast.player(who).account_id, "code": code, "detail": detail,
              "at": now(), **more}  # fmt: skip
    row = Denial(organization_id=cast.organization_id, product_id=cast.product[product], **values)
    session.add(row)
    session.commit()


def wait(session: Session, cast: Cast, who: str, product: str) -> None:
    """Somebody who waits for a seat."""
    at, account_id = now(), cast.player(who).account_id
    device = Device(account_id=account_id, client_id=f"{who} waits", name="x", seen_at=at)
    session.add(device)
    session.flush()
    session.add(
        Ticket(uuid=f"{who}-waits", organization_id=cast.organization_id, product_id=cast.product[product],
               account_id=account_id, device_id=device.id, asked_at=at, polled_at=at)
    )  # fmt: skip
    session.commit()


def fill(engine: Engine, cast: Cast, license: str, size: int, first: int = FIRST) -> None:
    """So many running sessions of as many people, written in four statements; the license has the seats for them."""
    with engine.begin() as connection:
        fill_accounts(connection, cast, size, first)
        _fill_leases(connection, cast, license, size, first)
        counts = {"seats": License.seats + size, "in_use": License.in_use + size}
        connection.execute(update(License).where(License.id == cast.license[license]).values(counts))
        connection.exec_driver_sql("ANALYZE")


def _fill_leases(connection: Connection, cast: Cast, license: str, size: int, first: int) -> None:
    at, ids = now(), range(first, first + size)
    kinds = list(STATES.values())
    connection.execute(insert(Device), [
        {"id": id_, "account_id": id_, "client_id": f"d{id_}", "name": f"CAD-WS-{id_}", "seen_at": at} for id_ in ids
    ])  # fmt: skip
    blank = {"ending_at": None, "ending_reason": None, "ending_message": "", "borrowed_until": None, "idle_s": 0}
    connection.execute(insert(Lease), [
        {"id": id_, "uuid": f"u{id_}", "holder": f"a{id_}:d{id_}", **blank, **_values(cast, license, at, id_, id_),
         **_moved(kinds[id_ % len(kinds)], at)}
        for id_ in ids
    ])  # fmt: skip


def _values(cast: Cast, license: str, at: Any, account_id: int, device_id: int) -> dict[str, Any]:
    return {
        "organization_id": cast.organization_id, "license_id": cast.license[license], "account_id": account_id,
        "device_id": device_id, "takes_seat": True, "is_reserved": False, "seq": 0, "app_version": "27.1",
        "taken_at": at, "renewed_at": at, "expires_at": at + LEASE,
    }  # fmt: skip


def _moved(values: dict[str, Any], at: Any) -> dict[str, Any]:
    return {name: at + value if isinstance(value, timedelta) else value for name, value in values.items()}
