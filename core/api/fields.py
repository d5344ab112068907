"""What a member of a question may hold: nothing is guessed, nothing converted."""

from __future__ import annotations

import base64
import binascii
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from marshmallow import ValidationError, fields, validate

MOST = 2**31 - 1
MOST_SEQ = 2**53 - 1  # what every reader of JSON keeps exactly (RFC 8259)
TOO_LONG = "too long"
#: No control character; nor half of a character, which JSON can write but no pattern can name.
CLEAN = r"^[^\u0000-\u001f\u007f-\u009f]*$"

Data = Mapping[str, Any] | None


class Text(fields.String):
    """A line of text of at most so many characters."""

    def __init__(self, longest: int, *, shortest: int = 0, description: str = "", **how: Any) -> None:
        self.longest, self.shortest = longest, shortest
        bounds = {"maxLength": longest, "pattern": CLEAN} | ({"minLength": shortest} if shortest else {})
        super().__init__(metadata={"description": description, **bounds}, **how)

    def _deserialize(self, value: Any, attr: str | None, data: Data, **more: Any) -> str:
        if not isinstance(value, str) or any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
            raise self.make_error("invalid")
        if len(value) > self.longest:
            raise ValidationError(TOO_LONG)
        # Signs that nobody sees turn other people's pages around; a computer's odd name is to cost nobody his seat.
        seen = "".join(character for character in value if unicodedata.category(character) != "Cf")
        if len(seen) < self.shortest:
            raise self.make_error("invalid")
        return seen


class Whole(fields.Integer):
    """A number without a fraction, from 0."""

    def __init__(self, *, most: int = MOST, description: str = "", **how: Any) -> None:
        super().__init__(validate=validate.Range(0, most), metadata={"description": description}, **how)

    def _deserialize(self, value: Any, attr: str | None, data: Data, **more: Any) -> int:
        is_whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if isinstance(value, bool) or not is_whole:
            raise self.make_error("invalid")
        return int(value)


class Flag(fields.Boolean):
    """True or false, and nothing that might mean it."""

    def _deserialize(self, value: Any, attr: str | None, data: Data, **more: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Moment(fields.DateTime):
    """A moment with its offset from UTC (RFC 3339)."""

    def _deserialize(self, value: Any, attr: str | None, data: Data, **more: Any) -> datetime:
        try:
            found = datetime.fromisoformat(value)
            if found.tzinfo is not None and len(value) > len("2026-03-01"):
                return found.astimezone(UTC)
        except (TypeError, ValueError, OverflowError):
            pass
        raise self.make_error("invalid", input=value, obj_type="datetime")


class PublicKey(fields.String):
    """An Ed25519 key as a JWK has it: 32 bytes in base64url, without padding."""

    def __init__(self, description: str = "", **how: Any) -> None:
        super().__init__(metadata={"description": description, "pattern": "^[A-Za-z0-9_-]{43}$"}, **how)

    def _deserialize(self, value: Any, attr: str | None, data: Data, **more: Any) -> str:
        try:
            key = base64.b64decode(value.rstrip("=") + "=", altchars=b"-_", validate=True)
        except (AttributeError, ValueError, binascii.Error):
            key = b""
        if len(key) != 32:
            raise self.make_error("invalid")
        # One spelling for one key, so that it can be compared.
        return base64.urlsafe_b64encode(key).decode().rstrip("=")
