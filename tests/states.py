"""Every page and state that there is to look at: who sees it, at which address, and what is done there.

A row is a person, an address and, where the state is not what the address shows by itself, a step. `{bob}` is the id
of bob's row, `{annual}` a license's, `{nothing}` a link that opens nothing. Steps find things by what they do, not by
their words, so that they hold in every language.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from playwright.sync_api import Page, Response, expect

from tests.cast import PASSWORD

Fill = Callable[[str], str]
Step = Callable[[Page, Fill], Response | None]

#: Sends fields as a form of the page would, whatever the browser's own checks say.
SEND = """([path, fields]) => {
  const form = document.createElement('form')
  const token = document.querySelector('[name=csrf_token]').value
  form.method = 'post'
  form.action = path
  for (const [name, value] of Object.entries({ csrf_token: token, ...fields })) {
    const field = document.createElement('textarea')
    Object.assign(field, { name, value })
    form.append(field)
  }
  document.body.append(form)
  form.submit()
}"""


class State(NamedTuple):
    """One thing to look at; `status` is what the last answer of a whole page says."""

    who: str
    path: str
    step: Step | None = None
    status: int = 200


def menu(id: str) -> Step:
    """The menu that a button opens."""

    def step(page: Page, fill: Fill) -> None:
        page.locator(f"[popovertarget='{fill(id)}']").click()
        expect(page.locator(f"[id='{fill(id)}']")).to_be_visible()

    return step


def press(action: str, shows: str) -> Step:
    """What a button's answer brings, without a new page; it may stand in a menu."""

    def step(page: Page, fill: Fill) -> None:
        button = f":is([hx-get='{fill(action)}'], [hx-post='{fill(action)}']):not(form)"
        page.locator(button).first.evaluate("it => it.click()")
        expect(page.locator(fill(shows)).first).to_be_visible()
        if shows == FLASH:
            page.locator(FLASH).hover()  # under a mouse it stays

    return step


def ask(action: str, *then: tuple[str, str]) -> Step:
    """The dialog that a button opens; with fields typed into it and sent, until it comes back."""

    def step(page: Page, fill: Fill) -> None:
        press(action, DIALOG)(page, fill)
        for field, text in then:
            page.locator(f"{DIALOG} [name='{field}']").fill(text)
        if then:
            page.locator(f"{DIALOG} form button").last.click()
            expect(page.locator(f"{DIALOG} [aria-invalid], {DIALOG} [role=alert]").first).to_be_visible()

    return step


def type_(field: str, text: str, shows: str) -> Step:
    """What comes of typing into a field and pressing Enter."""

    def step(page: Page, fill: Fill) -> None:
        page.locator(f"[name='{field}']").fill(fill(text))
        page.keyboard.press("Enter")
        expect(page.locator(shows).first).to_be_visible()

    return step


def send(path: str, **fields: str) -> Step:
    """The page that answers a form."""

    def step(page: Page, fill: Fill) -> Response:
        with page.expect_navigation() as navigation:
            page.evaluate(SEND, [fill(path), {name: fill(text) for name, text in fields.items()}])
        return navigation.value

    return step


FLASH, DIALOG, OPEN = ".flash:not(.visually-hidden)", "dialog[open]", "tr.details"
WRONG = "not this one"
SHORT = "short"
PASTE = ";".join(f"somebody{n:02}@firm.example" for n in range(30)) + "; nonsense; bob@example.com; dora@example.com"

