import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import luhn

from core import keys

KEY = "AWN24-QXQQ8-Z5V7E-E5EMH-RT9VK"
OTHER = "VQ7BS-TQKQN-8AF2H-7A33W-MJV7Y"
BARE = KEY.replace("-", "")
WRONG = "AWN24-QXQQ8-Z5V7F-E5EMH-RT9VK"

quick = settings(deadline=None, max_examples=50)


@st.composite
def any_key(draw: st.DrawFn) -> str:
    free = st.text(keys.ALPHABET, min_size=4, max_size=4)
    groups = [draw(free) for _number in range(keys.GROUPS)]
    return "-".join(group + luhn.calc_check_digit(group, keys.ALPHABET) for group in groups)


def error(text: str) -> keys.KeyTextError:
    with pytest.raises(keys.KeyTextError) as raised:
        keys.parse(text)
    return raised.value


def found(text: str) -> list[str]:
    return [hit.key or str(hit.error) for hit in keys.find(text)]


def test_made_key_is_five_groups_of_five_that_parse_to_themselves() -> None:
    made = {keys.make() for _number in range(50)}
    assert len(made) == 50
    for key in made:
        assert re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{5}-){4}[0-9A-HJKMNP-TV-Z]{5}", key)
        assert keys.parse(key) == key


def test_made_keys_use_every_character_in_every_free_place() -> None:
    made = [keys.make().replace("-", "") for _number in range(600)]
    for place in range(keys.KEY_LENGTH):
        assert {key[place] for key in made} == set(keys.ALPHABET)


@quick
@given(any_key())
def test_key_parses_however_its_groups_are_separated(key: str) -> None:
    for separator in ("", " ", "–", " - ", "\n", "\u00a0", "\u200b", "\u2011"):
        assert keys.parse(key.replace("-", separator)) == key


@pytest.mark.parametrize(
    "typed", [KEY.lower(), f"  {KEY}\n", f"“{KEY}”", f"'{KEY}'", f"{KEY}.", f"<{KEY}>", f"\ufeff{KEY}", " ".join(BARE)]
)
def test_case_spaces_quotes_and_points_around_do_not_matter(typed: str) -> None:
    assert keys.parse(typed) == KEY


def test_full_width_characters_are_read_as_plain_ones() -> None:
    assert keys.parse("".join(chr(ord(character) + 0xFEE0) for character in BARE)) == KEY


def test_letters_that_look_like_digits_are_read_as_digits() -> None:
    key = "0123" + luhn.calc_check_digit("0123", keys.ALPHABET) + KEY[5:]
    for typed in ("O123", "oi23", "OL23", "0l23"):
        assert keys.parse(typed + key[4:]) == key


