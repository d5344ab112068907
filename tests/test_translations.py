"""The catalogs: whole, with the right placeholders, set as the language is; and no text stays outside of them."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po
from jinja2 import Environment, nodes

from core.pages.languages import FOLDER, LANGUAGES, name
from core.settings import ROOT

TRANSLATED = LANGUAGES[1:]
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%(?!\()\S|\{\w*\}")
TAG = re.compile(r"<[^>]+>")
CALLS = {"_", "_l", "gettext", "ngettext", "lazy_gettext", "lazy_ngettext"}
#: What wraps Flask-Babel's own, so that its first argument is not a text.
WRAPPERS = {"core/pages/words.py", "core/api/reference.py"}

#: What does not belong into a text of a language, with the reason.
WRONG = {
    "": {
        r"  ": "two spaces",
        r"^\s|\s$": "a space at an end",
        r"(?<=\w)'(?=\w)|\"": "a straight quote",
        r"!": "a shout",
    },
    "de": {
        r"“[^”]*”|”": "English quotes",
        r"\b(du|dich|dir|deine?\w*)\b": "Du instead of Sie",
        r"\w[*:_]in(nen)?\b": "a star",
        r"\b(bitte|erfolgreich)\b": "a word too much",
        r"\d \w": "a number that can be torn from its unit",
        r" - ": "a hyphen for a dash",
    },
}


def catalog(language: str) -> Catalog:
    with (FOLDER / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, language)


def messages(language: str) -> list[Message]:
    return [each for each in catalog(language) if each.id]


def pairs(language: str) -> Iterator[tuple[str, str]]:
    """Every text with its translation; of one with a number, the first form beside the singular."""
    for each in messages(language):
        if isinstance(each.id, tuple):
            yield from ((each.id[min(number, 1)], form) for number, form in enumerate(each.string or ()))
        else:
            yield str(each.id), str(each.string)


# ── the catalogs ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_german_is_one_of_the_languages() -> None:
    assert LANGUAGES[0] == "en"
    assert "de" in TRANSLATED
    assert [name(each) for each in ("en", "de", "fr")] == ["English", "Deutsch", "Français"]


@pytest.mark.parametrize("language", TRANSLATED)
def test_everything_is_translated(language: str) -> None:
    assert [text for text, translation in pairs(language) if not translation] == []
    assert [each.id for each in messages(language) if each.fuzzy] == []
    assert len(messages(language)) > 700


@pytest.mark.parametrize("language", TRANSLATED)
def test_translations_have_the_placeholders_and_tags_of_their_text(language: str) -> None:
    for text, translation in pairs(language):
        assert Counter(PLACEHOLDER.findall(translation)) == Counter(PLACEHOLDER.findall(text)), text
        assert Counter(TAG.findall(translation)) == Counter(TAG.findall(text)), text


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_sentence_stays_a_sentence_and_a_question_a_question(language: str) -> None:
    for text, translation in pairs(language):
        assert (text[-1] in ".?") == (translation[-1] in ".?"), (text, translation)


@pytest.mark.parametrize("language", TRANSLATED)
def test_translations_are_set_as_the_language_is(language: str) -> None:
    for pattern, what in (WRONG[""] | WRONG.get(language, {})).items():
        assert [each for _text, each in pairs(language) if re.search(pattern, TAG.sub("", each))] == [], what


def test_texts_are_set_as_english_is() -> None:
    for pattern, what in WRONG[""].items():
        assert [text for text, _translation in pairs("de") if re.search(pattern, TAG.sub("", text))] == [], what


# ── nothing outside of them ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", sorted((ROOT / "templates").rglob("*.*")), ids=lambda path: path.name)
def test_a_template_says_nothing_of_its_own(path: Path) -> None:
    """What is left of it without markup and expressions has no word in it, nor has an attribute that is read out."""
    source = re.sub(r"\{#.*?#\}|<(style|svg)\b.*?</\1>", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    markup = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "", source, flags=re.DOTALL)
    read_out = re.findall(r'\b(?:aria-label|title|alt)="([^"]*)"', markup)
    bare = re.sub(r"<[^>]*>|\bcard-mid\b|-(hint|error)\b", "", re.sub(r'[\w-]+="[^"]*"', "", markup))
    words = re.findall(r"[^\W\d_]{2,}", " ".join([bare, *read_out]).replace("{more}", ""))
    assert words == []


@pytest.mark.parametrize("path", [*sorted((ROOT / "core").rglob("*.py")), *sorted((ROOT / "blueprints").glob("*.py")),
                                  ROOT / "models.py"], ids=lambda path: path.name)  # fmt: skip
def test_what_python_says_is_a_text_and_not_a_variable(path: Path) -> None:
    """Only a text that stands in the call is found by the extraction."""
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in CALLS:
            texts = call.args[: 2 if "ngettext" in call.func.id else 1]
            is_text = all(isinstance(each, ast.Constant) for each in texts)
            assert is_text or str(path.relative_to(ROOT)) in WRAPPERS, f"line {call.lineno}"


@pytest.mark.parametrize("path", sorted((ROOT / "templates").rglob("*.*")), ids=lambda path: path.name)
def test_what_a_template_says_is_a_text_and_not_a_variable(path: Path) -> None:
    tree = Environment(autoescape=True).parse(path.read_text(encoding="utf-8"))
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name in CALLS:
            texts = call.args[: 2 if "ngettext" in call.node.name else 1]
            assert all(isinstance(each, nodes.Const) for each in texts), f"line {call.lineno}"


def test_the_script_says_only_what_the_page_gives_it() -> None:
    script = (ROOT / "static" / "app.js").read_text(encoding="utf-8")
    said = re.findall(r"\b(?:say|fail)\(([^()]*?)[,)]", script)
    assert said
    assert not [each for each in said if each.lstrip().startswith(("'", '"', "`"))]
