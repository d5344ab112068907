"""A real browser: Debian's Chromium, which fails the test on any error that a page makes."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

#: The first has no window of its own and costs half as much for every page.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
#: Without compositing by the GPU, Chromium also prepares no pop-ups of its own for each new page.
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-gpu-compositing", "--disable-background-networking",
    "--disable-dev-shm-usage",
)  # fmt: skip
#: Answers that a page expects and shows; the browser writes them to the console all the same.
EXPECTED = re.compile(
    r"Failed to load resource: the server responded with a status of (400|401|403|404|409|410|422|429)"
)
VIOLATIONS = (
    "addEventListener('securitypolicyviolation', e => console.error(`policy: ${e.violatedDirective} ${e.blockedURI}`))"
)


def chromium() -> str | None:
    """Where the browser is, None when there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """Which browser to start, and how."""
    found = chromium()
    if found is None:
        pytest.fail("There is no Chromium; install the package “chromium”.")
    return {"executable_path": found, "args": list(ARGUMENTS)}


@pytest.fixture(scope="session")
def contexts(browser: Browser) -> Iterator[dict[str, BrowserContext]]:
    """The contexts that are kept, by what they were asked for."""
    kept: dict[str, BrowserContext] = {}
    yield kept
    for each in kept.values():
        each.close()


@pytest.fixture
def context(
    browser: Browser, browser_context_args: dict[str, Any], contexts: dict[str, BrowserContext]
) -> Iterator[BrowserContext]:
    """A browser that has been nowhere and knows nobody.

    A context is emptied and kept, with one page open, because a page in a new one starts processes: two thirds of what
    a test costs.
    """
    kind = json.dumps(browser_context_args, sort_keys=True)
    if kind not in contexts:
        contexts[kind] = browser.new_context(**browser_context_args)
        contexts[kind].new_page()
    context = contexts[kind]
    yield context
    for page in context.pages[1:]:
        page.close()
    context.clear_cookies()
    context.clear_permissions()
    context.set_offline(False)


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page that must not complain: no error in the console, no violated policy."""
    page = watched(context.new_page())
    yield page
    assert not complaints(page)


def watched(page: Page) -> Page:
    """Note what the page complains about; for further pages of a test, which then asks `complaints`."""
    noted: list[str] = []
    page.__dict__["noted"] = noted

    def console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not is_expected(message):
            noted.append(f"{message.text} ({message.location.get('url')})")

    page.add_init_script(VIOLATIONS)
    page.on("console", console)
    page.on("pageerror", lambda error: noted.append(str(error)))
    return page


def complaints(page: Page) -> list[str]:
    """What the page complained about so far."""
    noted: list[str] = page.__dict__["noted"]
    return noted


def is_expected(message: ConsoleMessage) -> bool:
    """Whether the browser only says that a rule refused something."""
    return bool(EXPECTED.match(message.text)) and "/static/" not in str(message.location.get("url"))


#: Ends every animation but the ones that have no end.
FINISH = """for (const each of document.getAnimations())
  if (Number.isFinite(each.effect.getComputedTiming().endTime)) each.finish()"""


#: The rules of WCAG 2.0 to 2.2, A and AA, and what is good practice.
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
#: Where each fault is takes a third of the time to say, so it is asked only when there is one. What an open menu covers
#: is small for as long as it is open: there only the menu's own entries have a size.
RUN = """async rules => {
  const options = { resultTypes: ['violations'], runOnly: rules, preload: false }
  if (!(await axe.run({ ...options, selectors: false })).violations.length) return []
  const { violations } = await axe.run(options)
  const menu = document.querySelector(':popover-open')
  const isCovered = (id, node) => id === 'target-size' && menu && !menu.querySelector(node.target.join(' '))
  return violations.flatMap(({ id, nodes }) => nodes.filter(node => !isCovered(id, node))
    .map(node => `${id}: ${node.target} ${node.failureSummary}`))
}"""


def faults(page: Page) -> list[str]:
    """What axe finds against accessibility, one line each, once what appears is there in full."""
    if not page.evaluate(f"{FINISH}; 'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found: list[str] = page.evaluate(RUN, list(RULES))
    return found
