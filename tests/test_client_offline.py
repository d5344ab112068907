"""A lease without a network: who signed it, for which device, until when — and whether the clock can be believed."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import Key, KeySet, OctKey, OKPKey
from portal_seat import Client, ClockRollback, State, Unreachable, Untrusted
from portal_seat.device import Device
from portal_seat.offline import Claims, HighWater, good_for, verified
from portal_seat.store import Store

from tests.client_desk import NOON, FakePortal, StillClock, active, problem

ISSUER = "https://portal.example"
SIGNER = OKPKey.generate_key("Ed25519", {"kid": "2027-01"})
KEYS: dict[str, Any] = dict(KeySet([SIGNER]).as_dict(private=False))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.of(ISSUER, tmp_path)


@pytest.fixture
def device(store: Store) -> Device:
    return Device.of(store)


def token(device: Device, key: Key = SIGNER, alg: str = "Ed25519", kid: str = "2027-01", **more: Any) -> str:
    claims = {
        "iss": ISSUER, "jti": "a", "sub": "1", "prod": "ares-commander", "dev": device.thumbprint, "mode": "floating",
        "iat": NOON, "exp": NOON + 600, "grace": 86_400, "seq": 1, **more,
    }  # fmt: skip
    return jws.serialize_compact({"alg": alg, "kid": kid}, json.dumps(claims), key, algorithms=[alg])


def claims_of(device: Device, text: str) -> Claims:
    return verified(text, KEYS, issuer=ISSUER, device=device.thumbprint)


def test_a_lease_of_the_issuer_for_this_device_counts_until_its_grace_ends(store: Store, device: Device) -> None:
    claims = claims_of(device, token(device))
    mark = HighWater(Store(store.folder / "apart"))
    assert good_for(claims, mark, NOON) == 600 + 86_400
    with pytest.raises(Untrusted, match="run out"):
        good_for(claims, mark, NOON + 600 + 86_401)


def test_nobody_elses_signature_counts(device: Device) -> None:
    other = OKPKey.generate_key("Ed25519", {"kid": "2027-01"})
    with pytest.raises(Untrusted):
        claims_of(device, token(device, other))
    with pytest.raises(Untrusted):
        claims_of(device, token(device, kid="another"))


def test_no_algorithm_but_ours_counts(device: Device) -> None:
    """The classic: the public key, which everybody has, taken as the secret of a symmetric algorithm."""
    secret = OctKey.import_key({"kty": "oct", "k": SIGNER.as_dict(private=False)["x"], "kid": "2027-01"})
    payload = token(device).split(".")[1]
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": "2027-01"}).encode()).decode().rstrip("=")
    for text in (token(device, secret, "HS256"), f"{header}.{payload}.", token(device)[:-8] + "AAAAAAAA"):
        with pytest.raises(Untrusted):
            claims_of(device, text)


@pytest.mark.parametrize("claim", [{"iss": "https://other.example"}, {"dev": "x" * 43}, {"exp": "soon"}])
def test_a_lease_of_another_portal_or_device_does_not_count(device: Device, claim: dict[str, Any]) -> None:
    with pytest.raises(Untrusted):
        claims_of(device, token(device, **claim))


def test_a_clock_that_was_turned_back_is_not_believed(store: Store, device: Device) -> None:
    claims, mark = claims_of(device, token(device)), HighWater(Store(store.folder / "apart"))
    good_for(claims, mark, NOON + 10_000)
    good_for(claims, mark, NOON + 10_000 - 299)
    with pytest.raises(ClockRollback):
        good_for(claims, mark, NOON + 10_000 - 301)


def test_files_remember_the_time_when_the_mark_is_lost(store: Store) -> None:
    store.write("lease-x", {})
    os.utime(store.folder / "lease-x.json", (NOON, NOON))
    with pytest.raises(ClockRollback):
        HighWater(store).check(NOON - 301)


def test_the_portal_heals_a_clock_that_was_ahead(store: Store) -> None:
    mark = HighWater(store)
    mark.see(NOON * 1.5)
    with pytest.raises(ClockRollback):
        mark.check(NOON)
    mark.heal(NOON)
    os.utime(store.folder / "mark.json", (NOON, NOON))
    mark.check(NOON)


# ── at the start of a program ────────────────────────────────────────────────────────────────────────────────────────


def client(tmp_path: Path, portal: FakePortal, clock: StillClock) -> Client:
    return Client(ISSUER, station_key="st_1", folder=tmp_path, clock=clock, transport=portal.transport)


@pytest.fixture
def clock(store: Store) -> StillClock:
    """Time that agrees with what the files of this test say, which are of now."""
    made = StillClock()
    made.now = store.newest() + 60
    return made


def kept(store: Store, device: Device, name: str, at: float, **more: Any) -> None:
    store.write("keys", KEYS)
    text = token(device, iat=at, exp=at + 600, **more)
    store.write(name, {"token": text, "lease_id": "a"})


def test_a_program_starts_with_the_lease_it_had(
    tmp_path: Path, store: Store, device: Device, clock: StillClock
) -> None:
    kept(store, device, "lease-ares", clock.now)
    with client(tmp_path, FakePortal(None), clock).seat("ares") as seat:
        assert seat.state is State.RECONNECTING
        assert seat.may_work


def test_a_program_without_a_kept_lease_does_not_start_unanswered(tmp_path: Path, clock: StillClock) -> None:
    with pytest.raises(Unreachable), client(tmp_path, FakePortal(None), clock).seat("ares"):
        pytest.fail("It started.")


def test_a_no_is_remembered_at_the_next_start(tmp_path: Path, store: Store, device: Device, clock: StillClock) -> None:
    kept(store, device, "lease-ares", clock.now)
    portal = FakePortal(active(token=token(device, iat=clock.now, exp=clock.now + 600)))
    with client(tmp_path, portal, clock).seat("ares") as seat:
        assert store.read("lease-ares")
        portal.says = problem("lease_ended", 410, reason="by_admin")
        seat.ask_now()
        assert seat.state is State.READ_ONLY
        portal.says = None
        assert not store.read("lease-ares")
    with pytest.raises(Unreachable), client(tmp_path, portal, clock).seat("ares"):
        pytest.fail("It started.")


def test_a_borrowed_seat_asks_nobody(tmp_path: Path, store: Store, device: Device, clock: StillClock) -> None:
    portal = FakePortal(None)
    kept(store, device, "borrowed-ares", clock.now, mode="borrowed", grace=0)
    with client(tmp_path, portal, clock).seat("ares") as seat:
        assert seat.state is State.LICENSED
    assert portal.heard == []


def test_a_borrowed_seat_counts_no_longer_than_its_day(
    tmp_path: Path, store: Store, device: Device, clock: StillClock
) -> None:
    kept(store, device, "borrowed-ares", clock.now, mode="borrowed", grace=0)
    clock.move(601)
    with pytest.raises(Unreachable), client(tmp_path, FakePortal(None), clock).seat("ares"):
        pytest.fail("It started.")


def test_a_turned_back_clock_is_named_to_the_person(
    tmp_path: Path, store: Store, device: Device, clock: StillClock
) -> None:
    kept(store, device, "borrowed-ares", clock.now, mode="borrowed", grace=0)
    clock.now -= 86_400
    with pytest.raises(ClockRollback), client(tmp_path, FakePortal(None), clock).seat("ares"):
        pytest.fail("It started.")
