"""What the rules refuse with, each with the sentence that the person reads; `facts` carry the next step."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask_babel import format_date, format_decimal, lazy_ngettext
from flask_babel import lazy_gettext as _l

from core.errors import BadInput, NotAllowed, RuleBroken

DEAD_LINK = _l("This link is no longer valid. Ask the person who invited you for a new one.")


class LazyDay:
    """A day that is written in the reader's language when the sentence is."""

    def __init__(self, day: date) -> None:
        self.day = day

    def __str__(self) -> str:
        return str(format_date(self.day))


class Grouped(int):
    """A number that writes itself as the reader's language groups it: 10,000."""

    # Still an int, because the plural form is chosen by it.

    def __str__(self) -> str:
        return str(format_decimal(int(self)))


class KeyUnknown(BadInput):
    """The vendor never issued it."""

    def __init__(self) -> None:
        super().__init__(_l("This key is not known. Compare it with the mail."), field="permission_key")


class KeyWithdrawn(RuleBroken):
    """The vendor revoked it."""

    def __init__(self) -> None:
        super().__init__(_l("This key was withdrawn by the vendor."), field="permission_key")


class KeyInUse(RuleBroken):
    """The key belongs to somebody, who is not named."""

    def __init__(self) -> None:
        super().__init__(_l("This key is already in use. Contact your vendor."), field="permission_key")


class KeyExpired(RuleBroken):
    """Every item of the key is over."""

    def __init__(self, day: date) -> None:
        super().__init__(_l("This key expired on %(day)s.", day=LazyDay(day)), field="permission_key")


class KeyEmpty(RuleBroken):
    """No item of the key has a seat."""

    def __init__(self) -> None:
        super().__init__(_l("This key contains no seats. Contact your vendor."), field="permission_key")


class NeedsOrganization(NotAllowed):
    """The key is for an organization; the page offers to create one, or says whom to ask."""

    def __init__(self) -> None:
        super().__init__(_l("This key is for an organization."), field="permission_key")


class WrongAccount(NotAllowed):
    """The invitation is for another address than the account's confirmed one."""

    def __init__(self) -> None:
        super().__init__(_l("This invitation is for another address."))


class CannotJoin(RuleBroken):
    """The account belongs to an organization already."""

    def __init__(self, organization_name: str) -> None:
        super().__init__(_l("You belong to %(organization)s already. Leave it first.", organization=organization_name))


class CoAdministratorChanged(RuleBroken):
    """The form named another co-administrator than there is now."""

    def __init__(self, current_name: str | None) -> None:
        super().__init__(
            _l("%(name)s is co-administrator meanwhile.", name=current_name)
            if current_name
            else _l("There is no co-administrator now.")
        )


class NoSeat(RuleBroken):
    """Every seat is given away; says who has the one that went last."""

    def __init__(self, given: int, seats: int, last_name: str | None) -> None:
        super().__init__(
            lazy_ngettext(
                "%(given)s of %(num)s seat is given away – take it back or add a key. It was taken by %(name)s.",
                "%(given)s of %(num)s seats are given away – take one back or add a key. "
                "The last was taken by %(name)s.",
                Grouped(seats),
                given=Grouped(given),
                name=last_name or _l("nobody"),  # a license without seats
            )
        )


class HasAnother(RuleBroken):
    """One permission per member and product; `facts["permission"]` is the one he has, which can be moved."""

    def __init__(self, name: str, product: str, word: str, permission: Any) -> None:
        super().__init__(
            _l("%(name)s has a permission for %(product)s already: %(type)s.", name=name, product=product, type=word),
            permission=permission,
        )
