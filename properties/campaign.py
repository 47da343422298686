"""A run as tasks: named instances, planted faults, Hypothesis searches and the adversary, for each experiment.

When they are done come the climbs of the adversary on mutants that survived them. A task is a function of its name and
the brief alone, those climbs also of the rows before them, so it can run in any process; only the parent writes.
"""

import contextlib
import itertools
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any

from hypothesis import HealthCheck, Phase, find, given, seed, settings, target
from hypothesis.database import InMemoryExampleDatabase, choices_to_bytes
from hypothesis.errors import NoSuchExample
from sympy import Eq, Integer

from elbound.properties.adversary import GENERATION, Climb, Effort, Point, beside, opening
from elbound.properties.analysis import FAILURES, OWN_MODULE
from elbound.properties.datasets import part_used, user_option
from elbound.properties.docket import PROFILES, Brief, Docket, docket_of
from elbound.properties.evidence.budget import Budget
from elbound.properties.experiment import (
    Experiment,
    Measurement,
    Sample,
    Situation,
    measurement_by,
    situation_by,
)
from elbound.properties.judgement import Judgement
from elbound.properties.limits import Watch
from elbound.properties.place import Rival, rivals_of
from elbound.properties.slips import raised
from elbound.properties.spaces import Configuration, Space
from elbound.properties.survivors import Name, Target, in_turn, targets_of
from elbound.properties.terms import indicators_of
from elbound.properties.trial import Trial, failed
from elbound.properties.twice import RAISES, difference, elsewhere, seen_in
from elbound.reports.document import tagged
from elbound.reports.row import CONTRADICTED, JUDGED, LADDER, UNDECIDED, Row, Verdict
from elbound.theory.catalogue import Listed
from elbound.theory.claim import Claim

# Of one search, and searches of one task.
EXAMPLES, PARTS = 40, 3
SHRINKS = 200


@dataclass(frozen=True)
class Task:
    """One piece of a run: an experiment, and what to do with it.

    `until` is a place, as a brief names it, where the task ends early, and `only` the claims it is then done for.
    """

    experiment: str
    kind: str  # "instances", "fault", "search", "adversary" or "survivors"
    part: int = 0
    targets: tuple[Target, ...] = ()
    until: str = ""
    only: tuple[str, ...] = ()

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
        if docket.plants(experiment):
            others += [Task(experiment.key, "fault", j) for j in range(len(experiment.faults))]
        examples = math.ceil(profile.examples * experiment.share)
        searches += [Task(experiment.key, "search", j) for j in range(math.ceil(examples / (PARTS * EXAMPLES)))]
        climbs = math.ceil(profile.adversary * experiment.share) >= GENERATION
        if climbs and any(_attackable(x.claim) for x in docket.trying(experiment)):
            others.append(Task(experiment.key, "adversary"))
    heavy = {experiment.key: -experiment.share for experiment in docket.experiments}
    tasks = (task for task in searches + others if able(brief, task))
    return sorted(tasks, key=lambda task: (-heavy[task.experiment], task.name))


def able(brief: Brief, task: Task) -> bool:
    """Whether nothing that a task needs is left out of the brief."""
    docket = docket_of(brief)
    experiment = next((x for x in docket.experiments if x.key == task.experiment), None)
    if experiment is None or not docket.trying(experiment):
        return False
    if task.kind != "fault":
        return True
    return docket.plants(experiment) and fault_of(experiment, list(experiment.faults)[task.part]) not in brief.without


def fault_of(experiment: Experiment, fault: str) -> str:
    """What a planted fault that took too long is called in a brief."""
    return f"fault {fault} of {experiment.key}"


def place_of(experiment: str, configuration: Configuration) -> str:
    """What a configuration at which an experiment ended its process is called in a brief."""
    return f"configuration {json.dumps(tagged(configuration), sort_keys=True)} of {experiment}"


def climbs_of(brief: Brief, rows: Callable[[str], Iterable[Row]]) -> list[Task]:
    """The tasks that follow when all of `tasks_of` are done: climbs on the mutants they left for want of search.

    `rows` gives those of a claim by its name. A function of them alone, so of the brief.
    """
    docket, evaluations = docket_of(brief), PROFILES[brief.profile].survivors
    found: dict[str, list[Target]] = {}
    for listed in docket.listed:
        if evaluations and _attackable(listed.claim):
            for key, targets in targets_of(rows(listed.name)).items():
                found.setdefault(key, []).extend(targets)
    return [Task(x.key, "survivors", 0, tuple(found[x.key])) for x in docket.experiments if x.key in found]


