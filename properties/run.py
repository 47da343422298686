"""A run from its first task to its report: tasks to workers, rows to the ledger, pages from the ledger."""

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from elbound.impl.user_table import UserData
from elbound.properties.campaign import Outcome, Task, able, climbs_of, place_of, run_task, tasks_of
from elbound.properties.datasets import takes_data
from elbound.properties.docket import PROFILES, BadInput, Brief, analysis_of, docket_of, papers
from elbound.properties.evidence.boundary import campaign
from elbound.properties.evidence.budget import Budget
from elbound.properties.fingerprints import file_digest, package_digest, versions
from elbound.properties.folder_lock import Occupied, alone_in
from elbound.properties.limits import Stopped, Watch
from elbound.properties.symbolic import Answer, Point, impossible, symbolic_checks
from elbound.properties.workers import Crew, Ended
from elbound.reports.ledger import Ledger, LedgerError
from elbound.reports.render.page import render
from elbound.reports.row import Row, Verdict
from elbound.reports.summary import exit_code, facts, summarise, write_summary
from elbound.reports.table import Progress, show

BOUNDARY_CLAIMS = 1_000
# The kind of the entry in a ledger that stands for work which ended its process.
STOPPED = "stopped"
# Each costs a process and what its task had done; an experiment that goes on so is no experiment.
MOST_DEATHS = 3
# Seconds for all questions on one claim, each of which stops by itself after two.
PATIENCE = 180.0


@dataclass(frozen=True)
class Place:
    """Where a run's files lie: ledger.sqlite, summary.json and index.html in one folder.

    Whoever writes a ledger holds the folder from before it is opened until everything is published.
    """

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
    def held(self) -> Iterator[None]:
        """Keeps every other run out of the folder for the block.

        Raises BadInput, naming the folder and the process that holds it, or why it cannot be written to.
        """
        with contextlib.ExitStack() as stack:
            try:
                with self.written():
                    stack.enter_context(alone_in(self.folder))
            except Occupied as holder:
                raise BadInput(
                    f"output {self.folder}: a run is under way there ({holder}); wait for its end, or name another"
                    " folder with --output"
                ) from None
            yield

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


def crew_of(brief: Brief, count: int) -> Crew:
    """Worker processes for calls on a brief."""
    return Crew(count, brief.context.device, brief.limit, climbs=PROFILES[brief.profile].adversary > 0)


def judging(brief: Brief, tasks: Sequence[Task], count: int) -> Generator[Outcome]:
    """The outcomes as they come, from worker processes.

    A claim, experiment or planted fault that took too long, or ended its process otherwise, becomes error rows and is
    left out from there on; of an experiment that ended it otherwise one configuration, up to MOST_DEATHS of them. Its
    task begins again without it, those of other workers go on. What a task had found before is found again, also that
    of other tasks of an experiment which is left out. Tasks that have nothing left to do are finished without rows.
    """
    waiting: deque[Task | _Salvage] = deque(tasks)
    ended: dict[Task, str] = {}  # where a task ended its process first
    if not waiting:
        return
    with crew_of(brief, min(count, len(waiting))) as crew:
        while waiting or crew.busy:
            while waiting and crew.free:
                call = waiting.popleft()
                terms = (call.brief, call.task) if isinstance(call, _Salvage) else (brief, call)
                crew.begin(call, run_task, *terms)
            call, answer = crew.next()
            if isinstance(call, _Salvage):
                yield call.stopped if isinstance(answer, Ended) else call.with_rows_of(answer)
                continue
            if not isinstance(answer, Ended):
                yield answer
                continue
            waiting.appendleft(call)
            brief = yield from _leave_out(brief, call, answer, waiting, ended)


