"""Families of configurations: grids that reach both ends, shrink to the simple one, and fix their situations.

Situations only; nothing is simulated here. Configurations come from a Halton sequence, the same in every run.
"""

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from scipy.stats import qmc
from sympy import Max, Sum

from elbound.properties import spaces
from elbound.properties.arithmetics import Enclosures, Replicates
from elbound.properties.evidence.intervals import Interval
from elbound.properties.evidence.streams import canonical, stream_key
from elbound.properties.experiment import Context, Experiment, Situation, Spectrum, experiments
from elbound.properties.spaces import (
    FAR,
    FINE,
    Axis,
    Choice,
    Configuration,
    Count,
    Linear,
    Logarithmic,
    LogarithmicCount,
    Space,
)
from elbound.theory.catalogue import Listed, catalogue
from elbound.theory.evaluate import NotMeasured, evaluate
from elbound.theory.symbols import beta, d, i, lam_i

EXPERIMENTS = pytest.mark.parametrize("experiment", experiments(), ids=lambda x: x.key)
AXES = [(experiment.key, axis) for experiment in experiments() for axis in experiment.space.axes]
EVERY_AXIS = pytest.mark.parametrize(
    "axis", [axis for _, axis in AXES], ids=[f"{key}: {axis.name}" for key, axis in AXES]
)
CONTEXT = Context()
DRAWS = 100
quiet = settings(deadline=None, derandomize=True, database=None, max_examples=50)


@cache
def configurations(experiment: Experiment) -> tuple[Configuration, ...]:
    """The experiment's named instances, then points spread evenly over its space and its far corner."""
    space = experiment.space
    cubes = qmc.Halton(len(space.axes), scramble=False).random(DRAWS).tolist()
    spread = (space.configuration(space.from_cube(cube)) for cube in (*cubes, [1.0] * len(space.axes)))
    return (*experiment.instances.values(), *spread)


@cache
def situations(experiment: Experiment) -> tuple[Situation, ...]:
    return tuple(experiment.situation(configuration, CONTEXT) for configuration in configurations(experiment))


