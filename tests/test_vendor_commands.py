"""The vendor's commands as a person types them: output, refusals in one sentence, letters, and what makes no file."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import keys
from core.activity import Activity
from core.db import engine_for
from core.mailing.outbox import Outbox
from models import Account, Organization, PermissionKey
from tests.cast import SEAL_KEY, SECRET_KEY, Cast
from tests.databases import Database
from tests.forked import COMMANDS, Done, environment

Portal = Callable[..., Done]


@pytest.fixture
def portal(request: pytest.FixtureRequest, tmp_path: Path) -> Portal:
    """Runs a command on the test's database, or on an empty folder where the test asks for no database."""
    environ = environment(SECRET_KEY=SECRET_KEY, SEAL_KEY=SEAL_KEY)
    if "database" in request.fixturenames:
        environ["DATABASE_URL"] = request.getfixturevalue("database").url

    def run(*arguments: str, typed: bytes = b"") -> Done:
        if "rows" in request.fixturenames:
            request.getfixturevalue("rows").rollback()  # a look at the rows keeps writers out
        return COMMANDS.run(arguments, environ, tmp_path, typed)

    return run


@pytest.fixture
def rows(database: Database) -> Iterator[Session]:
    """A look at what a command left."""
    engine = engine_for(database.url)
    with Session(engine) as session:
        yield session
    engine.dispose()


def good(done: Done) -> str:
    """What a command that did its work printed."""
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def refused(done: Done) -> str:
    """The one sentence of a command that did not."""
    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    return done.stderr.strip()


def letters(rows: Session) -> list[tuple[str, str]]:
    """Kind and recipient of every letter."""
    return sorted((kind, email) for kind, email in rows.execute(select(Outbox.kind, Outbox.recipient)))


# ── keys ──


def test_issue_prints_one_genuine_key_and_nothing_else(portal: Portal, cast: Cast, rows: Session) -> None:
    printed = good(portal("keys", "issue", "--item", "draft:annual:12", "--item", "render:flex-cloud:3:2027-01-01"))
    assert printed == f"{keys.parse(printed)}\n"
    first, second = PermissionKey.known(rows, printed.strip()).licenses
    assert (first.type, first.seats) == ("annual", 12)
    assert (second.type, second.seats, str(second.start_on), str(second.end_on)) == (
        "flex-cloud", 3, "2027-01-01", "2027-12-31",
    )  # fmt: skip


@pytest.mark.on_sqlite
@pytest.mark.parametrize(
    ("items", "sentence"),
    [
        (["draft"], "“draft” is not an item: write CODE:TYPE[:SEATS[:START[:END]]]."),
        (["draft:annual:1:2027-01-01:2027-02-01:more"], "“draft:annual:1:2027-01-01:2027-02-01:more” is not an item"),
        (["nothing:annual"], "There is no product “nothing”; `./portal products list` has them."),
        (["draft:weekly"], "“weekly” is not a license type; they are perpetual, annual, three-years, trial,"),
        (["draft:annual:many"], "“many” is not a number of seats."),
        (["draft:annual:1000000000000"], "“1000000000000” is not a number of seats."),
        (["draft:annual:1", "draft:annual:100001"], "Item 2: Seats are a number from 0 to 100000."),
        (["draft:annual:1:2027-02-30"], "“2027-02-30” is not a date such as 2027-03-31."),
        (["draft:annual:1:2027-03-01:2027-02-01"], "Item 1: It would end before it starts, on 1 Mar 2027."),
        (["draft:perpetual:1::2030-01-01"], "Item 1: A PERPETUAL license has no end date."),
        (["\x1b[31mdraft:annual"], "There is no product “\N{REPLACEMENT CHARACTER}[31mdraft”"),
        ([], "Missing option '--item'."),
    ],
)
def test_bad_item_is_one_sentence(portal: Portal, cast: Cast, items: list[str], sentence: str) -> None:
    arguments = [part for item in items for part in ("--item", item)]
    assert refused(portal("keys", "issue", *arguments)).startswith(sentence)


def test_list_is_masked_and_the_same_twice(portal: Portal, cast: Cast) -> None:
    listed = good(portal("keys", "list"))
    assert listed == good(portal("keys", "list"))
    assert cast.unused["personal"] not in listed
    assert re.search(rf"…{cast.unused['personal'][-5:]}  issued  +1 × draft ANNUAL until 20\d\d-\d\d-\d\d\n", listed)
    rows = json.loads(good(portal("keys", "list", "--json")))
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    assert {row["state"] for row in rows} == {"issued", "redeemed"}
    assert {row["organization"] for row in rows} == {None, "Kestrel Works", "Harbor Design"}


def test_show_tells_the_whole_key_and_is_recorded(portal: Portal, cast: Cast, rows: Session) -> None:
    text_ = cast.unused["mixed"]
    assert f"key: {text_}\nstate: issued\n" in good(portal("keys", "show", text_.lower()))
    row = json.loads(good(portal("keys", "show", text_, "--json")))
    assert (row["key"], [each["type"] for each in row["items"]]) == (text_, ["trial", "flex-network"])
    assert row["items"][0]["serial"].startswith("SN-")
    shown = select(Activity.actor_kind).where(Activity.action == "key.reveal")
    assert rows.scalars(shown).all() == ["command", "command"]


