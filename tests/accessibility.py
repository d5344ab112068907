"""A page as a screen reader gets it: Chromium's accessibility tree, and what its live region says."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Page

LANDMARKS = ("banner", "navigation", "main", "contentinfo", "search", "region", "complementary")
CONTROLS = ("button", "link", "textbox", "searchbox", "checkbox", "combobox")

#: Notes every text that is added to the live region, as a screen reader would read it.
LISTEN = """() => {
  window.heard = []
  const live = document.getElementById('live')
  new MutationObserver(changes => changes.forEach(change => change.addedNodes.forEach(node => {
    if (node.parentElement === live && node.textContent.trim()) window.heard.push(node.textContent.trim())
  }))).observe(live, { childList: true })
}"""


@dataclass
class Node:
    """What is there: a role with its name, its description, and what is said about its state."""

    role: str
    name: str
    description: str
    state: dict[str, Any]
    above: Node | None = field(default=None, repr=False)

    def within(self, *roles: str) -> Node | None:
        """The nearest of these around it."""
        at = self.above
        while at is not None and at.role not in roles:
            at = at.above
        return at


class Ear:
    """Reads a page without seeing it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._tree = page.context.new_cdp_session(page)

    def read(self) -> list[Node]:
        """Everything that is not hidden, from the top."""
        found = self._tree.send("Accessibility.getFullAXTree")["nodes"]
        above = {child: each["nodeId"] for each in found for child in each.get("childIds", [])}
        nodes = {each["nodeId"]: _node(each) for each in found}
        for each in found:
            nodes[each["nodeId"]].above = nodes.get(above.get(each["nodeId"], ""))
        return [nodes[each["nodeId"]] for each in found if not each.get("ignored")]

    def listen(self) -> None:
        """Note from now on what is said."""
        self.page.evaluate(LISTEN)

    def heard(self) -> list[str]:
        """What was said since."""
        texts: list[str] = self.page.evaluate("window.heard.splice(0)")
        return texts


def faults(nodes: list[Node]) -> list[str]:
    """What a listener would miss on a page."""
    found = [f"{sum(each.role == 'heading' and each.state.get('level') == 1 for each in nodes)} headings of level 1"]
    found = [] if found == ["1 headings of level 1"] else found
    found += [f"{role} “{name}” {n} times" for (role, name), n in _landmarks(nodes).items() if n > 1]
    found += [f"{each.role} without a name" for each in nodes if each.role in (*CONTROLS, "table") and not each.name]
    found += [
        f"{each.role} “{each.name}” without headers"
        for each in nodes
        if each.role == "table" and not _heads(nodes, each)
    ]
    return found + [f"which {each.role} “{each.name}”?" for each in _alike(nodes)]


def _landmarks(nodes: list[Node]) -> Counter[tuple[str, str]]:
    return Counter((each.role, each.name) for each in nodes if each.role in LANDMARKS)


def _heads(nodes: list[Node], table: Node) -> int:
    return sum(each.role == "columnheader" and each.within("table") is table for each in nodes)


def _alike(nodes: list[Node]) -> list[Node]:
    """Controls that cannot be told apart: the same name and description, in the same named place."""
    known: dict[tuple[str, ...], Node] = {}
    doubled = []
    for each in nodes:
        if each.role in ("button", "checkbox", "textbox", "searchbox", "combobox"):
            place = each.within("region", "group", "dialog", "navigation")
            mark = (each.role, each.name, each.description, place.name if place else "")
            doubled += [each] if mark in known else []
            known[mark] = each
    return doubled


def _node(raw: dict[str, Any]) -> Node:
    said = {part: str(raw.get(part, {}).get("value", "")) for part in ("role", "name", "description")}
    state = {each["name"]: each["value"].get("value") for each in raw.get("properties", [])}
    return Node(said["role"], said["name"].strip(), said["description"].strip(), state)
