"""Activity as administrators and operators read it: who did what, found again, and taken along."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
from flask import Flask
from sqlalchemy import text, update

from core.activity import Activity, Actor
from core.db import db
from core.lists.activity_list import PAGE, SUBJECTS
from core.lists.activity_words import FIELDS, SENTENCES
from core.settings import ROOT
from models import Account, Organization
from tests.cast import ADDRESS, SEAL_KEY, SECRET_KEY, Cast
from tests.clients import Client
from tests.databases import Database
from tests.forked import COMMANDS, environment
from tests.kestrel import Kestrel

URL = "/admin/activity"
ROW = re.compile(r'<tr role="row" class="rec" id="entry-(\d+)">(.*?)</tr>', re.DOTALL)
#: An action as sources name it.
ACTION = re.compile(r'"((?:access|account|device|key|lease|member|organization|permission|product|program|station)'
                    r'\.(?!id")[a-z_]+)"')  # fmt: skip
ClientFor = Callable[[str], Client]


def rows(client: Client, url: str = URL, **wanted: str) -> list[str]:
    """What the rows of the page say, without tags."""
    page = client.get(f"{url}?{urlencode(wanted)}")
    assert page.status_code == 200
    return [html.unescape(re.sub(r"<[^>]+>", " ", row)) for _number, row in ROW.findall(page.text)]


def lines(client: Client, url: str = URL, **wanted: str) -> list[list[str]]:
    """The lines of the file, without its heading."""
    answer = client.get(f"{url}/export?{urlencode(wanted)}")
    assert answer.status_code == 200
    assert answer.text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(answer.text[1:])))[1:]


def act(app: Flask, cast: Cast, what: Callable[[Kestrel], object]) -> None:
    """Change something as alice."""
    with app.app_context():
        what(Kestrel(db.session, cast))
        db.session.commit()


def disable_bob(kestrel: Kestrel) -> None:
    """What an administrator does now and then."""
    kestrel.bob.disable(kestrel.by("alice"), kestrel.alice, kestrel.now)


def vendor(cast: Cast) -> Actor:
    """otto, at work."""
    return Actor("operator", cast.otto.account_id, ADDRESS)


def test_every_action_has_a_sentence_and_a_subject() -> None:
    sources = [ROOT / "models.py", *(ROOT / "core").rglob("*.py"), *(ROOT / "blueprints").rglob("*.py")]
    sources.remove(ROOT / "core" / "lists" / "activity_words.py")
    named = {action for path in sources for action in ACTION.findall(path.read_text())}
    assert named - set(SENTENCES) == set()
    assert {action.partition(".")[0] for action in SENTENCES} == {word for words in SUBJECTS.values() for word in words}


def test_newest_entry_says_who_did_what_and_what_became_of_it(app: Flask, cast: Cast, client_for: ClientFor) -> None:
    act(app, cast, disable_bob)
    newest = rows(client_for("alice"))[0]
    for words in ("Alice Example", "Bob Example disabled", "Kept for later: ", ADDRESS):
        assert words in newest


def test_entries_of_others_do_not_exist(app: Flask, cast: Cast, client_for: ClientFor) -> None:
    own = rows(client_for("mallory"))
    act(app, cast, disable_bob)
    assert rows(client_for("mallory")) == own
    assert not [row for row in own if "Kestrel" in row or "Bob" in row]
    assert not [line for line in lines(client_for("mallory")) if "Bob" in "".join(line)]


def test_what_is_looked_for_is_found(app: Flask, cast: Cast, client_for: ClientFor) -> None:
    act(app, cast, disable_bob)
    alice = client_for("alice")
    assert len(rows(alice, q="bob")) == len([row for row in rows(alice) if "Bob" in row]) > 1
    assert rows(alice, q="nobody of this name") == []
    assert all("Permission" in row for row in rows(alice, subject="permissions"))
    assert len(rows(alice, q="bob", subject="people")) < len(rows(alice, q="bob"))
    assert rows(alice, subject="no such thing", since="no day") == rows(alice)


def test_days_are_those_of_the_organization(app: Flask, cast: Cast, client_for: ClientFor) -> None:
    alice = client_for("alice")
    today, tomorrow = (f"{cast.now.date() + timedelta(days=days)}" for days in (0, 1))
    assert rows(alice, since=today, until=today) == [row for row in rows(alice) if f"{cast.now:%-d %b %Y}" in row]
    assert rows(alice, since=tomorrow) == []
    with app.app_context():
        db.session.execute(update(Organization).values(zone="Pacific/Kiritimati"))  # 14 hours ahead
        late = cast.now.replace(hour=23)
        db.session.execute(update(Activity).where(Activity.number == 1).values(at=late))
        db.session.commit()
    there = rows(alice, since=tomorrow, until=tomorrow)
    assert [row for row in there if "created" in row]


@pytest.mark.on_sqlite
def test_pages_follow_each_other_without_a_gap(app: Flask, cast: Cast, client_for: ClientFor) -> None:
    act(app, cast, lambda kestrel: kestrel.invite(";".join(f"new{n}@firm.example" for n in range(PAGE))))
    alice, found, page = client_for("alice"), [], URL
    while page:
        answer = alice.get(page).text
        found += [int(number) for number, _row in ROW.findall(answer)]
        more = re.search(r'href="([^"]+)">Show 50 more', answer)
        page = html.unescape(more[1]) if more else ""
    assert found == list(range(found[0], 0, -1))
    assert len(found) > PAGE
    assert len(rows(alice, before="3")) == 2


def test_file_holds_everything_that_is_looked_for(app: Flask, cast: Cast, client_for: ClientFor) -> None:
    act(app, cast, disable_bob)
    alice = client_for("alice")
    whole = lines(alice)
    assert [int(line[0]) for line in whole] == list(range(1, len(whole) + 1))
    assert whole[-1][2:5] == ["Alice Example", "member.disable", "Bob Example disabled"]
    assert json.loads(whole[-1][7]) == {"role": "member"}
    assert [line for line in whole if "Bob" in line[2] + line[4]] == lines(alice, q="bob")
    answer = alice.get(f"{URL}/export")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(r'attachment; filename="activity-[\d-]+\.csv"', answer.headers["Content-Disposition"])


@pytest.mark.on_sqlite
def test_a_name_is_no_formula_in_the_file(app: Flask, cast: Cast, client_for: ClientFor) -> None:
    with app.app_context():
        db.session.get_one(Account, cast.bob.account_id).name = "=1+1"
        db.session.commit()
    assert {line[2] for line in lines(client_for("alice"), q="=1")} >= {"'=1+1"}
    assert "&lt;" not in "".join(rows(client_for("alice"), q="=1"))


@pytest.mark.on_sqlite
def test_operators_read_what_is_no_organization_s(app: Flask, cast: Cast, client_for: ClientFor) -> None:
    act(app, cast, lambda kestrel: kestrel.account("bob").block(vendor(cast), kestrel.now))
    otto = client_for("otto")
    assert "Otto Example" in rows(otto, "/operator/activity")[0]
    assert "Account of Bob Example blocked" in rows(otto, "/operator/activity")[0]
    assert not [row for row in rows(otto, "/operator/activity") if "Kestrel" in row]
    assert lines(otto, "/operator/activity")[-1][3] == "account.block"


@pytest.mark.on_sqlite
def test_the_vendor_has_no_name_and_no_address_for_an_organization(
    app: Flask, cast: Cast, client_for: ClientFor
) -> None:
    act(app, cast, lambda kestrel: kestrel.license("annual").key.revoke(vendor(cast), kestrel.now, "Unpaid."))
    newest = rows(client_for("alice"))[0]
    assert "The vendor" in newest
    assert "“Unpaid.”" in newest
    assert "Otto" not in newest + "".join(lines(client_for("alice"))[-1])
    assert ADDRESS not in newest + "".join(lines(client_for("alice"))[-1])


@pytest.mark.on_sqlite
def test_no_page_of_activity_tells_a_key(app: Flask, cast: Cast, client_for: ClientFor) -> None:
    client_for("alice").swap(f"/admin/products/{cast.license['annual']}/reveal")
    assert "shown in full" in rows(client_for("alice"))[0]
    everything = client_for("alice").get(URL).text + client_for("alice").get(f"{URL}/export").text
    assert not re.search(r"(?:[0-9A-HJKMNP-TV-Z]{5}-){2}", everything)


@pytest.mark.on_sqlite
def test_every_field_of_a_profile_has_a_name(app: Flask, cast: Cast, client_for: ClientFor) -> None:
    profile = dict.fromkeys(FIELDS, "Other") | {"zone": "Europe/Berlin", "country": "DE"}
    act(app, cast, lambda kestrel: kestrel.organization.edit(profile, kestrel.by("alice"), kestrel.now))
    assert "Address, Contact person, Country, Name, Phone, Time zone." in rows(client_for("alice"))[0]


def test_command_names_the_first_entry_that_was_changed(
    app: Flask, cast: Cast, database: Database, tmp_path: Path
) -> None:
    environ = environment(DATABASE_URL=database.url, SECRET_KEY=SECRET_KEY, SEAL_KEY=SEAL_KEY)
    done = COMMANDS.run(("activity", "verify"), environ, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"\d+ entries, each as it was written\.\n", done.stdout)
    with app.app_context():
        db.session.execute(text("UPDATE activity SET actor_id = 7 WHERE stream = 'portal' AND number IN (2, 4)"))
        db.session.commit()
    done = COMMANDS.run(("activity", "verify"), environ, tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "The activity of the portal was changed at entry 2.\n"
