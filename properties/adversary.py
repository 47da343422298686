"""The adversary: a search for the configuration at which an inequality is sharpest, on the integer grid of a space.

It opens with the starts it is given, the corners and an even spread; climbs from the best of them, one axis or the
gradient at a time; runs CMA-ES where the climb ended; and starts again from the next best. Moves come in generations, so
that whoever measures may measure a generation at once. It knows no claim, only a value for each point, and whether a
point can have one: that is known by the configuration alone, so the edge of the assumptions is found for nothing.
"""

import importlib
import itertools
import math
import warnings
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from scipy.stats import qmc

from elbound.properties.spaces import Choice, Count, Space

Point = tuple[int, ...]

GENERATION: Final = 8
# Draws for each point that is wanted, until one meets the assumptions; none of them is measured.
ATTEMPTS: Final = 16
# Gains in the logarithm of the ratio: above rounding, so that the axis moved something; and worth another round.
MOVED: Final = 1e-9
WORTH: Final = 1e-4
# Rounds without a gain before a climb ends, and generations before CMA-ES does.
PATIENCE: Final = 3
WEIGHTS: Final = (1e-2, 1e2)
EXPLORED: Final = 12
# The part of the evaluations that goes into the opening.
OPENING: Final = 0.4
# Bisection for the edge of what is admitted stops at this part of the axis, as a power of two.
RESOLUTION: Final = 14


@dataclass(frozen=True)
class Effort:
    """Evaluations for each claim, a seed, and whether the named instances are kept from the search."""

    evaluations: int
    seed: int = 1
    hide_instances: bool = False

    @property
    def opening(self) -> int:
        """Evaluations that go into the opening, which all claims of an experiment share."""
        return math.ceil(OPENING * self.evaluations)

    def seeded(self, *names: str) -> int:
        """A seed for one part of the search, whatever else is searched."""
        return zlib.crc32("\n".join((str(self.seed), *names)).encode())


