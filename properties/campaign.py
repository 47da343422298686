"""A run as tasks: named instances with planted faults, Hypothesis searches and the adversary, for each experiment.

A task is a function of its name and the brief alone, so it can run in any process; only the parent writes.
"""

import importlib
import math
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import HealthCheck, Phase, find, given, seed, settings, target
from hypothesis.database import InMemoryExampleDatabase, choices_to_bytes
from hypothesis.errors import NoSuchExample
from sympy import Integer

from elbound.properties.datasets import user_option
from elbound.properties.docket import PROFILES, Brief, Docket, docket_of
from elbound.properties.evidence.budget import Budget
from elbound.properties.experiment import Experiment, Situation
from elbound.properties.limits import Watch
from elbound.properties.place import Rival, rivals_of
from elbound.properties.spaces import Configuration, Space
from elbound.properties.trial import Judgement, Trial, failed
from elbound.reports.row import Row, Verdict
from elbound.theory.catalogue import Listed
from elbound.theory.claim import Claim

EXAMPLES_PER_TASK = 40
SHRINKS = 200
POPULATION = 8


@dataclass(frozen=True)
class Task:
    """One piece of a run: an experiment, and what to do with it."""

    experiment: str
    kind: str  # "instances", "search" or "adversary"
    part: int = 0

    @property
    def name(self) -> str:
        return f"{self.experiment}: {self.kind} {self.part}"


@dataclass(frozen=True)
class Outcome:
    """What a task found, and how much evidence it used."""

    task: Task
    rows: tuple[Row, ...]
    executions: int
    confirmations: int


def tasks_of(brief: Brief) -> list[Task]:
    """The tasks of a run, the longest kind first."""
    docket, profile = docket_of(brief), PROFILES[brief.profile]
    searches, others = [], []
    for experiment in docket.experiments:
        if not docket.trying(experiment):
            continue
        others.append(Task(experiment.key, "instances"))
        examples = math.ceil(profile.examples * experiment.share)
        searches += [Task(experiment.key, "search", j) for j in range(math.ceil(examples / EXAMPLES_PER_TASK))]
        climbs = math.ceil(profile.adversary * experiment.share) >= POPULATION
        if climbs and any(_attackable(x.claim) for x in docket.trying(experiment)):
            others.append(Task(experiment.key, "adversary"))
    heavy = {experiment.key: -experiment.share for experiment in docket.experiments}
    return sorted(searches + others, key=lambda task: (-heavy[task.experiment], task.name))


def run_task(brief: Brief, task: Task, watch: Watch | None = None) -> Outcome:
    """Carries out one task; the same brief and task give the same rows, whatever ran before."""
    docket = docket_of(brief)
    experiment = next(x for x in docket.experiments if x.key == task.experiment)
    bench = Bench(brief, docket, experiment, watch=watch)
    match task.kind:
        case "instances":
            bench.instances()
        case "search":
            examples = math.ceil(PROFILES[brief.profile].examples * experiment.share)
            bench.search(task.part, min(EXAMPLES_PER_TASK, examples - task.part * EXAMPLES_PER_TASK))
        case "adversary":
            bench.adversary(math.ceil(PROFILES[brief.profile].adversary * experiment.share))
    return Outcome(task, bench.finished(), bench.executions, bench.confirmations)


def _attackable(claim: Claim) -> bool:
    return not claim.is_rate and not claim.is_finding and claim.relation.rel_op != "=="


