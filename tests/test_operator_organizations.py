"""Organizations as the operator sees them: the list, one of them, and making somebody else administrator."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.activity import Activity
from core.dates import now
from core.mailing.outbox import Outbox
from models import Organization
from tests.browser import faults
from tests.cast import Cast
from tests.clients import Client
from tests.test_operator_keys import sign_in

LIST = "/operator/organizations"


@pytest.fixture
def otto(client_for: Callable[[str], Client]) -> Client:
    return client_for("otto")


def one(cast: Cast) -> str:
    return f"{LIST}/{cast.organization_id}"


def names(page: str) -> list[str]:
    """The organizations in the list."""
    return re.findall(rf'<a href="{LIST}/\d+">([^<]+)</a>', page)


def administrator(on_app: Session, cast: Cast) -> int | None:
    on_app.expire_all()
    holder = on_app.get_one(Organization, cast.organization_id).holder_of("administrator")
    return holder.account_id if holder is not None else None


def test_list_has_name_administrator_members_and_licenses(otto: Client, cast: Cast) -> None:
    page = otto.get(LIST).text
    assert names(page) == ["Harbor Design", "Kestrel Works"]
    row = page.split("Kestrel Works</a>")[1].split("</tr>")[0]
    assert "Alice Example" in row
    assert re.findall(r"num stay[^>]*>(\d+)<", row) == ["5", "6"]


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("kestrel", ["Kestrel Works"]),
        ("mallory@", ["Harbor Design"]),
        ("Alice Ex", ["Kestrel Works"]),
        ("1", ["Kestrel Works"]),
        ("%", []),
        ("99999999999999999999", []),
    ],
)
def test_search_finds_name_number_and_administrator(otto: Client, q: str, found: list[str]) -> None:
    assert names(otto.get(LIST, query_string={"q": q}).text) == found


def test_long_list_is_read_page_by_page(otto: Client, on_app: Session) -> None:
    on_app.add_all([Organization(name=f"Number {n}", created_at=now()) for n in range(51)])
    on_app.commit()
    first = otto.get(LIST).text
    more = re.search(r'class="btn btn-sm right" href="([^"]+)"', first)
    assert more is not None
    both = names(first) + names(otto.get(html.unescape(more[1])).text)
    assert len(both) == len(set(both)) == 53


def test_one_organization_shows_licenses_and_masked_keys(otto: Client, on_app: Session, cast: Cast) -> None:
    on_app.get_one(Organization, cast.organization_id).name = "<script>x</script>"
    on_app.commit()
    page = otto.get(one(cast)).text
    assert "&lt;script&gt;x" in page
    assert "<script>x" not in page
    assert page.count('class="rec"') == 6
    assert "FLEX CLOUD" in page
    assert re.search(r'class="mono" href="/operator/keys\?q=\w{5}">…\w{5}<', page)
    assert "Expired" in page


@pytest.mark.on_sqlite
@pytest.mark.parametrize("number", ["0", "99", "99999999999999999999999"])
def test_unknown_organization_is_404(otto: Client, number: str) -> None:
    assert otto.get(f"{LIST}/{number}").status_code == 404
    assert otto.send(f"{LIST}/{number}/transfer", email="bob@example.com").status_code == 404


def test_transfer_asks_with_the_names_then_tells_everybody(otto: Client, on_app: Session, cast: Cast) -> None:
    question = html.unescape(otto.get(f"{one(cast)}/transfer", query_string={"email": " BOB@example.com "}).text)
    assert "Make Bob Example administrator instead of Alice Example?" in question
    assert "Alice Example becomes a member; there is a co-administrator already." in question
    assert administrator(on_app, cast) == cast.alice.account_id
    on_app.rollback()
    answer = otto.send(f"{one(cast)}/transfer", email=cast.bob.email)
    assert (answer.status_code, answer.location) == (303, one(cast))
    assert administrator(on_app, cast) == cast.bob.account_id
    told = set(on_app.scalars(select(Outbox.recipient).where(Outbox.kind == "transferred")))
    assert told == {cast.alice.email, cast.bob.email, cast.carol.email}
    entry = on_app.scalars(select(Activity).where(Activity.action == "organization.transfer")).one()
    assert (entry.stream, entry.actor_kind) == (str(cast.organization_id), "operator")


@pytest.mark.parametrize(
    ("email", "status", "sentence"),
    [
        ("", 422, "There is no account with this address."),
        ("nobody <b>", 422, "There is no account with this address."),
        ("erin@example.com", 409, "erin@example.com is not a member of this organization."),
        ("dave@example.com", 409, "dave@example.com is not a member of this organization."),
        ("dora@example.com", 409, "Only an enabled user can become administrator."),
        ("alice@example.com", 409, "Alice Example is administrator already."),
        ("x" * 5000, 422, "There is no account with this address."),
    ],
)
def test_transfer_that_cannot_be_stands_beside_the_field(
    otto: Client, on_app: Session, cast: Cast, email: str, status: int, sentence: str
) -> None:
    path = f"{one(cast)}/transfer"
    for answer in (otto.get(path, query_string={"email": email}), otto.send(path, email=email)):
        assert answer.status_code == status
        assert f'id="email-error">{sentence}' in answer.text
        assert f'value="{html.escape(email[:320])}"' in answer.text
    assert administrator(on_app, cast) == cast.alice.account_id


@pytest.mark.on_sqlite
def test_administrator_is_replaced_in_a_dialog(server: str, cast: Cast, page: Page) -> None:
    sign_in(page, server, cast)
    page.get_by_role("link", name="Organizations").click()
    page.get_by_role("link", name="Kestrel Works").click()
    field = page.get_by_label("Email of an enabled member")
    field.fill("nobody@example.com")
    page.get_by_role("button", name="Make administrator").click()
    expect(page.get_by_text("There is no account with this address.")).to_be_visible()
    field.fill(cast.bob.email)
    page.get_by_role("button", name="Make administrator").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("instead of Alice Example?")
    assert faults(page) == []
    dialog.get_by_role("button", name="Make administrator").click()
    expect(page.get_by_role("status").filter(has_text="Bob Example is administrator now.")).to_be_visible()
    assert faults(page) == []
