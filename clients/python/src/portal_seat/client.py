"""Where a program begins: `with Client("https://portal.example").seat("ares-commander") as seat:`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2

from portal_seat import carrying
from portal_seat.answers import Directive, Entitlement
from portal_seat.api import Api
from portal_seat.clock import Clock
from portal_seat.credentials import Code, Credential, SignIn, StationKey
from portal_seat.device import Device
from portal_seat.keeping import State
from portal_seat.portal import Loan, Portal
from portal_seat.seat import Listeners, Seat, nothing
from portal_seat.store import Store
from portal_seat.wire import Wire

STATION_KEY = "SEAT_STATION_KEY"  # the variable that holds a station's key


def print_code(code: Code) -> None:
    """Ask the person at the terminal to sign in."""
    print(f"To sign in, open {code.address} and enter {code.code}.", file=sys.stderr, flush=True)


class Client:
    """A portal, reached as a station or as the person who is signed in on this computer."""

    def __init__(
        self,
        url: str,
        *,
        station_key: str | None = None,
        name: str = "portal-seat",
        device_name: str | None = None,
        language: str = "",
        issuer: str | None = None,
        keys: Mapping[str, Any] | None = None,
        folder: Path | None = None,
        on_sign_in: Callable[[Code], None] | None = print_code,
        clock: Clock | None = None,
        transport: httpx2.BaseTransport | None = None,
        verify: Any = True,
    ) -> None:
        wire = Wire(url, clock=clock, transport=transport, language=language, verify=verify)
        store = Store.of(wire.url, folder)
        device = Device.of(store, device_name)
        key = station_key or os.environ.get(STATION_KEY)
        credential: Credential = StationKey(key) if key else SignIn(wire, store, device, name)
        self.portal = Portal(Api(wire, credential), store, device, issuer or wire.url, on_sign_in, keys)

    def seat(
        self,
        product: str,
        *,
        version: str = "",
        queue: bool = False,
        on_state: Callable[[State], None] = nothing,
        on_queue: Callable[[int], None] = nothing,
        on_directive: Callable[[Directive], None] = nothing,
        renew_every: float | None = None,
    ) -> Seat:
        """A seat of a product, taken when a `with` block begins and given back when it ends.

        With `queue` it waits for its turn and tells `on_queue` the place. `renew_every` seconds, where the portal would
        be asked more rarely, lets the program hear sooner that its session is to end.
        """
        listeners = Listeners(on_state, on_queue, on_directive)
        return Seat(
            self.portal, product, version=version, queue=queue, listeners=listeners, renew_every=renew_every
        )  # fmt: skip

    def sign_in(self, show: Callable[[Code], None] = print_code) -> None:
        """Sign a person in on this computer: show him a code, and wait until he has approved it."""
        if isinstance(self.portal.api.credential, SignIn):
            self.portal.api.credential.sign_in(show)

    def sign_out(self) -> None:
        """Forget the sign-in on this computer; the Devices page of the portal ends it everywhere."""
        if isinstance(self.portal.api.credential, SignIn):
            self.portal.api.credential.sign_out()

    def entitlements(self) -> list[Entitlement]:
        """What may run now, and why not."""
        return self.portal.signed_in(self.portal.api.entitlements)

    def loans(self) -> list[Loan]:
        """The seats that were taken along on this computer."""
        return self.portal.loans()

    def bring_back(self, product: str) -> bool:
        """Return a borrowed seat before its time; false when none was borrowed."""
        return self.portal.bring_back(product)

    def request(self, product: str, until: datetime, *, version: str = "") -> str:
        """The text of a request file: on a computer without a network, for a seat that is borrowed until a moment."""
        return carrying.request(self.portal, product, until, version)

    def install(self, answer: str) -> Loan:
        """Take the seat that the answer to a request brings.

        :raise Untrusted: when it is for another computer, from another portal, returned already, or run out.
        """
        return carrying.install(self.portal, answer)

    def give_up(self, product: str) -> str | None:
        """Give a borrowed seat up without a network: the proof that is carried to the portal; None without one."""
        return carrying.give_up(self.portal, product)

    def close(self) -> None:
        """Let the connections go."""
        self.portal.wire.close()

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Let the connections go."""
        self.close()
