"""What the document shows: parameters, links, and one example of each question and answer."""

from __future__ import annotations

from core.api.once import HEADER
from core.api.texts import N_
from core.idempotency import LONGEST_KEY

PORTAL = "https://portal.example"
UUID_OF_A_LAUNCH = "0190f3c2-8f1e-7c55-9d2a-1f6a7f0e2b11"
HEALTH = {"status": "ok", "protocol": 1, "server_time": "2026-03-01T09:00:00Z", "maintenance": None}
UUID = {
    "in": "path", "name": "uuid", "description": N_("Made by the application, once per launch."),
    "schema": {"type": "string", "format": "uuid"}, "example": UUID_OF_A_LAUNCH,
}  # fmt: skip
KEY = {
    "in": "header", "name": HEADER,
    "description": N_("Made by the application, once per intent; its answer is kept for a day."),
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY}, "example": "5b1e2f0a",
}  # fmt: skip
LINKS = {
    name: {"operationId": operation, "parameters": {"uuid": "$request.path.uuid"}, "description": description}
    for name, operation, description in (
        ("KeepOn", "ask_for_lease", N_("Keep it.")), ("Borrow", "borrow_lease", N_("Take it along.")),
        ("State", "show_lease", N_("How it stands.")), ("GiveBack", "give_lease_back", N_("When the program ends.")),
    )
}  # fmt: skip
ASK = {
    "product": "ares-commander", "version": "2026.1", "queue": True, "idle_seconds": 0, "seq": 1,
    "device": {
        "id": "d_7f3a", "name": "WS-14", "os": "linux", "public_key": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    },
    "client_time": "2026-03-01T09:00:02Z",
}  # fmt: skip
LEASE = {
    "lease_id": UUID_OF_A_LAUNCH, "state": "active", "seat": {"kind": "floating", "used": 4, "total": 5},
    "issued_at": "2026-03-01T09:00:00Z", "expires_at": "2026-03-01T09:10:00Z", "renew_after_s": 200,
    "grace_s": 86400, "server_time": "2026-03-01T09:00:00Z", "seq": 1, "directives": [],
    "token": "eyJhbGciOiJFZDI1NTE5Iiwia2lkIjoiMjAyNi0wMSJ9.e30.c2lnbmF0dXJl",
}  # fmt: skip
BORROWED = {**LEASE, "state": "borrowed", "expires_at": "2026-03-05T17:00:00Z", "grace_s": 0}
LOAN = {
    **BORROWED,
    "keys": [
        {
            "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "alg": "Ed25519",
            "use": "sig", "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
        },
    ],
}  # fmt: skip
QUEUED = {
    "lease_id": UUID_OF_A_LAUNCH, "state": "queued", "position": 2, "poll_after_s": 20,
    "server_time": "2026-03-01T09:00:00Z", "seq": 1, "directives": [],
}  # fmt: skip
ENTITLEMENTS = {
    "entitlements": [
        {
            "product": "ares-commander", "name": "ARES Commander", "may_run": True, "code": None, "detail": None,
            "seat": {"kind": "floating", "used": 4, "total": 5}, "ends_at": "2026-12-31T23:00:00Z",
        },
    ],
    "server_time": "2026-03-01T09:00:00Z",
}  # fmt: skip
CHAIN = {
    "product": "ares-commander", "name": "ARES Commander", "user": "kim@firm.example", "may_run": False,
    "code": "no_permission", "detail": "You have no permission for ARES Commander.",
    "steps": [
        {"key": "account", "answer": "yes", "sentence": "The account is in order.", "license_id": None, "facts": {}},
        {"key": "permission", "answer": "no", "sentence": "You have no permission for ARES Commander.", "license_id": 7,
         "facts": {}},
        {"key": "seats", "answer": "not_reached", "sentence": "", "license_id": 7, "facts": {}},
    ],
}  # fmt: skip
