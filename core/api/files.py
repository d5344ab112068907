"""Files that people carry between the portal and a computer without a network: a request there, a return."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import gettext as _
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from marshmallow import ValidationError

from core.api import strict
from core.api.problems import base_url, malformed
from core.api.schemas import FileSchema
from core.denials import Denied
from core.seats.asking import Asking
from core.signing import ALGORITHM, REGISTRY

KIND = "seat-request+jwt"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request file asks for; the number that it was given is that of the launch, so that it counts once."""

    asking: Asking
    until: datetime


def is_request(text: str) -> bool:
    """Whether a file says that it is a request; else it may be the proof of a return."""
    try:
        return jws.extract_compact(text.encode(), registry=REGISTRY).headers().get("typ") == KIND
    except (JoseError, ValueError, RecursionError):
        return False


def wish_of(text: str) -> Wish:
    """What a request file asks for, signed by the device that it is for.

    :raise Denied: malformed_request for what is no request, was changed on its way, or is for another portal.
    """
    try:
        said = _signed(text)
    except (JoseError, ValueError, TypeError, RecursionError, ValidationError):
        raise _no_request() from None
    if said["portal"].rstrip("/") != base_url():
        raise malformed(_("This file is for another portal: %(address)s", address=said["portal"]))
    device = said["device"]
    asking = Asking(str(said["nonce"]), said["product"], device["id"], device.get("name", ""), device.get("os", ""),
                    device["public_key"], said.get("version", ""))  # fmt: skip
    return Wish(asking, said["until"])


def _signed(text: str) -> dict[str, Any]:
    """The claims of a request, by the key that is among them: who has it is the device."""
    signature = jws.extract_compact(text.encode(), registry=REGISTRY)
    said: dict[str, Any] = FileSchema().load(strict.loads(signature.payload or b""))
    key = OKPKey.import_key({"kty": "OKP", "crv": ALGORITHM, "x": said["device"]["public_key"]})
    if signature.headers().get("typ") != KIND or not jws.validate_compact(signature, key, registry=REGISTRY):
        raise _no_request()
    return said


def _no_request() -> Denied:
    return malformed(_("This is no request of a computer, or it was changed on its way."))