@pytest.mark.on_sqlite
@pytest.mark.parametrize("command", ["show", "revoke", "reinstate", "release"])
def test_key_that_is_none_is_one_sentence(portal: Portal, cast: Cast, command: str) -> None:
    typed = cast.unused["personal"]
    wrong = typed[:14] + ("A" if typed[14] != "A" else "B") + typed[15:]
    assert refused(portal("keys", command, wrong)).startswith("Typing error in group 3: “")
    assert refused(portal("keys", command, keys.make())) == "This key is not known. Compare it with the mail."
    assert refused(portal("keys", command, "99999")) == "There is no key 99999."


def test_revoke_and_reinstate_tell_the_leaders_once(portal: Portal, cast: Cast, rows: Session) -> None:
    for command, said in (("revoke", "Key 1 is revoked.\n"), ("reinstate", "Key 1 is good again.\n")):
        assert good(portal("keys", command, "1")) == said
        assert good(portal("keys", command, "1")) == said
    both = [cast.alice.email, cast.carol.email]
    assert letters(rows) == [(kind, email) for kind in ("key-reinstated", "key-revoked") for email in both]


def test_extend_changes_one_item_and_tells(portal: Portal, cast: Cast, rows: Session) -> None:
    assert good(portal("keys", "extend", "1", "--end", "2031-12-31", "--seats", "9")) == (
        "Item 1 of key 1: 9 seats, until 2031-12-31.\n"
    )
    license = rows.get_one(PermissionKey, 1).licenses[0]
    assert (license.seats, str(license.end_on)) == (9, "2031-12-31")
    told = letters(rows)
    assert told == [("license-changed", cast.alice.email), ("license-changed", cast.carol.email)]
    good(portal("keys", "extend", "1", "--seats", "9"))
    assert letters(rows) == told


@pytest.mark.on_sqlite
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "Say what changes: --end or --seats."),
        (["--seats", "1000000000000"], "Seats are a number from 0 to 100000."),
        (["--seats", "-1"], "Seats are a number from 0 to 100000."),
        (["--seats", "few"], "Invalid value for '--seats'"),
        (["--end", "2001-01-01"], "It would end before it starts, on"),
        (["--end", "\x1b[31m"], "Invalid value for '--end': \N{REPLACEMENT CHARACTER}[31m is not a date such as"),
        (["--item", "0", "--seats", "1"], "This key has no item 0."),
        (["--item", "2", "--seats", "1"], "This key has no item 2."),
    ],
)
def test_extension_that_cannot_be_is_one_sentence(
    portal: Portal, cast: Cast, options: list[str], sentence: str
) -> None:
    assert refused(portal("keys", "extend", "1", *options)).startswith(sentence)


def test_one_of_several_items_has_to_be_named(portal: Portal, cast: Cast) -> None:
    assert refused(portal("keys", "extend", cast.unused["mixed"], "--seats", "2")) == (
        "This key has 2 items; say which one."
    )


def test_released_key_belongs_to_nobody(portal: Portal, cast: Cast, rows: Session) -> None:
    assert good(portal("keys", "release", "1")) == "Key 1 belongs to nobody.\n"
    assert rows.get_one(PermissionKey, 1).organization_id is None


# ── users ──


def test_created_account_is_confirmed_and_can_sign_in(portal: Portal, database: Database, rows: Session) -> None:
    done = portal("users", "create", "Ann@Example.com", "--name", "Ann", "--operator", "--password-stdin",
                  typed="gräulich langer Satz\n".encode())  # fmt: skip
    assert good(done) == "Ann@Example.com has an account.\n"
    account = Account.by_email(rows, "ann@example.com")
    assert account is not None
    assert (account.name, account.is_operator, account.is_confirmed) == ("Ann", True, True)
    assert str(account.password).startswith("$argon2id$")


@pytest.mark.on_sqlite
def test_account_without_password_is_told_where_to_set_one(portal: Portal, database: Database) -> None:
    done = portal("users", "create", "ann@example.com")
    assert (done.returncode, done.stdout) == (0, "ann@example.com has an account.\n")
    assert done.stderr == "It has no password yet; one is set at http://127.0.0.1:8000/reset.\n"


@pytest.mark.on_sqlite
@pytest.mark.parametrize(
    ("arguments", "typed", "sentence"),
    [
        (["nobody"], b"", "Not an address: "),
        (["alice@example.com"], b"", "There is an account with this address already."),
        (["a@example.com", "--password-stdin"], b"short\n", "Use at least 8 characters"),
        (["a@example.com", "--password-stdin"], b"password1\n", "This password is among the first"),
        (["a@example.com", "--password-stdin"], b"\xff\xfe\n", "The password is not text in UTF-8."),
        (["a@example.com", "--name", "x" * 5000], b"", "This is 5000 characters long; 200 fit."),
    ],
)
def test_account_that_cannot_be_is_one_sentence(
    portal: Portal, cast: Cast, arguments: list[str], typed: bytes, sentence: str
) -> None:
    assert refused(portal("users", "create", *arguments, typed=typed)).startswith(sentence)


