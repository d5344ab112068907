"""The operator's permission keys: issued, found, shown, extended, revoked and released; nobody else sees them."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import keys
from core.activity import COMMAND, Activity
from core.dates import LicenseType, now
from core.db import Base, db
from core.mailing.outbox import Outbox
from models import Account, Item, Organization, PermissionKey, Product
from tests.browser import faults
from tests.cast import Cast
from tests.clients import Client, said

KEYS = "/operator/keys"
ITEM = {"product": "draft", "type": "annual", "seats": "2", "start": "", "end": ""}


@pytest.fixture
def otto(client_for: Callable[[str], Client]) -> Client:
    return client_for("otto")


def issued(otto: Client) -> str:
    """The text on the banner of the page that follows issuing."""
    found = re.search(r'class="keytext">([^<]+)<', otto.get(KEYS).text)
    assert found is not None
    return found[1]


def id_of(app: Flask, text: str) -> int:
    with app.app_context():
        return PermissionKey.known(db.session, text).id


def annual_key(on_app: Session, cast: Cast) -> PermissionKey:
    """The key of Kestrel Works that holds the annual license."""
    query = select(PermissionKey).where(PermissionKey.organization_id == cast.organization_id)
    return on_app.scalars(query.order_by(PermissionKey.id).execution_options(populate_existing=True)).first()  # type: ignore[return-value]


def rows(page: str) -> list[str]:
    """The last groups of the keys in the table."""
    return re.findall(r'aria-hidden="true">…</span>(\w{5})</td>', page)


def last_entry(on_app: Session, stream: str) -> Activity:
    found = on_app.scalars(select(Activity).where(Activity.stream == stream).order_by(Activity.number.desc())).first()
    assert found is not None
    return found


# ── issue ──


def test_issued_key_is_shown_once_and_holds_what_was_asked_for(otto: Client, on_app: Session) -> None:
    second = {"product": "render", "type": "flex-cloud", "seats": "3", "start": "2027-01-01", "end": "2027-06-30"}
    both = {name: [ITEM[name], second[name]] for name in ITEM}
    answer = otto.send(KEYS, **both, note="Order 7")
    assert (answer.status_code, answer.location) == (303, KEYS)
    key = PermissionKey.known(on_app, issued(otto))
    assert [(each.product.code, each.type, each.seats) for each in key.licenses] == [
        ("draft", "annual", 2),
        ("render", "flex-cloud", 3),
    ]
    assert str(key.licenses[1].end_on) == "2027-06-30"
    assert (key.note, last_entry(on_app, "portal").actor_kind) == ("Order 7", "operator")
    assert 'class="keytext"' not in otto.get(KEYS).text


def test_key_without_seats_is_issued_and_says_that_nobody_can_redeem_it(otto: Client) -> None:
    sentence = "It has no seats: nobody can redeem it."
    assert sentence not in otto.get(KEYS).text
    assert otto.send(KEYS, **{**ITEM, "seats": "0"}).status_code == 303
    assert otto.get(KEYS).text.count(sentence) == 1


@pytest.mark.on_sqlite
@pytest.mark.parametrize(
    ("field", "typed", "sentence"),
    [
        ("seats", "", "Enter a number."),
        ("seats", "two", "“two” is not a number of seats."),
        ("seats", "1000000000000", "“1000000000000” is not a number of seats."),
        ("seats", "100001", "Seats are a number from 0 to 100000."),
        ("start", "2026-02-30", "“2026-02-30” is not a date such as 2027-03-31."),
        ("end", "soon", "“soon” is not a date such as 2027-03-31."),
        ("end", "2001-01-01", "It would end before it starts, on"),
        ("product", "nothing", "Choose a product."),
        ("type", "weekly", "Choose a license type."),
    ],
)
def test_fault_stands_beside_its_field_and_what_was_typed_stays(
    otto: Client, field: str, typed: str, sentence: str
) -> None:
    wrong = {**ITEM, field: typed}
    answer = otto.send(KEYS, **{name: [ITEM[name], wrong[name]] for name in ITEM}, note="<b>kept</b>")
    assert answer.status_code == 422
    page = html.unescape(answer.text)
    assert re.search(rf'id="{field}-2-error">{re.escape(sentence)}', page)
    assert 'value="<b>kept</b>"' in page
    assert "<b>kept</b>" not in answer.text
    assert 'aria-invalid="true"' not in page.split('id="product-2"')[0]
    assert field in ("product", "type") or f'value="{typed}"' in page


@pytest.mark.on_sqlite
def test_note_that_is_too_long_is_refused_beside_it(otto: Client) -> None:
    answer = otto.send(KEYS, **ITEM, note="x" * 201)
    assert answer.status_code == 422
    assert 'id="note-error">This is 201 characters long; 200 fit.' in answer.text


@pytest.mark.on_sqlite
def test_item_is_added_and_taken_out_without_scripts(otto: Client) -> None:
    more = otto.send(f"{KEYS}/items/add", **{**ITEM, "seats": "7"})
    assert more.status_code == 200
    assert more.text.count('class="item-row"') == 2
    less = otto.send(f"{KEYS}/items/1/take-out", **{name: [ITEM[name]] * 2 for name in ITEM} | {"seats": ["7", "8"]})
    assert less.text.count('class="item-row"') == 1
    assert 'value="8"' in less.text
    assert 'value="7"' not in less.text


@pytest.mark.on_sqlite
def test_item_is_added_by_htmx_as_the_form_alone(otto: Client) -> None:
    answer = otto.swap(f"{KEYS}/items/add", **ITEM)
    assert answer.text.lstrip().startswith("<form")
    assert answer.text.count('class="item-row"') == 2


@pytest.mark.on_sqlite
def test_form_takes_twenty_items_and_offers_no_more(otto: Client) -> None:
    answer = otto.swap(f"{KEYS}/items/add", **{name: [ITEM[name]] * 25 for name in ITEM})
    assert answer.text.count('class="item-row"') == 20
    assert 'id="add-item"' not in answer.text


@pytest.mark.on_sqlite
def test_without_products_the_page_leads_to_the_catalog(otto: Client, on_app: Session) -> None:
    for table in ("permission", "license", "product"):
        on_app.execute(Base.metadata.tables[table].delete())
    on_app.commit()
    assert 'href="/operator/products"' in otto.get(KEYS).text.split('class="empty-in"')[1]


# ── the register ──


def test_states_are_counted_and_filtered(otto: Client, on_app: Session, cast: Cast) -> None:
    on_app.scalars(select(PermissionKey).where(PermissionKey.organization_id.is_(None))).first().revoke(  # type: ignore[union-attr]
        COMMAND, now()
    )
    on_app.commit()
    total = len(on_app.scalars(select(PermissionKey.id)).all())
    page = otto.get(KEYS).text
    counts = dict(re.findall(r">(All|Issued|Redeemed|Ended) <span>(\d+)</span>", page))
    # Over or withdrawn: the key that was revoked, and the trial of Kestrel Works that has run out.
    assert counts == {"All": str(total), "Issued": "5", "Redeemed": str(total - 7), "Ended": "2"}
    for state in ("issued", "redeemed", "ended"):
        assert len(rows(otto.get(KEYS, query_string={"state": state}).text)) == int(counts[state.title()])


def test_search_finds_organization_address_note_last_group_and_whole_key(
    otto: Client, on_app: Session, cast: Cast
) -> None:
    key = PermissionKey.known(on_app, cast.unused["personal"])
    key.note = "Order 5"
    key.redeem(on_app.get_one(Account, cast.erin.account_id), cast.erin.actor, now(), now().date())
    on_app.commit()

    def found(q: str) -> list[str]:
        return rows(otto.get(KEYS, query_string={"q": q}).text)

    text = cast.unused["personal"]
    for q in ("erin@", "order 5", text, text.lower().replace("-", " "), key.last_group, f"…{key.last_group.lower()}"):
        assert found(q) == [key.last_group], q
    assert len(found("kestrel")) == 5
    assert found("%") == []
    assert "No key matches" in otto.get(KEYS, query_string={"q": "nobody"}).text


def test_long_register_is_read_page_by_page(otto: Client, on_app: Session, cast: Cast) -> None:
    product = on_app.get_one(Product, cast.product["draft"])
    sealer = otto.application.extensions["sealer"]
    for _number in range(51):
        PermissionKey.issue(on_app, [Item(product, LicenseType.ANNUAL)], sealer, COMMAND, now())
    on_app.commit()
    first = otto.get(KEYS).text
    assert len(rows(first)) == 50
    more = re.search(r'class="btn btn-sm right" href="([^"]+)"', first)
    assert more is not None
    second = otto.get(html.unescape(more[1]).partition("#")[0]).text
    assert len(rows(first)) + len(rows(second)) == len(on_app.scalars(select(PermissionKey.id)).all())
    assert not set(rows(first)) & set(rows(second))


@pytest.mark.on_sqlite
@pytest.mark.parametrize("query", ["after=0", "after=x", "state=nonsense", "q=%00%1b", "shown=<b>"])
def test_register_answers_whatever_the_address_says(otto: Client, query: str) -> None:
    assert otto.get(f"{KEYS}?{query}").status_code == 200


# ── what is done to a key ──


def test_show_key_tells_the_text_and_is_recorded(otto: Client, app: Flask, on_app: Session, cast: Cast) -> None:
    text = cast.unused["mixed"]
    key_id = id_of(app, text)
    for answer in (otto.swap(f"{KEYS}/{key_id}/reveal"), otto.send(f"{KEYS}/{key_id}/reveal")):
        assert text in answer.text
    entry = last_entry(on_app, "portal")
    assert (entry.action, entry.target_id, entry.actor_id) == ("key.reveal", key_id, cast.otto.account_id)


def test_extend_changes_every_item_or_none(otto: Client, on_app: Session, cast: Cast) -> None:
    key = PermissionKey.known(on_app, cast.unused["mixed"])
    path, end = f"{KEYS}/{key.id}/extend", key.licenses[0].end_on
    fields = {"seats-1": "4", "end-1": "2030-12-31", "seats-2": "x", "end-2": "2030-12-31"}
    refused = otto.send(path, **fields)
    assert refused.status_code == 422
    assert 'id="new-seats-2-error">“x” is not a number of seats.' in refused.text
    assert 'value="4"' in refused.text
    assert otto.send(path, **{**fields, "seats-2": "100001"}).status_code == 422
    on_app.expire_all()
    assert (key.licenses[0].seats, key.licenses[0].end_on) == (1, end)
    assert otto.send(path, **{**fields, "seats-2": "9"}).status_code == 303
    on_app.expire_all()
    assert [(each.seats, str(each.end_on)) for each in key.licenses] == [(4, "2030-12-31"), (9, "2030-12-31")]


def test_refused_extension_is_asked_again_in_the_dialog(otto: Client, on_app: Session, cast: Cast) -> None:
    key = PermissionKey.known(on_app, cast.unused["personal"])
    answer = otto.swap(f"{KEYS}/{key.id}/extend", **{"seats-1": "1", "end-1": "2001-01-01"})
    assert (answer.status_code, answer.headers["HX-Retarget"]) == (422, "#ask")
    assert 'id="new-end-1-error">It would end before it starts, on' in answer.text
    assert "<!doctype" not in answer.text


def test_extension_is_told_to_the_organization_and_stands_in_its_activity(
    otto: Client, on_app: Session, cast: Cast
) -> None:
    key = annual_key(on_app, cast)
    answer = otto.swap(f"{KEYS}/{key.id}/extend", **{"seats-1": "8"})
    assert f'id="key-{key.id}"' in answer.text
    assert said(answer) == [f"Key …{key.last_group} is changed."]
    letters = set(on_app.scalars(select(Outbox.recipient).where(Outbox.kind == "license-changed")))
    assert letters == {cast.alice.email, cast.carol.email}
    entry = last_entry(on_app, str(cast.organization_id))
    assert (entry.action, entry.actor_kind, entry.actor_id) == ("key.extend", "operator", cast.otto.account_id)
    assert (entry.before["seats"], entry.after["seats"]) == (3, 8)  # type: ignore[index]


def test_extending_to_what_it_is_changes_and_tells_nothing(otto: Client, on_app: Session, cast: Cast) -> None:
    key = annual_key(on_app, cast)
    before = last_entry(on_app, str(cast.organization_id)).number
    answer = otto.swap(f"{KEYS}/{key.id}/extend", **{"seats-1": "3", "end-1": str(key.licenses[0].end_on)})
    assert said(answer) == [f"Nothing was changed in key …{key.last_group}."]
    assert last_entry(on_app, str(cast.organization_id)).number == before
    assert on_app.scalars(select(Outbox.id).where(Outbox.kind == "license-changed")).all() == []


def test_revoke_and_reinstate_return_the_row_and_tell_once(otto: Client, on_app: Session, cast: Cast) -> None:
    key = annual_key(on_app, cast)
    for _time in range(2):
        answer = otto.swap(f"{KEYS}/{key.id}/revoke", why="unpaid <i>")
        assert "Revoked" in answer.text
        assert "unpaid &lt;i&gt;" in answer.text
    assert "Reinstate" in answer.text
    on_app.expire_all()
    assert key.revoked_at is not None
    for _time in range(2):
        assert "Revoked" not in otto.swap(f"{KEYS}/{key.id}/reinstate").text
    told = on_app.scalars(select(Outbox.kind).order_by(Outbox.id)).all()
    assert told == ["key-revoked"] * 2 + ["key-reinstated"] * 2  # the administrator and the co-administrator
    actions = on_app.scalars(
        select(Activity.action)
        .where(Activity.stream == str(cast.organization_id), Activity.actor_kind == "operator")
        .order_by(Activity.number)
    )
    assert list(actions) == ["key.revoke", "key.reinstate"]


def test_plain_form_is_answered_by_a_redirect(otto: Client, on_app: Session, cast: Cast) -> None:
    key = annual_key(on_app, cast)
    answer = otto.send(f"{KEYS}/{key.id}/revoke", why="")
    assert (answer.status_code, answer.location) == (303, f"{KEYS}#key-{key.id}")
    assert f"Key …{key.last_group} is revoked." in otto.get(KEYS).text


def test_reason_that_is_too_long_is_kept_and_refused(otto: Client, on_app: Session, cast: Cast) -> None:
    key = annual_key(on_app, cast)
    for answer in (
        otto.send(f"{KEYS}/{key.id}/revoke", why="x" * 201),
        otto.swap(f"{KEYS}/{key.id}/revoke", why="x" * 201),
    ):
        assert answer.status_code == 422
        assert 'id="why-error">This is 201 characters long; 200 fit.' in answer.text
        assert "x" * 201 in answer.text
    on_app.expire_all()
    assert key.revoked_at is None


def test_released_key_can_be_redeemed_again(otto: Client, on_app: Session, cast: Cast) -> None:
    key = annual_key(on_app, cast)
    question = otto.get(f"{KEYS}/{key.id}/release").text
    assert "Kestrel Works loses its licenses" in question
    assert "Nobody yet" in otto.swap(f"{KEYS}/{key.id}/release").text
    on_app.expire_all()
    assert (key.organization_id, key.redeemed_at, key.licenses[0].reserved) == (None, None, 0)


@pytest.mark.on_sqlite
@pytest.mark.parametrize("key_id", ["0", "999999", "99999999999999999999999"])
def test_unknown_key_is_404(otto: Client, key_id: str) -> None:
    assert otto.get(f"{KEYS}/{key_id}/extend").status_code == 404
    assert otto.send(f"{KEYS}/{key_id}/revoke").status_code == 404


# ── who may ──


@pytest.mark.on_sqlite
@pytest.mark.parametrize("name", ["alice", "carol", "bob", "dora", "dave", "mallory", "erin"])
def test_every_operator_address_is_404_for_everybody_else(
    client_for: Callable[[str], Client], app: Flask, name: str
) -> None:
    client = client_for(name)
    for path, method in addresses(app):
        answer = client.get(path) if method == "GET" else client.send(path, **ITEM, email="bob@example.com")
        assert answer.status_code == 404, (method, path)


def addresses(app: Flask) -> Iterator[tuple[str, str]]:
    """Every address of the operator's room, with ids that exist."""
    found = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/operator")]
    assert len(found) > 15
    for rule in found:
        for method in rule.methods & {"GET", "POST"}:  # type: ignore[operator]
            yield re.sub(r"<[^>]+>", "1", rule.rule), method


