"""What htmx asks for, what an answer tells it, and what templates may use."""

import json
from collections.abc import Iterator

import pytest
from flask import Flask, Response, flash
from flask_babel import Babel

from core.pages import words as pages
from core.pages.htmx import HTMX, clip, refuse, say, vary

PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}


@pytest.fixture
def app() -> Iterator[Flask]:
    """An application that flashes in every answer, and nothing else."""
    app = Flask(__name__)
    app.secret_key = "only for this test"
    htmx = HTMX(app)
    Babel(app)
    pages.init_app(app)

    @app.post("/")
    def change() -> str:
        flash("Łukasz is enabled")
        flash("One seat was taken", "error")
        return f"{htmx.wants_fragment} {htmx.target} {htmx.trigger}"

    @app.get("/page")
    def page() -> str:
        return "".join(app.jinja_env.from_string("{{ get_flashed_messages() }}").render())

    with app.app_context():
        yield app


def test_partial_request_wants_a_fragment(app: Flask) -> None:
    assert app.test_client().post("/", headers=PARTIAL).text.startswith("True")


@pytest.mark.parametrize(
    "kind",
    [{}, {"HX-Request": "true"}, {"HX-Request": "true", "HX-Request-Type": "full"}, {"HX-Request-Type": "partial"}],
)
def test_anything_else_wants_a_page(app: Flask, kind: dict[str, str]) -> None:
    assert app.test_client().post("/", headers=kind).text.startswith("False")


def test_target_and_trigger_are_the_ids_of_elements(app: Flask) -> None:
    named = {"HX-Target": "tr#m%C3%BCller-7", "HX-Source": "button"}
    assert app.test_client().post("/", headers=PARTIAL | named).text == "True müller-7 None"


def test_flashed_messages_leave_with_a_fragment(app: Flask) -> None:
    client = app.test_client()
    header = client.post("/", headers=PARTIAL).headers["HX-Trigger"]
    assert header.isascii()
    assert json.loads(header)["say"]["texts"] == [
        {"text": "Łukasz is enabled", "bad": False},
        {"text": "One seat was taken", "bad": True},
    ]
    assert client.get("/page").text == "[]"


def test_flashed_messages_wait_for_the_page(app: Flask) -> None:
    client = app.test_client()
    assert "HX-Trigger" not in client.post("/").headers
    assert "One seat was taken" in client.get("/page").text


def test_an_answer_says_and_clips_at_once() -> None:
    events = json.loads(clip(say(Response(), "Revealed"), "7QK4M").headers["HX-Trigger"])
    assert events["clip"] == {"target": "body", "text": "7QK4M"}
    assert events["say"]["texts"] == [{"text": "Revealed", "bad": False}]


def test_refusal_is_shown_as_a_message() -> None:
    headers = refuse(Response(status=409)).headers
    assert (headers["HX-Retarget"], headers["HX-Reswap"]) == ("#live", "beforeend")


def test_vary_keeps_what_is_there() -> None:
    response = Response()
    response.vary.add("Cookie")
    assert set(vary(response).vary) == {"Cookie", "HX-Request", "HX-Request-Type"}


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("anna@example.com", "anna<wbr>@example.com"),
        ('"a@b"@example.com', "&#34;a@b&#34;<wbr>@example.com"),
        ("<b>no address</b>", "&lt;b&gt;no address&lt;/b&gt;"),
    ],
)
def test_address_breaks_before_the_last_at(text: str, markup: str) -> None:
    assert pages.address(text) == markup


def test_what_eyes_have_found_is_told_to_ears_alone() -> None:
    events = json.loads(say(Response(), "What is inside is shown below the field.", unseen=True).headers["HX-Trigger"])
    assert events["say"]["texts"] == [
        {"text": "What is inside is shown below the field.", "bad": False, "unseen": True}
    ]  # fmt: skip
