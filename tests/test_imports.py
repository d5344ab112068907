"""Which module may know which: the arrows of the layout, read from the sources."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from core.settings import ROOT

#: What the domain stands on.
BELOW_MODELS = {
    "activity", "addresses", "dates", "db", "errors", "grants", "keys", "leases", "postgres", "refusals", "sealing",
    "windows",
}  # fmt: skip
#: What is about one thing and knows nothing of the others.
PURE = {"addresses", "dates", "errors", "keys", "sealing"}
#: The folders of `core`, from the top down.
ROOMS = ["cli", "demo", "api", "forms", "lists", "oauth", "seats", "mailing", "pages"]


def sources(folder: str) -> list[Path]:
    """The modules of a folder."""
    return sorted((ROOT / folder).rglob("*.py"))


@cache
def imported(path: Path) -> frozenset[str]:
    """The dotted names that a module imports, wherever in it."""
    return frozenset(_imported(ast.parse(path.read_text(encoding="utf-8"))))


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)


def roots(path: Path) -> set[str]:
    """The packages that a module imports from."""
    return {name.partition(".")[0] for name in imported(path)}


@cache
def modules() -> dict[str, Path]:
    """The modules of `core` under their names in it: db, lists.roster, cli …"""
    named = ((path.relative_to(ROOT / "core").with_suffix("").parts, path) for path in sources("core"))
    return {".".join(parts).removesuffix(".__init__"): path for parts, path in named if parts != ("__init__",)}


def of_core(path: Path) -> set[str]:
    """The modules of `core` that a module imports."""
    return {name.removeprefix("core.") for name in imported(path)} & set(modules())


def room(module: str) -> str:
    """The folder of `core` that a module lies in; its own name for those that lie in none."""
    return module.partition(".")[0]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_models_stand_on_the_few_modules_below_them() -> None:
    assert of_core(ROOT / "models.py") <= BELOW_MODELS


def test_models_know_neither_request_nor_mail() -> None:
    known = imported(ROOT / "models.py")
    assert not {each for each in known if each.startswith(("flask.", "flask_login", "flask_mail", "blueprints"))}


@pytest.mark.parametrize("path", [ROOT / "core" / f"{each}.py" for each in sorted(BELOW_MODELS)], ids=name)
def test_what_is_below_models_does_not_know_them(path: Path) -> None:
    assert "models" not in roots(path)
    assert of_core(path) <= BELOW_MODELS


@pytest.mark.parametrize("path", [ROOT / "core" / f"{each}.py" for each in sorted(PURE)], ids=name)
def test_pure_modules_know_no_database(path: Path) -> None:
    assert not roots(path) & {"sqlalchemy", "flask", "models"}
    assert of_core(path) <= PURE


@pytest.mark.parametrize("path", sources("core"), ids=name)
def test_core_knows_no_blueprint(path: Path) -> None:
    assert "blueprints" not in roots(path)


@pytest.mark.parametrize("path", sources("blueprints"), ids=name)
def test_blueprints_do_not_know_the_application(path: Path) -> None:
    assert "app" not in roots(path)


@pytest.mark.parametrize("path", [*sources("core"), *sources("blueprints"), ROOT / "models.py"], ids=name)
def test_program_knows_no_test(path: Path) -> None:
    assert "tests" not in roots(path)


def test_models_end_no_transaction() -> None:
    """Rules do not commit: the view that calls them does, once."""
    assert not calls(ROOT / "models.py", "commit") + calls(ROOT / "models.py", "rollback")


def calls(path: Path, method: str) -> list[int]:
    """The lines that call a method."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute))
    return [node.lineno for node in found if isinstance(node.func, ast.Attribute) and node.func.attr == method]


def test_no_circle_of_imports_in_core() -> None:
    """Callee below its caller: following the imports at the top of modules never leads back."""
    graph = {module: at_the_top(path) for module, path in modules().items()}
    done: set[str] = set()

    def follow(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " → ".join((*way, module))
        if module not in done:
            for each in sorted(graph.get(module, ())):
                follow(each, (*way, module))
            done.add(module)

    for module in sorted(graph):
        follow(module, ())


def at_the_top(path: Path) -> set[str]:
    """The modules of `core` that a module imports when it is imported itself."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {name for node in tree.body for name in _imported(ast.Module([node], [])) if is_import(node)}
    own = ".".join(path.relative_to(ROOT / "core").with_suffix("").parts).removesuffix(".__init__")
    found = {each.removeprefix("core.") for each in names} & set(modules())
    return {each for each in found if not f"{own}.".startswith(f"{each}.")}  # the folder a module lies in is no step


@pytest.mark.parametrize("path", sources("core"), ids=name)
def test_rooms_of_core_know_only_those_below_them(path: Path) -> None:
    """What lies in a folder of `core` may use the folders named after its own in ROOMS, not those before it."""
    own = path.relative_to(ROOT / "core").parts[0]
    if own in ROOMS:
        assert {room(each) for each in of_core(path)} & set(ROOMS) <= set(ROOMS[ROOMS.index(own) :])


def test_every_room_of_core_has_its_place() -> None:
    assert {path.parent.name for path in (ROOT / "core").glob("*/__init__.py")} == set(ROOMS)


def is_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


@pytest.mark.parametrize("heavy", ["alembic", "huey", "zxcvbn", "pytest"])
def test_web_process_does_not_load(heavy: str) -> None:
    """Each costs memory and time in every worker, and none is needed to answer a page."""
    assert heavy not in loaded()


@cache
def loaded() -> frozenset[str]:
    """The packages that an application has loaded when it is made."""
    program = "import sys, app, core.web; print(*{name.partition('.')[0] for name in sys.modules})"
    for blueprint in sources("blueprints"):
        program = f"import blueprints.{blueprint.stem}; {program}"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return frozenset(done.stdout.split())
