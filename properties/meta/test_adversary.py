"""The adversary on functions of known maximum: what it reaches, what it may not measure, that it repeats itself."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
from sympy import Eq, Le

from elbound.properties import adversary
from elbound.properties.adversary import Climb, Effort, Point, beside, corner, edge, opening
from elbound.properties.campaign import Bench
from elbound.properties.docket import Brief, Docket
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Context, Exact, Experiment, Situation
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Logarithmic, Space
from elbound.properties.trial import Trial
from elbound.reports.row import Row, Verdict
from elbound.theory.catalogue import Listed
from elbound.theory.claim import Claim, Setting
from elbound.theory.evaluate import Exceeds
from elbound.theory.symbols import L, hessian, r

SEEDS = range(10)
Value = Callable[[Configuration], float]
MIXED = Space(
    (
        Choice("law", ("a", "b", "c")),
        Count("n", 1, 2_000),
        Logarithmic("start", 1e-3, 1e3),
        Linear("step", 0.0, 3.0),
        *(Linear(f"idle {j}", 0.0, 1.0) for j in range(6)),
        Count("seed", 0, 2**16),
    )
)


def corner_of_the_assumptions(x: Configuration) -> float:
    """Below zero but where n = 1, start is largest and step is at the edge: all three at once, else a lesser hill."""
    sharp = float(x["step"]) * float(x["start"]) / (float(x["start"]) + 10) / float(x["n"]) ** 0.5
    return math.log(max(sharp, 0.2 * math.exp(-float(x["start"])), 1e-9)) - 0.1 * (x["law"] != "b")


def valley(x: Configuration) -> float:
    """A narrow, curved valley with its bottom inside (Rosenbrock)."""
    u, v = float(x["u"]), float(x["v"])
    return -(100 * (v - u * u) ** 2 + (1 - u) ** 2)


VALLEY = Space((Linear("u", -2.0, 2.0), Linear("v", -1.0, 3.0), Choice("kind", (0, 1))))


def reached(space: Space, value: Value, admits: adversary.Admits, evaluations: int, seed: int) -> dict[Point, float]:
    """What a whole search from an empty start measured, in order."""
    known: dict[Point, float] = {}

    def measure(points: Sequence[Point]) -> None:
        for p in points:
            assert p not in known
            assert admits(p)
            known[p] = value(space.configuration(p))

    opened = opening(space, [admits], math.ceil(0.4 * evaluations), seed)
    measure(opened)
    Climb(space, admits, measure, known, evaluations - len(opened), seed).run()
    return known


def below_one(point: Point) -> bool:
    return float(MIXED.configuration(point)["step"]) <= 1


def test_a_corner_of_the_assumptions_is_reached_where_three_parameters_must_be_extreme_at_once() -> None:
    best = [max(reached(MIXED, corner_of_the_assumptions, below_one, 128, seed).values()) for seed in SEEDS]
    # The largest value is log(1000 / 1010); a twentieth below it in the ratio counts as reached.
    assert sum(x >= math.log(0.95 / 1.01) for x in best) >= 8


def test_the_bottom_of_a_curved_valley_is_reached() -> None:
    best = [max(reached(VALLEY, valley, lambda _: True, 400, seed).values()) for seed in SEEDS]
    # A ratio of 0.95 of the largest.
    assert sum(x >= math.log(0.95) for x in best) >= 8
    even = (opening(VALLEY, [lambda _: True], 400, seed) for seed in SEEDS)
    alone = [max(valley(VALLEY.configuration(p)) for p in points) for points in even]
    assert sum(best) > sum(alone), "climbing beats its opening at the same cost"


def test_a_search_spends_no_more_than_it_may_measures_nothing_twice_and_repeats_itself() -> None:
    """What may not be measured is asserted inside."""
    for evaluations in (1, 7, 60):
        found = reached(MIXED, corner_of_the_assumptions, below_one, evaluations, 3)
        assert 0 < len(found) <= evaluations
        assert list(found.items()) == list(reached(MIXED, corner_of_the_assumptions, below_one, evaluations, 3).items())
    assert set(found) != set(reached(MIXED, corner_of_the_assumptions, below_one, 60, 4))


def test_a_search_ends_where_nothing_is_admitted_and_where_nothing_has_a_value() -> None:
    assert reached(MIXED, corner_of_the_assumptions, lambda _: False, 50, 1) == {}
    found = reached(MIXED, lambda _: -math.inf, below_one, 50, 1)
    assert len(found) == 50
    tiny = Space((Count("j", 1, 3),))
    assert set(reached(tiny, lambda x: float(x["j"]), lambda _: True, 50, 1)) == {(0,), (1,), (2,)}


def test_an_opening_has_the_simplest_point_and_corners_of_every_way_to_be_admitted() -> None:
    def far(point: Point) -> bool:
        return float(MIXED.configuration(point)["step"]) <= 2

    points = opening(MIXED, [below_one, far], 40, 1)
    assert points[0] == (0,) * len(MIXED.axes)
    assert len(points) == 40
    assert all(far(p) for p in points)
    steps = [float(MIXED.configuration(p)["step"]) for p in points]
    for limit in (1, 2):
        assert any(limit - 3e-4 < step <= limit for step in steps), "an edge is found to 2^-14 of the axis"
    ends = [sum(j in {0, axis.size - 1} for j, axis in zip(p, MIXED.axes, strict=True)) for p in points]
    assert sum(x >= len(MIXED.axes) - 2 for x in ends) >= 10


def test_an_edge_is_where_what_is_admitted_ends() -> None:
    space = Space((Count("n", 1, 100), Choice("law", ("a", "b"))))
    for last in (0, 1, 40, 99):
        assert edge(space, lambda p, last=last: p[0] <= last, (0, 0), 0, 99) == last  # type: ignore[misc]
    assert edge(space, lambda p: p[1] == 0, (3, 0), 1, 1) == 0
    random = np.random.default_rng(0)
    assert {corner(space, lambda p: p[0] <= 40, (9, 1), random)[0] for _ in range(20)} == {0, 40}


def test_an_instance_beside_an_edge_is_moved_by_one_step() -> None:
    space = Space((Count("n", 1, 9), Count("m", 1, 9)))
    assert beside(space, [lambda p: p[0] <= 3, lambda p: p[0] <= 4, lambda _: False], (4, 0)) == [(3, 0), (4, 0)]
    assert beside(space, [lambda _: True], (0, 8)) == [(0, 8)]


def test_the_nearest_point_of_a_configuration_on_the_grid_is_its_own() -> None:
    for point in opening(MIXED, [lambda _: True], 40, 2):
        assert MIXED.nearest(MIXED.configuration(point)) == point
    outside = {**MIXED.configuration((0,) * len(MIXED.axes)), "n": 5_000, "start": 0.0, "step": 9.0, "law": "other"}
    assert MIXED.nearest(outside)[:4] == (0, 1_999, 0, MIXED.axes[3].size - 1)


# On the bench

SETTING = Setting("hidden", "a thing with a needle", parameters=(r, L), observables=(hessian,))
SHARP = Listed("hidden/sharp", None, Claim(SETTING, Le(hessian, r), assuming=(L <= 5,), proof="none"), "A needle.")
OTHER = Listed("hidden/other", None, Claim(SETTING, Le(hessian, 2 * r), proof="none"), "A needle again.")


class Needle(Experiment):
    """Sharp at one configuration alone, and on a slope towards a lesser hill."""

    key = "hidden"
    title = "a needle"
    setting = SETTING
    space = Space((Count("place", 1, 100_000), Linear("length", 0.0, 10.0)))
    instances: Mapping[str, Configuration] = {"the needle": {"place": 77_777, "length": 5.0}}

    def situation(self, configuration: Configuration, context: Context) -> Situation:  # noqa: ARG002
        return Situation({r: 1.0, L: float(configuration["length"])})

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:  # noqa: ARG002
        if configuration["place"] == 100_000 and configuration["length"] == 0:
            raise RuntimeError("a corner that breaks")
        sharp = configuration["place"] == 77_777 and float(configuration["length"]) > 4.9
        return Exact({hessian: Interval.of(1.0 if sharp else 0.1 + int(configuration["place"]) / 1e6)})


@pytest.mark.parametrize(("hidden", "sharpest"), [(False, 1.0), (True, 0.2)])
def test_the_switch_hides_named_instances_from_the_search(*, hidden: bool, sharpest: float) -> None:
    bench = Bench(Brief(), Docket((SHARP, OTHER), (Needle(),)), Needle())
    bench.adversary(Effort(60, hide_instances=hidden))
    rows = [row for row in bench.finished() if row.claim == SHARP.name and not row.version]
    rows = [row for row in rows if row.verdict is not Verdict.ERROR]
    assert len(rows) == 1
    assert rows[0].ratio == pytest.approx(sharpest, rel=1e-12)
    assert rows[0].origin == "adversary"
    assert float(rows[0].configuration["length"]) <= 5


class Corner(Experiment):
    """The curvature exceeds r where L does, and also where L falls short of it by less than three thousandths."""

    key = "corner"
    title = "a threshold"
    setting = SETTING
    space = Space((Logarithmic("level", 1e-5, 1.0), Logarithmic("length", 1e-6, 10.0)))
    instances: Mapping[str, Configuration] = {"above": {"level": 0.5, "length": 3.0}}

    def situation(self, configuration: Configuration, context: Context) -> Situation:  # noqa: ARG002
        return Situation({r: float(configuration["level"]), L: float(configuration["length"])})

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:  # noqa: ARG002
        return Exact({hessian: Interval.of(float(configuration["length"]) * (1 + 3e-3))})


def test_an_equivalence_that_is_false_in_a_corner_alone_is_climbed_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """False for lengths just short of the level alone: of draws one in five thousand lies there."""
    claim = Claim(SETTING, Eq(Exceeds(hessian, r), Exceeds(L, r)), proof="none")
    listed = Listed("corner/iff", None, claim, "An equivalence.")

    def climbed(seed: int) -> list[Row]:
        bench = Bench(Brief(), Docket((listed,), (Corner(),)), Corner())
        bench.adversary(Effort(80, seed))
        return [row for row in bench.finished() if row.contradicted and not row.version]

    drawn = Bench(Brief(), Docket((listed,), (Corner(),)), Corner())
    drawn.search(0, 40)
    drawn.search(1, 40)
    assert not any(row.contradicted for row in drawn.finished() if not row.version)
    assert sum(map(bool, map(climbed, range(1, 5)))) >= 2
    for row in climbed(1):
        assert row.ratio is not None
        assert row.ratio > 1
    # Where both sides are zero or one and nothing else, there is nothing to climb.
    monkeypatch.setattr(Trial, "_nearness", lambda *_: None)
    assert not any(map(climbed, range(1, 5)))


def test_what_breaks_under_the_adversary_is_said() -> None:
    bench = Bench(Brief(), Docket((SHARP, OTHER), (Needle(),)), Needle())
    bench.adversary(Effort(60))
    broken = [row for row in bench.finished() if row.verdict is Verdict.ERROR]
    assert broken
    assert {row.reason for row in broken} == {"RuntimeError: a corner that breaks"}


def test_what_is_measured_for_one_claim_is_judged_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[Configuration] = []
    measure = Needle.measure

    def counted(self: Needle, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        measured.append(configuration)
        return measure(self, configuration, context, fault)

    monkeypatch.setattr(Needle, "measure", counted)
    bench = Bench(Brief(), Docket((SHARP, OTHER), (Needle(),)), Needle())
    bench.adversary(Effort(40, hide_instances=True))
    # Forty evaluations, and the best of each claim once more with its wrong versions.
    assert len(measured) <= 40 + 2
    assert all({SHARP.name, OTHER.name} == set(rows) for rows in bench.judged.values())


def test_seeds_of_parts_differ_and_depend_on_names_alone() -> None:
    found = [Effort(1, seed).seeded(*names) for seed in (1, 2) for names in (("a",), ("b",), ("a", "b"), ("ab",))]
    assert len(set(found)) == len(found)
    assert Effort(9, 1, hide_instances=True).seeded("a") == found[0]
    shares = itertools.pairwise(Effort.of(100, share).evaluations for share in (0.01, 0.5, 1.0))
    assert all(one < other for one, other in shares)
