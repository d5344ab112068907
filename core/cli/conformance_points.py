"""The points of the license protocol, each asked about from outside; a point raises what is not as it should be."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from joserfc import jws
from joserfc.jwk import OctKey, OKPKey

from core.cli.conformance import LOCAL_PATIENCE, InPart, NotRun
from core.cli.conformance_kit import ALGORITHM, Kit, Launch, nobody, unsigned

AT_ONCE = 50
Point = Callable[[Kit], str | None]


def at_once(kit: Kit) -> str:
    """As many launches as there are seats get one, not one more and not one less."""
    probe = kit.take()
    launches = [kit.launch() for _number in range(AT_ONCE)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(kit.ask, launches))
    refused = [each for each in answers if each.status_code != 201]
    for each in refused:
        kit.expect(each, 409, "no_seat_available")
    used, total = kit.counts(probe)
    kit.must(used <= total, f"{used} of {total} seats are in use")
    if refused:  # then nothing was left over
        kit.expect(kit.ask(kit.launch()), 409, "no_seat_available")
    return f"{AT_ONCE - len(refused)} of {AT_ONCE} got a seat"


def same_put(kit: Kit) -> None:
    """Asked three times, the same launch has one seat."""
    launch = kit.take()
    first = kit.counts(launch)
    kit.must(kit.counts(launch) == first, "the same launch took another seat")


def after_expiry(kit: Kit) -> None:
    """An expired launch gets a seat again while there is one, and 409 while there is none."""
    launch = kit.take()
    kit.needs("expire", launch)
    kit.expect(kit.ask(launch, seq=1), 200)
    kit.needs("expire", launch)
    others = kit.fill()
    kit.expect(kit.ask(launch, seq=2), 409, "no_seat_available")
    kit.expect(kit.give_back(others[0]), 204)
    kit.expect(kit.ask(launch, seq=3), 200)


def give_back_twice(kit: Kit) -> None:
    """Giving back is repeatable, and an ended launch stays ended."""
    launch = kit.take()
    kit.expect(kit.give_back(launch), 204)
    kit.expect(kit.give_back(launch), 204)
    kit.expect(kit.ask(launch), 410, "lease_ended")


def after_end(kit: Kit) -> str | None:
    """What an administrator ended is over, and for a person for a while."""
    launch = kit.take()
    kit.needs("end", launch)
    kit.expect(kit.ask(launch), 410, "lease_ended", reason="by_admin")
    if not kit.is_person:
        return None
    answer = kit.ask(launch.again())
    if answer.status_code == 201:
        return "the person took a seat of another license of the product"
    kit.expect(answer, 409, "cooling_down")
    return None


def disabled(kit: Kit) -> None:
    """A disabled member keeps nothing beyond the time to save, and gets nothing."""
    if not kit.is_person:
        raise NotRun("TOKEN is a station's; a person's access token is needed")
    launch = kit.take()
    kit.needs("disable", launch)
    try:
        kit.expect(kit.ask(launch.again()), 403, "membership_disabled")
        answer = kit.ask(launch)
        kit.must(answer.status_code in (200, 403, 410), f"a renewal answered {answer.status_code}")
    finally:
        kit.needs("enable", launch)


def short_line(kit: Kit) -> None:
    """No lease outlives its license."""
    launch = kit.take()
    kit.needs("shorten", launch)
    try:
        body = kit.expect(kit.ask(launch), 200)
        left = _moment(body["expires_at"]) - _moment(body["server_time"])
        kit.must(left <= timedelta(minutes=5), f"the lease lasts {left}, longer than its license")
    finally:
        kit.needs("lengthen", launch)


def restarted(kit: Kit) -> None:
    """A lease outlives the portal's restart."""
    launch = kit.take()
    kit.needs("restart", launch)
    _come_back(kit)
    kit.expect(kit.ask(launch), 200)


def _come_back(kit: Kit) -> None:
    import time

    import httpx2

    end = time.monotonic() + LOCAL_PATIENCE
    while time.monotonic() < end:
        try:
            if kit.http.get("/api/v1/health").status_code == 200:
                return
        except httpx2.HTTPError:
            pass
        time.sleep(0.2)
    raise NotRun("the portal did not come back")