VISITOR = (
    State("anonymous", "/api/v1/"),
    State("anonymous", "/problems/no-seat-available"),
    State("anonymous", "/login"),
    State("anonymous", "/login", send("/login", email="bob@example.com", password=WRONG), 422),
    State("anonymous", "/login", send("/login", email="", password=""), 422),
    State("anonymous", "/register"),
    State("anonymous", "/register", send("/register", name="", email="nonsense", password=SHORT), 422),
    State("anonymous", "/register/sent"),
    State("anonymous", "/register", send("/register", name="Nobody", email="nobody@firm.example", password=PASSWORD)),
    State("anonymous", "/confirm"),
    State("anonymous", "/confirm", send("/confirm", email="nonsense"), 422),
    State("anonymous", "/confirm/sent"),
    State("anonymous", "/confirm/{confirm}"),
    State("anonymous", "/confirm/{confirm}", send("/confirm/{confirm}")),
    State("anonymous", "/confirm/{nothing}", status=410),
    State("anonymous", "/reset"),
    State("anonymous", "/reset", send("/reset", email="nonsense"), 422),
    State("anonymous", "/reset/sent"),
    State("anonymous", "/reset/{reset}"),
    State("anonymous", "/reset/{reset}", send("/reset/{reset}", password=SHORT), 422),
    State("anonymous", "/email/{email}"),
    State("anonymous", "/invitations/{invitation}"),
    State("anonymous", "/invitations/{stranger}"),
    State(
        "anonymous", "/invitations/{stranger}", send("/invitations/{stranger}/sign-up", name="", password=SHORT), 422
    ),
    State("anonymous", "/invitations/{copied}"),
    State("anonymous", "/invitations/declined"),
    State("anonymous", "/invitations/{nothing}", status=410),
)
ALICE = (
    State("alice", "/admin/users"),
    State("alice", "/admin/users", menu("me-menu")),
    *(State("alice", "/admin/users", menu(f"m{{{name}}}")) for name in ("bob", "carol", "dora", "dave")),
    State("alice", "/admin/users?q=nobody"),
    State("alice", "/admin/users?state=disabled"),
    State("alice", "/admin/users", type_("q", "nobody", ".empty-in")),
    State("alice", "/admin/users", ask("/admin/users/{bob}/co-admin")),
    State("alice", "/admin/users", ask("/admin/users/{bob}/remove")),
    State("alice", "/admin/users", ask("/admin/users/{dave}/withdraw")),
    State("alice", "/admin/users", ask("/admin/users/{dave}/link")),
    State("alice", "/admin/users", ask("/admin/users/{bob}/disable")),
    State("alice", "/admin/users", press("/admin/users/{dora}/enable", FLASH)),
    State("alice", "/admin/users", press("/admin/users/{dave}/resend", FLASH)),
    State("alice", "/admin/users", send("/admin/users/{dave}/link")),
    State("alice", "/admin/users", send("/admin/users/{alice}/disable"), 409),
    State("alice", "/admin/users", send("/admin/users", emails=""), 422),
    State("alice", "/admin/users", send("/admin/users", emails="new@firm.example; nonsense")),
    State("alice", "/admin/users", send("/admin/users", emails=PASTE)),
    State("alice", "/admin/users/{bob}/co-admin"),
    State("alice", "/admin/users/{bob}/disable"),
    State("alice", "/admin/users/{bob}/remove"),
    State("alice", "/admin/users/{dave}/withdraw"),
    State("alice", "/admin/products"),
    State("alice", "/admin/products?open={annual}"),
    State("alice", "/admin/products?open={expired}"),
    State("alice", "/admin/products", press("/admin/products/{three_years}/details", OPEN)),
    State("alice", "/admin/products", send("/admin/products/{annual}/reveal")),
    State("alice", "/admin/products", send("/admin/products", permission_key="93HFB"), 422),
    State("alice", "/admin/products", send("/admin/products", permission_key=""), 422),
    State("alice", "/admin/products", send("/admin/products", permission_key="{shared_key} 93HFB-93HFB")),
    State("alice", "/admin/products", send("/admin/products", permission_key="{shared_key}")),
    State("alice", "/admin/products", send("/admin/products/validate", permission_key="{shared_key} {personal_key}")),
    State("alice", "/admin/permissions"),
    State("alice", "/admin/permissions?member={bob}"),
    State("alice", "/admin/permissions?member={dora}"),
    State("alice", "/admin/permissions?q=nobody"),
    State("alice", "/admin/permissions?only=1"),
    State("alice", "/admin/permissions", press("/admin/permissions/{perpetual}/{bob}/give", ".ticks [role=alert]")),
    State("alice", "/admin/permissions", press("/admin/permissions/{annual}/{carol}/give", FLASH)),
    State("alice", "/admin/permissions/{perpetual}/{bob}/move"),
    State("alice", "/admin/permissions/{annual}/{bob}/take"),
    State("alice", "/admin/status"),
    State("alice", "/admin/status?q=nobody"),
    State("alice", "/admin/status?paused=1"),
    State("alice", "/admin/status", ask("/admin/status/{session}/end")),
    State("alice", "/admin/status", ask("/admin/status/{session}/end", ("seconds", "soon"))),
    State("alice", "/admin/status", ask("/admin/status/{borrowed}/write-off")),
    State("alice", "/admin/status", send("/admin/status/{session}/end", message="For the tender", seconds="600")),
    State("alice", "/admin/status/{session}/end"),
    State("alice", "/admin/status/{borrowed}/write-off"),
    State("alice", "/admin/stations"),
    State("alice", "/admin/stations", send("/admin/stations", name="CI-BUILD-02", product="{render}")),
    State("alice", "/admin/stations", send("/admin/stations", name="", product="x"), 422),
    State("alice", "/admin/stations", ask("/admin/stations/{station}/rename", ("name", " "))),
    State("alice", "/admin/stations", ask("/admin/stations/{station}/revoke")),
    State("alice", "/admin/stations/{station}/rename"),
    State("alice", "/admin/stations/{station}/revoke"),
    State("alice", "/admin/users/{bob}/why"),
    *(State("alice", f"/admin/users/{{bob}}/why?product={code}") for code in ("draft", "render", "hub", "nothing")),
    State("alice", "/admin/users/{dora}/why?product=draft"),
    State("alice", "/admin/requests"),
    State("alice", "/admin/requests", send("/admin/requests/{request}/grant", message="x" * 501), 422),
    State("alice", "/admin/requests", send("/admin/requests/{request}/decline", message="Not before May.")),
    State("alice", "/admin/activity"),
    State("alice", "/admin/activity?q=nobody&since=2026-01-01"),
    State("alice", "/admin/settings"),
    State("alice", "/admin/settings", send("/admin/settings", name="", zone="Nowhere", country="XX"), 422),
    State("alice", "/profile"),
    State("alice", "/profile", send("/profile", name="", zone="Nowhere"), 422),
    State("alice", "/profile", send("/profile", name="Alice", zone="UTC")),
    State("alice", "/profile", send("/profile/email", new_email="nonsense", password=WRONG), 422),
    State("alice", "/profile", send("/profile/password", current_password=WRONG, new_password=SHORT), 422),
    State("alice", "/products"),
    State("alice", "/organization"),
    State("alice", "/organization/leave", status=409),
)
MEMBERS = (
    State("carol", "/admin/users"),
    State("carol", "/admin/users", menu("m{carol}")),
    State("carol", "/admin/users", ask("/admin/users/{carol}/member")),
    State("carol", "/admin/users/{carol}/member"),
    State("carol", "/organization/leave"),
    State("bob", "/activate"),
    State("bob", "/activate?user_code={code}"),
    State("bob", "/activate?user_code=nothing", status=422),
    State("bob", "/activate?user_code={code}", send("/activate/approve", user_code="{code}")),
    State("bob", "/activate/approved"),
    State("bob", "/activate/declined"),
    State("bob", "/activate?user_code={code}", send("/activate/decline", user_code="{code}")),
    State("bob", "/products"),
    State("bob", "/products", menu("me-menu")),
    State("bob", "/products", send("/products", permission_key="{shared_key}"), 403),
    *(State("bob", f"/products/why?product={code}") for code in ("draft", "render", "hub", "nothing")),
    State("carol", "/products/why?product=hub"),
    State("carol", "/products/why?product=hub", send("/products/ask", product="hub")),
    State("dora", "/products/why?product=draft"),
    State("erin", "/products/why?product=draft"),
    State("bob", "/organization"),
    State("bob", "/profile", ask("/profile/delete")),
    State("bob", "/profile/delete", send("/profile/delete", password=WRONG), 422),
    State("erin", "/profile/delete"),
    State("bob", "/organization", ask("/organization/leave")),
    State("bob", "/organization/leave"),
    State("bob", "/organization/create", status=409),
    State("bob", "/admin/users", status=403),
    State("bob", "/devices"),
    State("bob", "/devices/offline"),
    State("bob", "/devices/offline", send("/devices/offline"), 422),
    State("carol", "/devices/offline/{away}"),
    State("bob", "/devices", menu("d{device}")),
    State("bob", "/devices", ask("/devices/{device}/rename", ("name", " "))),
    *(State("bob", "/devices", ask(f"/devices/{{device}}/{what}")) for what in ("unbind", "remove", "not-me")),
    *(State("bob", f"/devices/{{device}}/{what}") for what in ("rename", "unbind", "remove", "not-me")),
    State("dora", "/products"),
    State("dora", "/devices"),
    State("dora", "/organization"),
    State("dave", "/products"),
    State("dave", "/organization"),
    State("dave", "/invitations/{invitation}"),
    State("mallory", "/invitations/{invitation}"),
    State("mallory", "/admin/users"),
    State("mallory", "/admin/permissions"),
    State("mallory", "/admin/requests"),
    State("mallory", "/admin/status"),
    State("mallory", "/admin/stations"),
    State("mallory", "/admin/products?open={other}"),
    State("erin", "/activate?user_code={code}"),
    State("erin", "/products"),
    State("erin", "/products", menu("me-menu")),
    State("erin", "/products?open={own}"),
    State("erin", "/products", send("/products/{own}/reveal")),
    State("erin", "/products", send("/products", permission_key="{shared_key}"), 403),
    State("erin", "/organization"),
    State("erin", "/organization/create"),
    State("erin", "/organization/create", send("/organization/create/validate", permission_key=""), 422),
    State("erin", "/organization/create", send("/organization/create/validate", permission_key="{shared_key}")),
    State("erin", "/organization/create", send("/organization/create", permission_key="{shared_key}", name=""), 422),
)
OPERATOR = (
    State("otto", "/products"),
    State("otto", "/organization"),
    State("otto", "/operator/keys"),
    State("otto", "/operator/keys", menu("me-menu")),
    State("otto", "/operator/keys", menu("k{key}")),
    State("otto", "/operator/keys?q=nobody"),
    State("otto", "/operator/keys", send("/operator/keys/items/add", product="draft", type="annual", seats="1")),
    State("otto", "/operator/keys", press("/operator/keys/items/add", "#take-out-2")),
    State(
        "otto",
        "/operator/keys",
        send("/operator/keys", product="x", type="x", seats="0", start="2030-01-02", end="2030-01-01"),
        422,
    ),
    State("otto", "/operator/keys", send("/operator/keys", product="draft", type="annual", seats="1")),
    State("otto", "/operator/keys", ask("/operator/keys/{key}/extend")),
    State("otto", "/operator/keys", ask("/operator/keys/{key}/extend", ("seats-1", "none"), ("end-1", "2001-01-01"))),
    State("otto", "/operator/keys", ask("/operator/keys/{key}/revoke")),
    State("otto", "/operator/keys", ask("/operator/keys/{key}/release")),
    State("otto", "/operator/keys", ask("/operator/keys/{key}/reveal")),
    State("otto", "/operator/keys", send("/operator/keys/{key}/reveal")),
    State("otto", "/operator/keys", send("/operator/keys/{key}/revoke", why="Sold twice")),
    State("otto", "/operator/keys/{key}/extend"),
    State("otto", "/operator/keys/{key}/revoke"),
    State("otto", "/operator/keys/{key}/release"),
    State("otto", "/operator/products"),
    State("otto", "/operator/products", send("/operator/products", code="NO", name=""), 422),
    State("otto", "/operator/organizations"),
    State("otto", "/operator/organizations?q=nobody"),
    State("otto", "/operator/organizations/{kestrel}"),
    State("otto", "/operator/organizations/{kestrel}", type_("email", "bob@example.com", DIALOG)),
    State("otto", "/operator/organizations/{kestrel}/transfer?email=bob@example.com"),
    State("otto", "/operator/organizations/{kestrel}/transfer?email=nobody", status=422),
    State("otto", "/operator/activity"),
    State("otto", "/operator/mail"),
    State("otto", "/operator/mail?q=nobody"),
    State("otto", "/operator/mail/{letter}"),
    State("otto", "/operator/mail", send("/operator/mail/{letter}/send")),
)
MOST_BYTES = 10_000  # of a form, while error pages are looked at: the front answers a large one itself, in plain text
BROKEN, LOCKED, OFTEN = "accounts.register_sent", "accounts.resend_sent", "often@firm.example"
ERRORS = (
    State("anonymous", "/reset", send("/reset", email=OFTEN), 429),
    State("anonymous", "/nowhere", status=404),
    State("alice", "/nowhere", status=404),
    State("alice", "/logout", status=405),
    State("alice", "/profile", send("/profile", csrf_token="old"), 400),
    State("anonymous", "/login", send("/login", email="x" * 2 * MOST_BYTES), 413),
    State("anonymous", "/register/sent", status=500),
    State("anonymous", "/confirm/sent", status=503),
)
#: With 60 more people.
FULL = (
    State("alice", "/admin/users"),
    State("alice", "/admin/users?q=crowd"),
    State("alice", "/admin/permissions"),
    State("alice", "/admin/permissions?q=crowd"),
    State("otto", "/operator/organizations"),
)
#: Of a portal that has nobody but its operator.
NEW = ("/operator/keys", "/operator/products", "/operator/organizations", "/operator/mail")
