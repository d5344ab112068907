"""The README's pictures, taken from the demo with a browser: `make screenshots` runs it."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Literal, NamedTuple

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from core.demo.data import ANNA, GRACE, HEDWIG, JANA, PASSWORD
from core.settings import ROOT
from tests.browser import ARGUMENTS, chromium
from tests.program import Program

FOLDER = ROOT / "docs" / "pictures"
SCALE = 2  # pixels of the file for one of the page, in each direction
COLORS = 256  # as many as a small kind of file has; pages need few more
STRANGER = "bewehrungsplanung"  # begins the address of somebody who is invited and has no account


class Picture(NamedTuple):
    """One file: what is seen by whom, how large, light or dark."""

    name: str
    who: str
    path: str
    width: int
    height: int
    scheme: Literal["light", "dark"] = "light"


PICTURES = (
    Picture("users", ANNA, "/admin/users", 1280, 860),
    Picture("permissions", GRACE, "/admin/permissions", 1000, 720, "dark"),
    Picture("status", ANNA, "/admin/status", 1280, 900),
    Picture("my-products", JANA, "/products", 1000, 720),
)
PHONE = Picture("invitation", "", "", 390, 720)


def main() -> None:
    """Start a demo of its own and take every picture."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
        with Program(Path(folder), f"sqlite:///{folder}/portal.db").running("demo") as address:
            for picture in PICTURES:
                take(browser, address, picture)
            take(browser, address, PHONE._replace(path=invitation(browser, address)))
        browser.close()


def take(browser: Browser, address: str, picture: Picture) -> None:
    """One picture, from a browser that knows nothing of the others."""
    page = opened(browser, address, picture.who, picture)
    page.goto(picture.path)
    page.evaluate("document.fonts.ready")
    path = FOLDER / f"{picture.name}.png"
    with Image.open(io.BytesIO(page.screenshot())) as image:
        image.convert("RGB").quantize(COLORS, kmeans=1, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} KB")
    page.context.close()


def opened(browser: Browser, address: str, who: str, picture: Picture = PHONE) -> Page:
    """A page of a new browser, where one of the demo's people is signed in, or nobody."""
    context = browser.new_context(
        base_url=address, locale="en-US", viewport={"width": picture.width, "height": picture.height},
        device_scale_factor=SCALE, color_scheme=picture.scheme, reduced_motion="reduce",
    )  # fmt: skip
    page = context.new_page()
    if who:
        page.goto("/login")
        page.get_by_label("Email").fill(who)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda url: not url.endswith("/login"))
    return page


def invitation(browser: Browser, address: str) -> str:
    """The link in the letter to somebody without an account, which an operator of the demo can read."""
    page = opened(browser, address, HEDWIG)
    page.goto(f"/operator/mail?q={STRANGER}")
    page.get_by_role("link", name="Read letter").first.click()
    link = page.locator(".letter a").get_attribute("href")
    page.context.close()
    return str(link)


if __name__ == "__main__":
    main()
