"""The deep Gaussian VAE against autograd, finite differences, plain loops over noise, and quadrature."""

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from scipy.integrate import quad
from torch import Tensor

from elbound.impl.deep_vae import (
    Activation,
    Architecture,
    DeepVAE,
    Identity,
    Logistic,
    Rectifier,
    Tanh,
    linearised,
    no_noise,
    pack,
    three_point_rule,
    trapezoid_gradient,
    trapezoid_rule,
    unpack,
)
from elbound.impl.noise import THREE_POINT
from elbound.impl.soft_clipping import SoftClip

CLIP = SoftClip(-2.0, 2.0, 2.0)
SHAPES = {
    "one hidden layer, tanh": Architecture(4, 2, (5,), Tanh(), CLIP, SoftClip(-3.0, 1.0, 2.0), CLIP),
    "three hidden layers, soft-clips": Architecture(3, 2, (4, 2, 3), CLIP, CLIP, SoftClip(-3.0, 1.0, 4.0), CLIP),
    "one latent, two hidden layers": Architecture(3, 1, (4, 3), Tanh(), CLIP, SoftClip(-3.0, 1.0, 2.0), CLIP),
}
EVERY_SHAPE = pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
# Two computations of one number of size s differ by rounding: under 2^12 operations, each relative to sums of size s.
SAME = 2.0**12 * 2.0**-53


