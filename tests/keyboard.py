"""A person who has a keyboard and nothing else: what has the focus, whether it is seen, and where Tab leads."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Page

MOST = 150  # stops of Tab on a way; more is a trap

#: What has the focus: its role in words, its name, its box, and how its ring stands out from what is behind it.
FOCUSED = """() => {
  const e = document.activeElement
  if (!e || e === document.body || e === document.documentElement) return null
  const ink = (() => {
    const pen = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true })
    return color => {
      pen.clearRect(0, 0, 1, 1)
      pen.fillStyle = color
      pen.fillRect(0, 0, 1, 1)
      return [...pen.getImageData(0, 0, 1, 1).data].map(part => part / 255)
    }
  })()
  const linear = part => part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4
  const light = ([r, g, b]) => .2126 * linear(r) + .7152 * linear(g) + .0722 * linear(b)
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const color = ink(getComputedStyle(at).backgroundColor)
      if (color[3] === 1) return color
    }
    return ink('#fff')
  }
  const style = getComputedStyle(e), box = e.getBoundingClientRect()
  const drawn = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2
  const inside = parseFloat(style.outlineOffset) < 0
  const [a, b] = [light(ink(style.outlineColor)), light(behind(inside ? e : e.parentElement))]
  const frame = box.width && box.height
  const points = [[.5, .2], [.5, .8]].map(([x, y]) => [box.left + box.width * x, box.top + box.height * y])
  const isOn = ([x, y]) => {
    const top = document.elementFromPoint(x, y)
    return !!top && (e.contains(top) || !!top.closest('label')?.contains(e))
  }
  return {
    nth: [...document.all].indexOf(e),
    tag: e.tagName.toLowerCase(),
    name: (e.ariaLabel || e.labels?.[0]?.innerText || e.innerText || e.value || '').trim(),
    row: e.closest('tr, li, section, dialog, [popover]')?.innerText ?? '',
    in_dialog: !!e.closest('dialog'),
    in_main: !!e.closest('main'),
    floats: !!e.closest('dialog, [popover], .top, .skip, .side'),
    top: box.top + scrollY,
    bottom: box.bottom + scrollY,
    shown: !!frame && e.checkVisibility({ opacityProperty: true, visibilityProperty: true }),
    covered: !points.some(isOn) || !points.every(point => point[1] > innerHeight || isOn(point)),
    ring: drawn ? (Math.max(a, b) + .05) / (Math.min(a, b) + .05) : 0,
  }
}"""


@dataclass(frozen=True)
class Stop:
    """What has the focus."""

    nth: int  # element of the page
    tag: str
    name: str
    row: str
    in_dialog: bool
    in_main: bool
    floats: bool  # in the frame, a dialog or a menu, so not in the flow of the page
    top: float
    bottom: float
    shown: bool
    covered: bool
    ring: float  # contrast of the focus ring with what is behind it; 0: none

    @property
    def fault(self) -> str:
        """What is wrong with it for somebody who looks."""
        if self.tag == "main":  # the target of the skip link; what follows has a ring
            return ""
        wrong = {"not shown": not self.shown, "covered": self.covered, "no ring": self.ring < 3}
        return ", ".join(word for word, is_so in wrong.items() if is_so)


class Keyboard:
    """Presses keys on a page, and looks at every stop."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.faults: list[str] = []

    def focus(self) -> Stop | None:
        """What has the focus; None when it is lost."""
        found: dict[str, Any] | None = self.page.evaluate(FOCUSED)
        stop = Stop(**found) if found else None
        if stop and stop.fault:
            self.faults.append(f"{self.page.url}: {stop.tag} “{stop.name}”: {stop.fault}")
        return stop

    def press(self, *keys: str) -> None:
        """Press keys one after another."""
        for key in keys:
            self.page.keyboard.press(key)

    def to(self, name: str, row: str = "", key: str = "Tab") -> Stop:
        """Press Tab until something with this name has the focus, in a row that says `row`."""
        passed = []
        for _ in range(MOST):
            self.press(key)
            stop = self.focus()
            if stop and re.search(name, stop.name) and row in stop.row:
                return stop
            passed.append(stop.name if stop else None)
        raise AssertionError(f"no way to “{name}” over {passed}")

    def choose(self, name: str, row: str = "") -> None:
        """Go there and press Enter."""
        self.to(name, row)
        self.press("Enter")

    def type(self, text: str) -> None:
        """Type into what has the focus, in place of what stands there."""
        self.press("ControlOrMeta+a")
        self.page.keyboard.insert_text(text)

    def round(self, key: str = "Tab") -> list[Stop]:
        """All stops from where the focus is until it leaves the page."""
        stops: list[Stop] = []
        for _ in range(MOST * 4):
            self.press(key)
            stop = self.focus()
            if stop is None or (stops and stop.nth == stops[0].nth):
                return stops
            stops.append(stop)
        raise AssertionError(f"Tab never leaves: {[stop.name for stop in stops[-5:]]}")
