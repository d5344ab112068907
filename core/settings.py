"""Every setting: its name, kind, default and meaning, read once and refused loudly.

The environment is the only source; a file `.env` beside `portal` may hold what the environment does not.
"""

import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core import setting_kinds as kinds

ROOT = Path(__file__).resolve().parent.parent
DEMO = "_PORTAL_DEMO"  # how the demo's processes know what they belong to; nobody's to set


class SettingsError(Exception):
    """A setting that stops the start; the message is one sentence for the person who set it."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table of settings."""

    name: str
    parse: Callable[[str], Any]
    default: str
    meaning: str
    is_secret: bool = False


TABLE = (
    Setting("HOST", kinds.host, "127.0.0.1", "The address to listen on."),
    Setting("PORT", kinds.whole(1, 65535), "8000", "The port to listen on."),
    Setting("BASE_URL", kinds.base_url, "http://HOST:PORT", "The address people use, in links too."),
    Setting("PORTAL_NAME", kinds.line(100), "Customer Portal", "The name on pages and in mail."),
    Setting("PORTAL_DATA", kinds.folder, "./data", "The folder for everything the portal keeps."),
    Setting(
        "DATABASE_URL",
        kinds.database_url,
        "SQLite in PORTAL_DATA",
        "`postgresql://user:password@host/name` for several workers or machines.",
        is_secret=True,
    ),
    Setting(
        "SECRET_KEY",
        kinds.secret_key,
        "made on first start",
        "Signs sessions and links; at least 32 random characters.",
        is_secret=True,
    ),
    Setting(
        "SEAL_KEY",
        kinds.seal_key,
        "made on first start",
        "Seals permission keys at rest; 32 random bytes as URL-safe base64.",
        is_secret=True,
    ),
    Setting("MAIL_SERVER", kinds.host, "", "The SMTP server; without one, mail is kept under Outgoing mail."),
    Setting("MAIL_PORT", kinds.whole(1, 65535), "25", "The port of the SMTP server."),
    Setting("MAIL_USERNAME", kinds.line(320), "", "The name to sign in to the SMTP server with."),
    Setting("MAIL_PASSWORD", kinds.line(1000), "", "The password that belongs to it.", is_secret=True),
    Setting("MAIL_USE_TLS", kinds.yes_no, "no", "Change to TLS after connecting (STARTTLS, often port 587)."),
    Setting("MAIL_USE_SSL", kinds.yes_no, "no", "Use TLS from the first byte (often port 465)."),
    Setting("MAIL_FROM", kinds.sender, "portal@ the host of BASE_URL", "The sender of every letter."),
    Setting("MAIL_TIMEOUT", kinds.seconds(1, 120), "10", "Seconds to wait for the SMTP server."),
    Setting(
        "TRUSTED_HOSTS",
        kinds.hosts,
        "the host of BASE_URL",
        "Host names the portal answers to, separated by commas; `.example.com` includes what is below it.",
    ),
    Setting("TRUSTED_PROXIES", kinds.whole(0, 10), "0", "How many proxies in front are believed."),
    Setting("LOG_LEVEL", kinds.one_of(*kinds.LOG_LEVELS), "info", "How much is logged: debug to critical."),
    Setting("LOG_FORMAT", kinds.one_of("text", "json"), "text", "How a line of the log looks: text or json."),
    Setting("WORKERS", kinds.whole(1, 64), "2", "Web processes; as many as there are cores."),
)

COMPUTED = {"BASE_URL", "DATABASE_URL", "SECRET_KEY", "SEAL_KEY", "MAIL_FROM", "TRUSTED_HOSTS"}


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings as the program uses them, named as in the environment but in lower case."""

    host: str
    port: int
    base_url: str
    portal_name: str
    data: Path
    database_url: str = field(repr=False)
    secret_key: str | None = field(repr=False)
    seal_key: str | None = field(repr=False)
    mail_server: str | None
    mail_port: int
    mail_username: str | None
    mail_password: str | None = field(repr=False)
    mail_use_tls: bool
    mail_use_ssl: bool
    mail_from: str
    mail_timeout: float
    trusted_hosts: tuple[str, ...]
    trusted_proxies: int
    log_level: str
    log_format: str
    workers: int
    is_demo: bool = False

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is the embedded one."""
        return self.database_url.startswith("sqlite:")


