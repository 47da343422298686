"""A run from its first task to its report: tasks to workers, rows to the ledger, pages from the ledger."""

import contextlib
import multiprocessing
import os
import platform
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import connection
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from elbound import __version__
from elbound.impl.device import deterministic, keep_memory
from elbound.properties.campaign import Outcome, Task, outcomes, tasks_of
from elbound.properties.docket import PROFILES, BadInput, Brief, docket_of, papers
from elbound.properties.evidence.boundary import campaign
from elbound.properties.evidence.budget import Budget
from elbound.reports.ledger import Ledger, LedgerError
from elbound.reports.render.page import render
from elbound.reports.summary import exit_code, summarise, write_summary
from elbound.reports.table import Progress, show

BOUNDARY_CLAIMS = 1_000
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


def default_folder() -> Path:
    """reports/latest inside the project's repository, elbound-report elsewhere."""
    here = Path.cwd()
    own = (here / "reports" / "ledger.py").is_file() and (here / "theory" / "claim.py").is_file()
    return here / "reports" / "latest" if own else here / "elbound-report"


def prepare(device: str) -> None:
    """One thread and deterministic kernels, and freed memory kept, in every process that judges."""
    deterministic(torch.device(device))
    keep_memory()


def serve(device: str) -> None:
    """Prepares a worker process: an interrupt is its parent's to answer, and the parent's end is its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    prepare(device)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


@contextlib.contextmanager
def judging(brief: Brief, tasks: list[Task], count: int) -> Iterator[Iterator[Outcome]]:
    """The outcomes as they come, from single-threaded worker processes.

    Even a single worker is a process: in this one, Hypothesis's callback of the garbage collector can swallow an
    interrupt.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["elbound.properties.campaign"])
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=serve, initargs=(brief.context.device,))
    try:
        yield outcomes(brief, tasks, pool)
    except BaseException:
        # Whatever ended the run, nobody waits for the tasks under way.
        for process in list((pool._processes or {}).values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def facts_of(brief: Brief) -> dict[str, Any]:
    """What a ledger says of its run from the start; enough to refuse a resume under other terms."""
    data = brief.context.user_data
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "profile": brief.profile,
        "patterns": list(brief.patterns),
        "file": brief.file or "",
        "user_data": "" if data is None else f"{data.name}:{data.digest}",
        "device": brief.context.device,
        "dtype": "float64",
        "epoch": brief.context.epoch,
        "alpha_suite": Budget().alpha_suite,
        "versions": _versions(),
        "papers": papers(),
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
        with place.written():
            place.folder.mkdir(parents=True, exist_ok=True)
            ledger = Ledger.create(place.ledger, facts_of(brief), fresh=True)
            ledger.record_entries(docket_of(brief).entries())
            return ledger
    ledger = Ledger.open(place.ledger)
    known, wanted = ledger.run, facts_of(brief)
    for term in TERMS:
        if known.get(term) != wanted[term]:
            ledger.close()
            raise BadInput(f"--resume: the run in {place.folder} has {term} {known.get(term)!r}, not {wanted[term]!r}")
    return ledger


def carry_out(brief: Brief, place: Place, *, count: int, resume: bool, console: Console) -> dict[str, Any]:
    """Judges everything the brief asks for, writes ledger, summary and page, and returns the summary.

    Tasks finished in an earlier run are not judged again when resuming. An interrupt leaves the ledger as it is.
    """
    started = time.perf_counter()
    with open_ledger(brief, place, resume=resume) as ledger:
        finished = ledger.finished_tasks()
        waiting = [task for task in tasks_of(brief) if task.name not in finished]
        if waiting:
            with (
                judging(brief, waiting, min(count, len(waiting))) as found,
                Progress(len(waiting), console) as progress,
            ):
                for outcome in found:
                    keep(ledger, outcome)
                    progress.finish(outcome.task.name, outcome.rows)
        boundary = _boundary(brief)
        spent = ledger.run.get("wall_s", 0.0) + time.perf_counter() - started
        ledger.close_run({**_evidence(ledger), **boundary, "wall_s": round(spent, 2)})
    return publish(place.ledger, place)


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
