"""The committed style sheet and scripts belong to what is in the tree, and no template steps around them."""

import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import brotli  # type: ignore[import-untyped]
import pytest

from core.pages import assets

#: Tabler's classes that app.css means to change; every other class of ours is ours alone.
RESTYLED = {
    "btn", "btn-danger", "btn-primary", "btn-sm", "card", "card-body", "form-check-input", "form-control", "form-hint",
    "form-label", "form-select", "is-invalid", "table", "visually-hidden",
}  # fmt: skip
#: Beginnings of longer classes.
WITHOUT_A_RULE = {"i-", "face-", "msg-", "state-"}
FORBIDDEN = re.compile(r"\sstyle=|\|\s*safe\b|hx-on|\bjs:|<script(?! src=\"\{\{ asset\()|javascript:", re.I)
KILOBYTE = 1024


def manifest() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(assets.MANIFEST.read_text())
    return content


def classes_of(css: str) -> set[str]:
    """The classes in the selectors of a style sheet."""
    bare = re.sub(r"/\*.*?\*/|url\([^)]*\)|\"[^\"]*\"", "", css, flags=re.S)
    selectors = re.findall(r"([^{}]+)\{", bare)
    return {name for selector in selectors for name in re.findall(r"\.([a-zA-Z_][\w-]*)", selector)}


def tabler_classes() -> set[str]:
    return set(assets.TABLER_CLASSES.read_text().split())


def own_css() -> str:
    return (assets.STATIC / "app.css").read_text()


def test_result_was_made_from_the_files_in_the_tree() -> None:
    assert manifest()["inputs"] == assets.input_hashes(), "run `make assets` and commit static/"


def test_style_sheet_holds_the_classes_that_templates_use() -> None:
    used = {name for path in assets.templates() for name in assets.classes_in(path)}
    kept = classes_of(assets.TABLER_PURGED.read_text())
    assert used & tabler_classes() <= kept, "run `make assets` and commit static/"


def test_every_file_is_named_after_its_content_and_packed_twice() -> None:
    for name in manifest()["files"].values():
        content = (assets.STATIC / name).read_bytes()
        assert hashlib.sha256(content).hexdigest()[:8] == Path(name).stem[-8:]
        if name.startswith("dist/"):
            assert gzip.decompress((assets.STATIC / f"{name}.gz").read_bytes()) == content
            assert brotli.decompress((assets.STATIC / f"{name}.br").read_bytes()) == content


def test_nothing_lies_about_that_no_page_loads() -> None:
    named = {Path(name).name for name in manifest()["files"].values()}
    built = {path.name.removesuffix(".gz").removesuffix(".br") for path in assets.BUILT.iterdir()}
    assert built <= named


def test_own_classes_do_not_exist_in_tabler() -> None:
    assert classes_of(own_css()) & tabler_classes() <= RESTYLED
    assert len(tabler_classes()) > 3000


def test_every_class_in_a_template_has_a_rule() -> None:
    known = classes_of(own_css()) | classes_of(assets.TABLER_PURGED.read_text()) | WITHOUT_A_RULE
    used = {(path.name, name) for path in assets.templates() for name in assets.classes_in(path)}
    assert {(where, name) for where, name in used if name not in known} == set()


def test_every_icon_that_is_named_is_drawn() -> None:
    drawn = {name.removeprefix("i-") for name in classes_of(own_css()) if name.startswith("i-")}
    called = re.compile(r"\b(?:icon|consequence)\('([\w-]+)'")
    used = {(path.name, name) for path in assets.templates() for name in called.findall(path.read_text())}
    assert {(where, name) for where, name in used if name not in drawn} == set()


@pytest.mark.parametrize("path", assets.templates(), ids=lambda path: path.relative_to(assets.ROOT).as_posix())
def test_template_brings_no_style_no_script_no_raw_text(path: Path) -> None:
    assert FORBIDDEN.findall(path.read_text()) == []


@pytest.mark.parametrize("name", ["accent", "accent-2", "danger", "danger-2"])
def test_white_is_read_on_a_filled_button_under_the_mouse_too(name: str) -> None:
    found = re.search(rf"--{name}: light-dark\(#(\w{{6}}), #(\w{{6}})\)", own_css())
    assert found
    assert min(1.05 / (luminance(color) + 0.05) for color in found.groups()) >= 4.5


def luminance(color: str) -> float:
    """How light a color is, as WCAG counts it; white is 1."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_pages_stay_light() -> None:
    sizes = {name: (assets.STATIC / f"{file}.br").stat().st_size for name, file in manifest()["files"].items()
             if file.startswith("dist/")}  # fmt: skip
    assert sizes["app.css"] < 15.5 * KILOBYTE
    assert sizes["app.js"] + sizes["htmx.js"] < 15.5 * KILOBYTE


def test_asset_gives_the_named_file() -> None:
    assert re.fullmatch(r"/static/dist/app-[0-9a-f]{8}\.css", assets.asset("app.css"))
    assert (assets.ROOT / assets.asset("fonts/geist-latin.woff2").lstrip("/")).is_file()


def test_only_named_files_are_cached_for_good() -> None:
    assert assets.is_immutable("", assets.asset("app.js"))
    assert not assets.is_immutable("", "/static/app.js")


def test_lock_file_names_no_host() -> None:
    assert '"resolved"' not in (assets.ROOT / "package-lock.json").read_text()
