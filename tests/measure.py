"""How long functions, templates and files are, and how much of the lines is comment and test: `make measure`.

A function is counted from `def` to its last line, without decorators; its docstring counts where that is said.
"""

from __future__ import annotations

import ast
import io
import statistics
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from core.settings import ROOT

PROGRAM = ["app.py", "models.py", "core", "blueprints"]
VERBS = {"get", "post"}


@dataclass(frozen=True)
class Function:
    """A function of the program and its length in lines."""

    place: str
    lines: int
    documented: int
    is_view: bool

    @property
    def code(self) -> int:
        """Its lines without the docstring."""
        return self.lines - self.documented


@dataclass(frozen=True)
class Spread:
    """What a list of lengths looks like: the middle one, the one that 95 of 100 do not exceed, the longest."""

    median: float
    most: int
    longest: int

    @classmethod
    def of(cls, lengths: list[int]) -> Spread:
        """The spread of some lengths."""
        ordered = sorted(lengths)
        return cls(statistics.median(ordered), ordered[int(len(ordered) * 0.95)], ordered[-1])

    def __str__(self) -> str:
        return f"{self.median:g} / {self.most} / {self.longest}"


@cache
def sources(*places: str) -> list[Path]:
    """The Python files at some places of the repository."""
    found = [ROOT / place for place in places]
    return sorted({path for each in found for path in ([each] if each.is_file() else each.rglob("*.py"))})


def program() -> list[Path]:
    """The files of the program itself."""
    return sources(*PROGRAM)


@cache
def functions() -> list[Function]:
    """Every function of the program."""
    return [each for path in program() for each in _functions(path)]


def templates(*, fragments: bool) -> dict[str, int]:
    """The lines of each fragment (its name starts with `_`), or of each page."""
    paths = sorted(path for path in (ROOT / "templates").rglob("*") if path.is_file())
    return {named(path): lines(path) for path in paths if path.name.startswith("_") is fragments}


def comments() -> float:
    """Comments per 100 lines of the program that are not blank."""
    text = [path.read_text(encoding="utf-8") for path in program()]
    written = sum(1 for each in text for line in each.splitlines() if line.strip())
    return 100 * sum(map(_comments, text)) / written


def tests_to_code() -> float:
    """Lines of the tests for each line of the program."""
    return sum(map(lines, sources("tests"))) / sum(map(lines, program()))


def lines(path: Path) -> int:
    """How many lines a file has."""
    return len(path.read_text(encoding="utf-8").splitlines())


def named(path: Path) -> str:
    """The path inside the repository."""
    return str(path.relative_to(ROOT))


def _functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            place = f"{named(path)}:{node.lineno} {node.name}"
            yield Function(place, _length(node), _documented(node), any(map(_routes, node.decorator_list)))


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _documented(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return _length(node.body[0]) if ast.get_docstring(node, clean=False) is not None else 0


def _routes(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(called, ast.Attribute) and called.attr in VERBS


def _comments(text: str) -> int:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return sum(1 for token in tokens if token.type == tokenize.COMMENT)


def table() -> list[tuple[str, str, str]]:
    """What is measured, its figure, and what the guide asks for."""
    views = [each.lines for each in functions() if each.is_view]
    pages, pieces = templates(fragments=False), templates(fragments=True)
    return [
        ("functions", f"{len(functions()):,}", ""),
        ("lines a function", str(Spread.of([each.code for each in functions()])), "≤ 5 / ≤ 20 / ≤ 40"),
        ("  with its docstring", str(Spread.of([each.lines for each in functions()])), "– / ≤ 20 / ≤ 40"),
        ("lines a view", str(Spread.of(views)), "≤ 10 / – / ≤ 40"),
        ("lines a page", str(Spread.of(list(pages.values()))), "– / – / ≤ 120"),
        ("lines a fragment", str(Spread.of(list(pieces.values()))), "– / – / ≤ 40"),
        ("lines a file", str(Spread.of(list(map(lines, program())))), "≤ 300 but models.py"),
        ("comments per 100 lines", f"{comments():.1f}", "5–8"),
        ("tests : code", f"{tests_to_code():.2f}", "about 1.4"),
    ]


def main() -> None:
    """Print the table, and which functions are longest."""
    print(f"{'':24} {'median / 95 % / longest':24} guide")
    for name, figure, guide in table():
        print(f"{name:24} {figure:24} {guide}")
    print("\nThe longest functions")
    for each in sorted(functions(), key=lambda function: -function.lines)[:10]:
        print(f"{each.lines:4}  {each.place}")


if __name__ == "__main__":
    main()
