"""The adversary: a search for the configuration at which an inequality is sharpest, on the integer grid of a space.

It opens with the simplest point, an even spread, and corners of what the assumptions admit; climbs from the best by
moves of a few axes and along the gradient; runs CMA-ES where the climb ended; and starts again from another corner.
Moves come in generations. It knows no claim, only values of points, and which points can have one: that is known by
the configuration alone, so the edge of the assumptions is found without measuring anything.
"""

import importlib
import itertools
import math
import warnings
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from elbound.properties.spaces import Choice, Count, Space

Point = tuple[int, ...]
Admits = Callable[[Point], bool]

GENERATION: Final = 8
# Draws for each point that is wanted, until one meets the assumptions; none of them is measured.
ATTEMPTS: Final = 16
# Gains in the logarithm of the ratio: above rounding, so that the axis moved something; and worth another round.
MOVED: Final = 1e-9
WORTH: Final = 1e-4
# Rounds without a gain before a climb ends, and generations before CMA-ES does.
PATIENCE: Final = 3
EXPLORED: Final = 50
# How unlikely and how likely an axis may become.
WEIGHTS: Final = (1e-2, 1e2)
# The part of the evaluations that goes into the opening.
OPENING: Final = 0.4
# Bisection for the edge of what is admitted stops at this part of the axis, as a power of two.
RESOLUTION: Final = 14


@dataclass(frozen=True)
class Effort:
    """Evaluations in all, a seed, and whether the named instances are kept from the search."""

    evaluations: int
    seed: int = 1
    hide_instances: bool = False

    @staticmethod
    def of(evaluations: int, share: float, seed: int = 1, *, hide_instances: bool = False) -> "Effort":
        """The effort for an experiment that gets this share of the evaluations."""
        return Effort(math.ceil(evaluations * share), seed, hide_instances)

    @property
    def opening(self) -> int:
        """Evaluations that go into the opening, which all claims of an experiment share."""
        return math.ceil(OPENING * self.evaluations)

    def seeded(self, *names: str) -> int:
        """A seed for one part of the search, whatever else is searched."""
        return zlib.crc32("\n".join((str(self.seed), *names)).encode())


def beside(space: Space, admits: Sequence[Admits], point: Point) -> list[Point]:
    """For each way to be admitted the point or one a step away: on the grid an edge of what is admitted is missed."""
    steps = [(*point[:k], j, *point[k + 1 :]) for k, x in enumerate(point) for j in (x - 1, x + 1)]
    valid = [p for p in steps if all(0 <= j < axis.size for j, axis in zip(p, space.axes, strict=True))]
    return [p for admitted in admits for p in itertools.islice(filter(admitted, (point, *valid)), 1)]


