"""A user's analysis as tests: one for each claim and experiment, for each wrong version, for each planted fault.

Each test judges its own claim in a worker process of its own, so tests may be chosen, ordered and spread over processes
as any others, and one that takes too long ends alone.
"""

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from elbound.impl.device import resolve
from elbound.properties.analysis import BadInput
from elbound.properties.campaign import Outcome, Task, tasks_of
from elbound.properties.docket import Brief, analysis_of, docket_of, select
from elbound.properties.experiment import Context
from elbound.properties.probe import skipped_in
from elbound.properties.run import Place, conclude, default_workers, facts_of, judging, keep, open_ledger, publish
from elbound.reports.compare import Run, compare, headline, restricted, run_of
from elbound.reports.row import Row, Verdict
from elbound.reports.summary import summarise
from elbound.theory.catalogue import Listed

# What a test leaves for the report of its session: task, rows, executions and confirmations, as JSON, because they may
# have to leave their process.
Kept = dict[str, Any]


def brief_of(config: pytest.Config, file: str) -> Brief:
    """What the options of a session ask of a file. Raises UsageError for a device that is not there."""
    option = config.getoption
    try:
        device = resolve("auto" if option("--elbound-device") == "all" else option("--elbound-device")).type
    except ValueError as failure:
        raise pytest.UsageError(str(failure)) from None
    limit = option("--elbound-limit")
    skipped = skipped_in(file, limit)
    return Brief(option("--elbound-profile") or "quick", (), Context(device=device), file, skipped, limit)


class AnalysisFile(pytest.File):
    """A file of claims, collected as tests."""

    def collect(self) -> Iterator[pytest.Item]:
        """The problems of the file, then its claims, each on every experiment that serves it."""
        pattern = self.config.getoption("--elbound-claims")
        try:
            brief = brief_of(self.config, str(self.path))
            found = analysis_of(str(self.path), brief.skipped, brief.limit)
            chosen = select((pattern,) if pattern else (), found.listed)
        except BadInput as failure:
            raise self.CollectError(str(failure)) from None
        for problem in found.problems:
            said = problem.removeprefix(f"{self.path.parent}{os.sep}")
            yield ProblemItem.from_parent(self, name=f"{self.path.name} has no problem: {said}", said=said)
        for listed in chosen:
            others = tuple(f"claim {x.name}" for x in found.listed if x is not listed)
            yield from self._of(listed, replace(brief, without=others))
        if chosen == found.listed:
            yield from self._faults(brief)

    def _faults(self, brief: Brief) -> Iterator[pytest.Item]:
        docket = docket_of(brief)
        for experiment in filter(docket.plants, docket.experiments):
            for j, fault in enumerate(experiment.faults):
                name = f"{experiment.key} shows {fault}"
                yield FaultItem.from_parent(self, name=name, brief=brief, keys=[experiment.key], part=j)

    def _of(self, listed: Listed, brief: Brief) -> Iterator[pytest.Item]:
        docket = docket_of(brief)
        serving = [x.key for x in docket.experiments if listed in docket.trying(x)]
        if listed.claim.is_finding:
            yield FallItem.from_parent(self, name=f"{listed.name} falls", brief=brief, keys=serving, version="")
            return
        for key in serving:
            yield ClaimItem.from_parent(self, name=f"{listed.name} stands on {key}", brief=brief, keys=[key])
        for wrong in listed.claim.versions:
            name = f"{listed.name} falls as {wrong}"
            yield FallItem.from_parent(self, name=name, brief=brief, keys=serving, version=f"wrong: {wrong}")


class ProblemItem(pytest.Item):
    """A statement of the file that failed."""

    def __init__(self, *, said: str, **given: Any) -> None:
        super().__init__(**given)
        self.said = said

    def runtest(self) -> None:
        pytest.fail(self.said, pytrace=False)


class JudgingItem(pytest.Item):
    """A test that judges on some experiments."""

    def __init__(self, *, brief: Brief, keys: Sequence[str], **given: Any) -> None:
        super().__init__(**given)
        self.brief, self.keys = brief, keys
        self.kept: list[Kept] = []

    def rows(self) -> Generator[Row]:
        """The rows, as they come; kept for the report of the session."""
        tasks = [task for task in tasks_of(self.brief) if task.experiment in self.keys]
        with closing(judging(self.brief, list(filter(self.asks, tasks)), 1)) as found:
            for outcome in found:
                rows = [row.to_json() for row in outcome.rows]
                counts = {"executions": outcome.executions, "confirmations": outcome.confirmations}
                self.kept.append({"task": f"{self.name}, {outcome.task.name}", "rows": rows, **counts})
                yield from outcome.rows

    def asks(self, task: Task) -> bool:
        """Whether a task is part of this test."""
        return task.kind != "fault"

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, self.name


