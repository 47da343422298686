"""The command `elbound`: its grammar, its refusals and its exit codes; the rest is loaded when it is asked for."""

import argparse
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from elbound import __version__
from elbound.properties.hyperparameters import HYPERPARAMETERS, SWEEPS
from elbound.properties.threads import one_thread

UNANSWERED = 2
PROFILES = ("quick", "default", "thorough")
DEVICES = ("auto", "cpu", "cuda")
ACTIVATIONS = ("relu", "erf")
TABLE_HELP = "your own table, rows are data: .npy, .npz, .csv, .tsv or .txt, each also as .gz"


class Parser(argparse.ArgumentParser):
    """An argument parser whose every refusal is one line and exit code 2."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def build_parser() -> Parser:
    """The grammar of the command line."""
    parser = Parser("elbound", description="Puts theorems about training variational autoencoders on trial.")
    parser.add_argument("--version", action="version", version=f"elbound {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser)
    verify = commands.add_parser("verify", help="judge the catalogue's claims")
    verify.add_argument("patterns", nargs="*", metavar="PATTERN", help="claims by name, shell wildcards; all without")
    check = commands.add_parser("check", help="judge the claims of your own Python file")
    check.add_argument("file", type=Path, metavar="FILE.py", help="what it assigns: claims, experiments, JUDGED_BY")
    check.add_argument("patterns", nargs="*", metavar="PATTERN", help="claims of the file by name; all without")
    power = commands.add_parser("power", help="the ladder of wrong versions: what was killed, what survived and why")
    power.add_argument("patterns", nargs="*", metavar="PATTERN", help="claims by name, shell wildcards; all without")
    for command in (verify, check, power):
        _add_run_options(command)
    new = commands.add_parser("new", help="write a commented analysis to begin with")
    new.add_argument("name", metavar="NAME", help="a Python identifier; the file is NAME.py, here")
    compare = commands.add_parser("compare", help="what changed from one run to another, and what got worse")
    for side in ("old", "new"):
        compare.add_argument(
            side, type=Path, metavar=side.upper(), help="a run's folder, summary.json or ledger.sqlite"
        )
    compare.add_argument(
        "--tolerance", type=_share, default=0.01, metavar="T", help="of ratios, relative; 0.01 without"
    )
    compare.add_argument("--output", type=Path, metavar="DIR", help="where to write the page")
    compare.add_argument("--json", action="store_true", help="print the comparison as JSON")
    shown = commands.add_parser("list", help="the claims, or the settings they speak about")
    shown.add_argument("what", nargs="?", choices=("claims", "settings"), default="claims")
    show = commands.add_parser("show", help="one claim, or one setting with its letters, facts and experiments")
    show.add_argument("name", metavar="NAME", help="of a claim or a setting, as elbound list prints them")
    show.add_argument("--data", type=Path, metavar="FILE", help="what the theorem demands of your own inputs")
    show.add_argument("--activation", choices=ACTIVATIONS, help="of the wide network on your inputs; relu without")
    show.add_argument("--noise", type=_noise, metavar="S", help="deviation of its latent noise; 1 without")
    show.add_argument("--confidence", type=_confidence, metavar="C", help="level in (0, 1); three levels without")
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
    sweep = commands.add_parser("sweep", help="train over one hyperparameter on the digits, and draw what happens")
    sweep.add_argument("name", metavar="NAME", help=f"{', '.join(SWEEPS)}, or all")
    sweep.add_argument("--values", metavar="V1,V2,...", help="of what varies, instead of the usual ones")
    for known in HYPERPARAMETERS:
        # The letter's underscore too: beta_1 is how everybody writes it.
        names = dict.fromkeys((f"--{known.name}", f"--{known.field}"))
        sweep.add_argument(*names, type=known.read, metavar=known.letter, help=known.meaning)
    sweep.add_argument("--device", choices=DEVICES, default="auto", help="where models run; a GPU if there is one")
    sweep.add_argument("--data", type=Path, metavar="FILE", help=TABLE_HELP)
    sweep.add_argument("--output", type=Path, metavar="DIR", help="where to write the page")
    return parser


def _add_run_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--profile", choices=PROFILES, default="default", help="how hard to search; default without")
    command.add_argument("--device", choices=DEVICES, default="cpu", help="where models run; cpu without")
    command.add_argument("--data", type=Path, metavar="FILE", help=TABLE_HELP)
    command.add_argument(
        "--output", type=Path, metavar="DIR", help="where ledger, summary and page go; reports/latest or elbound-report"
    )
    command.add_argument("--workers", type=_workers, metavar="N", help="worker processes; all cores without")
    command.add_argument("--epoch", type=_epoch, default=0, metavar="E", help="another number draws fresh noise")
    command.add_argument(
        "--limit", type=_seconds, default=60.0, metavar="S", help="seconds for one claim at one configuration"
    )
    command.add_argument("--block", type=_block, default=256, metavar="R", help="replicates simulated together")
    command.add_argument(
        "--resume", action="store_true", help="keep the finished tasks of the run in the output folder"
    )
    command.add_argument(
        "--baseline", type=Path, metavar="FILE", help="an earlier run that this one must not fall behind"
    )
    command.add_argument("--json", action="store_true", help="print the summary as JSON instead of tables")


def _whole(low: int, high: int, text: str) -> int:
    # By length first: Python refuses to read a number of thousands of digits, in words of its own.
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and low <= int(text) <= high):
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: a whole number from {low} to {high}")
    return int(text)


def _seconds(text: str) -> float:
    # Nine characters hold no more than a number; float would take names of numbers and underscores too.
    plain = text.isascii() and len(text) <= 9 and text.replace(".", "", 1).isdigit()
    if not plain or not 0.1 <= float(text) <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: seconds from 0.1 to 86400")
    return float(text)


def _real(text: str, allowed: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: {allowed}") from None


def _share(text: str) -> float:
    value = _real(text, allowed := "a number of at least 0 and below 1")
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: {allowed}")
    return value


def _noise(text: str) -> float:
    value = _real(text, allowed := "a number from 0 to 1000")
    if not 0 <= value <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: {allowed}")
    return value


def _confidence(text: str) -> float:
    value = _real(text, allowed := "a number between 0 and 1, both excluded")
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: {allowed}")
    return value


def _workers(text: str) -> int:
    return _whole(1, 1024, text)


def _epoch(text: str) -> int:
    return _whole(0, 2**31 - 1, text)


def _block(text: str) -> int:
    return _whole(1, 2**16, text)


@contextlib.contextmanager
def _left_at_once() -> Iterator[None]:
    """An interrupt ends the process in one line: raised while a library loads, it may become any other exception."""
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(_signum: int, _frame: FrameType | None) -> NoReturn:
    os.write(2, b"elbound: interrupted\n")
    os._exit(UNANSWERED)


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command; 0 all judged and none refuted, 1 something refuted, 2 something could not be judged."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    one_thread()
    try:
        arguments = build_parser().parse_args(words)
        # After the grammar: a mistyped option is refused at once, not after seconds of imports.
        with _left_at_once():
            from elbound.properties.commands import dispatch

        return dispatch(arguments)
    except (LookupError, ValueError, OSError) as failure:
        message = failure.args[0] if isinstance(failure, KeyError) else failure
        sys.stderr.write(f"elbound: {' '.join(str(message).split())}\n")
        return UNANSWERED
    except KeyboardInterrupt:
        sys.stderr.write("elbound: interrupted\n")
        return UNANSWERED
