"""Nanoseconds per replicate-step of linear VAE SGD, noise and index draws included.

python -m elbound.properties.benchmarks.sgd_step: an autograd loop over single replicates, the replicate-last
step eager, and the same compiled where a compiler is present; ratios to the loop of the same run.
"""

import statistics
import sys
import time
from collections.abc import Callable

import torch

from elbound.impl.linear_vae import LinearVAE, Weights
from elbound.impl.noise import Stream, replicate_range
from elbound.impl.trajectories import Sgd, can_compile, iterates

DATA_COUNT, DATA_DIM, LATENT_DIM, BATCH_SIZE = 256, 8, 2, 16
BLOCK, STEPS, LOOP_STEPS, ROUNDS = 2048, 10, 50, 9


def autograd_loop(problem: LinearVAE, start: Weights, steps: int) -> None:
    """One replicate the usual way: library noise, the minibatch objective, backward, step."""
    encoder, decoder = (part.clone().requires_grad_() for part in start)
    deviation = problem.posterior_variance.sqrt()
    for t in range(1, steps + 1):
        x = problem.data[torch.randint(problem.data_count, (BATCH_SIZE,))]
        mean = x @ encoder.T
        z = mean + deviation * torch.randn(BATCH_SIZE, LATENT_DIM)
        fit = (x - z @ decoder.T).square().sum(1) / (2 * problem.noise_variance)
        loss = (fit + problem.beta / 2 * mean.square().sum(1)).mean()
        loss.backward()
        with torch.no_grad():
            for part in (encoder, decoder):
                assert part.grad is not None
                part -= 0.01 / t**0.5 * part.grad
                part.grad = None


def replicate_last(problem: LinearVAE, start: Weights, *, compiled: bool) -> None:
    """The same step for a whole block, with the keyed noise."""
    sgd = Sgd(steps=STEPS, step_size=0.01, batch_size=BATCH_SIZE)
    for _ in iterates(problem, start, sgd, Stream(1), replicate_range(0, BLOCK), compiled=compiled):
        pass


def main() -> int:
    torch.set_num_threads(1)
    mixing = torch.randn(DATA_DIM, DATA_DIM, generator=torch.Generator().manual_seed(0))
    data = torch.randn(DATA_COUNT, DATA_DIM, generator=torch.Generator().manual_seed(1)) @ mixing / DATA_DIM
    problem = LinearVAE(data, 0.5, 1.0, torch.full((LATENT_DIM,), 0.5))
    start = Weights(mixing[:LATENT_DIM] / DATA_DIM, mixing[:, :LATENT_DIM] / DATA_DIM)
    ways: dict[str, tuple[Callable[[], None], int]] = {
        "autograd loop": (lambda: autograd_loop(problem, start, LOOP_STEPS), LOOP_STEPS),
        "eager": (lambda: replicate_last(problem, start, compiled=False), STEPS * BLOCK),
    }
    if can_compile(data.device):
        ways["compiled"] = (lambda: replicate_last(problem, start, compiled=True), STEPS * BLOCK)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for name, (run, _) in ways.items():
        began = time.perf_counter()
        run()
        sys.stdout.write(f"first call, {name}: {time.perf_counter() - began:.1f} s\n")
    # Interleaved, so that a busy spell of a shared machine falls on every way.
    for _ in range(ROUNDS):
        for name, (run, count) in ways.items():
            began = time.perf_counter()
            run()
            times[name].append((time.perf_counter() - began) / count * 1e9)
    loop = statistics.median(times["autograd loop"])
    sys.stdout.write(f"{'way':<16}{'ns per replicate-step':>24}{'loop / way':>12}\n")
    for name, found in times.items():
        sys.stdout.write(f"{name:<16}{statistics.median(found):>24,.0f}{loop / statistics.median(found):>12,.0f}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