class ClaimItem(JudgingItem):
    """No configuration of one experiment refutes the claim."""

    def runtest(self) -> None:
        rows = list(self.rows())
        own = [row for row in rows if not row.version]
        bad = [row for row in own if row.contradicted or row.verdict is Verdict.ERROR]
        if bad:
            pytest.fail(told(bad, self.path), pytrace=False)
        if not any(row.judged for row in own):
            reasons = ", ".join(sorted({row.reason for row in own}))
            pytest.skip(f"no configuration of {self.keys[0]} meets the assumptions: {reasons}")


class FallItem(JudgingItem):
    """Some configuration refutes a wrong version, or a finding."""

    def __init__(self, *, version: str, **given: Any) -> None:
        super().__init__(**given)
        self.version = version

    def runtest(self) -> None:
        judged = 0
        with closing(self.rows()) as rows:
            for row in rows:
                if row.version == self.version and row.contradicted:
                    return
                judged += row.version == self.version and row.judged
        pytest.fail(f"not refuted, though judged on {judged} configurations or more", pytrace=False)


class FaultItem(JudgingItem):
    """Some claim of the file notices a planted fault."""

    def __init__(self, *, part: int, **given: Any) -> None:
        super().__init__(**given)
        self.part = part

    def asks(self, task: Task) -> bool:
        return (task.kind, task.part) == ("fault", self.part)

    def runtest(self) -> None:
        (row,) = self.rows()
        if not row.contradicted:
            pytest.fail(f"no claim notices it: {told([row], self.path)}", pytrace=False)


def told(rows: Sequence[Row], path: Path) -> str:
    """What a person needs to see of rows that should not be there: the simplest, and how many more."""
    row = min(rows, key=lambda row: (row.origin != "shrunk", len(row.configuration), row.identity))
    at = ", ".join(f"{name} = {value}" for name, value in row.configuration.items())
    sides = f"left {row.left:.6g}, right {row.right:.6g}" if row.left is not None and row.right is not None else ""
    lines = [f"{row.verdict} on {row.experiment} at {at}", sides, row.reason, f"all of it: elbound check {path.name}"]
    return "\n".join(line for line in lines if line)


def held_to(baseline: Run, config: pytest.Config, file: str, kept: Sequence[Kept]) -> tuple[list[str], bool]:
    """What an earlier run says of what the tests of a file judged, in lines, and whether something is worse.

    A claim that was not judged on all its experiments is not compared: what is missing may have been seen on another.
    """
    brief, name = brief_of(config, file), Path(file).name
    known = {x: stand for x, stand in baseline.stands.items() if x.partition("/")[0] == Path(file).stem}
    if not known:
        return [f"says nothing of {name}; elbound check {name} --output DIR writes one that does"], False
    docket, rows = docket_of(brief), [Row.from_json(row) for x in kept for row in x["rows"]]
    judged = {(row.claim, row.experiment) for row in rows if not row.version}
    serving = {x.name: [e.key for e in docket.experiments if x in docket.trying(e)] for x in docket.listed}
    whole = {claim for claim, keys in serving.items() if all((claim, key) in judged for key in keys)}
    told = run_of(summarise(rows, docket.entries(), facts_of(brief)))
    # Each test searches for its claim alone: under terms of their own only instances are compared, not the search.
    now = Run({"profile": "tests"}, {x: stand for x, stand in told.stands.items() if x in whole})
    gone = {x: stand for x, stand in known.items() if x not in serving}
    found = compare(Run({}, {**restricted(Run({}, known), now).stands, **gone}), now)
    lines = [f"{x.name}: {x.what}: {x.old}, now {x.new}{', worse' * x.worse}" for x in found.changes]
    lines += [f"{claim}: not compared, its tests did not all run" for claim in serving if claim not in whole]
    return [*lines, headline(found)], found.worse


def write_report(config: pytest.Config, file: str, kept: Sequence[Kept], folder: Path) -> Path:
    """Ledger, summary and page of what the tests of a file judged; returns where the page is."""
    brief, place = brief_of(config, file), Place(folder)
    with place.held():
        with open_ledger(brief, place, resume=False) as ledger:
            for x in kept:
                rows = tuple(Row.from_json(row) for row in x["rows"])
                keep(ledger, Outcome(Task(x["task"], "test"), rows, x["executions"], x["confirmations"]))
            conclude(brief, ledger, default_workers())
        publish(place.ledger, place)
    return place.page
