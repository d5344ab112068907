"""Who and what the worked example has. Days count back from the first start; a day ahead is negative."""

from __future__ import annotations

from typing import NamedTuple

PASSWORD = "paper-and-ink-7"  # noqa: S105  printed by the demo, which listens on loopback only

CATALOG = (
    ("halden-commander", "Halden Commander", False),
    ("halden-mechanical", "Halden Mechanical", False),
    ("halden-render", "Halden Render", False),
    ("halden-survey", "Halden Survey", False),
    ("halden-server", "Halden Server", True),
)


class DemoPerson(NamedTuple):
    """An account; `note` is what the terminal says of the people worth signing in as."""

    email: str
    name: str
    note: str = ""
    company: str = ""
    zone: str = "Europe/Berlin"
    is_operator: bool = False


class DemoItem(NamedTuple):
    """An item of a key: it starts `start` days ago and ends as its type does, or `end` days ago."""

    product: str
    type: str
    seats: int = 1
    start: float = 0
    end: float | None = None


class DemoKey(NamedTuple):
    """A key; `redeemed_by` names an organization or the address of a person."""

    name: str
    items: tuple[DemoItem, ...]
    note: str = ""
    issued: float = 1
    redeemed_by: str | None = None
    revoked: float | None = None
    why: str = ""
    seats_now: int | None = None


class DemoGuest(NamedTuple):
    """Somebody who was invited, and what became of it, in days ago."""

    email: str
    invited: float
    confirmed: float | None = None
    disabled: float | None = None
    is_co_administrator: bool = False


class DemoOrganization(NamedTuple):
    """An organization; permissions are (key, item, addresses)."""

    name: str
    administrator: str
    zone: str
    country: str
    founded: float
    guests: tuple[DemoGuest, ...]
    permissions: tuple[tuple[str, int, tuple[str, ...]], ...]


BRIDGES, NORTH = "Ingenieurgemeinschaft Brückenbau Süd mbH", "Northlight Architects"
AT, NORTHERN = "@brueckenbau-sued.example", "@northlight.example"
ANNA, TOM, JANA, MAX = f"anna.brenner{AT}", f"t.achterberg{AT}", f"jana.schlueter-oeztuerk{AT}", f"m.hohenstein{AT}"
HANH, LUKASZ, MEILING, OLU = f"hanh.dang{AT}", f"l.wojcik{AT}", f"meiling.li{AT}", f"o.adeyemi{AT}"
PETER, ULRIKE, INGRID = f"peter.szabo{AT}", f"u.baumgaertner{AT}", f"ingrid.sorbo{AT}"
GRACE, HUGO, AMIRA = f"grace.okafor{NORTHERN}", f"hugo.lindgren{NORTHERN}", f"amira.haddad{NORTHERN}"
SAM, NOOR, HEDWIG = "sam.rivera@mail.example", "noor.aziz@mail.example", "hedwig.lindqvist@halden.example"

PEOPLE = (
    DemoPerson(HEDWIG, "Hedwig Lindqvist", "operator: issues keys, reads outgoing mail", "Halden", is_operator=True),
    DemoPerson(ANNA, "Anna Brenner", f"administrator of {BRIDGES}", BRIDGES),
    DemoPerson(TOM, "Tom Achterberg", "co-administrator there", BRIDGES),
    DemoPerson(JANA, "Jana Schlüter-Öztürk", "enabled member there", BRIDGES),
    DemoPerson(MAX, "Maximilian-Alexander Freiherr von Hohenstein-Rottweil", company=BRIDGES),
    DemoPerson(HANH, "Đặng Thị Mỹ Hạnh", company=BRIDGES),
    DemoPerson(LUKASZ, "Łukasz Wójcik-Żurawski", company=BRIDGES),
    DemoPerson(MEILING, "Li Meiling 李美玲", company=BRIDGES),
    DemoPerson(OLU, "Oluwaseun Adeyemi-Brückner", company=BRIDGES),
    DemoPerson(PETER, "Péter Szabó", company=BRIDGES),
    DemoPerson(ULRIKE, "Ulrike Baumgärtner-Weißenfels", "disabled member there", BRIDGES),
    DemoPerson(INGRID, "Ingrid Mæhle Sørbø", company=BRIDGES),
    DemoPerson(GRACE, "Grace Okafor", f"administrator of {NORTH}", NORTH, "Europe/London"),
    DemoPerson(HUGO, "Hugo Lindgren", company=NORTH, zone="Europe/London"),
    DemoPerson(AMIRA, "Amira Haddad", company=NORTH, zone="Europe/London"),
    DemoPerson(SAM, "Sam Rivera", "no organization, one license of his own", zone="America/New_York"),
    DemoPerson(NOOR, "Noor Aziz", "no organization yet, invited by Northlight Architects"),
)

