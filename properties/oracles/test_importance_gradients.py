"""Importance-weighted bounds, estimators and their exact moments against autograd, enumeration and sampling."""

from dataclasses import replace
from math import exp, fsum, inf, log, prod, sqrt

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from elbound.impl.importance import PosteriorPair, ProductPair, RatioCurve
from elbound.impl.importance_gradients import (
    DECODER,
    DREG,
    DREG_LOG_VARIANCE,
    PLAIN,
    PLAIN_LOG_VARIANCE,
    STICKING,
    STICKING_LOG_VARIANCE,
    Estimator,
    ScalarVAE,
    bound_slope,
    iwae_bound,
    iwae_surrogate,
)

EPS = 2.0**-53
quiet = settings(deadline=None, derandomize=True, database=None, max_examples=8)
VAE = ScalarVAE(0.7, 0.9, 0.5, 0.1, 0.4)
ESTIMATORS = {
    "plain": PLAIN,
    "plain, log-variance": PLAIN_LOG_VARIANCE,
    "dreg": DREG,
    "dreg, log-variance": DREG_LOG_VARIANCE,
    "sticking": STICKING,
    "sticking, log-variance": STICKING_LOG_VARIANCE,
    "decoder": DECODER,
}


def on_grid(low: float, high: float) -> st.SearchStrategy[float]:
    return st.integers(0, 2**20).map(lambda k: low + (high - low) * k / 2**20)


# Encoder precisions between 0.6 and 1.3 of the posterior's, means within one posterior deviation.
vaes = st.builds(
    lambda x, v, s, narrow, apart: ScalarVAE(
        x, v, s, v * x / (s + v * v) - apart / sqrt(1 + v * v / s), 1 / (narrow * (1 + v * v / s))
    ),
    on_grid(-2, 2),
    on_grid(-1.5, 1.5),
    on_grid(0.2, 2),
    on_grid(0.6, 1.3),
    on_grid(-1, 1),
)


def draws(seed: int, samples: int, replicates: int) -> Tensor:
    generator = np.random.Generator(np.random.Philox(key=[seed, 0]))
    return torch.tensor(generator.standard_normal((samples, replicates)))


def log_weights(
    noise: Tensor, x: float, v: Tensor, s: float, m: Tensor, log_d: Tensor, *, stopped: bool = False
) -> Tensor:
    """log p(x, z) - log q(z|x), by torch's densities; with the encoder's own density stopped or not."""
    z = m + (log_d / 2).exp() * noise
    held = (m.detach(), log_d.detach()) if stopped else (m, log_d)
    joint = torch.distributions.Normal(0.0, 1.0).log_prob(z) + torch.distributions.Normal(v * z, s**0.5).log_prob(
        torch.tensor(x, dtype=torch.float64)
    )
    result: Tensor = joint - torch.distributions.Normal(held[0], (held[1] / 2).exp()).log_prob(z)
    return result


def leaves(vae: ScalarVAE) -> tuple[Tensor, Tensor, Tensor]:
    values = (vae.decoder, vae.encoder_mean, log(vae.encoder_variance))
    v, m, log_d = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in values)
    return v, m, log_d


