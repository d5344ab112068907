"""The application: settings → database → accounts → guard → pages. `create_app` reads in the order it runs."""

from __future__ import annotations

import logging

from flask import Flask

import blueprints
from core import accounts, db, guard, people, security
from core.api import problems
from core.oauth import server
from core.pages import answers, frame, languages
from core.pages import words as pages
from core.pages.htmx import htmx
from core.sealing import Sealer
from core.settings import ROOT, Settings


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
    server.init_app(app)
    for each in blueprints.ALL:
        app.register_blueprint(each)
    problems.init_app(app)
    return app