@pytest.mark.on_sqlite
def test_operator_sees_no_member_and_no_permission(otto: Client, cast: Cast) -> None:
    pages = [KEYS, "/operator/organizations", f"/operator/organizations/{cast.organization_id}"]
    shown = "".join(otto.get(path).text for path in pages)
    assert cast.alice.email.partition("@")[0] in shown
    for player in (cast.carol, cast.bob, cast.dora, cast.dave):
        assert player.name not in shown.casefold()
    assert "given away" not in shown


# ── in a browser ──


@pytest.mark.on_sqlite
def test_operator_issues_extends_and_revokes_with_scripts(server: str, cast: Cast, page: Page) -> None:
    sign_in(page, server, cast)
    page.get_by_role("button", name="Add an item").click()
    item = page.get_by_role("group", name="Item 2")
    expect(item.get_by_label("Product")).to_be_focused()
    item.get_by_label("License type").select_option("flex-cloud")
    item.get_by_label("Seats").fill("4")
    page.get_by_role("button", name="Add an item").click()
    page.get_by_role("button", name="Take out item 3").click()
    expect(page.get_by_role("group", name="Item 3")).to_have_count(0)
    item.get_by_label("Seats").press("Enter")
    text = page.locator(".keytext").inner_text()
    assert keys.parse(text) == text
    row = page.get_by_role("row").nth(1)
    row.get_by_role("button", name="Extend").click()
    dialog = page.get_by_role("dialog")

    dialog.get_by_label("Seats").nth(1).fill("none")
    dialog.get_by_role("button", name="Extend").click()
    expect(dialog.get_by_label("Seats").nth(1)).to_be_focused()
    assert faults(page) == []
    dialog.get_by_label("Seats").nth(1).fill("6")
    dialog.get_by_role("button", name="Extend").click()
    expect(dialog).to_be_hidden()
    expect(row).to_contain_text("6 × Draft Pro FLEX CLOUD")
    row.get_by_role("button", name="More for key").click()
    page.get_by_role("button", name="Show key").click()
    expect(dialog.get_by_label("Permission key")).to_have_value(text)
    dialog.get_by_role("button", name="Close").click()
    row.get_by_role("button", name="More for key").click()
    page.get_by_role("button", name="Revoke").click()
    dialog.get_by_label("Reason").fill("unpaid")
    dialog.get_by_role("button", name="Revoke").click()
    expect(row).to_contain_text("unpaid")
    row.get_by_role("button", name="Reinstate").click()
    expect(row).to_contain_text("Issued")
    assert faults(page) == []


