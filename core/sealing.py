"""Sealing of permission keys at rest: AES-GCM, bound to the row that holds the sealed text."""

import base64
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_LENGTH = 32
_VERSION = b"\x01"  # should there ever be another cipher; sealed too, so that nobody changes it
_NONCE_LENGTH = 12  # bytes, what GCM is made for; at random, good for 2³² keys (NIST SP 800-38D)


class SealBroken(Exception):
    """What was sealed cannot be read: another key, another row, or altered."""


class Sealer:
    """Seals with one key, given as URL-safe base64 of 32 bytes.

    :raise ValueError: when the key is anything else.
    """

    def __init__(self, key: str) -> None:
        self._cipher = AESGCM(_decode(key))

    def seal(self, text: str, bound_to: bytes) -> bytes:
        """Return the text sealed; only who names the same `bound_to` can unseal it."""
        nonce = secrets.token_bytes(_NONCE_LENGTH)
        return _VERSION + nonce + self._cipher.encrypt(nonce, text.encode(), _VERSION + bound_to)

    def unseal(self, data: bytes, bound_to: bytes) -> str:
        """Return the text that was sealed.

        :raise SealBroken: when it was sealed otherwise or altered.
        """
        if data[:1] != _VERSION:
            raise SealBroken
        nonce, sealed = data[1 : 1 + _NONCE_LENGTH], data[1 + _NONCE_LENGTH :]
        try:
            return self._cipher.decrypt(nonce, sealed, _VERSION + bound_to).decode()
        except (InvalidTag, ValueError):
            # ValueError: so much is missing that there is not even a nonce.
            raise SealBroken from None


def _decode(key: str) -> bytes:
    try:
        decoded = base64.urlsafe_b64decode(key)
    except ValueError:
        decoded = b""
    if len(decoded) != KEY_LENGTH:
        raise ValueError(f"The seal key is not {KEY_LENGTH} bytes as URL-safe base64.")
    return decoded
