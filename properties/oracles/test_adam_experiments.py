"""What Adam's experiments measure, against automatic derivatives and plain loops over all paths."""

import itertools
import math
from typing import Any

import pytest
import torch

from elbound.properties.experiment import Context
from elbound.properties.experiments.adam_clipped_offset import MOMENTUM_RUN, ClippedOffset
from elbound.properties.experiments.adam_tree import ADAM_TREE, TreeProblem
from elbound.theory.symbols import F, a, a_A, a_AA, a_m, sigma2_A

CONTEXT = Context()
EPS = 2.0**-53
DIGITS = {**MOMENTUM_RUN.instances["digits, B=4"], "n": 5}


def objective(problem: ClippedOffset, theta: torch.Tensor) -> torch.Tensor:
    """The mean of |c - x|^2 / (2 sigma_x2) over the data, [d] to a scalar."""
    return (problem.clip.value(theta) - problem.data).square().sum(1).mean() / (2 * problem.noise_variance)


def test_the_recorded_square_is_that_of_the_objectives_derivative() -> None:
    problem = ClippedOffset.of(DIGITS, CONTEXT)
    theta = torch.full_like(problem.centre, problem.start, requires_grad=True)
    (slope,) = torch.autograd.grad(objective(problem, theta), theta)
    adam = MOMENTUM_RUN.adam(problem, DIGITS)
    first = next(problem.squares(adam, CONTEXT.stream("test", DIGITS, "screen"), 0, 3))
    expected = float(slope.square().sum())
    # Means over 64 data, some 100 operations.
    assert torch.allclose(first, torch.full_like(first, expected), rtol=256 * EPS * 64, atol=0)


def test_minibatch_gradients_have_the_datas_mean_and_stay_within_their_bound() -> None:
    problem = ClippedOffset.of({**DIGITS, "n": 40}, CONTEXT)
    targets = problem.targets(CONTEXT.stream("test", DIGITS, "screen"), 0, 200)
    assert targets.shape == (40, 4, 200)
    low, high = problem.data.min(0).values, problem.data.max(0).values
    # Hoeffding over 8000 minibatches of four, for four coordinates: failure below 1e-6.
    allowed = (high - low) * math.sqrt(math.log(8e6) / (2 * 4 * 40 * 200))
    assert bool(((targets.mean((0, 2)) - problem.centre).abs() <= allowed).all())
    for theta in torch.linspace(-3, 3, 61, dtype=torch.float64):
        slope = problem.clip.slope(theta) / problem.noise_variance * (problem.clip.value(theta) - problem.data)
        assert float(slope.abs().max()) <= problem.sample_bound


@pytest.mark.parametrize("name", list(MOMENTUM_RUN.instances))
def test_curvature_gradient_and_gap_stay_within_their_bounds(name: str) -> None:
    problem = ClippedOffset.of(MOMENTUM_RUN.instances[name], CONTEXT)
    least = math.inf
    for share in torch.linspace(-1.5, 1.5, 121, dtype=torch.float64):
        theta = torch.full_like(problem.centre, float(share) * problem.clip.high, requires_grad=True)
        value = objective(problem, theta)
        (slope,) = torch.autograd.grad(value, theta, create_graph=True)
        (curved,) = torch.autograd.grad(slope.sum(), theta)
        assert float(curved.abs().max()) <= problem.smoothness
        assert bool((slope.detach().abs() <= problem.gradient_bounds).all())
        least = min(least, float(value.detach()))
    begin = float(objective(problem, torch.full_like(problem.centre, problem.start)))
    # All coordinates move together here, so the least value seen is no less than the infimum.
    assert begin - least <= problem.gap * (1 + 1e-9) + 1e-9 * begin


def test_the_momentums_average_is_its_sum() -> None:
    adam = MOMENTUM_RUN.adam(ClippedOffset.of(DIGITS, CONTEXT), {**DIGITS, "beta_1": 0.5})
    squares = torch.tensor([[4.0], [2.0], [1.0]], dtype=torch.float64).numpy()
    found = MOMENTUM_RUN.record(squares, adam)[a_m]
    assert [float(found(t)[0]) for t in (1, 2, 3)] == [2.0, 2.0, 1.5]


def by_loops(problem: TreeProblem) -> dict[tuple[int, str], float]:
    """Expectations over all plain Python runs preconditioned by 1 / (sqrt(v) + reg) of past gradients."""
    share, curvature, adam = problem.share, problem.curvature, problem.adam
    found: dict[tuple[int, str], float] = {}
    for path in itertools.product((0, 1), repeat=problem.steps):
        chance = math.prod(share if x else 1 - share for x in path)
        c, v = problem.start, 0.0
        for t, x in enumerate(path, start=1):
            diagonal, slope = 1 / (math.sqrt(v) + adam.regulariser), curvature * (c - share)
            terms = {"a": slope**2, "a_A": diagonal * slope**2, "a_AA": (diagonal * slope) ** 2}
            terms["sigma2_A"] = diagonal**2 * problem.noise_variance
            for name, term in terms.items():
                found[t, name] = found.get((t, name), 0.0) + chance * term
            g = problem.gain * curvature * (c - x)
            c -= adam.step_size / math.sqrt(t) * diagonal * g
            v = adam.beta_2 * v + (1 - adam.beta_2) * g**2
        last = curvature / 2 * (c - share) ** 2
        found[problem.steps + 1, "F"] = found.get((problem.steps + 1, "F"), 0.0) + chance * last
    return found


@pytest.mark.parametrize("name", list(ADAM_TREE.instances))
def test_the_tree_is_the_mean_over_plain_runs(name: str) -> None:
    configuration = {**ADAM_TREE.instances[name], "n": 6}
    expected = by_loops(TreeProblem.of(configuration))
    measured: Any = ADAM_TREE.measure(configuration, CONTEXT).values
    letters = {"a": a, "a_A": a_A, "a_AA": a_AA, "sigma2_A": sigma2_A, "F": F}
    for (t, letter), value in expected.items():
        interval = measured[letters[letter]](t)
        # The loops round as the tree does, so they lie within its bound of the truth, hence within two of the middle.
        assert abs(float(interval.middle.reshape(())) - value) <= float(interval.width.reshape(())) * 1.5, (t, letter)
        assert float(interval.width.reshape(())) <= 1e-6 * (1 + value)


def test_every_gradient_of_the_tree_stays_within_its_sure_bound() -> None:
    for name, configuration in ADAM_TREE.instances.items():
        problem = TreeProblem.of(configuration)
        farthest = max(
            float((level.away + problem.share - x).abs().max()) for level in problem.levels() for x in (0, 1)
        )
        assert farthest <= problem.reach(), name
