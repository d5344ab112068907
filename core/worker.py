"""The worker: sends letters, does what has a time, says that it lives, and goes on when database or server went away.

Letters are looked for every second instead of being announced: that costs the request nothing. What has a time is
ticked by Huey, and `core/jobs.py` keeps it single however many workers tick.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable

from flask import Flask
from huey import Huey, PostgresHuey, SqliteHuey, crontab
from huey.consumer import Consumer

from core import alive, jobs, rounds
from core import db as database
from core.dates import now
from core.db import Mode, db, transaction_mode
from core.mailing import outbox, smtp
from core.mailing.delivery import Post
from core.meta import ALIVE_EVERY
from core.pages import languages
from core.seats import sweeping
from core.settings import ROOT, Settings

SENDERS = 3  # so that a recipient's slow server does not keep the others waiting
LOOK_EVERY = 1.0  # seconds
SWEEP_EVERY = 5.0  # seconds
SAY_EVERY = 60.0  # seconds between two lines about the same trouble
STOP_WITHIN = 25.0  # seconds for the dialogues under way; less than the GRACE of core.up


def run(settings: Settings) -> None:
    """Work until told to stop."""
    app, stopping = application(settings), threading.Event()
    if alive.is_ready(settings):
        rounds.once(app, alive.say)  # before anything is swept: what nobody could renew is forgiven
    consuming, threads = consumer(queue(app, settings)), background(app, settings, stopping)
    consuming._set_signal_handlers()  # before anything is under way; Huey itself does it when all its threads run
    for thread in threads:
        thread.start()
    try:
        consuming.run()
    finally:
        stopping.set()
        for thread in threads:
            thread.join(STOP_WITHIN)


def application(settings: Settings) -> Flask:
    """An application that writes letters and has no pages."""
    app = Flask("portal.worker", root_path=str(ROOT))
    app.extensions["settings"] = settings
    database.init_app(app, settings.database_url)
    languages.init_app(app)
    smtp.init_app(app, settings)
    return app


def background(app: Flask, settings: Settings, stopping: threading.Event) -> list[threading.Thread]:
    """The threads beside Huey: the sign of life, the sweeper, and the senders where letters are to leave."""
    work: list[tuple[str, float, Callable[[], None]]] = [
        ("sign of life", ALIVE_EVERY.total_seconds(), alive.say),
        ("sweeper", SWEEP_EVERY, sweep),
    ]
    if settings.is_demo:
        from core.demo import running  # only here: another worker needs none of it

        work.append(("programs of the example", running.RENEW_EVERY, running.renew))
    if outbox.is_sending(settings):
        post = Post(settings, stopping)
        work += [(f"sender {number}", LOOK_EVERY, post.send_due) for number in range(1, SENDERS + 1)]
    return [
        # Daemons: a dialogue that outlasts STOP_WITHIN does not keep the process.
        threading.Thread(target=rounds.repeat, args=(app, stopping, every, do), name=name, daemon=True)
        for name, every, do in work
    ]


def sweep() -> None:
    """End what is over, for those who watch: who asks for a seat does not wait for it."""
    with transaction_mode(Mode.LATE):  # mostly there is nothing to write
        sweeping.sweep_due(db.session, now())


def queue(app: Flask, settings: Settings) -> Huey:
    """Huey with its own file, or its own tables in PostgreSQL, and the one task that looks after the jobs."""
    if settings.is_sqlite:
        huey = SqliteHuey("portal", filename=str(settings.data / "jobs.db"))
    else:
        # libpq knows no driver in an address.
        huey = PostgresHuey("portal", dsn=settings.database_url.replace("postgresql+psycopg:", "postgresql:", 1))

    @huey.periodic_task(crontab(), name="jobs")  # type: ignore[untyped-decorator]
    def tick() -> None:
        with app.app_context():
            jobs.run_due(db.session, now())

    return huey


def consumer(huey: Huey) -> Consumer:
    """Huey's consumer, with one thread for its tasks; SIGTERM and SIGHUP let what runs end."""
    # By default the pause between two looks grows to 10 seconds while nothing is to be done.
    made = huey.create_consumer(workers=1, worker_type="thread", max_delay=0.5, graceful_signal="TERM")
    made._signal_actions[signal.SIGHUP] = (False, True)  # it would start itself anew; that is the parent's part
    for name in ("huey.consumer.Worker", "huey.consumer.Scheduler"):
        logging.getLogger(name).addFilter(Brief())
    return made


class Brief(logging.Filter):
    """A database that is away is a line now and then, not a traceback twice a second."""

    again = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Let a line through when none came for a while."""
        record.exc_info = record.exc_text = None
        is_news = time.monotonic() >= self.again
        self.again = time.monotonic() + SAY_EVERY if is_news else self.again
        return is_news
