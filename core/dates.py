"""License types, the days they run, and what a day is in a time zone. Pure."""

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

TRIAL = timedelta(days=30)

_REGIONS = frozenset(
    ["Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"]
)
_NOT_ZONES = frozenset({"Factory", "localtime", "posixrules"})  # files beside the zones that name no place


class LicenseType(StrEnum):
    """How long a license runs and how it is shared; the value is the word of commands and of the database."""

    PERPETUAL = "perpetual"
    ANNUAL = "annual"
    THREE_YEARS = "three-years"
    TRIAL = "trial"
    FLEX_CLOUD = "flex-cloud"
    FLEX_NETWORK = "flex-network"

    @property
    def word(self) -> str:
        """The word on the screen, the same in every language."""
        return self.value.replace("-", " ").upper()

    @property
    def is_floating(self) -> bool:
        """Whether seats are drawn by whoever comes, instead of given to persons."""
        return self in (LicenseType.FLEX_CLOUD, LicenseType.FLEX_NETWORK)


_YEARS = {LicenseType.ANNUAL: 1, LicenseType.THREE_YEARS: 3, LicenseType.FLEX_CLOUD: 1, LicenseType.FLEX_NETWORK: 1}


def end_of(license_type: LicenseType, start: date) -> date | None:
    """Return the last day, inclusive, of a license that starts on a day; None when it never ends."""
    if license_type is LicenseType.PERPETUAL:
        return None
    try:
        return _day_after_end(license_type, start) - timedelta(days=1)
    except (OverflowError, ValueError):
        return date.max


def _day_after_end(license_type: LicenseType, start: date) -> date:
    if license_type is LicenseType.TRIAL:
        return start + TRIAL
    year = start.year + _YEARS[license_type]
    if (start.month, start.day) == (2, 29):
        return date(year, 3, 1)  # 1 and 3 years after a leap year there is no 29 February
    return start.replace(year=year)


def starts_at(day: date, zone: str) -> datetime:
    """Return the first instant of a day in a zone, in UTC."""
    # Where clocks jump over midnight, the offset before the jump (fold 0) gives the instant of the jump.
    midnight = datetime.combine(day, time(), ZoneInfo(zone))
    try:
        return midnight.astimezone(UTC)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC) if day == date.min else datetime.max.replace(tzinfo=UTC)


def ends_at(day: date, zone: str) -> datetime:
    """Return the instant at which a last day is over in a zone: the next day's first, in UTC."""
    if day == date.max:
        return datetime.max.replace(tzinfo=UTC)
    return starts_at(day + timedelta(days=1), zone)


def now() -> datetime:
    """Return the present instant in UTC."""
    return datetime.now(UTC)


def today(now: datetime, zone: str) -> date:
    """Return the day that an instant belongs to in a zone."""
    return now.astimezone(ZoneInfo(zone)).date()


def is_zone(name: str) -> bool:
    """Whether a time zone of this name exists."""
    return name in _all_zones()


def zones() -> list[str]:
    """Return the zones to choose from: UTC, then the places by name, without old spellings of countries."""
    return ["UTC", *sorted(name for name in _all_zones() if name.split("/")[0] in _REGIONS and "/" in name)]


@cache
def _all_zones() -> frozenset[str]:
    return frozenset(available_timezones()) - _NOT_ZONES
