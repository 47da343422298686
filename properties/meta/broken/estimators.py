"""Breaks of the gradient estimators, of importance weighting and of the Linear VAE's landscape."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elbound.impl import draws, full_linear_vae, importance, importance_gradients, integrands, sampled_elbo
from elbound.impl.estimators import Encoder, GaussianLikelihood, Gradient, path_slope
from elbound.impl.full_linear_vae import Parameters
from elbound.impl.importance import Gap, GapCurve, RatioCurve
from elbound.impl.importance_finite import ClippedIWAE, FiniteIWAE
from elbound.impl.importance_gradients import Estimator, ScalarVAE
from elbound.impl.landscape import Descent, Optimum
from elbound.impl.linear_vae import LinearVAE, Weights
from elbound.impl.noise import Law
from elbound.properties.meta.broken.model_break import Break

LINEAR, LANDSCAPE = "elbound.impl.linear_vae.LinearVAE", "elbound.impl.landscape"
SAMPLED, FINITE = "elbound.impl.sampled_elbo", "elbound.impl.importance_finite"
IMPORTANCE, ESTIMATORS = "elbound.impl.importance", "elbound.impl.estimators"
EXPERIMENTS = "elbound.properties.experiments"


def with_problem(method: Callable[..., Any], changed: Callable[[LinearVAE], LinearVAE]) -> Callable[..., Any]:
    """A method of the Linear VAE, of another problem than the one it is asked of."""
    return lambda problem, *arguments: method(changed(problem), *arguments)


def half_kl(problem: LinearVAE) -> LinearVAE:
    return replace(problem, beta=problem.beta / 2)


def squared_beta(problem: LinearVAE) -> LinearVAE:
    return replace(problem, beta=problem.beta**2)


def root_of_beta(problem: LinearVAE) -> LinearVAE:
    return replace(problem, beta=problem.beta**0.5)


def descents_of(changed: Callable[[LinearVAE], LinearVAE]) -> dict[str, Callable[..., Any]]:
    """The objective that is descended, its gradient and its Hessian, all of another problem."""
    value = Descent.__call__
    return {
        f"{LANDSCAPE}.Descent.__call__": lambda found, point: value(
            replace(found, problem=changed(found.problem)), point
        ),
        f"{LINEAR}.gradient": with_problem(LinearVAE.gradient, changed),
        f"{LINEAR}.hessian": with_problem(LinearVAE.hessian, changed),
    }


value_of, gradient_of, hessian_of = Descent.__call__, LinearVAE.gradient, LinearVAE.hessian


def single(problem: LinearVAE, j: int) -> LinearVAE:
    """The problem of one latent coordinate."""
    return replace(problem, posterior_variance=problem.posterior_variance[j : j + 1])


def places(problem: LinearVAE, j: int) -> Tensor:
    """Where the weights of one latent coordinate stand among all: encoder rows, then decoder rows."""
    k, d = problem.latent_dim, problem.data_dim
    entries = torch.arange(d)
    return torch.cat([j * d + entries, k * d + entries * k + j])


def value_latent_by_latent(found: Descent, point: Any) -> tuple[float, Any]:
    total, slope = 0.0, np.zeros_like(point)
    for j in range(found.problem.latent_dim):
        where = places(found.problem, j).numpy()
        value, slope[where] = value_of(replace(found, problem=single(found.problem, j)), point[where])
        total += value
    return total, slope


def gradient_latent_by_latent(problem: LinearVAE, weights: Weights) -> Weights:
    parts = [
        gradient_of(single(problem, j), Weights(weights.encoder[j : j + 1], weights.decoder[:, j : j + 1]))
        for j in range(problem.latent_dim)
    ]
    return Weights(torch.cat([part.encoder for part in parts]), torch.cat([part.decoder for part in parts], 1))


def hessian_latent_by_latent(problem: LinearVAE, encoder: Tensor, decoder: Tensor) -> Tensor:
    whole = encoder.new_zeros(2 * encoder.numel(), 2 * encoder.numel())
    for j in range(problem.latent_dim):
        where = places(problem, j)
        whole[where[:, None], where] = hessian_of(single(problem, j), encoder[j : j + 1], decoder[:, j : j + 1])
    return whole


sample_gradient = LinearVAE.sample_gradient


def one_noise_for_the_batch(problem: LinearVAE, weights: Weights, indices: Tensor, noise: Tensor) -> Weights:
    return sample_gradient(problem, weights, indices, noise[:1].expand_as(noise).contiguous())


def first_sample_only(problem: LinearVAE, weights: Weights, indices: Tensor, noise: Tensor) -> Weights:
    return sample_gradient(problem, weights, indices, noise[:, :1].contiguous())


def sum_over_the_batch(problem: LinearVAE, weights: Weights, indices: Tensor, noise: Tensor) -> Weights:
    found = sample_gradient(problem, weights, indices, noise)
    return Weights(found.encoder * len(indices), found.decoder * len(indices))


def kl_at_the_sample(problem: LinearVAE, weights: Weights, indices: Tensor, noise: Tensor) -> Weights:
    """With log q - log p at the latent samples in place of the analytic KL."""
    found = sample_gradient(problem, weights, indices, noise)
    spread = problem.posterior_variance.sqrt()[:, None] * noise.mean(1).permute(1, 0, 2)[:, :, :].permute(1, 0, 2)
    moved = torch.einsum("bkr,dbr->kdr", spread, problem.columns[:, indices]) / len(indices)
    return found._replace(encoder=found.encoder + problem.beta * moved)


sampled_objective = sampled_elbo.sampled_objective


def objective_with(**changes: Callable[[Any], Any]) -> Callable[..., Tensor]:
    """The sampled objective with some of its arguments changed first."""

    def wrong(at: Parameters, x: Tensor, noise: Tensor, problem: LinearVAE, divergence: Any) -> Tensor:
        given = {"at": at, "x": x, "noise": noise, "problem": problem, "divergence": divergence}
        changed = {name: changes[name](value) if name in changes else value for name, value in given.items()}
        return sampled_objective(*changed.values())

    return wrong


def sampled_kl_always(_: Any) -> Any:
    return sampled_elbo.sampled_divergence


def score_term_kept(divergence: Any) -> Any:
    landing = divergence is sampled_elbo.landing_divergence
    return sampled_elbo.sampled_divergence if landing else divergence


def score_term_always_left_out(divergence: Any) -> Any:
    sampled = divergence is sampled_elbo.sampled_divergence
    return sampled_elbo.landing_divergence if sampled else divergence


def larger_decoder(at: Parameters) -> Parameters:
    return at._replace(decoder=1.1 * at.decoder)


def without_offset(at: Parameters) -> Parameters:
    return at._replace(decoder_offset=at.decoder_offset.detach())


def deviation_for_variance(at: Parameters) -> Parameters:
    return at._replace(log_variance=at.log_variance.detach() + 2 * (at.log_variance - at.log_variance.detach()))


noises = draws.noises


def wider_noises(law: Law, dim: int) -> tuple[Tensor, Tensor]:
    values, chances = noises(law, dim)
    return 1.02 * values, chances


def half_sampled_divergence(mean: Tensor, log_variance: Tensor, z: Tensor) -> Tensor:
    return sampled_elbo.sampled_divergence(mean, log_variance, z) / 2


full_objective = full_linear_vae.objective


def of_root_beta(problem: LinearVAE, at: Parameters) -> Tensor:
    return full_objective(root_of_beta(problem), at)


chain, divergence_gradient = Encoder.chain, Encoder.divergence_gradient


def half_divergence_gradient(encoder: Encoder) -> Gradient:
    return Gradient(*(part / 2 for part in divergence_gradient(encoder)))


def chain_of_the_deviation(encoder: Encoder, slope: Tensor, noise: Tensor) -> Gradient:
    found = chain(encoder, slope, noise)
    return found._replace(log_variance=2 * found.log_variance)


likelihood_value, likelihood_slope = GaussianLikelihood.value, GaussianLikelihood.slope


def equal_weights(_: Encoder, __: GaussianLikelihood, noise: Tensor) -> Tensor:
    """The ELBO's weights for those of the importance-weighted bound."""
    return torch.full_like(noise[:, :1], 1 / len(noise))


