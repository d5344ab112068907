"""A language that puts every text in brackets: what stands outside of them on a page is nobody's to translate."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from babel.support import NullTranslations
from flask import Flask

from core.pages import languages
from tests.cast import Cast
from tests.clients import Client, sign_in

PAGES = {
    "alice": [
        "/admin/users", "/admin/users/{bob}/remove", "/admin/users/{bob}/co-admin", "/admin/users/{dave}/withdraw",
        "/admin/users?q=nobody", "/admin/products", "/admin/permissions", "/admin/permissions?member={bob}",
        "/admin/settings", "/products", "/profile", "/organization", "/nowhere",
    ],
    "dora": ["/products", "/organization", "/organization/leave", "/organization/create"],
    "erin": ["/products", "/organization", "/organization/create"],
    "otto": [
        "/operator/keys", "/operator/keys/1/extend", "/operator/keys/1/revoke", "/operator/keys/1/release",
        "/operator/organizations", "/operator/organizations/{kestrel}", "/operator/products", "/operator/mail",
    ],
    "nobody": ["/login", "/register", "/reset", "/confirm", "/invitations/nothing"],
}  # fmt: skip
#: Names, codes and keys of the cast, license types and days: the same in every language, or Babel's.
DATA = re.compile(
    r"(\w+ )?Example|\w+@example\.com|@example\.com|(Kestrel|Harbor) \w+|Draft Pro|Render Studio|Hub Server|"
    r"draft|render|hub|alice|bob|carol|dave|dora|erin|otto|mallory|Customer Portal|UTC|[A-Z]{2}|…?[0-9A-Z]{5}|"
    r"(Draft Pro )?(ANNUAL|PERPETUAL|TRIAL|THREE YEARS|FLEX \w+)|\d+ \w{3} \d{4}|XXXXX(-XXXXX)+|"
    r"anna@example\.com; tom@example\.com"
)


READ_OUT = {"aria-label", "title", "alt", "placeholder"}


class Bracketed(NullTranslations):
    """Every text as it is, between ⟦ and ⟧."""

    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return f"⟦{msgid1 if n == 1 else msgid2}⟧"

    ugettext, ungettext = gettext, ngettext


class Reader(HTMLParser):
    """What a page shows and reads out, but for the choices of a list: zones and countries are Babel's."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._within = [tag] if tag in ("script", "style", "option") else []
        self.texts += [
            value for name, value in attrs if value and name in ("aria-label", "title", "alt", "placeholder")
        ]

    def handle_endtag(self, tag: str) -> None:
        self._within = []

    def handle_data(self, data: str) -> None:
        if not self._within:
            self.texts.append(data)


def outside(page: str) -> list[str]:
    """What stands outside of the brackets."""
    reader = Reader()
    reader.feed(page)
    text, inner = "\n".join(each.strip() for each in reader.texts), re.compile(r"⟦[^⟦⟧]*⟧")
    while inner.search(text):
        text = inner.sub("", text)
    left = (each.strip(" \t·…()") for each in re.split(r"\n| · ", text))
    return [each for each in left if re.search(r"[^\W\d_]{2}", each) and not DATA.fullmatch(each)]


@pytest.mark.on_sqlite
@pytest.mark.parametrize("who", PAGES)
def test_every_word_of_a_page_can_be_translated(
    app: Flask, cast: Cast, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    monkeypatch.setattr(languages, "catalog", lambda _locale: Bracketed())
    client = Client(app) if who == "nobody" else sign_in(Client(app), cast.player(who))
    values = {"bob": cast.bob.member_id, "dave": cast.dave.member_id, "kestrel": cast.organization_id}
    for path in PAGES[who]:
        page = client.get(path.format(**values))
        assert page.status_code in (200, 404, 409, 410), path
        assert "⟦" in page.text
        assert outside(page.text) == [], path
