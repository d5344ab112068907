"""What belongs to one person: licenses, invitations that wait, and what a page says about keys entered there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from core import addresses, rights
from core.errors import Missing
from core.forms import key_entry
from core.forms.key_results import Results
from core.lists.product_list import Row, row
from core.refusals import NeedsOrganization
from models import INVITATION_AGE, License, Member, Organization, PermissionKey, Product


def licenses(session: Session, account_id: int) -> list[License]:
    """The person's own licenses, by product."""
    query = select(License).join(License.key).join(License.product).where(PermissionKey.account_id == account_id)
    query = query.options(joinedload(License.key), joinedload(License.product))
    return list(session.scalars(query.order_by(Product.name, License.id)).unique())


def license(session: Session, account_id: int, license_id: int) -> License:
    """One of the person's own licenses.

    :raise Missing: when it is somebody else's, or an organization's.
    """
    query = select(License).join(License.key).where(License.id == license_id, PermissionKey.account_id == account_id)
    found = session.scalars(query.options(joinedload(License.key), joinedload(License.product))).one_or_none()
    if found is None:
        raise Missing(_("There is no such license."))
    return found


def shown(each: License, zone: str, now: datetime, right: rights.Right | None = None) -> Row:
    """The row of a personal license; where it does not run, its state says what now."""
    made = row(each, now, zone)
    if right is None or right.may_run or made.state.note:
        return made
    return replace(made, state=replace(made.state, note=rights.sentence(right)[1]))


def waiting(session: Session, email: str, now: datetime) -> list[str]:
    """The organizations whose invitation to an address can still be answered."""
    query = select(Organization.name).join(Member, Member.organization_id == Organization.id)
    query = query.where(
        Member.email_key == addresses.key(email), *Member.LIVE, Member.confirmed_at.is_(None),
        Member.invited_at > now - INVITATION_AGE,
    )  # fmt: skip
    return list(session.scalars(query.order_by(Organization.name)))


@dataclass(frozen=True)
class PersonalResults(Results):
    """The answer to keys entered by a person: what needs an organization is no error but the start of one."""

    @property
    def for_organization(self) -> list[key_entry.Entered]:
        """The keys that only an organization can redeem, and could now."""
        return [each for each in self.entries if each.needs_organization and is_open(each)]

    @property
    def error(self) -> str:
        """The sentence beside the field; the box with the offer stands for a single key that needs an organization."""
        return "" if len(self.entries) == 1 and self.for_organization else super().error

    @property
    def reason(self) -> str:
        """Why the one key that was entered belongs to an organization."""
        key = self.entries[0].key if len(self.entries) == 1 else None
        return key_entry.why_organization(key) if key is not None else ""


def is_open(entered: key_entry.Entered) -> bool:
    """Whether nothing but the missing organization stands in a key's way."""
    return entered.is_usable or isinstance(entered.problem, NeedsOrganization)