def unnormalised_weights(encoder: Encoder, likelihood: GaussianLikelihood, noise: Tensor) -> Tensor:
    z = encoder.sample(noise)
    return (likelihood_value(likelihood, z) + (noise.square() - z.square()).sum(1) / 2).exp()[:, None]


def slope_with_the_score_left_out(encoder: Encoder, likelihood: GaussianLikelihood, noise: Tensor) -> Tensor:
    return path_slope(encoder, likelihood, noise) - noise / encoder.deviation


score_gradient, path_gradient = integrands.score_gradient, integrands.path_gradient


def score_with_a_baseline(integrand: integrands.Integrand, noise: Tensor, deviation: float) -> Tensor:
    return score_gradient(lambda e: integrand(e) - integrand(torch.zeros_like(e[:1])), noise, deviation)


def path_gradient_per_variance(integrand: integrands.Integrand, noise: Tensor, deviation: float) -> Tensor:
    return path_gradient(integrand, noise, deviation**2)


def half_path_gradient(integrand: integrands.Integrand, noise: Tensor, deviation: float) -> Tensor:
    return path_gradient(integrand, noise, deviation) / 2


minimiser = LinearVAE.minimiser


def scaled_minimiser(problem: LinearVAE) -> Weights:
    found = minimiser(problem)
    return found._replace(decoder=0.9 * found.decoder)


