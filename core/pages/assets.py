"""Static files named after their content: asset() for templates, `python -m core.pages.assets` to make them.

`make assets` runs Node first (Tabler purged to the classes in use, app.css made small), then this module: it
puts both style sheets together, names every file after its content, and writes compressed copies and the
manifest. The result is committed, so that neither Node nor a build is needed to run the portal.
"""

import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
STATIC = ROOT / "static"
BUILT = STATIC / "dist"
MANIFEST = STATIC / "manifest.json"
TABLER_CLASSES = STATIC / "vendor" / "tabler-1.6.1-classes.txt"
TABLER_PURGED = STATIC / "vendor" / "tabler-1.6.1.css"
SMALL = ROOT / "node_modules" / ".assets"  # what Node made of app.css and app.js
INPUTS = ("static/app.css", "static/app.js", "static/mark.svg", "package-lock.json", "purgecss.config.cjs")
URL = "/static/"
CLASS_ATTRIBUTE = re.compile(r'class="([^"]*)"')
JINJA = re.compile(r"\{%.*?%\}|\{\{.*?\}\}", re.S)
QUOTED = re.compile(r"(?<![=!]= )'([^']*)'")  # what is compared with, as in {% if x == 'y' %}, is no class
WORD = re.compile(r"[\w-]+")


def asset(name: str) -> str:
    """Return the address of a static file by its plain name, such as app.css or fonts/geist-latin.woff2."""
    return URL + _names()[name]


def is_immutable(path: str, url: str) -> bool:
    """Whether a static file may be cached for good: its name changes with its content (for whitenoise)."""
    return url.startswith((f"{URL}dist/", f"{URL}fonts/"))


@cache
def _names() -> dict[str, str]:
    names: dict[str, str] = json.loads(MANIFEST.read_text())["files"]
    return names


def build() -> None:
    """Write the named files, their compressed copies and the manifest; take away what is no longer named."""
    BUILT.mkdir(exist_ok=True)
    files = fonts() | {name: _write(name, content) for name, content in _contents()}
    manifest = {"files": files, "inputs": input_hashes()}
    MANIFEST.write_text(json.dumps(manifest, indent=1) + "\n")
    kept = {Path(name).name for name in files.values()}
    for path in BUILT.iterdir():
        if path.name.removesuffix(".gz").removesuffix(".br") not in kept:
            path.unlink()


def _contents() -> Iterator[tuple[str, bytes]]:
    """Each file to write: app.css is Tabler's part and ours in one, the licenses' first comments kept."""
    style = TABLER_PURGED.read_bytes() + (SMALL / "app.css").read_bytes()
    yield "app.css", style.replace(b"url(fonts/", b"url(../fonts/")
    yield "app.js", (SMALL / "app.js").read_bytes()
    yield "htmx.js", (STATIC / "vendor" / "htmx-4.0.1.min.js").read_bytes()
    yield "mark.svg", (STATIC / "mark.svg").read_bytes()


def _write(name: str, content: bytes) -> str:
    import brotli  # type: ignore[import-untyped]  # only whoever builds has it

    stem, _, ending = name.rpartition(".")
    path = BUILT / f"{stem}-{hashlib.sha256(content).hexdigest()[:8]}.{ending}"
    path.write_bytes(content)
    # Without a time in it, so that the same content gives the same file and the repository no change.
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(content, 9, mtime=0))
    path.with_name(path.name + ".br").write_bytes(brotli.compress(content, quality=11))
    return f"dist/{path.name}"


def fonts() -> dict[str, str]:
    """Return plain name → file for the fonts, whose files carry their hash for good."""
    paths = sorted((STATIC / "fonts").glob("*.woff2"))
    # The last nine are a dash and eight digits of the hash.
    return {f"fonts/{path.stem[:-9]}.woff2": f"fonts/{path.name}" for path in paths}


def input_hashes() -> dict[str, str]:
    """Return the SHA-256 of each file that the result is made from."""
    return {name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in INPUTS}


def templates() -> list[Path]:
    """Return every template of a page; letters bring their own style."""
    return [path for path in sorted((ROOT / "templates").rglob("*.html")) if "mail" not in path.parts]


def classes_in(path: Path) -> set[str]:
    """Return the classes in a template's class attributes; of {{ }} what stands in single quotes."""
    values = CLASS_ATTRIBUTE.findall(path.read_text())
    return {word for value in values for word in WORD.findall(JINJA.sub(_quoted, value))}


def _quoted(code: re.Match[str]) -> str:
    return " ".join(["", *QUOTED.findall(code[0]), ""]) if code[0].startswith("{{") else " "


if __name__ == "__main__":
    build()
