import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.sealing import SealBroken, Sealer


def key_of(byte: bytes) -> str:
    return base64.urlsafe_b64encode(byte * 32).decode()


SEALER = Sealer(key_of(b"k"))
TEXT = "AWN24-QXQQ8-Z5V7E-E5EMH-RT9VK"


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8")), st.binary())
def test_what_is_sealed_unseals(text: str, bound_to: bytes) -> None:
    assert SEALER.unseal(SEALER.seal(text, bound_to), bound_to) == text


def test_sealed_text_shows_nothing_and_differs_each_time() -> None:
    one, other = SEALER.seal(TEXT, b"row"), SEALER.seal(TEXT, b"row")
    assert one != other
    assert one[:1] == other[:1] == b"\x01"
    assert b"RT9VK" not in one


def test_every_altered_byte_breaks_the_seal() -> None:
    sealed = SEALER.seal(TEXT, b"row")
    for place in range(len(sealed)):
        altered = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(SealBroken):
            SEALER.unseal(altered, b"row")


def test_every_shortened_seal_is_broken() -> None:
    sealed = SEALER.seal(TEXT, b"row")
    for length in range(len(sealed)):
        with pytest.raises(SealBroken):
            SEALER.unseal(sealed[:length], b"row")


def test_seal_of_another_row_is_broken() -> None:
    with pytest.raises(SealBroken):
        SEALER.unseal(SEALER.seal(TEXT, b"row"), b"other row")


def test_seal_with_another_key_is_broken() -> None:
    with pytest.raises(SealBroken):
        Sealer(key_of(b"x")).unseal(SEALER.seal(TEXT, b"row"), b"row")


@pytest.mark.parametrize("key", ["", "short", key_of(b"k")[:-4], key_of(b"kk"), "ü" * 44])
def test_key_of_another_length_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Sealer(key)