def clocks(kit: Kit) -> None:
    """A clock that is a day off is told, and never a reason to refuse; nor is the portal's own."""
    launch = kit.take()
    _with_clocks(kit, launch)
    if kit.is_person:
        raise InPart("TOKEN is a person's, and ends before the portal's day does")
    for seq, deed in enumerate(("day-ahead", "day-behind"), start=1):
        kit.goes_on(deed, launch)
        try:
            kit.expect(kit.ask(launch, seq=2 * seq), 200)
        finally:
            kit.needs("day-back", launch)
        kit.expect(kit.ask(launch, seq=2 * seq + 1), 200)


def _with_clocks(kit: Kit, launch: Launch) -> None:
    now = _moment(kit.expect(kit.ask(launch), 200)["server_time"])
    for off in (-1, 0, 1):
        at = (now + timedelta(days=off)).isoformat()
        kinds = [each["type"] for each in kit.expect(kit.ask(launch, client_time=at), 200)["directives"]]
        kit.must(("notice" in kinds) or not off, f"nobody was told that a clock is {off} days off")


def borrowing(kit: Kit) -> None:
    """A borrowed seat counts as used until it is returned by its device, or written off."""
    launch = kit.take()
    until = _moment(kit.expect(kit.ask(launch), 200)["server_time"]) + timedelta(hours=2)
    _borrow_once(kit, launch, until)
    stranger = Launch(launch.device, OKPKey.generate_key(ALGORITHM), launch.uuid)
    kit.expect(kit.post(launch, "return", {"proof": _proof(stranger)}), 409, "device_conflict")
    kit.expect(kit.post(launch, "return", {"proof": _proof(launch)}), 204)
    _written_off(kit, until)


def _borrow_once(kit: Kit, launch: Launch, until: datetime) -> None:
    """Borrow; the same Idempotency-Key has the same answer, and no other."""
    answer = kit.post(launch, "borrow", {"until": until.isoformat()}, key=launch.uuid)
    if answer.status_code == 409:
        kit.expect(answer, 409, "borrow_limit")
        raise NotRun("no seat of the product can be borrowed")
    token = kit.expect(answer, 200, state="borrowed")["token"]
    again = kit.post(launch, "borrow", {"until": until.isoformat()}, key=launch.uuid)
    kit.must(kit.expect(again, 200)["token"] == token, "the same Idempotency-Key was answered otherwise")
    later = (until + timedelta(hours=1)).isoformat()
    kit.expect(kit.post(launch, "borrow", {"until": later}, key=launch.uuid), 422, "idempotency_mismatch")
    kit.must(kit.claims(token)["exp"] == int(until.timestamp()), "the token does not end when the loan does")


def _written_off(kit: Kit, until: datetime) -> None:
    lost = kit.take()
    kit.expect(kit.post(lost, "borrow", {"until": until.isoformat()}), 200, state="borrowed")
    kit.goes_on("write-off", lost)
    kit.expect(kit.ask(lost), 410, "lease_ended")


def _proof(launch: Launch) -> str:
    """What a device signs when it has given its seat up."""
    return jws.serialize_compact(
        {"alg": ALGORITHM}, json.dumps({"jti": launch.uuid}), launch.key, algorithms=[ALGORITHM]
    )  # fmt: skip


def queue(kit: Kit) -> None:
    """Who came first is served first; a seat that is offered and not fetched goes to the next."""
    taken = kit.fill()
    first, second = kit.launch(), kit.launch()
    for place, launch in enumerate((first, second), start=1):
        body = kit.expect(kit.ask(launch, queue=True), 202, state="queued")
        kit.must(body["position"] >= place, f"place {body['position']} was given to number {place}")
    kit.expect(kit.give_back(taken[0]), 204)
    kit.expect(kit.ask(second, queue=True), 202)
    if not kit.hands.do("pass-offer", first.uuid):
        kit.expect(kit.ask(first, queue=True), 201)
        raise InPart(nobody("pass-offer"))
    kit.expect(kit.ask(second, queue=True), 201)


