"""A run from its first task to its report: tasks to workers, rows to the ledger, pages from the ledger."""

import contextlib
import multiprocessing
import os
import platform
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import connection, forkserver, resource_tracker
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from elbound import __version__
from elbound.impl.device import deterministic, keep_memory
from elbound.impl.user_table import UserData
from elbound.properties.campaign import Outcome, Task, able, climbs_of, outcomes, run_task, tasks_of
from elbound.properties.datasets import takes_data
from elbound.properties.docket import PROFILES, BadInput, Brief, analysis_of, docket_of, papers
from elbound.properties.evidence.boundary import campaign
from elbound.properties.evidence.budget import Budget
from elbound.properties.limits import Stopped, Watch, stopped_in
from elbound.properties.symbolic import Answer, Point, impossible, symbolic_checks
from elbound.reports.ledger import Ledger, LedgerError
from elbound.reports.render.page import render
from elbound.reports.row import Row, Verdict
from elbound.reports.summary import exit_code, facts, summarise, write_summary
from elbound.reports.table import Progress, show

BOUNDARY_CLAIMS = 1_000
# The kind of the entry in a ledger that stands for work which took too long.
STOPPED = "stopped"
# Seconds for all questions on one claim, each of which stops by itself after two.
PATIENCE = 180.0
LIBRARIES = ("torch", "numpy", "scipy", "sympy", "hypothesis", "cma", "python-flint")


@dataclass(frozen=True)
class Place:
    """Where a run's files lie: ledger.sqlite, summary.json and index.html in one folder."""

    folder: Path

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.sqlite"

    @property
    def summary(self) -> Path:
        return self.folder / "summary.json"

    @property
    def page(self) -> Path:
        return self.folder / "index.html"

    @contextlib.contextmanager
    def written(self) -> Iterator[None]:
        """Explains what cannot be written here. Raises BadInput, naming the folder."""
        try:
            for path in (self.summary, self.page):
                if path.is_dir():
                    raise IsADirectoryError(f"{path.name} is a folder")
            yield
        except (OSError, LedgerError) as failure:
            reason = f"{' '.join(str(failure).split())}; allowed: a folder that may be written to"
            raise BadInput(f"output {self.folder}: cannot be written: {reason}") from None


def default_folder(file: Path | None = None) -> Path:
    """reports/latest in the project's repository, elbound-report elsewhere; for a user's file one of its name below."""
    here = Path.cwd()
    own = (here / "reports" / "ledger.py").is_file() and (here / "theory" / "claim.py").is_file()
    folder = here / "reports" / "latest" if own else here / "elbound-report"
    return folder / file.stem if file else folder


def prepare(device: str) -> None:
    """One thread and deterministic kernels, and freed memory kept, in every process that judges."""
    deterministic(torch.device(device))
    keep_memory()


_watch: Watch | None = None


