"""`portal-seat`: run any program on a seat, and look after the seats of this computer."""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Callable, Sequence
from datetime import datetime, time
from pathlib import Path
from typing import TypeAlias

from portal_seat.client import STATION_KEY, Client
from portal_seat.credentials import SignIn
from portal_seat.errors import WAITING as ASKED_TO_WAIT
from portal_seat.errors import (
    CoolingDown,
    DeviceLimit,
    MembershipDisabled,
    NoPermission,
    NoSeatAvailable,
    NotAMember,
    SeatError,
    SignInFailed,
    SignInNeeded,
    TokenInvalid,
    Unreachable,
)
from portal_seat.running import Run, say
from portal_seat.store import FOLDER

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # which has no public name
URL = "SEAT_URL"
#: Exit codes, as sysexits.h has them.
FAILED, UNAVAILABLE, LATER, NOT_ALLOWED = 1, 69, 75, 77
CODES: dict[type[SeatError], int] = {
    **dict.fromkeys((NoSeatAvailable, DeviceLimit, CoolingDown, *ASKED_TO_WAIT), LATER),
    **dict.fromkeys((SignInNeeded, SignInFailed, TokenInvalid, NotAMember, MembershipDisabled), NOT_ALLOWED),
    NoPermission: NOT_ALLOWED, Unreachable: UNAVAILABLE,
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; what goes wrong is one sentence on standard error."""
    said = parser().parse_args(arguments)
    command: Callable[[Client, argparse.Namespace], int] = said.do
    try:
        with Client(said.url, name=said.name, folder=said.data) as client:
            return command(client, said)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except SeatError as error:
        say(str(error))
        return CODES.get(type(error), FAILED)
    except OSError as error:
        say(f"{error.filename or 'The system'}: {error.strerror or error}.")
        return FAILED


# ── the commands ─────────────────────────────────────────────────────────────────────────────────────────────────────


def run(client: Client, said: argparse.Namespace) -> int:
    """Run a command on a seat; its exit code, or 75 when no seat is free."""
    command = [*said.command[said.command[:1] == ["--"] :]]
    if not command:
        say("Which command? Write it behind --.")
        return FAILED
    running = Run(command, save_signal=said.save_signal, save_time=said.save_time)
    seat = client.seat(
        said.product, version=said.version, queue=said.queue, renew_every=said.renew_every,
        on_state=running.heed_state, on_queue=lambda place: say(f"Waiting for a seat: place {place}."),
        on_directive=running.heed,
    )  # fmt: skip
    return running.on(seat)


def status(client: Client, said: argparse.Namespace) -> int:
    """What may run here now, and why not; what this computer has borrowed."""
    loans = {loan.product: loan for loan in client.loans()}
    for each in client.entitlements():
        words = f"{each.used} of {each.total} in use" if each.may_run and each.total else each.detail or "may run"
        borrowed = f"; borrowed until {local(loans[each.product].until)}" if each.product in loans else ""
        print(f"{each.product}: {words}{borrowed}")
    return 0


def borrow(client: Client, said: argparse.Namespace) -> int:
    """Take a seat along: it counts without a network until a day."""
    if not any(loan.product == said.product for loan in client.loans()):
        with client.seat(said.product) as seat:
            seat.borrow(said.until)
    loan = next(each for each in client.loans() if each.product == said.product)
    print(f"{said.product} is borrowed until {local(loan.until)}.")
    return 0


def bring_back(client: Client, said: argparse.Namespace) -> int:
    """Return a borrowed seat before its time."""
    if said.file is not None:
        return give_up(client, said)
    if client.bring_back(said.product):
        print(f"{said.product} is returned.")
        return 0
    say(f"{said.product} is not borrowed on this computer.")
    return FAILED


def give_up(client: Client, said: argparse.Namespace) -> int:
    """Return a borrowed seat by a file, without a network."""
    proof = client.give_up(said.product)
    if proof is None:
        say(f"{said.product} is not borrowed on this computer.")
        return FAILED
    said.file.write_text(f"{proof}\n", encoding="ascii")
    print(f"{said.product} is given up. Upload {said.file} to the portal, so that its seat is free.")
    return 0


def request(client: Client, said: argparse.Namespace) -> int:
    """Write a request for a seat on a computer without a network."""
    said.file.write_text(f"{client.request(said.product, said.until)}\n", encoding="ascii")
    print(f"Upload {said.file} to the portal, under Devices, and install its answer here.")
    return 0


def install(client: Client, said: argparse.Namespace) -> int:
    """Install the portal's answer to a request."""
    loan = client.install(said.file.read_text(encoding="utf-8"))
    print(f"{loan.product} is borrowed until {local(loan.until)}.")
    return 0


def sign_in(client: Client, said: argparse.Namespace) -> int:
    """Sign a person in on this computer."""
    if not isinstance(client.portal.api.credential, SignIn):
        say(f"A station does not sign in: {STATION_KEY} is set.")
        return FAILED
    client.sign_in()
    print("Signed in.")
    return 0


def sign_out(client: Client, said: argparse.Namespace) -> int:
    """Forget the sign-in on this computer."""
    client.sign_out()
    return 0


# ── the command line ─────────────────────────────────────────────────────────────────────────────────────────────────


def parser() -> argparse.ArgumentParser:
    """What can be written on the command line."""
    top = argparse.ArgumentParser(prog="portal-seat", description=__doc__, allow_abbrev=False)
    top.add_argument("--url", default=os.environ.get(URL), help=f"the portal's address (or {URL})")
    top.add_argument("--data", type=Path, help=f"the folder for keys and kept leases (or {FOLDER})")
    top.add_argument("--name", default="portal-seat", help="what the person reads when he is asked to sign in")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    _add(commands, "status", status)
    _add(commands, "sign-in", sign_in)
    _add(commands, "sign-out", sign_out)
    returning = _add(commands, "return", bring_back)
    returning.add_argument("--product", required=True)
    returning.add_argument("--file", type=Path, help="without a network: write what is uploaded to the portal")
    _add_borrowing(_add(commands, "borrow", borrow))
    requesting = _add(commands, "request", request)
    _add_borrowing(requesting)
    requesting.add_argument("file", type=Path, metavar="FILE")
    _add(commands, "install", install).add_argument("file", type=Path, metavar="FILE")
    _add_run(_add(commands, "run", run))
    return _needing_url(top)


def _add(commands: Commands, name: str, do: Callable[[Client, argparse.Namespace], int]) -> argparse.ArgumentParser:
    added = commands.add_parser(name, help=do.__doc__, description=do.__doc__, allow_abbrev=False)
    added.set_defaults(do=do)
    return added


def _add_borrowing(command: argparse.ArgumentParser) -> None:
    command.add_argument("--product", required=True)
    command.add_argument("--until", required=True, type=moment, help="a day, such as 2026-03-08, or a moment")


def _add_run(run: argparse.ArgumentParser) -> None:
    run.add_argument("--product", required=True)
    run.add_argument("--version", default="", help="of the program, as the administrator sees it")
    run.add_argument("--queue", action="store_true", help="wait until a seat is free")
    run.add_argument("--renew-every", type=float, metavar="SECONDS", help="ask more often than the portal wants")
    run.add_argument("--save-signal", type=signal_named, metavar="NAME", help="sent when it is time to save: USR1")
    run.add_argument(
        "--save-time", type=float, default=60.0, metavar="SECONDS", help="to save in when the seat is lost"
    )
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND …")


def _needing_url(top: argparse.ArgumentParser) -> argparse.ArgumentParser:
    if top.get_default("url") is None:
        next(each for each in top._actions if each.dest == "url").required = True
    return top


def signal_named(name: str) -> signal.Signals:
    """The signal of a name such as USR1."""
    return signal.Signals[f"SIG{name.upper().removeprefix('SIG')}"]


def moment(text: str) -> datetime:
    """The moment that a person means: of a day its end, here."""
    found = datetime.fromisoformat(text)
    if len(text) <= len("2026-03-08"):
        found = datetime.combine(found.date(), time(23, 59, 59))
    return found.astimezone()


def local(at: datetime) -> str:
    """A moment as it is here."""
    return f"{at.astimezone():%Y-%m-%d %H:%M}"