def test_block_and_unblock_tell_once(portal: Portal, cast: Cast, rows: Session) -> None:
    for command, said in (("block", "is blocked."), ("unblock", "can sign in again.")):
        assert good(portal("users", command, "BOB@example.com")) == f"bob@example.com {said}\n"
        good(portal("users", command, "bob@example.com"))
    assert letters(rows) == [("blocked", cast.bob.email), ("unblocked", cast.bob.email)]
    assert refused(portal("users", "block", "who@example.com")) == (
        "There is no account with the address who@example.com."
    )


# ── products, organizations ──


def test_products_are_added_and_listed_by_code(portal: Portal, database: Database) -> None:
    assert good(portal("products", "add", "Zeta", "Zeta \x1b[31mRed")) == "zeta\n"
    good(portal("products", "add", "alpha", "Alpha Server", "--organization-only"))
    assert good(portal("products", "list")) == (
        "CODE   NAME          ORGANIZATION ONLY\nalpha  Alpha Server  yes\nzeta   Zeta [31mRed  no\n"
    )
    assert json.loads(good(portal("products", "list", "--json")))[0] == {
        "code": "alpha", "name": "Alpha Server", "organization_only": True,
    }  # fmt: skip
    assert refused(portal("products", "add", "ALPHA", "x")) == "There is a product with the code alpha already."


def test_organizations_are_listed_with_what_the_vendor_sees(portal: Portal, cast: Cast) -> None:
    assert json.loads(good(portal("organizations", "list", "--json"))) == [
        {"id": cast.organization_id, "name": "Kestrel Works", "administrator": cast.alice.email, "members": 5,
         "licenses": 6},
        {"id": cast.other_id, "name": "Harbor Design", "administrator": cast.mallory.email, "members": 1,
         "licenses": 1},
    ]  # fmt: skip
    assert good(portal("organizations", "list")).splitlines()[1].split()[:2] == ["1", "Kestrel"]


def test_transfer_makes_a_member_administrator_and_tells(portal: Portal, cast: Cast, rows: Session) -> None:
    assert good(portal("organizations", "transfer", "Kestrel Works", "BOB@example.com")) == (
        "Bob Example is administrator of Kestrel Works.\n"
    )
    holder = rows.get_one(Organization, cast.organization_id).holder_of("administrator")
    assert holder is not None
    assert holder.account_id == cast.bob.account_id
    told = letters(rows)
    assert told == [("transferred", each.email) for each in (cast.alice, cast.bob, cast.carol)]
    good(portal("organizations", "transfer", "1", cast.bob.email))
    assert letters(rows) == told


def test_transfer_that_cannot_be_is_one_sentence(portal: Portal, cast: Cast, rows: Session) -> None:
    rows.get_one(Organization, cast.other_id).name = "Kestrel Works"
    rows.commit()
    assert refused(portal("organizations", "transfer", "Kestrel Works", cast.bob.email)) == (
        "2 organizations are named “Kestrel Works”; give the number: 1, 2."
    )
    assert refused(portal("organizations", "transfer", "1", cast.dora.email)) == (
        "Only an enabled user can become administrator."
    )
    assert refused(portal("organizations", "transfer", "1", cast.erin.email)) == (
        "erin@example.com is not a member of this organization."
    )
    assert refused(portal("organizations", "transfer", "9", cast.bob.email)) == (
        "There is no organization “9”; `./portal organizations list` has them."
    )


# ── databases ──


@pytest.mark.parametrize("command", [["keys", "list"], ["products", "list"], ["organizations", "list", "--json"]])
def test_list_of_nothing_makes_no_file(portal: Portal, tmp_path: Path, command: list[str]) -> None:
    assert good(portal(*command)) == ("[]\n" if "--json" in command else "")
    assert list(tmp_path.iterdir()) == []


def test_show_of_nothing_makes_no_file(portal: Portal, tmp_path: Path) -> None:
    assert refused(portal("keys", "show", keys.make())) == "This key is not known. Compare it with the mail."
    assert list(tmp_path.iterdir()) == []


def test_first_command_that_writes_brings_the_schema(portal: Portal, tmp_path: Path) -> None:
    good(portal("products", "add", "draft", "Draft Pro"))
    assert "draft" in good(portal("products", "list"))
    assert (tmp_path / "data" / "portal.db").exists()


@pytest.mark.on_sqlite
@pytest.mark.parametrize("command", [["keys", "list"], ["products", "add", "x", "X"], ["keys", "show", "1"]])
@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", "The database is newer than this program"),
        ("DROP TABLE alembic_version", "The database has tables that are not the portal's"),
    ],
)
def test_database_of_another_version_is_left_alone(
    portal: Portal, database: Database, command: list[str], statement: str, sentence: str
) -> None:
    path = Path(database.url.removeprefix("sqlite:///"))
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()
    assert refused(portal(*command)).startswith(sentence)
