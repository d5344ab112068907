"""The keys that sign tokens: one first key, one algorithm, and a rotation that no token is lost in."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from joserfc import jws
from joserfc.jwk import KeySet, OctKey, OKPKey
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import signing
from core.db import db
from core.sealing import Sealer
from core.signing import KEPT, NOTICED_WITHIN, SigningKey, TokenRefused
from tests.cast import SEAL_KEY
from tests.statements import counted, engine_of

NOW = datetime.fromisoformat("2026-11-24T13:00:00+00:00")
CLAIMS = {"sub": "7", "exp": 1}


@pytest.fixture
def signs(bare_app: Flask) -> Iterator[Session]:
    """The session of an application that can seal."""
    bare_app.extensions["sealer"] = Sealer(SEAL_KEY)
    with bare_app.app_context():
        yield db.session


def forget(app: Flask) -> None:
    """As another process, which knows no key yet."""
    app.extensions.pop("signing", None)


def header_of(token: str) -> dict[str, Any]:
    return jws.extract_compact(token.encode()).headers()


def test_a_token_says_who_signed_it_and_can_be_read_again(signs: Session) -> None:
    token = signing.sign(signs, CLAIMS, NOW)
    assert header_of(token).keys() == {"alg", "kid"}
    assert header_of(token)["alg"] == "Ed25519"
    assert signing.verify(signs, token, NOW) == CLAIMS


def test_anybody_can_check_a_token_with_the_published_keys(signs: Session) -> None:
    token = signing.sign(signs, CLAIMS, NOW)
    keys = KeySet.import_key_set(signing.jwks(signs, NOW))  # type: ignore[arg-type]
    assert json.loads(jws.deserialize_compact(token, keys, ["Ed25519"]).payload or b"") == CLAIMS
    assert all("d" not in key for key in signing.jwks(signs, NOW)["keys"])


def test_the_first_key_is_made_once(signs: Session, bare_app: Flask) -> None:
    kids = set()
    for _process in range(3):
        forget(bare_app)
        kids.add(header_of(signing.sign(signs, CLAIMS, NOW))["kid"])
        signs.rollback()
    assert len(kids) == 1
    assert signs.scalar(select(func.count()).select_from(SigningKey)) == 1


def test_of_many_who_need_the_first_key_one_makes_it(signs: Session, bare_app: Flask) -> None:
    signs.rollback()

    def sign(_process: int) -> str:
        with bare_app.app_context():
            return signing._first(db.session, NOW).thumbprint()

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(sign, range(6)))) == 1


def test_a_key_that_cannot_be_opened_signs_no_more_but_verifies(signs: Session, bare_app: Flask) -> None:
    token = signing.sign(signs, CLAIMS, NOW)
    signs.commit()
    forget(bare_app)
    bare_app.extensions["sealer"] = Sealer(urlsafe_b64encode(bytes(32)).decode())
    new = signing.sign(signs, CLAIMS, NOW)
    signs.commit()
    assert header_of(new)["kid"] != header_of(token)["kid"]
    assert signing.verify(signs, token, NOW) == signing.verify(signs, new, NOW) == CLAIMS


def test_the_private_part_is_kept_sealed_and_goes_with_the_rotation(signs: Session) -> None:
    kid = header_of(signing.sign(signs, CLAIMS, NOW))["kid"]
    row = signs.get_one(SigningKey, kid)
    assert len(Sealer(SEAL_KEY).unseal(row.private_sealed, kid.encode())) == 43
    signing.rotate(signs, NOW)
    signs.commit()
    signs.refresh(row)
    assert row.private_sealed == b""


def test_after_a_rotation_the_old_key_verifies_until_its_last_token_has_ended(signs: Session) -> None:
    old = signing.sign(signs, CLAIMS, NOW)
    new_kid = signing.rotate(signs, NOW)
    signs.commit()
    later = NOW + NOTICED_WITHIN
    assert header_of(signing.sign(signs, CLAIMS, later))["kid"] == new_kid
    assert signing.verify(signs, old, NOW + KEPT - timedelta(seconds=1)) == CLAIMS
    assert len(signing.jwks(signs, later)["keys"]) == 2
    with pytest.raises(TokenRefused):
        signing.verify(signs, old, NOW + KEPT)
    assert [key["kid"] for key in signing.jwks(signs, NOW + KEPT)["keys"]] == [new_kid]


def test_a_token_of_a_new_key_is_known_at_once(signs: Session, bare_app: Flask) -> None:
    for _time in range(2):  # the second time it is read, and remembered
        signing.sign(signs, CLAIMS, NOW)
        signs.commit()
    before = bare_app.extensions["signing"]
    signing.rotate(signs, NOW)
    signs.commit()
    forget(bare_app)
    token = signing.sign(signs, CLAIMS, NOW)
    bare_app.extensions["signing"] = before
    assert signing.verify(signs, token, NOW) == CLAIMS


def test_keys_in_use_cost_no_statement(signs: Session, bare_app: Flask) -> None:
    token = signing.sign(signs, CLAIMS, NOW)
    signing.verify(signs, token, NOW)
    with counted(engine_of(bare_app)) as seen:
        signing.verify(signs, signing.sign(signs, CLAIMS, NOW), NOW)
    assert seen == []


def forged(key: Any, alg: str, **header: Any) -> str:
    """A token of somebody else's making."""
    return jws.serialize_compact({"alg": alg, **header}, json.dumps(CLAIMS), key, algorithms=[alg])