def run_task(brief: Brief, task: Task, watch: Watch | None = None) -> Outcome:
    """Carries out one task; the same brief and task give the same rows, whatever ran before."""
    docket = docket_of(brief)
    if task.only:
        docket = replace(docket, listed=tuple(x for x in docket.listed if x.name in task.only))
    experiment = next(x for x in docket.experiments if x.key == task.experiment)
    bench = Bench(brief, docket, experiment, watch=watch, until=task.until)
    match task.kind:
        case "instances":
            bench.instances()
        case "fault":
            bench.rows.append(bench.fault(list(experiment.faults)[task.part]))
        case "search":
            examples = math.ceil(PROFILES[brief.profile].examples * experiment.share)
            # One bench for several searches: a version that fell in the first is not judged again in the others.
            for part in range(task.part * PARTS, min((task.part + 1) * PARTS, math.ceil(examples / EXAMPLES))):
                bench.search(part, min(EXAMPLES, examples - part * EXAMPLES))
        case "adversary":
            bench.adversary(Effort.of(PROFILES[brief.profile].adversary, experiment.share))
        case "survivors":
            bench.survivors(task.targets, Effort.of(PROFILES[brief.profile].survivors, experiment.share))
    return Outcome(task, bench.finished(), bench.executions, bench.confirmations)


def _silent(claim: Claim, situation: Situation) -> bool:
    """Whether a claim says nothing of a situation; one whose assumptions cannot be evaluated is judged, and says so."""
    try:
        return bool(claim.broken_assumption(situation.values, situation.facts))
    except Exception:
        return False


