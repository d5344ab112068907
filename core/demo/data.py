"""Who and what the worked example has. Days count back from the first start; a day ahead is negative."""

from __future__ import annotations

from typing import NamedTuple

PASSWORD = "paper-and-ink-7"  # noqa: S105  printed by the demo, which listens on loopback only
ZONE = "Europe/Berlin"

CATALOG = (
    ("halden-commander", "Halden Commander", False),
    ("halden-mechanical", "Halden Mechanical", False),
    ("halden-render", "Halden Render", False),
    ("halden-survey", "Halden Survey", False),
    ("halden-server", "Halden Server", True),
)


class DemoPerson(NamedTuple):
    """An account; `words` are what the terminal says of the people worth signing in as."""

    email: str
    name: str
    words: str = ""
    company: str = ""
    zone: str = ZONE
    is_operator: bool = False
    blocked: float | None = None


class DemoItem(NamedTuple):
    """An item of a key: it starts `start` days ago and ends as its type does, or `end` days ago."""

    product: str
    type: str
    seats: int = 1
    start: int = 0
    end: int | None = None


class DemoKey(NamedTuple):
    """A key; `redeemed_by` names an organization or the address of a person, `words` are for who may try it."""

    name: str
    items: tuple[DemoItem, ...]
    issued: float = 1
    redeemed_by: str | None = None
    note: str = ""
    words: str = ""
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
AT, NORTHERN, LONDON = "@brueckenbau.example", "@northlight.example", "Europe/London"
ANNA, TOM, JANA, MAX = f"anna.brenner{AT}", f"t.achterberg{AT}", f"jana.schlueter-oeztuerk{AT}", f"m.hohenstein{AT}"
HANH, LUKASZ, MEILING, OLU = f"hanh.dang{AT}", f"l.wojcik{AT}", f"meiling.li{AT}", f"o.adeyemi{AT}"
PETER, ULRIKE, INGRID = f"peter.szabo{AT}", f"u.baumgaertner{AT}", f"ingrid.sorbo{AT}"
GRACE, HUGO, AMIRA = f"grace.okafor{NORTHERN}", f"hugo.lindgren{NORTHERN}", f"amira.haddad{NORTHERN}"
SAM, NOOR, HEDWIG = "sam.rivera@mail.example", "noor.aziz@mail.example", "hedwig.lindqvist@halden.example"

PEOPLE = (
    DemoPerson(HEDWIG, "Hedwig Lindqvist", "operator: keys, mail", "Halden", is_operator=True),
    DemoPerson(ANNA, "Anna Brenner", "administrator, Brückenbau Süd", BRIDGES),
    DemoPerson(TOM, "Tom Achterberg", "co-administrator there", BRIDGES),
    DemoPerson(JANA, "Jana Schlüter-Öztürk", "member there, Enabled", BRIDGES),
    DemoPerson(MAX, "Maximilian-Alexander Freiherr von Hohenstein-Rottweil", company=BRIDGES),
    DemoPerson(HANH, "Đặng Thị Mỹ Hạnh", company=BRIDGES),
    DemoPerson(LUKASZ, "Łukasz Wójcik-Żurawski", company=BRIDGES),
    DemoPerson(MEILING, "Li Meiling 李美玲", company=BRIDGES),
    DemoPerson(OLU, "Oluwaseun Adeyemi-Brückner", company=BRIDGES),
    DemoPerson(PETER, "Péter Szabó", company=BRIDGES, blocked=8),
    DemoPerson(ULRIKE, "Ulrike Baumgärtner-Weißenfels", "member there, Disabled", BRIDGES),
    DemoPerson(INGRID, "Ingrid Mæhle Sørbø", company=BRIDGES),
    DemoPerson(GRACE, "Grace Okafor", "administrator, Northlight", NORTH, LONDON),
    DemoPerson(HUGO, "Hugo Lindgren", "member there, Enabled", NORTH, LONDON),
    DemoPerson(AMIRA, "Amira Haddad", company=NORTH, zone=LONDON),
    DemoPerson(NOOR, "Noor Aziz", "invited by Northlight, Pending"),
    DemoPerson(SAM, "Sam Rivera", "no organization, one license", zone="America/New_York"),
)

