"""What simulating a generation of the adversary side by side saves, against one configuration after the other.

python -m elbound.properties.benchmarks.generation [KEY ...]: for each experiment that can, the ratio of the two times
in one run: on generations of one shape, and over a whole adversary with its openings, steps and judgements.
"""

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from unittest.mock import patch

import numpy as np

from elbound.properties.adversary import GENERATION, Effort, Point, opening
from elbound.properties.campaign import Bench
from elbound.properties.docket import PROFILES, Brief, docket_of
from elbound.properties.evidence.budget import Budget
from elbound.properties.experiment import Context, Experiment, Sample, experiments
from elbound.properties.simulated import Simulated
from elbound.properties.spaces import Axis, Choice, Count
from elbound.properties.workers import prepare

GENERATIONS, ROUNDS = 8, 3


def seconds(work: Callable[[], object]) -> float:
    """Processor time of one call."""
    started = time.process_time()
    work()
    return time.process_time() - started


def generations(experiment: Experiment) -> list[list[Point]]:
    """Points that differ from the first of their generation on the axes of real numbers alone."""
    random, axes = np.random.default_rng(1), experiment.space.axes
    found = []
    for first in opening(experiment.space, [lambda _: True], GENERATIONS, 1):
        moved = [_moved(first, axes, random) for _ in range(GENERATION - 1)]
        found.append([first, *moved])
    return found


def _moved(point: Point, axes: Sequence[Axis], random: np.random.Generator) -> Point:
    numbers = (not isinstance(axis, Choice | Count) for axis in axes)
    drawn = (int(random.integers(axis.size)) for axis in axes)
    return tuple(new if number else old for new, old, number in zip(drawn, point, numbers, strict=True))


def simulate(experiment: Experiment) -> None:
    """The first look at every configuration of the generations."""
    for points in generations(experiment):
        for way in experiment.generation([experiment.space.configuration(p) for p in points], Context()):
            sample = way()
            assert isinstance(sample, Sample)
            sample.draw("screen", 0, Budget().screen_replicates)


def attack(experiment: Experiment) -> None:
    """One adversary at the effort of the default profile."""
    Bench(Brief(), docket_of(Brief()), experiment).adversary(Effort.of(PROFILES["default"].adversary, experiment.share))


def gain(work: Callable[[Experiment], None], experiment: Experiment) -> str:
    """The median ratio of the times, and the least and the largest."""
    ratios = []
    for _ in range(ROUNDS):
        with patch.object(Simulated, "generation", Experiment.generation):
            alone = seconds(partial(work, experiment))
        ratios.append(alone / seconds(partial(work, experiment)))
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def main(keys: list[str]) -> int:
    prepare("cpu")
    for experiment in experiments():
        if isinstance(experiment, Simulated) and (not keys or experiment.key in keys):
            shape, whole = gain(simulate, experiment), gain(attack, experiment)
            sys.stdout.write(f"{experiment.key}, one by one over side by side: one shape {shape}, adversary {whole}\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
