"""What `./portal demo` says in the terminal: who can sign in, what to try, and where to begin."""

from __future__ import annotations

from collections.abc import Sequence

from core.demo.data import ANNA, HEDWIG, PASSWORD, PEOPLE, SAM
from core.settings import Settings


def welcome(settings: Settings, unused: Sequence[tuple[str, str]]) -> str:
    """The text, in lines of at most 100 columns; `unused` are the keys nobody has redeemed, with what each is for."""
    who = [(person.email, PASSWORD, person.words) for person in PEOPLE if person.words]
    return "\n".join(
        [
            "",
            "Who can sign in: address, password, who it is",
            *columns(who),
            "",
            *(["Permission keys that nobody has used yet", *columns(unused), ""] if unused else []),
            f"Begin at {settings.base_url}",
            f"  Sign in as {ANNA} and open Users, Permissions, Products.",
            "  Her Status moves by itself: programs of her people start, rest, crash, and give seats back.",
            f"  Sign in as {SAM} and paste a key with several seats: Create an Organization.",
            f"  Letters are kept, not sent. Sign in as {HEDWIG} and open",
            "  Outgoing mail: it shows every letter, Noor’s invitation too, and the links in them work.",
            f"  The data is in {settings.data}; remove that folder to begin again.",
            "",
        ]
    )


def columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows in aligned columns, two spaces in front."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