def forged(kit: Kit) -> None:
    """Nothing but a token of the portal opens it, and no device passes for another."""
    launch = kit.take()
    lease = kit.expect(kit.ask(launch), 200)["token"]
    claims = kit.claims(lease)
    text = f'{{"iss": "{claims["iss"]}", "sub": "1", "fam": 1, "exp": 9999999999, "iat": 1}}'
    secret = OctKey.import_key("not a secret at all, but long enough to be used as one")
    tokens = (
        unsigned(claims), lease,
        jws.serialize_compact({"alg": "HS256"}, text, secret, algorithms=["HS256"]),
        jws.serialize_compact({"alg": ALGORITHM}, text, OKPKey.generate_key(ALGORITHM), algorithms=[ALGORITHM]),
    )  # fmt: skip
    for token in tokens:
        kit.expect(kit.call("GET", f"/api/v1/leases/{launch.uuid}", token), 401, "token_invalid")
    stranger = Launch(launch.device, OKPKey.generate_key(ALGORITHM))
    kit.expect(kit.ask(stranger), 409, "device_conflict")
    kit.expect(kit.ask(launch, seq=5), 200)
    kit.expect(kit.ask(launch, seq=4), 409, "device_conflict")


def rotated(kit: Kit) -> None:
    """What was signed before a rotation is still good after it."""
    launch = kit.take()
    before = kit.expect(kit.ask(launch), 200)["token"]
    kit.claims(before)
    kit.goes_on("rotate", launch)
    after = kit.expect(kit.ask(launch), 200)["token"]
    kit.claims(before)
    kit.claims(after)
    kit.must(_kid(before) != _kid(after), "the key was not rotated")


def _kid(token: str) -> str:
    return str(jws.extract_compact(token.encode()).headers().get("kid"))


def foreign(kit: Kit) -> None:
    """Another organization's lease does not exist."""
    launch = kit.take()
    kit.expect(kit.show(launch, kit.other), 404, "unknown_lease")
    kit.expect(kit.give_back(launch, kit.other), 404, "unknown_lease")
    kit.expect(kit.ask(launch), 200)


def edges(kit: Kit) -> None:
    """Nothing is renewed that never was; a renewal never takes more seats than there are; a person is one person."""
    kit.expect(kit.show(kit.launch()), 404, "unknown_lease")
    kit.expect(kit.give_back(kit.launch()), 404, "unknown_lease")
    launch = kit.take()
    if kit.is_person:
        _spelled_otherwise(kit, launch)
        raise InPart("TOKEN is a person's; a station's shows what happens at the limit")
    kit.goes_on("expire", launch)
    kit.expect(kit.ask(launch.again()), 201)
    probe = kit.fill()[0]
    answer = kit.ask(launch, seq=1)
    kit.must(answer.status_code in (200, 409), f"a renewal answered {answer.status_code}")
    used, total = kit.counts(probe)
    kit.must(used <= total, f"{used} of {total} seats are in use")
    raise InPart("TOKEN is a station's; a person's shows that two spellings of an address are one")


def _spelled_otherwise(kit: Kit, launch: Launch) -> None:
    before = kit.counts(launch)
    kit.goes_on("respell", launch)
    second = launch.again()
    kit.expect(kit.ask(second), 201)
    kit.must(kit.counts(second) == before, "the person took a second seat under another spelling")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


POINTS: dict[str, Point] = {
    "fifty launches at once": at_once,
    "the same question three times": same_put,
    "a launch after it has expired": after_expiry,
    "given back twice": give_back_twice,
    "renewed after an administrator's end": after_end,
    "a member disabled during his session": disabled,
    "a license that ends before its lease": short_line,
    "a restart of the portal": restarted,
    "a clock that is a day off": clocks,
    "borrowed, returned, written off": borrowing,
    "the queue's order, and an offer that passes": queue,
    "forged tokens and cloned devices": forged,
    "a new signing key": rotated,
    "another organization's lease": foreign,
    "expired leases at the limit": edges,
}
