"""The OpenAPI document of the license API, made once from what its views say of themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from flask import Blueprint, Flask
from flask_smorest import Api

from core.api.facts import component, schema_of
from core.api.problems import MEDIA_TYPE
from core.api.texts import N_
from core.denials import CODES

VERSION = "1.0.0"
METHODS = ("put", "get", "delete", "post")
INTRODUCTION = N_(
    "An application asks for a seat with one question, and asks it again every few minutes to keep the seat. "
    "A network error or a 5xx is never a no; only a problem with a code is."
)
SCHEMES = {
    "dpop": {
        "type": "http", "scheme": "DPoP",
        "description": N_(
            "An access token from the device authorization grant (RFC 8628), bound to the device’s key (RFC 9449); one "
            "that is bound to no key is sent as Bearer. /.well-known/oauth-authorization-server names the addresses."
        ),
    },
    "station": {
        "type": "http", "scheme": "bearer", "bearerFormat": "st_…",
        "description": N_("The key of a station, made by an administrator for a lab or build machine."),
    },
}  # fmt: skip


class Described(Api):  # type: ignore[misc]  # Flask-Smorest ships no types
    """The document alone; nothing is served by it."""

    DEFAULT_ERROR_RESPONSE_NAME = None  # every status is named

    def _register_error_handlers(self) -> None:
        """Errors are answered by `core.api.problems`."""


def document(questions: Blueprint) -> dict[str, Any]:
    """The document of a blueprint's operations, read by an application of its own, so that no other waits for it."""
    app = Flask("portal.document")
    app.config.update(API_TITLE="License API", API_VERSION=VERSION, OPENAPI_VERSION="3.1.0")
    described = Described(
        app, spec_kwargs={"info": {"description": INTRODUCTION}, "security": [{name: []} for name in SCHEMES]}
    )
    for name, scheme in SCHEMES.items():
        described.spec.components.security_scheme(name, scheme)
    for code in CODES:
        described.spec.components.schema(component(code), schema=schema_of(code))
    described.register_blueprint(questions)
    made = cast("dict[str, Any]", described.spec.to_dict())
    for operation in operations(made):
        operation["responses"] = dict(sorted(map(_tidy, operation["responses"].items())))
    return made


def operations(made: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every operation of a document."""
    for path in made["paths"].values():
        yield from (path[method] for method in METHODS if method in path)


def _tidy(answer: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """One status with all its codes: several views of it were described one by one."""
    status, described = answer
    described = {name: value for name, value in described.items() if value}
    if (problem := described.get("content", {}).get(MEDIA_TYPE)) is not None:
        described["description"] = ", ".join(problem["examples"])
        problem["schema"] = _one_of(list(problem["examples"]))
    return status, described


def _one_of(codes: list[str]) -> dict[str, Any]:
    """The schema of a problem with one of some codes, each with the members that it brings."""
    refs = {code: f"#/components/schemas/{component(code)}" for code in codes}
    if len(refs) == 1:
        return {"$ref": refs[codes[0]]}
    return {
        "oneOf": [{"$ref": ref} for ref in refs.values()],
        "discriminator": {"propertyName": "code", "mapping": refs},
    }  # fmt: skip
