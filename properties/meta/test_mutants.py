"""The ladder: what is generated, what counts as false, what is killed by what, and why the rest survives."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from sympy import Eq, Ge, Le, Max, Rational, Sum, sqrt

from elbound.properties.adversary import Effort
from elbound.properties.campaign import Bench, climbs_of, replayed, run_task, tasks_of
from elbound.properties.cli import main
from elbound.properties.docket import Brief, Docket, docket_of
from elbound.properties.evidence.budget import Budget
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Context, Exact, Experiment, Sample, Situation, experiments
from elbound.properties.mutants import CONSTANTS, FACTORS, STEPS, Family, ladder
from elbound.properties.run import Place, carry_out
from elbound.properties.spaces import Configuration, Linear, Space
from elbound.properties.survivors import Seen, Target, in_turn, targets_of
from elbound.properties.trial import NO_NUMBER, NO_STRONGER, Trial
from elbound.reports.ledger import Ledger
from elbound.reports.power import by_family, power_tables, score, tally
from elbound.reports.row import LADDER, UNDECIDED, Row, Verdict
from elbound.reports.summary import summarise
from elbound.theory.catalogue import Listed, catalogue
from elbound.theory.claim import Claim, Fact, Setting
from elbound.theory.settings import SMOOTH, UNBIASED
from elbound.theory.symbols import L, a, beta, hessian, lam, n, r, t

EXACT = Setting("planted", "a thing measured exactly", parameters=(r, lam, beta), observables=(hessian,))
RANDOM = Setting("planted at random", "a thing measured by replicates", (r, lam, beta), (hessian,), random=True)
STEPPED = Setting("planted steps", "a run", parameters=(n, lam, beta), observables=(a,))
BOUND = Claim(EXACT, Le(hessian, 3 * lam * r**2 / 2 + Max(beta, lam)), (r <= 2,))


def named(claim: Claim, family: Family) -> dict[str, Claim]:
    """The mutants of one family by name."""
    return {mutant.name: mutant.claim for mutant in ladder(claim) if mutant.family is family}


# What is generated


def test_the_bound_is_divided_by_each_constant_and_for_at_least_multiplied() -> None:
    below = named(BOUND, Family.CONSTANT)
    assert [mutant.right for mutant in below.values()] == [BOUND.right / c for c in CONSTANTS]
    above = named(Claim(EXACT, Ge(hessian, lam * r)), Family.CONSTANT)
    assert [mutant.right for mutant in above.values()] == [c * lam * r for c in CONSTANTS]
    assert {type(mutant.relation) for mutant in above.values()} == {Ge}


def test_each_number_and_each_summand_gets_another_coefficient_alone() -> None:
    found = {mutant.right for mutant in named(BOUND, Family.COEFFICIENT).values()}
    written = {factor * Rational(3, 2) * lam * r**2 + Max(beta, lam) for factor in FACTORS}
    unwritten = {3 * lam * r**2 / 2 + factor * Max(beta, lam) for factor in FACTORS}
    assert {x.doit() for x in found} == written | unwritten


def test_each_written_exponent_moves_by_each_step() -> None:
    found = [mutant.right for mutant in named(BOUND, Family.EXPONENT).values()]
    assert [x.doit() for x in found] == [3 * lam * r ** (2 + step) / 2 + Max(beta, lam) for step in STEPS]
    root = named(Claim(EXACT, Le(hessian, sqrt(lam) + beta)), Family.EXPONENT)
    assert {x.right.doit() for x in root.values()} == {lam ** (Rational(1, 2) + step) + beta for step in STEPS}


def test_an_odd_power_of_what_may_be_negative_keeps_its_sign_with_another_exponent() -> None:
    found = named(Claim(EXACT, Le(hessian, 1 / (lam - beta))), Family.EXPONENT).values()
    assert len(found) == len(STEPS)
    for mutant, step in zip(found, STEPS, strict=True):
        size = pytest.approx(2.0 ** float(step - 1))
        assert mutant.bound_at({lam: 3.0, beta: 1.0}) == size
        assert -mutant.bound_at({lam: 1.0, beta: 3.0}) == size


def test_a_square_of_what_may_be_negative_keeps_a_value_with_another_exponent() -> None:
    for mutant in named(Claim(EXACT, Le(hessian, (lam - beta) ** 2 + r)), Family.EXPONENT).values():
        assert math.isfinite(mutant.bound_at({lam: 1.0, beta: 3.0, r: 1.0}))


def test_each_summand_is_dropped() -> None:
    found = {mutant.right.doit() for mutant in named(BOUND, Family.TERM).values()}
    assert found == {3 * lam * r**2 / 2, Max(beta, lam)}


def test_each_symbol_gets_other_powers_on_its_side_alone() -> None:
    found = named(BOUND, Family.POWER)
    sides = {str(symbol): [name for name in found if name.startswith(f"{symbol} to")] for symbol in (r, lam, hessian)}
    assert all(sides.values())
    assert all(name.endswith("on the left") for name in sides["hessian"])
    assert all(found[name].left == hessian for name in (*sides["r"], *sides["lam"]))


def test_what_is_random_keeps_its_power_since_its_expectation_alone_is_known() -> None:
    found = named(Claim(RANDOM, Le(hessian, lam * r)), Family.POWER)
    assert found
    assert all("hessian" not in name for name in found)


def test_each_assumption_is_removed_and_nothing_else_changed() -> None:
    fact = Fact("small", "everything is small")
    setting = Setting("with a fact", "x", (r, lam, beta), (hessian,), facts=(fact,))
    claim = Claim(setting, BOUND.relation, (r <= 2, fact))
    found = named(claim, Family.ASSUMPTION)
    assert [mutant.assuming for mutant in found.values()] == [(fact,), (r <= 2,)]
    assert {mutant.relation for mutant in found.values()} == {claim.relation}


def test_an_inequality_is_reversed_and_an_equality_is_not() -> None:
    (mutant,) = named(BOUND, Family.REVERSED).values()
    assert mutant.relation == Ge(BOUND.left, BOUND.right)
    assert not named(Claim(EXACT, Eq(hessian, lam * r)), Family.REVERSED)


def test_indices_of_curves_and_limits_of_sums_are_no_quantities() -> None:
    claim = Claim(STEPPED, Le(Sum(lam * a[t] / sqrt(t), (t, 1, n)), beta * a[1] + sqrt(n + 1)))
    for mutant in ladder(claim):
        for total in mutant.claim.left.atoms(Sum) | mutant.claim.right.atoms(Sum):
            assert total.limits == ((t, 1, n),)
        assert {x.indices[0] for x in mutant.claim.left.atoms(type(a[t])) | mutant.claim.right.atoms(type(a[t]))} <= {
            t,
            1,
        }


def test_a_definition_is_mutated_in_the_relation_and_not_in_the_assumption() -> None:
    claim = Claim(EXACT, Le(hessian, L * r), (L <= 2,), where={L: 3 * lam + beta})
    changed = [mutant.claim for mutant in ladder(claim) if mutant.claim.where != claim.where]
    assert changed
    for mutant in changed:
        assert mutant.assuming == (3 * lam + beta <= 2,)
        assert mutant.right != claim.right


def test_mutants_of_one_claim_differ_in_name_and_statement_and_none_is_the_claim() -> None:
    for listed in catalogue():
        mutants = ladder(listed.claim)
        assert len({mutant.name for mutant in mutants}) == len(mutants), listed.name
        said = {(m.claim.relation, tuple(m.claim.where.items()), m.claim.assuming) for m in mutants}
        assert len(said) == len(mutants), listed.name
        own = (listed.claim.relation, tuple(listed.claim.where.items()), listed.claim.assuming)
        assert own not in said, listed.name
        assert bool(mutants) != (listed.claim.is_rate or listed.claim.is_finding), listed.name


def test_a_bound_of_zero_has_no_constant_to_divide_by() -> None:
    assert not named(Claim(EXACT, Ge(hessian, 0, evaluate=False)), Family.CONSTANT)


def test_the_ladder_is_the_same_each_time_and_can_be_printed() -> None:
    again = [(m.name, m.family, m.claim.statement, m.claim.latex) for m in ladder(BOUND)]
    assert again == [(m.name, m.family, m.claim.statement, m.claim.latex) for m in ladder(BOUND)]
    assert all(statement and latex for _, _, statement, latex in again)


# What becomes of the mutants of a planted claim


class Planted(Experiment):
    """Observes a share of 3 r / 2 exactly; one named instance, at share `at`, while the search sees `low` to `high`."""

    key = "planted"
    title = "a planted ratio"
    setting = EXACT

    def __init__(self, at: float, low: float, high: float) -> None:
        self.space = Space((Linear("share", low, high), Linear("radius", 1.0, 3.0)))
        self.instances: Mapping[str, Configuration] = {"known": {"share": at, "radius": 2.0}}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        return Situation({r: float(configuration["radius"]), lam: 1.0, beta: 1.0})

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Any:
        share, radius = float(configuration["share"]), float(configuration["radius"])
        # Beyond radius two, which the claim does not speak of, the bound fails.
        return Exact({hessian: Interval.of(1.5 * radius * share * (1.0 if radius <= 2 else 10.0))})


class Noisy(Planted):
    """The same in replicates between zero and three radii, whose mean is the share of 3 r / 2."""

    key = "planted-noise"
    setting = RANDOM

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Any:
        share, top = float(configuration["share"]), 3.0 * float(configuration["radius"])

        def draw(stage: str, first: int, count: int) -> Mapping[Any, Any]:
            generator = np.random.default_rng([len(stage), first])
            return {hessian: top * (generator.random(count) < share / 2)}

        return Sample(draw, {hessian: Interval.between(0.0, top)})


def listed_in(setting: Setting) -> Listed:
    return Listed("planted", None, Claim(setting, Le(hessian, 3 * r / 2), (r <= 2,)), "A planted bound.")


def rows_of(experiment: Experiment, *, searched: bool = True) -> list[Row]:
    bench = Bench(Brief("quick"), Docket((listed_in(experiment.setting),), (experiment,)), experiment)
    bench.instances()
    search = Bench(Brief("quick"), bench.docket, experiment)
    if searched:
        search.search(0, 40)
    return [*bench.finished(), *search.finished()]


def ladder_of(rows: list[Row]) -> dict[str, Any]:
    versions: dict[str, list[Row]] = {}
    for row in rows:
        versions.setdefault(row.version, []).append(row)
    return tally(versions)


def reasons(found: Mapping[str, Any]) -> dict[str, str]:
    return {survivor["name"]: survivor["reason"] for survivor in found["survivors"]}


def test_a_tight_bound_loses_every_stronger_mutant_on_its_exact_instance_and_in_the_search() -> None:
    found = ladder_of(rows_of(Planted(1.0, 0.9, 1.0)))
    assert found["smallest_killed_constant"] == 1.01
    assert found["certified_sharpness"] == pytest.approx(1.0, rel=1e-12)  # a handful of roundings
    assert found["families"]["constant"]["killed"] == len(CONSTANTS)
    # Reversed, the bound still holds where it is attained, and only the search goes below.
    assert found["families"]["reversed"] == {"total": 1, "false": 0, "killed": 1, "found": 0}
    assert found["killed"] == found["total"]
    assert 0 < found["found"] <= found["false"] < found["killed"]


def test_what_an_instance_alone_kills_is_false_but_not_found() -> None:
    found = ladder_of(rows_of(Planted(1.0, 0.5, 0.6)))
    assert "constant: the bound over 1.01" in found["missed"]
    assert found["families"]["constant"]["false"] == len(CONSTANTS)
    assert found["families"]["constant"]["found"] == sum(float(c) >= 2 for c in CONSTANTS)


def test_a_weaker_mutant_is_silent_and_neither_false_nor_a_survivor() -> None:
    rows = rows_of(Planted(1.0, 0.9, 1.0))
    (weaker,) = {row.version for row in rows if "3/2 as 3 in" in row.version}
    assert {(row.verdict, row.reason) for row in rows if row.version == weaker} == {
        (Verdict.ASSUMPTION_NOT_MET, NO_STRONGER)
    }
    found = ladder_of(rows)
    assert found["silent"] > 0
    assert weaker.removeprefix(LADDER) not in {*reasons(found), *found["missed"]}


def test_a_dropped_assumption_is_judged_outside_it_alone() -> None:
    rows = [row for row in rows_of(Planted(0.5, 0.4, 0.5)) if row.version.startswith(f"{LADDER}dropped assumption")]
    refuted = [row for row in rows if row.verdict is Verdict.REFUTED]
    assert [row.origin for row in refuted] == ["random"]
    assert float(refuted[0].configuration["radius"]) > 2
    assert ladder_of(rows)["families"]["dropped assumption"] == {"total": 1, "false": 0, "killed": 1, "found": 0}


def test_replicates_are_weighed_outside_an_assumption_on_named_instances_alone() -> None:
    experiment = Noisy(1.0, 1.6, 1.8)
    assert not [row for row in rows_of(experiment) if "dropped assumption" in row.version and row.judged]
    experiment.instances = {"known": {"share": 1.0, "radius": 2.0}, "outside": {"share": 1.8, "radius": 2.5}}
    (row,) = (row for row in rows_of(experiment, searched=False) if "dropped assumption" in row.version)
    assert (row.verdict, row.origin) == (Verdict.REFUTED, "instance: outside")
    assert row.replicates > 0


FREED = [
    (listed, place)
    for listed in catalogue()
    if not listed.claim.is_rate and not listed.claim.is_finding
    for place, assumption in enumerate(listed.claim.assuming)
    if assumption in (UNBIASED, SMOOTH)
]
# Twelve times a bound that is vacuous at practical sizes: it leaves room for gradients that never move.
VACUOUS = "descent/adam-bounded-gradient/momentum"


@pytest.mark.parametrize(("listed", "place"), FREED, ids=[f"{x.name}: {x.claim.assuming[k].name}" for x, k in FREED])
def test_biased_or_bent_beyond_l_a_named_instance_refutes_the_claim(listed: Listed, place: int) -> None:
    claim, context = listed.claim, Context()
    freed = replace(claim, assuming=claim.assuming[:place] + claim.assuming[place + 1 :])
    # The exact ones, which get the whole of a search, first.
    serving = sorted((x for x in experiments() if x.setting.serves(claim.setting)), key=lambda x: -x.share)

    def refuted(experiment: Experiment, configuration: Configuration) -> bool:
        situation = experiment.situation(configuration, context)
        if claim.assuming[place] in situation.facts:
            return False
        trial = Trial(situation, experiment.measure(configuration, context), Budget())
        return trial.judge(freed).verdict is Verdict.REFUTED

    found = any(refuted(x, configuration) for x in serving for configuration in x.instances.values())
    assert found == (listed.name != VACUOUS)


def test_what_the_bound_leaves_room_for_survives_as_loose() -> None:
    found = ladder_of(rows_of(Planted(0.5, 0.4, 0.5)))
    assert reasons(found)["constant: the bound over 1.5"] == "loose"
    assert found["families"]["constant"]["killed"] == sum(float(c) > 2 for c in CONSTANTS)
    assert found["smallest_killed_constant"] == 4.0


def test_what_the_search_came_closer_to_than_any_instance_survives_as_search() -> None:
    found = ladder_of(rows_of(Planted(0.1, 0.4, 0.5)))
    assert reasons(found)["constant: the bound over 1.5"] == "search"


def test_what_is_seen_broken_but_not_decided_survives_for_its_resolution() -> None:
    rows = rows_of(Noisy(1.0, 0.9, 1.0), searched=False)
    found = ladder_of(rows)
    survivors = reasons(found)
    assert survivors["constant: the bound over 1.01"] == "resolution"
    assert any(row.reason == UNDECIDED for row in rows)
    assert found["families"]["constant"]["killed"] > 0
    assert found["false"] == 0, "a sample proves nothing false"


def test_a_sampled_mutant_is_refuted_by_the_ordinary_evidence() -> None:
    refuted = [row for row in rows_of(Noisy(1.0, 0.9, 1.0), searched=False) if row.verdict is Verdict.REFUTED]
    assert refuted
    for row in refuted:
        assert row.replicates > 0
        assert row.log_e is not None
        assert row.log_e >= math.log(Budget().refute)


@pytest.mark.parametrize("experiment", [Planted(1.0, 0.9, 1.0), Noisy(1.0, 0.9, 1.0)], ids=["exact", "sampled"])
def test_a_look_never_finds_true_what_the_whole_judgement_refutes(experiment: Experiment) -> None:
    listed, context = listed_in(experiment.setting), Context()
    configuration = experiment.instances["known"]
    situation = experiment.situation(configuration, context)
    trial = Trial(situation, experiment.measure(configuration, context), Budget())
    refuted = 0
    for mutant in ladder(listed.claim):
        whole = trial.judge(mutant.claim).verdict is Verdict.REFUTED
        assert (trial.challenge(mutant.claim, listed.claim).verdict is Verdict.REFUTED) == whole, mutant.name
        refuted += whole
    assert refuted


def test_a_mutant_without_a_value_is_silent() -> None:
    """The square root of a negative number is no evidence of anything."""
    claim = Claim(EXACT, Le(hessian, sqrt(beta - lam) + 3 * r / 2))
    listed = Listed("planted", None, claim, "A bound.")
    experiment = Planted(1.0, 0.9, 1.0)
    bench = Bench(Brief("quick"), Docket((listed,), (experiment,)), experiment)
    bench.instances()
    raised = [row for row in bench.finished() if "beta times 0.5" in row.version]
    assert [(row.verdict, row.reason) for row in raised] == [(Verdict.ASSUMPTION_NOT_MET, NO_NUMBER)]


# Climbs on what survived


class Peak(Planted):
    """The share rises from `low` to `high` at one place inside its axis, where few draws come."""

    key = "peak"

    def __init__(self, at: float, low: float, high: float) -> None:
        super().__init__(at, 0.0, 1.0)
        self.low, self.high = low, high

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Any:
        place = float(configuration["share"])
        share = self.low + (self.high - self.low) / (1 + ((place - 0.731) / 0.01) ** 2)
        return super().measure({**configuration, "share": share}, context)


def climbed(experiment: Experiment, before: list[Row], effort: Effort, targets: Sequence[Target] = ()) -> list[Row]:
    (found,) = targets_of(before).values()
    bench = Bench(Brief("quick"), Docket((listed_in(experiment.setting),), (experiment,)), experiment)
    bench.survivors(targets or found, effort)
    return list(bench.finished())


NINE_TENTHS = "coefficient: 3/2 as 27/20 in 3*r/2 on the right"


def test_a_survivor_for_want_of_search_falls_to_its_own_climb_and_a_loose_one_is_not_climbed() -> None:
    experiment = Peak(0.01, 0.4, 0.95)
    before = rows_of(experiment)
    assert reasons(ladder_of(before))[NINE_TENTHS] == "search"
    after = climbed(experiment, before, Effort(400))
    (fallen,) = (row for row in after if row.version == LADDER + NINE_TENTHS)
    assert (fallen.verdict, fallen.origin) == (Verdict.REFUTED, "adversary")
    found = ladder_of([*before, *after])
    assert NINE_TENTHS not in reasons(found)
    assert found["killed"] > ladder_of(before)["killed"]
    # What is measured for one is looked at for all: this one has no climb of its own.
    assert reasons(ladder_of(before))["constant: the bound over 1.1"] == "search"
    assert "constant: the bound over 1.1" not in reasons(found)
    # True where nothing comes nearer than 0.95 of the bound, however much is searched.
    assert reasons(found)["constant: the bound over 1.05"] == "search"
    others = rows_of(Planted(0.5, 0.4, 0.5))
    (targets,) = targets_of(others).values()
    sought = {name for name, reason in reasons(ladder_of(others)).items() if reason == "search"}
    assert {x.version.removeprefix(LADDER) for x in targets} == sought
    assert reasons(ladder_of(others))["constant: the bound over 1.5"] == "loose"


def test_a_survivor_is_climbed_on_the_experiment_where_it_came_closest() -> None:
    before = rows_of(Peak(0.01, 0.4, 0.95))
    farther = [replace(row, experiment="farther", ratio=row.ratio / 2) for row in before if row.ratio is not None]
    assert targets_of([*farther, *before]) == targets_of(before)


def test_climbs_on_survivors_repeat_themselves_whatever_came_first() -> None:
    experiment = Peak(0.01, 0.4, 0.95)
    before = rows_of(experiment)
    assert targets_of(before) == targets_of(before[::-1])
    (targets,) = targets_of(before).values()
    one, other = climbed(experiment, before, Effort(40)), climbed(experiment, before, Effort(40), targets[::-1])
    assert sorted(map(repr, one)) == sorted(map(repr, other))


def test_climbs_on_survivors_measure_no_more_than_they_may_and_nothing_again(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[Configuration] = []
    measure = Peak.measure

    def counted(self: Peak, configuration: Configuration, context: Context, fault: str = "") -> Any:
        measured.append(configuration)
        return measure(self, configuration, context, fault)

    experiment = Peak(0.01, 0.4, 0.95)
    before = rows_of(experiment)
    monkeypatch.setattr(Peak, "measure", counted)
    climbed(experiment, before, Effort(25))
    assert 0 < len(measured) <= 25
    assert not [x for xs in targets_of(before).values() for y in xs for x in y.seen if x.configuration in measured]


def test_what_breaks_in_a_climb_on_a_survivor_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = Peak(0.01, 0.4, 0.95)
    before = rows_of(experiment)

    def broken(*_: Any) -> Any:
        raise RuntimeError("nothing can be measured")

    monkeypatch.setattr(Peak, "measure", broken)
    after = climbed(experiment, before, Effort(20))
    assert {(row.verdict, row.reason) for row in after} == {(Verdict.ERROR, "RuntimeError: nothing can be measured")}
    assert {row.version for row in after} == {""}


def test_the_closest_of_each_family_is_climbed_first_and_a_constant_never() -> None:
    def target(version: str, ratio: float) -> Target:
        return Target("planted", f"{LADDER}{version}", (Seen({"share": 0.5}, ratio), Seen({"share": 0.4}, ratio / 2)))

    constant = target("constant: the bound over 2", 0.99)
    powers = [target(f"power: {name}", ratio) for name, ratio in (("a", 0.3), ("b", 0.8), ("c", 0.5))]
    term = target("dropped term: d", 0.6)
    assert [x.closest for x in in_turn([constant, *powers, term])] == [0.8, 0.6, 0.5, 0.3]


def test_a_default_run_climbs_survivors_after_everything_else_and_resumes_without_doing_it_again(
    tmp_path: Path,
) -> None:
    brief = Brief(patterns=("smoothness/deep-layerwise/activation",))
    place, console = Place(tmp_path), Console(quiet=True)
    carry_out(brief, place, count=1, resume=False, console=console)
    with Ledger.open(place.ledger, readonly=True) as ledger:
        finished, rows = ledger.finished_tasks(), list(ledger.rows())
    (name,) = (x for x in finished if "survivors" in x)
    first = [row for x in tasks_of(brief) for row in run_task(brief, x).rows]
    (task,) = climbs_of(brief, lambda claim: (row for row in first if row.claim == claim))
    assert task.name == name
    fallen = [row for row in run_task(brief, task).rows if row.verdict is Verdict.REFUTED]
    assert fallen
    assert {row.to_json() for row in fallen} <= {row.to_json() for row in rows}
    assert {repr(replayed(brief, row)) for row in fallen} == {repr(row) for row in fallen}
    summary = carry_out(brief, place, count=1, resume=True, console=console)
    with Ledger.open(place.ledger, readonly=True) as ledger:
        assert (ledger.finished_tasks(), len(list(ledger.rows()))) == (finished, len(rows))
    survivors = reasons(summary["claims"][0]["mutants"]["ladder"])
    assert not {row.version.removeprefix(LADDER) for row in fallen} & survivors.keys()


def test_rows_of_mutants_replay_bit_for_bit() -> None:
    brief = Brief("quick", patterns=("smoothness/soft-clipping",))
    docket = docket_of(brief)
    experiment = next(x for x in docket.experiments if x.key == "smoothness/soft-clip")
    bench = Bench(brief, docket, experiment)
    bench.instances()
    rows = [row for row in bench.finished() if row.version.startswith(LADDER)]
    assert {row.verdict for row in rows} >= {Verdict.REFUTED, Verdict.CONSISTENT}
    for row in rows[:: len(rows) // 20]:
        assert repr(replayed(brief, row)) == repr(row)


# What is said of it


def test_the_tables_add_up_and_say_the_share_that_the_search_found() -> None:
    rows = rows_of(Planted(1.0, 0.5, 0.6))
    summary = summarise(rows, Docket((listed_in(EXACT),), ()).entries(), {})
    counts, found = by_family(summary), summary["claims"][0]["mutants"]["ladder"]
    assert counts["all"] == {name: found[name] for name in ("total", "false", "killed", "found")}
    assert sum(counts[family]["killed"] for family in found["families"]) == found["killed"]
    assert f"{found['killed']} of {found['total']} mutants" in score(summary)
    assert f"({100 * found['found'] / found['false']:.1f} percent)" in score(summary)
    assert len(power_tables(summary)) == 3
    assert summary["claims"][0]["mutants"]["named"] == [], "the ladder is no wrong version that must fall"


POWER = ("power", "smoothness/soft-clipping", "--profile", "quick", "--workers", "1", "--output")


def test_power_runs_where_nothing_was_run_and_reads_what_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*POWER, str(tmp_path)]) == 0
    first = capsys.readouterr().out
    assert "The ladder, claim by claim" in first
    written = (tmp_path / "ledger.sqlite").stat().st_mtime_ns
    assert main([*POWER, str(tmp_path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (tmp_path / "ledger.sqlite").stat().st_mtime_ns == written, (
        "a complete run on the same terms is not repeated"
    )
    below = said["claims"]["smoothness/soft-clipping/below"]
    assert below["smallest_killed_constant"] == 1.01
    assert said["families"]["all"]["killed"] == sum(x["killed"] for x in said["claims"].values())
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert 'id="ladder"' in page
    assert "mutants killed" in page


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("no/such-claim",), "claim 'no/such-claim': unknown; "),
        (("--profile", "none"), "invalid choice: 'none'"),
        (("--workers", "0"), "'0'; allowed: a whole number from 1 to 1024"),
    ],
)
def test_power_refuses_in_one_line(words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["power", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert captured.err.count("\n") == 1
