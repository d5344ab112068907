"""Views of the license API describe themselves: what they take, what they answer, what they refuse with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar, cast

from flask import Request
from flask_babel import gettext as _
from marshmallow import Schema, ValidationError
from webargs.flaskparser import FlaskParser

from core.api import strict
from core.api.examples import PORTAL, UUID_OF_A_LAUNCH
from core.api.facts import examples_of
from core.api.fields import TOO_LONG
from core.api.problems import CHALLENGES, MEDIA_TYPE, malformed
from core.api.schemas import ProblemSchema
from core.denials import CODES

if TYPE_CHECKING:
    from flask import Blueprint  # Flask-Smorest ships no types
else:
    from flask_smorest import Blueprint

MOST_BYTES = 8 * 1024  # of a question
View = TypeVar("View", bound=Callable[..., Any])


class Decorator(Protocol):
    """What goes above a view and leaves its type as it is."""

    def __call__(self, view: View, /) -> View: ...


class Reading(FlaskParser):
    """Reads questions strictly, and says in one sentence which member is wrong."""

    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {"json": None, "query": None}  # noqa: RUF012  # as the class above has it

    def load_json(self, req: Request, schema: Schema) -> Any:
        """The body as JSON, whatever is wrong with it."""
        req.max_content_length = MOST_BYTES
        body = req.get_data()
        if req.mimetype not in ("", "application/json") and not req.mimetype.endswith("+json"):
            raise malformed(_("The body is to be JSON."), HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        try:
            return strict.loads(body)
        except ValueError:
            raise malformed(_("The body is no JSON that everybody reads alike.")) from None

    def handle_error(self, error: ValidationError, req: Request, schema: Schema, **how: Any) -> NoReturn:
        """Name the first member that cannot be used."""
        member, message = _first(next(iter(cast("dict[str, Any]", error.messages).values())))
        if message == TOO_LONG:
            raise malformed(_("“%(member)s” is too long.", member=member), HTTPStatus.UNPROCESSABLE_ENTITY)
        if not member:
            raise malformed(_("The body is to be a JSON object."))
        raise malformed(_("“%(member)s” is missing or cannot be used.", member=member))


def _first(messages: Any) -> tuple[str, str]:
    """The dotted name of the first member with a fault, and the fault."""
    names: list[str] = []
    while isinstance(messages, Mapping):
        name, messages = next(iter(messages.items()))
        names.append(str(name))
    return ".".join(name for name in names if name != "_schema"), str(messages[0])


class Questions(Blueprint):
    """A blueprint whose views are the operations of the document."""

    ARGUMENTS_PARSER = Reading()

    def named(self, operation: str, summary: str, **more: Any) -> Decorator:
        """Give a view the name that links and clients know it by, and its sentence."""
        return cast(Decorator, self._smorest.doc(operationId=operation, summary=summary, **more))

    def takes(self, schema: type[Schema], example: Mapping[str, Any]) -> Decorator:
        """Read the body, and hand it to the view."""
        arguments = self._smorest.arguments(schema, error_status_code=400, example=example)
        return _all(arguments, *(self._refuses(status, ["malformed_request"]) for status in (413, 415, 422)))

    def takes_from_address(self, schema: type[Schema]) -> Decorator:
        """Read what stands behind the question mark, and hand it to the view."""
        arguments = self._smorest.arguments(schema, location="query", error_status_code=400)
        return _all(arguments, self._refuses(422, ["malformed_request"]))

    def answers(
        self, status: int, description: str, schema: type[Schema] | None = None, example: Any = None, **more: Any
    ) -> Decorator:
        """Describe an answer; `links` lead from it to what can be asked next."""
        responses = {status: {"links": more.pop("links", {})}}
        described = {"schema": schema, "description": description, "example": example}
        return _all(
            self._smorest.alt_response(status, success=True, **described, **more),
            self._smorest.doc(responses=responses),
        )

    def refuses(self, *codes: str) -> Decorator:
        """Describe the problems of one status each, by their codes."""
        by_status: dict[int, list[str]] = {}
        for code in codes:
            by_status.setdefault(CODES[code].status, []).append(code)
        return _all(*(self._refuses(status, listed) for status, listed in by_status.items()))

    def _refuses(self, status: int, codes: list[str]) -> Any:
        return self._smorest.alt_response(
            status, schema=ProblemSchema, content_type=MEDIA_TYPE, headers=_headers(status),
            description="; ".join(f"`{code}`: {CODES[code].title}" for code in codes),
            examples={code: {"value": _example(code, status)} for code in codes},
        )  # fmt: skip

    @property
    def _smorest(self) -> Any:
        return self


def _all(*decorators: Any) -> Decorator:
    def decorated(view: View) -> View:
        for decorator in decorators:
            view = decorator(view)
        return view

    return decorated


def _example(code: str, status: int) -> dict[str, Any]:
    return {
        "type": f"{PORTAL}/problems/{code.replace('_', '-')}", "title": str(CODES[code].title),
        "status": status, "code": code, "detail": f"{CODES[code].title}.",
        "instance": f"/api/v1/leases/{UUID_OF_A_LAUNCH}", **examples_of(code),
    }  # fmt: skip


def _headers(status: int) -> dict[str, Any]:
    if status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": {"description": ", ".join(CHALLENGES), "schema": {"type": "string"}}}
    if status in (HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        description = "Seconds to wait before asking again."
        return {"Retry-After": {"description": description, "schema": {"type": "integer"}}}
    return {}
