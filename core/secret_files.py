"""The two secrets a portal makes for itself, each in a file of its own in PORTAL_DATA, mode 0600."""

import base64
import contextlib
import os
import secrets
from dataclasses import replace
from pathlib import Path

from core import setting_kinds as kinds
from core.settings import Settings, SettingsError


def with_secrets(settings: Settings, create: bool) -> Settings:
    """The settings with `secret_key` and `seal_key` read from their files, or made when `create`.

    :raise SettingsError: when a file is unreadable, weak, or cannot be made.
    """
    secret = settings.secret_key or _read_or_make(settings.data / "secret_key", create)
    seal = settings.seal_key or _read_or_make(settings.data / "seal_key", create)
    return replace(settings, secret_key=secret, seal_key=seal)


def _read_or_make(path: Path, create: bool) -> str | None:
    try:
        if create and not path.exists():
            _make(path)
        text = path.read_text(encoding="ascii").strip()
        return kinds.seal_key(text) if path.name == "seal_key" else kinds.secret_key(text)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(f"{path} cannot be used: {error.strerror}.") from None
    except ValueError as error:
        raise SettingsError(f"The content of {path} {error}.") from None


def _make(path: Path) -> None:
    # A hard link appears whole or not at all, and only once: of two that start together, one wins.
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(base64.urlsafe_b64encode(secrets.token_bytes(kinds.SECRET_LENGTH)) + b"\n")
            file.flush()
            # What is sealed with a key that a power cut takes away is lost.
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
