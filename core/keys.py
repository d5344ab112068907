"""Permission key text: five groups of five, every group with a check character of its own. Pure."""

import hashlib
import html
import re
import secrets
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from flask_babel import LazyString
from flask_babel import lazy_gettext as _
from stdnum import luhn

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford base 32: no I, L, O, U
GROUPS = 5
GROUP_LENGTH = 5
KEY_LENGTH = GROUPS * GROUP_LENGTH

# What mail programs, spreadsheets and people put between or around the characters of a key.
_DASHES = "\\-\u00ad\u02d7\u058a\u05be\u1806\u2010-\u2015\u2043\u207b\u2212\u2e3a\u2e3b\ufe58\ufe63\uff0d"
_SPACES = r"\s\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\u2800\u3164\ufeff"
_QUOTES = "\"'`´\u2018-\u201f\u2032\u2033\u2039\u203a«»"
_SEPARATOR = re.compile(f"[{_DASHES}{_SPACES}{_QUOTES}]")
_BREAK = re.compile(f"[{_DASHES}{_SPACES}]+")
_SPACE = re.compile(f"[{_SPACES}]+")
_EDGE = ".,;:!?()[]{}<>*|="
_LOOKALIKE = str.maketrans("OIL", "011")

# What may be a key in running text: it begins and ends where a word does. A group is right or wrong by
# itself, so five right ones in a row may belong to two keys: what is joined closely comes first, then what
# shares a line, then what a mail program broke over lines.
_WORD = r"[^\W_]"
_LETTER = "[0-9A-TV-Za-tv-z]"
_IN_LINE = rf"(?:[^\S\r\n]|(?!\s){_SEPARATOR.pattern})*"
_DASH = rf"\s{{0,3}}[{_DASHES}]\s{{0,3}}"


def _apart(pattern: str, neighbor: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!{neighbor})(?=({pattern})(?!{neighbor}))")


_PASSES = [  # with whether a mistyped key is told from ordinary text there
    (_apart(rf"{_WORD}{{5}}(?:{_DASH}{_WORD}{{5}}){{4}}|{_WORD}{{25}}", rf"[\w{_DASHES}]"), True),
    (_apart(rf"{_LETTER}(?:{_IN_LINE}{_LETTER}){{24}}", _WORD), False),
    (_apart(rf"{_WORD}{{4,6}}(?:[^\S\r\n]{{1,3}}{_WORD}{{4,6}}){{4}}", rf"[\w{_DASHES}]"), True),
    (_apart(rf"{_LETTER}(?:{_SEPARATOR.pattern}*{_LETTER}){{24}}", _WORD), False),
    (_apart(rf"{_WORD}{{3,7}}(?:{_DASH}{_WORD}{{3,7}}){{3,5}}|{_WORD}{{23,27}}", rf"[\w{_DASHES}]"), True),
]
_ADDRESS_SIGN = re.compile(r"[/@=&%#]")
_TAG = re.compile(
    r"</?(?:a|b|br|code|div|em|font|i|kbd|li|p|pre|samp|span|strong|table|tbody|td|th|tr|tt|u|ul|wbr)"
    r"(?:\s[^<>]{0,500})?/?>",
    re.IGNORECASE,
)
_MAIL_QUOTE = re.compile(r"^[ \t]*(?:>[ \t]?)+", re.MULTILINE)


class KeyTextError(ValueError):
    """The text is no permission key; the sentence says why and names the groups to look at."""

    def __init__(self, sentence: LazyString, groups: tuple[int, ...] = ()) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.groups = groups

    @property
    def group(self) -> int | None:
        """The first wrong group, counted from 1; None when no group can be named."""
        return self.groups[0] if self.groups else None

    def __str__(self) -> str:
        return str(self.sentence)


@dataclass(frozen=True)
class Found:
    """One key, or one typing error, in a pasted text: exactly one of key and error is set."""

    typed: str
    key: str | None = None
    error: KeyTextError | None = None


def make() -> str:
    """Make a new permission key of 100 random bits."""
    return "-".join(_make_group() for _number in range(GROUPS))


def _make_group() -> str:
    free = "".join(secrets.choice(ALPHABET) for _number in range(GROUP_LENGTH - 1))
    return free + luhn.calc_check_digit(free, ALPHABET)


def parse(text: str) -> str:
    """Return the canonical key, five groups with dashes.

    :raise KeyTextError: when there is nothing, too little, too much or a typing error.
    """
    characters = normalize(text)
    if not characters:
        raise KeyTextError(_("Enter a permission key."))
    groups = _groups(text, characters)
    wrong = [(number, group) for number, group in enumerate(groups, 1) if not _is_group(group)]
    if wrong:
        raise _typing_error(wrong)
    return "-".join(groups)


def normalize(text: str) -> str:
    """Return the characters that count: upper case, without separators, O as 0, I and L as 1."""
    bare = _SEPARATOR.sub("", unicodedata.normalize("NFKC", text))
    return bare.strip(_EDGE).upper().translate(_LOOKALIKE)


def _groups(text: str, characters: str) -> list[str]:
    typed = [group for group in map(normalize, _BREAK.split(text)) if group]
    if len(characters) == KEY_LENGTH:
        return _cut(characters)
    # Too many or too few, but the dashes tell in which group.
    if len(typed) == GROUPS and all(len(group) < 2 * GROUP_LENGTH for group in typed):
        return typed
    raise _wrong_length(len(characters))


def _cut(characters: str) -> list[str]:
    return [characters[at : at + GROUP_LENGTH] for at in range(0, len(characters), GROUP_LENGTH)]