@quiet
@given(vaes)
def test_one_replicate_of_each_estimator_is_the_derivative_it_stands_for(vae: ScalarVAE) -> None:
    noise = draws(1, 5, 1)
    v, m, log_d = leaves(vae)
    logs = log_weights(noise, vae.datum, v, vae.noise_variance, m, log_d)[:, 0]
    assert torch.allclose(logs, vae.log_weights(noise)[:, 0], rtol=1e-13, atol=1e-13)
    # The surrogate's gradient is the bound's; the stopped ones drop the score, DReG squares the weights.
    bound = torch.autograd.grad(iwae_bound(logs), (v, m, log_d), retain_graph=True)
    surrogate = torch.autograd.grad(iwae_surrogate(logs), (v, m, log_d))
    stopped = log_weights(noise, vae.datum, v, vae.noise_variance, m, log_d, stopped=True)[:, 0]
    share = torch.softmax(stopped.detach(), 0)
    sticking = torch.autograd.grad((share * stopped).sum(), (m, log_d), retain_graph=True)
    dreg = torch.autograd.grad((share**2 * stopped).sum(), (m, log_d))
    expected = {
        (DECODER, bound[0]),
        (PLAIN, bound[1]),
        (PLAIN_LOG_VARIANCE, bound[2]),
        (DECODER, surrogate[0]),
        (PLAIN, surrogate[1]),
        (PLAIN_LOG_VARIANCE, surrogate[2]),
        (STICKING, sticking[0]),
        (STICKING_LOG_VARIANCE, sticking[1]),
        (DREG, dreg[0]),
        (DREG_LOG_VARIANCE, dreg[1]),
    }
    for estimator, derivative in expected:
        found = float(estimator.sample(vae, noise)[0])
        # Slopes of up to (|x| + |v z|) |v| / sigma_x2, some dozens of operations and exponents of size 100.
        assert abs(found - float(derivative)) <= 1e-11 * (1 + abs(found))


def test_the_surrogate_exceeds_the_bound_by_log_k_less_the_entropy() -> None:
    logs = VAE.log_weights(draws(2, 7, 50))
    share = torch.softmax(logs, 0)
    entropy = -(share * share.log()).sum(0)
    excess = iwae_surrogate(logs) - iwae_bound(logs)
    assert torch.allclose(excess, log(7) - entropy, rtol=0, atol=1e-13)
    assert bool((excess > 0).all())
    alone = logs[:1]
    assert torch.equal(iwae_surrogate(alone), iwae_bound(alone))


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("samples", [1, 3, 16])
def test_exact_moments_lie_in_the_interval_of_sampled_ones(name: str, samples: int) -> None:
    estimator, replicates = ESTIMATORS[name], 40_000
    found = estimator.sample(VAE, draws(3, samples, replicates))
    exact = estimator.moments(VAE)(samples)
    mean, variance = float(found.mean()), float(found.var())
    # Six standard errors; that of the variance from the sample's own fourth moment.
    spread = float((found - mean).pow(4).mean() - variance**2)
    assert abs(mean - exact.mean) <= 6 * sqrt(variance / replicates) + exact.mean_error
    assert abs(variance - exact.variance) <= 6 * sqrt(spread / replicates) + exact.variance_error
    assert exact.mean_error <= 1e-12
    assert exact.variance_error <= 1e-11


