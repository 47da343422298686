"""What the commands of `elbound` do."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from elbound.impl.device import resolve
from elbound.impl.user_table import UserData, read
from elbound.properties.campaign import replayed
from elbound.properties.datasets import USER, user_option
from elbound.properties.docket import LIMIT, PROFILES, BadInput, Brief, docket_of
from elbound.properties.experiment import Context
from elbound.properties.hyperparameters import ALL, HYPERPARAMETERS, SWEEPS
from elbound.properties.limits import Watch
from elbound.properties.probe import skipped_in
from elbound.properties.run import (
    Place,
    carry_out,
    crew_of,
    default_folder,
    default_workers,
    known_summary,
    publish,
    report_on,
)
from elbound.properties.starting import write_new
from elbound.properties.workers import Ended, prepare
from elbound.reports import compare
from elbound.reports.document import plain
from elbound.reports.ledger import Ledger
from elbound.reports.power import full_name, power_of, power_tables
from elbound.reports.render.page import write_comparison
from elbound.reports.render.sweep_page import write_sweep
from elbound.reports.row import Row
from elbound.reports.summary import exit_code
from elbound.reports.sweep import sweep_table, sweeps_in
from elbound.reports.table import figure

DONE, FOUND = 0, 1
CONFIDENCE = (0.9, 0.99, 0.999)
PLAIN_WIDTH = 110
COMPARED = (
    *("verdict", "basis", "reason", "left", "right", "error"),
    *("ratio", "certified_ratio", "log_e", "replicates"),
)


def dispatch(arguments: argparse.Namespace) -> int:
    """Carries out one command and returns its exit code; ValueError, LookupError or OSError for bad input."""
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    match arguments.command:
        case "verify" | "check":
            return run(arguments, console)
        case "power":
            return power(arguments, console)
        case "replay":
            return replay(arguments, console)
        case "report":
            return report(arguments, console)
        case "compare":
            return compare_runs(arguments, console)
        case "sweep":
            sweeps(arguments, console)
        case "new":
            path = write_new(arguments.name, Path())
            console.print(f"{path} is a claim to change: elbound check {path}", markup=False, soft_wrap=True)
        case "list":
            from elbound.properties import listing

            listing.print_list(arguments.what, console)
        case "show":
            show(arguments, console)
    return DONE


def show(arguments: argparse.Namespace, console: Console) -> None:
    """`show`: a claim or setting, or what a claim demands of the user's data."""
    from elbound.properties import listing
    from elbound.properties.at_data import Autoencoder

    given = {name: getattr(arguments, name) for name in ("activation", "noise", "confidence")}
    if arguments.data is None:
        if alone := next((name for name, value in given.items() if value is not None), ""):
            raise BadInput(f"argument --{alone}: speaks of your own inputs; name their file with --data")
        listing.print_one(arguments.name, console)
        return
    noise = 1.0 if given["noise"] is None else given["noise"]
    levels = (given["confidence"],) if given["confidence"] else CONFIDENCE
    listing.print_at_data(
        arguments.name, read(arguments.data), Autoencoder(given["activation"] or "relu", noise), levels, console
    )


def _data(file: Path | None) -> UserData | None:
    return read(file) if file else None


def brief_of(arguments: argparse.Namespace) -> Brief:
    """What to judge, from the command line. Raises ValueError, one line, for what cannot be used."""
    device = resolve(arguments.device).type
    context = Context(arguments.epoch, device, arguments.block, _data(arguments.data))
    file = str(arguments.file.resolve()) if arguments.command == "check" else None
    # What failed once, perhaps by ending its process or by taking too long, is not tried again by every process.
    climbs = PROFILES[arguments.profile].adversary > 0
    skipped = skipped_in(file, arguments.limit, climbs=climbs) if file else ()
    patterns = tuple(getattr(arguments, "patterns", ()))
    brief = Brief(arguments.profile, patterns, context, file, skipped, arguments.limit)
    docket_of(brief)
    return brief


