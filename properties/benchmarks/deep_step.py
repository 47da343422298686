"""Microseconds per replicate-step of deep Gaussian VAE SGD in float32, noise and index draws included.

python -m elbound.properties.benchmarks.deep_step: an autograd loop over single replicates against all replicates at
once with explicit backpropagation; depth 2, d = 16, latent 2, width 32, B = 16, 1,024 replicates. Aim: at most 1/20.
"""

import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch.nn.functional import linear, softplus

from elbound.impl.deep_descent import Objective, steps
from elbound.impl.deep_vae import Architecture, DeepVAE, Tanh, three_point_rule, unpack
from elbound.impl.noise import Stream, replicate_range
from elbound.impl.soft_clipping import SoftClip
from elbound.impl.trajectories import Sgd

DATA_COUNT, DATA_DIM, LATENT_DIM, WIDTHS, BATCH_SIZE = 256, 16, 2, (32, 32), 16
REPLICATES, BLOCK, STEPS, LOOP_STEPS, ROUNDS = 1024, 128, 3, 50, 9
MEAN, SPREAD, OUTPUT = SoftClip(-4.0, 4.0, 2.0), SoftClip(-4.0, 2.0, 2.0), SoftClip(-6.0, 6.0, 2.0)


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


def replicate_last(problem: DeepVAE, start: torch.Tensor) -> None:
    """All replicates, a block at a time, with the keyed noise."""
    sgd = Sgd(steps=STEPS - 1, step_size=0.01, batch_size=BATCH_SIZE)
    objective = Objective(problem, three_point_rule(LATENT_DIM))
    for part in torch.split(replicate_range(0, REPLICATES), BLOCK):
        for _ in steps(objective, start, sgd, Stream(1), part):
            pass


def main() -> int:
    torch.set_num_threads(1)
    random = torch.Generator().manual_seed(0)
    shape = Architecture(DATA_DIM, LATENT_DIM, WIDTHS, Tanh(), MEAN, SPREAD, OUTPUT)
    problem = DeepVAE(torch.randn(DATA_COUNT, DATA_DIM, generator=random), 0.5, 1.0, shape)
    start = torch.randn(shape.parameter_count, generator=random) / 6
    ways: dict[str, tuple[Callable[[], None], int]] = {
        "autograd loop": (lambda: autograd_loop(problem, start, LOOP_STEPS), LOOP_STEPS),
        "all at once": (lambda: replicate_last(problem, start), STEPS * REPLICATES),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for run, _ in ways.values():
        run()
    # Interleaved, so that a busy spell of a shared machine falls on both ways.
    for _ in range(ROUNDS):
        for name, (run, count) in ways.items():
            began = time.process_time()
            run()
            times[name].append((time.process_time() - began) / count * 1e6)
    loop = statistics.median(times["autograd loop"])
    sys.stdout.write(f"{'way':<16}{'us per replicate-step':>24}{'loop / way':>12}\n")
    for name, found in times.items():
        sys.stdout.write(f"{name:<16}{statistics.median(found):>24,.1f}{loop / statistics.median(found):>12,.1f}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
