"""How many requests a credential sends in a second: counted in the process, so that counting costs nothing."""

from __future__ import annotations

import threading
import time
from collections import Counter

from flask_babel import gettext as _

from core.denials import Denied

MOST = 200


class Second:
    """The requests of the running second, by who sent them; a new second begins with none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._number = 0
        self._counts: Counter[int] = Counter()

    def count(self, credential: str) -> None:
        """Note one more request.

        :raise Denied: rate_limited.
        """
        number = int(time.monotonic())
        with self._lock:
            if number != self._number:
                self._number, self._counts = number, Counter()
            # What was presented is not kept, not even for a second; nor is it another one in another spelling.
            mark = hash("".join(credential.split()).lower())
            self._counts[mark] += 1
            is_too_much = self._counts[mark] > MOST
        if is_too_much:
            raise Denied("rate_limited", _("Too many requests. Ask again in a second."))