@quick
@given(any_key(), st.integers(0, 24), st.sampled_from(keys.ALPHABET + "U"))
def test_every_single_wrong_character_is_named_in_its_group(key: str, place: int, character: str) -> None:
    bare = key.replace("-", "")
    typed = bare[:place] + character + bare[place + 1 :]
    if typed == bare:
        assert keys.parse(typed) == key
    else:
        assert error(typed).groups == (place // 5 + 1,)


def test_all_wrong_characters_in_one_group_are_seen() -> None:
    for place in range(5):
        for character in keys.ALPHABET.replace(BARE[place], ""):
            assert error(BARE[:place] + character + BARE[place + 1 :]).group == 1


@quick
@given(any_key(), st.integers(0, 23))
def test_every_adjacent_swap_is_named_but_of_0_and_z(key: str, place: int) -> None:
    bare = key.replace("-", "")
    first, second = bare[place], bare[place + 1]
    typed = bare[:place] + second + first + bare[place + 2 :]
    within = place // 5 == (place + 1) // 5
    if first == second or (within and {first, second} == {"0", "Z"}):
        assert keys.parse(typed)
    else:
        assert error(typed).groups == tuple(sorted({place // 5 + 1, (place + 1) // 5 + 1}))


def test_typing_error_names_group_and_its_text() -> None:
    wrong = error(WRONG)
    assert wrong.group == 3
    assert str(wrong.sentence) == "Typing error in group 3: “Z5V7F”. Compare it with the mail."
    assert str(wrong) == str(wrong.sentence)


def test_all_wrong_groups_are_named() -> None:
    wrong = error("AWN25-QXQQ8-Z5V7E-E5EMU-RT9VK")
    assert wrong.groups == (1, 4)
    assert str(wrong) == "Typing errors in groups 1 “AWN25”, 4 “E5EMU”. Compare them with the mail."


@pytest.mark.parametrize("group", ["QXQQ", "QXQQ88", "QX?Q8", "QXUQ8", "QXÄQ8", "QX\u0417Q8"])
def test_group_with_missing_surplus_or_foreign_characters_is_named(group: str) -> None:
    assert error(KEY.replace("QXQQ8", group)).groups == (2,)


def test_short_group_is_wrong_even_if_its_check_is_right() -> None:
    short = "A1B" + luhn.calc_check_digit("A1B", keys.ALPHABET)
    assert error(KEY.replace("QXQQ8", short)).groups == (2,)


def test_control_characters_do_not_reach_the_sentence() -> None:
    assert "“QX\ufffdQ8”" in str(error(KEY.replace("QXQQ8", "QX\0Q8")))
    assert "“QX\ufffdQ8”" in str(error(KEY.replace("QXQQ8", "QX\ud800Q8")))


@pytest.mark.parametrize(
    ("typed", "begins"),
    [
        ("", "Enter a permission key."),
        (" \n-", "Enter a permission key."),
        (KEY[:11], "This is too short for a permission key: it has 10 of 25 characters."),
        (BARE + "77", "This is too long for a permission key: it has 27 characters instead of 25."),
    ],
)
def test_nothing_too_little_and_too_much_name_no_group(typed: str, begins: str) -> None:
    assert str(error(typed)).startswith(begins)
    assert error(typed).group is None


@pytest.mark.parametrize(
    "text",
    [
        f"Your permission key: {KEY}. Keep it.",
        f"my key is {KEY.lower().replace('-', ' ')} thank you",
        f"<p>Key&nbsp;<b>{KEY}</b></p>",
        f"<td>{KEY[:12]}<wbr>{KEY[12:]}</td>",
        f"> Permission key:\n> {KEY[:18]}\n> {KEY[18:]}\n",
        f"Key:{BARE}",
        KEY.replace("-", "&#8209;") + "&nbsp;",
        f"https://portal.example/products?key={KEY}",
        f"AutoDraw 2027 5 seats\t{KEY}\t2027-01-31",
    ],
)
def test_key_is_found_in_running_text(text: str) -> None:
    assert found(text) == [KEY]


@pytest.mark.parametrize("between", ["\n", ", ", ";", " and ", "\r\n\r\n", " ", "\t", "</li><li>"])
def test_several_keys_are_found_in_their_order(between: str) -> None:
    assert found(OTHER + between + KEY) == [OTHER, KEY]


def test_keys_split_by_nothing_but_spaces_are_told_apart() -> None:
    assert found(f"{KEY} {OTHER}".replace("-", " ")) == [KEY, OTHER]


def test_key_pasted_twice_is_found_once() -> None:
    assert found(f"{KEY}\n{OTHER}\n{BARE.lower()}\n{WRONG}\n{WRONG}") == [KEY, OTHER, str(error(WRONG))]


def test_found_key_keeps_what_was_typed() -> None:
    assert keys.find(f"key: {BARE.lower()}.")[0] == keys.Found(BARE.lower(), key=KEY)


@pytest.mark.parametrize(
    "text",
    [
        WRONG,
        f"key {WRONG} thanks",
        WRONG.replace("-", " "),
        f"mail {WRONG.replace('-', ' ')} thanks",
        WRONG.replace("-", ""),
        " ".join(WRONG.replace("-", "")),
        f"{WRONG}.",
    ],
)
def test_mistyped_key_is_found_with_its_error(text: str) -> None:
    assert found(text) == [str(error(WRONG))]


@pytest.mark.parametrize("dash", ["-", " ", "", "–", " - "])
def test_mistyped_key_among_good_ones_keeps_its_place(dash: str) -> None:
    text = f"{KEY}\n{WRONG}\n{OTHER}".replace("-", dash)
    assert found(text) == [KEY, str(error(WRONG)), OTHER]


@pytest.mark.parametrize("between", ["\n", " ", ", "])
def test_groups_of_a_shortened_key_are_not_mixed_with_the_next_key(between: str) -> None:
    assert found(KEY[:-6] + between + OTHER) == [str(error(KEY[:-6])), OTHER]


@pytest.mark.parametrize("at", range(1, len(KEY)))
def test_key_broken_over_two_lines_anywhere_is_found_in_running_text(at: int) -> None:
    assert found(f"{OTHER}\nYour key: {KEY[:at]}\n{KEY[at:]}") == [OTHER, KEY]


@pytest.mark.parametrize("group", ["QXQQ", "QXQQ8A", "QX?Q8", "QXUQ8"])
def test_mistyped_group_is_named_in_a_field_of_its_own(group: str) -> None:
    [hit] = keys.find(KEY.replace("QXQQ8", group))
    assert hit.key is None
    assert hit.error
    assert hit.error.group == 2


def test_key_without_its_last_group_is_too_short() -> None:
    assert found(KEY[:-6]) == [str(error(KEY[:-6]))]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "please add 5 licenses today",
        "Thank you for your purchase of 25 licenses on 2026-11-24.",
        "Donaudampfschifffahrtsges",
        "state-of-the-art-north-south-east",
        "Order 4500-1234-5678-9012-3456 was shipped",
        "id 123e4567-e89b-12d3-a456-426614174000",
        "https://portal.example/x/ABCDEFGH1JKMNPQRSTVWXYZ23/y",
        "Meet Anna 12345 67890 a1234 on 2026-11-24 at 12:00",
        "these words stand about seven times under every heading",
        "call 0049 30 1234567 at noon or later",
    ],
)
def test_ordinary_text_holds_no_key_and_no_error(text: str) -> None:
    assert found(text) == []


def test_field_without_any_key_is_explained() -> None:
    [hit] = keys.read_field("please add 5 licenses today, thank you")
    assert str(hit.error).startswith("This is too long")
    assert str(keys.read_field("")[0].error) == "Enter a permission key."
    assert keys.read_field(f"{KEY} {OTHER}") == keys.find(f"{KEY} {OTHER}")


@quick
@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    for hit in keys.read_field(text):
        assert (hit.key is None) != (hit.error is None)
        assert hit.key or str(hit.error)


@quick
@given(any_key(), st.text(" .,:;\n-()<>\"'é", max_size=10), st.text(" .,:;\n-()<>\"'", max_size=10))
def test_key_is_found_between_any_signs(key: str, before: str, after: str) -> None:
    assert keys.find(before + " " + key + " " + after)[0].key == key


def test_digest_is_of_the_canonical_text() -> None:
    assert len(keys.digest(KEY)) == 32
    assert keys.digest(keys.parse(BARE.lower())) == keys.digest(KEY) != keys.digest(OTHER)


def test_masked_key_shows_the_last_group_only() -> None:
    assert keys.masked(keys.last_group(KEY)) == "•••••-•••••-•••••-•••••-RT9VK"