@pytest.mark.on_sqlite
def test_long_name_leaves_every_button_in_reach(server: str, on_app: Session, cast: Cast, page: Page) -> None:
    on_app.get_one(Product, cast.product["draft"]).name = "W" * 200
    on_app.get_one(Organization, cast.organization_id).name = "M" * 200
    on_app.commit()
    sign_in(page, server, cast)
    for width in (1280, 720, 390):
        page.set_viewport_size({"width": width, "height": 800})
        for box in [each.bounding_box() for each in page.get_by_role("button", name="More for key").all()]:
            assert box is not None
            assert box["x"] + box["width"] <= width, width


def sign_in(page: Page, server: str, cast: Cast) -> None:
    """Sign the operator in."""
    page.goto(f"{server}/login")
    page.get_by_label("Email").fill(cast.otto.email)
    page.get_by_label("Password").fill(cast.otto.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{server}{KEYS}")


def test_key_that_ends_soon_says_so(otto: Client, on_app: Session, cast: Cast) -> None:
    key = annual_key(on_app, cast)
    key.extend(COMMAND, now(), end=now().date() + timedelta(days=12))
    on_app.commit()
    assert "Expires in 12 days" in otto.get(KEYS).text


@pytest.mark.on_sqlite
def test_question_that_was_opened_as_a_page_works_with_scripts_too(
    server: str, on_app: Session, cast: Cast, page: Page
) -> None:
    key = annual_key(on_app, cast)
    on_app.rollback()
    sign_in(page, server, cast)
    page.goto(f"{server}{KEYS}/{key.id}/revoke")
    assert faults(page) == []
    page.get_by_label("Reason").fill("x" * 10)
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("status").filter(has_text=f"Key …{key.last_group} is revoked.")).to_be_visible()
    expect(page.get_by_role("heading", name="Permission keys")).to_be_visible()


