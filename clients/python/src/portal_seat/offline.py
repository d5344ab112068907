"""Whether a kept lease still counts, without asking anybody: a signature, a device, and two times."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from portal_seat.device import ALGORITHM
from portal_seat.errors import ClockRollback, Untrusted
from portal_seat.store import Store

MARK, KEYS = "mark", "keys"
LEEWAY = 300.0  # seconds that a clock may go back without being suspected


@dataclass(frozen=True, slots=True)
class Claims:
    """What a lease token says."""

    lease_id: str
    product: str
    mode: str
    issued_at: float
    expires_at: float
    grace: float
    seq: int

    @property
    def good_until(self) -> float:
        """When it stops to count, grace included."""
        return self.expires_at + self.grace


def verified(token: str, keys: Mapping[str, Any], *, issuer: str, device: str | None) -> Claims:
    """What a token says, once it is known to be the issuer's and for the device with this thumbprint.

    :raise Untrusted: when it is neither, or signed with any other algorithm.
    """
    try:
        signed = jws.deserialize_compact(token, KeySet.import_key_set(dict(keys)), algorithms=[ALGORITHM])  # type: ignore[arg-type]
        body = json.loads(signed.payload or b"")
        if body["iss"] != issuer:
            raise Untrusted(f"The lease is from {body['iss']}, not from {issuer}.")
        if (body.get("dev") or device) != device:
            raise Untrusted("The lease was made for another device.")
        return Claims(body["jti"], body["prod"], body.get("mode", ""), float(body["iat"]), float(body["exp"]),
                      float(body.get("grace", 0)), int(body.get("seq", 0)))  # fmt: skip
    except (JoseError, ValueError, KeyError, TypeError) as wrong:
        raise Untrusted(f"The lease is not signed by {issuer}: {wrong}") from None


class HighWater:
    """The greatest time that was seen on this computer: a clock that stands before it was turned back."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def at(self) -> float:
        """Seconds since 1970."""
        return max(float(self._store.read(MARK).get("at", 0.0)), self._store.newest())

    def see(self, *times: float) -> None:
        """Note times that have come."""
        if (latest := max(times)) > float(self._store.read(MARK).get("at", 0.0)):
            self._store.write(MARK, {"at": latest})

    def heal(self, server_time: float) -> None:
        """Believe the portal: whatever this computer thought before counts no more."""
        self._store.write(MARK, {"at": server_time})
        self._store.touch()

    def check(self, now: float) -> None:
        """Whether this computer's clock can be believed.

        :raise ClockRollback: when it stands before what was seen.
        """
        if now < self.at - LEEWAY:
            raise ClockRollback("This computer's clock was turned back; connect to the portal once.")


def good_for(claims: Claims, mark: HighWater, now: float) -> float:
    """Seconds for which a verified lease still counts.

    :raise ClockRollback: when the clock cannot be believed.
    :raise Untrusted: when it has run out.
    """
    mark.check(now)
    if now > claims.good_until:
        raise Untrusted("The kept lease has run out; connect to the portal.")
    mark.see(now, claims.issued_at)
    return claims.good_until - now
