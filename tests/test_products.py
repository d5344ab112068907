"""Products in Admin Space: validate, add, details, reveal; allowed, refused, raced, broken."""

from __future__ import annotations

import html
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from core import keys
from core.activity import COMMAND
from core.dates import now
from models import License, Organization
from tests.at_once import at_once
from tests.browser import faults
from tests.cast import Cast
from tests.clients import TOKEN, Client, said, share
from tests.portal import Portal

ADD, VALIDATE = "/admin/products", "/admin/products/validate"
For = Callable[[str], Client]


def mistyped(text: str, group: int) -> str:
    """The key with another check character in one group."""
    groups = text.split("-")
    last = groups[group - 1][-1]
    groups[group - 1] = groups[group - 1][:-1] + ("0" if last != "0" else "1")
    return "-".join(groups)


@pytest.fixture
def portal(app: Flask) -> Portal:
    """The database behind the application."""
    return Portal(app)


# ── Validate ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.on_sqlite
def test_validating_twice_shows_the_same_and_consumes_nothing(client_for: For, cast: Cast, portal: Portal) -> None:
    alice = client_for("alice")
    pages = [alice.send(VALIDATE, permission_key=cast.unused["mixed"]) for _time in range(2)]
    assert [page.status_code for page in pages] == [200, 200]
    # But for the token, which is signed anew every second.
    assert len({TOKEN.sub("", html.unescape(page.text)) for page in pages}) == 1
    assert "The key is genuine and unused." in pages[0].text
    assert "FLEX NETWORK" in pages[0].text
    assert portal.key(cast.unused["mixed"]).redeemed_at is None


@pytest.mark.on_sqlite
@pytest.mark.parametrize("path", [ADD, VALIDATE])
def test_typing_error_is_named_and_the_text_kept(client_for: For, cast: Cast, path: str) -> None:
    typed = mistyped(cast.unused["shared"], 3)
    page = client_for("alice").send(path, permission_key=f"Your key: {typed}")
    assert page.status_code == 422
    assert f"Typing error in group 3: “{typed.split('-')[2]}”. Compare it with the mail." in page.text
    assert f"Your key: {typed}</textarea>" in page.text


@pytest.mark.on_sqlite
def test_htmx_gets_the_board_and_others_a_page(client_for: For, cast: Cast) -> None:
    alice = client_for("alice")
    assert said(alice.swap(VALIDATE, permission_key=cast.unused["only"])) == [
        "What is inside is shown below the field."
    ]
    assert alice.swap(VALIDATE, permission_key="").text.lstrip().startswith('<div class="sheet" id="board">')
    assert alice.send(VALIDATE, permission_key="").text.startswith("<!doctype html>")


# ── Add ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_adding_makes_licenses_of_every_item(client_for: For, cast: Cast, portal: Portal) -> None:
    answer = client_for("carol").send(ADD, permission_key=cast.unused["mixed"])
    key = portal.key(cast.unused["mixed"])
    assert answer.status_code == 303
    assert answer.location == f"{ADD}?open={key.licenses[0].id}#license-{key.licenses[0].id}"
    assert key.organization_id == cast.organization_id
    page = client_for("alice").get(ADD).text
    assert all(f'id="license-{each.id}"' in page for each in key.licenses)


def test_same_key_again_is_already_in_the_list(client_for: For, cast: Cast, portal: Portal) -> None:
    alice = client_for("alice")
    alice.send(ADD, permission_key=cast.unused["shared"])
    before = portal.recorded("key.redeem")
    again = alice.send(ADD, permission_key=cast.unused["shared"])
    license = portal.key(cast.unused["shared"]).licenses[0]
    assert again.status_code == 200
    assert "Already in your list." in again.text
    assert f' fresh" id="license-{license.id}"' in again.text
    assert portal.recorded("key.redeem") == before


@pytest.mark.on_sqlite
def test_key_of_another_organization_names_nobody(client_for: For, cast: Cast) -> None:
    client_for("mallory").send(ADD, permission_key=cast.unused["shared"])
    page = client_for("alice").send(ADD, permission_key=cast.unused["shared"])
    assert page.status_code == 409
    assert "This key is already in use. Contact your vendor." in page.text
    assert "Harbor" not in page.text


