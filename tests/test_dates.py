from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import dates
from core.dates import LicenseType

INSTANT = timedelta(microseconds=1)
ZONES = dates.zones()


def test_types_are_the_words_of_commands_and_screen() -> None:
    assert {kind.value: kind.word for kind in LicenseType} == {
        "perpetual": "PERPETUAL",
        "annual": "ANNUAL",
        "three-years": "THREE YEARS",
        "trial": "TRIAL",
        "flex-cloud": "FLEX CLOUD",
        "flex-network": "FLEX NETWORK",
    }


def test_only_flex_is_floating() -> None:
    floating = {kind for kind in LicenseType if kind.is_floating}
    assert floating == {LicenseType.FLEX_CLOUD, LicenseType.FLEX_NETWORK}


@pytest.mark.parametrize(
    ("kind", "start", "end"),
    [
        ("annual", date(2026, 11, 24), date(2027, 11, 23)),
        ("annual", date(2026, 1, 1), date(2026, 12, 31)),
        ("annual", date(2028, 2, 29), date(2029, 2, 28)),
        ("annual", date(2027, 3, 1), date(2028, 2, 29)),
        ("annual", date(2027, 2, 28), date(2028, 2, 27)),
        ("three-years", date(2026, 11, 24), date(2029, 11, 23)),
        ("three-years", date(2028, 2, 29), date(2031, 2, 28)),
        ("flex-cloud", date(2026, 11, 24), date(2027, 11, 23)),
        ("flex-network", date(2026, 11, 24), date(2027, 11, 23)),
        ("trial", date(2026, 11, 1), date(2026, 11, 30)),
        ("trial", date(2027, 2, 1), date(2027, 3, 2)),
        ("perpetual", date(2026, 11, 24), None),
        ("annual", date(9999, 6, 1), date.max),
        ("trial", date(9999, 12, 31), date.max),
    ],
)
def test_license_ends_on_the_day_before_the_same_date(kind: str, start: date, end: date | None) -> None:
    assert dates.end_of(LicenseType(kind), start) == end


@pytest.mark.parametrize(
    ("day", "zone", "hour"),
    [
        (date(2026, 11, 24), "UTC", datetime(2026, 11, 24, tzinfo=UTC)),
        (date(2026, 11, 24), "Europe/Berlin", datetime(2026, 11, 23, 23, tzinfo=UTC)),
        (date(2026, 7, 1), "Europe/Berlin", datetime(2026, 6, 30, 22, tzinfo=UTC)),
        (date(2018, 11, 4), "America/Sao_Paulo", datetime(2018, 11, 4, 3, tzinfo=UTC)),
        (date(2023, 4, 28), "Africa/Cairo", datetime(2023, 4, 27, 22, tzinfo=UTC)),
        (date(2023, 10, 27), "Africa/Cairo", datetime(2023, 10, 26, 22, tzinfo=UTC)),
        (date(2024, 11, 3), "America/Havana", datetime(2024, 11, 3, 4, tzinfo=UTC)),
        (date(2011, 12, 31), "Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),
    ],
)
def test_day_starts_with_its_first_instant_in_the_zone(day: date, zone: str, hour: datetime) -> None:
    assert dates.starts_at(day, zone) == hour
    assert dates.starts_at(day, zone).tzinfo is UTC


@settings(deadline=None, max_examples=100)
@given(st.dates(date(1980, 1, 1), date(2080, 1, 1)), st.sampled_from(ZONES))
def test_last_day_counts_to_its_end_and_no_instant_longer(day: date, zone: str) -> None:
    end = dates.ends_at(day, zone)
    assert end == dates.starts_at(day + timedelta(days=1), zone)
    assert dates.today(end - INSTANT, zone) <= day < dates.today(end, zone)


@pytest.mark.parametrize("zone", ["America/Sao_Paulo", "Africa/Cairo", "Asia/Beirut", "America/Asuncion"])
def test_every_day_follows_the_one_before_where_clocks_jump_at_midnight(zone: str) -> None:
    day = date(2010, 1, 1)
    while day < date(2025, 1, 1):
        start = dates.starts_at(day, zone)
        assert dates.today(start - INSTANT, zone) == day - timedelta(days=1)
        assert dates.today(start, zone) == day
        day += timedelta(days=1)


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_first_and_last_day_of_the_calendar_have_instants(zone: str) -> None:
    for day in (date.min, date.max, date.max - timedelta(days=1)):
        assert dates.starts_at(day, zone) <= dates.ends_at(day, zone)


def test_today_depends_on_the_zone() -> None:
    now = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)
    assert dates.today(now, "UTC") == date(2026, 11, 24)
    assert dates.today(now, "Europe/Berlin") == date(2026, 11, 25)


def test_now_is_aware_and_utc() -> None:
    assert dates.now().tzinfo is UTC


@pytest.mark.parametrize(
    "name", ["", "Mars/Olympus", "../../etc/passwd", "/etc/passwd", "europe/berlin", "localtime", "UTC\0", " UTC"]
)
def test_what_is_no_zone_is_refused(name: str) -> None:
    assert not dates.is_zone(name)


def test_zones_to_choose_from_begin_with_utc_and_all_exist() -> None:
    assert ZONES[0] == "UTC"
    assert ZONES[1:] == sorted(set(ZONES[1:]))
    assert {"Europe/Berlin", "America/New_York", "Asia/Tokyo"} <= set(ZONES)
    assert not {"US/Eastern", "Etc/GMT+3", "GB"} & set(ZONES)
    for name in ZONES:
        assert dates.is_zone(name)
        assert ZoneInfo(name)
