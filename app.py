"""The application: settings → database → accounts → guard → pages. `create_app` reads in the order it runs."""

from __future__ import annotations

import importlib
import importlib.util
import logging

from flask import Flask

from core import accounts, db, guard, people, security
from core.pages import answers, frame, languages
from core.pages import words as pages
from core.pages.htmx import htmx
from core.sealing import Sealer
from core.settings import ROOT, Settings

BLUEPRINTS = (
    "health",
    "home",
    "accounts",
    "account_links",
    "profile",
    "my_products",
    "organization",
    "products",
    "users",
    "permissions",
    "organization_profile",
    "invitations",
    "keys",
    "organizations",
    "catalog",
    "outgoing",
)


def create_app(settings: Settings) -> Flask:
    """A portal with these settings; their secrets are there already (`core.secret_files`)."""
    app = Flask("portal", root_path=str(ROOT))
    app.extensions["settings"] = settings
    app.extensions["sealer"] = Sealer(settings.seal_key or "")
    logging.getLogger().setLevel(settings.log_level.upper())
    db.init_app(app, settings.database_url)
    languages.init_app(app)
    security.init_app(app, settings)
    htmx.init_app(app)
    pages.init_app(app)
    answers.init_app(app)
    accounts.init_app(app, settings)
    people.init_app(app)
    guard.init_app(app)
    frame.init_app(app, settings)
    for name in BLUEPRINTS:
        if importlib.util.find_spec(f"blueprints.{name}"):
            app.register_blueprint(importlib.import_module(f"blueprints.{name}").bp)
    return app
