"""Layerwise tangent kernels against the Jacobian's contraction, and against the machine's own matrix products.

python -m elbound.properties.benchmarks.tangent_gram: ratios within one run. Two hidden layers, float32: time of
vmap(jacrev) with contraction over time of the layerwise sum. Three hidden layers, float64: share of the rate of plain
matrix products, counting 4 N m^2 per square layer, forward and backward, and two Gram products per layer; and by how
much the peak of resident memory grows, in units of the N m numbers that each hidden layer's pre-activations take.
"""

import resource
import statistics
import sys
import time
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor
from torch.func import jacrev, vmap

from elbound.impl.kernels import ERF
from elbound.impl.tangent_gram import output, tangent_gram

INPUT_DIM, ROUNDS = 16, 5
# Peaks of resident memory come in KiB, on macOS in bytes.
PEAK_UNIT = 1 if sys.platform == "darwin" else 1024


def network(count: int, width: int, hidden: int, dtype: torch.dtype) -> tuple[list[Tensor], Tensor]:
    """Normal weights of a scalar network and inputs."""
    generator = torch.Generator().manual_seed(0)
    fans = [INPUT_DIM, *[width] * hidden, 1]
    weights = [torch.randn(o, i, generator=generator, dtype=dtype) for i, o in pairwise(fans)]
    return weights, torch.randn(count, INPUT_DIM, generator=generator, dtype=dtype)


def by_jacobian(weights: list[Tensor], X: Tensor) -> Tensor:
    """The usual way: one gradient for each datum, then their inner products."""
    jacobians = vmap(jacrev(lambda w, x: output(w, x[None], ERF)[0, 0]), in_dims=(None, 0))(weights, X)
    flat = (part.flatten(1) for part in jacobians)
    return torch.stack([part @ part.T for part in flat]).sum(0)


def median_seconds(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median times, interleaved, so that a busy spell of a shared machine falls on every way; one call to warm up."""
    for run in runs.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - began)
    return {name: statistics.median(found) for name, found in times.items()}


def against_jacobian() -> str:
    weights, X = network(64, 2048, 2, torch.float32)
    times = median_seconds(
        {"layers": lambda: tangent_gram(weights, X, ERF), "jacobian": lambda: by_jacobian(weights, X)}, ROUNDS
    )
    way = f"{times['layers'] * 1e3:.0f} ms against {times['jacobian'] * 1e3:.0f} ms"
    return (
        f"2 hidden layers, N = 64, m = 2048, float32: {times['jacobian'] / times['layers']:.0f} times faster ({way})\n"
    )


def against_products() -> str:
    N, m, hidden = 256, 4096, 3
    weights, X = network(N, m, hidden, torch.float64)
    square = torch.randn(2048, 2048, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    times = median_seconds(
        {"layers": lambda: tangent_gram(weights, X, ERF), "product": lambda: square @ square}, ROUNDS
    )
    operations = (hidden - 1) * 4 * N * m**2 + hidden * 4 * N**2 * m
    rate, own = operations / times["layers"] / 1e9, 2 * len(square) ** 3 / times["product"] / 1e9
    share = f"{rate / own:.2f} of the rate of products ({rate:.0f} of {own:.0f} GF/s)"
    return f"3 hidden layers, N = {N}, m = {m}, float64: {share}\n"


def memory() -> str:
    N, m, hidden = 256, 4096, 3
    weights, X = network(N, m, hidden, torch.float64)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tangent_gram(weights, X, ERF)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * PEAK_UNIT
    unit, jacobian = N * m * hidden * 8, N * sum(w.numel() for w in weights) * 8
    return (
        f"3 hidden layers, N = {N}, m = {m}, float64: memory grows by {grown / 1e6:.0f} MB, {grown / unit:.1f} times "
        f"N m depth numbers; the Jacobian takes {jacobian / 1e6:,.0f} MB\n"
    )


def main() -> int:
    torch.set_num_threads(1)
    # Memory first: a peak is seen only where nothing larger went before.
    for measure in (memory, against_jacobian, against_products):
        sys.stdout.write(measure())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
