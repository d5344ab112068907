"""How pages write what is on every page: numbers in sentences of Python and of templates."""

from flask import Flask, render_template_string
from flask_babel import force_locale

from core.pages.words import ngettext, number
from tests.look_app import make_app


def said(app: Flask, locale: str) -> list[str]:
    """One number, written in each of the ways that there are."""
    template = "{{ ngettext('%(num)s seat', '%(num)s seats', 10000) }}"
    with app.test_request_context(), force_locale(locale):
        plural = ngettext("%(num)s seat", "%(num)s seats", 10000)
        return [number(10000), plural, render_template_string(template)]


def test_long_numbers_are_grouped_as_the_reader_is_used_to() -> None:
    app = make_app()
    assert said(app, "en") == ["10,000", "10,000 seats", "10,000 seats"]
    assert said(app, "de") == ["10.000", "10.000 seats", "10.000 seats"]


def test_one_is_one_though_its_number_is_written_out() -> None:
    with make_app().test_request_context():
        assert ngettext("%(num)s seat", "%(num)s seats", 1) == "1 seat"


def test_template_writes_a_number_into_markup_that_stays_markup() -> None:
    with make_app().test_request_context():
        sentence = "{{ ngettext('<b>%(num)s</b> of %(who)s', '<b>%(num)s</b> of %(who)s', 1234, who='<i>') }}"
        assert render_template_string(sentence) == "<b>1,234</b> of &lt;i&gt;"
