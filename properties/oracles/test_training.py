"""Training loops against one replicate at a time: automatic differentiation and torch's optimisers, same draws."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from elbound.impl.deep_vae import Architecture, DeepVAE, Logistic, Rectifier, trapezoid_rule, unpack
from elbound.impl.importance_gradients import iwae_bound
from elbound.impl.noise import GAUSSIAN, Stream, replicate_range
from elbound.impl.optimisers import Adam, Correction, Place
from elbound.impl.soft_clipping import SoftClip
from elbound.impl.training import REACH, Descent, Plan, Trace, check, exact_gradient, iterates, logged_square, train
from elbound.impl.trajectories import Draw, draw

EPS = 2.0**-53
COUNT, DATA, STEPS, REPLICATES, BATCH = 6, 3, 4, 3, 2
STREAM = Stream.named("training")
ADAM = Adam(step_size=0.05, beta_1=0.9, beta_2=0.99, regulariser=1e-3, place=Place.OUTSIDE, correction=Correction.BOTH)
SHAPE = Architecture(DATA, 1, (4, 3), SoftClip(0, 50, 1.0), SoftClip(-50, 50, 1.0), SoftClip(-20, 20, 1.0), Logistic())


def setting(beta: float = 1.0) -> tuple[DeepVAE, DeepVAE, Tensor]:
    draws = torch.Generator().manual_seed(4)
    data = torch.rand(2 * COUNT, DATA, generator=draws, dtype=torch.float64)
    start = torch.randn(SHAPE.parameter_count, generator=draws, dtype=torch.float64) / 2
    return DeepVAE(data[:COUNT], 0.7, beta, SHAPE), DeepVAE(data[COUNT:], 0.7, beta, SHAPE), start


def plan_with(optimiser: Descent | Adam, samples: int | None = None) -> Plan:
    return Plan(optimiser=optimiser, steps=STEPS, batch_size=BATCH, draws=2, samples=samples, records=3)


def parts_of(problem: DeepVAE, theta: Tensor, x: Tensor, eps: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Reconstruction term, mean, log-variance and latent at one datum and noise, by matrices and vectors."""
    maps = [(m.weight[0], m.bias[0]) for m in unpack(SHAPE.shapes, theta[:, None])]
    hidden = x
    for weight, bias in maps[:2]:
        hidden = SHAPE.hidden.value(weight @ hidden + bias)
    mean = SHAPE.mean.value(maps[2][0] @ hidden + maps[2][1])
    spread = SHAPE.log_variance.value(maps[3][0] @ hidden + maps[3][1])
    z = mean + torch.exp(spread / 2) * eps
    hidden = z
    for weight, bias in maps[4:6]:
        hidden = SHAPE.hidden.value(weight @ hidden + bias)
    gap = x - torch.sigmoid(maps[6][0] @ hidden + maps[6][1])
    offset = DATA / 2 * math.log(2 * math.pi * problem.noise_variance)
    return gap @ gap / (2 * problem.noise_variance) + offset, mean, spread, z


def negative_elbo(problem: DeepVAE, theta: Tensor, x: Tensor, eps: Tensor) -> Tensor:
    fit, mean, spread, _ = parts_of(problem, theta, x, eps)
    return fit + problem.beta / 2 * (mean.square() + torch.exp(spread) - 1 - spread).sum()


def log_weight(problem: DeepVAE, theta: Tensor, x: Tensor, eps: Tensor) -> Tensor:
    fit, _, spread, z = parts_of(problem, theta, x, eps)
    return -fit - (z.square() - eps.square() - spread).sum() / 2


def batch_loss(problem: DeepVAE, theta: Tensor, plan: Plan, r: int, t: int) -> Tensor:
    """What the minibatch of replicate r at step t descends on, datum by datum and noise by noise."""
    shape = Draw(GAUSSIAN, BATCH, plan.noises, 1, None, torch.float64)
    labels, noise = draw(shape, STREAM.schedule(), torch.tensor([r]), torch.tensor(t), torch.tensor(COUNT))
    losses = []
    for b in range(BATCH):
        x, each = problem.data[labels[b, 0]], [noise[b, j, :, 0] for j in range(plan.noises)]
        if plan.samples is None:
            losses += [negative_elbo(problem, theta, x, eps) for eps in each]
        else:
            weights = torch.stack([log_weight(problem, theta, x, eps) for eps in each])
            losses += [-iwae_bound(part) for part in weights.split(plan.samples)]
    return torch.stack(losses).mean()