def _leave_out(
    brief: Brief, task: Task, answer: Ended, waiting: "deque[Task | _Salvage]", ended: dict[Task, str]
) -> Generator[Outcome, None, Brief]:
    """The brief without what ended a task's process; what stands for it, and for tasks that have nothing left to do."""
    stopped = answer.stopped or _somewhere_in(brief, task)
    name, at = _left_out(stopped, brief.without), stopped.piece["configuration"]
    place = place_of(task.experiment, at) if at else ""
    with_it = replace(brief, without=tuple(x for x in brief.without if x != name))
    if place:
        ended.setdefault(task, place)
    if name not in brief.without:  # another worker may have met it before
        brief = replace(brief, without=(*brief.without, name))
        outcome = Outcome(Task(name, STOPPED), rows_of(stopped, answer.how, brief), 0, 0)
        if place and name.startswith(("claim ", "experiment ")):
            if name.startswith("experiment "):
                del ended[task]  # all that it had found is asked for here
            only = tuple(stopped.piece["claims"])
            waiting.appendleft(_Salvage(with_it, replace(task, until=place, only=only), outcome))
        else:
            yield outcome
    for idle in [x for x in waiting if isinstance(x, Task) and not able(brief, x)]:
        waiting.remove(idle)
        nothing = Outcome(idle, (), 0, 0)
        if until := ended.pop(idle, ""):
            waiting.appendleft(_Salvage(with_it, replace(idle, until=until), nothing))
        else:
            yield nothing
    return brief


@dataclass(frozen=True)
class _Salvage:
    """A task once more up to where it ended its process, for what it had found of the work that is left out now.

    A refutation found there stands, whatever happens at the next configuration.
    """

    brief: Brief
    task: Task
    stopped: Outcome

    def with_rows_of(self, found: Outcome) -> Outcome:
        """The outcome that stands for the end of the process, with what came before it."""
        return replace(found, task=self.stopped.task, rows=(*found.rows, *self.stopped.rows))


def _left_out(stopped: Stopped, without: Sequence[str]) -> str:
    """What is left out after it ended its process: one configuration, but the whole experiment from the third on."""
    name, experiment = str(stopped.piece["stopped"]), str(stopped.piece["experiment"])
    place = place_of(experiment, stopped.piece["configuration"])
    alike = [x for x in without if x.startswith("configuration ") and x.endswith(f" of {experiment}")]
    one = name == f"experiment {experiment}" and not stopped.timed_out and stopped.piece["configuration"]
    return place if one and len(alike) < MOST_DEATHS - 1 else name


def _somewhere_in(brief: Brief, task: Task) -> Stopped:
    """What stands for a task that ended its process between its pieces of work: its experiment, at no configuration."""
    docket = docket_of(brief)
    experiment = next(x for x in docket.experiments if x.key == task.experiment)
    piece = {"experiment": task.experiment, "stopped": f"experiment {task.experiment}", "where": "", "version": ""}
    claims = [x.name for x in docket.trying(experiment)]
    return Stopped({**piece, "claims": claims, "configuration": {}, "origin": task.kind})


def rows_of(stopped: Stopped, how: str, brief: Brief) -> tuple[Row, ...]:
    """The error rows of work that ended its process: of a claim or planted fault, or of all its experiment's claims."""
    piece = stopped.piece
    where = stopped.place(brief.file) if stopped.frames else ""
    defined = piece["where"] or where or (Path(brief.file).name if brief.file else "")
    if stopped.timed_out:
        said = f"time limit: {piece['stopped']} was still at work after {brief.limit:g} s, in {where}"
    else:
        at = ", ".join(f"{name} = {value}" for name, value in piece["configuration"].items())
        said = f"{how}, during {piece['stopped']}" + (f" at {at}" if at else "") + (f", in {where}" if where else "")
    reason = f"{defined}: {said}" if defined else said
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
        device="cpu",
        dtype="float64",
        epoch=brief.context.epoch,
        data="",
        curves={},
        expected=bool(piece["version"]),
        vacuous=False,
        seconds=0.0,
    )


def facts_of(brief: Brief) -> dict[str, Any]:
    """What a ledger says of its run from the start; enough to refuse a resume under other terms."""
    data = brief.context.user_data
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "profile": brief.profile,
        "patterns": list(brief.patterns),
        "file": brief.file or "",
        "problems": list(analysis_of(brief.file, brief.skipped, brief.limit).problems) if brief.file else [],
        "user_data": "" if data is None else f"{data.name}:{data.digest}",
        "table": None if data is None else table_of(data, brief),
        "device": brief.context.device,
        "dtype": "float64",
        "epoch": brief.context.epoch,
        "alpha_suite": Budget().alpha_suite,
        "versions": versions(),
        "sources": package_digest(),
        "file_digest": file_digest(Path(brief.file)) if brief.file else "",
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


