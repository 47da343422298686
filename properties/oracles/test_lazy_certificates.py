"""The a-priori theorem of tangent/lazy at 60 starts of width 1024: how many it certifies, whether it holds."""

import math

from elbound.impl.kernels import RELU
from elbound.impl.wide_training import Training, random_start
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Context
from elbound.properties.experiments.wide_training import FLOW, Start, normals
from elbound.theory.symbols import displacement, least_eigenvalue, r_0, tau
from elbound.theory.tangent.lazy import DISPLACEMENT, LAZY

NETWORKS, INPUTS, DIMENSIONS, WIDTH = 60, 4, 8, 1024


def start_of(seed: int) -> Start:
    X = normals(seed, "inputs", (INPUTS, DIMENSIONS))
    X = X / X.norm(dim=1, keepdim=True)
    network, W = random_start((1, WIDTH, DIMENSIONS), 1.0, RELU, seed, antisymmetric=True)
    return Start(network, W, X, X, network.tangent(W, X))


def test_all_of_60_networks_of_width_1024_are_certified_and_none_breaks_its_certificate() -> None:
    certified, nearest = 0, 0.0
    for seed in range(NETWORKS):
        start = start_of(seed)
        y = normals(seed, "targets", (INPUTS, 1))
        training = Training(start.network, start.X, y / y.norm(), start.weights)
        first = float(training.residual(start.weights).norm())
        values = {**start.parameters, least_eigenvalue: start.least, r_0: first}
        q = start.lipschitz * first / start.least
        certified += not DISPLACEMENT.broken_assumption(values, frozenset())
        assert (q < 0.5) == (not DISPLACEMENT.broken_assumption(values, frozenset()))
        time = 2 / start.least
        paths, _, errors = training.flow([time], tolerance=1e-7)
        # Local errors grow by at most the exponential of L_J |r_0| times the time, here 2 q.
        miss = float(errors[0]) * math.exp(2 * q) + start.rounding
        left, moved = float(training.residual(paths[0]).norm()), float((paths[0] - start.weights).norm())
        assert left <= LAZY.bound_at({**values, tau: time}) + start.jacobian_bound * miss
        assert moved <= DISPLACEMENT.bound_at(values) + miss
        nearest = max(nearest, moved / DISPLACEMENT.bound_at(values))
        assert miss < 1e-4
    assert certified == NETWORKS
    # The certificates are no empty ones: some path comes within a factor two of the edge of its ball.
    assert nearest > 0.5


def test_one_erf_neuron_moves_as_far_as_its_certificate_allows() -> None:
    """At its steepest curvature, with a tenth of lambda / L_J as its residual, after twelve lifetimes."""
    configuration = FLOW.instances["one erf neuron with small residual"]
    situation, measured = FLOW.situation(configuration, Context()), FLOW.measure(configuration, Context())
    moved = measured.values[displacement]
    assert isinstance(moved, Interval)
    assert float(moved.low) >= 0.999 * DISPLACEMENT.bound_at(situation.values)