def run(arguments: argparse.Namespace, console: Console) -> int:
    """`verify` and `check`."""
    brief = brief_of(arguments)
    place = Place(arguments.output or default_folder(arguments.file if arguments.command == "check" else None))
    baseline = compare.read_run(arguments.baseline) if arguments.baseline else None
    sweeps_in(place.folder)  # the page will draw them: a malformed record is refused now, not after minutes
    with place.held():
        return _run(brief, place, baseline, arguments, console)


def _run(
    brief: Brief, place: Place, baseline: compare.Run | None, arguments: argparse.Namespace, console: Console
) -> int:
    summary = _carried_out(brief, place, arguments, console)
    tables = Console(quiet=True) if arguments.json else console
    if arguments.json:
        sys.stdout.write(place.summary.read_text(encoding="utf-8"))
    code = report_on(summary, place, tables)
    if baseline is None:
        return code
    now = compare.run_of(summary)
    # Of a part of the catalogue only that part can be missed.
    before = compare.restricted(baseline, now) if brief.patterns else baseline
    found = compare.compare(before, now)
    page = _told(found, (str(arguments.baseline), "this run"), place, tables)
    tables.print(f"page: {page}", markup=False, soft_wrap=True)
    return max(code, int(found.worse))


def compare_runs(arguments: argparse.Namespace, console: Console) -> int:
    """What changed between two runs; exit code 1 where something got worse."""
    old, new = compare.read_run(arguments.old), compare.read_run(arguments.new)
    found = compare.compare(old, new, arguments.tolerance)
    tables = Console(quiet=True) if arguments.json else console
    page = _told(found, (str(arguments.old), str(arguments.new)), Place(arguments.output or default_folder()), tables)
    if arguments.json:
        sys.stdout.write(json.dumps(compare.document(found), indent=1) + "\n")
    tables.print(f"page: {page}", markup=False, soft_wrap=True)
    return int(found.worse)


def _told(found: compare.Comparison, sides: tuple[str, str], place: Place, console: Console) -> Path:
    if found.changes:
        console.print(compare.table(found))
    if told := compare.notes(found):
        console.print(told, markup=False)
    console.print(Text(compare.headline(found), "bold"))
    with place.written():
        return write_comparison(found, sides, place.folder)


