"""Tasks repeat themselves bit for bit; a planted mistake is found, shrunk replayed; failures stay where they are."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sympy import Le

from elbound.properties.adversary import Effort
from elbound.properties.campaign import Bench, Outcome, Task, place_of, replayed, run_task, tasks_of
from elbound.properties.docket import PROFILES, Brief, Docket, Profile, Versions, docket_of
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Context, Exact, Experiment, Situation, experiments
from elbound.properties.experiments.decoder_offset import OFFSET_MOMENTS
from elbound.properties.judgement import Judgement
from elbound.properties.spaces import Configuration, Count, Linear, Logarithmic, Space
from elbound.properties.trial import Trial
from elbound.reports.row import LADDER, Row, Verdict
from elbound.theory.catalogue import Listed, catalogue
from elbound.theory.claim import Claim, Setting
from elbound.theory.smoothness.soft_clipping import BELOW
from elbound.theory.symbols import hessian, r

QUICK = Brief("quick")
SAMPLED = ("descent/clipped-linear-vae", "tangent/kernel-entry", "tangent/kernel-matrix")
# The simulated runs are slow; one instance of each kind of network, or of training, stands for all.
FEW = {
    "descent/clipped-linear-vae": ("from the least value, B=8",),
    "tangent/kernel-entry": ("ReLU, two inputs", "erf, one input"),
}
# A sixth of a quick search repeats itself or does not, as the whole does.
SHORT = Profile("short", examples=4, adversary=0)
REPEATED = [
    Task(experiment.key, kind)
    for experiment in experiments()
    for kind in ("instances", "search")
    if experiment.share == 1 and (kind == "instances" or experiment.setting.random)
]


def untimed(rows: Sequence[Row]) -> list[Row]:
    """Rows without their one field that no rerun repeats."""
    return [replace(row, seconds=0.0) for row in rows]


@pytest.mark.parametrize("task", REPEATED, ids=lambda task: task.name)
def test_a_task_gives_the_same_rows_to_the_last_bit(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROFILES, SHORT.name, SHORT)
    experiment = experiment_of(task.experiment)
    few = FEW.get(task.experiment, tuple(experiment.instances))
    monkeypatch.setattr(experiment, "instances", {name: experiment.instances[name] for name in few})
    one, other = (run_task(replace(QUICK, profile=SHORT.name), task) for _ in range(2))
    assert one.rows
    assert repr(untimed(one.rows)) == repr(untimed(other.rows))
    assert (one.executions, one.confirmations) == (other.executions, other.confirmations)
    assert one.confirmations <= one.executions


def experiment_of(key: str) -> Experiment:
    return next(x for x in experiments() if x.key == key)


def judged_in_blocks(key: str, block: int) -> dict[tuple[str, str], Row]:
    """Rows of the named instances, with that many replicates simulated together."""
    brief = Brief("quick", context=Context(block=block))
    experiment = experiment_of(key)
    own = tuple(x for x in catalogue() if x.claim.setting == experiment.setting)
    bench = Bench(brief, Docket(own, (experiment,)), experiment)
    for name in FEW.get(key, tuple(experiment.instances)):
        bench.judge(experiment.instances[name], f"instance: {name}")
    return {(row.claim, f"{row.version} at {row.origin}"): row for row in bench.finished()}


@pytest.mark.parametrize("key", SAMPLED)
def test_the_block_size_moves_no_verdict_and_no_ratio(key: str) -> None:
    small, large = judged_in_blocks(key, 64), judged_in_blocks(key, 256)
    assert small.keys() == large.keys()
    assert any(row.replicates for row in small.values())
    for name, row in small.items():
        other = large[name]
        assert (row.verdict, row.basis, row.replicates) == (other.verdict, other.basis, other.replicates), name
        # Sums over steps and data in another order: relative errors of at most a few thousand roundings.
        for one, two in ((row.ratio, other.ratio), (row.left, other.left), (row.right, other.right)):
            assert (one is None) == (two is None), name
            assert one is None or one == pytest.approx(two, rel=1e-12), name


# A planted mistake

PLANTED = '''"""The sharp rate at half its bound: false where the offset starts at its optimum."""

from dataclasses import replace

from elbound.theory.descent import sgd_sharp

HALVED = replace(sgd_sharp.SGD_SHARP, relation=sgd_sharp.SGD_SHARP.wrong["halved"], wrong={}, attained=0.0)
'''
OFFSET = OFFSET_MOMENTS.key


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Brief:
    path = tmp_path_factory.mktemp("planted") / "planted_half.py"
    path.write_text(PLANTED, encoding="utf-8")
    return Brief("quick", file=str(path))


@cache
def outcome(brief: Brief, kind: str) -> Outcome:
    return run_task(brief, Task(OFFSET, kind))


def grid_point(space: Space, configuration: Mapping[str, Any]) -> tuple[int, ...]:
    """The grid point of a configuration."""
    point = []
    for axis in space.axes:
        value = configuration[axis.name]
        if isinstance(axis, Linear | Logarithmic):
            low, high = 0, axis.size - 1
            while low < high:
                middle = (low + high) // 2
                low, high = (middle + 1, high) if axis.value(middle) < value else (low, middle)
            point.append(low)
        else:
            point.append([axis.value(j) for j in range(axis.size)].index(value))
    assert space.configuration(point) == configuration
    return tuple(point)


def test_a_planted_mistake_is_the_only_claim_of_its_file(planted: Brief) -> None:
    (listed,) = docket_of(planted).listed
    assert listed.name == "planted_half"
    named = {task.experiment for task in tasks_of(planted)}
    assert named == {x.key for x in experiments() if x.setting.serves(listed.claim.setting)}


def test_a_planted_mistake_is_refuted_by_search_and_shrunk(planted: Brief) -> None:
    rows = [row for row in outcome(planted, "search").rows if not row.version]
    refuted = [row for row in rows if row.verdict is Verdict.REFUTED]
    start = next(row for row in refuted if row.origin == "random")
    (shrunk,) = (row for row in rows if row.origin == "shrunk")
    assert shrunk.verdict is Verdict.REFUTED
    before, after = (grid_point(OFFSET_MOMENTS.space, row.configuration) for row in (start, shrunk))
    assert after < before, "shrinking starts from the first axis"
    assert sum(after) < sum(before)
    assert sum(coordinate == 0 for coordinate in after) > sum(coordinate == 0 for coordinate in before)


def test_a_planted_mistake_replays_to_the_same_numbers(planted: Brief) -> None:
    for row in outcome(planted, "search").rows:
        if row.verdict is Verdict.REFUTED:
            again = replayed(planted, row)
            assert repr(again) == repr(row)
            assert again.identity == row.identity


def test_a_row_of_a_claim_that_is_gone_cannot_be_replayed(planted: Brief) -> None:
    row = next(iter(outcome(planted, "search").rows))
    with pytest.raises(LookupError, match=row.identity):
        replayed(QUICK, row)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": "wrong: gone"}, "'wrong: gone' is not known here"),
        ({"version": "ladder: constant: gone"}, "'ladder: constant: gone' is not known here"),
        ({"version": "fault: gone"}, "'fault: gone' is not known here"),
        ({"configuration": {"anything": 10**12}}, "configuration is outside the space"),
        ({"configuration": {}}, "configuration is outside the space"),
    ],
)
def test_a_row_that_nothing_here_could_give_is_not_replayed(
    planted: Brief, changes: dict[str, object], said: str
) -> None:
    row = replace(next(iter(outcome(planted, "search").rows)), **changes)  # type: ignore[arg-type]
    with pytest.raises(LookupError, match=f"{row.identity}.*{said}"):
        replayed(planted, row)


def test_a_planted_mistake_is_refuted_by_the_adversary_alone(planted: Brief) -> None:
    bench = Bench(planted, docket_of(planted), OFFSET_MOMENTS)
    bench.adversary(Effort(48))
    found = [row for row in bench.finished() if row.origin == "adversary" and not row.version]
    assert [row.verdict for row in found] == [Verdict.REFUTED]
    shrunk = [row for row in bench.finished() if row.origin == "shrunk"]
    assert [row.verdict for row in shrunk] == [Verdict.REFUTED]
    before, after = (grid_point(OFFSET_MOMENTS.space, row.configuration) for row in (*found, *shrunk))
    assert sum(after) < sum(before)


def test_wrong_versions_and_faults_replay_too() -> None:
    """Every kind of row of one task, judged again on its own."""
    of_each = (run_task(QUICK, Task("importance/gaussian-posterior", kind)).rows for kind in ("instances", "fault"))
    rows = [row for rows in of_each for row in rows]
    kinds = {row.version.partition(":")[0] for row in rows}
    assert kinds == {"", "wrong", "fault", "ladder"}
    for row in (row for row in rows if not row.version.startswith(LADDER)):
        assert repr(replayed(QUICK, row)) == repr(row)


def test_a_wrong_version_is_not_judged_again_once_it_fell(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[tuple[str, Verdict]] = []
    names = {relation: name for name, relation in BELOW.versions.items()}
    weigh = Trial.weigh

    def counted(trial: Trial, claim: Claim) -> Judgement:
        found = weigh(trial, claim)
        judged.append((names.get(claim.relation, "itself"), found.verdict))
        return found

    monkeypatch.setattr(Trial, "weigh", counted)
    experiment = experiment_of("smoothness/soft-clip")
    listed = next(x for x in catalogue() if x.claim is BELOW)
    bench = Bench(QUICK, Docket((listed,), (experiment,)), experiment)
    monkeypatch.setattr(Docket, "versions", lambda *_: replace(Versions.of(BELOW), mutants={}))
    for name, configuration in experiment.instances.items():
        bench.judge(configuration, f"instance: {name}")
    assert [name for name, _ in judged].count("itself") == len(experiment.instances)
    for name in names.values():
        verdicts = [verdict for judged_name, verdict in judged if judged_name == name]
        assert verdicts[-1] is Verdict.REFUTED
        assert Verdict.REFUTED not in verdicts[:-1]
        assert bench.versions[listed.name, f"wrong: {name}"].verdict is Verdict.REFUTED
    # Some version survives the first instance, so that "once it fell" is not "once".
    assert len(judged) > len(experiment.instances) + len(names)


def test_a_configuration_is_judged_once() -> None:
    bench = Bench(QUICK, docket_of(QUICK), experiment_of("smoothness/soft-clip"))
    configuration = bench.experiment.instances["sT = 4"]
    first = bench.judge(configuration, "instance: sT = 4")
    assert bench.judge(dict(reversed(list(configuration.items()))), "random") is first
    assert len(bench.rows) == len(first)


# Failures

SETTING = Setting("fragile", "a thing that may break", parameters=(r,), observables=(hessian,))
SMALL = Listed("fragile/small", None, Claim(SETTING, Le(hessian, r), proof="none"), "A fragile thing.")
LARGE = Listed("fragile/large", None, Claim(SETTING, Le(hessian, 2 * r), proof="none"), "A fragile thing.")


class Fragile(Experiment):
    """Observes its parameter; breaks at two of five places."""

    key = "fragile"
    title = "breaks on purpose"
    setting = SETTING
    space = Space((Count("place", 1, 5), Linear("share", 0.5, 0.6)))
    instances: Mapping[str, Configuration] = {f"place {j}": {"place": j, "share": 0.5} for j in range(1, 6)}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        if configuration["place"] == 2:
            raise ValueError(f"place 2:\n  broken on {context.device}")
        return Situation({r: float(configuration["place"])})

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        if configuration["place"] == 4:
            raise RuntimeError(f"the measurement{fault} broke on {context.device}")
        return Exact({hessian: Interval.of(float(configuration["place"]) * float(configuration["share"]))})


def test_a_configuration_that_breaks_is_an_error_of_one_line_and_the_rest_goes_on() -> None:
    bench = Bench(QUICK, Docket((SMALL, LARGE), (Fragile(),)), Fragile())
    bench.instances()
    rows = {(row.claim, row.configuration["place"]): row for row in bench.finished() if not row.version}
    assert len(rows) == 10
    for (_, place), row in rows.items():
        if place in {2, 4}:
            assert row.verdict is Verdict.ERROR
            assert "\n" not in row.reason
            assert row.reason == (
                "ValueError: place 2: broken on cpu" if place == 2 else "RuntimeError: the measurement broke on cpu"
            )
        else:
            assert row.verdict is Verdict.SUPPORTED


def test_a_search_goes_on_past_what_breaks() -> None:
    bench = Bench(QUICK, Docket((SMALL, LARGE), (Fragile(),)), Fragile())
    bench.search(0, 40)
    bench.adversary(Effort(40))
    places = {row.configuration["place"]: row.verdict for row in bench.rows if row.origin == "random"}
    assert set(places) == {1, 2, 3, 4, 5}
    assert {place for place, verdict in places.items() if verdict is Verdict.ERROR} == {2, 4}


class Scribbling(Fragile):
    """Writes into the configuration that it is given."""

    instances: Mapping[str, Configuration] = {"one": {"place": 1, "share": 0.5}, "three": {"place": 3, "share": 0.5}}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        found = super().situation(configuration, context)
        configuration.update(place=4, share=0.0)  # type: ignore[attr-defined]
        return found

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        found = super().measure(configuration, context, fault)
        configuration.clear()  # type: ignore[attr-defined]
        return found


def test_what_an_experiment_writes_into_its_configuration_is_lost() -> None:
    bench = Bench(QUICK, Docket((SMALL, LARGE), (Scribbling(),)), Scribbling())
    bench.instances()
    assert [x.configuration["place"] for x in bench.rows if x.claim == "fragile/small"] == [1, 3]
    bench.search(0, 40)
    bench.adversary(Effort(40))
    drawn = [x for x in bench.rows if x.judged]
    assert {x.configuration["place"] for x in drawn} == {1, 3, 5}
    for row in drawn:
        assert row.parameters == {"r": row.configuration["place"]}
    again = replayed_by(bench, drawn[-1])
    assert repr(again) == repr(drawn[-1])


def replayed_by(bench: Bench, row: Row) -> Row:
    """The row judged once more by a bench that has seen nothing."""
    fresh = Bench(bench.brief, bench.docket, bench.experiment)
    return replace(fresh.judge(row.configuration, row.origin)[row.claim], seconds=row.seconds)


class Steep(Fragile):
    """Observes more than its parameter from the second place on."""

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:  # noqa: ARG002
        place = float(configuration["place"])
        return Exact({hessian: Interval.of(place + float(place > 1) * float(configuration["share"]))})

    def situation(self, configuration: Configuration, context: Context) -> Situation:  # noqa: ARG002
        return Situation({r: float(configuration["place"])})


def test_a_witness_is_not_sought_where_the_process_ended_before() -> None:
    def shrunk(*without: str) -> list[Configuration]:
        bench = Bench(replace(QUICK, without=without), Docket((SMALL,), (Steep(),)), Steep())
        bench.search(0, 40)
        return [x.configuration for x in bench.rows if x.origin == "shrunk"]

    (first,) = shrunk()
    assert first["place"] == 2
    (second,) = shrunk(place_of("fragile", first))
    assert second != first


# What a run consists of


@pytest.mark.parametrize("profile", PROFILES)
def test_tasks_cover_every_experiment_and_have_names_of_their_own(profile: str) -> None:
    tasks = tasks_of(Brief(profile))
    assert len({task.name for task in tasks}) == len(tasks)
    assert {task.experiment for task in tasks if task.kind == "instances"} == {x.key for x in experiments()}
    assert {task.experiment for task in tasks if task.kind == "search"} == {x.key for x in experiments()}
    faults = [(x.key, j) for x in experiments() for j, _ in enumerate(x.faults)]
    assert sorted((task.experiment, task.part) for task in tasks if task.kind == "fault") == sorted(faults)
    assert any(task.kind == "adversary" for task in tasks) == bool(PROFILES[profile].adversary)


def test_a_narrower_brief_tries_its_claims_alone() -> None:
    brief = Brief("quick", patterns=("smoothness",))
    assert {x.key.partition("/")[0] for x in docket_of(brief).listed} == {"smoothness"}
    rows = run_task(brief, Task("smoothness/soft-clip", "instances")).rows
    assert {row.claim for row in rows} <= {x.name for x in docket_of(brief).listed}
    assert not any(row.version.startswith("fault") for row in rows)
    assert not any(task.kind == "fault" for task in tasks_of(brief)), "faults may be noticed by other claims only"


def test_rows_of_one_task_name_each_judgement_once() -> None:
    rows = run_task(QUICK, Task("tangent/kernel-matrix", "instances")).rows
    assert len({row.identity for row in rows}) == len(rows)
    assert Path(rows[0].experiment).parts == ("tangent", "kernel-matrix")
