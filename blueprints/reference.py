"""/api/v1/: the reference of the license API, its OpenAPI document, and a public page for every problem."""

from __future__ import annotations

from functools import cache
from typing import Any

from flask import Blueprint, Response, abort, current_app, jsonify, render_template

from blueprints import api
from core.api import reference
from core.api.document import document
from core.denials import CODES

bp = Blueprint("reference", __name__)


@bp.get("/api/v1/")
def show() -> str:
    """The reference, for whoever writes an application."""
    return render_template("reference/page.html", reference=reference.of(_document()), base_url=_base_url())


@bp.get("/api/v1/openapi.json")
def openapi() -> Response:
    """The document, for programs that make programs."""
    return jsonify({**_document(), "servers": [{"url": _base_url()}]})


@bp.get("/problems/<code>")
def problem(code: str) -> str:
    """What a code means, and what a program does then; where a problem's `type` leads."""
    name = code.replace("-", "_")
    if name not in CODES or code != name.replace("_", "-"):
        abort(404)
    return render_template("reference/problem.html", code=reference.code_of(_document(), name))


@cache
def _document() -> dict[str, Any]:
    return document(api.bp)


def _base_url() -> str:
    return str(current_app.extensions["settings"].base_url)