@pytest.mark.parametrize("samples", [None, 3], ids=["ELBO", "bound"])
@pytest.mark.parametrize("name", ["descent", "adam"])
def test_a_replicate_takes_the_steps_of_torch_on_the_same_draws(name: str, samples: int | None) -> None:
    problem, _, start = setting()
    plan = plan_with(Descent(0.1) if name == "descent" else ADAM, samples)
    rate = ADAM.step_size if name == "adam" else 0.1
    found = list(iterates(problem, start, plan, STREAM, replicate_range(5, REPLICATES)))
    for r in range(REPLICATES):
        theta = start.clone().requires_grad_()
        torch_adam = torch.optim.Adam([theta], lr=rate, betas=(0.9, 0.99), eps=1e-3)
        optimiser = torch_adam if name == "adam" else torch.optim.SGD([theta], lr=rate)
        for t in range(1, STEPS + 1):
            optimiser.param_groups[0]["lr"] = rate / math.sqrt(t)
            optimiser.zero_grad()
            batch_loss(problem, theta, plan, 5 + r, t).backward()
            assert theta.grad is not None
            # Four steps of a few hundred operations; Adam's division magnifies by at most 1 / its regulariser, 1e3.
            slack = 4 * 2048 * EPS * (1e3 if name == "adam" else 1)
            torch.testing.assert_close(found[t - 1][1][:, r], theta.grad, rtol=slack, atol=slack)
            optimiser.step()
            torch.testing.assert_close(found[t - 1][0][:, r], theta.detach(), rtol=slack, atol=slack)


def trained(samples: int | None = None, beta: float = 1.0) -> tuple[Trace, list[tuple[Tensor, Tensor]]]:
    problem, held_out, start = setting(beta)
    plan = plan_with(Descent(0.1), samples)
    trace = train(problem, held_out, start, plan, STREAM, (5, REPLICATES))
    return trace, list(iterates(problem, start, plan, STREAM, replicate_range(5, REPLICATES)))


def hermite() -> list[tuple[Tensor, float]]:
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    return [(torch.tensor([x]), w / math.sqrt(2 * math.pi)) for x, w in zip(nodes, weights.tolist(), strict=True)]


@pytest.mark.parametrize("beta", [1.0, 4.0])
def test_the_true_squared_gradient_of_a_record_is_that_of_autograd_under_another_quadrature(beta: float) -> None:
    problem, held_out, _ = setting(beta)
    trace, path = trained(beta=beta)

    def value(on: DeepVAE, theta: Tensor) -> Tensor:
        terms = [w * negative_elbo(on, theta, x, eps) for x in on.data for eps, w in hermite()]
        return torch.stack(terms).sum() / on.data_count

    for place, step in enumerate(trace.steps):
        theta = path[step - 1][0][:, 0].clone().requires_grad_()
        (gradient,) = torch.autograd.grad(value(problem, theta), theta)
        # 2e-9 of the mass lies beyond REACH, where no integrand here is fifty times its mean; Hermite's rule is finer.
        assert float(trace.squared_gradient[place, 0]) == pytest.approx(float(gradient.square().sum()), rel=2e-7)
        loss = float(value(held_out, theta.detach()))
        assert float(trace.test_loss[place, 0]) == pytest.approx(loss, rel=1e-7)
    assert trace.moved <= 2e-7


def test_what_is_logged_at_a_record_is_the_mean_over_the_steps_since_the_last() -> None:
    trace, path = trained()
    assert trace.steps == (1, 2, 4)
    each = torch.stack([BATCH * slope.square().sum(0) / SHAPE.parameter_count for _, slope in path])
    wanted = torch.stack((each[0], each[1], each[2:].mean(0)))
    torch.testing.assert_close(trace.logged_square, wanted, rtol=64 * EPS, atol=0)


