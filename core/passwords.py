"""Passwords: hashed with a salt of their own and nothing else, verified in one time, and what is too easy to guess."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from flask import current_app
from flask_babel import lazy_gettext as _l
from flask_security.utils import hash_password, verify_password

from core.errors import BadInput

# OWASP ASVS 5.0, 6.2.1: at least 8, strongly advised 15; rules of composition are none of ours (6.2.5).
SHORTEST = 8
ADVISED = 15
LONGEST = 1000  # characters; argon2 takes more, a form need not
_ESTIMATED = 40  # characters; the estimate's time grows faster than their number, and a thread waits for it

#: Argon2id: 19 MiB, 2 passes. More memory would let a handful of sign-ins at one time fill a small machine.
COST = {"argon2__memory_cost": 19456, "argon2__time_cost": 2, "argon2__parallelism": 1}


def hashed(password: str) -> str:
    """What is kept of a password."""
    return str(hash_password(normal(password)))


def is_right(password: str, kept: str | None) -> bool:
    """Whether it is the password; takes as long when there is none, so that time tells nobody who has an account."""
    # Also where it is not needed: making it takes as long as a password, and the first sign-in must not tell.
    decoy = _decoy()
    if len(password) > LONGEST:
        password, kept = "", None
    return bool(verify_password(normal(password), kept or decoy)) and kept is not None


def normal(password: str) -> str:
    """The password as it is compared: one spelling for characters that Unicode can write in two ways."""
    return unicodedata.normalize("NFC", password)


def _decoy() -> str:
    """The hash of nobody's password, as costly as everybody's; made once."""
    if "decoy" not in current_app.extensions:
        current_app.extensions["decoy"] = hash_password("\0")
    return str(current_app.extensions["decoy"])


def check(password: str, about: Iterable[str] = (), *, field: str = "password") -> None:
    """Refuse a password that is short, common, or made of what everybody knows of the person; no rules of composition.

    :raise BadInput: saying which of these it is.
    """
    if len(password) < SHORTEST:
        raise BadInput(_l("Use at least %(n)s characters; %(more)s or more are better.", n=SHORTEST, more=ADVISED),
                       field=field)  # fmt: skip
    if len(password) > LONGEST:
        raise BadInput(_l("A password has at most %(n)s characters.", n=LONGEST), field=field)
    if is_common(password):
        raise BadInput(_l("This password is among the first that others would try. Choose another one."), field=field)
    if is_about(password, about):
        raise BadInput(_l("A password made of names that are known here is easy to guess. Choose another one."),
                       field=field)  # fmt: skip


def is_common(password: str) -> bool:
    """Whether guessing programs find it among their first million: common words, names, dates, rows of keys.

    What is longer than that estimate can look at is nobody's first guess.
    """
    if len(password) > _ESTIMATED:
        return False
    from zxcvbn import zxcvbn  # 14 MB that only a new password needs

    return bool(zxcvbn(password)["score"] < 2)


def is_about(password: str, about: Iterable[str]) -> bool:
    """Whether hardly a letter is left without the words that everybody knows of the person or the portal."""
    words = {word for text in about for word in re.split(r"[\W\d_]+", text.casefold()) if len(word) > 2}
    left = password.casefold()
    for word in sorted(words, key=len, reverse=True):
        left = left.replace(word, " ")
    return left != password.casefold() and sum(map(str.isalpha, left)) < SHORTEST // 2
