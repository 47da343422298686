"""The command `elbound`: verify, check, list, show, replay, report."""

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from elbound import __version__
from elbound.impl.data import read
from elbound.impl.device import resolve
from elbound.properties import listing
from elbound.properties.campaign import replayed
from elbound.properties.docket import PROFILES, BadInput, Brief, docket_of
from elbound.properties.experiment import Context
from elbound.properties.run import (
    Place,
    carry_out,
    default_folder,
    default_workers,
    prepare,
    publish,
    report_on,
)
from elbound.reports.ledger import Ledger, LedgerError
from elbound.reports.row import Row
from elbound.reports.table import figure

DONE, FOUND, UNANSWERED = 0, 1, 2
PLAIN_WIDTH = 110
DEVICES = ("auto", "cpu", "cuda")


class Parser(argparse.ArgumentParser):
    """An argument parser whose every refusal is one line and exit code 2."""

    def error(self, message: str) -> NoReturn:
        raise BadInput(message)


def build_parser() -> Parser:
    """The grammar of the command line."""
    parser = Parser("elbound", description="Puts theorems about training variational autoencoders on trial.")
    parser.add_argument("--version", action="version", version=f"elbound {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser)
    verify = commands.add_parser("verify", help="judge the catalogue's claims")
    verify.add_argument("patterns", nargs="*", metavar="PATTERN", help="claims by name, shell wildcards; all without")
    check = commands.add_parser("check", help="judge the claims of your own Python file")
    check.add_argument("file", type=Path, metavar="FILE.py")
    for command in (verify, check):
        _add_run_options(command)
    shown = commands.add_parser("list", help="the claims, or the settings they speak about")
    shown.add_argument("what", nargs="?", choices=("claims", "settings"), default="claims")
    show = commands.add_parser("show", help="one claim or setting in full")
    show.add_argument("name", metavar="NAME")
    replay = commands.add_parser("replay", help="judge one row again and compare it bit for bit")
    replay.add_argument("row", metavar="ROW", help="the row's twelve digits, as reports print them")
    replay.add_argument(
        "file", type=Path, nargs="?", metavar="FILE.py", help="the file of the claim, if it is your own"
    )
    replay.add_argument("--data", type=Path, metavar="FILE", help="the data file the row was measured on")
    replay.add_argument("--output", type=Path, metavar="DIR", help="the folder of the run")
    report = commands.add_parser("report", help="draw the page again from a ledger")
    report.add_argument("ledger", type=Path, metavar="LEDGER", help="ledger.sqlite, or the folder that holds it")
    report.add_argument("--output", type=Path, metavar="DIR", help="where to write; beside the ledger without")
    return parser


def _add_run_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--profile", choices=tuple(PROFILES), default="default")
    command.add_argument("--device", choices=DEVICES, default="cpu")
    command.add_argument("--data", type=Path, metavar="FILE", help="your own table, .npy or .csv, rows are data")
    command.add_argument("--output", type=Path, metavar="DIR")
    command.add_argument("--workers", type=_workers, default=default_workers(), metavar="N")
    command.add_argument("--epoch", type=_epoch, default=0, metavar="E", help="another number draws fresh noise")
    command.add_argument("--block", type=_block, default=256, metavar="R", help="replicates simulated together")
    command.add_argument(
        "--resume", action="store_true", help="keep the finished tasks of the run in the output folder"
    )
    command.add_argument("--json", action="store_true", help="print the summary as JSON instead of tables")


def _whole(name: str, low: int, high: int, text: str) -> int:
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise argparse.ArgumentTypeError(f"{name} {text!r}; allowed: a whole number from {low} to {high}")
    return int(text)


def _workers(text: str) -> int:
    return _whole("workers", 1, 1024, text)


def _epoch(text: str) -> int:
    return _whole("epoch", 0, 2**31 - 1, text)


def _block(text: str) -> int:
    return _whole("block", 1, 2**16, text)


def brief_of(arguments: argparse.Namespace) -> Brief:
    """What to judge, from the command line. Raises ValueError, one line, for what cannot be used."""
    user_data = read(arguments.data) if arguments.data else None
    device = resolve(arguments.device).type
    context = Context(arguments.epoch, device, arguments.block, user_data)
    file = str(arguments.file.resolve()) if arguments.command == "check" else None
    brief = Brief(arguments.profile, tuple(getattr(arguments, "patterns", ())), context, file)
    docket_of(brief)
    return brief


def run(arguments: argparse.Namespace, console: Console) -> int:
    """`verify` and `check`."""
    brief, place = brief_of(arguments), Place(arguments.output or default_folder())
    progress = Console(stderr=True) if arguments.json else console
    try:
        summary = carry_out(brief, place, count=arguments.workers, resume=arguments.resume, console=progress)
    except KeyboardInterrupt:
        raise BadInput(f"interrupted; finished tasks are in {place.ledger}; --resume goes on from there") from None
    except BrokenProcessPool:
        raise BadInput(
            f"a worker process died; finished tasks are in {place.ledger}; --resume goes on from there"
        ) from None
    if arguments.json:
        sys.stdout.write(place.summary.read_text(encoding="utf-8"))
        return report_on(summary, place, Console(quiet=True))
    return report_on(summary, place, console)


def replay(arguments: argparse.Namespace, console: Console) -> int:
    """One row again, from its configuration, compared with what the ledger says."""
    place = Place(arguments.output or default_folder())
    with Ledger.open(place.ledger, readonly=True) as ledger:
        kept = next(ledger.rows(identity=arguments.row), None)
        facts = ledger.run
    if kept is None:
        raise BadInput(f"row {arguments.row!r}: not in {place.ledger}; reports print the rows' twelve digits")
    if facts.get("file") and arguments.file is None:
        raise BadInput(f"row {kept.identity}: judged from {facts['file']}; name that file after the row")
    user_data = read(arguments.data) if arguments.data else None
    context = Context(kept.epoch, resolve(kept.device).type, user_data=user_data)
    prepare(context.device)
    file = str(arguments.file.resolve()) if arguments.file else None
    again = replayed(Brief(str(facts["profile"]), (), context, file), kept)
    return _compare(kept, again, console)


def _compare(kept: Row, again: Row, console: Console) -> int:
    names = (
        "verdict",
        "basis",
        "reason",
        "left",
        "right",
        "error",
        "ratio",
        "certified_ratio",
        "log_e",
        "replicates",
    )
    differing = [name for name in names if getattr(kept, name) != getattr(again, name)]
    console.print(f"{kept.claim} {kept.version}".rstrip() + f" on {kept.experiment}, {kept.origin}", markup=False)
    console.print(f"at {json.dumps(dict(kept.configuration))}", markup=False)
    console.print(
        f"{again.verdict}: left {figure(again.left)}, right {figure(again.right)}, ratio {figure(again.ratio)}"
        + (f", {again.basis or again.reason}" if again.basis or again.reason else ""),
        markup=False,
    )
    for name in differing:
        console.print(f"differs: {name} was {getattr(kept, name)!r}, is {getattr(again, name)!r}", markup=False)
    if not differing:
        console.print("identical, bit for bit")
    return FOUND if differing else DONE


def report(arguments: argparse.Namespace, console: Console) -> int:
    """The page and summary again, from the ledger alone."""
    ledger = arguments.ledger / "ledger.sqlite" if arguments.ledger.is_dir() else arguments.ledger
    place = Place(arguments.output or ledger.parent)
    return report_on(publish(ledger, place), place, console)


def dispatch(arguments: argparse.Namespace, console: Console) -> int:
    """Carries out one command and returns its exit code."""
    match arguments.command:
        case "verify" | "check":
            return run(arguments, console)
        case "replay":
            return replay(arguments, console)
        case "report":
            return report(arguments, console)
        case "list":
            listing.print_list(arguments.what, console)
        case "show":
            listing.print_one(arguments.name, console)
    return DONE


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command; 0 all judged and none refuted, 1 something refuted, 2 something could not be judged."""
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL) if hasattr(signal, "SIGPIPE") else None
    try:
        return dispatch(build_parser().parse_args(words), console)
    except (BadInput, LedgerError, LookupError, ValueError, OSError) as failure:
        message = failure.args[0] if isinstance(failure, KeyError) else failure
        sys.stderr.write(f"elbound: {' '.join(str(message).split())}\n")
        return UNANSWERED
    except KeyboardInterrupt:
        sys.stderr.write("elbound: interrupted\n")
        return UNANSWERED