def opening(space: Space, admits: Callable[[Point], bool], count: int, seed: int) -> list[Point]:
    """At most `count` admitted points: all axes at their simple end, corners of what is admitted, and a Halton set."""
    dimension, random = len(space.axes), np.random.default_rng(seed)
    cubes = qmc.Halton(dimension, rng=random).random(ATTEMPTS * count).tolist()
    spread = (p for p in dict.fromkeys(space.from_cube(cube) for cube in cubes) if admits(p))
    even = list(itertools.islice(spread, count))
    simple = [p for p in [(0,) * dimension] if admits(p)]
    corners = (corner(space, admits, p, random) for p in even[: count // 2])
    return list(dict.fromkeys((*simple, *corners, *even)))[:count]


def corner(space: Space, admits: Callable[[Point], bool], point: Point, random: np.random.Generator) -> Point:
    """A corner of what is admitted: from an admitted point, one axis after the other is moved as far as it may be.

    Sharp cases of theorems like to lie where several parameters are extreme at once.
    """
    for k in random.permutation(len(point)).tolist():
        size = space.axes[k].size
        end = int(random.integers(size)) if isinstance(space.axes[k], Choice) else int(random.integers(2)) * (size - 1)
        point = (*point[:k], edge(space, admits, point, k, end), *point[k + 1 :])
    return point


def edge(space: Space, admits: Callable[[Point], bool], point: Point, k: int, end: int) -> int:
    """The farthest place from an admitted point towards an end of axis k that bisection finds admitted."""

    def admitted(place: int) -> bool:
        return admits((*point[:k], place, *point[k + 1 :]))

    inside, outside = point[k], end
    if isinstance(space.axes[k], Choice) or admitted(end):
        return end if admitted(end) else inside
    while abs(outside - inside) > max(1, space.axes[k].size >> RESOLUTION):
        middle = (inside + outside) // 2
        inside, outside = (middle, outside) if admitted(middle) else (inside, middle)
    return inside


@dataclass
class Climb:
    """A search for the largest value over a space, as long as evaluations are left; a function of its fields alone.

    `value` gives the values of a generation of admitted points, -inf where there is none. `known` holds values found
    before, which cost nothing, and then all that were found.
    """

    space: Space
    admits: Callable[[Point], bool]
    value: Callable[[Sequence[Point]], Sequence[float]]
    evaluations: int
    seed: int
    known: dict[Point, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(self.seed)
        # How likely an axis is tried: more after a gain, less where it moved nothing.
        self._weights = np.ones(len(self.space.axes))

    def run(self) -> None:
        """Climbs and explores from the best known point, then from the next best, then from anywhere."""
        starts = sorted((p for p, v in self.known.items() if v > -math.inf), key=lambda p: -self.known[p])
        for attempt in itertools.count():
            start = starts[attempt] if attempt < len(starts) else self._anywhere()
            if start is None or self.evaluations <= 0:
                return
            self._explore(self._ascend(start), attempt)
            self._weights = np.sqrt(self._weights)

    def ask(self, points: Iterable[Point]) -> dict[Point, float]:
        """The values of a generation: known ones cost nothing, and past the budget there are none."""
        generation = dict.fromkeys(points)
        fresh = [p for p in generation if p not in self.known and self.admits(p)][: max(self.evaluations, 0)]
        self.evaluations -= len(fresh)
        self.known |= dict(zip(fresh, self.value(fresh), strict=True)) if fresh else {}
        return {p: self.known.get(p, -math.inf) for p in generation}

    def _anywhere(self) -> Point | None:
        """A new corner of what is admitted, from a random point."""
        cubes = self._random.random((ATTEMPTS * GENERATION, len(self.space.axes))).tolist()
        for inside in filter(self.admits, map(self.space.from_cube, cubes)):
            found = corner(self.space, self.admits, inside, self._random)
            if found not in self.known:
                self.ask([found])
                return found
        return None

    # One climb

    def _ascend(self, point: Point) -> Point:
        failures = 0
        while failures < PATIENCE and self.evaluations > 0:
            before = self.known.get(point, -math.inf)
            point = self._along_gradient(self._along_axes(point))
            failures = 0 if self.known.get(point, -math.inf) > before + WORTH else failures + 1
        return point

    def _best(self, point: Point, points: Iterable[Point]) -> Point:
        values = self.ask(points)
        return max((point, *values), key=lambda p: self.known.get(p, -math.inf))

    def _along_axes(self, point: Point) -> Point:
        """The best of a generation of moves of one, two or three axes, and of longer moves the same way."""
        moves: dict[Point, tuple[int, ...]] = {}
        for j in range(GENERATION):
            axes = self._axes(1 if j < GENERATION // 2 else 2 + j % 2)
            if (moved := self._moved(point, axes)) is not None:
                moves[moved] = axes
        values, here = self.ask(moves), self.known.get(point, -math.inf)
        for moved, axes in moves.items():
            if len(axes) == 1 and values[moved] > -math.inf:
                gain = values[moved] - here
                self._weights[axes[0]] *= 2.0 if gain > MOVED else 1.0 if gain < -MOVED else 0.25
        self._weights = np.clip(self._weights, *WEIGHTS)
        best = max((point, *moves), key=lambda p: self.known.get(p, -math.inf))
        return point if best == point else self._best(best, self._beyond(point, best))

    def _axes(self, count: int) -> tuple[int, ...]:
        likely = self._weights / self._weights.sum()
        drawn = self._random.choice(len(likely), size=min(count, len(likely)), replace=False, p=likely)
        return tuple(drawn.tolist())

    def _moved(self, point: Point, axes: Sequence[int]) -> Point | None:
        """A new admitted point with these axes moved."""
        for _ in range(ATTEMPTS):
            moved = point
            for k in axes:
                moved = (*moved[:k], self._place(moved, k), *moved[k + 1 :])
            if moved not in self.known and self.admits(moved):
                return moved
        return None

    def _place(self, point: Point, k: int) -> int:
        """A place on an axis: an end of what is admitted, anywhere, or a step of any order of magnitude away."""
        size, kind = self.space.axes[k].size, self._random.random()
        step = max(1, round(size * 2.0 ** -self._random.uniform(1, 12)))
        if isinstance(self.space.axes[k], Choice) or kind < 0.2:
            return int(self._random.integers(size))
        if kind < 0.6:
            return edge(self.space, self.admits, point, k, int(self._random.integers(2)) * (size - 1))
        return min(max(point[k] + int(self._random.choice((-step, step))), 0), size - 1)

    def _beyond(self, point: Point, moved: Point) -> list[Point]:
        """Longer moves the same way, doubling; the numbers only, each kept on its axis."""
        shift = [
            0 if isinstance(x, Choice) else after - before
            for x, before, after in zip(self.space.axes, point, moved, strict=True)
        ]
        lengths = (2**j - 1 for j in range(1, GENERATION))
        return [self._shifted(moved, [length * s for s in shift]) for length in lengths] if any(shift) else []

    def _along_gradient(self, point: Point) -> Point:
        """The best point along the gradient over the fine axes that matter, by one-sided differences."""
        fine = [k for k, x in enumerate(self.space.axes) if not isinstance(x, Choice | Count) and self._weights[k] >= 1]
        here = self.known.get(point, -math.inf)
        if len(fine) < 2 or here == -math.inf:
            return point
        beside = {k: self._beside(point, k) for k in fine}
        values = self.ask(beside.values())
        slope = np.zeros(len(point))
        for k, near in beside.items():
            if values[near] > -math.inf:
                slope[k] = (values[near] - here) / (near[k] - point[k]) * self.space.axes[k].size
        steepest = float(np.abs(slope).max())
        if not steepest > 0:
            return point
        lengths = 2.0 ** -np.arange(1, GENERATION + 1)
        sizes = np.array([axis.size for axis in self.space.axes])
        return self._best(point, (self._shifted(point, length / steepest * slope * sizes) for length in lengths))

    def _beside(self, point: Point, k: int) -> Point:
        size = self.space.axes[k].size
        step = size >> 10
        return (*point[:k], point[k] + (step if point[k] + step < size else -step), *point[k + 1 :])

    def _shifted(self, point: Point, shift: Sequence[float]) -> Point:
        last = (axis.size - 1 for axis in self.space.axes)
        return tuple(min(max(round(j + s), 0), end) for j, s, end in zip(point, shift, last, strict=True))

    # CMA-ES

    def _explore(self, point: Point, attempt: int) -> None:
        """CMA-ES over the numbers that matter around a point, its choices and the rest kept, until it stalls."""
        axes = self.space.axes
        free = [k for k, axis in enumerate(axes) if not isinstance(axis, Choice) and self._weights[k] >= 1]
        if not free or self.evaluations <= 0:
            return
        # CMA-ES wants two dimensions or more; a spare one is not read.
        middle = [(point[k] + 0.5) / axes[k].size for k in free] + [0.5] * (len(free) == 1)
        options = {
            "seed": 1 + (self.seed + 7919 * attempt) % 2**31,
            "popsize": GENERATION,
            "bounds": [0, 1],
            "maxiter": EXPLORED,
            "tolfun": WORTH,
            "verbose": -9,
        }
        strategy = _cma().CMAEvolutionStrategy(middle, 0.15, options)
        while not strategy.stop() and self.evaluations > 0:
            cubes = strategy.ask()
            points = [self._with(point, free, cube) for cube in cubes]
            values = self.ask(points)
            strategy.tell(cubes, [min(-values[p], 1e3) for p in points])

    def _with(self, point: Point, free: Sequence[int], cube: Sequence[float]) -> Point:
        sizes = (self.space.axes[k].size for k in free)
        places = {k: min(int(x * size), size - 1) for k, x, size in zip(free, cube, sizes, strict=False)}
        return tuple(places.get(k, j) for k, j in enumerate(point))


def _cma() -> Any:
    """The package, imported where it is needed: it takes most of a second, and warns of plots it cannot draw."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("cma")
