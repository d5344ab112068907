"""The house keeps its measure: short functions, short templates, no room that nobody overlooks."""

from __future__ import annotations

import pytest

from tests import measure
from tests.measure import Spread


def test_functions_are_short() -> None:
    spread = Spread.of([each.code for each in measure.functions()])
    assert spread.median <= 5
    assert spread.most <= 20


def test_views_load_call_commit_and_answer() -> None:
    assert Spread.of([each.lines for each in measure.functions() if each.is_view]).median <= 10


def test_no_function_is_longer_than_a_screen() -> None:
    assert not [each.place for each in measure.functions() if each.lines > 40]


@pytest.mark.parametrize(("fragments", "most"), [(True, 40), (False, 120)])
def test_templates_are_short(fragments: bool, most: int) -> None:
    assert not {name: length for name, length in measure.templates(fragments=fragments).items() if length > most}


def test_files_are_overlooked() -> None:
    """The domain stands in one file, because its rules call each other; everything else is divided."""
    long = {measure.named(path) for path in measure.program() if measure.lines(path) > 300}
    assert long <= {"models.py"}


def test_tests_weigh_more_than_what_they_test() -> None:
    assert measure.tests_to_code() > 1.2
