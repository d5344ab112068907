"""Which language a page and a letter have: the person's own, else the browser's, else English; and how each writes."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from flask import Flask
from flask_babel import force_locale
from playwright.sync_api import Browser, Page, expect

from core import mail
from core.db import db
from core.pages import words
from core.pages.languages import best
from core.refusals import KeyExpired, NoSeat
from models import INVITATION_AGE, Account
from tests.cast import PASSWORD, Cast
from tests.clients import Client, said, sign_in
from tests.databases import Database
from tests.letter_box import letters_to
from tests.letter_desk import LETTERS, Desk
from tests.program import Program
from tests.smtp import Mailbox, link_in
from tests.test_translations import messages

LANGUAGES = ("en", "de", "zh_Hans", "pt", "pt_PT")
GERMAN = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.8"}

pytestmark = pytest.mark.on_sqlite


# ── what the browser asks for ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT", "de"),
        ("de-CH-1996", "de"),
        ("DE_at", "de"),
        ("en-GB,de;q=0.9", "en"),
        ("fr,en;q=0.2,de;q=0.5", "de"),
        ("zh-CN", "zh_Hans"),
        ("zh", "zh_Hans"),
        ("zh-TW", "en"),
        ("zh-TW,de;q=0.1", "de"),
        ("pt-PT", "pt_PT"),
        ("pt-BR", "pt"),
        ("*", "en"),
        ("en;q=0,*", "de"),
        ("de;q=0", "en"),
        ("de;q=nan", "en"),
        ("de;q=7", "en"),
        (";;,=,-,_,q=1", "en"),
        ("\xff\xfe" * 400, "en"),
        ("xx-" * 5000, "en"),
    ],
)
def test_browser_gets_what_it_asks_for(header: str, language: str) -> None:
    assert best(header, LANGUAGES) == language


def test_page_says_in_which_language_it_is(app: Flask) -> None:
    client = Client(app)
    page = client.get("/login", headers=GERMAN)
    assert '<html lang="de">' in page.text
    assert "Anmelden" in page.text
    assert page.headers["Content-Language"] == "de"
    assert "Accept-Language" in page.vary
    assert client.get("/login").headers["Content-Language"] == "en"


def test_what_goes_wrong_is_said_in_the_language_too(app: Flask, cast: Cast) -> None:
    alice = sign_in(Client(app), cast.alice)
    assert "Unter dieser Adresse gibt es nichts." in alice.get("/nowhere", headers=GERMAN).text
    with_htmx = {**GERMAN, "HX-Request": "true", "HX-Request-Type": "partial"}
    refused = alice.post(
        f"/admin/users/{cast.alice.member_id}/disable", data={"csrf_token": alice.token}, headers=with_htmx
    )
    assert said(refused) == ["Sie können sich nicht selbst deaktivieren."]


# ── what the person chose ────────────────────────────────────────────────────────────────────────────────────────────


def test_profile_goes_before_the_browser_on_every_device(app: Flask, cast: Cast) -> None:
    bob = sign_in(Client(app), cast.bob)
    assert '<html lang="en">' in bob.get("/profile").text
    bob.send("/profile", name="Bob", zone="UTC", locale="de")
    page = bob.get("/profile").text
    assert '<html lang="de">' in page
    assert "Kontaktdaten gespeichert." in page
    assert '<option value="de" lang="de" selected>Deutsch</option>' in page
    elsewhere = sign_in(Client(app), cast.bob)
    assert '<html lang="de">' in elsewhere.get("/products", headers={"Accept-Language": "en"}).text
    bob.send("/profile", name="Bob", zone="UTC", locale="")
    assert '<html lang="en">' in elsewhere.get("/products", headers={"Accept-Language": "en"}).text


@pytest.mark.parametrize("path", ["/admin/users", "/admin/permissions", "/admin/products", "/admin/settings"])
def test_pages_of_two_languages_do_not_mix(app: Flask, cast: Cast, path: str) -> None:
    """What is prepared once for a page is prepared in its language."""
    alice = sign_in(Client(app), cast.alice)
    found = [alice.get(path, headers={"Accept-Language": each}).text for each in ("en", "de", "en", "de")]
    pages = [re.sub(r"[\w-]+\.[\w-]{6}\.[\w-]+", "(token)", page) for page in found]
    assert pages[0] == pages[2]
    assert pages[1] == pages[3]
    words = {str(each.id): str(each.string) for each in messages("de") if isinstance(each.id, str)}
    assert [german for english, german in words.items() if f">{german}<" in pages[0] and german not in words] == []
    assert [english for english in words if f">{english}<" in pages[1] and english not in words.values()] == []


# ── letters ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def choose(app: Flask, locale: str, *account_ids: int) -> None:
    with app.app_context():
        for each in account_ids:
            db.session.get_one(Account, each).locale = locale
        db.session.commit()


def test_invitation_is_in_the_language_of_the_invited_account(app: Flask, cast: Cast) -> None:
    choose(app, "de", cast.erin.account_id)
    sign_in(Client(app), cast.alice).send("/admin/users", emails=f"{cast.erin.email}; new@firm.example")
    assert letters_to(app, cast.erin.email)[0].subject == "Alice Example lädt Sie zu Kestrel Works ein"
    assert letters_to(app, "new@firm.example")[0].subject == "Alice Example invites you to Kestrel Works"


def test_without_an_account_it_is_in_the_language_of_who_invites(app: Flask, cast: Cast) -> None:
    choose(app, "de", cast.alice.account_id)
    alice = sign_in(Client(app), cast.alice)
    alice.send("/admin/users", emails="new@firm.example")
    alice.send(f"/admin/users/{cast.dave.member_id}/resend")  # he has an account, which names no language
    assert "lädt Sie" in letters_to(app, "new@firm.example")[0].subject
    assert "lädt Sie" in letters_to(app, cast.dave.email)[0].subject


def test_who_signs_up_gets_the_letter_in_the_language_of_the_page(app: Flask) -> None:
    client = Client(app)
    fields = {"name": "Nina", "email": "nina@firm.example", "password": "six lanterns on the quay"}
    client.post("/register", data={"csrf_token": client.token, **fields}, headers=GERMAN)
    assert letters_to(app, "nina@firm.example")[0].subject == "Bestätigen Sie Ihre Adresse"


@pytest.mark.parametrize("name", LETTERS)
def test_every_letter_speaks_german_to_a_german(desk: Desk, name: str) -> None:
    for account in desk.session.query(Account):
        account.locale = "de"
    with force_locale("de"):
        LETTERS[name][0](desk)
    english = [each.id for each in messages("de") if isinstance(each.id, str) and len(each.id) > 20]
    for number, row in enumerate(desk.put()):
        letter = desk.letter(number)
        assert row.locale == "de"
        assert '<html lang="de">' in letter.html
        assert not [each for each in english if each in letter.text]


def test_moment_in_a_letter_is_of_the_organizations_zone_in_the_words_of_the_reader(desk: Desk) -> None:
    desk.organization.zone = "America/New_York"
    desk.account("dave").locale = "de"
    until = desk.member("dave").invited_at + INVITATION_AGE
    mail.invitation(desk.member("dave"))
    with force_locale("de"):
        written = words.moment(until, "America/New_York")
    assert written.endswith("(America/New_York)")
    assert f"Link gültig bis: {written}" in desk.letter().text.replace("\n", " ")


# ── how a language writes ────────────────────────────────────────────────────────────────────────────────────────────


def test_days_times_and_numbers_are_those_of_the_language(app: Flask) -> None:
    day, moment = date(2026, 11, 24), datetime(2026, 11, 24, 23, 30, tzinfo=UTC)

    def written() -> list[str]:
        return [
            words.day(day), words.short_day(day), words.moment(moment, "Europe/Berlin"), words.number(10_000),
            words.listed(["Anna", "Tom"]), str(KeyExpired(day)), str(NoSeat(1000, 1000, "Anna"))[:17],
        ]  # fmt: skip

    with app.test_request_context():
        assert written() == [
            "24 Nov 2026", "24 Nov", "25 Nov 2026, 00:30 (Europe/Berlin)", "10,000",
            "Anna or Tom", "This key expired on 24 Nov 2026.", "1,000 of 1,000 se",
        ]  # fmt: skip
    with app.test_request_context(), force_locale("de"):
        assert written() == [
            "24.\u00a0November 2026", "24.\u00a0Nov.", "25.\u00a0November 2026, 00:30 (Europe/Berlin)", "10.000",
            "Anna oder Tom", "Dieser Schlüssel ist am 24.\u00a0November 2026 abgelaufen.", "1.000 von 1.000\u00a0P",
        ]  # fmt: skip


# ── the way through it ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def german(browser: Browser) -> Page:
    """A browser that asks for the German of Switzerland."""
    return browser.new_context(locale="de-CH").new_page()


def test_a_german_browser_is_led_in_german_from_sign_in_to_the_invitation(
    blank: Database, tmp_path: Path, smtp: Mailbox, german: Page, browser: Browser
) -> None:
    program = Program(tmp_path, blank.url, **smtp.environ)
    program.command("users", "create", "vera@firma.example", "--name", "Vera Keller", "--password-stdin", said=PASSWORD)
    program.command("products", "add", "cad", "Halden CAD")
    key = program.command("keys", "issue", "--item", "cad:annual:2")
    with program.running():
        create_and_invite(german, program.address, key)
        letter = smtp.wait(1)[0]
        assert str(letter["Subject"]) == "Vera Keller lädt Sie zu Keller und Söhne ein"
        answer(browser.new_context(locale="de-DE").new_page(), link_in(letter))
        german.reload()
        expect(german.get_by_role("row").filter(has_text="Jo Beck")).to_contain_text("Aktiviert")
    german.context.close()


def create_and_invite(page: Page, address: str, key: str) -> None:
    page.goto(f"{address}/login")
    page.get_by_label("E-Mail").fill("vera@firma.example")
    page.get_by_label("Passwort", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Anmelden").click()
    page.get_by_role("button", name="Vera Keller").click()
    page.get_by_role("link", name="Organisation anlegen").click()
    page.get_by_label("Lizenzschlüssel").fill(key)
    page.get_by_role("button", name="Lizenzschlüssel prüfen").click()
    page.get_by_label("Name der Organisation").fill("Keller und Söhne")
    page.get_by_role("button", name="Organisation anlegen").click()
    page.goto(f"{address}/admin/users")
    page.get_by_label("E-Mail-Adressen").fill("jo@firma.example")
    page.get_by_role("button", name="Einladen").click()
    expect(page.get_by_role("row").filter(has_text="jo@firma.example")).to_contain_text("Ausstehend")


def answer(page: Page, link: str) -> None:
    page.goto(link)
    page.get_by_label("Name").fill("Jo Beck")
    page.get_by_label("Passwort", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Konto anlegen").click()
    page.get_by_role("button", name="Teilnahme bestätigen").click()
    expect(page.get_by_text("Sie nehmen jetzt an Keller und Söhne teil.")).to_be_visible()
    page.context.close()
