"""A page of three people on the real templates and static files, that knows nothing of the domain."""

import time
from types import SimpleNamespace
from typing import Any

import jinja2
from flask import Flask, Response, flash, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import Babel
from flask_wtf import CSRFProtect

from core.pages import words as pages
from core.pages.assets import ROOT
from core.pages.htmx import HTMX, refuse

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
ROWS = """{% import "macros.html" as ui %}{% for id, (name, is_on) in people.items() %}
<tr role="row" class="rec" id="member-{{ id }}"><td role="cell" class="main-cell">{{ name }}</td>
<td role="cell" class="wait">{{ ui.badge('ok', 'Enabled') if is_on else ui.badge('off', 'Disabled', True) }}</td>
<td role="cell" class="acts">
{{ ui.act('Disable' if is_on else 'Enable', '/%s/%s' % (id, 'disable' if is_on else 'enable'), 'closest tr') }}
{% call ui.menu('menu-%s' % id, 'More for ' ~ name) %}{{ ui.item('Resend', '/%s/slow' % id, 'send', 'closest tr') }}
{{ ui.item('Fail', '/%s/fail' % id, 'x', 'closest tr') }}{{ ui.item('Refuse', '/%s/refuse' % id, 'x', 'closest tr') }}
{{ ui.item('Lose session', '/%s/lost' % id, 'x', 'closest tr') }}
{{ ui.item('Lose page', '/%s/page' % id, 'x', 'closest tr') }}
<hr>{{ ui.ask_item('Remove', '/%s/remove' % id, 'trash', bad=True) }}{% endcall %}</td></tr>{% endfor %}"""
USERS = """{% extends "base.html" %}{% import "forms.html" as form %}{% block title %}Users{% endblock %}
{% block head_sub %}{{ people | length }} people.{% endblock %}{% block main %}
<section class="card" aria-label="Invite people" id="invite"><form class="card-body" method="post" action="/invite"
 hx-post="/invite" hx-select="#invite" hx-target="#invite" hx-swap="outerHTML">{{ ui.csrf() }}
{% call form.line('emails', 'Email addresses', typed, 'One or many.', error, rows=2) %}{{ form.submit('Invite') }}
{% endcall %}</form></section>
<section class="card" aria-label="Users"><table role="table" class="table table-users">
<caption class="visually-hidden">Users</caption>{{ ui.head(['User', 'State', '']) }}
<tbody role="rowgroup">{% include "_rows.html" %}</tbody></table>{{ ui.foot(people | length, 3) }}</section>
<label class="tick"><input class="form-check-input" type="checkbox" hx-post="/3/tick"
hx-target="#member-3" hx-swap="outerHTML">
<span class="tick-name">Tick</span></label>
<button class="btn" type="button" data-copy-text="7QK4M">Copy</button>{% endblock %}"""
REMOVE = """{% extends "ask.html" %}{% block title %}Remove?{% endblock %}{% block ask %}
{% call ui.ask('Remove ' ~ name ~ '?', '/%s/remove' % id, 'Remove', '/users', '#member-%s' % id, danger=True) %}
<ul>{% call ui.consequence('checkbox') %}2 seats become free.{% endcall %}</ul>{% endcall %}{% endblock %}"""
ANNA = SimpleNamespace(
    is_authenticated=True, name="Anna Brenner", email="anna@sued.example", initials="AB", is_operator=False,
    organization_name="Süd", role="administrator", state="enabled", may_administer=True, zone="Europe/Berlin",
)  # fmt: skip


htmx = HTMX()


def make_app() -> Flask:
    """Build the application: a list, what one does to a row, and everything that can go wrong."""
    app = Flask("app", root_path=str(ROOT))
    app.config["SECRET_KEY"] = "only for this test"
    mock = jinja2.DictLoader({"users.html": USERS, "_rows.html": ROWS, "remove.html": REMOVE})
    app.jinja_loader = jinja2.ChoiceLoader([mock, jinja2.FileSystemLoader(ROOT / "templates")])
    app.jinja_env.undefined = jinja2.StrictUndefined
    app.extensions["people"] = {"1": ("Tom", True), "2": ("Jana", True), "3": ("Łukasz", True)}
    for extension in (Babel, CSRFProtect, pages.init_app, htmx.init_app):
        extension(app)
    app.context_processor(lambda: context(app))
    app.after_request(with_policy)
    add_views(app, app.extensions["people"])
    return app


def context(app: Flask) -> dict[str, Any]:
    """What the portal gives to every template."""
    nav = [("/users", "Users", "users", 2), ("/products", "Products", "package", 0)]
    frame = {"nav": nav, "nav_title": "Admin Space", "nav_current": "/users"}
    return frame | {"current_user": ANNA, "portal_name": "Portal", "people": app.extensions["people"]}


def with_policy(response: Response) -> Response:
    """Forbid what the portal forbids, so that the browser reports it."""
    response.headers["Content-Security-Policy"] = POLICY
    return response


def add_views(app: Flask, people: dict[str, tuple[str, bool]]) -> None:
    """Add a page, the question before Remove, and what the buttons send to."""

    @app.get("/users")
    def users() -> str:
        return render_template("users.html", typed="", error="")

    @app.post("/invite")
    def invite() -> ResponseReturnValue:
        return render_template("users.html", typed=request.form["emails"], error="Not an address."), 422

    @app.get("/<id>/remove")
    def ask(id: str) -> str:
        return render_template("remove.html", id=id, name=people[id][0])

    @app.post("/<id>/<what>")
    def change(id: str, what: str) -> ResponseReturnValue:
        return trouble(what) or changed(people, id, what)


def trouble(what: str) -> ResponseReturnValue | None:
    """Answer what goes wrong."""
    if what == "fail":
        return "broken", 500
    if what == "lost":
        return "", 401, {"HX-Redirect": "/users?signed-out"}
    if what == "refuse":
        return refuse(make_response(render_template("_refused.html", sentence="She is the administrator."), 409))
    if what == "page":
        return render_template("error.html", title="Not found", sentence="It does not exist."), 404
    return None


def changed(people: dict[str, tuple[str, bool]], id: str, what: str) -> ResponseReturnValue:
    """Change a row, say so, and answer the row."""
    time.sleep(1 if what == "slow" else 0)
    name, _ = people[id]
    people[id] = (name, what != "disable")
    rows = {id: people[id]}
    if what == "remove":
        rows = {}
        people.pop(id)
    flash(f"{name}: {what}")
    return render_template("_rows.html", people=rows) if htmx.wants_fragment else redirect("/users", 303)
