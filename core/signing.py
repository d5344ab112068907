"""The keys that sign tokens: the newest one signs; one that no longer signs verifies until its last token has ended.

Ed25519 and nothing else, fixed here: what a token says of its own algorithm, key or address of a key decides nothing.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

from flask import current_app
from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry
from sqlalchemy import Connection, LargeBinary, Row, String, insert, or_, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from core.db import Base, Instant, Mode, db, raw, transaction_mode, writing_apart
from core.leases import GRACE_S, LONGEST_BORROW
from core.sealing import SealBroken, Sealer

ALGORITHM: Final = "Ed25519"
#: `EdDSA` is the older word for it (RFC 9864), which clients still write.
VERIFIED = frozenset({ALGORITHM, "EdDSA"})
NOTICED_WITHIN = timedelta(minutes=1)  # how long a process may go on with the keys that it knows
#: How long a key is needed after its last signature: a borrowed seat, its grace, and who has not noticed yet.
KEPT = LONGEST_BORROW + timedelta(seconds=GRACE_S) + NOTICED_WITHIN
SIGNING_LOCK = 0x7369676E  # PostgreSQL advisory lock: of two processes that need a first key, one makes it

Claims = dict[str, Any]
log = logging.getLogger("portal.signing")


class SigningKey(Base):
    """An Ed25519 key; its private part is sealed, bound to `kid`, and gone once it is retired."""

    __tablename__ = "signing_key"

    kid: Mapped[str] = mapped_column(String(43), primary_key=True)
    private_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    public: Mapped[str] = mapped_column(String(43))  # base64url
    made_at: Mapped[datetime] = mapped_column(Instant)
    retired_at: Mapped[datetime | None] = mapped_column(Instant)  # when it signed last


class TokenRefused(Exception):
    """It is no token of ours, or none for this door; which is not told."""


class OneAlgorithm(JWSRegistry):
    """Whatever a header asks for, it is verified with Ed25519 or not at all."""

    def get_alg(self, name: str) -> Any:
        """Ed25519 under either of its names."""
        if name not in VERIFIED:
            raise UnsupportedAlgorithmError(name)
        return self.algorithms[ALGORITHM]


REGISTRY = OneAlgorithm()


@dataclass(frozen=True, slots=True)
class Ring:
    """The keys as a process knows them."""

    read_at: datetime
    signer: OKPKey | None
    public: dict[str, OKPKey]

    def is_fresh(self, now: datetime) -> bool:
        """Whether a rotation cannot have gone unnoticed for long."""
        return timedelta() <= now - self.read_at < NOTICED_WITHIN


def sign(session: Session, claims: Claims, now: datetime, *, kind: str | None = None) -> str:
    """The claims as a compact JWS; `kind` is its `typ`, where tokens of several doors must not be mixed up.

    Best after the commit of what they say. The first key is made at first need.
    """
    key = _ring(session, now).signer or _first(session, now)
    header = {"alg": ALGORITHM, "kid": key.thumbprint(), **({"typ": kind} if kind else {})}
    return jws.serialize_compact(header, json.dumps(claims, separators=(",", ":")), key, registry=REGISTRY)


def verify(session: Session, token: str, now: datetime, *, kind: str | None = None) -> Claims:
    """The claims of a token that we signed and whose `typ` is `kind`; what they mean is the caller's to judge.

    :raise TokenRefused: for every other text.
    """
    try:
        signature = jws.extract_compact(token.encode(), registry=REGISTRY)
        header = signature.headers()
        if not header.keys() <= {"alg", "kid", "typ"} or header.get("typ") != kind:
            raise TokenRefused
        key = _public(session, str(header.get("kid")), now)
        if not jws.validate_compact(signature, key, registry=REGISTRY):
            raise TokenRefused
        return claims_in(signature.payload)
    except (JoseError, ValueError, TypeError, RecursionError):
        raise TokenRefused from None


def claims_in(payload: bytes | None) -> Claims:
    """The claims that a payload holds.

    :raise TokenRefused: when it is no JSON object.
    """
    claims = json.loads(payload or b"")
    if not isinstance(claims, dict):
        raise TokenRefused
    return claims


def thumbprint(public_key: str) -> str:
    """An Ed25519 key as tokens name it (RFC 7638)."""
    # Written out: it is asked with every renewal, and a key is dear to make.
    written = f'{{"crv":"{ALGORITHM}","kty":"OKP","x":"{public_key}"}}'
    return base64.urlsafe_b64encode(hashlib.sha256(written.encode()).digest()).rstrip(b"=").decode()


def jwks(session: Session, now: datetime) -> dict[str, Any]:
    """The public keys, for whoever checks a token without asking us."""
    ring = _ring(session, now)
    if ring.signer is None:
        _first(session, now)
        ring = _read(now)
    described = {"alg": ALGORITHM, "use": "sig"}
    return {"keys": [{**key.as_dict(private=False), "kid": kid, **described} for kid, key in ring.public.items()]}


def rotate(session: Session, now: datetime) -> str:
    """Sign with a new key from now on, and return its `kid`; the caller commits."""
    connection = _locked(session.connection())
    # Nobody can sign with it any more, whoever finds its private part later; tokens are verified with the public one.
    retiring = update(SigningKey).where(SigningKey.retired_at.is_(None))
    connection.execute(retiring.values(retired_at=now, private_sealed=b""))
    return _made(connection, now).thumbprint()


# ── the keys of this process ─────────────────────────────────────────────────────────────────────────────────────────


def _ring(session: Session, now: datetime) -> Ring:
    known = cast("Ring | None", current_app.extensions.get("signing"))
    return known if known is not None and known.is_fresh(now) and known.signer is not None else _read(now)


def _public(session: Session, kid: str, now: datetime) -> OKPKey:
    """The key of this name; one that is not known yet may have been made a moment ago by another process."""
    key = _ring(session, now).public.get(kid) or _read(now).public.get(kid)
    if key is None:
        raise TokenRefused
    return key


_KEYS = select(SigningKey).order_by(SigningKey.made_at.desc(), SigningKey.kid)


def _read(now: datetime) -> Ring:
    """Read the keys, apart from any transaction: what is remembered must be committed."""
    kept = _KEYS.where(or_(SigningKey.retired_at.is_(None), SigningKey.retired_at > now - KEPT))
    with transaction_mode(Mode.READ), db.engine.connect() as connection:
        rows = connection.execute(kept).all()
    public = {row.kid: OKPKey.import_key(_public_part(row.public)) for row in rows}
    ring = Ring(now, _signer(rows), public)
    current_app.extensions["signing"] = ring
    return ring


def _first(session: Session, now: datetime) -> OKPKey:
    """The key that signs, made when there is none; whoever comes at the same time waits and finds it."""
    with _writing(session) as connection:
        return _signer(_locked(connection).execute(_KEYS).all()) or _made(connection, now)


@contextlib.contextmanager
def _writing(session: Session) -> Iterator[Connection]:
    """A transaction of its own, so that a key stays that a token was signed with; on SQLite a writer is alone."""
    if session.in_transaction() and session.get_bind().dialect.name == "sqlite" and raw(session.connection()).inside:
        yield session.connection()
    else:
        with writing_apart() as connection:
            yield connection


def _locked(connection: Connection) -> Connection:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": SIGNING_LOCK})
    return connection


def _made(connection: Connection, now: datetime) -> OKPKey:
    key = OKPKey.generate_key(ALGORITHM)
    kid, parts = key.thumbprint(), key.as_dict(private=True)
    sealed = _sealer().seal(str(parts["d"]), kid.encode())
    connection.execute(insert(SigningKey).values(kid=kid, private_sealed=sealed, public=parts["x"], made_at=now))
    return key


def _signer(rows: Sequence[Row[Any]]) -> OKPKey | None:
    """The newest key that signs and that our SEAL_KEY opens; with another one, a key of its own is made."""
    return next(filter(None, (_unsealed(row) for row in rows if row.retired_at is None)), None)


def _unsealed(row: Row[Any]) -> OKPKey | None:
    try:
        private = _sealer().unseal(row.private_sealed, row.kid.encode())
    except SealBroken:
        log.warning("the signing key %s was sealed with another SEAL_KEY", row.kid)
        return None
    return OKPKey.import_key({**_public_part(row.public), "d": private})


def _public_part(public: str) -> dict[str, str | list[str]]:
    return {"kty": "OKP", "crv": ALGORITHM, "x": public}


def _sealer() -> Sealer:
    return cast(Sealer, current_app.extensions["sealer"])