def serve(device: str, notes: Path, limit: float) -> None:
    """Prepares a worker process: an interrupt is its parent's to answer, and the parent's end is its own.

    What takes longer than the limit ends the process too, with a note in the folder of what it was.
    """
    global _watch
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What a user's experiment prints is no part of a summary that is asked for as JSON.
    os.dup2(2, 1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    prepare(device)
    _watch = Watch(notes / str(os.getpid()), limit)


def serve_task(brief: Brief, task: Task) -> Outcome:
    """A task in a worker process, watched over."""
    return run_task(brief, task, _watch)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


@contextlib.contextmanager
def workers(brief: Brief, count: int, notes: Path) -> Iterator[ProcessPoolExecutor]:
    """Single-threaded worker processes.

    Even a single worker is a process: in this one, Hypothesis's callback of the garbage collector can swallow an
    interrupt.
    """
    context = multiprocessing.get_context("forkserver")
    climbs = ["scipy.stats"] if PROFILES[brief.profile].adversary else []
    context.set_forkserver_preload(["elbound.properties.interruptible", "elbound.properties.ready", *climbs])
    terms = (brief.context.device, notes, brief.limit)
    _start_server()
    with _broken_pipes_told():
        pool = ProcessPoolExecutor(count, mp_context=context, initializer=serve, initargs=terms)
        try:
            yield pool
        except BaseException:
            # Whatever ended the run, nobody waits for the tasks under way.
            for process in list((pool._processes or {}).values()):
                process.terminate()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def _start_server() -> None:
    """Starts the process that workers are forked from; until its first import an interrupt is held back from it."""
    resource_tracker.ensure_running()  # by itself: it takes the mask away
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _broken_pipes_told() -> Iterator[None]:
    """SIGPIPE ignored: the pool's own thread may be writing to a worker that has just ended, and must outlive it."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGPIPE"):
        yield
        return
    before = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGPIPE, before)


def judging(brief: Brief, tasks: Sequence[Task], count: int) -> Generator[Outcome]:
    """The outcomes as they come, from worker processes.

    A claim or experiment that ended its process by taking too long becomes an error row and is left out from there on;
    the tasks that are not finished begin again without it, in new processes.
    """
    waiting = list(tasks)
    while waiting:
        with tempfile.TemporaryDirectory() as notes:
            try:
                with workers(brief, min(count, len(waiting)), Path(notes)) as pool:
                    for outcome in outcomes(brief, waiting, pool, serve_task):
                        waiting.remove(outcome.task)
                        yield outcome
            except BrokenProcessPool:
                stopped = {x.piece["stopped"]: x for x in stopped_in(Path(notes))}
                if not stopped:
                    raise
                yield from (Outcome(Task(name, STOPPED), rows_of(x, brief), 0, 0) for name, x in stopped.items())
                brief = replace(brief, without=(*brief.without, *stopped))
        waiting = [task for task in waiting if able(brief, task)]


def rows_of(stopped: Stopped, brief: Brief) -> tuple[Row, ...]:
    """The error rows of work that took too long: of its claim or planted fault, or of its experiment's every claim."""
    piece, where = stopped.piece, stopped.place(brief.file)
    defined = piece["where"] or where
    reason = f"{defined}: time limit: {piece['stopped']} was still at work after {brief.limit:g} s, in {where}"
    return tuple(unjudged(name, piece, reason, brief) for name in piece["claims"])


def unjudged(claim: str, piece: Mapping[str, Any], reason: str, brief: Brief) -> Row:
    """The error row of a claim at a configuration where nothing came of judging it."""
    return Row(
        claim=claim,
        version=piece["version"],
        experiment=piece["experiment"],
        origin=piece["origin"],
        configuration=piece["configuration"],
        parameters={},
        verdict=Verdict.ERROR,
        basis="",
        reason=reason,
        left=None,
        right=None,
        error=None,
        ratio=None,
        certified_ratio=None,
        resolution=None,
        log_e=None,
        replicates=0,
        device=brief.context.device,
        dtype="float64",
        epoch=brief.context.epoch,
        data="",
        curves={},
        expected=bool(piece["version"]),
        vacuous=False,
        seconds=brief.limit,
    )


def facts_of(brief: Brief) -> dict[str, Any]:
    """What a ledger says of its run from the start; enough to refuse a resume under other terms."""
    data = brief.context.user_data
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "profile": brief.profile,
        "patterns": list(brief.patterns),
        "file": brief.file or "",
        "problems": list(analysis_of(brief.file, limit=brief.limit).problems) if brief.file else [],
        "user_data": "" if data is None else f"{data.name}:{data.digest}",
        "table": None if data is None else table_of(data, brief),
        "device": brief.context.device,
        "dtype": "float64",
        "epoch": brief.context.epoch,
        "alpha_suite": Budget().alpha_suite,
        "versions": _versions(),
        "papers": papers(),
    }