def _attackable(claim: Claim) -> bool:
    climbable = not isinstance(claim.relation, Eq) or bool(indicators_of(claim))
    return not claim.is_rate and not claim.is_finding and climbable


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
    doubts: dict[tuple[str, str], float] = field(default_factory=dict)
    judged: dict[tuple[tuple[str, Any], ...], dict[str, Row]] = field(default_factory=dict)
    executions: int = 0
    confirmations: int = 0
    complete: bool = False
    watch: Watch | None = None
    until: str = ""
    ended: bool = False  # at the place `until`, from where on nothing is measured
    rivals: dict[str, tuple[Rival, ...]] = field(default_factory=dict)
    parts: dict[tuple[tuple[str, Any], ...], tuple[int, int]] = field(default_factory=dict)
    first: Trial | None = None  # what was measured first

    @property
    def space(self) -> Space:
        option = user_option(self.brief.context)
        return self.experiment.space.with_option("data", option) if option else self.experiment.space

    @property
    def named(self) -> dict[str, Configuration]:
        """The named instances, the first once more on the user's own data."""
        found, option = dict(self.experiment.instances), user_option(self.brief.context)
        first = next(iter(found), "")
        if option and "data" in found.get(first, {}):
            found[f"{first}, on {option}"] = {**found[first], "data": option}
        return found

    def finished(self) -> tuple[Row, ...]:
        """All rows; of mutants that were never judged only where the named instances could not do it either."""
        spoken = [row for row in self.versions.values() if row.judged or not row.version.startswith(LADDER)]
        return (*self.rows, *(self.versions.values() if self.complete else spoken))

    # What the tasks do

    def instances(self) -> None:
        """Judges the named instances."""
        self.complete = True
        for name, configuration in self.named.items():
            self.judge(configuration, f"instance: {name}")
        for name, configuration in itertools.islice(self.named.items(), 1):
            self._measure_again(name, configuration)

    def _measure_again(self, name: str, configuration: Configuration) -> None:
        """An error row where the experiment, measured again at one instance, says something else."""
        origin, claims = f"instance: {name}", self.docket.trying(self.experiment)
        if (first := self.first) is None or self.ended:
            return
        try:
            with self._watched(configuration, origin):
                again = seen_in(self._trial(configuration, self._fixed(configuration), claims, origin), claims)
        except FAILURES as failure:  # a user's experiment may raise anything, the second time alone too
            again = {RAISES: raised(failure)}
        seen = seen_in(first, claims)
        differs, where = difference(seen, again), ""
        own = type(self.experiment).__module__.startswith(OWN_MODULE)
        if own and not differs and first.measurement is not None:
            other = elsewhere(self.brief, self.experiment, configuration)
            differs, where = difference(seen, other) if other else "", " by another interpreter, whose hashes differ,"
        if differs:
            reason = (
                f"experiment {self.experiment.key} is not a function of its configuration: {differs} when "
                f"instance {name} is measured again{where} under the same terms"
            )
            error = Judgement(Verdict.ERROR, reason=reason)
            self.rows.append(self._row(claims[0], "", configuration, origin, error, first.situation, 0.0))

    def fault(self, fault: str) -> Row:
        """The row of the first claim that notices a planted fault, on the instance that must expose it.

        Where no claim does, the row of the first that was judged there; where it cannot be measured, an error.
        """
        instance = self.experiment.faults[fault]
        configuration, origin = self.experiment.instances[instance], f"instance: {instance}"
        row = partial(self._row, version=f"fault: {fault}", configuration=configuration, origin=origin, seconds=0.0)
        claims = [x for x in self.docket.trying(self.experiment) if not x.claim.is_finding]
        with self._watched(configuration, origin, fault=fault):
            try:
                situation = self._fixed(configuration)
                measurement = self.experiment.measure(dict(configuration), self.brief.context, fault)
                measurement = measurement_by(self.experiment, measurement)
                trial = Trial(situation, measurement, self.budget)
            except FAILURES as failure:  # a user's experiment may raise anything
                return row(claims[0], judgement=failed(failure), situation=None)
        rows = []
        for listed in claims:
            with self._watched(configuration, origin, listed):
                judgement = self._judge(trial, listed.claim)
                rows.append(row(listed, judgement=judgement, situation=situation, device=trial.device))
        noticed = (x for x in rows if x.contradicted)
        return next(noticed, next((x for x in rows if x.judged), rows[0]))

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

    def adversary(self, effort: Effort) -> None:
        """Climbs the ratio of each inequality; keeps the best with its wrong versions, and shrinks what is refuted.

        What is measured for one claim is judged for all, and every climb starts from the best that is known.
        """
        claims = [x for x in self.docket.trying(self.experiment) if _attackable(x.claim)]
        situation = lru_cache(maxsize=256)(lambda point: self._situation(self.space.configuration(point)))
        known: dict[str, dict[Point, float]] = {x.name: {} for x in claims}

        def admits(point: Point, tried: Sequence[Listed]) -> bool:
            return _admits(situation(point), tried)

        def measure(points: Iterable[Point]) -> None:
            for point, configuration, way in self._generation(points):
                for name, row in self._probe(configuration, claims, situation(point), way).items():
                    known[name] |= {point: _height(row)} if row.judged else {}

        hidden, seed = effort.hide_instances, effort.seeded(self.experiment.key)
        own = [partial(admits, tried=(x,)) for x in claims]
        if not hidden:
            instances = map(self.space.nearest, self.experiment.instances.values())
            measure(dict.fromkeys(p for instance in instances for p in beside(self.space, own, instance)))
        opened = opening(self.space, own, effort.opening, seed)
        measure(opened)
        left = effort.evaluations - len(opened)
        for j, listed in enumerate(claims):
            share = left // (len(claims) - j)
            seed = effort.seeded(self.experiment.key, listed.name)
            climb = Climb(self.space, own[j], measure, known[listed.name], share, seed)
            left -= share - climb.run()
        self._keep_best(claims, known)
        self._shrink_refuted(dict.fromkeys(p for points in known.values() for p in points))

    def _keep_best(self, claims: Sequence[Listed], known: Mapping[str, Mapping[Point, float]]) -> None:
        """Judges each claim and its wrong versions where its ratio is largest, those of one place together."""
        best: dict[Point, list[Listed]] = {}
        for listed in claims:
            if values := known[listed.name]:
                best.setdefault(max(values, key=values.__getitem__), []).append(listed)
        for point, configuration, way in self._generation(best):
            self.rows += self._examine(configuration, "adversary", best[point], measure=way).values()

    def survivors(self, targets: Sequence[Target], effort: Effort) -> None:
        """Climbs the ratios of mutants that survived; what is measured for one is looked at for all still standing.

        Each climb starts from the best that is known, goes two generations at least while evaluations are left, and
        ends when its mutant falls.
        """
        listed = {x.name: x for x in self.docket.trying(self.experiment)}
        standing = {x.name: x.heights(self.space) for x in targets if x.claim in listed}
        situation = lru_cache(maxsize=256)(lambda point: self._situation(self.space.configuration(point)))

        def admits(point: Point, name: Name) -> bool:
            at = situation(point)
            return at is not None and self._speaks(listed[name[0]], name[1], at)

        def measure(points: Iterable[Point], climbed: Name) -> None:
            for point, configuration, way in self._generation(points):
                asked = [(listed[name[0]], name[1]) for name in standing if admits(point, name)]
                for one, version, found in self._challenges(asked, configuration, situation(point), way):
                    if found.verdict is Verdict.REFUTED:
                        del standing[one.name, version]
                    elif found.verdict in JUDGED and found.ratio is not None and found.ratio > 0:
                        standing[one.name, version][point] = math.log(found.ratio)
            if climbed not in standing:
                raise _Fallen

        left, waiting = effort.evaluations, in_turn([x for x in targets if x.name in standing])
        for j, name in enumerate(x.name for x in waiting):
            if name in standing and left > 0:
                share = min(left, max(2 * GENERATION, left // (len(waiting) - j)))
                own, seed = partial(admits, name=name), effort.seeded(self.experiment.key, *name)
                climb = Climb(self.space, own, partial(measure, climbed=name), standing[name], share, seed)
                with contextlib.suppress(_Fallen):
                    climb.run()
                left -= share - climb.evaluations

    def _speaks(self, listed: Listed, version: str, at: Situation) -> bool:
        """Whether a mutant is judged somewhere: where its claim speaks, but one freed of an assumption outside it."""
        met = not listed.claim.broken_assumption(at.values, at.facts)
        freed = self.docket.versions(listed).freed.get(version)
        return met if freed is None else not (met or freed.broken_assumption(at.values, at.facts))

    def _challenges(
        self,
        asked: Sequence[tuple[Listed, str]],
        configuration: Configuration,
        situation: Situation | None,
        way: Callable[[], Measurement],
    ) -> Iterator[tuple[Listed, str, Judgement]]:
        """What one measurement says of mutants that are judged there."""
        claims = [x for x in self.docket.trying(self.experiment) if any(x is one for one, _ in asked)]
        if not claims or situation is None or self._left_out(configuration):
            return
        try:
            with self._watched(configuration, "adversary"):
                trial = self._trial(configuration, situation, claims, "adversary", way)
        except FAILURES as failure:  # a user's experiment may raise anything
            broken = failed(failure)
            self.rows += [self._row(x, "", configuration, "adversary", broken, None, 0.0) for x in claims]
            return
        for listed, version in asked:
            met = version not in self.docket.versions(listed).freed
            with self._watched(configuration, "adversary", listed):
                yield listed, version, self._try_version(trial, listed, version, configuration, "adversary", met=met)

    def _generation(self, points: Iterable[Point]) -> Iterator[tuple[Point, Configuration, Callable[[], Measurement]]]:
        """Points that are wanted together, each with its configuration and how to measure it."""
        known = {point: self.space.configuration(point) for point in points}
        configurations, context = [dict(x) for x in known.values()], self.brief.context
        ways: Sequence[Callable[[], Measurement]]
        try:
            ways = self.experiment.generation(configurations, context)
        except FAILURES:  # whatever stands in the way, each is measured alone and says so itself
            ways = [partial(self.experiment.measure, x, context) for x in configurations]
        yield from zip(known, known.values(), ways, strict=True)

    def _probe(
        self,
        configuration: Configuration,
        claims: Sequence[Listed],
        situation: Situation | None,
        way: Callable[[], Measurement],
    ) -> Mapping[str, Row]:
        rows = self._examine(configuration, "adversary", claims, situation, way, versions=False)
        self.judged.setdefault(_key(configuration), {}).update(rows)
        self.rows += [row for row in rows.values() if row.verdict is Verdict.ERROR]
        return rows

    def _situation(self, configuration: Configuration) -> Situation | None:
        """What a configuration fixes; None where that fails, which examining it will say."""
        try:
            return self._fixed(configuration)
        except FAILURES:  # a user's experiment may raise anything
            return None

    def _fixed(self, configuration: Configuration) -> Situation:
        """What a configuration fixes. TypeError for what is no Situation, or lacks a parameter of the setting.

        Every call of an experiment gets a copy of the configuration: what it changes there is its own.
        """
        return situation_by(self.experiment, self.experiment.situation(dict(configuration), self.brief.context))

    # Judging

    def judge(self, configuration: Configuration, origin: str) -> Mapping[str, Row]:
        """Judges every claim at a configuration, once; the rows by claim."""
        key = _key(configuration)
        if key not in self.judged:
            self.judged[key] = self._examine(configuration, origin, self.docket.trying(self.experiment))
            self.rows += self.judged[key].values()
        return self.judged[key]

    def _examine(
        self,
        configuration: Configuration,
        origin: str,
        claims: Sequence[Listed],
        situation: Situation | None = None,
        measure: Callable[[], Measurement] | None = None,
        *,
        versions: bool = True,
        drawn: bool = False,
    ) -> dict[str, Row]:
        """The rows of the claims at a configuration; with the curves of both sides where they shall be drawn."""
        if self._left_out(configuration):
            return {}
        started = time.perf_counter()
        try:
            with self._watched(configuration, origin):
                situation = situation or self._fixed(configuration)
                trial = self._trial(configuration, situation, claims, origin, measure)
                self.first = self.first or trial
        except FAILURES as failure:  # a user's experiment may raise anything
            broken = failed(failure)
            return {x.name: self._row(x, "", configuration, origin, broken, None, 0.0) for x in claims}
        rows = {}
        for listed in claims:
            with self._watched(configuration, origin, listed):
                judgement = self._judge(trial, listed.claim)
                seconds, started = time.perf_counter() - started, time.perf_counter()
                wanted = (drawn or origin.startswith("instance")) and judgement.left is not None
                curves = trial.curves(listed.claim) if wanted else {}
                row = self._row(listed, "", configuration, origin, judgement, situation, seconds, curves, trial.device)
                if row.judged:
                    row = replace(row, rivals=self._rivals(trial, listed), reach=trial.reach(listed.claim))
                rows[listed.name] = row
                if versions and judgement.verdict is not Verdict.ERROR:
                    met = judgement.verdict is not Verdict.ASSUMPTION_NOT_MET
                    self._try_versions(trial, listed, configuration, origin, met=met)
        return rows

    def _left_out(self, configuration: Configuration) -> bool:
        """Whether measuring at a configuration ended a process before: its error rows are written elsewhere."""
        if not (self.brief.without or self.until):
            return False
        place = place_of(self.experiment.key, configuration)
        self.ended = self.ended or place == self.until
        return self.ended or place in self.brief.without

    def _watched(
        self, configuration: Configuration, origin: str, listed: Listed | None = None, fault: str = ""
    ) -> AbstractContextManager[None]:
        if self.watch is None:
            return nullcontext()
        claims = [listed] if listed else self.docket.trying(self.experiment)
        measured = fault_of(self.experiment, fault) if fault else f"experiment {self.experiment.key}"
        piece = {
            "experiment": self.experiment.key,
            "claims": [x.name for x in claims][: 1 if fault else None],
            "version": f"fault: {fault}" if fault else "",
            "stopped": f"claim {listed.name}" if listed else measured,
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

    def _trial(
        self,
        configuration: Configuration,
        situation: Situation,
        claims: Sequence[Listed],
        origin: str,
        measure: Callable[[], Measurement] | None = None,
    ) -> Trial:
        measure = measure or partial(self.experiment.measure, dict(configuration), self.brief.context)
        # Configurations outside every assumption are set aside before anything is simulated.
        if any(not _silent(x.claim, situation) for x in claims):
            return Trial(situation, measurement_by(self.experiment, measure()), self.budget)
        return Trial(situation, self._outside(situation, claims, origin, measure), self.budget)

    def _outside(
        self, situation: Situation, claims: Sequence[Listed], origin: str, measure: Callable[[], Measurement]
    ) -> Measurement | None:
        """A measurement where only mutants freed of an assumption speak; replicates on named instances alone."""
        freed = (
            mutant
            for x in claims
            for name, mutant in self.docket.versions(x).freed.items()
            if (x.name, name) not in self.versions or not self.versions[x.name, name].contradicted
        )
        if all(mutant.broken_assumption(situation.values, situation.facts) for mutant in freed):
            return None
        with contextlib.suppress(*FAILURES):
            measurement = measure()
            return measurement if _weighed(measurement, origin) else None
        return None

    def _judge(self, trial: Trial, claim: Claim) -> Judgement:
        return self._counted(trial.judge(claim))

    def _counted(self, judgement: Judgement) -> Judgement:
        self.executions += judgement.replicates > 0
        self.confirmations += judgement.confirmed
        return judgement

    def _try_versions(
        self, trial: Trial, listed: Listed, configuration: Configuration, origin: str, *, met: bool
    ) -> None:
        """Judges the wrong versions and mutants that are not refuted yet; where the claim is silent, those freed."""
        versions = self.docket.versions(listed)
        silent = versions.freed if _weighed(trial.measurement, origin) else {}
        for name in (*versions.named, *versions.mutants) if met else silent:
            known = self.versions.get((listed.name, name))
            if known is None or not known.contradicted:
                self._try_version(trial, listed, name, configuration, origin, met=met)

    def _try_version(
        self, trial: Trial, listed: Listed, name: str, configuration: Configuration, origin: str, *, met: bool
    ) -> Judgement:
        known, doubt = self.versions.get((listed.name, name)), self.doubts.get((listed.name, name), 0.0)
        judgement = self._attempt(trial, listed, name, doubt, met=met)
        if 0 < judgement.doubt <= doubt:
            return judgement
        # Where nothing is random the doubt is infinite, and every measurement counts anew.
        if math.isfinite(judgement.doubt):
            self.doubts[listed.name, name] = max(doubt, judgement.doubt)
        if known is None or _telling(judgement) > _telling(known):
            row = self._version_row(trial, listed, name, configuration, origin, judgement)
            self.versions[listed.name, name] = row
        return judgement

    def _attempt(self, trial: Trial, listed: Listed, name: str, doubt: float = 0.0, *, met: bool) -> Judgement:
        versions = self.docket.versions(listed)
        if name in versions.named:
            return self._counted(trial.weigh(versions.named[name]))
        return self._counted(trial.challenge(versions[name], listed.claim if met else None, doubt))

    def _version_row(
        self, trial: Trial, listed: Listed, name: str, configuration: Configuration, origin: str, judgement: Judgement
    ) -> Row:
        if not name.startswith(LADDER):
            situation = trial.situation
            return self._row(listed, name, configuration, origin, judgement, situation, 0.0, device=trial.device)
        if judgement.verdict is Verdict.CONSISTENT and trial.close(self.docket.versions(listed)[name]):
            judgement = replace(judgement, reason=UNDECIDED)
        # There are thousands of mutants, and parameters are most of a row.
        return self._row(listed, name, configuration, origin, judgement, None, 0.0, device=trial.device)

    def replay_version(self, listed: Listed, row: Row) -> Row:
        """The row of a wrong version or mutant once more."""
        try:
            situation = self._fixed(row.configuration)
            trial = self._trial(row.configuration, situation, (listed,), row.origin)
        except FAILURES as failure:  # a user's experiment may raise anything
            return self._row(listed, row.version, row.configuration, row.origin, failed(failure), None, 0.0)
        met = not listed.claim.broken_assumption(situation.values, situation.facts)
        judgement = self._attempt(trial, listed, row.version, met=met)
        return self._version_row(trial, listed, row.version, row.configuration, row.origin, judgement)

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
        device: str = "cpu",
    ) -> Row:
        context, part = self.brief.context, self._part(configuration) if judgement.verdict in JUDGED else (0, 0)
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
            device=device,
            dtype="float64",
            epoch=context.epoch,
            data=str(configuration.get("data", "")),
            data_rows=part[0],
            data_columns=part[1],
            curves=curves or {},
            expected=bool(version) or listed.claim.is_finding,
            vacuous=judgement.vacuous,
            slopes=judgement.slopes,
            seconds=seconds,
        )

    def _part(self, configuration: Configuration) -> tuple[int, int]:
        """How much of the user's table a configuration uses, asked once for each."""
        key = _key(configuration)
        if key not in self.parts:
            self.parts[key] = part_used(self.experiment, configuration, self.brief.context)
        return self.parts[key]

    # Shrinking

    def _shrink_refuted(self, points: Iterable[tuple[int, ...]]) -> None:
        for listed in self.docket.trying(self.experiment):
            if listed.claim.is_finding:
                continue
            refuting = next((p for p in points if self._refutes(p, listed)), None)
            if refuting is not None:
                self.rows += self._shrink(refuting, listed)

    def _refutes(self, point: tuple[int, ...], listed: Listed) -> bool:
        known = self.judged.get(_key(self.space.configuration(point)), {}).get(listed.name)
        return known is not None and known.verdict is Verdict.REFUTED

    def _shrink(self, point: tuple[int, ...], listed: Listed) -> Iterator[Row]:
        """The simplest refuting configuration Hypothesis comes to from a refuting one, within SHRINKS judgements."""
        known: dict[tuple[int, ...], Row | None] = {}

        def refuted(candidate: tuple[int, ...]) -> bool:
            if candidate not in known:
                if len(known) >= SHRINKS:
                    return False
                configuration = self.space.configuration(candidate)
                known[candidate] = self._examine(configuration, "shrunk", (listed,), versions=False).get(listed.name)
            row = known[candidate]
            return row is not None and row.verdict is Verdict.REFUTED

        smallest = self.space.configuration(_smallest(self.space, point, refuted))
        yield from self._examine(smallest, "shrunk", (listed,), versions=False, drawn=True).values()


class _Fallen(Exception):
    """The mutant that is climbed was refuted."""


def _key(configuration: Configuration) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(configuration.items()))


