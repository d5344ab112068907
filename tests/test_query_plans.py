"""Lists and searches find their rows by an index, among ten thousand of everything: the plans of real requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from core import settings as settings_
from core.db import db
from tests.databases import POSTGRESQL, SQLITE, Source, environ
from tests.plans import FIRM, MANY, Crowd, populate
from tests.statements import FIRST, engine_of

LATER, FIRM_LATER = FIRST + MANY // 2, FIRM + MANY // 2


@pytest.fixture(scope="module", params=[SQLITE, POSTGRESQL])
def crowd(
    request: pytest.FixtureRequest, sources: Callable[[str], Source], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Crowd]:
    """Filled once a database, for every test here only reads."""
    from app import create_app

    source = sources(request.param)
    database = source.fresh(with_cast=True)
    assert database.cast is not None
    app = create_app(settings_.load(environ(database.url, tmp_path_factory.mktemp("data"))))
    app.testing = True
    populate(engine_of(app), database.cast)
    yield Crowd(app, database.cast)
    with app.app_context():
        db.engine.dispose()
    source.drop(database)


@pytest.mark.parametrize(
    "path",
    [
        "/admin/users", f"/admin/users?after={LATER}", "/admin/users?q=person",
        "/admin/users?state=enabled", "/admin/users?state=pending", "/admin/users?state=disabled",
        "/admin/permissions", f"/admin/permissions?after={LATER}", "/admin/permissions?only=1",
        f"/admin/permissions?member={LATER}", "/admin/permissions?q=person", "/admin/products", "/products",
        "/admin/status", f"/admin/status?after={FIRST + 5000}&before=5", "/admin/status?q=person", "/admin/status/live",
    ],
)  # fmt: skip
def test_a_page_of_a_large_organization_reads_its_rows_by_index(crowd: Crowd, path: str) -> None:
    # The counts of the tabs are those of half the members of this portal, so they may read that table once.
    assert [plan for plan in crowd.plans("alice", path) if plan.walked and not plan.counts] == []


@pytest.mark.parametrize(
    "path",
    [
        "/admin/users", "/admin/users?q=mallory", "/admin/users?q=mallory@example.com", "/admin/users/counts?q=mal",
        "/admin/users?state=enabled", "/admin/users?state=pending", "/admin/users?state=disabled",
        "/admin/permissions?q=mallory", "/admin/permissions?only=1",
        "/admin/status", "/admin/status?q=mallory", f"/admin/status?after={FIRM_LATER}", "/devices",
    ],
)  # fmt: skip
def test_search_state_and_counts_stay_inside_the_organization(crowd: Crowd, path: str) -> None:
    assert [plan for plan in crowd.plans("mallory", path) if plan.walked] == []


@pytest.mark.parametrize("path", ["/operator/organizations", "/operator/keys", "/operator/mail"])
def test_a_register_begins_and_goes_on_in_the_order_of_its_index(crowd: Crowd, path: str) -> None:
    first, later = crowd.plans("otto", path), crowd.plans("otto", f"{path}?after={FIRM_LATER}")
    assert [plan for plan in [*first, *later] if (plan.walked or plan.is_late) and not plan.counts] == []


@pytest.mark.parametrize(
    ("path", "own"),
    [
        # A part of a name or an address is in no order that an index has: what is searched is read, once.
        ("/operator/organizations?q=Firm 5005", {"organization", "member", "account"}),
        ("/operator/keys?q=firm5005", {"permission_key", "organization", "account"}),
        ("/operator/mail?q=firm5005", {"outbox"}),
        # How many keys there are in each state depends on today, and whether all is over on what each holds.
        ("/operator/keys?state=issued", {"permission_key"}), ("/operator/keys?state=redeemed", {"permission_key"}),
        ("/operator/keys?state=ended", {"permission_key", "license"}), ("/operator/organizations", {"organization"}),
        # Letters that wait or failed have indexes of their own.
        ("/operator/mail?state=waiting", set()), ("/operator/mail?state=failed", set()),
        ("/operator/mail?state=sent", set()), (f"/operator/organizations/{FIRM_LATER}", set()),
    ],
)  # fmt: skip
def test_a_search_or_a_count_of_a_register_reads_only_what_it_asks(crowd: Crowd, path: str, own: set[str]) -> None:
    assert [plan for plan in crowd.plans("otto", path) if not plan.walked <= own] == []


def test_a_box_is_ticked_by_index(crowd: Crowd) -> None:
    path = f"/admin/permissions/{crowd.cast.license['cloud']}/{crowd.cast.bob.member_id}/take"
    assert [plan for plan in crowd.plans("alice", path, post=True) if plan.walked] == []


def test_a_row_is_painted_again_by_index(crowd: Crowd) -> None:
    path = f"/admin/users/{crowd.cast.dora.member_id}/disable"  # is disabled already, so nothing changes
    assert [plan for plan in crowd.plans("alice", path, post=True) if plan.walked] == []
