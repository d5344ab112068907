"""Files for a computer without a network: a request that is carried to the portal, a seat that comes back, a return."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime

from portal_seat.errors import Untrusted
from portal_seat.offline import KEYS, good_for
from portal_seat.portal import LOAN, Loan, Portal

KIND = "seat-request+jwt"
RETURNED = "returned-"


def request(portal: Portal, product: str, until: datetime, version: str = "") -> str:
    """The text of a request for a seat until a moment; signed, so that the answer is for this computer only."""
    claims = {
        "portal": portal.issuer, "product": product, "version": version, "device": portal.device.described(),
        "until": until.astimezone(UTC).isoformat(timespec="seconds"), "nonce": str(uuid.uuid4()),
    }  # fmt: skip
    return portal.device.sign(claims, {"typ": KIND})


def install(portal: Portal, text: str) -> Loan:
    """Take the seat that an answer brings; from now on it counts here without a network.

    The portal's keys come with it, for a computer that could not fetch them; a client that was given `keys` believes
    those alone.

    :raise Untrusted: when the answer is for another computer, from another portal, returned already, or run out.
    :raise ClockRollback: when this computer's clock cannot be believed.
    """
    token, keys = _read(text)
    claims = portal.checked_by(token, {"keys": keys})
    if claims.mode != "borrowed":
        raise Untrusted("This file is no answer to a request.")
    if portal.store.read(RETURNED + claims.product).get("lease_id") == claims.lease_id:
        raise Untrusted("This seat was returned already.")
    good_for(claims, portal.mark, portal.wire.clock.wall())
    portal.mark.check(portal.wire.clock.wall())  # it may stand before the moment at which the answer was made
    portal.store.write(KEYS, {"keys": keys})
    portal.store.write(LOAN + claims.product, {"lease_id": claims.lease_id, "token": token})
    return Loan(claims.product, claims.lease_id, datetime.fromtimestamp(claims.expires_at, UTC))


def give_up(portal: Portal, product: str) -> str | None:
    """Give a borrowed seat up, and return the proof of it that is carried to the portal; None when there is none.

    Once given up it does not count here any more; asked again, it is the proof of the same seat.
    """
    kept = portal.store.read(LOAN + product) or portal.store.read(RETURNED + product)
    if not kept:
        return None
    portal.store.write(RETURNED + product, {"lease_id": kept["lease_id"]})
    portal.store.remove(LOAN + product)
    return portal.proof_of(kept["lease_id"])


def _read(text: str) -> tuple[str, list[dict[str, str]]]:
    try:
        answer = json.loads(text)
        return str(answer["token"]), [dict(key) for key in answer["keys"]]
    except (ValueError, KeyError, TypeError):
        raise Untrusted("This file is no answer to a request.") from None
