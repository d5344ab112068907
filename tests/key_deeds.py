"""Keys as tests of the rules make and redeem them."""

from core.activity import COMMAND
from core.dates import LicenseType
from models import Item, PermissionKey
from tests.kestrel import Kestrel


def issue(kestrel: Kestrel, *items: Item) -> PermissionKey:
    """A key with these items."""
    return PermissionKey.issue(kestrel.session, items, kestrel.sealer, COMMAND, kestrel.now)[0]


def item(kestrel: Kestrel, kind: str, seats: int = 1, product: str = "draft") -> Item:
    """An item that starts today."""
    return Item(kestrel.product(product), LicenseType(kind), seats)


def redeem(kestrel: Kestrel, key: PermissionKey, who: str = "alice") -> bool:
    """For who's organization, or for himself when he has none."""
    owner = kestrel.organization if who in ("alice", "carol") else kestrel.account(who)
    return key.redeem(owner, kestrel.by(who), kestrel.now, kestrel.today)