def _carried_out(brief: Brief, place: Place, arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    progress = Console(stderr=True) if arguments.json else console
    count = arguments.workers or default_workers()
    kept = f"finished tasks are in {place.ledger}; --resume goes on from there"
    try:
        return carry_out(brief, place, count=count, resume=arguments.resume, console=progress)
    except KeyboardInterrupt:
        raise BadInput(f"interrupted; {kept}") from None


def power(arguments: argparse.Namespace, console: Console) -> int:
    """The ladder of the chosen claims, from the folder's complete run if that judged them on these terms, else now."""
    brief, place = brief_of(arguments), Place(arguments.output or default_folder())
    chosen = {x.name for x in docket_of(brief).listed}
    summary = known_summary(brief, place)
    if summary is None:
        with place.held():
            summary = _carried_out(brief, place, arguments, console)
    summary["claims"] = [x for x in summary["claims"] if full_name(x) in chosen]
    if arguments.json:
        sys.stdout.write(json.dumps(plain(power_of(summary)), indent=1, allow_nan=False) + "\n")
    else:
        console.print(*power_tables(summary), sep="\n")
    return exit_code(summary)


def replay(arguments: argparse.Namespace, console: Console) -> int:
    """One row again, from its configuration, compared with what the ledger says."""
    place = Place(arguments.output or default_folder(arguments.file))
    if arguments.file is None and not place.ledger.exists():
        raise BadInput(f"ledger {place.ledger}: no such file; for a row of your own file name that file after the row")
    with Ledger.open(place.ledger, readonly=True) as ledger:
        kept = next(ledger.rows(identity=arguments.row), None)
        facts = ledger.run
    if kept is None:
        raise BadInput(f"row {arguments.row!r}: not in {place.ledger}; reports print the rows' twelve digits")
    if facts.get("file") and arguments.file is None:
        raise BadInput(f"row {kept.identity}: judged from {facts['file']}; name that file after the row")
    context = Context(kept.epoch, resolve(kept.device).type, user_data=_data(arguments.data))
    if kept.data.startswith(USER) and kept.data != user_option(context):
        given = f", not {user_option(context)}" if context.user_data else ""
        raise BadInput(f"row {kept.identity}: measured on {kept.data}; pass that file with --data{given}")
    if arguments.file is None:
        prepare(context.device)
        return _compare(kept, replayed(Brief(str(facts["profile"]), (), context), kept), console)
    file = str(arguments.file.resolve())
    return _compare(
        kept, _replayed(Brief(str(facts["profile"]), (), context, file, skipped_in(file, LIMIT)), kept), console
    )


def _replayed(brief: Brief, kept: Row) -> Row:
    """A row of a user's own file again, in a process that it may end."""
    with crew_of(brief, 1) as crew:
        crew.begin(kept.identity, _replayed_or_why, brief, kept)
        _, answer = crew.next()
    if isinstance(answer, Ended):
        raise BadInput(f"row {kept.identity}: {answer.how}; nothing came of judging it again")
    if isinstance(answer, str):
        raise BadInput(answer)
    found: Row = answer
    return found


def _replayed_or_why(brief: Brief, kept: Row, watch: Watch) -> Row | str:
    try:
        return replayed(brief, kept, watch)
    except (LookupError, ValueError) as failure:
        return str(failure)


def _compare(kept: Row, again: Row, console: Console) -> int:
    # By repr, which tells floats apart to the last bit, and a nan from nothing but another number.
    differing = [name for name in COMPARED if repr(getattr(kept, name)) != repr(getattr(again, name))]
    why = again.basis or again.reason
    lines = [
        f"{kept.claim} {kept.version}".rstrip() + f" on {kept.experiment}, {kept.origin}",
        f"at {json.dumps(dict(kept.configuration))}",
        f"{again.verdict}: left {figure(again.left)}, right {figure(again.right)}, ratio {figure(again.ratio)}"
        + (f", {why}" if why else ""),
        *(f"differs: {name} was {getattr(kept, name)!r}, is {getattr(again, name)!r}" for name in differing),
    ]
    console.print("\n".join(lines if differing else [*lines, "identical, bit for bit"]), markup=False)
    return FOUND if differing else DONE


def sweeps(arguments: argparse.Namespace, console: Console) -> None:
    """One sweep or all of them; what is asked for is checked before the first is run."""
    from elbound.properties.sweep import prepared, settings_of

    given = {known.field: value for known in HYPERPARAMETERS if (value := getattr(arguments, known.field)) is not None}
    device, data = resolve(arguments.device), _data(arguments.data)
    if data is not None and data.notes:
        console.print(*(f"{data.name}: {note}" for note in data.notes), sep="\n", markup=False, soft_wrap=True)
    prepare(device.type)
    names = tuple(SWEEPS) if arguments.name == ALL else (arguments.name,)
    if arguments.name == ALL and arguments.values is not None:
        raise BadInput(f"--values {arguments.values!r} with {ALL}; allowed: with one sweep by name")
    ready = [prepared(name, settings_of(name, arguments.values, given), device, data) for name in names]
    place = Place(arguments.output or default_folder())
    with place.held():
        for each in ready:
            found = each.run()
            with place.written():
                page = write_sweep(found, place.folder)
            console.print(sweep_table(found))
            console.print(f"page: {page}", markup=False, soft_wrap=True)


def report(arguments: argparse.Namespace, console: Console) -> int:
    """The page and summary again, from the ledger alone."""
    ledger = arguments.ledger / "ledger.sqlite" if arguments.ledger.is_dir() else arguments.ledger
    place = Place(arguments.output or ledger.parent)
    return report_on(publish(ledger, place), place, console)