def problem_of(shape: Architecture, count: int = 4) -> DeepVAE:
    data = torch.randn(count, shape.data_dim, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return DeepVAE(data, 0.4, 0.7, shape)


def parameters(shape: Architecture, replicates: int = 3) -> Tensor:
    random = torch.Generator().manual_seed(2)
    return torch.randn(shape.parameter_count, replicates, generator=random, dtype=torch.float64) * 0.7


def plain_value(problem: DeepVAE, theta: Tensor, x: Tensor, eps: Tensor) -> Tensor:
    """The integrand at one datum and one noise, written out with matrices and vectors."""
    shape, maps = problem.architecture, unpack(problem.architecture.shapes, theta[:, None])
    flat = [(m.weight[0], m.bias[0]) for m in maps]
    hidden = x
    for weight, bias in flat[: shape.depth]:
        hidden = shape.hidden.value(weight @ hidden + bias)
    (mean_w, mean_b), (spread_w, spread_b) = flat[shape.depth : shape.depth + 2]
    mean = shape.mean.value(mean_w @ hidden + mean_b)
    spread = shape.log_variance.value(spread_w @ hidden + spread_b)
    hidden = mean + torch.exp(spread / 2) * eps
    for weight, bias in flat[shape.depth + 2 : -1]:
        hidden = shape.hidden.value(weight @ hidden + bias)
    gap = x - shape.output.value(flat[-1][0] @ hidden + flat[-1][1])
    fit = gap @ gap / (2 * problem.noise_variance)
    offset = shape.data_dim / 2 * math.log(2 * math.pi * problem.noise_variance)
    return fit + offset + problem.beta / 2 * (mean.square() + torch.exp(spread) - 1 - spread).sum()


def enumerated(problem: DeepVAE, theta: Tensor) -> Tensor:
    """F by plain loops over data and the outcomes of three-point noise."""
    total = torch.zeros((), dtype=torch.float64)
    for x in problem.data:
        for outcome in itertools.product(range(3), repeat=problem.architecture.latent_dim):
            eps = torch.tensor([THREE_POINT.support[j] for j in outcome], dtype=torch.float64)
            chance = math.prod(THREE_POINT.weights[j] for j in outcome)
            total = total + chance * plain_value(problem, theta, x, eps)
    return total / problem.data_count


@EVERY_SHAPE
def test_the_objective_is_the_plain_enumeration_of_data_and_noise(shape: Architecture) -> None:
    problem, theta = problem_of(shape), parameters(shape)
    found = problem.objective(theta, problem.whole(three_point_rule(shape.latent_dim)))
    plain = torch.stack([enumerated(problem, column) for column in theta.T])
    torch.testing.assert_close(found, plain, rtol=SAME, atol=0)


@EVERY_SHAPE
def test_the_explicit_gradient_is_that_of_autograd_on_the_plain_enumeration(shape: Architecture) -> None:
    problem, theta = problem_of(shape), parameters(shape)
    found = problem.gradient(theta, problem.whole(three_point_rule(shape.latent_dim)))
    for j in range(theta.shape[1]):
        column = theta[:, j].clone().requires_grad_()
        (plain,) = torch.autograd.grad(enumerated(problem, column), column)
        torch.testing.assert_close(found[:, j], plain, rtol=0, atol=SAME * (1 + float(plain.abs().max())))


@EVERY_SHAPE
def test_the_explicit_gradient_is_the_limit_of_differences(shape: Architecture) -> None:
    problem, theta = problem_of(shape), parameters(shape, 1)
    batch = problem.whole(three_point_rule(shape.latent_dim))
    h, units = 1e-3, torch.eye(shape.parameter_count, dtype=torch.float64)
    wide, narrow = (
        (problem.objective(theta + s * units, batch) - problem.objective(theta - s * units, batch)) / (2 * s)
        for s in (2 * h, h)
    )
    # Richardson: the h^2 terms cancel, and |wide - narrow|^2 / size is of the order of what is left, h^4; rounding
    # is that of F over h.
    value = float(problem.objective(theta, batch).abs())
    allowed = 10 * float((wide - narrow).abs().max()) ** 2 + SAME * value / h + 1e3 * h**4
    found = problem.gradient(theta, batch)[:, 0]
    torch.testing.assert_close(found, (4 * narrow - wide) / 3, rtol=0, atol=allowed)


@EVERY_SHAPE
def test_the_hessian_is_that_of_autograd_on_the_objective(shape: Architecture) -> None:
    problem, theta = problem_of(shape, 2), parameters(shape, 1)[:, 0]
    batch = problem.whole(three_point_rule(shape.latent_dim))
    plain = torch.autograd.functional.hessian(lambda w: problem.objective(w[:, None], batch)[0], theta)
    assert isinstance(plain, Tensor)
    found = problem.hessian(theta, batch)
    torch.testing.assert_close(found, plain, rtol=0, atol=SAME * (1 + float(plain.abs().max())))


@EVERY_SHAPE
def test_minibatch_gradients_over_all_outcomes_average_to_the_gradient(shape: Architecture) -> None:
    problem, theta = problem_of(shape), parameters(shape, 1)
    rule = three_point_rule(shape.latent_dim)
    nodes, count = len(rule.weights), problem.data_count
    columns = theta.expand(-1, count * nodes)
    x = problem.data.T.repeat_interleave(nodes, dim=1)[:, None]
    noise = rule.nodes.T.repeat(1, count)[None, None]
    each = problem.gradient(columns, problem.minibatch(x, noise))
    mean = each @ (rule.weights.repeat(count) / count)
    exact = problem.gradient(theta, problem.whole(rule))[:, 0]
    torch.testing.assert_close(mean, exact, rtol=0, atol=SAME * (1 + float(each.abs().max())))


def test_the_trapezoid_rule_is_gaussian_quadrature() -> None:
    shape = SHAPES["one latent, two hidden layers"]
    problem, theta = problem_of(shape, 2), parameters(shape, 1)
    value, gradient = trapezoid_gradient(problem, theta)

    def integrand(eps: float, x: Tensor) -> float:
        noise = torch.tensor([eps], dtype=torch.float64)
        return math.exp(-eps * eps / 2) * float(plain_value(problem, theta[:, 0], x, noise))

    integrals = [quad(integrand, -9, 9, args=(x,), epsabs=1e-9, epsrel=1e-9, limit=200) for x in problem.data]
    exact = sum(part[0] for part in integrals) / (2 * math.sqrt(2 * math.pi))
    # quad's own error estimates, the tails beyond 9 and the rule's tolerance.
    allowed = sum(part[1] for part in integrals) + 1e-12 * (1 + abs(exact))
    assert abs(float(value[0]) - exact) <= allowed
    finer = problem.gradient(theta, problem.whole(trapezoid_rule(1600)))
    torch.testing.assert_close(gradient, finer, rtol=0, atol=2e-12 * (1 + float(finer.abs().max())))


def test_the_surrogate_is_not_the_gaussian_objective_and_nearly_so() -> None:
    shape = SHAPES["one latent, two hidden layers"]
    problem, theta = problem_of(shape), parameters(shape, 1)
    gaussian, _ = trapezoid_gradient(problem, theta)
    surrogate = problem.objective(theta, problem.whole(three_point_rule(1)))
    difference = abs(float((gaussian - surrogate)[0]))
    assert 1e-9 < difference < 0.1 * abs(float(gaussian[0]))


@EVERY_SHAPE
def test_packing_undoes_unpacking_and_either_memory_order_serves(shape: Architecture) -> None:
    problem, theta = problem_of(shape), parameters(shape)
    assert torch.equal(pack(unpack(shape.shapes, theta)), theta)
    batch = problem.whole(three_point_rule(shape.latent_dim))
    turned = theta.T.contiguous().T
    assert turned.stride() != theta.stride()
    assert torch.equal(problem.gradient(turned, batch), problem.gradient(theta, batch))


def test_replicates_do_not_move_with_their_neighbours() -> None:
    shape = SHAPES["one hidden layer, tanh"]
    problem, theta = problem_of(shape), parameters(shape, 40)
    batch = problem.whole(three_point_rule(2))
    together = problem.gradient(theta, batch)
    alone = torch.cat([problem.gradient(theta[:, j : j + 1], batch) for j in range(40)], dim=1)
    torch.testing.assert_close(together, alone, rtol=0, atol=SAME * (1 + float(alone.abs().max())))


def test_single_precision_follows_double() -> None:
    shape = SHAPES["three hidden layers, soft-clips"]
    problem, theta = problem_of(shape), parameters(shape)
    rule = three_point_rule(2)
    double = problem.gradient(theta, problem.whole(rule))
    single = problem.to("cpu", torch.float32)
    found = single.gradient(theta.float(), single.whole(rule)).double()
    # The same count of operations at unit roundoff 2^-24; sharpness 4 amplifies by a few layers' slopes at most.
    torch.testing.assert_close(found, double, rtol=0, atol=2.0**12 * 2.0**-24 * (1 + float(double.abs().max())))


def test_tanh_has_the_derivatives_of_autograd_and_the_suprema_it_claims() -> None:
    tanh, x = Tanh(), torch.linspace(-6, 6, 20001, dtype=torch.float64).requires_grad_()
    (slope,) = torch.autograd.grad(tanh.value(x).sum(), x, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), x)
    torch.testing.assert_close(tanh.slope(x), slope, rtol=0, atol=SAME)
    # A sigmoid and a difference beside the library's own rounding.
    torch.testing.assert_close(tanh.value(x), torch.tanh(x), rtol=0, atol=4 * 2.0**-52)
    torch.testing.assert_close(tanh.curvature(x), curvature, rtol=0, atol=SAME)
    # The grid misses a maximum by half its step squared times the next derivative, at most 1.
    for found, bound in ((slope, tanh.slope_bound), (curvature, tanh.curvature_bound)):
        highest = float(found.detach().abs().max())
        assert bound - (6e-4) ** 2 <= highest <= bound * (1 + SAME)
    assert torch.equal(linearised(CLIP, x)[1], CLIP.slope(x))


