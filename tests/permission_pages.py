"""What tests of the Permissions page read off it, and how they change what is behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bs4 import BeautifulSoup, Tag
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from core import addresses
from core.dates import now
from core.db import db
from models import Account, License, Member, Permission, PermissionKey
from tests.cast import HASH, Cast
from tests.clients import Client

ClientFor = Callable[[str], Client]
HOME = "/admin/permissions"


def page_of(client: Client, query: str = "") -> BeautifulSoup:
    """The page of a view, parsed."""
    response = client.get(HOME + query)
    assert response.status_code == 200
    return BeautifulSoup(response.text, "html.parser")


def section(page: BeautifulSoup | TestResponse, license_id: int) -> Tag:
    """The section of a license, in a page or in an answer."""
    soup = page if isinstance(page, BeautifulSoup) else BeautifulSoup(page.text, "html.parser")
    found = soup.find(id=f"license-{license_id}")
    assert isinstance(found, Tag)
    return found


def name_of(part: Tag) -> str:
    """The accessible name of a section."""
    labels = [part.find(id=each) for each in str(part["aria-labelledby"]).split()]
    return " ".join(each.get_text() for each in labels if each)


def boxes(part: Tag) -> dict[str, str]:
    """Each listed name: ticked, free, or closed."""
    found = {}
    for box in part.select("input[type=checkbox]"):
        label = box.find_parent("label")
        assert label
        name = str(box.get("aria-label") or label.get_text(strip=True))
        found[name] = "ticked" if box.has_attr("checked") else "closed" if box.has_attr("disabled") else "free"
    return found


def words(part: Tag) -> str:
    """What stands there, white space evened."""
    return " ".join(part.get_text(" ").split())


def path(license_id: int, member_id: int | None, action: str) -> str:
    """The address of one change."""
    return f"{HOME}/{license_id}/{member_id}/{action}"


def held(session: Any, license_id: int) -> set[int]:
    """The members who have an active permission, and the stored count says so too."""
    query = select(Permission.member_id).where(Permission.license_id == license_id, Permission.suspended_at.is_(None))
    found = set(session.scalars(query))
    assert session.scalar(select(License.reserved).where(License.id == license_id)) == len(found)
    return found


def edit(app: Flask, change: Callable[[], object]) -> None:
    """Change something behind the page, and commit."""
    with app.app_context():
        change()
        db.session.commit()


def key_of(license_id: int) -> PermissionKey:
    """The key that a license came with."""
    return db.session.get_one(License, license_id).key


def crowd(app: Flask, cast: Cast, number: int) -> list[int]:
    """Many more enabled members; returns their ids in the order of their addresses."""

    def join() -> None:
        for n in range(number):
            email = f"crowd{n:03}@example.com"
            account = Account(email=email, email_key=addresses.key(email), name=f"Crowd {n:03}", password=HASH,
                              fs_uniquifier=f"crowd{n}", created_at=now(), confirmed_at=now())  # fmt: skip
            db.session.add(account)
            db.session.flush()
            db.session.add(
                Member(organization_id=cast.organization_id, account_id=account.id, email=email, role="member",
                       email_key=addresses.key(email), invited_at=now(), confirmed_at=now())
            )  # fmt: skip

    edit(app, join)
    with app.app_context():
        query = select(Member.id).where(Member.email.startswith("crowd")).order_by(Member.email_key)
        return list(db.session.scalars(query))


def text_of(response: TestResponse) -> str:
    """What an answer says, white space evened."""
    return words(BeautifulSoup(response.text, "html.parser"))
