"""The cast is what the other tests believe it is, on both databases."""

from sqlalchemy.orm import Session

from models import Member
from tests.cast import Cast


def test_everybody_is_in_the_state_that_the_name_promises(session: Session, cast: Cast) -> None:
    states = {
        name: session.get_one(Member, cast.player(name).member_id) for name in ("alice", "carol", "bob", "dora", "dave")
    }
    assert {name: (member.role, member.state) for name, member in states.items()} == {
        "alice": ("administrator", "enabled"),
        "carol": ("co-administrator", "enabled"),
        "bob": ("member", "enabled"),
        "dora": ("member", "disabled"),
        "dave": ("member", "pending"),
    }


def test_each_test_has_a_database_of_its_own(session: Session, cast: Cast) -> None:
    session.get_one(Member, cast.bob.member_id).email = "changed@example.com"
    session.commit()


def test_each_test_starts_from_the_same(session: Session, cast: Cast) -> None:
    assert session.get_one(Member, cast.bob.member_id).email == cast.bob.email