# What a run must share with the one it resumes, and how a difference is told.
TERMS = {
    "profile": "profile",
    "file": "file",
    "patterns": "patterns",
    "user_data": "user_data",
    "device": "device",
    "epoch": "epoch",
    "file_digest": "the content of the file, or of what it imports from its folder",
    "sources": "the source code of elbound",
    "versions": "versions",
}


def differing(known: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """What keeps a run from being resumed on other terms, in words; empty where nothing does."""
    for term, words in TERMS.items():
        if term not in known:
            return f"does not tell {words}: an earlier elbound wrote it"
        old, new = known[term], wanted[term]
        if term == "versions" and isinstance(old, Mapping):
            changed = [name for name in {**old, **new} if old.get(name) != new.get(name)]
            said = ", ".join(f"{name} {old.get(name)!r}, not {new.get(name)!r}" for name in changed)
            if changed:
                return f"was made with {said}"
        elif old != new:
            same = term in ("sources", "file_digest")
            return f"was made before a change of {words}" if same else f"has {words} {old!r}, not {new!r}"
    return ""


def open_ledger(brief: Brief, place: Place, *, resume: bool) -> Ledger:
    """A fresh ledger, the old one kept beside it, or the one to resume.

    Raises BadInput or LedgerError, naming the path.
    """
    if not resume or not place.ledger.exists():
        _spare(place, brief)
        with place.written():
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
    if said := differing(known, wanted):
        ledger.close()
        raise BadInput(f"--resume: the run in {place.folder} {said}; without --resume it starts afresh")
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

    The caller holds the folder for as long as what was written there shall be of this run. Tasks finished in an earlier
    run are not judged again when resuming. An interrupt leaves the ledger as it is.
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
    """Carries out and keeps the tasks that are not finished yet; the brief without what ended a process before them."""
    finished = ledger.finished_tasks()
    brief = replace(brief, without=tuple(sorted(stopped_before(finished))))
    waiting = [task for task in tasks(brief) if task.name not in finished]
    progress.expect(len(waiting))
    with closing(judging(brief, waiting, count)) as found:
        for outcome in found:
            keep(ledger, outcome)
            progress.tell(outcome.rows)
            if outcome.task.kind != STOPPED:  # which stands for no task that was waited for
                progress.finish(outcome.task.name)
    return brief


def conclude(brief: Brief, ledger: Ledger, count: int) -> None:
    """Adds what is known of a run once all its tasks are there, and closes it."""
    problems = dict.fromkeys(facts(ledger.run)["problems"])
    if brief.file:
        problems |= dict.fromkeys(describe(brief, ledger, count))
    ledger.close_run({**_evidence(ledger), "problems": list(problems)})


def describe(brief: Brief, ledger: Ledger, count: int) -> list[str]:
    """Adds to the entries of a user's own claims what their right sides look like, and returns what is wrong with them.

    What sympy does not come to an end with, though it is asked to, or dies of, is left open.
    """
    listed, found = docket_of(brief).listed, dict[str, list[Answer]]()
    judged = {x.name: [row for row in ledger.rows(claim=x.name, version="") if row.judged] for x in listed}
    points = {name: [Point(dict(row.parameters), row.left, row.right) for row in rows] for name, rows in judged.items()}
    deadline = time.monotonic() + PATIENCE
    with suppress(TimeoutError), crew_of(brief, max(1, min(count, len(listed)))) as crew:
        waiting = list(judged)
        while waiting or crew.busy:
            while waiting and crew.free:
                name = waiting.pop(0)
                crew.begin(name, symbolic_answers, brief, name, points[name])
            name, answer = crew.next(max(0.0, deadline - time.monotonic()))
            if not isinstance(answer, Ended):
                found[name] = answer
    ledger.record_entries([replace(entry, symbolic=found.get(entry.name, ())) for entry in ledger.entries()])
    return [problem for x in listed if (problem := impossible(x, points[x.name]))]


def symbolic_answers(brief: Brief, name: str, points: Sequence[Point], _watch: Watch) -> list[Answer]:
    """The answers on one claim, in a worker process; each question stops by itself."""
    return symbolic_checks(next(x.claim for x in docket_of(brief).listed if x.name == name), points)


def stopped_before(finished: Iterable[str]) -> Iterator[str]:
    """The claims and experiments that ended their process in the finished part of a run."""
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
        same = not differing({**known, "patterns": wanted["patterns"]}, wanted)
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