def table_of(data: UserData, brief: Brief) -> dict[str, Any]:
    """What a run says of the user's table: its size, what was decided to read it, the claims that take no data."""
    docket, order = docket_of(brief), np.argsort(-data.values.var(axis=0), kind="stable")
    taken = {x.name for experiment in docket.experiments if takes_data(experiment) for x in docket.trying(experiment)}
    return {
        "name": data.name,
        "rows": len(data.values),
        "columns": [data.columns[j] for j in order.tolist()],
        "notes": list(data.notes),
        "without": [x.name for x in docket.listed if x.name not in taken],
    }


TERMS = ("profile", "file", "patterns", "user_data", "device", "epoch")


def _versions() -> dict[str, str]:
    found = {"elbound": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def open_ledger(brief: Brief, place: Place, *, resume: bool) -> Ledger:
    """A fresh ledger, the old one kept beside it, or the one to resume.

    Raises BadInput or LedgerError, naming the path.
    """
    if not resume or not place.ledger.exists():
        _spare(place, brief)
        with place.written():
            place.folder.mkdir(parents=True, exist_ok=True)
            ledger = Ledger.create(place.ledger, facts_of(brief), fresh=True)
            ledger.record_entries(docket_of(brief).entries())
            return ledger
    ledger = Ledger.open(place.ledger)
    known, wanted = ledger.run, facts_of(brief)
    try:
        facts(known)  # what is added up at the end is read now, not after minutes
    except ValueError as failure:
        ledger.close()
        raise BadInput(f"--resume: ledger {place.ledger}: {failure}") from None
    for term in TERMS:
        if known.get(term) != wanted[term]:
            ledger.close()
            raise BadInput(f"--resume: the run in {place.folder} has {term} {known.get(term)!r}, not {wanted[term]!r}")
    return ledger


def _spare(place: Place, brief: Brief) -> None:
    """Raises BadInput where a folder holds the report of another file: the page would take its place unasked."""
    with suppress(LedgerError), Ledger.open(place.ledger, readonly=True) as ledger:
        file = ledger.run.get("file") or ""
        if file != (brief.file or ""):
            held = file or "the catalogue"
            raise BadInput(f"output {place.folder}: holds the report of {held}; name another folder with --output")


def carry_out(brief: Brief, place: Place, *, count: int, resume: bool, console: Console) -> dict[str, Any]:
    """Judges everything the brief asks for, writes ledger, summary and page, and returns the summary.

    Tasks finished in an earlier run are not judged again when resuming. An interrupt leaves the ledger as it is.
    """
    started = time.perf_counter()
    with open_ledger(brief, place, resume=resume) as ledger:
        with Progress(console) as progress:
            brief = _judge(brief, tasks_of, ledger, count, progress)
            climbs = partial(climbs_of, rows=lambda claim: ledger.rows(claim=claim))
            brief = _judge(brief, climbs, ledger, count, progress)
        conclude(brief, ledger, count)
        boundary = _boundary(brief)
        spent = facts(ledger.run)["wall_s"] + time.perf_counter() - started
        ledger.close_run({**boundary, "wall_s": round(spent, 2)})
    return publish(place.ledger, place)


def _judge(brief: Brief, tasks: Callable[[Brief], list[Task]], ledger: Ledger, count: int, progress: Progress) -> Brief:
    """Carries out and keeps the tasks that are not finished yet; the brief without what took too long before them."""
    finished = ledger.finished_tasks()
    brief = replace(brief, without=tuple(sorted(stopped_before(finished))))
    waiting = [task for task in tasks(brief) if task.name not in finished]
    progress.expect(len(waiting))
    with closing(judging(brief, waiting, count)) as found:
        for outcome in found:
            keep(ledger, outcome)
            progress.finish(outcome.task.name, outcome.rows)
    return brief


def conclude(brief: Brief, ledger: Ledger, count: int) -> None:
    """Adds what is known of a run once all its tasks are there, and closes it."""
    problems = dict.fromkeys(facts(ledger.run)["problems"])
    if brief.file:
        problems |= dict.fromkeys(describe(brief, ledger, count))
    ledger.close_run({**_evidence(ledger), "problems": list(problems)})


def describe(brief: Brief, ledger: Ledger, count: int) -> list[str]:
    """Adds to the entries of a user's own claims what their right sides look like, and returns what is wrong with them.

    What sympy does not come to an end with, though it is asked to, is left open.
    """
    listed, found = docket_of(brief).listed, dict[str, list[Answer]]()
    judged = {x.name: [row for row in ledger.rows(claim=x.name, version="") if row.judged] for x in listed}
    points = {name: [Point(dict(row.parameters), row.left, row.right) for row in rows] for name, rows in judged.items()}
    with (
        tempfile.TemporaryDirectory() as notes,
        suppress(TimeoutError, BrokenProcessPool),
        workers(brief, max(1, min(count, len(listed))), Path(notes)) as pool,
    ):
        asked = {name: pool.submit(symbolic_answers, brief, name, points[name]) for name in judged}
        for name, future in asked.items():
            found[name] = future.result(timeout=PATIENCE)
    ledger.record_entries([replace(entry, symbolic=found.get(entry.name, ())) for entry in ledger.entries()])
    return [problem for x in listed if (problem := impossible(x, points[x.name]))]


def symbolic_answers(brief: Brief, name: str, points: Sequence[Point]) -> list[Answer]:
    """The answers on one claim, in a worker process."""
    return symbolic_checks(next(x.claim for x in docket_of(brief).listed if x.name == name), points)


def stopped_before(finished: Iterable[str]) -> Iterator[str]:
    """The claims and experiments that took too long in the finished part of a run."""
    ending = f": {STOPPED} 0"
    return (name.removesuffix(ending) for name in finished if name.endswith(ending))


def keep(ledger: Ledger, outcome: Outcome) -> None:
    """Writes a finished task."""
    counts = {"executions": outcome.executions, "confirmations": outcome.confirmations}
    ledger.finish(outcome.task.name, outcome.rows, **counts)


def _evidence(ledger: Ledger) -> dict[str, Any]:
    executions, confirmations = ledger.evidence()
    achieved = Budget().achieved(confirmations, executions)
    return {"executions": executions, "achieved_false_refutation_bound": achieved}


def _boundary(brief: Brief) -> dict[str, int]:
    """How many claims exactly at their bound were judged and how many refuted; none in the shorter profiles."""
    seeds = PROFILES[brief.profile].boundary_seeds
    tally = campaign(BOUNDARY_CLAIMS, seeds) if seeds else None
    return {"boundary_judged": tally.judged, "boundary_refuted": tally.refuted} if tally else {}


def publish(ledger_path: Path, place: Place) -> dict[str, Any]:
    """Writes summary.json and index.html from a ledger alone, and returns the summary."""
    with Ledger.open(ledger_path, readonly=True) as ledger:
        summary = summarise(ledger.rows(), ledger.entries(), ledger.run)
    with place.written():
        write_summary(summary, place.summary)
        render(ledger_path, place.folder)
    return summary


def known_summary(brief: Brief, place: Place) -> dict[str, Any] | None:
    """The summary of a complete run on these terms that judged at least these claims, if the folder holds one."""
    if not place.ledger.is_file():
        return None
    wanted = facts_of(brief)
    with Ledger.open(place.ledger, readonly=True) as ledger:
        known = ledger.run
        same = all(known.get(term) == wanted[term] for term in TERMS if term != "patterns")
        judged = {entry.name for entry in ledger.entries()} >= {x.name for x in docket_of(brief).listed}
        if not (ledger.closed and same and judged):
            return None
        return summarise(ledger.rows(), ledger.entries(), known)


def report_on(summary: Mapping[str, Any], place: Place, console: Console) -> int:
    """Prints the tables and returns the exit code."""
    show(summary, console, place.page)
    return exit_code(summary)


def default_workers() -> int:
    """As many worker processes as this process may use cores."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
