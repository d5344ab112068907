"""What entries of Activity say: a sentence for each action, and below it what was before and is after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from flask_babel import gettext as _

from core.lists.activity_names import AFTER, BEFORE, Entry, Names, within
from core.pages.words import day, ngettext

#: What was done to whom; functions, because the reader's language is not known yet.
SENTENCES: dict[str, Callable[[str], str]] = {
    "organization.create": lambda name: _("%(name)s created", name=name),
    "organization.edit": lambda name: _("Profile of %(name)s changed", name=name),
    "organization.transfer": lambda name: _("%(name)s made administrator", name=name),
    "member.invite": lambda name: _("%(name)s invited", name=name),
    "member.resend": lambda name: _("Invitation sent to %(name)s again", name=name),
    "member.link": lambda name: _("Link of the invitation to %(name)s copied", name=name),
    "member.withdraw": lambda name: _("Invitation to %(name)s withdrawn", name=name),
    "member.confirm": lambda name: _("Participation confirmed by %(name)s", name=name),
    "member.decline": lambda name: _("Invitation declined by %(name)s", name=name),
    "member.disable": lambda name: _("%(name)s disabled", name=name),
    "member.enable": lambda name: _("%(name)s enabled", name=name),
    "member.restore": lambda name: _("Permissions of %(name)s restored", name=name),
    "member.remove": lambda name: _("%(name)s removed", name=name),
    "member.leave": lambda name: _("%(name)s left", name=name),
    "member.co_admin": lambda name: _("%(name)s made co-administrator", name=name),
    "member.member": lambda name: _("%(name)s no longer co-administrator", name=name),
    "permission.give": lambda name: _("Permission given to %(name)s", name=name),
    "permission.take": lambda name: _("Permission taken back from %(name)s", name=name),
    "access.ask": lambda name: _("Access asked for: %(name)s", name=name),
    "access.grant": lambda name: _("Access granted: %(name)s", name=name),
    "access.decline": lambda name: _("Access declined: %(name)s", name=name),
    "key.issue": lambda name: _("Permission key %(name)s issued", name=name),
    "key.redeem": lambda name: _("Permission key %(name)s added", name=name),
    "key.reveal": lambda name: _("Permission key %(name)s shown in full", name=name),
    "key.revoke": lambda name: _("Permission key %(name)s withdrawn", name=name),
    "key.reinstate": lambda name: _("Permission key %(name)s good again", name=name),
    "key.release": lambda name: _("Permission key %(name)s released", name=name),
    "key.extend": lambda name: _("License of permission key %(name)s changed", name=name),
    "product.add": lambda name: _("Product %(name)s added", name=name),
    "lease.end": lambda name: _("Session ended: %(name)s", name=name),
    "lease.write_off": lambda name: _("Borrowed seat written off: %(name)s", name=name),
    "station.add": lambda name: _("Station %(name)s added", name=name),
    "station.rename": lambda name: _("Station %(name)s renamed", name=name),
    "station.revoke": lambda name: _("Station %(name)s revoked", name=name),
    "account.confirm": lambda name: _("Account of %(name)s confirmed", name=name),
    "account.expire": lambda _name: _("Account removed that nobody confirmed"),
    "account.password": lambda name: _("Password of %(name)s changed", name=name),
    "account.email": lambda name: _("Address of %(name)s changed", name=name),
    "account.edit": lambda name: _("Profile of %(name)s changed", name=name),
    "account.delete": lambda _name: _("Account deleted by its person"),
    "account.block": lambda name: _("Account of %(name)s blocked", name=name),
    "account.unblock": lambda name: _("Account of %(name)s open again", name=name),
    # The name of a device, or of an application, says what its owner runs, which is nobody else's business.
    "device.rename": lambda _name: _("Device renamed"),
    "device.unbind": lambda _name: _("Device unbound"),
    "device.remove": lambda _name: _("Device removed"),
    "device.disown": lambda _name: _("Device given up that is somebody else’s"),
    "program.approve": lambda _name: _("Application let in"),
    "program.decline": lambda _name: _("Application kept out"),
    "program.disown": lambda _name: _("Sign-in of an application given up that is somebody else’s"),
}
#: Fields of profiles that changed.
FIELDS: dict[str, Callable[[], str]] = {
    "name": lambda: _("Name"), "title": lambda: _("Title"), "company": lambda: _("Company"),
    "address": lambda: _("Address"), "phone": lambda: _("Phone"), "locale": lambda: _("Language"),
    "zone": lambda: _("Time zone"), "country": lambda: _("Country"), "contact": lambda: _("Contact person"),
}  # fmt: skip
WHO: dict[str, Callable[[], str]] = {
    "command": lambda: _("The vendor"), "operator": lambda: _("The vendor"), "portal": lambda: _("The portal"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Said:
    """One entry in words."""

    who: str
    what: str
    more: str


def said(entry: Entry, names: Names, *, to_vendor: bool = False) -> Said:
    """An entry in the reader's language; operators learn which of them it was, and what came from a command."""
    target = names.of(entry.target_kind, entry.target_id) or _("somebody who is gone")
    sentence = SENTENCES.get(entry.action)
    what = str(sentence(target)) if sentence is not None else entry.action  # of a later version
    return Said(_who(entry, names, to_vendor), what, " ".join(_details(entry, names)))