def test_two_organizations_at_once_exactly_one_wins(client_for: For, cast: Cast, portal: Portal) -> None:
    alice, mallory = client_for("alice"), client_for("mallory")
    text = cast.unused["shared"]
    answers = at_once(*(lambda c=c: c.send(ADD, permission_key=text) for c in (alice, mallory)))
    assert sorted(each.status_code for each in answers) == [303, 409]
    assert portal.key(text).organization_id in (cast.organization_id, cast.other_id)


def test_two_of_one_organization_at_once_both_have_it(client_for: For, cast: Cast, portal: Portal) -> None:
    alice, carol, before = client_for("alice"), client_for("carol"), portal.recorded("key.redeem")
    text = cast.unused["mixed"]
    answers = at_once(*(lambda c=c: c.send(ADD, permission_key=text) for c in (alice, carol)))
    assert sorted(each.status_code for each in answers) == [200, 303]
    assert portal.recorded("key.redeem") == before + 1


def test_pastes_with_the_same_keys_do_not_wait_for_each_other(client_for: For, cast: Cast, portal: Portal) -> None:
    names = ["shared", "only", "mixed", "floating"]
    texts = [cast.unused[name] for name in names]
    alice, mallory = client_for("alice"), client_for("mallory")
    answers = at_once(
        lambda: alice.send(ADD, permission_key="\n".join(texts)),
        lambda: mallory.send(ADD, permission_key="\n".join(reversed(texts))),
    )
    assert {each.status_code for each in answers} <= {200, 303, 409}
    assert all(portal.key(text).organization_id for text in texts)


@pytest.mark.on_sqlite
def test_several_keys_have_a_result_each_and_bad_ones_stay(client_for: For, cast: Cast, portal: Portal) -> None:
    unknown = keys.make()
    pasted = f"{cast.unused['shared']}\n{unknown}\n{cast.unused['only']}"
    page = client_for("alice").swap(ADD, permission_key=pasted)
    assert page.status_code == 200
    assert "2 of 3 keys are in your list" in page.text
    assert "This key is not known. Compare it with the mail." in page.text
    assert f"\n{unknown}</textarea>" in page.text
    assert said(page) == ["2 licenses are in your list now."]
    assert portal.key(cast.unused["only"]).redeemed_at is not None


@pytest.mark.on_sqlite
def test_nothing_but_bad_keys_is_bad_input(client_for: For, cast: Cast) -> None:
    pasted = f"{keys.make()}\n{keys.make()}"
    page = client_for("alice").send(ADD, permission_key=pasted)
    assert page.status_code == 422
    assert "None of these keys can be added." in page.text
    assert pasted in page.text


@pytest.mark.on_sqlite
@pytest.mark.parametrize(
    "typed", ["", " ", "=cmd()", "<script>alert(1)</script>", "x" * 40_000, "\x00", "🔑" * 5_000, "A1B2C " * 200]
)
def test_any_other_text_gets_one_sentence_and_comes_back(client_for: For, cast: Cast, typed: str) -> None:
    page = client_for("alice").send(ADD, permission_key=typed)
    assert page.status_code == 422
    assert page.text.count('class="oops"') == 1
    assert "<script>alert" not in page.text


@pytest.mark.on_sqlite
def test_too_many_entries_are_stopped(client_for: For, cast: Cast) -> None:
    alice = client_for("alice")
    statuses = [alice.send(VALIDATE, permission_key="x").status_code for _time in range(61)]
    assert statuses == [422] * 60 + [429]


# ── Who may ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.on_sqlite
@pytest.mark.parametrize(("name", "status"), [("bob", 403), ("dora", 403), ("erin", 404), ("otto", 404), ("dave", 404)])
def test_others_neither_see_nor_change_products(
    client_for: For, cast: Cast, portal: Portal, name: str, status: int
) -> None:
    client, license = client_for(name), cast.license["annual"]
    assert client.get(ADD).status_code == status
    assert client.get(f"{ADD}/{license}/details").status_code == status
    for path in (ADD, VALIDATE, f"{ADD}/{license}/reveal", f"{ADD}/{license}/copy"):
        assert client.send(path, permission_key=cast.unused["shared"]).status_code == status
    assert portal.key(cast.unused["shared"]).redeemed_at is None


@pytest.mark.on_sqlite
def test_member_is_told_whom_to_ask(client_for: For) -> None:
    assert "Alice Example or Carol Example can do this." in client_for("bob").get(ADD).text