@quiet
@given(vaes)
def test_one_samples_moments_are_those_of_a_gaussian_polynomial(vae: ScalarVAE) -> None:
    """At K = 1 the ratio is h itself, a quadratic in the noise: Gauss-Hermite quadrature is exact."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(6)
    weights = weights / weights.sum()
    for estimator in (PLAIN, PLAIN_LOG_VARIANCE, STICKING, DREG_LOG_VARIANCE, DECODER):
        values = estimator.slope(vae, nodes)
        mean = float(weights @ values)
        variance = float(weights @ (values - mean) ** 2)
        found = estimator.moments(vae)(1)
        scale = float(weights @ values**2)
        assert abs(found.mean - mean) <= found.mean_error + 64 * EPS * (1 + scale)
        assert abs(found.variance - variance) <= found.variance_error + 64 * EPS * (1 + scale)


@pytest.mark.parametrize("samples", [1, 2, 5])
@pytest.mark.parametrize("power", [1, 2])
def test_a_ratio_of_two_valued_slopes_is_a_sum_over_signs_in_the_limit_of_equal_weights(
    samples: int, power: int
) -> None:
    """Equal weights and h = z: mean zero, variance K^(1 - 2p)."""
    curve = RatioCurve(PosteriorPair(1.5, 1.5, 0.0), lambda z: z, power)
    found = curve(samples)
    assert abs(found.mean) <= found.mean_error
    assert abs(found.variance - samples ** (1.0 - 2 * power)) <= found.variance_error
    assert found.variance_error <= 1e-12


@quiet
@given(vaes, st.sampled_from([1, 2, 7, 64, 1000]))
def test_plain_and_dreg_have_the_bounds_slope_as_their_mean(vae: ScalarVAE, samples: int) -> None:
    slope, plain, dreg = bound_slope(vae)(samples), PLAIN.moments(vae)(samples), DREG.moments(vae)(samples)
    assert abs(slope.value - plain.mean) <= slope.error + plain.mean_error
    assert abs(dreg.mean - plain.mean) <= dreg.mean_error + plain.mean_error
    # Sticking the landing has another mean from two samples on, away from the posterior.
    apart = abs(vae.pair.mean_gap) * sqrt(vae.posterior_precision)
    if samples == 7 and apart > 0.2:
        assert abs(STICKING.moments(vae)(samples).mean - plain.mean) > 1e-3 * abs(plain.mean)


@quiet
@given(vaes)
def test_the_decoders_mean_is_the_derivative_of_the_bound_by_the_decoder(vae: ScalarVAE) -> None:
    """L_K = log p(x) - gap_K, both by central differences in v."""
    step, samples = 2.0**-9, 8

    def bound(shift: float) -> float:
        moved = replace(vae, decoder=vae.decoder + shift)
        return moved.log_evidence - moved.pair.gap(samples).value

    fine, coarse = ((8 * (bound(h) - bound(-h)) - (bound(2 * h) - bound(-2 * h))) / (12 * h) for h in (step, 2 * step))
    found = DECODER.moments(vae)(samples)
    # Fourth order: halving the step leaves a sixteenth; bounds of size 10 with errors near 1e-14 over the step.
    assert abs(fine - found.mean) <= abs(fine - coarse) + found.mean_error + 1e-10
    centred = vae.evidence_slope
    wide = replace(vae, decoder=vae.decoder + step).log_evidence - replace(vae, decoder=vae.decoder - step).log_evidence
    assert abs(wide / (2 * step) - centred) <= 1e-2 * (1 + abs(centred))


def test_the_surrogates_exact_mean_lies_in_the_sampled_interval() -> None:
    replicates = 40_000
    for samples in (1, 2, 16):
        logs = VAE.log_weights(draws(4, samples, replicates)) - VAE.log_evidence
        found = iwae_surrogate(logs)
        exact = VAE.pair.surrogate_curve()(samples)
        assert abs(float(found.mean()) - exact.mean) <= 6 * float(found.std()) / sqrt(replicates)
        assert exact.mean_error <= 1e-12
    assert abs(VAE.pair.surrogate_curve()(1).mean + VAE.pair.elbo_gap()) <= 1e-13


@pytest.mark.parametrize("estimator", [DREG, STICKING, DREG_LOG_VARIANCE, STICKING_LOG_VARIANCE])
def test_at_the_posterior_estimators_without_score_have_no_noise(estimator: Estimator) -> None:
    precision = VAE.posterior_precision
    vae = replace(VAE, encoder_mean=VAE.posterior_mean, encoder_variance=1 / precision)
    assert float(estimator.sample(vae, draws(5, 4, 100)).abs().max()) <= 64 * EPS * precision
    for samples in (1, 16, 1024):
        found, plain = estimator.moments(vae)(samples), PLAIN.moments(vae)(samples)
        assert abs(found.variance) <= found.variance_error <= 1e-12
        # The score is kept by the plain estimator: Fisher information over K.
        assert abs(plain.variance - precision / samples) <= plain.variance_error + 8 * EPS * precision


# Two latent coordinates


def test_two_coordinates_have_the_sum_of_divergences_and_the_product_of_moments() -> None:
    pair = ProductPair((PosteriorPair(2.0, 1.9, 0.1), PosteriorPair(1.5, 1.45, 0.2)))
    curve = pair.gap_curve()
    gap = curve(1)
    closed = fsum(x.elbo_gap() for x in pair.coordinates)
    assert abs(gap.value - closed) <= gap.error + 4 * EPS * closed
    assert gap.error <= 1e-12
    assert pair.chi2 == pytest.approx(prod(1 + x.chi2 for x in pair.coordinates) - 1, rel=1e-13)
    assert pair.moment(3) == pytest.approx(prod(x.moment(3) for x in pair.coordinates), rel=1e-14)
    assert pair.weight_supremum == prod(x.weight_supremum for x in pair.coordinates)
    assert pair.weight_infimum == 0.0
    # The lower bound chi2/(2K) - mu3/(3K^2), and its first order within a share 1/K.
    third = pair.moment(3) - 3 * pair.moment(2) + 2
    for samples in (16, 1024):
        gap = curve(samples)
        lower = pair.chi2 / (2 * samples) - third / (3 * samples**2)
        assert lower <= gap.value <= pair.chi2 / (2 * samples) * (1 + 1 / samples)


def test_the_gap_of_two_coordinates_lies_in_the_sampled_interval() -> None:
    parts = (PosteriorPair(2.0, 1.8, 0.2), PosteriorPair(1.5, 1.6, 0.1))
    gap, samples, replicates = ProductPair(parts).gap_curve()(4), 4, 40_000
    total = np.zeros((samples, replicates))
    for k, pair in enumerate(parts):
        P, Q = pair.posterior_precision, pair.proposal_precision
        z = draws(10 + k, samples, replicates).numpy() / sqrt(Q)
        total += (log(P / Q) - P * (z - pair.mean_gap) ** 2 + Q * z**2) / 2
    mean = np.exp(total).mean(0)
    # With its known mean taken off, the logarithm's first order is gone and the interval narrow.
    sample = -np.log(mean) + (mean - 1)
    assert abs(sample.mean() - gap.value) <= 6 * sample.std() / sqrt(replicates) + gap.error
    single = parts[0].gap(4)
    assert gap.value > single.value + gap.error


def test_one_coordinate_is_the_pair_itself() -> None:
    pair = PosteriorPair(2.0, 2.2, 0.3)
    alone = ProductPair((pair,))
    assert (alone.chi2, alone.moment(2), alone.elbo_gap()) == (pair.chi2, pair.moment(2), pair.elbo_gap())
    assert alone.gap_curve()(5) == pair.gap(5)
    wide = ProductPair((pair, PosteriorPair(1.0, 2.5, 0.0)))
    assert wide.chi2 == inf
    assert wide.moment(2) == inf


# Bad input


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"datum": inf}, "datum"),
        ({"decoder": float("nan")}, "decoder"),
        ({"noise_variance": 0.0}, "noise_variance"),
        ({"encoder_variance": -1.0}, "encoder_variance"),
    ],
)
def test_a_bad_model_is_refused(change: dict[str, float], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        replace(VAE, **change)


def test_bad_counts_powers_and_coordinates_are_refused() -> None:
    with pytest.raises(ValueError, match="importance_samples 0"):
        PLAIN.moments(VAE)(0)
    with pytest.raises(ValueError, match="power 3"):
        RatioCurve(VAE.pair, lambda z: z, 3)
    with pytest.raises(ValueError, match="coordinates: 3"):
        ProductPair((VAE.pair,) * 3)
    with pytest.raises(ValueError, match="coordinates: 0"):
        ProductPair(())


def test_the_evidence_is_the_integral_of_the_joint() -> None:
    z = np.linspace(-12, 12, 4001)
    s, v, x = VAE.noise_variance, VAE.decoder, VAE.datum
    joint = np.exp(-(z**2) / 2 - (x - v * z) ** 2 / (2 * s)) / (2 * np.pi * sqrt(s))
    assert exp(VAE.log_evidence) == pytest.approx(joint.sum() * (z[1] - z[0]), rel=1e-13)