def _admits(situation: Situation | None, claims: Sequence[Listed]) -> bool:
    """Whether some claim's assumptions are met; what fails is admitted, so that it is examined and said."""
    return situation is None or any(not x.claim.broken_assumption(situation.values, situation.facts) for x in claims)


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


def _weighed(measurement: Measurement | None, origin: str) -> bool:
    """Whether mutants freed of an assumption are judged where it is broken: simulating every such draw takes long."""
    return not isinstance(measurement, Sample) or origin.startswith("instance")


def _telling(found: Row | Judgement) -> tuple[bool, bool, bool, float]:
    """How much is learned of a version that must fall: refuted, else seen broken, else judged at a larger ratio."""
    judged, ratio = found.verdict in JUDGED, found.ratio or 0.0
    size = math.log(ratio) if judged and ratio > 0 else -math.inf
    return (found.verdict in CONTRADICTED, found.reason == UNDECIDED, judged, size)


def _height(row: Row) -> float:
    """What the adversary climbs: the logarithm of the ratio, of exact values the certain part of it.

    Where rounding decides, the quotient of two computed numbers may be anything.
    """
    ratio = row.ratio if row.replicates else row.certified_ratio
    return math.log(ratio) if ratio is not None and ratio > 0 else -math.inf


def replayed(brief: Brief, row: Row, watch: Watch | None = None) -> Row:
    """The row judged once more from its configuration.

    Raises LookupError for a row that nothing here could give: its claim, experiment or version is not known, or its
    configuration is none of the experiment's, whatever it holds.
    """
    docket = docket_of(brief)
    experiment = next((x for x in docket.experiments if x.key == row.experiment), None)
    listed = next((x for x in docket.listed if x.name == row.claim), None)
    if experiment is None or listed is None:
        raise LookupError(f"row {row.identity}: its claim {row.claim} or experiment {row.experiment} is not known here")
    bench = Bench(brief, docket, experiment, watch=watch)
    if not bench.space.holds(row.configuration) and row.configuration not in bench.named.values():
        raise LookupError(
            f"row {row.identity}: its configuration is outside the space of {row.experiment} and none of its instances"
        )
    faults = {f"fault: {name}": name for name in experiment.faults}
    if row.version and row.version not in faults and row.version not in docket.versions(listed):
        raise LookupError(f"row {row.identity}: {row.version!r} is not known here for {row.claim} on {row.experiment}")
    if row.version in faults:
        return bench.fault(faults[row.version])
    if row.version:
        found = bench.replay_version(listed, row)
    else:
        found = bench._examine(row.configuration, row.origin, (listed,), versions=False)[listed.name]
    return replace(found, version=row.version, expected=row.expected, curves=row.curves, seconds=row.seconds)
