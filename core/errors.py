"""What can be refused, and with which status; the message is the sentence that the person reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class RuleBroken(Exception):
    """A rule says no.

    `message` is a translatable sentence; `field` names the form field it belongs beside, `facts` what a page needs
    to offer the next step (never a secret).
    """

    status = 409

    def __init__(self, message: Any, *, field: str | None = None, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.facts = facts

    def __str__(self) -> str:
        return str(self.message)


class BadInput(RuleBroken):
    """What was typed cannot be used; the text is kept and the sentence stands beside its field."""

    status = 422


class Faults(BadInput):
    """Fields that cannot be used; `by_field` has the sentence that stands beside each."""

    def __init__(self, by_field: Mapping[str, Any]) -> None:
        super().__init__(next(iter(by_field.values())))
        self.by_field = dict(by_field)


class NotAllowed(RuleBroken):
    """The person's role does not allow it; the sentence says whom to ask."""

    status = 403


class Missing(RuleBroken):
    """It does not exist, or it is another organization's, which is the same."""

    status = 404


class Gone(RuleBroken):
    """A link that was good once, or never was; one neutral sentence for all of them."""

    status = 410


class TooMany(RuleBroken):
    """A limit; `retry_after` is in seconds."""

    status = 429

    def __init__(self, message: Any, *, retry_after: int, field: str | None = None) -> None:
        super().__init__(message, field=field)
        self.retry_after = retry_after
