"""The rules as plain SQL says them, written apart from the program: what must be true whatever just happened."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

#: Each finds what must not be.
FAULTS = {
    "an organization has exactly one administrator": """
        SELECT o.id FROM organization o LEFT JOIN member m ON m.organization_id = o.id AND m.role = 'administrator'
        AND m.ended_at IS NULL WHERE o.deleted_at IS NULL GROUP BY o.id HAVING count(m.id) <> 1""",
    "an organization has at most one co-administrator": """
        SELECT organization_id FROM member WHERE role = 'co-administrator' AND ended_at IS NULL
        GROUP BY organization_id HAVING count(*) > 1""",
    "an account takes part in one organization": """
        SELECT account_id FROM member WHERE confirmed_at IS NOT NULL AND ended_at IS NULL
        GROUP BY account_id HAVING count(*) > 1""",
    "an address stands once in a list": """
        SELECT organization_id, email_key FROM member WHERE ended_at IS NULL
        GROUP BY organization_id, email_key HAVING count(*) > 1""",
    "only the enabled have a role": """
        SELECT id FROM member WHERE role <> 'member'
        AND (confirmed_at IS NULL OR disabled_at IS NOT NULL OR ended_at IS NOT NULL)""",
    "only the enabled hold a seat": """
        SELECT p.id FROM permission p JOIN member m ON m.id = p.member_id WHERE p.suspended_at IS NULL
        AND (m.confirmed_at IS NULL OR m.disabled_at IS NOT NULL OR m.ended_at IS NOT NULL)""",
    "a count is what a recount says": """
        SELECT l.id FROM license l LEFT JOIN permission p ON p.license_id = l.id AND p.suspended_at IS NULL
        GROUP BY l.id, l.reserved HAVING l.reserved <> count(p.id)""",
    "nobody holds two licenses of a product": """
        SELECT p.member_id, l.product_id FROM permission p JOIN license l ON l.id = p.license_id
        WHERE p.suspended_at IS NULL GROUP BY p.member_id, l.product_id HAVING count(*) > 1""",
    "a permission is for a license of the member's organization": """
        SELECT p.id FROM permission p JOIN member m ON m.id = p.member_id JOIN license l ON l.id = p.license_id
        JOIN permission_key k ON k.id = l.key_id WHERE k.organization_id IS NULL
        OR k.organization_id <> m.organization_id""",
    "a key has one owner": """
        SELECT id FROM permission_key WHERE (redeemed_at IS NULL) <> (organization_id IS NULL AND account_id IS NULL)
        OR (organization_id IS NOT NULL AND account_id IS NOT NULL)""",
    "a seat is in use where a lease takes it or an offer holds it": """
        SELECT l.id FROM license l WHERE l.in_use <> (SELECT count(*) FROM lease WHERE license_id = l.id
        AND ended_at IS NULL AND takes_seat) + (SELECT count(*) FROM queue_ticket WHERE license_id = l.id)""",
    "a seat in use is given or drawn": """
        SELECT l.id FROM license l WHERE l.reserved_in_use <> (SELECT count(*) FROM lease WHERE license_id = l.id
        AND ended_at IS NULL AND takes_seat AND is_reserved)""",
    "whoever shares a seat shares one that is taken": """
        SELECT c.id FROM lease c WHERE c.ended_at IS NULL AND NOT c.takes_seat AND NOT EXISTS (SELECT 1 FROM lease s
        WHERE s.license_id = c.license_id AND s.holder = c.holder AND s.ended_at IS NULL AND s.takes_seat)""",
    "a seat of one's own serves one device": """
        SELECT holder FROM lease WHERE ended_at IS NULL AND account_id IS NOT NULL AND holder NOT LIKE '%:%'
        GROUP BY license_id, holder HAVING count(DISTINCT device_id) > 1""",
    "no lease that can end outlives its license": """
        SELECT c.id FROM lease c JOIN license l ON l.id = c.license_id WHERE c.ended_at IS NULL
        AND l.ends_at < CASE WHEN c.ending_at < c.expires_at THEN c.ending_at ELSE c.expires_at END""",
    "who has left the organization asks and waits for nothing there": """
        SELECT t.id FROM queue_ticket t WHERE t.account_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM member m
        WHERE m.account_id = t.account_id AND m.organization_id = t.organization_id AND m.ended_at IS NULL)""",
    "what runs for somebody who is gone has its end": """
        SELECT c.id FROM lease c WHERE c.ended_at IS NULL AND c.ending_at IS NULL AND c.borrowed_until IS NULL
        AND c.organization_id IS NOT NULL AND c.account_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM member m
        WHERE m.account_id = c.account_id AND m.organization_id = c.organization_id AND m.disabled_at IS NULL
        AND m.ended_at IS NULL)""",
}  # fmt: skip
OVERSOLD = "SELECT id, reserved, seats FROM license WHERE reserved > seats"


def broken(session: Session) -> list[str]:
    """The rules that do not hold now; who oversold is judged apart, for the vendor may take seats away."""
    return [rule for rule, query in FAULTS.items() if session.execute(text(query)).first() is not None]


def oversold(session: Session) -> dict[int, tuple[int, int]]:
    """The licenses of which more is given away than there is: how much, of how much."""
    return {row.id: (row.reserved, row.seats) for row in session.execute(text(OVERSOLD))}


class Chains:
    """Follows every chain of Activity from where it was followed to before."""

    def __init__(self) -> None:
        self._ends: dict[str, tuple[int, bytes]] = {}

    def broken(self, session: Session) -> list[str]:
        """Where an entry does not follow from the one before it."""
        streams = session.execute(text("SELECT DISTINCT stream FROM activity")).scalars()
        return [place for stream in sorted(streams) for place in self._follow(session, stream)]

    def length(self, stream: str) -> int:
        """How many entries a chain had when it was followed last."""
        return self._ends.get(stream, (0, b""))[0]

    def _follow(self, session: Session, stream: str) -> list[str]:
        number, digest = self._ends.get(stream, (0, b"\0" * 32))
        query = "SELECT * FROM activity WHERE stream = :stream AND number > :number ORDER BY number"
        for row in session.execute(text(query), {"stream": stream, "number": number}).mappings():
            entry = dict(row)
            kept, expected = bytes(entry["hash"]), hashlib.sha256(digest + _text_of(entry).encode()).digest()
            if (entry["number"], bytes(entry["previous_hash"]), kept) != (number + 1, digest, expected):
                return [f"{stream} at {entry['number']}"]
            number, digest = number + 1, kept
        self._ends[stream] = (number, digest)
        return []


def _text_of(row: dict[str, Any]) -> str:
    entry = {name: value for name, value in row.items() if name not in ("id", "previous_hash", "hash")}
    for name in ("before", "after"):  # SQLite keeps JSON as text
        entry[name] = json.loads(entry[name]) if isinstance(entry[name], str) else entry[name]
    at = entry["at"]
    at = datetime.fromisoformat(f"{at}+00:00") if isinstance(at, str) else at
    return json.dumps({**entry, "at": int(at.timestamp() * 1_000_000)}, sort_keys=True)
