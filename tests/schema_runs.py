"""Requests that are made from the OpenAPI document, sent to the application, and held against the document."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from schemathesis import openapi
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from core.api.facts import component
from core.api.schemas import Told
from core.denials import CODES

#: Statuses with which a request of the right shape may be refused.
REFUSALS = ["2xx", "400", "401", "403", "404", "409", "410", "422", "429"]


@dataclass
class Run:
    """What came of a run."""

    statuses: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    links: int = 0  # requests that followed a link of an answer before


def run(app: Flask, document: dict[str, Any], authorization: str, examples: int) -> Run:
    """Try every operation in every way that the document gives, and `examples` more of each, alone and in turn."""
    schema = openapi.from_dict(closed(document), config=_config(authorization, examples))
    schema.app, schema.location = app, "/api/v1/openapi.json"
    made = Run()
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            _note(made, event)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            made.failures.append(repr(event))
    return made


def closed(document: dict[str, Any]) -> dict[str, Any]:
    """The document as of today: a program takes members that come later, our answers have none that is not written."""
    made = copy.deepcopy(document)
    for name in {each.__name__.removesuffix("Schema") for each in _below(Told)} | set(map(component, CODES)):
        if name in made["components"]["schemas"]:
            made["components"]["schemas"][name]["additionalProperties"] = False
    return made


def _below(kind: type[Told]) -> Iterator[type[Told]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)


def _config(authorization: str, examples: int) -> SchemathesisConfig:
    bounded = {"generation": {"max-examples": examples}}
    return SchemathesisConfig.from_dict(
        {
            "headers": {"Authorization": authorization},
            "generation": {"deterministic": True, "no-shrink": True, "database": "none"},
            "continue-on-failure": True,
            "phases": {"fuzzing": bounded, "stateful": bounded},
            "checks": {
                "positive_data_acceptance": {"expected-statuses": REFUSALS},
                "ignored_auth": {"enabled": False},  # tests/test_api_input.py asks every operation without a credential
            },
        }
    )


def _note(made: Run, event: events.ScenarioFinished) -> None:
    made.links += sum(each.is_transition_applied for each in event.recorder.cases.values())
    for each in event.recorder.interactions.values():
        if each.response is not None:
            made.statuses[each.response.status_code] += 1
    for checks in event.recorder.checks.values():
        for check in checks:
            if check.failure_info is not None:
                failure = check.failure_info.failure
                made.failures.append(f"{event.phase}: {check.name}: {failure.title}: {failure.message}"[:500])