def _wrong_length(length: int) -> KeyTextError:
    if length < KEY_LENGTH:
        message = _(
            "This is too short for a permission key: it has %(length)s of %(whole)s characters. "
            "Compare it with the mail.",
            length=length,
            whole=KEY_LENGTH,
        )
    else:
        message = _(
            "This is too long for a permission key: it has %(length)s characters instead of %(whole)s. "
            "Compare it with the mail.",
            length=length,
            whole=KEY_LENGTH,
        )
    return KeyTextError(message)


def _is_group(group: str) -> bool:
    return len(group) == GROUP_LENGTH and luhn.is_valid(group, ALPHABET)


def _typing_error(wrong: list[tuple[int, str]]) -> KeyTextError:
    numbers = tuple(number for number, _group in wrong)
    if len(wrong) == 1:
        number, group = wrong[0]
        message = _(
            "Typing error in group %(number)s: “%(text)s”. Compare it with the mail.",
            number=number,
            text=_printable(group),
        )
    else:
        named = ", ".join(f"{number} “{_printable(group)}”" for number, group in wrong)
        message = _("Typing errors in groups %(groups)s. Compare them with the mail.", groups=named)
    return KeyTextError(message, numbers)


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def read_field(text: str) -> list[Found]:
    """Return what a field that has to hold keys holds: at least one key or one error."""
    return find(text) or [_read(text)]


def find(text: str) -> list[Found]:
    """Return the keys in a pasted text in their order, each once, and what is evidently meant as one."""
    text = _plain(text)
    if key := _canonical(text):
        return [Found(text.strip(), key)]
    hits = _all_hits(text)
    if not hits and _is_meant_whole(text):
        hits = [(0, _read(text))]
    once: dict[str, Found] = {}
    for _at, found in sorted(hits, key=lambda hit: hit[0]):
        once.setdefault(found.key or normalize(found.typed), found)
    return list(once.values())


def _plain(text: str) -> str:
    """Take away what mail programs add: tags, entities, the marks of quoted lines."""
    without_tags = html.unescape(_TAG.sub(" ", text))
    return _MAIL_QUOTE.sub("", unicodedata.normalize("NFKC", without_tags))


def _canonical(typed: str) -> str | None:
    groups = _cut(normalize(typed))
    return "-".join(groups) if len(groups) == GROUPS and all(map(_is_group, groups)) else None


def _all_hits(text: str) -> list[tuple[int, Found]]:
    hits = []
    for pattern, names_errors in _PASSES:
        taken = list(_hits(text, pattern, names_errors))
        text = _without(taken, text)
        hits += taken
    return hits


def _hits(text: str, pattern: re.Pattern[str], names_errors: bool) -> Iterator[tuple[int, Found]]:
    end = 0
    for match in pattern.finditer(text):
        if match.start() < end:
            continue
        key = _canonical(match[1])
        if key or (names_errors and _is_meant(match[1]) and not _is_in_address(text, match)):
            end = match.end(1)
            yield match.start(), Found(match[1], key) if key else _read(match[1])


def _without(hits: list[tuple[int, Found]], text: str) -> str:
    """Blank what was found with dots, which join nothing: what stands left and right of it stays apart."""
    end, rest = 0, []
    for at, found in hits:
        rest += [text[end:at], "." * len(found.typed)]
        end = at + len(found.typed)
    return "".join([*rest, text[end:]])


def _is_in_address(text: str, match: re.Match[str]) -> bool:
    """Whether signs of a link or a mail address touch the match, where nothing is meant as a key."""
    around = text[max(match.start() - 1, 0) : match.start()] + text[match.end(1) : match.end(1) + 1]
    return _ADDRESS_SIGN.search(around) is not None


def _is_meant(typed: str) -> bool:
    """Whether a piece of running text looks like a key; ordinary words and numbers do not."""
    characters = normalize(typed)
    words = _SPACE.split(typed)
    return (
        18 <= len(characters) <= 30
        and any(map(str.isdigit, typed))
        and any(map(str.isalpha, typed))
        and (len(words) < GROUPS or _BREAK.split(typed) != words or _are_groups(words))
    )


def _are_groups(words: list[str]) -> bool:
    """Whether words between spaces are groups: most have a digit, both ends have one or are in capitals."""
    with_digit = [any(map(str.isdigit, word)) for word in words]
    ends = all(with_digit[at] or words[at].isupper() for at in (0, -1))
    return ends and sum(with_digit) > GROUPS // 2


def _is_meant_whole(text: str) -> bool:
    """Whether all of a field is meant as one key, typed with whatever mistakes."""
    characters = normalize(text)
    words = [word for word in _SPACE.split(text) if any(map(str.isalnum, word))]
    mixed = sum(any(map(str.isdigit, word)) and any(map(str.isalpha, word)) for word in words)
    return (
        20 <= len(characters) <= 30  # one group may be missing or doubled
        and sum(map(str.isalnum, characters)) >= len(characters) - 2
        and not _ADDRESS_SIGN.search(text)
        and (2 * mixed >= len(words) or all(len(word) == 1 for word in words))
    )


def _read(typed: str) -> Found:
    try:
        return Found(typed.strip(), key=parse(typed))
    except KeyTextError as error:
        return Found(typed.strip(), error=error)


def digest(key: str) -> bytes:
    """Return the SHA-256 of a canonical key, by which it is looked up."""
    # No salt, no slow hash: nobody tries 100 random bits, and a key has to be found by it.
    return hashlib.sha256(key.encode()).digest()


def last_group(key: str) -> str:
    """Return the group that lists show."""
    return key[-GROUP_LENGTH:]


def masked(last_group: str) -> str:
    """Return the key as lists show it: dots and the last group."""
    return "-".join(["•" * GROUP_LENGTH] * (GROUPS - 1) + [last_group])