@dataclass
class Bench:
    """One experiment, the claims it can judge, and the rows so far.

    Every configuration yields a row for every claim; of a wrong version only the refutation is kept, or the strongest
    failure to refute it, and once refuted it is not judged again within the task.
    """

    brief: Brief
    docket: Docket
    experiment: Experiment
    budget: Budget = field(default_factory=Budget)
    rows: list[Row] = field(default_factory=list)
    versions: dict[tuple[str, str], Row] = field(default_factory=dict)
    judged: dict[tuple[tuple[str, Any], ...], dict[str, Row]] = field(default_factory=dict)
    executions: int = 0
    confirmations: int = 0
    watch: Watch | None = None
    rivals: dict[str, tuple[Rival, ...]] = field(default_factory=dict)

    @property
    def space(self) -> Space:
        option = user_option(self.brief.context)
        return self.experiment.space.with_option("data", option) if option else self.experiment.space

    def finished(self) -> tuple[Row, ...]:
        return (*self.rows, *self.versions.values())

    # What the tasks do

    def instances(self) -> None:
        """Judges the named instances, then every planted fault on the instance that must expose it."""
        for name, configuration in self.experiment.instances.items():
            self.judge(configuration, f"instance: {name}")
        if option := user_option(self.brief.context):
            for name, configuration in list(self.experiment.instances.items())[:1]:
                if "data" in configuration:
                    self.judge({**configuration, "data": option}, f"instance: {name}, on {option}")
        if self.docket.complete:
            for fault, instance in self.experiment.faults.items():
                self.rows.append(self._fault(fault, instance))

    def search(self, part: int, examples: int) -> None:
        """Draws configurations with Hypothesis, every third part steered to large ratios; shrinks what is refuted."""
        points, steered = [], part % 3 == 2

        @seed(part)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.target) if steered else (Phase.generate,),
            suppress_health_check=list(HealthCheck),
        )
        @given(self.space.points)
        def examine(point: tuple[int, ...]) -> None:
            points.append(point)
            for name, row in self.judge(self.space.configuration(point), "random").items():
                if steered and row.ratio is not None and row.ratio > 0:
                    target(math.log(row.ratio), label=name)

        examine()
        self._shrink_refuted(points)

    def adversary(self, evaluations: int) -> None:
        """Climbs the ratio of each inequality with CMA-ES over the unit cube, then shrinks what is refuted."""
        claims = [x for x in self.docket.trying(self.experiment) if _attackable(x.claim)]
        for listed in claims:
            self._climb(listed, max(POPULATION, evaluations // len(claims)))

    def _climb(self, listed: Listed, evaluations: int) -> None:
        cma = _cma()
        space, points, best = self.space, [], None
        options = {
            "seed": 1,
            "popsize": POPULATION,
            "verbose": -9,
            "bounds": [0, 1],
            "maxfevals": evaluations,
        }
        # CMA-ES wants two dimensions or more; a spare one is not read.
        strategy = cma.CMAEvolutionStrategy(max(2, len(space.axes)) * [0.5], 0.3, options)
        while not strategy.stop():
            cubes = strategy.ask()
            asked = [space.from_cube(cube[: len(space.axes)]) for cube in cubes]
            found = [self._probe(space.configuration(point), listed) for point in asked]
            strategy.tell(cubes, [-_log_ratio(row) for row in found])
            points += asked
            best = max((row for row in (best, *found) if row is not None), key=_log_ratio)
        if best is not None and best.judged:
            self.rows.append(best)
        self._shrink_refuted(points)

    def _probe(self, configuration: Configuration, listed: Listed) -> Row:
        row = self._examine(configuration, "adversary", (listed,))[listed.name]
        self.judged.setdefault(tuple(sorted(configuration.items())), {})[listed.name] = row
        return row

    # Judging

    def judge(self, configuration: Configuration, origin: str) -> Mapping[str, Row]:
        """Judges every claim at a configuration, once; the rows by claim."""
        key = tuple(sorted(configuration.items()))
        if key not in self.judged:
            self.judged[key] = self._examine(configuration, origin, self.docket.trying(self.experiment))
            self.rows += self.judged[key].values()
        return self.judged[key]

    def _examine(
        self, configuration: Configuration, origin: str, claims: Sequence[Listed], *, drawn: bool = False
    ) -> dict[str, Row]:
        """The rows of the claims at a configuration; with the curves of both sides where they shall be drawn."""
        started = time.perf_counter()
        try:
            with self._watched(configuration, origin):
                situation = self.experiment.situation(configuration, self.brief.context)
                trial = self._trial(configuration, situation, claims)
        except Exception as failure:  # a user's experiment may raise anything
            broken = failed(failure)
            return {x.name: self._row(x, "", configuration, origin, broken, None, 0.0) for x in claims}
        rows = {}
        for listed in claims:
            with self._watched(configuration, origin, listed):
                judgement = self._judge(trial, listed.claim)
                seconds, started = time.perf_counter() - started, time.perf_counter()
                wanted = (drawn or origin.startswith("instance")) and judgement.left is not None
                curves = trial.curves(listed.claim) if wanted else {}
                row = self._row(listed, "", configuration, origin, judgement, situation, seconds, curves)
                rows[listed.name] = replace(row, rivals=self._rivals(trial, listed)) if row.judged else row
                if row.judged:
                    self._wrong_versions(trial, listed, configuration, origin)
        return rows

    def _watched(
        self, configuration: Configuration, origin: str, listed: Listed | None = None
    ) -> AbstractContextManager[None]:
        if self.watch is None:
            return nullcontext()
        claims = [listed] if listed else self.docket.trying(self.experiment)
        piece = {
            "experiment": self.experiment.key,
            "claims": [x.name for x in claims],
            "stopped": f"claim {listed.name}" if listed else f"experiment {self.experiment.key}",
            "where": listed.where if listed else "",
            "configuration": dict(configuration),
            "origin": origin,
        }
        return self.watch.over(piece)

    def _rivals(self, trial: Trial, listed: Listed) -> dict[str, float]:
        """What known claims on the same left side allow it here, and the claim itself; for a user's own claims."""
        if not listed.where:
            return {}
        if listed.name not in self.rivals:
            self.rivals[listed.name] = rivals_of(listed.claim, self.experiment)
        own = Rival(listed.name, listed.claim, Integer(1))
        rivals = self.rivals[listed.name]
        bounds = {rival.name: trial.bound(rival) for rival in (*rivals, own)} if rivals else {}
        return {name: bound for name, bound in bounds.items() if bound is not None and math.isfinite(bound)}

    def _trial(self, configuration: Configuration, situation: Situation, claims: Sequence[Listed]) -> Trial:
        # Configurations outside every assumption are set aside before anything is simulated.
        met = any(not x.claim.broken_assumption(situation.values, situation.facts) for x in claims)
        measurement = self.experiment.measure(configuration, self.brief.context) if met else None
        return Trial(situation, measurement, self.budget)

    def _judge(self, trial: Trial, claim: Claim) -> Judgement:
        judgement = trial.judge(claim)
        self.executions += judgement.replicates > 0
        self.confirmations += judgement.confirmed
        return judgement

    def _wrong_versions(self, trial: Trial, listed: Listed, configuration: Configuration, origin: str) -> None:
        for name in listed.claim.versions:
            known = self.versions.get((listed.name, name))
            if known is not None and known.verdict is Verdict.REFUTED:
                continue
            judgement = self._judge(trial, listed.claim.version(name))
            row = self._row(listed, f"wrong: {name}", configuration, origin, judgement, trial.situation, 0.0)
            if known is None or row.verdict is Verdict.REFUTED or _log_ratio(row) > _log_ratio(known):
                self.versions[listed.name, name] = row

    def _fault(self, fault: str, instance: str) -> Row:
        """The row of the first claim that notices a planted fault, or of the first claim if none does."""
        configuration = self.experiment.instances[instance]
        situation = self.experiment.situation(configuration, self.brief.context)
        trial = Trial(situation, self.experiment.measure(configuration, self.brief.context, fault), self.budget)
        rows = []
        for listed in self.docket.trying(self.experiment):
            if not listed.claim.is_finding:
                judgement = self._judge(trial, listed.claim)
                origin = f"instance: {instance}"
                rows.append(self._row(listed, f"fault: {fault}", configuration, origin, judgement, situation, 0.0))
        noticed = (row for row in rows if row.verdict is Verdict.REFUTED)
        return next(noticed, next((row for row in rows if row.judged), rows[0]))

    def _row(
        self,
        listed: Listed,
        version: str,
        configuration: Configuration,
        origin: str,
        judgement: Judgement,
        situation: Situation | None,
        seconds: float,
        curves: Mapping[str, list[float]] | None = None,
    ) -> Row:
        context = self.brief.context
        reason = judgement.reason
        if judgement.verdict is Verdict.ERROR and not reason.startswith(listed.where.partition(":")[0]):
            reason = f"{listed.where}: {reason}"
        return Row(
            claim=listed.name,
            version=version,
            experiment=self.experiment.key,
            origin=origin,
            configuration=dict(configuration),
            parameters=situation.plain if situation else {},
            verdict=judgement.verdict,
            basis=judgement.basis,
            reason=reason,
            left=judgement.left,
            right=judgement.right,
            error=judgement.error,
            ratio=judgement.ratio,
            certified_ratio=judgement.certified_ratio,
            resolution=judgement.resolution,
            log_e=judgement.log_e,
            replicates=judgement.replicates,
            device=context.device,
            dtype="float64",
            epoch=context.epoch,
            data=str(configuration.get("data", "")),
            curves=curves or {},
            expected=bool(version) or listed.claim.is_finding,
            vacuous=judgement.vacuous,
            seconds=seconds,
        )

    # Shrinking

    def _shrink_refuted(self, points: Iterable[tuple[int, ...]]) -> None:
        for listed in self.docket.trying(self.experiment):
            if listed.claim.is_finding:
                continue
            refuting = next((p for p in points if self._refutes(p, listed)), None)
            if refuting is not None:
                self.rows.append(self._shrink(refuting, listed))

    def _refutes(self, point: tuple[int, ...], listed: Listed) -> bool:
        key = tuple(sorted(self.space.configuration(point).items()))
        known = self.judged.get(key, {}).get(listed.name)
        return known is not None and known.verdict is Verdict.REFUTED

    def _shrink(self, point: tuple[int, ...], listed: Listed) -> Row:
        """The simplest refuting configuration Hypothesis comes to from a refuting one, within SHRINKS judgements."""
        known: dict[tuple[int, ...], Row] = {}

        def refuted(candidate: tuple[int, ...]) -> bool:
            if candidate not in known:
                if len(known) >= SHRINKS:
                    return False
                known[candidate] = self._examine(self.space.configuration(candidate), "shrunk", (listed,))[listed.name]
            return known[candidate].verdict is Verdict.REFUTED

        smallest = self.space.configuration(_smallest(self.space, point, refuted))
        return self._examine(smallest, "shrunk", (listed,), drawn=True)[listed.name]


def _cma() -> Any:
    """The package, imported where it is needed: it takes most of a second, and warns of plots it cannot draw."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("cma")


def _smallest(space: Space, point: tuple[int, ...], refuted: Any) -> tuple[int, ...]:
    database, key = InMemoryExampleDatabase(), b"witness"
    # Under the key itself Hypothesis keeps what is shrunk already; under this one, what it should still shrink.
    database.save(key + b".secondary", choices_to_bytes(space.choices(point)))
    phases = (Phase.reuse, Phase.shrink)
    options = settings(database=database, deadline=None, phases=phases, suppress_health_check=list(HealthCheck))
    try:
        return find(space.points, refuted, settings=options, database_key=key)
    except NoSuchExample:
        return point


def _log_ratio(row: Row | None) -> float:
    if row is None or not row.judged or row.ratio is None or not row.ratio > 0:
        return -1e3
    return math.log(row.ratio)


def outcomes(
    brief: Brief, tasks: Sequence[Task], executor: Executor, serve: Callable[[Brief, Task], Outcome] = run_task
) -> Iterator[Outcome]:
    """Runs tasks on any `concurrent.futures.Executor`, yielding each outcome as it comes."""
    futures = [executor.submit(serve, brief, task) for task in tasks]
    for future in as_completed(futures):
        yield future.result()


def replayed(brief: Brief, row: Row) -> Row:
    """The row judged once more from its configuration. Raises LookupError for a claim or experiment that is gone."""
    docket = docket_of(brief)
    experiment = next((x for x in docket.experiments if x.key == row.experiment), None)
    listed = next((x for x in docket.listed if x.name == row.claim), None)
    if experiment is None or listed is None:
        raise LookupError(f"row {row.identity}: its claim {row.claim} or experiment {row.experiment} is not known here")
    bench = Bench(brief, docket, experiment)
    kind, _, name = row.version.partition(": ")
    if kind == "fault":
        instance = row.origin.removeprefix("instance: ")
        return bench._fault(name, instance)
    if kind == "wrong":
        listed = replace(listed, claim=listed.claim.version(name))
    found = bench._examine(row.configuration, row.origin, (listed,))[listed.name]
    return replace(found, version=row.version, expected=row.expected, curves=row.curves, seconds=row.seconds)