def learned_with_unit_variance(problem: LinearVAE) -> Optimum:
    fixed = replace(problem, posterior_variance=torch.ones_like(problem.posterior_variance))
    return Optimum(fixed, minimiser(fixed))


log_weights, finite_objective, minibatch = FiniteIWAE.log_weights, FiniteIWAE.objective, FiniteIWAE.minibatch_gradients


def objective_of_sharper_weights(problem: FiniteIWAE, theta: Tensor) -> Tensor:
    """The bound of the squared weights."""
    bound = torch.logsumexp(2 * log_weights(problem, theta)[problem.draws], 1)
    return -torch.einsum("e,enr->r", problem.chances, bound) / len(problem.data)


def summed_objective(problem: FiniteIWAE, theta: Tensor) -> Tensor:
    return finite_objective(problem, theta) * len(problem.data)


def one_draw_for_the_batch(problem: FiniteIWAE, theta: Tensor, indices: Tensor, noise: Tensor) -> Tensor:
    return minibatch(problem, theta, indices, noise[:1].expand_as(noise))


def first_draw_only(problem: FiniteIWAE, theta: Tensor, indices: Tensor, noise: Tensor) -> Tensor:
    return minibatch(problem, theta, indices, noise[:, :1])


def equal_shares(problem: FiniteIWAE, theta: Tensor) -> Tensor:
    return torch.full_like(log_weights(problem, theta)[problem.draws], 1 / problem.importance_samples)


clipped_gradients = ClippedIWAE.gradients


def ascent(run: ClippedIWAE, theta: Tensor) -> Tensor:
    return -clipped_gradients(run, theta)


def gradient_of_noise_alone(run: ClippedIWAE, theta: Tensor) -> Tensor:
    found = clipped_gradients(run, theta)
    return found - torch.einsum("e,cenr->cr", run.problem.chances, found)[:, None, None] / found.shape[2]


log_weight_at, gap_at = importance.log_weight_at, GapCurve.__call__


def weight_of_a_narrower_encoder(z: Any, ratio: float, shift: float) -> Any:
    return log_weight_at(z, 1.05 * ratio, shift)


def weight_cut_at_ten(*at: Any) -> Any:
    """Every moment is finite."""
    return np.minimum(importance.log_weight_at(*at), np.log(10.0))


def weight_without_its_constant(z: Any, ratio: float, shift: float) -> Any:
    return log_weight_at(z, ratio, shift) + 0.1


def gap_of_one_sample_more(curve: GapCurve, samples: int) -> Gap:
    return gap_at(curve, samples + 1)


moments, latent = Estimator.moments, ScalarVAE.latent


def moments_with_plain_weights(estimator: Estimator, vae: ScalarVAE) -> RatioCurve:
    return moments(replace(estimator, power=1), vae)


def moments_of_one_sample(estimator: Estimator, vae: ScalarVAE) -> Callable[[int], Any]:
    """One sample, however many are asked for."""
    return lambda _: moments(estimator, vae)(1)


def wider_latent(vae: ScalarVAE, noise: Any) -> Any:
    return vae.encoder_mean + 1.05 * vae.encoder_variance**0.5 * noise


bound_slope = importance_gradients.bound_slope


def slope_of_the_elbo(vae: ScalarVAE) -> Callable[[int], Gap]:
    return lambda _: bound_slope(vae)(1)


def _on(experiment: str, instance: str, **mistakes: dict[str, Callable[..., Any]]) -> tuple[Break, ...]:
    """Several breaks at one instance; underscores of their names stand for spaces."""
    return tuple(Break(experiment, instance, name.replace("_", " "), patches) for name, patches in mistakes.items())


