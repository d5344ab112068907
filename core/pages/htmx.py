"""htmx 4 on the server's side: what it asks for, and what an answer tells it besides the fragment."""

import json
from typing import cast
from urllib.parse import unquote

from flask import Flask, Response, get_flashed_messages, request
from flask_htmx import HTMX as HTMX2

#: The request headers that decide which answer an address gives.
VARY = ("HX-Request", "HX-Request-Type")
#: The category of a flashed message that is read aloud and not shown.
EARS = "ears"


class HTMX(HTMX2):  # type: ignore[misc]  # Flask-HTMX ships no types
    """Flask-HTMX for the headers of htmx 4, and flashed messages in its answers."""

    def init_app(self, app: Flask) -> None:
        """Make `htmx` known to templates; a message flashed for a fragment leaves with it."""
        super().init_app(app)
        app.after_request(say_flashed)

    @property
    def wants_fragment(self) -> bool:
        """Whether a fragment is to be answered, and not a page or a redirect."""
        # Partial, unlike full: htmx asks for whole pages too, as when it follows a link or goes back.
        return bool(self) and request.headers.get("HX-Request-Type") == "partial"

    @property
    def target(self) -> str | None:
        """The id of the element that the answer replaces, None when it has none."""
        return _id_in("HX-Target")

    @property
    def trigger(self) -> str | None:
        """The id of the element that sent the request, None when it has none."""
        return _id_in("HX-Source")


htmx = HTMX()


def vary(response: Response) -> Response:
    """Tell caches that this answer depends on what htmx asked for."""
    response.vary.update(VARY)
    return response


def say(response: Response, text: str, *, bad: bool = False, unseen: bool = False) -> Response:
    """Have the browser show text for five seconds and read it aloud; a bad one stays until it is closed."""
    events = json.loads(response.headers.get("HX-Trigger", "{}"))
    said = events.setdefault("say", {"target": "body", "texts": []})
    said["texts"].append({"text": text, "bad": bad} | ({"unseen": True} if unseen else {}))
    response.headers["HX-Trigger"] = json.dumps(events)  # ASCII: a header carries nothing else
    return response


def say_flashed(response: Response) -> Response:
    """Move flashed messages into the answer to htmx, because no page follows that would show them."""
    # Before a redirect they wait in the session, for the page that follows.
    if htmx.wants_fragment and "HX-Redirect" not in response.headers:
        flashed = cast(list[tuple[str, str]], get_flashed_messages(with_categories=True))
        for category, text in flashed:
            say(response, text, bad=category == "error", unseen=category == EARS)
    return response


def clip(response: Response, text: str) -> Response:
    """Have the browser put text on the clipboard, such as a key that was shown for copying."""
    events = json.loads(response.headers.get("HX-Trigger", "{}"))
    response.headers["HX-Trigger"] = json.dumps(events | {"clip": {"target": "body", "text": text}})
    return response


def fire(response: Response, event: str) -> Response:
    """Have the browser tell the page that something changed: hx-trigger="<event> from:body" hears it."""
    events = json.loads(response.headers.get("HX-Trigger", "{}"))
    response.headers["HX-Trigger"] = json.dumps(events | {event: {"target": "body"}})
    return response


def refuse(response: Response) -> Response:
    """Have a refusal's fragment shown as a message, whatever element was to be replaced."""
    response.headers["HX-Retarget"] = "#live"
    response.headers["HX-Reswap"] = "beforeend"
    return response


def mend(response: Response, name: str) -> Response:
    """Have a refused form replace the one with this id, whatever its answer was to replace."""
    response.headers.update({"HX-Retarget": f"#{name}", "HX-Reselect": f"#{name}", "HX-Reswap": "outerHTML"})
    return response


def ask_again(response: Response) -> Response:
    """Have a refused form shown where it was asked, in the dialog or on its page, whatever it was to replace."""
    response.headers["HX-Retarget"] = "#ask"
    response.headers["HX-Reswap"] = "innerHTML"
    return response


def _id_in(header: str) -> str | None:
    """htmx 4 names an element `tag#id`, the id percent-encoded."""
    name = request.headers.get(header, "").partition("#")[2]
    return unquote(name) or None
