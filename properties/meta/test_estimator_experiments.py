"""What the estimator and inference experiments take as truth, against third computations."""

import math
from collections.abc import Callable

import mpmath
import numpy as np
import pytest
import torch
from torch import Tensor

from elbound.impl.importance import PosteriorPair
from elbound.impl.linear_vae import LinearVAE, Weights
from elbound.properties.arithmetics import Enclosures
from elbound.properties.evidence.budget import Budget
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Context
from elbound.properties.experiments.beta_sweep import BETA_SWEEP_EXPERIMENT
from elbound.properties.experiments.encoder_gradient import ESTIMATOR_MEANS, Datum
from elbound.properties.experiments.gradient_noise import NOISE_BY_ENUMERATION, Outcomes
from elbound.properties.experiments.score_and_pathwise import OSCILLATIONS
from elbound.properties.experiments.variational_inference import INFERENCE_RUNS, InferenceProblem
from elbound.properties.trial import Trial
from elbound.reports.row import Verdict
from elbound.theory.descent.bbvi import GAP
from elbound.theory.estimators.beta import COLLAPSE
from elbound.theory.evaluate import LogGap, evaluate, log_gap
from elbound.theory.findings.noise_one_over_bk import ONE_OVER_BK
from elbound.theory.importance.two_sided_gap import LOWER, UPPER
from elbound.theory.settings import WEIGHT_AWAY_FROM_ZERO, WEIGHT_BOUNDED
from elbound.theory.symbols import K, L, chi2, gain, v_path, v_score, w_max, w_min

EPS = 2.0**-53
CONTEXT = Context()
WEIGHTED = [name for name in ESTIMATOR_MEANS.instances if not name.startswith(("pathwise", "score"))]


@pytest.mark.parametrize("name", WEIGHTED)
def test_with_one_sample_the_gradient_of_the_bound_is_the_elbos_in_closed_form(name: str) -> None:
    datum = Datum.of(ESTIMATOR_MEANS.instances[name], CONTEXT)
    for found, known in zip(datum.bound_gradient(1), datum.elbo_gradient(), strict=True):
        assert max(float(found.low), float(known.low)) <= min(float(found.high), float(known.high))
        assert float(found.width) <= 1e-9


@pytest.mark.parametrize("samples", [2, 3])
@pytest.mark.parametrize("name", WEIGHTED)
def test_the_gradient_of_the_bound_is_the_slope_of_the_exact_gap(name: str, samples: int) -> None:
    datum = Datum.of(ESTIMATOR_MEANS.instances[name], CONTEXT)
    mean, log_variance = float(datum.encoder.mean), float(datum.encoder.log_variance)
    step = 1e-3

    def gap(shift: float, stretch: float) -> float:
        pair = PosteriorPair(datum.precision, math.exp(-log_variance - stretch), datum.centre - mean - shift)
        return pair.gap(samples).value

    in_mean = (8 * (gap(step, 0) - gap(-step, 0)) - gap(2 * step, 0) + gap(-2 * step, 0)) / (12 * step)
    in_log = (8 * (gap(0, step) - gap(0, -step)) - gap(0, 2 * step) + gap(0, -2 * step)) / (12 * step)
    for found, slope in zip(datum.bound_gradient(samples), (in_mean, in_log), strict=True):
        # Four-point rule: step^4 / 30 times a fifth derivative, which stays below 100 here, and 1e-14 / step.
        assert float(found.middle) == pytest.approx(slope, abs=1e-12 * 100 / 30 + 1e-14 / step)


@pytest.mark.parametrize("omega", [0.3, 0.8, 1.2, 2.5])
def test_variances_of_oscillating_integrands_have_their_closed_forms(omega: float) -> None:
    decay = math.exp(-2 * omega**2)
    for phase, sign in ((0.0, 1.0), (-math.pi / 2, -1.0)):
        found = OSCILLATIONS.measure({"omega": omega, "phase": phase}, CONTEXT)
        # The sine's mean derivative is omega e^(-omega^2 / 2), the cosine's is zero.
        square = 0.0 if sign > 0 else omega**2 * math.exp(-(omega**2))
        score = (1 + sign * (1 - 4 * omega**2) * decay) / 2 - square
        path = omega**2 * (1 - sign * decay) / 2 - square
        for letter, value in ((v_score, score), (v_path, path)):
            interval = found.values[letter]
            assert float(interval.low) - 64 * EPS <= value <= float(interval.high) + 64 * EPS


def test_the_cosines_variances_cross_where_the_finding_says() -> None:
    def excess(omega: float) -> float:
        found = OSCILLATIONS.measure({"omega": omega, "phase": 0.0}, CONTEXT).values
        return float(found[v_score].middle - found[v_path].middle)

    assert excess(0.85115) > 0 > excess(0.85125)