KEYS = (
    DemoKey(
        "bridges",
        (DemoItem("halden-commander", "annual", 12, 353, -12), DemoItem("halden-render", "flex-cloud", 3, 150)),
        353,
        BRIDGES,
        "Order 1042",
    ),
    DemoKey("bridges-mechanical", (DemoItem("halden-mechanical", "three-years", 5, 350),), 350, BRIDGES),
    DemoKey("bridges-server", (DemoItem("halden-server", "perpetual", 1, 300),), 300, BRIDGES),
    DemoKey(
        "bridges-network",
        (DemoItem("halden-commander", "flex-network", 40, 200),),
        200,
        BRIDGES,
        "Order 1077",
        revoked=6,
        why="unpaid",
    ),
    DemoKey("bridges-trial", (DemoItem("halden-survey", "trial", 10, 54),), 54, BRIDGES),
    DemoKey("bridges-next", (DemoItem("halden-commander", "three-years", 20, -95),), 6, BRIDGES, "Order 1102"),
    DemoKey("north", (DemoItem("halden-mechanical", "annual", 3, 120),), 120, NORTH, "Order 1091"),
    DemoKey("north-survey", (DemoItem("halden-survey", "annual", 3, 90),), 90, NORTH, seats_now=1),
    DemoKey("north-render", (DemoItem("halden-render", "flex-network", 5, 60),), 60, NORTH),
    DemoKey("sam", (DemoItem("halden-commander", "annual", 1, 40),), 40, SAM),
    # Nobody has redeemed these: one of each kind to try.
    DemoKey(
        "try-organization",
        (
            DemoItem("halden-commander", "annual", 5),
            DemoItem("halden-render", "flex-cloud", 2),
            DemoItem("halden-server", "perpetual", 1),
        ),
        words="three products, several seats: Sam can create an organization",
    ),
    DemoKey(
        "try-flex-cloud",
        (DemoItem("halden-render", "flex-cloud", 4),),
        words="FLEX CLOUD, 4 seats: for Anna, Tom or Grace, under Products",
    ),
    DemoKey(
        "try-flex-network",
        (DemoItem("halden-survey", "flex-network", 8),),
        words="FLEX NETWORK, 8 seats: for Anna, Tom or Grace, under Products",
    ),
    DemoKey(
        "try-annual",
        (DemoItem("halden-mechanical", "annual", 3),),
        words="ANNUAL, 3 seats: for an organization; Sam is led to make one",
    ),
    DemoKey(
        "try-three-years",
        (DemoItem("halden-survey", "three-years"),),
        words="THREE YEARS, 1 seat: for anybody, under My Products or Products",
    ),
    DemoKey("try-perpetual", (DemoItem("halden-commander", "perpetual"),), words="PERPETUAL, 1 seat: for anybody"),
    DemoKey("try-trial", (DemoItem("halden-render", "trial"),), words="TRIAL, 1 seat: for anybody"),
    DemoKey(
        "try-later",
        (DemoItem("halden-mechanical", "annual", 1, -30),),
        words="ANNUAL, 1 seat, starts 30 days after the first start: for anybody",
    ),
    DemoKey("try-expired", (DemoItem("halden-survey", "annual", 2, 400),), 400, words="refused: it has expired"),
    DemoKey(
        "try-revoked",
        (DemoItem("halden-survey", "annual", 2),),
        words="refused: the vendor withdrew it",
        revoked=0.5,
        why="lost",
    ),
    DemoKey("try-empty", (DemoItem("halden-survey", "annual", 2),), words="refused: it has no seats", seats_now=0),
)

ORGANIZATIONS = (
    DemoOrganization(
        BRIDGES,
        ANNA,
        ZONE,
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
            DemoGuest(f"k.nowak{AT}", 22),  # the link has expired
            DemoGuest(HUGO, 9),  # cannot join now: he is Northlight's
            DemoGuest("m.delacroix@atelier-pont.example", 3),
            DemoGuest("bewehrungsplanung.ausschreibung@partner-tragwerk.example", 0.2),
        ),
        (
            ("bridges", 1, (ANNA, JANA, LUKASZ, MEILING, OLU, PETER, TOM, ULRIKE, INGRID)),
            ("bridges", 2, (JANA, ULRIKE)),
            ("bridges-mechanical", 1, (ANNA, JANA, MAX, OLU, TOM)),
            ("bridges-server", 1, (TOM,)),
            ("bridges-trial", 1, (JANA, MAX)),
        ),
    ),
    DemoOrganization(
        NORTH,
        GRACE,
        LONDON,
        "GB",
        120,
        (
            DemoGuest(AMIRA, 100, 99),
            DemoGuest("studio@lumen-lighting.example", 16),  # the link has expired
            DemoGuest(HUGO, 5, 4),
            DemoGuest(NOOR, 2),
        ),
        (("north", 1, (GRACE, HUGO)), ("north-survey", 1, (GRACE, HUGO, AMIRA)), ("north-render", 1, (AMIRA,))),
    ),
)