@pytest.mark.on_sqlite
def test_what_we_did_not_sign_is_refused(signs: Session) -> None:
    token = signing.sign(signs, CLAIMS, NOW)
    kid, public = header_of(token)["kid"], signing.jwks(signs, NOW)["keys"][0]
    other = OKPKey.generate_key("Ed25519")
    head, body, signature = token.split(".")
    attacks = {
        "another key": forged(other, "Ed25519", kid=kid),
        "another key that it brings along": forged(other, "Ed25519", kid=kid, jwk=other.as_dict(private=False)),
        "an unknown key": forged(other, "Ed25519", kid="nobody"),
        "no key named": forged(other, "Ed25519"),
        "the public key as a secret": forged(OctKey.import_key(public["x"]), "HS256", kid=kid),
        "no signature": f"{head}.{body}.",
        "no algorithm": f"{_encoded({'alg': 'none', 'kid': kid})}.{body}.",
        "another algorithm": f"{_encoded({'alg': 'HS256', 'kid': kid})}.{body}.{signature}",
        "other claims": f"{head}.{_encoded({'sub': '8'})}.{signature}",
        "an address of keys": f"{_encoded({'alg': 'Ed25519', 'kid': kid, 'jku': 'https://x.y'})}.{body}.{signature}",
        "a critical header": f"{_encoded({'alg': 'Ed25519', 'kid': kid, 'crit': ['x'], 'x': 1})}.{body}.{signature}",
        "nothing": "", "no token": "a.b.c", "too many parts": f"{token}.x", "letters": "täg.ü.ß",
        "a header that is no object": f"{_encoded([1])}.{body}.{signature}",
    }  # fmt: skip
    assert [name for name, attack in attacks.items() if is_taken(signs, attack)] == []
    assert is_taken(signs, token)


def test_a_token_brings_no_key_along(signs: Session) -> None:
    """Even signed by us: whoever reads such a header would be led elsewhere."""
    signing.sign(signs, CLAIMS, NOW)
    key = signing._read(NOW).signer
    assert key is not None
    for more in ({"jku": "https://x.example"}, {"jwk": key.as_dict(private=False)}, {"x5u": "https://x.example"}):
        assert not is_taken(signs, forged(key, "Ed25519", kid=key.thumbprint(), **more))


def test_the_older_name_of_the_algorithm_is_understood(signs: Session, bare_app: Flask) -> None:
    signing.sign(signs, CLAIMS, NOW)
    key = signing._read(NOW).signer
    with pytest.warns(match="EdDSA is deprecated"):
        token = forged(key, "EdDSA", kid=key.thumbprint() if key else "")
    assert signing.verify(signs, token, NOW) == CLAIMS


def test_a_token_opens_only_the_door_of_its_kind(signs: Session) -> None:
    token = signing.sign(signs, CLAIMS, NOW, kind="at+jwt")
    assert signing.verify(signs, token, NOW, kind="at+jwt") == CLAIMS
    assert not is_taken(signs, token)


def is_taken(session: Session, token: str) -> bool:
    try:
        signing.verify(session, token, NOW)
    except TokenRefused:
        return False
    return True


def _encoded(value: Any) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
