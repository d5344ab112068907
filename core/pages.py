"""What every template may use besides its own context: asset(name) and the filter address."""

from flask import Flask
from markupsafe import Markup, escape

from core.assets import asset


def init_app(app: Flask) -> None:
    """Give the templates of an application asset() and address."""
    app.jinja_env.globals["asset"] = asset
    app.jinja_env.filters["address"] = address


def address(text: str) -> Markup:
    """Return text escaped, with a place to break the line before its last @."""
    before, at, after = text.rpartition("@")
    return escape(text) if not at else escape(before) + Markup("<wbr>") + escape(at + after)
