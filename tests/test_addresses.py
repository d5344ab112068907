import time
import timeit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import addresses
from core.addresses import Entry, split

quick = settings(deadline=None, max_examples=100)


def keys(text: str) -> list[str]:
    return [entry.key for entry in split(text)]


@pytest.mark.parametrize("separator", [";", ",", "\n", "\r\n", "\t", " ; ", ";;", ",\n", "\u2028", "；", "，"])
def test_list_is_separated_by_what_people_type(separator: str) -> None:
    assert keys(f"a@x.example{separator}b@x.example") == ["a@x.example", "b@x.example"]


def test_separators_and_spaces_around_count_for_nothing() -> None:
    assert keys(" ;, \n a@x.example ; ,\t\n;") == ["a@x.example"]
    assert keys(" ;,\n\u200b") == []


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("j@d.example", ""),
        ("<j@d.example>", ""),
        ("mailto:j@d.example", ""),
        ("John Doe <j@d.example>", "John Doe"),
        ('"Doe, John" <j@d.example>', "Doe, John"),
        ('"Doe; John (Berlin)"<j@d.example>', "Doe; John (Berlin)"),
        (r'"John \"Jo\" Doe" <j@d.example>', 'John "Jo" Doe'),
        ("John\u00a0\u200b Doe < j@d.example >", "John Doe"),
    ],
)
def test_name_before_an_address_is_kept_apart(typed: str, name: str) -> None:
    [entry, last] = split(f"{typed}; last@d.example")
    assert (entry.typed, entry.address, entry.name, entry.problem) == (typed, "j@d.example", name, None)
    assert last.key == "last@d.example"


def test_quote_that_is_never_closed_swallows_no_address() -> None:
    assert keys('"Doe, a@x.example; "B, C" <b@x.example>')[1:] == ["a@x.example", "b@x.example"]


def test_same_address_typed_differently_is_one_entry_as_typed_first() -> None:
    [entry] = split("ANNA@Firm.example ; anna@firm.EXAMPLE, Anna <anna@firm.example>")
    assert entry == Entry("ANNA@Firm.example", "ANNA@Firm.example", "anna@firm.example", "", None)


def test_good_addresses_survive_among_bad_ones() -> None:
    entries = split("a@x.example; brueckenbau; b@x.example; c@@x.example")
    assert [entry.address for entry in entries if not entry.problem] == ["a@x.example", "b@x.example"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ANNA@Firm.com ", "anna@firm.com"),
        ("a@BÜRO.de", "a@xn--bro-hoa.de"),
        ("a@bu\u0308ro.de", "a@büro.de"),
        ("Jose\u0301@x.example", "josé@x.example"),
        ("a@büro。de", "a@büro.de"),
        ("a@XN--BRO-HOA.de", "a@büro.de"),
    ],
)
def test_key_is_equal_for_the_same_address(one: str, other: str) -> None:
    assert addresses.key(one) == addresses.key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a.b@x.example", "ab@x.example"),
        ("a+news@x.example", "a@x.example"),
        ("a@straße.de", "a@strasse.de"),
        ("а@x.example", "a@x.example"),  # a Cyrillic letter
    ],
)
def test_key_differs_for_other_addresses(one: str, other: str) -> None:
    assert addresses.key(one) != addresses.key(other)


@pytest.mark.parametrize(
    "address",
    ["a@x.com", "a.b+c@x.co.uk", "o'neil@x.com", "a@x.example", "a@x.test", "a@localhost", "a@dev.localhost",
     "a@firm.local", "a@büro.de", "jürgen@x.com", "A@X.COM", f"{'x' * 64}@x.com"],
)  # fmt: skip
def test_address_has_no_problem(address: str) -> None:
    assert addresses.problem(address) is None


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("", "there is nothing"),
        ("brueckenbau", "there is no @"),
        ("a@brueckenbau", "“brueckenbau” has no ending, such as .com"),
        ("a@@x.com", "there are two @"),
        ("a@b@x.com", "there are two @"),
        ("a@b@c@x.com", "there are more than two @"),
        ("@x.com", "there is nothing before the @"),
        ("a@", "there is nothing after the @"),
        ("a b@x.com", "there is a space inside"),
        (" a@x.com", "there is a space inside"),
        ("a@x.com\n", "there is a line break inside"),
        ("a@x.com\r\nBcc: b@x.com", "there is a line break inside"),
        ("a@x.com\u2028", "there is a line break inside"),
        ("a\0@x.com", "there is a character inside that cannot be seen"),
        ("a\u202e@x.com", "there is a character inside that cannot be seen"),
        ("a\ud800@x.com", "there is a character inside that cannot be seen"),
        (f"a@{'x.' * 130}com", "it is longer than 254 characters"),
        (f"{'x' * 65}@x.com", "the part before the @ is longer than 64 characters"),
        ("a..b@x.com", "there are two dots in a row"),
        ("a@x..com", "there are two dots in a row"),
        (".a@x.com", "“.a” cannot stand before the @"),
        ("a(b)@x.com", "“a(b)” cannot stand before the @"),
        ("a@x_y.com", "“x_y.com” is no domain of an address"),
        ("a@1.2.3.4", "“1.2.3.4” is no domain of an address"),
        ("a@[1.2.3.4]", "“[1.2.3.4]” is no domain of an address"),
        ("a@x.com.", "“x.com.” is no domain of an address"),
        ("a@x.invalid", "“x.invalid” is no domain of an address"),
    ],
)
def test_problem_says_in_words_what_is_wrong(address: str, words: str) -> None:
    assert str(addresses.problem(address)) == words


@quick
@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    for entry in split(text):
        assert entry.typed in text
        assert str(entry.problem)


@quick
@given(st.text(st.characters(codec=None), max_size=30), st.text(st.characters(codec=None), max_size=30))
def test_key_of_a_key_is_itself(local: str, domain: str) -> None:
    once = addresses.key(f"{local}@{domain}")
    if not addresses.problem(f"{local}@{domain}"):
        assert addresses.key(once) == once


@quick
@given(st.emails())
def test_every_plain_address_is_found_with_its_name(address: str) -> None:
    wanted = addresses.key(address)
    if addresses.problem(address) is None and not set(address) & set("\"'"):
        assert keys(f'"Doe, J" <{address}>; {address.upper()}') == [wanted]


@pytest.mark.parametrize("address", ["user{}@firm{}.example", "üser{}@bürö{}.example", "user{}"])
def test_addresses_cost_as_much_as_there_are(address: str) -> None:
    few, many = (";".join(address.format(number, number % 500) for number in range(size)) for size in (500, 5_000))
    assert len(split(many)) == 5_000
    assert growth(few, many) < 40  # 10, and 100 were it quadratic


@pytest.mark.parametrize("text", ['"', '"\\', "<", "a<", "\u200b "])
def test_hostile_text_costs_no_more_than_its_length(text: str) -> None:
    assert growth(text * 3_000, text * 30_000) < 40


def growth(few: str, many: str) -> float:
    """How many times the processor time of `few` that of `many` is."""
    return cost(many) / cost(few)


def cost(text: str) -> float:
    # The least of some: other work of the machine only ever adds.
    return min(timeit.repeat(lambda: split(text), timer=time.thread_time, number=1, repeat=3))