def test_a_noise_rule_has_the_moments_of_its_law() -> None:
    for rule in (three_point_rule(2), trapezoid_rule(200)):
        assert float(rule.weights.sum()) == pytest.approx(1, rel=SAME)
        coordinate = rule.nodes[:, 0]
        for power, moment in enumerate((0, 1, 0, 3, 0), 1):
            assert float(rule.weights @ coordinate**power) == pytest.approx(moment, rel=SAME, abs=SAME)
        torch.testing.assert_close(rule.norms, rule.nodes.norm(dim=1), rtol=SAME, atol=0)
    assert float(no_noise(3).nodes.abs().max()) == 0


def test_bad_requests_are_refused_in_one_line() -> None:
    shape = SHAPES["one hidden layer, tanh"]
    problem = problem_of(shape)
    batch = problem.whole(three_point_rule(2))
    calls: list[Callable[[], object]] = [
        lambda: replace(shape, widths=()),
        lambda: replace(shape, widths=(3, 0)),
        lambda: replace(shape, data_dim=0),
        lambda: replace(shape, latent_dim=-1),
        lambda: replace(problem, beta=-0.1),
        lambda: replace(problem, beta=math.nan),
        lambda: replace(problem, noise_variance=0.0),
        lambda: replace(problem, data=problem.data[:, :2]),
        lambda: replace(problem, data=problem.data * math.inf),
        lambda: problem.gradient(torch.zeros(3, 1, dtype=torch.float64), batch),
        lambda: three_point_rule(9),
        lambda: trapezoid_rule(1),
        lambda: trapezoid_gradient(problem, parameters(shape)),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="allowed") as caught:
            call()
        assert "\n" not in str(caught.value)


def test_an_integrand_too_sharp_for_the_trapezoid_rule_is_reported() -> None:
    shape = replace(SHAPES["one latent, two hidden layers"], hidden=SoftClip(-2.0, 2.0, 400.0))
    problem, theta = problem_of(shape, 1), parameters(shape, 1) * 20
    with pytest.raises(ArithmeticError, match="not settled"):
        trapezoid_gradient(problem, theta, intervals=4)


@pytest.mark.parametrize("activation", [Logistic(), Rectifier(), Identity()], ids=["logistic", "ReLU", "identity"])
def test_an_activation_has_the_derivatives_of_its_value_and_attains_its_bounds(activation: Activation) -> None:
    # Zero, where the logistic function is steepest, and the point where it bends most are among the nodes.
    steepest = math.log((1 + 1 / math.sqrt(3)) / (1 - 1 / math.sqrt(3)))
    x = torch.cat((torch.linspace(-6, 6, 49, dtype=torch.float64), torch.tensor([1e-30, steepest]))).requires_grad_()
    (slope,) = torch.autograd.grad(activation.value(x).sum(), x, create_graph=True)
    torch.testing.assert_close(activation.slope(x), slope, rtol=SAME, atol=SAME)
    curvature = torch.zeros_like(x)
    if slope.requires_grad and slope.grad_fn is not None:
        (curvature,) = torch.autograd.grad(slope.sum(), x, allow_unused=True, materialize_grads=True)
    torch.testing.assert_close(activation.curvature(x), curvature, rtol=SAME, atol=SAME)
    assert float(slope.detach().max()) == pytest.approx(activation.slope_bound, rel=SAME)
    if math.isfinite(activation.curvature_bound):
        assert float(curvature.detach().abs().max()) == pytest.approx(activation.curvature_bound, rel=SAME)
