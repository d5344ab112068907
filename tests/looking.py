"""One page object goes from state to state, and axe looks at each: in every scheme and width, or in turn."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from playwright.sync_api import Browser, Page

from tests.browser import complaints, faults, watched

Scheme = Literal["light", "dark"]


class Look(NamedTuple):
    """How a page is looked at."""

    scheme: Scheme
    width: int


LOOKS = tuple(itertools.starmap(Look, itertools.product(("light", "dark"), (1280, 390))))
#: What a state is looked at in: all of them, or one of two in turn.
ALL = (LOOKS,)
IN_TURN = ((Look("light", 1280),), (Look("dark", 390),))
HEIGHT = 860
#: What a browser writes into the console of a page that is an error, which is what was asked for.
ASKED_FOR = re.compile(r"Failed to load resource: the server responded with a status of (405|413|500|503) .*/\w+\)$")


class Viewer:
    """Opens nothing itself: looks at what a page shows, and notes what is wrong with it under a name."""

    def __init__(self, browser: Browser, looks: Iterable[tuple[Look, ...]], **context: Any) -> None:
        self.context = browser.new_context(reduced_motion="reduce", **context)
        self.page: Page = watched(self.context.new_page())
        self._looks = itertools.cycle(looks)
        self._now, self.seen = next(self._looks), 0
        self.wrong: list[str] = []

    def look(self, name: str) -> None:
        """Look at what is there now; `name` says later what that was."""
        for scheme, width in self._now:
            self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            self.page.set_viewport_size({"width": width, "height": HEIGHT})
            self.wrong += [f"{name}, {scheme} {width}: {fault}" for fault in faults(self.page)]
            self.seen += 1
        noted = complaints(self.page)
        self.wrong += [f"{name}: {each}" for each in noted if not ASKED_FOR.match(each)]
        noted.clear()
        self._now = next(self._looks)

    def begin(self, *, wide: bool = True) -> None:
        """Be as a page is opened: wide, where there is something to press, else as it is looked at first."""
        width = LOOKS[0].width if wide else self._now[0].width
        self.page.set_viewport_size({"width": width, "height": HEIGHT})