def current() -> Settings:
    """The settings of this process.

    :raise SettingsError: as `load`.
    """
    return load(environment(), demo=DEMO in os.environ)


def environment() -> dict[str, str]:
    """The process environment, completed by `.env` beside `portal`."""
    # Only where the file exists: most portals have none, and the import costs every command.
    path = ROOT / ".env"
    if not path.is_file():
        return dict(os.environ)
    from dotenv import dotenv_values

    # As it stands: a password may hold a dollar sign.
    kept = dotenv_values(path, interpolate=False)
    return {**{name: value for name, value in kept.items() if value is not None}, **os.environ}


def load(environ: Mapping[str, str], *, demo: bool = False) -> Settings:
    """Read the settings; creates no file.

    :raise SettingsError: when a value is bad or a PORTAL_* name is unknown.
    """
    _refuse_unknown(environ)
    values = {setting.name: _value(setting, environ) for setting in TABLE}
    if demo:
        _confine_demo(values, environ)
    _complete(values)
    if values["MAIL_USE_TLS"] and values["MAIL_USE_SSL"]:
        raise SettingsError("Set either MAIL_USE_TLS or MAIL_USE_SSL, not both.")
    data = values.pop("PORTAL_DATA")
    return Settings(data=data, is_demo=demo, **{name.lower(): value for name, value in values.items()})


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    # Only names with our prefix are ours for certain; the others may be another program's.
    known = [setting.name for setting in TABLE if setting.name.startswith("PORTAL_")]
    for name in environ:
        if name.startswith("PORTAL_") and name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise SettingsError(f"{name} is not a setting of the portal.{hint}")


def _value(setting: Setting, environ: Mapping[str, str]) -> Any:
    text = _text(setting, environ)
    if not text:
        if setting.name in COMPUTED or not setting.default:
            return None
        text = setting.default
    try:
        return setting.parse(text)
    except ValueError as error:
        raise SettingsError(f"{setting.name} {error}.") from None


def _text(setting: Setting, environ: Mapping[str, str]) -> str:
    # An empty value counts as not set: that is how compose files and .env templates leave a name out.
    text = environ.get(setting.name, "").strip()
    path = environ.get(f"{setting.name}_FILE", "").strip() if setting.is_secret else ""
    if text and path:
        raise SettingsError(f"Set either {setting.name} or {setting.name}_FILE, not both.")
    return _content(f"{setting.name}_FILE", path) if path else text


def _content(name: str, path: str) -> str:
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        raise SettingsError(f"{name} names a file that cannot be read: {path}.") from None
    if not text:
        raise SettingsError(f"{name} names an empty file: {path}.")
    return text


def _confine_demo(values: dict[str, Any], environ: Mapping[str, str]) -> None:
    if not kinds.is_loopback(values["HOST"]):
        raise SettingsError("The demo listens on this machine only; leave HOST at 127.0.0.1.")
    if not environ.get("PORTAL_DATA", "").strip():
        values["PORTAL_DATA"] = kinds.folder("./demo-data")
    # The demo prints passwords and keys to read; a line for every request would push them away.
    if not environ.get("LOG_LEVEL", "").strip():
        values["LOG_LEVEL"] = "warning"


def _complete(values: dict[str, Any]) -> None:
    if values["BASE_URL"] is None:
        values["BASE_URL"] = f"http://{kinds.bracketed(values['HOST'])}:{values['PORT']}"
    if values["DATABASE_URL"] is None:
        values["DATABASE_URL"] = f"sqlite:///{values['PORTAL_DATA'] / 'portal.db'}"
    name = kinds.host_of(values["BASE_URL"])
    if values["MAIL_FROM"] is None:
        values["MAIL_FROM"] = f"portal@{'localhost' if kinds.is_address(name) else name}"
    if values["TRUSTED_HOSTS"] is None:
        values["TRUSTED_HOSTS"] = kinds.trusted_hosts(name)
