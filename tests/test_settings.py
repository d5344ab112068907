"""Settings: what is taken, what is refused and in which words, and the two secrets that are made."""

import base64
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core import secret_files
from core.settings import ROOT, TABLE, Settings, SettingsError, load

STRONG = "q8Zt3vYxN5bLc7WmKd2RgHs9JpQf4TuE"


def test_everything_has_a_default() -> None:
    settings = load({})
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8000, 2)
    assert settings.base_url == "http://127.0.0.1:8000"
    assert settings.mail_server is None
    assert settings.mail_from == "portal@localhost"


def test_an_empty_value_counts_as_not_set() -> None:
    assert load({"PORT": "", "MAIL_SERVER": " "}) == load({})


def test_the_database_lives_in_the_data_folder(tmp_path: Path) -> None:
    assert load({"PORTAL_DATA": str(tmp_path)}).database_url == f"sqlite:///{tmp_path}/portal.db"


def test_a_relative_data_folder_counts_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load({"PORTAL_DATA": "here"}).data == tmp_path / "here"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgresql_is_reached_through_psycopg(scheme: str) -> None:
    url = load({"DATABASE_URL": f"{scheme}://me:word@db/portal"}).database_url
    assert url == "postgresql+psycopg://me:word@db/portal"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("PORT", "99999", "PORT must be a whole number from 1 to 65535, not “99999”."),
        ("PORT", "²", "PORT must be a whole number"),
        ("HOST", "a b", "HOST must be a host name or an address"),
        ("BASE_URL", "portal.example.com", "BASE_URL must be an address"),
        ("BASE_URL", "https://a.example/portal", "BASE_URL must have no path"),
        ("BASE_URL", "https://a.example:port", "BASE_URL must be an address"),
        ("BASE_URL", "https://me@a.example", "BASE_URL must be an address"),
        ("PORTAL_NAME", "two\nlines", "PORTAL_NAME must be one line"),
        ("DATABASE_URL", "mysql://db/portal", "DATABASE_URL must name SQLite or PostgreSQL"),
        ("DATABASE_URL", "sqlite://", "DATABASE_URL must name a file"),
        ("DATABASE_URL", "sqlite:///:memory:", "DATABASE_URL must name a file"),
        ("SECRET_KEY", "short", "SECRET_KEY is too weak"),
        ("SECRET_KEY", "a" * 64, "SECRET_KEY is too weak"),
        ("SEAL_KEY", STRONG, "SEAL_KEY must be 32 random bytes"),
        ("MAIL_FROM", "nobody", "MAIL_FROM must be an address"),
        ("MAIL_FROM", "Me <me@a.example", "MAIL_FROM must be an address"),
        ("MAIL_TIMEOUT", "soon", "MAIL_TIMEOUT must be a number of seconds"),
        ("MAIL_USE_TLS", "maybe", "MAIL_USE_TLS must be yes or no"),
        ("TRUSTED_HOSTS", "a.example, b/c", "TRUSTED_HOSTS must be a host name"),
        ("LOG_LEVEL", "loud", "LOG_LEVEL must be one of debug, info"),
        ("PORTAL_DATE", "x", "PORTAL_DATE is not a setting of the portal. Did you mean PORTAL_DATA?"),
    ],
)
def test_a_bad_value_is_refused_in_one_sentence(name: str, text: str, words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load({name: text})
    assert str(refused.value).startswith(words)
    assert "\n" not in str(refused.value)


def test_tls_is_asked_for_in_one_way_only() -> None:
    with pytest.raises(SettingsError, match="not both"):
        load({"MAIL_USE_TLS": "yes", "MAIL_USE_SSL": "yes"})


@pytest.mark.parametrize("name", [setting.name for setting in TABLE if setting.is_secret])
def test_every_secret_may_come_from_a_file(name: str, tmp_path: Path) -> None:
    text = {"DATABASE_URL": "postgresql://db/portal", "SEAL_KEY": seal()}.get(name, STRONG)
    (tmp_path / "value").write_text(text + "\n")
    named = load({f"{name}_FILE": str(tmp_path / "value")})
    assert named == load({name: text})
    assert text in (getattr(named, name.lower()), "postgresql://db/portal")


def test_a_secret_file_that_cannot_be_read_is_named() -> None:
    with pytest.raises(SettingsError, match="SECRET_KEY_FILE names a file that cannot be read: /none"):
        load({"SECRET_KEY_FILE": "/none"})


def test_a_secret_comes_from_one_place(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="Set either SECRET_KEY or SECRET_KEY_FILE, not both"):
        load({"SECRET_KEY": STRONG, "SECRET_KEY_FILE": str(tmp_path)})


def test_trusted_hosts_are_the_host_of_the_address_people_use() -> None:
    assert load({"BASE_URL": "https://portal.example.com/"}).trusted_hosts == ("portal.example.com",)
    assert load({}).trusted_hosts == ("127.0.0.1", "localhost", "[::1]")
    assert load({"TRUSTED_HOSTS": "a.example, .b.example"}).trusted_hosts == ("a.example", ".b.example")


def test_the_demo_stays_on_this_machine_and_in_its_own_folder() -> None:
    demo = load({}, demo=True)
    assert demo.is_demo
    assert demo.data.name == "demo-data"
    with pytest.raises(SettingsError, match="The demo listens on this machine only"):
        load({"HOST": "0.0.0.0"}, demo=True)


def test_secrets_do_not_show_in_a_printed_settings_object() -> None:
    word = "hunter2-hunter2-hunter2-hunter2-xyz"
    settings = load({"SECRET_KEY": word, "MAIL_PASSWORD": word, "DATABASE_URL": f"postgresql://u:{word}@h/n"})
    assert word not in repr(settings)


def test_loading_creates_nothing(tmp_path: Path) -> None:
    settings = secret_files.with_secrets(load({"PORTAL_DATA": str(tmp_path / "data")}), create=False)
    assert settings.secret_key is settings.seal_key is None
    assert list(tmp_path.iterdir()) == []


def test_secrets_are_made_once_and_private(tmp_path: Path) -> None:
    made = made_in(tmp_path)
    assert made == made_in(tmp_path)
    assert made.secret_key != made.seal_key
    for name in ("secret_key", "seal_key"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["seal_key", "secret_key"]


def test_all_that_start_together_agree_on_the_secrets(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(made_in, [tmp_path] * 32))
    assert len({settings.secret_key for settings in made}) == 1
    assert len({settings.seal_key for settings in made}) == 1


def test_a_weak_secret_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret_key").write_text("weak\n")
    with pytest.raises(SettingsError, match="secret_key is too weak"):
        made_in(tmp_path)


def test_readme_and_example_list_every_setting() -> None:
    rows = re.findall(r"^\| `(\w+)`(?: \\(\*))? \| (.*?) \| (.*) \|$", (ROOT / "README.md").read_text(), re.M)
    wanted = [(s.name, "*" if s.is_secret else "", s.default or "none", s.meaning) for s in TABLE]
    assert [row for row in rows if row[0] == row[0].upper()] == wanted
    example = (ROOT / ".env.example").read_text()
    assert re.findall(r"^#(\w+)=", example, re.M) == [setting.name for setting in TABLE]
    assert all(setting.meaning in example for setting in TABLE)


def seal() -> str:
    return base64.urlsafe_b64encode(bytes(range(32))).decode()


def made_in(folder: Path) -> Settings:
    return secret_files.with_secrets(load({"PORTAL_DATA": str(folder)}), create=True)