BREAKS = (
    *_on(
        "estimators/gradient-noise",
        "B = K = 2",
        one_latent_sample_for_the_batch={f"{LINEAR}.sample_gradient": one_noise_for_the_batch},
        the_first_of_the_latent_samples_only={f"{LINEAR}.sample_gradient": first_sample_only},
        sum_over_the_batch_for_its_mean={f"{LINEAR}.sample_gradient": sum_over_the_batch},
        KL_at_the_latent_sample={f"{SAMPLED}.sampled_objective": objective_with(divergence=sampled_kl_always)},
        decoder_scaled={f"{SAMPLED}.sampled_objective": objective_with(at=larger_decoder)},
        no_gradient_for_the_offset={f"{SAMPLED}.sampled_objective": objective_with(at=without_offset)},
        deviation_for_variance={f"{SAMPLED}.sampled_objective": objective_with(at=deviation_for_variance)},
        noise_of_another_variance={"elbound.impl.draws.noises": wider_noises},
    ),
    *_on(
        "estimators/beta-sweep",
        "above the collapse threshold",
        beta_squared_in_the_gradient={f"{LINEAR}.sample_gradient": with_problem(sample_gradient, squared_beta)},
        KL_at_the_latent_sample={f"{LINEAR}.sample_gradient": kl_at_the_sample},
        sampled_KL_halved={f"{EXPERIMENTS}.beta_sweep.sampled_divergence": half_sampled_divergence},
        root_of_beta_in_the_objective={"elbound.impl.full_linear_vae.objective": of_root_beta},
        beta_squared_in_the_objective={f"{LINEAR}.objective": with_problem(LinearVAE.objective, squared_beta)},
        KL_halved_in_training=descents_of(half_kl),
    ),
    *_on(
        "estimators/beta-sweep",
        "second moments 4 and 1, variances 0.2 and 1.5",
        each_latent_trained_as_if_alone={
            f"{LANDSCAPE}.Descent.__call__": value_latent_by_latent,
            f"{LINEAR}.gradient": gradient_latent_by_latent,
            f"{LINEAR}.hessian": hessian_latent_by_latent,
        },
    ),
    *_on(
        "estimators/kl-treatments",
        "beta = 1.6",
        KL_halved={f"{SAMPLED}.sampled_objective": objective_with(problem=half_kl)},
        decoder_scaled={f"{SAMPLED}.sampled_objective": objective_with(at=larger_decoder)},
        analytic_KL_sampled={f"{SAMPLED}.sampled_objective": objective_with(divergence=sampled_kl_always)},
        score_term_kept={f"{SAMPLED}.sampled_objective": objective_with(divergence=score_term_kept)},
        mean_for_the_latent_sample={f"{SAMPLED}.sampled_objective": objective_with(noise=torch.zeros_like)},
        score_term_always_left_out={
            f"{SAMPLED}.sampled_objective": objective_with(divergence=score_term_always_left_out)
        },
    ),
    *_on(
        "estimators/encoder-gradient",
        "pathwise, K = 2",
        KL_halved={f"{ESTIMATORS}.Encoder.divergence_gradient": half_divergence_gradient},
        deviation_for_variance={f"{ESTIMATORS}.Encoder.chain": chain_of_the_deviation},
    ),
    *_on(
        "estimators/encoder-gradient",
        "score function, K = 2",
        likelihood_halved={
            f"{ESTIMATORS}.GaussianLikelihood.value": lambda likelihood, z: likelihood_value(likelihood, z) / 2
        },
    ),
    *_on(
        "estimators/encoder-gradient",
        "importance weighted, K = 2",
        gradient_of_the_ELBO={f"{ESTIMATORS}.normalised_weights": equal_weights},
        weights_not_normalised={f"{ESTIMATORS}.normalised_weights": unnormalised_weights},
    ),
    *_on(
        "estimators/encoder-gradient",
        "doubly reparameterised, K = 2",
        score_left_out_of_the_path={f"{ESTIMATORS}.path_slope": slope_with_the_score_left_out},
    ),
    *_on(
        "estimators/quadratic-integrand",
        "three latent coordinates",
        baseline_at_the_mean={f"{EXPERIMENTS}.score_and_pathwise.score_gradient": score_with_a_baseline},
        variance_for_deviation={f"{EXPERIMENTS}.score_and_pathwise.path_gradient": path_gradient_per_variance},
    ),
    *_on(
        "estimators/oscillating-integrand",
        "cos(1.2 e)",
        baseline_at_the_mean={f"{EXPERIMENTS}.score_and_pathwise.score_gradient": score_with_a_baseline},
        half_the_derivative={f"{EXPERIMENTS}.score_and_pathwise.path_gradient": half_path_gradient},
    ),
    *_on(
        "landscape/linear-vae",
        "fixed, D = 0.3, beta = 2",
        decoder_of_the_minimiser_scaled={f"{LINEAR}.minimiser": scaled_minimiser},
        KL_halved_in_the_objective={f"{LINEAR}.objective": with_problem(LinearVAE.objective, half_kl)},
        KL_halved_in_the_Hessian={f"{LINEAR}.hessian": with_problem(LinearVAE.hessian, half_kl)},
    ),
    *_on(
        "landscape/linear-vae",
        "learned, beta = 1",
        unit_variances_for_learned_ones={
            f"{EXPERIMENTS}.linear_vae_landscape.learned_optimum": learned_with_unit_variance
        },
        KL_halved_in_the_objective={f"{LINEAR}.objective": with_problem(LinearVAE.objective, half_kl)},
    ),
    *_on(
        "smoothness/iwae-point",
        "digits, slopes near zero",
        bound_of_the_squared_weights={f"{FINITE}.FiniteIWAE.objective": objective_of_sharper_weights},
        sum_over_the_data_for_their_mean={f"{FINITE}.FiniteIWAE.objective": summed_objective},
    ),
    *_on(
        "importance/finite-noise",
        "B = K = 2",
        one_draw_for_the_batch={f"{FINITE}.FiniteIWAE.minibatch_gradients": one_draw_for_the_batch},
        the_first_sample_only={f"{FINITE}.FiniteIWAE.minibatch_gradients": first_draw_only},
        gradient_of_the_ELBO={f"{FINITE}.FiniteIWAE._normalised": equal_shares},
    ),
    *_on(
        "importance/clipped-run",
        "K = 2, three short steps",
        ascent_for_descent={f"{FINITE}.ClippedIWAE.gradients": ascent},
        steps_along_noise_alone={f"{FINITE}.ClippedIWAE.gradients": gradient_of_noise_alone},
        bound_of_the_squared_weights={f"{FINITE}.FiniteIWAE.objective": objective_of_sharper_weights},
    ),
    *_on(
        "importance/gaussian-posterior",
        "Q/P = 1.05, K = 8",
        weight_of_a_narrower_encoder={f"{IMPORTANCE}.log_weight_at": weight_of_a_narrower_encoder},
        one_sample_more={f"{IMPORTANCE}.GapCurve.__call__": gap_of_one_sample_more},
    ),
    *_on(
        "importance/near-posterior",
        "Q/P = 0.85, K = 64",
        weight_of_a_narrower_encoder={f"{IMPORTANCE}.log_weight_at": weight_of_a_narrower_encoder},
        one_sample_more={f"{IMPORTANCE}.GapCurve.__call__": gap_of_one_sample_more},
    ),
    *_on(
        "importance/gradients",
        "Q/P = 1.06",
        weights_not_squared={f"{IMPORTANCE}_gradients.Estimator.moments": moments_with_plain_weights},
        one_sample_for_all={f"{IMPORTANCE}_gradients.Estimator.moments": moments_of_one_sample},
        latent_of_a_wider_encoder={f"{IMPORTANCE}_gradients.ScalarVAE.latent": wider_latent},
        slope_of_the_ELBO={f"{EXPERIMENTS}.importance_gradients.bound_slope": slope_of_the_elbo},
    ),
    *_on(
        "importance/at-posterior",
        "K = 8",
        latent_of_a_wider_encoder={f"{IMPORTANCE}_gradients.ScalarVAE.latent": wider_latent},
        weight_of_a_narrower_encoder={f"{IMPORTANCE}.log_weight_at": weight_of_a_narrower_encoder},
    ),
    *_on(
        "importance/moments",
        "variance, Q/P = 1.3",
        weight_of_a_narrower_encoder={f"{EXPERIMENTS}.importance_moments.log_weight_at": weight_of_a_narrower_encoder},
        constant_left_out_of_the_weight={
            f"{EXPERIMENTS}.importance_moments.log_weight_at": weight_without_its_constant
        },
    ),
    *_on(
        "importance/moments",
        "variance, Q/P = 2.5",
        weight_cut_at_ten={f"{EXPERIMENTS}.importance_moments.log_weight_at": weight_cut_at_ten},
    ),
)
