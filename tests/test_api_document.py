"""The OpenAPI document says what the API does, and the API does what the document says."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from core.api.advice import ADVICE
from core.api.document import operations
from core.api.facts import FACTS, component
from core.denials import CODES
from tests.clients import Client

pytestmark = pytest.mark.on_sqlite


@pytest.fixture
def document(anonymous: Client) -> dict[str, Any]:
    """The document as it is served."""
    found: dict[str, Any] = anonymous.get("/api/v1/openapi.json").get_json()
    return found


def test_every_operation_is_described_whole(document: dict[str, Any], app: Flask) -> None:
    named = {each["operationId"] for each in operations(document)}
    assert named == {str(rule.endpoint)[4:] for rule in app.url_map.iter_rules() if rule.endpoint.startswith("api.")}
    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": app.extensions["settings"].base_url}]
    assert document["components"]["securitySchemes"].keys() == {"dpop", "station"}
    for each in operations(document):
        assert each["summary"]
        assert all(answer["description"] for answer in each["responses"].values())
        assert "default" not in each["responses"]


def test_answers_of_the_document_have_schemas_and_examples(document: dict[str, Any]) -> None:
    for each in operations(document):
        for status, answer in each["responses"].items():
            assert ("content" in answer) == (status != "204"), (each["operationId"], status)
            for content in answer.get("content", {}).values():
                assert content["schema"]
                assert content["example" if status < "400" else "examples"], (each["operationId"], status)


def test_codes_are_what_operations_refuse_with(document: dict[str, Any]) -> None:
    refused = {
        code
        for each in operations(document)
        for status, answer in each["responses"].items()
        if status >= "400"
        for code in answer["content"]["application/problem+json"]["examples"]
    }
    assert refused | {"internal_error"} == set(CODES) == set(ADVICE)


def test_links_lead_from_taking_to_what_comes_next(document: dict[str, Any]) -> None:
    taken = document["paths"]["/api/v1/leases/{uuid}"]["put"]["responses"]["201"]
    assert {link["operationId"] for link in taken["links"].values()} == {
        "ask_for_lease", "show_lease", "give_lease_back", "borrow_lease",
    }  # fmt: skip


def test_every_code_has_its_members_in_the_document(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    full = schemas["NoSeatAvailable"]
    assert full["properties"]["code"]["enum"] == ["no_seat_available"]
    assert {"seats", "used", "next_expected_release"} <= set(full["required"])
    assert "request_url" in full["properties"]
    assert set(FACTS) <= set(CODES)
    for each in operations(document):
        for status, answer in each["responses"].items():
            if status >= "400":
                problem = answer["content"]["application/problem+json"]
                refs = problem["schema"].get("oneOf", [problem["schema"]])
                assert {ref["$ref"].rpartition("/")[2] for ref in refs} == set(map(component, problem["examples"]))


# ── for people ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_reference_shows_every_operation_member_and_code(anonymous: Client, document: dict[str, Any]) -> None:
    page = anonymous.get("/api/v1/")
    assert page.status_code == 200
    for path in document["paths"]:
        assert path in page.text
    for text in ("device.public_key", "idle_seconds", "next_expected_release", *CODES):
        assert text in page.text


def test_every_problem_has_its_public_page(anonymous: Client) -> None:
    for code, each in CODES.items():
        page = anonymous.get(f"/problems/{code.replace('_', '-')}")
        assert page.status_code == 200
        assert re.search(rf"<code>{code}</code> · HTTP {each.status}", page.text)
        for member in FACTS.get(code, ()):
            assert f"<code>{member}</code>" in page.text
    assert anonymous.get("/problems/nothing").status_code == 404
    assert anonymous.get("/problems/lease_ended").status_code == 404


def test_looking_at_the_reference_signs_nobody_out(client_for: Callable[[str], Client]) -> None:
    """The session is read there as everywhere, and what programs ask beside it leaves it alone."""
    alice = client_for("alice")
    assert "Alice Example" in alice.get("/api/v1/").text
    assert alice.get("/api/v1/health").status_code == 200
    assert alice.get("/admin/users").status_code == 200