def test_what_is_logged_over_an_epoch_is_the_published_sum_over_data_and_parameters() -> None:
    """(1 / (N P)) sum over the N / B batches of |B g_B|^2."""
    draws = torch.Generator().manual_seed(1)
    gradients = torch.randn(3, 7, 2, generator=draws, dtype=torch.float64)  # three batches of four
    published = (4 * gradients).square().sum((0, 1)) / (12 * 7)
    ours = torch.stack([logged_square(g, 4) for g in gradients]).mean(0)
    assert float((ours - published).abs().max()) <= 64 * EPS * float(published.max())


def test_with_importance_samples_the_logged_loss_lies_below_the_bound_by_at_most_log_k() -> None:
    trace, _ = trained(samples=3)
    assert trace.test_bound is not None
    assert trace.logged_bound is not None
    below = trace.test_bound - trace.logged_bound
    assert 0 < float(below.min()) < float(below.max()) <= math.log(3)
    assert bool((trace.test_bound < trace.test_loss).all())
    assert trained()[0].test_bound is None


def test_kinks_show_in_how_far_the_quadrature_has_settled() -> None:
    problem, held_out, start = setting()
    kinked = Architecture(DATA, 1, (4, 3), Rectifier(), SHAPE.mean, SHAPE.log_variance, SHAPE.output)
    rough, rough_held_out = (DeepVAE(each.data, each.noise_variance, 1.0, kinked) for each in (problem, held_out))
    trace = train(rough, rough_held_out, start, plan_with(Descent(0.1)), STREAM, (0, 2))
    assert 1e-6 < trace.moved < 0.5


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
def test_the_true_gradient_is_the_same_on_cuda() -> None:
    problem, _, start = setting()
    rule = trapezoid_rule(64, REACH)
    for samples in (None, 4):
        here = exact_gradient(problem, start[:, None], rule, samples)
        there = exact_gradient(problem.to("cuda", torch.float64), start[:, None].cuda(), rule, samples)
        torch.testing.assert_close(there.cpu(), here, rtol=2.0**14 * EPS, atol=2.0**14 * EPS)


def test_a_run_that_diverges_is_named() -> None:
    problem, held_out, start = setting()
    wild = DeepVAE(problem.data, problem.noise_variance, 1e308, SHAPE)
    with pytest.raises(ValueError, match=r"step_size is 0\.1: training left the finite numbers by step 1"):
        train(wild, held_out, start, plan_with(Descent(0.1)), STREAM, (0, 2))


def test_bad_input_is_named() -> None:
    problem, _, _ = setting()
    with pytest.raises(ValueError, match="step_size is 0"):
        Descent(0.0)
    with pytest.raises(ValueError, match="batch_size is 0; allowed: at least 1"):
        Plan(optimiser=Descent(0.1), steps=1, batch_size=0)
    with pytest.raises(ValueError, match="samples is 0; allowed: at least 1"):
        Plan(optimiser=Descent(0.1), steps=1, batch_size=1, samples=0)
    with pytest.raises(ValueError, match="batch_size is 7; allowed: 1 to 6, the rows to train on"):
        check(problem, Plan(optimiser=Descent(0.1), steps=1, batch_size=7))
    with pytest.raises(ValueError, match=r"beta is 2\.0 with importance samples; allowed: 1"):
        check(setting(beta=2.0)[0], Plan(optimiser=Descent(0.1), steps=1, batch_size=1, samples=2))
    wide = Architecture(DATA, 2, (3,), SHAPE.hidden, SHAPE.mean, SHAPE.log_variance, SHAPE.output)
    with pytest.raises(ValueError, match="latent_dim is 2; allowed for the exact gradient: 1"):
        check(DeepVAE(problem.data, 1.0, 1.0, wide), Plan(optimiser=Descent(0.1), steps=1, batch_size=1))
