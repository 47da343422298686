"""Microseconds per replicate-step of deep Gaussian VAE training in float32, noise and index draws included.

python -m elbound.properties.benchmarks.deep_step: an autograd loop of SGD over single replicates against all replicates
at once with explicit backpropagation, by SGD and by Adam; depth 2, d = 16, latent 2, width 32, B = 16, 1,024
replicates. Aims: SGD at most 1/20 of the loop, Adam at most 1.3 times SGD. Every way has one thread; times are the
processor's, so that other processes count only by what they take of caches and memory.
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch.nn.functional import linear, softplus

from elbound.impl.deep_descent import Objective, minibatches, steps
from elbound.impl.deep_vae import Architecture, DeepVAE, Tanh, three_point_rule, unpack
from elbound.impl.device import keep_memory
from elbound.impl.noise import Stream, replicate_range
from elbound.impl.optimisers import Adam, Correction, Place, adam_step_, at_rest
from elbound.impl.soft_clipping import SoftClip
from elbound.impl.trajectories import Sgd

DATA_COUNT, DATA_DIM, LATENT_DIM, WIDTHS, BATCH_SIZE = 256, 16, 2, (32, 32), 16
REPLICATES, BLOCK, STEPS, LOOP_STEPS, ROUNDS = 1024, 256, 10, 50, 9
MEAN, SPREAD, OUTPUT = SoftClip(-4.0, 4.0, 2.0), SoftClip(-4.0, 2.0, 2.0), SoftClip(-6.0, 6.0, 2.0)
# A gradient is computed at the last iterate too: one more than there are updates.
SGD = Sgd(steps=STEPS - 1, step_size=0.01, batch_size=BATCH_SIZE)
THEORISED = Adam(step_size=0.01, beta_1=0.9, beta_2=0.999, regulariser=1e-8)
PRACTISED = replace(THEORISED, place=Place.OUTSIDE, correction=Correction.BOTH)


def clipped(clip: SoftClip, x: torch.Tensor) -> torch.Tensor:
    """The soft-clip from library functions."""
    s = clip.sharpness
    return clip.low + (softplus(s * (x - clip.low)) - softplus(s * (x - clip.high))) / s


def autograd_loop(problem: DeepVAE, start: torch.Tensor, count: int) -> None:
    """One replicate the usual way: library layers and noise, the minibatch objective, backward, step."""
    maps = unpack(problem.architecture.shapes, start[:, None])
    parts = [part[0].clone().requires_grad_() for affine in maps for part in affine]
    for t in range(1, count + 1):
        x = problem.data[torch.randint(problem.data_count, (BATCH_SIZE,))]
        a, b, c, d, e, f, g, h, i, j, k, m, n, o = parts
        hidden = torch.tanh(linear(torch.tanh(linear(x, a, b)), c, d))
        mean = clipped(MEAN, linear(hidden, e, f))
        spread = clipped(SPREAD, linear(hidden, g, h))
        z = mean + torch.exp(spread / 2) * torch.randn(BATCH_SIZE, LATENT_DIM)
        decoded = torch.tanh(linear(torch.tanh(linear(z, i, j)), k, m))
        fit = (clipped(OUTPUT, linear(decoded, n, o)) - x).square().sum(1) / (2 * problem.noise_variance)
        divergence = (mean.square() + torch.exp(spread) - 1 - spread).sum(1) / 2
        (fit + problem.beta * divergence).mean().backward()
        with torch.no_grad():
            for part in parts:
                assert part.grad is not None
                part -= 0.01 / t**0.5 * part.grad
                part.grad = None


def sgd_at_once(problem: DeepVAE, start: torch.Tensor) -> None:
    """All replicates, a block at a time, with the keyed noise."""
    objective = Objective(problem, three_point_rule(LATENT_DIM))
    for part in torch.split(replicate_range(0, REPLICATES), BLOCK):
        for _ in steps(objective, start, SGD, Stream(1), part):
            pass


def adam_at_once(adam: Adam, problem: DeepVAE, start: torch.Tensor) -> None:
    """The same minibatches, another update."""
    for part in torch.split(replicate_range(0, REPLICATES), BLOCK):
        theta = start[None].repeat(len(part), 1).T
        moments = at_rest(theta)
        for batch in minibatches(problem, SGD, Stream(1), part, STEPS):
            moments = adam_step_(adam, theta, problem.gradient(theta, batch), moments)


def microseconds(ways: dict[str, tuple[Callable[[], None], int]]) -> dict[str, list[float]]:
    """Of one step, in interleaved rounds: a busy spell of the machine falls on every way."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for run, _ in ways.values():
        run()
    for _ in range(ROUNDS):
        for name, (run, count) in ways.items():
            began = time.process_time()
            run()
            times[name].append((time.process_time() - began) / count * 1e6)
    return times


def ratio(times: list[float], others: list[float]) -> float:
    """Median over rounds."""
    return statistics.median(a / b for a, b in zip(times, others, strict=True))


def main() -> int:
    torch.set_num_threads(1)
    keep_memory()
    random = torch.Generator().manual_seed(0)
    shape = Architecture(DATA_DIM, LATENT_DIM, WIDTHS, Tanh(), MEAN, SPREAD, OUTPUT)
    problem = DeepVAE(torch.randn(DATA_COUNT, DATA_DIM, generator=random), 0.5, 1.0, shape)
    start = torch.randn(shape.parameter_count, generator=random) / 6
    steps_at_once = STEPS * REPLICATES
    found = microseconds(
        {
            "autograd loop": (lambda: autograd_loop(problem, start, LOOP_STEPS), LOOP_STEPS),
            "SGD": (lambda: sgd_at_once(problem, start), steps_at_once),
            "Adam, as theorised": (lambda: adam_at_once(THEORISED, problem, start), steps_at_once),
            "Adam, as practised": (lambda: adam_at_once(PRACTISED, problem, start), steps_at_once),
        }
    )
    sys.stdout.write(f"{'way':<20}{'us per replicate-step':>24}{'loop / way':>12}{'way / SGD':>12}\n")
    for name, times in found.items():
        ratios = f"{ratio(found['autograd loop'], times):>12,.1f}{ratio(times, found['SGD']):>12,.2f}"
        sys.stdout.write(f"{name:<20}{statistics.median(times):>24,.1f}{ratios}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
