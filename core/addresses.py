"""Email addresses: what was pasted, whether it is an address, and which addresses are the same. Pure."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import email_validator
import idna
from flask_babel import LazyString
from flask_babel import lazy_gettext as _

LIMIT = 500  # addresses in one paste
LENGTH = 254  # bytes, RFC 5321
LOCAL_LENGTH = 64
_DOMAIN_LENGTH = 253
_NAME_LENGTH = 200

# Companies use .local inside; .test and .localhost serve demos. The library offers this list for changing.
_OURS = {"local", "localhost", "test"}
email_validator.SPECIAL_USE_DOMAIN_NAMES[:] = [
    name for name in email_validator.SPECIAL_USE_DOMAIN_NAMES if name not in _OURS
]

# One piece of a list: a quoted name with its address, where commas separate nothing, or anything else.
_BREAKS = ";,\t\r\n\v\f\x85\u2028\u2029；，、"
_PIECE = re.compile(rf'[ \xa0]*"(?:[^"\\\r\n]|\\[^\r\n])*"[ \xa0]*<[^<>{_BREAKS}]*>[^{_BREAKS}]*|[^{_BREAKS}]+')
_NAMED = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]*)>")
_ESCAPED = re.compile(r"\\(.)")
_LINE_BREAK = re.compile(r"[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]")
_SPACES = "".join(filter(str.isspace, map(chr, range(0x3001))))
_AROUND = _SPACES + "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"


@dataclass(frozen=True)
class Entry:
    """One piece of a pasted list; problem says in words why it is no address."""

    typed: str
    address: str
    key: str
    name: str
    problem: LazyString | None


def split(text: str) -> list[Entry]:
    """Return the addresses of a pasted list in their order, each once, with what is no address among them."""
    once: dict[str, Entry] = {}
    for typed in _pieces(text):
        entry = _entry(typed)
        once.setdefault(entry.key, entry)
    return list(once.values())


def count(text: str) -> int:
    """Return how many different pieces a pasted list has, without looking whether they are addresses."""
    return len({typed.lower() for typed in _pieces(text)})


def _pieces(text: str) -> Iterator[str]:
    return filter(None, (clean(match[0]) for match in _PIECE.finditer(text)))


def _entry(typed: str) -> Entry:
    named = _NAMED.fullmatch(typed)
    address = clean(named["address"] if named else typed)
    address = address.removeprefix("mailto:")
    name = _name(named["name"]) if named else ""
    return Entry(typed, address, key(address), name, problem(address))


def _name(text: str) -> str:
    name = clean(text)
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = _ESCAPED.sub(r"\1", name[1:-1])
    visible = "".join(character for character in name if character.isprintable() or character.isspace())
    return " ".join(visible.split())[:_NAME_LENGTH].strip()


def clean(text: str) -> str:
    """Return a typed address without the spaces and invisible characters around it."""
    return text.strip(_AROUND)


def key(address: str) -> str:
    """Return what is equal for equal addresses: lower case, the domain as punycode; dots and +tags count."""
    # A NUL is in no address, and PostgreSQL does not even look for it.
    local, at, domain = clean(unicodedata.normalize("NFC", address.replace("\0", "\ufffd"))).rpartition("@")
    return _lower(local) + at + _ascii_domain(domain)


def _lower(text: str) -> str:
    # Lower case can take letters apart again: İ becomes an i and a dot.
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text.lower())


@lru_cache(4096)
def _ascii_domain(domain: str) -> str:
    # Encoding costs more than the length says: only what can be a domain is encoded.
    if domain.isascii() or len(domain) > _DOMAIN_LENGTH:
        return _lower(domain)
    try:
        return idna.encode(domain, uts46=True).decode("ascii").lower()
    except UnicodeError:
        return _lower(domain)


def problem(address: str) -> LazyString | None:
    """Return why a text, taken as it is, is no address, as the end of a sentence; None for an address."""
    return _unreadable(address) or _wrong_parts(address) or _wrong_syntax(address)


def _unreadable(address: str) -> LazyString | None:
    if not address:
        return _("there is nothing")
    if _LINE_BREAK.search(address):
        return _("there is a line break inside")
    if any(map(str.isspace, address)):
        return _("there is a space inside")
    if not address.isprintable():
        return _("there is a character inside that cannot be seen")
    # What is kept of an address can be longer than what was typed: punycode, and letters that are two in lower case.
    if max(len(address.encode()), len(key(address).encode())) > LENGTH:
        return _("it is longer than %(length)s characters", length=LENGTH)
    return None


def _wrong_parts(address: str) -> LazyString | None:
    if "@" not in address:
        return _("there is no @")
    if address.count("@") > 1:
        return _("there are two @") if address.count("@") == 2 else _("there are more than two @")
    local, _at, domain = address.partition("@")
    if not local:
        return _("there is nothing before the @")
    if not domain:
        return _("there is nothing after the @")
    if len(local) > LOCAL_LENGTH:
        return _("the part before the @ is longer than %(length)s characters", length=LOCAL_LENGTH)
    if not _has_ending(domain):
        return _("“%(domain)s” has no ending, such as .com", domain=domain)
    return None


def _has_ending(domain: str) -> bool:
    return "." in _ascii_domain(domain).rstrip(".") or _is_localhost(domain)


def _is_localhost(domain: str) -> bool:
    return domain.lower() == "localhost"


def _wrong_syntax(address: str) -> LazyString | None:
    local, _at, domain = address.partition("@")
    if ".." in address:
        return _("there are two dots in a row")
    # Each side beside one that is good, so that the sentence can name the wrong one.
    if not _is_valid(f"{local}@example.com"):
        return _("“%(local)s” cannot stand before the @", local=local)
    if not _is_domain(domain):
        return _("“%(domain)s” is no domain of an address", domain=domain)
    return None


@lru_cache(4096)
def _is_domain(domain: str) -> bool:
    return _is_localhost(domain) or _is_valid(f"a@{domain}")


def _is_valid(address: str) -> bool:
    try:
        email_validator.validate_email(address, check_deliverability=False)
    except email_validator.EmailNotValidError:
        return False
    return True
