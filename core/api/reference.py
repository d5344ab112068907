"""The document as the reference page shows it: operation by operation, in the reader's language."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext

from core.api.advice import ADVICE
from core.api.document import INTRODUCTION, METHODS, SCHEMES
from core.api.facts import FACTS, component
from core.denials import CODES

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a question or an answer: its dotted name, its type, and what it holds."""

    name: str
    type: str
    is_required: bool
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation may answer."""

    status: str
    text: str
    example: str | None


@dataclass(frozen=True, slots=True)
class Operation:
    """A method at an address."""

    id: str
    method: str
    path: str
    summary: str
    is_open: bool
    parameters: list[Member]
    members: list[Member]
    example: str | None
    answers: list[Answer]
    codes: list[str]


@dataclass(frozen=True, slots=True)
class Code:
    """Why something is refused, what an application does then, and what the refusal tells beside its sentence."""

    name: str
    status: int
    title: str
    advice: str
    members: list[Member]


@dataclass(frozen=True, slots=True)
class Reference:
    """All that the page shows."""

    introduction: str
    schemes: list[tuple[str, str]]
    operations: list[Operation]
    codes: list[Code]


def of(document: Document) -> Reference:
    """The reference of a document."""
    return Reference(
        words(INTRODUCTION),
        [(f"Authorization: {scheme['scheme'].replace('bearer', 'Bearer')}", words(scheme["description"]))
         for scheme in SCHEMES.values()],
        list(_operations(document)),
        [code_of(document, name) for name in CODES],
    )  # fmt: skip


def code_of(document: Document, name: str) -> Code:
    """What there is to know about a code."""
    schema = document["components"]["schemas"][component(name)]
    members = [each for each in _members(document, schema) if each.name in FACTS.get(name, ())]
    return Code(name, CODES[name].status, str(CODES[name].title), words(ADVICE[name]), members)


def _operations(document: Document) -> Iterator[Operation]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield _operation(document, path, method, item)


def _operation(document: Document, path: str, method: str, item: Document) -> Operation:
    described = item[method]
    body = described.get("requestBody", {}).get("content", {}).get("application/json", {})
    answers = [_answer(status, each) for status, each in described["responses"].items() if status < "400"]
    problems = [each for status, each in described["responses"].items() if status >= "400"]
    return Operation(
        described["operationId"], method.upper(), path, words(described["summary"]), described.get("security") == [],
        [_parameter(each) for each in item.get("parameters", ())],
        list(_members(document, body["schema"])) if body else [], _json(body.get("example")), answers,
        sorted({code for each in problems for code in each["description"].split(", ")}, key=list(CODES).index),
    )  # fmt: skip


def _answer(status: str, described: Document) -> Answer:
    example = described.get("content", {}).get("application/json", {}).get("example")
    return Answer(status, words(described["description"]), _json(example))


def _parameter(described: Document) -> Member:
    kind = described["schema"].get("format", described["schema"]["type"])
    return Member(described["name"], kind, described.get("required", False), words(described["description"]))


def _members(document: Document, schema: Document, before: str = "") -> Iterator[Member]:
    """The members of an object and, under their dotted names, of the objects in it."""
    found = _resolved(document, schema)
    for name, described in found.get("properties", {}).items():
        inner = _resolved(document, described)
        is_required = name in found.get("required", ())
        kind = str(inner.get("format", inner.get("type", "")))
        yield Member(f"{before}{name}", kind, is_required, words(described.get("description", "")))
        if "properties" in inner:
            yield from _members(document, inner, f"{before}{name}.")


def _resolved(document: Document, schema: Document) -> Document:
    name = schema.get("$ref", "").rpartition("/")[2]
    return document["components"]["schemas"][name] if name else schema


def _json(example: Any) -> str | None:
    return None if example is None else json.dumps(example, indent=2, ensure_ascii=False)


def words(text: str) -> str:
    """A text of the document in the reader's language."""
    # The catalogs know the empty text, as their own head.
    return gettext(text) if text else ""