def opening(space: Space, admits: Sequence[Admits], count: int, seed: int) -> list[Point]:
    """At most `count` points that are admitted in some way: the simplest, a Halton set, and corners of each way."""
    from scipy.stats import qmc  # loaded by a search alone: it takes longer than many a run does

    dimension, random = len(space.axes), np.random.default_rng(seed)
    cubes = qmc.Halton(dimension, rng=random).random(ATTEMPTS * count).tolist()
    spread = dict.fromkeys(map(space.from_cube, ([0.0] * dimension, *cubes)))
    even = list(itertools.islice((p for p in spread if any(x(p) for x in admits)), count))
    corners: list[Point] = []
    for admitted in itertools.islice(itertools.cycle(admits), count // 2):
        start = next((p for p in even[len(corners) :] if admitted(p)), None)
        corners += [] if start is None else [corner(space, admitted, start, random)]
    return list(dict.fromkeys((*even[: count - len(corners)], *corners)))


def corner(space: Space, admits: Admits, point: Point, random: np.random.Generator) -> Point:
    """A corner of what is admitted: from an admitted point, one axis after the other is moved as far as it may be.

    Sharp cases of theorems like to lie where several parameters are extreme at once.
    """
    for k in random.permutation(len(point)).tolist():
        size = space.axes[k].size
        end = int(random.integers(size)) if isinstance(space.axes[k], Choice) else int(random.integers(2)) * (size - 1)
        point = (*point[:k], edge(space, admits, point, k, end), *point[k + 1 :])
    return point


def edge(space: Space, admits: Admits, point: Point, k: int, end: int) -> int:
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
    """A search for the largest value over a space; a function of its fields alone.

    `measure` finds the values of a generation of admitted points and adds them to `known`, where -inf, or nothing,
    says that there is none. What is known before costs nothing.
    """

    space: Space
    admits: Admits
    measure: Callable[[Sequence[Point]], None]
    known: dict[Point, float]
    evaluations: int
    seed: int

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(self.seed)
        # How likely an axis is tried: more after a gain, less where it moved nothing.
        self._weights = np.ones(len(self.space.axes))

    def run(self) -> int:
        """Climbs and explores from the best known point while that gains, then from corners; the evaluations left."""
        start: Point | None = max(self.known, key=self.value, default=None)
        for attempt in itertools.count():
            if self.evaluations <= 0 or (start := start or self._anywhere()) is None:
                break
            before = max(self.known.values(), default=-math.inf)
            self._explore(self._ascend(start), attempt)
            best = max(self.known, key=self.value, default=start)
            start = best if self.value(best) > before + WORTH else None
            self._weights = np.sqrt(self._weights)
        return self.evaluations

    def value(self, point: Point) -> float:
        """What is known of a point."""
        return self.known.get(point, -math.inf)

    def ask(self, points: Iterable[Point]) -> list[Point]:
        """Measures a generation, known points for nothing and none past the budget, and returns it."""
        generation = list(dict.fromkeys(points))
        fresh = [p for p in generation if p not in self.known and self.admits(p)][: max(self.evaluations, 0)]
        self.evaluations -= len(fresh)
        self.measure(fresh)
        return generation

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
            before = self.value(point)
            point = self._along_gradient(self._along_axes(point))
            failures = 0 if self.value(point) > before + WORTH else failures + 1
        return point

    def _along_axes(self, point: Point) -> Point:
        """The best of a generation of moves of one, two or three axes, and of longer moves the same way."""
        moves: dict[Point, tuple[int, ...]] = {}
        for j in range(GENERATION):
            axes = self._axes(1 if j < GENERATION // 2 else 2 + j % 2)
            if (moved := self._moved(point, axes)) is not None:
                moves[moved] = axes
        best = max((point, *self.ask(moves)), key=self.value)
        for moved, axes in moves.items():
            if len(axes) == 1 and self.value(moved) > -math.inf:
                gain = self.value(moved) - self.value(point)
                self._weights[axes[0]] *= 2.0 if gain > MOVED else 1.0 if gain < -MOVED else 0.25
        self._weights = np.clip(self._weights, *WEIGHTS)
        return point if best == point else max(self.ask((best, *self._beyond(point, best))), key=self.value)

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
        here = self.value(point)
        if len(fine) < 2 or here == -math.inf:
            return point
        beside = {k: self._beside(point, k) for k in fine}
        self.ask(beside.values())
        slope, sizes = np.zeros(len(point)), np.array([axis.size for axis in self.space.axes])
        for k, near in beside.items():
            if self.value(near) > -math.inf:
                slope[k] = (self.value(near) - here) / (near[k] - point[k]) * sizes[k]
        steepest = float(np.abs(slope).max())
        if not steepest > 0:
            return point
        lengths = 2.0 ** -np.arange(1, GENERATION + 1)
        line = (self._shifted(point, length / steepest * slope * sizes) for length in lengths)
        return max(self.ask((point, *line)), key=self.value)

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
            self.ask(points)
            strategy.tell(cubes, [min(-self.value(p), 1e3) for p in points])

    def _with(self, point: Point, free: Sequence[int], cube: Sequence[float]) -> Point:
        sizes = (self.space.axes[k].size for k in free)
        places = {k: min(int(x * size), size - 1) for k, x, size in zip(free, cube, sizes, strict=False)}
        return tuple(places.get(k, j) for k, j in enumerate(point))


def _cma() -> Any:
    """The package, imported where it is needed: it takes most of a second, and warns of plots it cannot draw."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("cma")
