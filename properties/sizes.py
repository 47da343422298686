"""The counts that a user of any setting with a model expects: data, dimensions, batch and samples."""

from typing import Any

from elbound.impl.deep_vae import DeepVAE
from elbound.impl.linear_vae import LinearVAE
from elbound.impl.trajectories import Sgd
from elbound.theory import symbols


def sizes_of(problem: LinearVAE) -> dict[Any, int]:
    """N, d and k of a Linear VAE on its data."""
    return {symbols.N: problem.data_count, symbols.d: problem.data_dim, symbols.k: problem.latent_dim}


def deep_sizes_of(problem: DeepVAE) -> dict[Any, int]:
    """N, d and k of a deep VAE on its data."""
    shape = problem.architecture
    return {symbols.N: problem.data_count, symbols.d: shape.data_dim, symbols.k: shape.latent_dim}


def draws_of(sgd: Sgd) -> dict[Any, int]:
    """B and K of a run."""
    return {symbols.B: sgd.batch_size, symbols.K: sgd.importance_samples}