@EVERY_AXIS
def test_an_axis_reaches_both_ends_and_stays_between_them(axis: Axis) -> None:
    assert axis.size >= 2
    points = sorted({0, 1, axis.size // 3, axis.size // 2, axis.size - 2, axis.size - 1})
    found = [axis.value(point) for point in points]
    if isinstance(axis, Choice):
        assert [axis.value(point) for point in range(axis.size)] == list(axis.options)
        assert len(set(axis.options)) == axis.size
        return
    assert isinstance(axis, Linear | Logarithmic | Count | LogarithmicCount)
    assert (found[0], found[-1]) == (axis.low, axis.high)
    numbers = [float(x) for x in found]
    # Neighbouring points of a count's logarithm may round to one number.
    assert numbers == sorted(numbers if isinstance(axis, LogarithmicCount) else set(numbers))
    assert all(type(x) is (int if isinstance(axis, Count | LogarithmicCount) else float) for x in found)


@quiet
@given(st.floats(1e-6, 1e6), st.floats(1.0 + 1e-9, 1e9), st.integers(0, FINE))
def test_a_logarithmic_axis_has_equal_ratios_and_stays_in_range(low: float, factor: float, point: int) -> None:
    axis = Logarithmic("x", low, low * factor)
    value = axis.value(point)
    # exp of a logarithm of size at most log 1e15 = 35, each rounded: about 40 units in the last place.
    slack = 64 * 2.0**-53
    assert low * (1 - slack) <= value <= axis.high * (1 + slack)
    assert value == pytest.approx(low ** (1 - point / FINE) * axis.high ** (point / FINE), rel=slack)


@EXPERIMENTS
def test_values_drawn_from_a_space_are_what_streams_can_be_keyed_by(experiment: Experiment) -> None:
    names = [axis.name for axis in experiment.space.axes]
    assert len(set(names)) == len(names)
    encoded = {canonical(configuration) for configuration in configurations(experiment)}
    assert len(encoded) == len(configurations(experiment))
    keys = {stream_key(experiment.key, configuration, "screen") for configuration in configurations(experiment)}
    assert len(keys) == len(encoded)
    for configuration in experiment.instances.values():
        assert set(names) <= set(configuration)


@EXPERIMENTS
def test_points_shrink_to_the_simple_end(experiment: Experiment) -> None:
    space = experiment.space
    assert smallest(space, lambda _: True) == (0,) * len(space.axes)
    for place in (0, len(space.axes) - 1):
        least = min(3, space.axes[place].size - 1)
        wanted = tuple(least * (j == place) for j in range(len(space.axes)))
        assert smallest(space, lambda point, k=place, low=least: point[k] >= low) == wanted  # type: ignore[misc]


def smallest(space: Space, condition: Callable[[tuple[int, ...]], bool]) -> tuple[int, ...]:
    """The simplest point with a property."""
    options = settings(
        deadline=None, derandomize=True, database=None, max_examples=200, phases=(Phase.generate, Phase.shrink)
    )
    return find(space.points, condition, settings=options)


@EXPERIMENTS
def test_the_cube_maps_onto_the_grid_corner_to_corner(experiment: Experiment) -> None:
    space = experiment.space
    size = len(space.axes)
    first, last = (0,) * size, tuple(axis.size - 1 for axis in space.axes)
    assert space.from_cube([0.0] * size) == space.from_cube([-0.5] * size) == first
    assert space.from_cube([1.0] * size) == space.from_cube([1.5] * size) == last
    for k in range(size):
        corner = tuple(last[j] if j == k else 0 for j in range(size))
        assert space.from_cube([float(j == k) for j in range(size)]) == corner
    middles = [space.from_cube([(j + 0.5) / 64] * size) for j in range(64)]
    assert middles == sorted(middles)
    for k, axis in enumerate(space.axes):
        assert len({point[k] for point in middles}) == min(axis.size, 64)


def drawn_of(space: Space, count: int) -> list[tuple[int, ...]]:
    """The first points of a search."""
    found: list[tuple[int, ...]] = []

    @settings(max_examples=count, database=None, derandomize=True, phases=(Phase.generate,), deadline=None)
    @given(space.points)
    def examine(point: tuple[int, ...]) -> None:
        found.append(point)

    examine()
    return found


def test_a_long_axis_is_drawn_all_over_and_at_its_simple_end_more_often() -> None:
    size = 57
    drawn = [point[1] for point in drawn_of(Space((Linear("x", 0.0, 1.0), Count("k", 1, size))), 2000)]
    # One draw in twenty, and one in fifty-seven: six standard errors below. Hypothesis adds mutants of earlier draws.
    share = 1 / 20 + 1 / size
    assert sum(k == 0 for k in drawn) / len(drawn) >= share - 6 * (share / len(drawn)) ** 0.5
    # Were only half of the draws even, a point would be missed with probability 57 exp(-1000 / 60), below 1e-5.
    assert set(drawn) == set(range(size))


@pytest.mark.parametrize("number", [7_316_552_048_169, 10**6, 2**64 + 1])
def test_numbers_in_the_source_of_a_local_module_move_no_search(number: int, tmp_path: Path) -> None:
    space = Space((Linear("x", 0.0, 1.0), Choice("data", ("one", "two"))))
    before = drawn_of(space, 200)
    (tmp_path / "local.py").write_text(f"A, B = {number}, [{', '.join(str(number + j) for j in range(50))}]\n")
    module = ModuleType("local_with_numbers")
    module.__file__ = str(tmp_path / "local.py")
    sys.modules[module.__name__] = module
    try:
        after = drawn_of(space, 200)
    finally:
        del sys.modules[module.__name__]
    assert after == before
    assert str(FAR) not in Path(spaces.__file__).read_text()


@quiet
@given(st.integers(1, 2000), st.data())
def test_every_grid_point_is_reached_from_the_middle_of_its_cell(size: int, data: st.DataObject) -> None:
    space = Space((Count("x", 1, size),))
    point = data.draw(st.integers(0, size - 1))
    assert space.from_cube([(point + 0.5) / size]) == (point,)


@pytest.mark.parametrize(("usual", "size"), [(1, 3), (4, 2), (6, 4)])
def test_the_first_option_is_drawn_as_many_times_as_often_as_said(usual: int, size: int) -> None:
    space = Space((Choice("x", tuple(range(size)), usual),))
    cells = usual + size - 1
    drawn = [space.from_cube([(j + 0.5) / cells]) for j in range(cells)]
    assert drawn == [(0,)] * usual + [(j,) for j in range(1, size)]
    # Among so few points the simple end is drawn often enough as it is.
    seen = [space.choices((j,)) for j in range(size)]
    assert seen == [(FAR,), *((FAR + usual + j,) for j in range(size - 1))]
    for j in range(size):
        assert smallest(space, lambda point, k=j: point[0] >= k) == (j,)  # type: ignore[misc]


def test_a_point_of_another_dimension_is_refused() -> None:
    space = Space((Count("x", 1, 3), Linear("y", 0.0, 1.0)))
    with pytest.raises(ValueError, match="zip"):
        space.configuration((1,))
    with pytest.raises(ValueError, match="zip"):
        space.from_cube([0.5])


def test_an_option_joins_a_choice_as_the_last_and_leaves_other_spaces_alone() -> None:
    space = Space((Choice("data", ("one", "two")), Count("data points", 1, 2)))
    wider = space.with_option("data", "mine")
    assert wider.axes[0] == Choice("data", ("one", "two", "mine"))
    assert wider.axes[1:] == space.axes[1:]
    assert wider.configuration((2, 0)) == {"data": "mine", "data points": 1}
    for name in ("law", "data points"):
        assert space.with_option(name, "mine") == space


def entries_of(value: float | Spectrum) -> tuple[float, ...]:
    return value.values if isinstance(value, Spectrum) else (value,)


def test_a_curve_of_parameters_has_its_values_in_every_arithmetic_and_by_name() -> None:
    spectrum = Spectrum((3.0, 2.0, 0.5), error=1e-3)
    situation = Situation({lam_i: spectrum, d: 3, beta: 2.0})
    top, whole = Max(1, beta * lam_i[i]), Sum(lam_i[i], (i, 1, d))
    for expression, expected in ((whole, 5.5), (Sum(top, (i, 1, d)), 11.0), (lam_i[2], 2.0), (lam_i[d], 0.5)):
        assert evaluate(expression, situation.values) == expected
        assert float(np.squeeze(evaluate(expression, situation.values, Replicates()))) == expected
        enclosed = evaluate(expression, situation.enclosed, Enclosures())
        assert enclosed.contains(expected)
        assert 1e-3 < float(enclosed.width.max()) < 2e-2
    assert situation.plain == {"lam_i[1]": 3.0, "lam_i[2]": 2.0, "lam_i[3]": 0.5, "d": 3.0, "beta": 2.0}
    assert {*situation.enclosed} == {lam_i, d, beta}
    for beyond in (4, 0.0):
        with pytest.raises(NotMeasured, match="measured: 1 to 3"):
            spectrum(beyond)


@EXPERIMENTS
def test_every_configuration_fixes_the_parameters_of_its_setting_and_no_others(experiment: Experiment) -> None:
    setting = experiment.setting
    for configuration, situation in zip(configurations(experiment), situations(experiment), strict=True):
        assert set(situation.values) == set(setting.parameters), configuration
        assert situation.facts <= set(setting.facts), configuration
        entries = ((x, y) for x, value in situation.values.items() for y in entries_of(value))
        for symbol, value in entries:
            assert value == value, f"{symbol} is not a number at {configuration}"
            assert not (symbol.is_positive and value <= 0), f"{symbol} = {value} at {configuration}"
            assert not (symbol.is_nonnegative and value < 0), f"{symbol} = {value} at {configuration}"
            assert not (symbol.is_integer and value != int(value)), f"{symbol} = {value} at {configuration}"
        assert 0 <= situation.precision <= 1e-9


@EXPERIMENTS
def test_enclosed_parameters_hold_their_values_and_counts_stay_whole(experiment: Experiment) -> None:
    for situation in situations(experiment):
        for symbol, enclosed in situation.enclosed.items():
            for j, entry in enumerate(entries_of(situation.values[symbol]), start=1):
                interval = enclosed if isinstance(enclosed, Interval) else enclosed(j)
                assert interval.contains(entry)
                assert not symbol.is_integer or round(float(interval.low)) == round(float(interval.high))


@EXPERIMENTS
def test_the_same_configuration_gives_the_same_situation(experiment: Experiment) -> None:
    for configuration, known in list(zip(configurations(experiment), situations(experiment), strict=True))[::20]:
        again = experiment.situation(dict(reversed(list(configuration.items()))), CONTEXT)
        assert (again.values, again.facts) == (known.values, known.facts)


ASSUMPTIONS = [(x, k) for x in catalogue() for k in range(len(x.claim.assuming))]


@pytest.mark.parametrize(
    ("listed", "place"), ASSUMPTIONS, ids=[f"{x.name}: {x.claim.assuming[k]}" for x, k in ASSUMPTIONS]
)
def test_each_assumption_holds_in_some_configurations_and_fails_in_others(listed: Listed, place: int) -> None:
    claim = listed.claim
    assumption = claim.assuming[place]
    alone = type(claim)(claim.setting, claim.relation, assuming=(assumption,), where=claim.where)
    serving = [x for x in experiments() if x.setting.serves(claim.setting)]
    drawn = [situation for experiment in serving for situation in situations(experiment)]
    broken = [bool(alone.broken_assumption(x.values, x.facts)) for x in drawn]
    assert not all(broken)
    assert any(broken)


@pytest.mark.parametrize("listed", catalogue(), ids=lambda x: x.name)
def test_each_claim_has_configurations_where_all_its_assumptions_hold(listed: Listed) -> None:
    claim = listed.claim
    serving = [x for x in experiments() if x.setting.serves(claim.setting)]
    drawn = [situation for experiment in serving for situation in situations(experiment)]
    met = [x for x in drawn if not claim.broken_assumption(x.values, x.facts)]
    assert len(met) >= len(drawn) / 10
