"""What has a time: each job once in its slot, however many workers there are."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import String, delete, or_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, Session, mapped_column

from core import idempotency, limits
from core.activity import PORTAL_ITSELF
from core.db import Base, Instant
from core.leases import AccessRequest, Denial
from core.mailing import outbox
from core.oauth import approvals, families
from core.people import IDLE_AGE, LONGEST_AGE
from core.seats import sweeping
from models import Account, SignIn, rows_changed

log = logging.getLogger("portal.jobs")

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
KEEP_RUNS = timedelta(days=7)
KEEP_SIGN_INS = timedelta(days=30)  # ended ones, for whoever asks what happened
KEEP_ASKED = timedelta(days=400)  # denials and answered requests: a year, and its neighbors to compare with


class JobRun(Base):
    """A job was done in a slot; written with the job's effects, so that a crash leaves neither."""

    __tablename__ = "job_run"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    slot: Mapped[datetime] = mapped_column(Instant, primary_key=True)


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do once in every slot of a length; a slot in which no worker ran is left out."""

    name: str
    every: timedelta
    do: Callable[[Session, datetime], int]

    def slot(self, now: datetime) -> datetime:
        """The beginning of the slot that an instant lies in."""
        seconds = int(self.every.total_seconds())
        # Counted from 1970, so that every worker cuts time at the same places.
        return datetime.fromtimestamp(int(now.timestamp()) // seconds * seconds, UTC)


def run_due(session: Session, now: datetime, jobs: tuple[Job, ...] | None = None) -> list[str]:
    """Do each job that nobody has done in its slot, one transaction each; returns the names of those done."""
    return [job.name for job in (JOBS if jobs is None else jobs) if _is_done(session, job, now)]


def _is_done(session: Session, job: Job, now: datetime) -> bool:
    try:
        return run(session, job, now)
    except SQLAlchemyError as error:
        session.rollback()
        log.warning("%s: the database cannot be used: %s", job.name, getattr(error, "orig", None) or error)
        return False
    except Exception:  # a job that fails is tried again at the next tick, and keeps no other from its time
        session.rollback()
        log.exception("%s failed", job.name)
        return False


def run(session: Session, job: Job, now: datetime) -> bool:
    """Do a job unless it was done in its slot, and commit; False when somebody else has it."""
    is_mine = take(session, job.name, job.slot(now))
    if is_mine and (count := job.do(session, now)):
        log.info("%s: %s", job.name, count)
    session.commit()
    return is_mine


def take(session: Session, name: str, slot: datetime) -> bool:
    """Take a slot for the transaction at hand; another worker waits for its end and then finds it taken."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    taking = insert(JobRun).values(name=name, slot=slot).on_conflict_do_nothing().returning(JobRun.name)
    return session.scalar(taking) is not None


def remove_unconfirmed(session: Session, now: datetime) -> int:
    """Remove the accounts whose address nobody has confirmed in time."""
    return Account.remove_unconfirmed(session, PORTAL_ITSELF, now)


def remove_sign_ins(session: Session, now: datetime) -> int:
    """Remove sign-ins that ended or aged long ago."""
    over = or_(
        SignIn.ended_at < now - KEEP_SIGN_INS,
        SignIn.used_at < now - IDLE_AGE - KEEP_SIGN_INS,
        SignIn.created_at < now - LONGEST_AGE - KEEP_SIGN_INS,
    )
    return rows_changed(session, delete(SignIn).where(over))


def remove_denials(session: Session, now: datetime) -> int:
    """Remove denials that no look back over a year counts; what each day saw stays with the license."""
    return rows_changed(session, delete(Denial).where(Denial.at < now - KEEP_ASKED))


def remove_requests(session: Session, now: datetime) -> int:
    """Remove requests for access that were answered long ago."""
    return rows_changed(session, delete(AccessRequest).where(AccessRequest.closed_at < now - KEEP_ASKED))


def remove_runs(session: Session, now: datetime) -> int:
    """Remove what is only history of this table."""
    return rows_changed(session, delete(JobRun).where(JobRun.slot < now - KEEP_RUNS))


JOBS = (
    Job("remove unconfirmed accounts", HOUR, remove_unconfirmed),
    Job("remove limits that are over", HOUR, limits.sweep),
    Job("remove who left the queue", HOUR, sweeping.remove_gone),
    Job("remove old answers to programs", HOUR, idempotency.remove_old),
    Job("remove old denials", DAY, remove_denials),
    Job("remove old requests for access", DAY, remove_requests),
    Job("remove old sign-ins", DAY, remove_sign_ins),
    Job("remove old codes of programs", DAY, approvals.remove_old),
    Job("remove old sign-ins of programs", DAY, families.remove_old),
    Job("remove old letters", DAY, outbox.remove_old),
    Job("remove old job runs", DAY, remove_runs),
)
