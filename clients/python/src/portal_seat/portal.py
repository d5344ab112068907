"""A portal as this computer knows it: its address, who is signed in, this device, and the leases that are kept."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from portal_seat.answers import Answer
from portal_seat.api import Api
from portal_seat.credentials import Code, SignIn
from portal_seat.device import Device
from portal_seat.errors import ClockRollback, Refused, SeatError, SignInNeeded, TokenInvalid, Unreachable, Untrusted
from portal_seat.offline import KEYS, LEEWAY, Claims, HighWater, good_for, verified
from portal_seat.store import Store

LEASE, LOAN = "lease-", "borrowed-"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Loan:
    """A seat that was taken along."""

    product: str
    lease_id: str
    until: datetime


class Portal:
    """What every seat of a program shares."""

    def __init__(
        self, api: Api, store: Store, device: Device, issuer: str, on_sign_in: Callable[[Code], None] | None,
        keys: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self.api, self.wire = api, api.wire
        self.store, self.device, self.issuer, self._pinned = store, device, issuer, keys
        self.mark = HighWater(store)
        self._on_sign_in = on_sign_in

    # ── signing in ──

    def signed_in(self, call: Callable[[], T]) -> T:
        """What a call returns; when nobody is signed in, somebody is asked to, once."""
        try:
            return call()
        except (SignInNeeded, TokenInvalid):
            if self._on_sign_in is None or not isinstance(self.api.credential, SignIn):
                raise
        self.api.credential.sign_in(self._on_sign_in)
        return call()

    # ── leases that are kept ──

    def keep(self, product: str, answer: Answer) -> None:
        """Keep what an answer proves, for a start without a network; what fails here costs nobody a seat."""
        with contextlib.suppress(OSError, SeatError):
            self._note(answer)
            if answer.token:
                self.store.write(LEASE + product, {"token": answer.token})

    def forget(self, product: str) -> None:
        """The portal said no: what was kept does not count any more."""
        with contextlib.suppress(OSError):
            self.store.remove(LEASE + product)

    def _note(self, answer: Answer) -> None:
        if answer.server_time is not None:
            is_wrong = self.wire.clock.wall() < self.mark.at - LEEWAY
            self.mark.heal(answer.server_time) if is_wrong else self.mark.see(answer.server_time)
        if answer.token:
            self._checked(answer.token, may_ask=True)

    def kept_for(self, product: str, missed: Unreachable | Refused) -> float:
        """Seconds for which the kept lease of a product is good, now that nobody answers.

        :raise ClockRollback: when this computer's clock cannot be believed.
        :raise Unreachable: or whatever was `missed`, when there is no such lease.
        """
        try:
            return self._good_for(LEASE + product)
        except ClockRollback:
            raise
        except Untrusted as why:
            raise missed from why

    def _good_for(self, name: str) -> float:
        return good_for(self._claims(name), self.mark, self.wire.clock.wall())

    def _claims(self, name: str) -> Claims:
        return self._checked(str(self.store.read(name).get("token", "")))

    def _checked(self, token: str, may_ask: bool = False) -> Claims:
        keys = self.store.read(KEYS) or (self._fetched_keys() if may_ask else {"keys": []})
        try:
            return self.checked_by(token, keys)
        except Untrusted:
            if not may_ask or self._pinned:
                raise
            return self.checked_by(token, self._fetched_keys())

    def checked_by(self, token: str, keys: Mapping[str, Any]) -> Claims:
        """What a lease says by some keys; by the ones that the program was made with, if it was."""
        return verified(token, self._pinned or keys, issuer=self.issuer, device=self.device.thumbprint)

    def _fetched_keys(self) -> dict[str, Any]:
        """The portal's keys; asked for when there are none yet, or when it has begun to sign with another."""
        keys = self.api.keys()
        self.store.write(KEYS, keys)
        return keys

    # ── borrowing ──

    def borrow(self, product: str, lease_id: str, until: datetime) -> Answer:
        """Turn a lease into one that needs no network."""
        answer = self.api.borrow(lease_id, until.astimezone(UTC).isoformat(timespec="seconds"))
        self._note(answer)
        self.store.write(LOAN + product, {"lease_id": lease_id, "token": answer.token})
        return answer

    def borrowed_for(self, product: str) -> float | None:
        """Seconds for which a borrowed seat of a product is still here; None when there is none.

        :raise ClockRollback: when this computer's clock cannot be believed.
        """
        if not self.store.read(LOAN + product):
            return None
        try:
            return self._good_for(LOAN + product)
        except ClockRollback:
            raise
        except Untrusted:
            self.store.remove(LOAN + product)
            return None

    def loans(self) -> list[Loan]:
        """The seats that were taken along, as far as they can be believed."""
        found = []
        for name in self.store.names(LOAN):
            with contextlib.suppress(Untrusted):
                claims = self._claims(name)
                until = datetime.fromtimestamp(claims.expires_at, UTC)
                found.append(Loan(name.removeprefix(LOAN), claims.lease_id, until))
        return found

    def bring_back(self, product: str) -> bool:
        """Return a borrowed seat before its time; false when there is none."""
        kept = self.store.read(LOAN + product)
        if not kept:
            return False
        proof = self.proof_of(kept["lease_id"])
        self.signed_in(lambda: self.api.bring_back(kept["lease_id"], proof))
        self.store.remove(LOAN + product)
        return True

    def proof_of(self, lease_id: str) -> str:
        """This device's word that it uses a borrowed seat no longer."""
        return self.device.sign({"jti": lease_id, "iat": int(self.wire.now())})
