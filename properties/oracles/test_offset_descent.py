"""SGD on a decoder offset: step and moments against automatic gradients, enumeration and simulation."""

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from elbound.impl.linear_vae import Weights
from elbound.impl.noise import Stream, replicate_range
from elbound.impl.offset_descent import OffsetDescent
from elbound.impl.trajectories import Draw, draw
from elbound.properties.evidence.budget import Budget
from elbound.properties.experiment import Context, Steps
from elbound.properties.experiments.decoder_offset import (
    BASE,
    OFFSET_HORIZONS,
    OFFSET_MOMENTS,
    OFFSET_PATHS,
    Moments,
    OffsetProblem,
    paths,
    quadratics,
    walk,
)
from elbound.properties.trial import Trial
from elbound.reports.row import Verdict
from elbound.theory.descent import sgd_sharp
from elbound.theory.symbols import a, sigma2, sigma_inf2

EPS = 2.0**-53
SMALL = BASE | {"N": 3, "d": 2, "k": 1, "B": 2, "K": 1, "n": 2, "start": 0.7, "data": "digits"}
CASES: dict[str, dict[str, Any]] = {
    "three-point noise, B=2": SMALL,
    "random signs, K=2": SMALL | {"B": 1, "K": 2, "n": 3, "law": "random signs"},
    "gradients a hundredth as long, L C = 5/2": SMALL | {"gain": 0.01, "LC": 2.5},
    "two latents": SMALL | {"k": 2, "B": 1, "n": 2},
}


def problem_of(configuration: dict[str, Any]) -> OffsetProblem:
    return OffsetProblem.of(configuration, Context(), configuration["n"])


def gammas_of(problem: OffsetProblem) -> np.ndarray:
    return problem.sgd.gain * np.array(problem.sgd.step_sizes())


@pytest.mark.parametrize("name", CASES)
def test_a_step_follows_the_automatic_gradient_of_the_sampled_reconstruction(name: str) -> None:
    problem = problem_of(CASES[name])
    descent, sgd = problem.descent, problem.sgd
    vae, (encoder, decoder) = descent.problem, descent.weights
    plan = Draw(sgd.law, sgd.batch_size, sgd.importance_samples, vae.latent_dim, None, torch.float64)
    count = torch.tensor(vae.data_count)
    indices, noise = draw(plan, Stream.named("step").schedule(), replicate_range(0, 4), torch.tensor(1), count)
    offset = torch.linspace(-1, 1, 4 * vae.data_dim, dtype=torch.float64).reshape(vae.data_dim, 4)
    after = descent.step(offset, indices, noise, torch.tensor([0.3], dtype=torch.float64))
    for r in range(4):
        free = offset[:, r].clone().requires_grad_()
        losses = []
        for b, s in itertools.product(range(sgd.batch_size), range(sgd.importance_samples)):
            x = vae.data[indices[b, r]]
            z = encoder @ x + vae.posterior_variance.sqrt() * noise[b, s, :, r]
            losses.append((x - decoder @ z - free).square().sum() / (2 * vae.noise_variance))
        (slope,) = torch.autograd.grad(torch.stack(losses).mean(), free)
        # A few dozen operations on terms no larger than the problem's scale.
        assert float((after[:, r] - (offset[:, r] - 0.3 * slope)).abs().max()) <= 64 * EPS * problem.scale


@pytest.mark.parametrize("name", CASES)
def test_moments_from_one_steps_law_are_those_of_all_paths_and_of_the_recursion(name: str) -> None:
    problem = problem_of(CASES[name])
    gammas = gammas_of(problem)
    square, objective = (Moments(problem, gammas).expected(x) for x in quadratics(problem.descent))
    recursion = problem.squares(len(gammas))
    least = float(problem.descent.objective(problem.descent.optimum))
    for t, (offset, chances) in enumerate(paths(problem, gammas)):
        assert float(chances.sum()) == pytest.approx(1, abs=64 * EPS * len(gammas))
        enumerated = float((chances * problem.descent.gradients(offset).square().sum(0)).sum())
        slack = 1e-12 * (1 + enumerated)
        assert abs(square[0][t] - enumerated) <= square[1][t] + slack
        assert recursion[t] == pytest.approx(enumerated, rel=1e-11)
        gap = float((chances * problem.descent.objectives(offset)).sum()) - least
        assert abs(objective[0][t] - gap) <= objective[1][t] + 256 * EPS * (1 + abs(least))
    assert t == len(gammas)


@pytest.mark.parametrize("name", CASES)
def test_moments_of_steps_uphill_are_those_of_all_paths_within_their_error(name: str) -> None:
    problem = problem_of(CASES[name])
    gammas = -gammas_of(problem)
    value, error = Moments(problem, gammas).expected(quadratics(problem.descent)[0])
    for t, (offset, chances) in enumerate(paths(problem, gammas)):
        enumerated = float((chances * problem.descent.gradients(offset).square().sum(0)).sum())
        assert 0 <= error[t] <= 1e-9 * value[t]
        assert abs(value[t] - enumerated) <= error[t] + 1e-12 * (1 + enumerated)


def test_the_error_of_a_thousand_steps_uphill_is_a_small_share_of_where_they_lead() -> None:
    """The squared gradient has grown by fifty decades."""
    problem = problem_of(dict(OFFSET_MOMENTS.instances["offset, nu=1, n=1000"]))
    value, error = Moments(problem, -gammas_of(problem)).expected(quadratics(problem.descent)[0])
    assert value[-1] > 1e40 * value[0]
    assert np.all((error >= 0) & (error <= 1e-6 * value))