KEYS = (
    DemoKey(
        "bridges",
        (DemoItem("halden-commander", "annual", 12, 353, -12), DemoItem("halden-render", "flex-cloud", 3, 150)),
        "Brückenbau Süd, first order",
        353,
        BRIDGES,
    ),
    DemoKey("bridges-mechanical", (DemoItem("halden-mechanical", "three-years", 5, 450),), "", 350, BRIDGES),
    DemoKey("bridges-server", (DemoItem("halden-server", "perpetual", 1, 300),), "", 300, BRIDGES),
    DemoKey("bridges-next", (DemoItem("halden-commander", "three-years", 20, -95),), "Renewal", 6, BRIDGES),
    DemoKey("bridges-trial", (DemoItem("halden-survey", "trial", 10, 54),), "", 54, BRIDGES),
    DemoKey("bridges-network", (DemoItem("halden-commander", "flex-network", 40, 200),), "", 200, BRIDGES, 6, "unpaid"),
    DemoKey("north", (DemoItem("halden-mechanical", "annual", 3, 120),), "Northlight", 120, NORTH),
    DemoKey("north-survey", (DemoItem("halden-survey", "annual", 3, 90),), "", 90, NORTH, seats_now=1),
    DemoKey("north-render", (DemoItem("halden-render", "flex-network", 5, 60),), "", 60, NORTH),
    DemoKey("sam", (DemoItem("halden-commander", "annual", 1, 40),), "", 40, SAM),
    # Nobody has redeemed these: one of each kind to try.
    DemoKey(
        "try-organization",
        (
            DemoItem("halden-commander", "annual", 5),
            DemoItem("halden-render", "flex-cloud", 2),
            DemoItem("halden-server", "perpetual", 1),
        ),
        "several products, for an organization",
    ),
    DemoKey("try-flex-cloud", (DemoItem("halden-render", "flex-cloud", 4),), "FLEX CLOUD, for an organization"),
    DemoKey("try-flex-network", (DemoItem("halden-survey", "flex-network", 8),), "FLEX NETWORK, for an organization"),
    DemoKey("try-annual", (DemoItem("halden-mechanical", "annual", 3),), "ANNUAL, three seats, for an organization"),
    DemoKey("try-three-years", (DemoItem("halden-survey", "three-years"),), "THREE YEARS, one seat, for anybody"),
    DemoKey("try-perpetual", (DemoItem("halden-commander", "perpetual"),), "PERPETUAL, one seat, for anybody"),
    DemoKey("try-trial", (DemoItem("halden-render", "trial"),), "TRIAL, one seat, for anybody"),
    DemoKey("try-later", (DemoItem("halden-mechanical", "annual", 2, -30),), "starts in 30 days"),
    DemoKey("try-expired", (DemoItem("halden-survey", "annual", 2, 400),), "expired: refused", 400),
    DemoKey(
        "try-revoked", (DemoItem("halden-survey", "annual", 2),), "withdrawn by the vendor: refused", 1, None, 0, "lost"
    ),
    DemoKey("try-empty", (DemoItem("halden-survey", "annual", 2),), "without seats: refused", 1, seats_now=0),
)

ORGANIZATIONS = (
    DemoOrganization(
        BRIDGES,
        ANNA,
        "Europe/Berlin",
        "DE",
        353,
        (
            DemoGuest(TOM, 350, 349, is_co_administrator=True),
            DemoGuest(JANA, 349, 348),
            DemoGuest(MAX, 349, 347),
            DemoGuest(HANH, 340, 338),
            DemoGuest(LUKASZ, 340, 339),
            DemoGuest(MEILING, 300, 299),
            DemoGuest(OLU, 300, 298),
            DemoGuest(PETER, 200, 199),
            DemoGuest(ULRIKE, 340, 330, disabled=21),
            DemoGuest(INGRID, 240, 238, disabled=5),
            DemoGuest(f"k.nowak{AT}", 22),
            DemoGuest("m.delacroix@atelier-pont.example", 3),
            DemoGuest("bewehrungsplanung.ausschreibung@partner-tragwerk.example", 0),
            DemoGuest(HUGO, 2),
        ),
        (
            ("bridges", 1, (ANNA, JANA, LUKASZ, MEILING, OLU, PETER, TOM, ULRIKE, INGRID)),
            ("bridges-mechanical", 1, (ANNA, JANA, MAX, OLU, TOM)),
            ("bridges", 2, (JANA, ULRIKE)),
            ("bridges-server", 1, (TOM,)),
        ),
    ),
    DemoOrganization(
        NORTH,
        GRACE,
        "Europe/London",
        "GB",
        120,
        (
            DemoGuest(HUGO, 118, 117),
            DemoGuest(AMIRA, 100, 99),
            DemoGuest(NOOR, 1),
            DemoGuest("studio@lumen-lighting.example", 16),
        ),
        (("north", 1, (GRACE, HUGO)), ("north-survey", 1, (GRACE, HUGO, AMIRA)), ("north-render", 1, (AMIRA,))),
    ),
)