@pytest.mark.on_sqlite
def test_license_of_another_organization_does_not_exist(client_for: For, cast: Cast) -> None:
    alice, foreign = client_for("alice"), cast.license["other"]
    assert alice.get(f"{ADD}/{foreign}/details").status_code == 404
    assert alice.send(f"{ADD}/{foreign}/reveal").status_code == 404
    assert alice.send(f"{ADD}/{foreign}/copy").status_code == 404
    assert f"license-{foreign}" not in alice.get(f"{ADD}?open={foreign}").text


@pytest.mark.on_sqlite
def test_post_without_token_changes_nothing(client_for: For, cast: Cast, portal: Portal) -> None:
    assert client_for("alice").post(ADD, data={"permission_key": cast.unused["shared"]}).status_code == 400
    assert portal.key(cast.unused["shared"]).redeemed_at is None


# ── The list ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.on_sqlite
def test_details_have_the_terms_and_a_hidden_key(client_for: For, cast: Cast) -> None:
    piece = client_for("alice").fragment(f"{ADD}/{cast.license['annual']}/details").text
    terms = ("Start date", "Expiration date", "License type", "Seats", "Serial number", "Permission key")
    assert [piece.count(f"<dt>{term}</dt>") for term in terms] == [1] * len(terms)
    assert "end of day in UTC" in piece
    assert "•••••-•••••-•••••-•••••-" in piece
    assert 'aria-expanded="true"' in piece


@pytest.mark.on_sqlite
def test_perpetual_has_no_end_date(client_for: For, cast: Cast) -> None:
    piece = client_for("alice").fragment(f"{ADD}/{cast.license['perpetual']}/details").text
    assert piece.count("No end date") == 2


@pytest.mark.on_sqlite
def test_reveal_shows_the_key_and_is_recorded(client_for: For, cast: Cast, portal: Portal) -> None:
    alice = client_for("alice")
    alice.send(ADD, permission_key=cast.unused["shared"])
    license = portal.key(cast.unused["shared"]).licenses[0]
    assert cast.unused["shared"] not in alice.get(f"{ADD}?open={license.id}").text
    assert cast.unused["shared"] in alice.swap(f"{ADD}/{license.id}/reveal").text
    assert cast.unused["shared"] in alice.send(f"{ADD}/{license.id}/reveal").text
    copied = alice.swap(f"{ADD}/{license.id}/copy")
    assert copied.status_code == 204
    assert cast.unused["shared"] in copied.headers["HX-Trigger"]
    assert portal.recorded("key.reveal") == 3


@pytest.mark.on_sqlite
def test_address_of_an_answer_leads_back_to_the_list(client_for: For, cast: Cast, portal: Portal) -> None:
    alice, mine = client_for("alice"), f"{ADD}/{cast.license['annual']}"
    assert alice.get(VALIDATE).location == ADD
    assert alice.get(f"{mine}/reveal").location == alice.get(f"{mine}/copy").location
    assert alice.get(f"{mine}/copy").location == f"{ADD}?open={cast.license['annual']}#license-{cast.license['annual']}"
    assert alice.get("/organization/create/validate").location == "/organization/create"
    assert alice.get(f"{ADD}/{cast.license['other']}/reveal").status_code == 404
    assert portal.recorded("key.reveal") == 0


@pytest.mark.on_sqlite
def test_rows_say_their_state_in_words_and_order_by_need(client_for: For, cast: Cast, portal: Portal) -> None:
    today = now().date()
    with portal.session() as session:
        for name, days in (("annual", 12), ("cloud", 0), ("network", 45)):
            license = session.get_one(License, cast.license[name])
            license.start_on, license.end_on = today - timedelta(days=90), today + timedelta(days=days)
            license.set_instants("UTC")
        session.get_one(License, cast.license["three_years"]).key.revoke(COMMAND, now())
    alice = client_for("alice")
    alice.send(ADD, permission_key=cast.unused["later"])
    page = alice.get(ADD).text
    table = page[page.index("<tbody") : page.index("</table>")]
    words = ["Expires today", "Expires in 12 days", "Starts on", "Active", "Active", "Expired", "Revoked"]
    assert [each.split("<")[0][: len(word)] for each, word in zip(badges(table), words, strict=True)] == words
    assert "by the vendor, " in table
    assert "7 licenses of 3 products. 2 end within 30 days." in page


def badges(table: str) -> list[str]:
    """The words of the state badges, from top to bottom."""
    return [piece.split(">", 1)[1] for piece in table.split('<span class="state ')[1:]]