@pytest.mark.on_sqlite
def test_operator_works_without_scripts(server: str, browser: Browser, cast: Cast) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    sign_in(page, server, cast)
    page.get_by_role("button", name="Add an item").click()
    page.get_by_role("group", name="Item 2").get_by_label("Seats").fill("few")
    page.get_by_role("button", name="Issue key").click()
    expect(page.get_by_text("“few” is not a number of seats.")).to_be_visible()
    page.get_by_role("button", name="Take out item 2").click()
    page.get_by_label("Note").press("Enter")
    text = page.locator(".keytext").inner_text()
    row = page.get_by_role("row").nth(1)
    row.get_by_role("button", name="Extend").click()
    page.get_by_label("Seats").fill("6")
    page.get_by_role("button", name="Extend").click()
    expect(row).to_contain_text("6 × Draft Pro ANNUAL")
    row.get_by_role("button", name="More for key").click()
    page.get_by_role("button", name="Show key").click()
    expect(page.get_by_label("Permission key")).to_have_value(text)
    page.get_by_role("button", name="Close").click()
    row.get_by_role("button", name="More for key").click()
    page.get_by_role("button", name="Revoke").click()
    page.get_by_role("button", name="Cancel").click()
    expect(row).to_contain_text("Issued")
    page.context.close()