@pytest.mark.parametrize("noise", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("seed", range(4))
def test_a_variance_of_gradients_keeps_its_enclosure_when_each_is_rounded_anew(seed: int, noise: float) -> None:
    """Gradients of 6 data, affine in a noise of two coordinates, against themselves off by up to 48 last places."""
    draws = np.random.Generator(np.random.Philox(key=seed))
    values, chances = np.array([-math.sqrt(3.0), 0.0, math.sqrt(3.0)]), np.array([1.0, 4.0, 1.0]) / 6
    both = np.stack(np.meshgrid(values, values, indexing="ij"), axis=-1).reshape(-1, 2)
    weights = np.outer(chances, chances).ravel()
    gradients = draws.normal(size=(6, 1, 5)) + noise * both @ draws.normal(size=(2, 5))
    moved = gradients * (1 + 48 * EPS * draws.choice([-1.0, 1.0], gradients.shape))
    between, within = Outcomes(torch.tensor(moved), torch.tensor(weights)).parts()
    found = Outcomes(torch.tensor(gradients), torch.tensor(weights))
    exact, p = gradients.astype(np.longdouble), weights.astype(np.longdouble)[:, None]
    means = (p * exact).sum(1)
    truths = (
        ((means - means.mean(0)) ** 2).sum(1).mean(),
        (p * (exact - means[:, None]) ** 2).sum((1, 2)).mean(),
    )
    for measured, truth in zip((between, within), truths, strict=True):
        enclosed = found.enclosed(measured)
        assert float(enclosed.low) <= float(truth) <= float(enclosed.high)
        # By the root of the mean square: the largest gradient's would be twice as wide or more.
        slip = 64 * EPS * float(np.sqrt((weights[:, None] * gradients**2).sum((1, 2)).mean()))
        assert float(enclosed.width) <= 2.02 * (2 * slip * measured**0.5 + slip**2 + 64 * EPS * measured)


@pytest.mark.parametrize("name", INFERENCE_RUNS.instances)
def test_the_claims_smoothness_constant_is_the_models(name: str) -> None:
    configuration = INFERENCE_RUNS.instances[name]
    values = INFERENCE_RUNS.situation(configuration, CONTEXT).values
    problem = InferenceProblem.of(configuration, CONTEXT).problem
    # A few dozen operations on each side.
    assert evaluate(GAP.where[L], values) == pytest.approx(problem.smoothness(), rel=64 * EPS)


def judged_finding() -> Verdict:
    configuration = NOISE_BY_ENUMERATION.instances["B = K = 2"]
    situation = NOISE_BY_ENUMERATION.situation(configuration, CONTEXT)
    trial = Trial(situation, NOISE_BY_ENUMERATION.measure(configuration, CONTEXT), Budget())
    return trial.judge(ONE_OVER_BK).verdict


def test_the_finding_on_noise_stands_where_the_gradient_is_that_of_all_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without data noise the variance is s2 / K: then 1/(BK) is right, and an experiment that measures must say so."""
    sampled = LinearVAE.sample_gradient

    def of_all_data(problem: LinearVAE, weights: Weights, indices: Tensor, noise: Tensor) -> Weights:
        return mean_over_data(lambda i: sampled(problem, weights, torch.full_like(indices, i), noise), problem)

    assert judged_finding() is Verdict.REFUTED
    monkeypatch.setattr(LinearVAE, "sample_gradient", of_all_data)
    assert judged_finding() is Verdict.SUPPORTED


def mean_over_data(gradient: Callable[[int], Weights], problem: LinearVAE) -> Weights:
    every = [gradient(i) for i in range(problem.data_count)]
    encoder, decoder = (sum(parts) / problem.data_count for parts in zip(*every, strict=True))
    return Weights(torch.as_tensor(encoder), torch.as_tensor(decoder))


def test_the_old_statement_of_collapse_falls_at_second_moments_4_and_1() -> None:
    """It let the largest variance decode the leading direction: 0.633 in place of 2.428."""
    configuration = BETA_SWEEP_EXPERIMENT.instances["second moments 4 and 1, variances 0.2 and 1.5"]
    values = dict(BETA_SWEEP_EXPERIMENT.situation(configuration, CONTEXT).values)
    measured = BETA_SWEEP_EXPERIMENT.measure(configuration, CONTEXT)
    found = measured.values[gain]
    floor = configuration["beta"] * configuration["sigma_x2"]  # type: ignore[operator]
    version = COLLAPSE.version("largest variance beside the largest moment")
    assert evaluate(COLLAPSE.right, values) - floor == pytest.approx(2.42842712, abs=1e-8)
    assert evaluate(version.right, values) - floor == pytest.approx(0.63279556, abs=1e-8)
    assert found.low.item() <= 2.4284271247461903 <= found.high.item()
    assert found.width.item() < 1e-9


@pytest.mark.parametrize("w", [1.0, 1 - 2.0**-53, 1 + 2.0**-52, 0.75, 1.25, 0.5, 3.0, 1e-300, 1e200])
def test_the_two_sided_gaps_weight_is_known_to_the_last_digits_at_and_around_one(w: float) -> None:
    with mpmath.workdps(60):
        y = mpmath.mpf(w)
        exact = mpmath.mpf(1) / 2 if w == 1 else (y - 1 - mpmath.log(y)) / (y - 1) ** 2
        assert abs(log_gap(w) - exact) <= 32 * EPS * exact
    enclosed = evaluate(LogGap(w_min), {w_min: Interval.of(w)}, Enclosures())
    assert float(enclosed.low) <= float(exact) <= float(enclosed.high)
    assert float(enclosed.width) <= 256 * EPS * float(exact)


def test_the_two_sided_gap_has_its_limit_where_all_weights_are_one() -> None:
    facts = frozenset({WEIGHT_AWAY_FROM_ZERO, WEIGHT_BOUNDED})
    assert UPPER.bound_at({w_min: 1.0, chi2: 0.1, K: 4}, facts) == 0.1 / 8
    assert LOWER.right.subs(w_max, 1) == chi2 / (2 * K)
    infinite = {w_min: Interval.of(0.5), chi2: Interval.between(1e308, math.inf), K: Interval.of(4)}
    assert float(evaluate(UPPER.right, infinite, Enclosures()).high) == math.inf