@pytest.mark.on_sqlite
def test_over_assigned_license_says_by_how_many(client_for: For, cast: Cast, portal: Portal) -> None:
    with portal.session() as session:
        session.get_one(License, cast.license["cloud"]).key.extend(COMMAND, now(), position=1, seats=0)
    page = client_for("alice").get(f"{ADD}?open={cast.license['cloud']}").text
    assert "Over-assigned by 1" in page
    assert "One is over-assigned." in page
    over, other = (page.index(f'id="license-{cast.license[name]}"') for name in ("cloud", "annual"))
    assert over < other


@pytest.mark.on_sqlite
def test_totals_add_up_the_lines_of_a_product(client_for: For, cast: Cast) -> None:
    page = client_for("alice").get(ADD).text
    totals = page[page.index('id="totals"') :]
    row = totals[totals.index("Draft Pro") :][:600]
    assert ['data-pre="Licenses">2<' in row, 'data-pre="Seats">5<' in row] == [True, True]
    assert "Hub Server" not in totals


@pytest.mark.on_sqlite
def test_empty_list_says_what_to_do(client_for: For, cast: Cast, portal: Portal) -> None:
    with portal.session() as session:
        for license in session.get_one(Organization, cast.organization_id).licenses:
            license.key.release(COMMAND, now())
    page = client_for("alice").get(ADD).text
    assert "No licenses yet" in page
    assert "Paste the permission key" in page


# ── In a browser ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.on_sqlite
def test_key_is_validated_and_added_in_place(page: Page, server: str, cast: Cast, client_for: For) -> None:
    share(client_for("alice"), page, server)
    page.emulate_media(reduced_motion="reduce")  # colors are judged when nothing fades any more
    page.goto(f"{server}/admin/products")
    field = page.get_by_label("Permission key")
    field.fill(cast.unused["mixed"])
    field.press("Enter")
    expect(page.get_by_role("table", name="Content of the permission key")).to_contain_text("FLEX NETWORK")
    page.get_by_role("button", name="Add product to my list").click()
    expect(page.get_by_role("status").first).to_contain_text("2 licenses are in your list now.")
    expect(field).to_have_value("")
    expect(page.get_by_role("button", name="Details of Draft Pro").first).to_be_focused()
    assert faults(page) == []


@pytest.mark.on_sqlite
def test_row_unfolds_folds_and_shows_its_key(page: Page, server: str, cast: Cast, client_for: For) -> None:
    share(client_for("alice"), page, server)
    page.emulate_media(reduced_motion="reduce")  # colors are judged when nothing fades any more
    page.goto(f"{server}/admin/products")
    button = page.get_by_role("button", name="Details of Hub Server")
    button.click()
    expect(button).to_have_attribute("aria-expanded", "true")
    expect(button).to_be_focused()
    page.get_by_role("button", name="Reveal").click()
    expect(page.get_by_role("button", name="Reveal")).to_have_count(0)
    assert faults(page) == []
    button.click()
    expect(page.get_by_text("Serial number")).to_be_hidden()


@pytest.mark.on_sqlite
def test_second_press_finds_the_row_that_is_there(page: Page, server: str, cast: Cast, client_for: For) -> None:
    alice = client_for("alice")
    alice.send(ADD, permission_key=cast.unused["only"])
    share(alice, page, server)
    page.emulate_media(reduced_motion="reduce")  # colors are judged when nothing fades any more
    page.goto(f"{server}/admin/products")
    page.get_by_label("Permission key").fill(cast.unused["only"])
    page.get_by_role("button", name="Add product to my list").click()
    expect(page.get_by_text("Already in your list.")).to_be_visible()
    expect(page.locator("tr.fresh").get_by_role("button", name="Details of Hub Server")).to_be_focused()


@pytest.mark.on_sqlite
def test_error_stands_beside_the_field_and_has_the_focus(page: Page, server: str, cast: Cast, client_for: For) -> None:
    share(client_for("alice"), page, server)
    page.emulate_media(reduced_motion="reduce")  # colors are judged when nothing fades any more
    page.goto(f"{server}/admin/products")
    field = page.get_by_label("Permission key")
    field.fill(mistyped(cast.unused["only"], 5))
    page.get_by_role("button", name="Validate Permission Key").click()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()
    assert faults(page) == []


@pytest.mark.on_sqlite
def test_until_a_permission_is_given_the_page_says_what_comes_next(client_for: For, cast: Cast) -> None:
    assert "Next: invite people under" in client_for("mallory").get(ADD).text
    assert "Next: invite people under" not in client_for("alice").get(ADD).text