@pytest.mark.parametrize("value", [0.1, 0.7, 1e5 / 3])
def test_no_variance_is_made_of_rounding_where_all_data_are_equal(value: float) -> None:
    problem = problem_of(BASE | {"n": 1})
    vae, weights = problem.descent.problem, problem.descent.weights
    equal = replace(vae, data=torch.full((7, vae.data_dim), value, dtype=torch.float64))
    silent = Weights(weights.encoder, 0 * weights.decoder)
    assert OffsetDescent(equal, silent).noise_variance(problem.sgd) == 0
    # With the decoder's weights the latent samples are all there is.
    latent = float((weights.decoder.square() * vae.posterior_variance).sum()) / vae.noise_variance**2
    expected = latent / (problem.sgd.batch_size * problem.sgd.importance_samples)
    assert OffsetDescent(equal, weights).noise_variance(problem.sgd) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("data", ["two-valued", "digits"])
def test_without_noise_the_order_is_not_judged(data: str) -> None:
    configuration = BASE | {"noise": False, "start": 1.0, "data": data}
    situation = OFFSET_HORIZONS.situation(configuration, Context())
    assert situation.values[sigma_inf2] == 0
    claim = sgd_sharp.ORDER
    assert (
        Trial(situation, OFFSET_HORIZONS.measure(configuration, Context()), Budget()).judge(claim).verdict
        is Verdict.ASSUMPTION_NOT_MET
    )


def simulated(descent: OffsetDescent, problem: OffsetProblem, count: int) -> np.ndarray:
    """Squared gradients at every iterate of runs drawn as training draws them, [n + 1, R]."""
    sgd, vae = problem.sgd, descent.problem
    plan = Draw(sgd.law, sgd.batch_size, sgd.importance_samples, vae.latent_dim, None, torch.float64)
    schedule, total = Stream.named("long").schedule(), torch.tensor(vae.data_count)
    offset = (descent.optimum + problem.away)[:, None].repeat(1, count)
    rows = [descent.gradients(offset).square().sum(0)]
    for t, gamma in enumerate(gammas_of(problem).tolist(), start=1):
        indices, noise = draw(plan, schedule, replicate_range(0, count), torch.tensor(t), total)
        offset = descent.step(offset, indices, noise, torch.tensor([gamma], dtype=torch.float64))
        rows.append(descent.gradients(offset).square().sum(0))
    return torch.stack(rows).numpy()


@pytest.mark.parametrize("start", [0.0, 20.0])
def test_moments_are_the_means_of_long_simulated_runs(start: float) -> None:
    configuration = BASE | {"start": start, "n": 100, "B": 2, "LC": 0.5}
    problem = problem_of(configuration)
    seen = simulated(problem.descent, problem, 3_000)
    expected, _ = Moments(problem, gammas_of(problem)).expected(quadratics(problem.descent)[0])
    means, errors = seen.mean(1), seen.std(1) / math.sqrt(seen.shape[1])
    assert means[0] == pytest.approx(expected[0], rel=1e-12, abs=1e-12)
    # A hundred correlated means, each within six of its standard errors except with probability 2e-9.
    assert np.all(np.abs(means[1:] - expected[1:]) <= 6 * errors[1:])
    assert float((errors[1:] / expected[1:]).max()) < 0.1


def test_a_longer_noise_moves_the_moments_of_the_steps_and_not_the_recorded_noise() -> None:
    configuration = OFFSET_MOMENTS.instances["offset at optimum, n=100"]
    right, wrong = (OFFSET_MOMENTS.measure(configuration, Context(), x) for x in ("", "noise of twice the variance"))
    (square, noise), (longer, recorded) = ([x.values[letter] for letter in (a, sigma2)] for x in (right, wrong))
    assert isinstance(square, Steps)
    assert isinstance(longer, Steps)
    assert longer(100).low > square(100).high
    assert isinstance(noise, Steps)
    assert isinstance(recorded, Steps)
    assert recorded(100).low == noise(100).low


def test_an_enumerated_run_is_as_long_as_asked_or_as_can_be_enumerated() -> None:
    asked = BASE | {"N": 3, "d": 1, "k": 1, "B": 1, "K": 1}
    assert OFFSET_PATHS.problem(asked | {"n": 2}, Context()).sgd.steps == 2
    # 9 outcomes a step: 9^4 = 6561 paths; 4 * 81 squared: one step of 104,976 is more than is enumerated, and taken.
    assert OFFSET_PATHS.problem(asked | {"n": 4}, Context()).sgd.steps == 4
    assert OFFSET_PATHS.problem(asked | {"n": 4, "N": 4, "B": 2, "K": 2}, Context()).sgd.steps == 1


@pytest.mark.parametrize("count", [1, 2, 3, 4, 17, 400])
def test_a_walk_is_its_recursion(count: int) -> None:
    draws = np.random.default_rng(count)
    keep, add = draws.uniform(-1.5, 1.5, count), draws.standard_normal(count)
    expected, largest = [0.7], 0.7
    for kept, added in zip(keep.tolist(), add.tolist(), strict=True):
        expected.append(kept * expected[-1] + added)
        largest = abs(kept) * largest + abs(added)
    assert np.abs(walk(keep, add, 0.7) - np.array(expected)).max() <= 8 * (count + 2) * EPS * max(largest, 1e3)


def test_a_step_whose_parts_do_not_add_up_is_no_affine_step(monkeypatch: pytest.MonkeyPatch) -> None:
    step = OffsetDescent.step

    def clipped(self: OffsetDescent, offset: Any, indices: Any, noise: Any, gamma: Any) -> Any:
        after = step(self, offset, indices, noise, gamma)
        return offset + torch.tanh(after - offset)

    monkeypatch.setattr(OffsetDescent, "step", clipped)
    with pytest.raises(ValueError, match="drawn steps differ by"):
        OFFSET_MOMENTS.measure(OFFSET_MOMENTS.instances["offset, nu=1, n=3"], Context())
