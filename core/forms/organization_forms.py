"""The fields of an organization's profile, as its two forms read them."""

from __future__ import annotations

from collections.abc import Mapping

from flask_babel import gettext as _

from core.dates import zones
from core.errors import BadInput
from core.forms import countries

FIELDS = ("name", "zone", "country", "address", "contact", "phone")


def typed(form: Mapping[str, str]) -> dict[str, str]:
    """What was typed, field by field; a field that a form does not have is left out."""
    return {name: form[name] for name in FIELDS if name in form}


def checked(form: Mapping[str, str]) -> dict[str, str]:
    """What was typed, with a country that exists; the rest is the organization's to check.

    :raise BadInput: when there is no such country.
    """
    profile = typed(form)
    if (country := profile.get("country", "").strip().upper()) and not countries.is_country(country):
        raise BadInput(_("There is no such country."), field="country")
    return profile


def zone_choices(present: str = "") -> list[str]:
    """The time zones to choose from; the present one stays a choice, however old its name is."""
    known = zones()
    return known if not present or present in known else [present, *known]
