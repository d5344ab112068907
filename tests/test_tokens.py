import string
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from itsdangerous import URLSafeTimedSerializer

from core import tokens
from core.tokens import Purpose, TokenInvalid

SECRET = "a secret of the tests, long enough for anybody"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def made(purpose: Purpose = Purpose.INVITATION) -> str:
    return tokens.make(SECRET, purpose, "nonce", 7, now=NOW)


def assert_invalid(token: str, purpose: Purpose = Purpose.INVITATION, secret: str = SECRET) -> None:
    with pytest.raises(TokenInvalid) as raised:
        tokens.read(secret, purpose, token, now=NOW)
    assert str(raised.value) == ""  # nothing tells the reasons apart


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(Purpose), st.integers(0, 2**62), st.text("0123456789abcdef", max_size=32))
def test_token_tells_row_and_nonce(purpose: Purpose, ident: int, nonce: str) -> None:
    token = tokens.make(SECRET, purpose, nonce, ident)
    assert tokens.read(SECRET, purpose, token) == (ident, nonce)


def test_token_stands_in_an_address_as_it_is() -> None:
    assert set(made()) <= set(string.ascii_letters + string.digits + "-_.")
    assert len(made()) < 120


def test_token_of_one_purpose_is_none_for_another() -> None:
    for purpose in Purpose:
        for other in set(Purpose) - {purpose}:
            assert_invalid(made(purpose), other)


@pytest.mark.parametrize(
    ("purpose", "age"),
    [
        (Purpose.INVITATION, timedelta(days=14)),
        (Purpose.INVITATION_COPY, timedelta(days=14)),
        (Purpose.CONFIRM, timedelta(days=7)),
        (Purpose.RESET, timedelta(hours=1)),
        (Purpose.CHANGE_EMAIL, timedelta(days=1)),
        (Purpose.SETUP, timedelta(days=1)),
    ],
)
def test_token_lives_for_the_age_of_its_purpose(purpose: Purpose, age: timedelta) -> None:
    assert purpose.age == age
    assert tokens.read(SECRET, purpose, made(purpose), now=NOW + age) == (7, "nonce")
    with pytest.raises(TokenInvalid):
        tokens.read(SECRET, purpose, made(purpose), now=NOW + age + SECOND)


def test_age_can_be_made_shorter() -> None:
    read = tokens.read(SECRET, Purpose.RESET, made(Purpose.RESET), timedelta(minutes=5), now=NOW)
    assert read == (7, "nonce")
    with pytest.raises(TokenInvalid):
        tokens.read(SECRET, Purpose.RESET, made(Purpose.RESET), timedelta(0), now=NOW + SECOND)


def test_token_from_the_future_is_invalid() -> None:
    with pytest.raises(TokenInvalid):
        tokens.read(SECRET, Purpose.RESET, made(Purpose.RESET), now=NOW - SECOND)


def test_token_made_with_another_secret_is_invalid() -> None:
    assert_invalid(made(), secret="another secret, just as long as the first one")


def test_every_altered_character_makes_a_token_invalid() -> None:
    token = made()
    for place, character in enumerate(token):
        for other in "AQgwB_-.":
            if other != character:
                assert_invalid(token[:place] + other + token[place + 1 :])


def test_every_shortened_or_lengthened_token_is_invalid() -> None:
    token = made()
    for length in range(len(token)):
        assert_invalid(token[:length])
    for more in ("=", "A", "!", " ", "\n", ".", "\0"):
        assert_invalid(token + more)
        assert_invalid(more + token)


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "ü", "\ud800", "\0", "%00", "x" * 100_000, "." * 100_000])
def test_garbage_is_invalid(token: str) -> None:
    assert_invalid(token)


@settings(deadline=None)
@given(st.text())
def test_no_text_is_a_token(text: str) -> None:
    assert_invalid(text)


@pytest.mark.parametrize("content", [None, 7, [7], ["7", "nonce"], [True, "nonce"], [7, 7], [7, "nonce", 1], "ab"])
def test_signed_content_of_another_shape_is_invalid(content: object) -> None:
    serializer: URLSafeTimedSerializer = tokens._serializer(SECRET, Purpose.INVITATION, NOW)
    assert_invalid(str(serializer.dumps(content)))