def _who(entry: Entry, names: Names, to_vendor: bool) -> str:
    name = names.of("account", entry.actor_id)
    if to_vendor and entry.actor_kind in ("operator", "command"):
        return str(name or _("A command"))
    return str(WHO[entry.actor_kind]() if entry.actor_kind in WHO else name or _("Somebody who is gone"))


def _details(entry: Entry, names: Names) -> list[str]:
    found = (detail(entry, names) for detail in (_licenses, _roles, _fields, _keys, _session))
    return [each for each in found if each]


def _licenses(entry: Entry, names: Names) -> str:
    sides = ((AFTER, "license"), (BEFORE, "license"), (AFTER, "licenses"), (AFTER, "suspended"))
    ids = [id for side, name in sides for id in within(entry, side, name)]
    licenses = ", ".join(filter(None, (names.of("license", id) for id in ids)))
    if entry.action == "member.disable" and licenses:
        return str(_("Kept for later: %(licenses)s.", licenses=licenses))
    return f"{licenses}." if licenses else ""


def _roles(entry: Entry, names: Names) -> str:
    for kept in ("administrator", "co_administrator"):
        for id in within(entry, BEFORE, kept):
            return str(_("Before: %(name)s.", name=names.of("member", id) or _("somebody who is gone")))
    is_co_admin = isinstance(entry.before, dict) and entry.before.get("role") == "co-administrator"
    return str(_("Was co-administrator.")) if is_co_admin else ""


def _fields(entry: Entry, _names: Names) -> str:
    if not entry.action.endswith(".edit") or not isinstance(entry.after, list):
        return ""
    return ", ".join(FIELDS[name]() if name in FIELDS else name for name in entry.after) + "."


def _keys(entry: Entry, _names: Names) -> str:
    if entry.action == "key.extend":
        return " ".join(filter(None, (_change(entry, "seats", _seats), _change(entry, "end", _end))))
    why = entry.after.get("why") if isinstance(entry.after, dict) else ""
    return _quoted(why) if why else ""


def _change(entry: Entry, name: str, words: Callable[[Any], str]) -> str:
    before, after = entry.before.get(name), entry.after.get(name)
    return f"{words(before)} → {words(after)}." if before != after else ""


def _seats(number: int) -> str:
    return ngettext("%(num)s seat", "%(num)s seats", number)


def _end(text: str | None) -> str:
    return str(_("until %(day)s", day=day(date.fromisoformat(text))) if text else _("without end"))


def _session(entry: Entry, _names: Names) -> str:
    if entry.action == "lease.write_off" and (until := (entry.before or {}).get("until")):
        return str(_("Borrowed until %(day)s.", day=day(datetime.fromisoformat(until))))
    if entry.action != "lease.end":
        return ""
    seconds, message = entry.after["seconds"], entry.after["message"]
    time = ngettext("%(num)s second to save.", "%(num)s seconds to save.", seconds) if seconds else str(_("At once."))
    return f"{time} {_quoted(message)}" if message else time


def _quoted(words: str) -> str:
    return str(_("“%(words)s”", words=words))
