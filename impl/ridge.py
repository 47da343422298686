"""Linear and ridge flows, and kernel ridge regression, from one eigendecomposition of the kernel matrix."""

from dataclasses import dataclass
from math import inf

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class KernelFlow:
    """Training f(t) = f_0 + Theta alpha(t), alpha' = r_0 - (Theta + ridge) alpha, of a linear model with ridge.

    Spectrum of the symmetric kernel matrix Theta [n, n] on the n training values, ridge >= 0. Predictions elsewhere
    are f_0(x) + Theta(x, X) alpha(t); at t = inf they are those of kernel ridge regression.
    """

    eigenvalues: Float[Tensor, " n"]
    eigenvectors: Float[Tensor, "n n"]
    ridge: float

    @staticmethod
    def of(kernel: Float[Tensor, "n n"], ridge: float) -> "KernelFlow":
        """ValueError unless 0 <= ridge < inf and the kernel is finite, of at least one row."""
        if not 0 <= ridge < inf:
            raise ValueError(f"ridge = {ridge} must be finite and at least 0")
        if not len(kernel):
            raise ValueError(f"kernel of shape {tuple(kernel.shape)} must be at least [1, 1]")
        if not bool(kernel.isfinite().all()):
            raise ValueError("kernel has entries that are not finite; all must be")
        values, vectors = torch.linalg.eigh(kernel)
        return KernelFlow(values, vectors, ridge)

    def coefficients(self, initial: Float[Tensor, " n"], time: float = inf) -> Float[Tensor, " n"]:
        """Dual coefficients alpha(t) = (1 - e^{-(Theta + ridge) t}) / (Theta + ridge) r_0, r_0 = y - f_0.

        ValueError for a negative time, or an infinite one where Theta + ridge cannot be told from a singular matrix.
        """
        return self.eigenvectors @ (self._gain(time) * (self.eigenvectors.T @ initial))

    def residual(self, initial: Float[Tensor, " n"], time: float = inf) -> Float[Tensor, " n"]:
        """Residual y - f(t) at the training values: r_0 - Theta alpha(t)."""
        modes = self.eigenvectors.T @ initial
        return self.eigenvectors @ (modes - self.eigenvalues * self._gain(time) * modes)

    def _gain(self, time: float) -> Tensor:
        if not time >= 0:
            raise ValueError(f"time = {time} must be at least 0")
        rate = self.eigenvalues + self.ridge
        if time == inf:
            # The eigensolver errs by this much: a backward stable decomposition of an n x n matrix.
            error = len(rate) * torch.finfo(rate.dtype).eps * float(self.eigenvalues.abs().max())
            if not float(rate.min()) > error:
                raise ValueError(
                    f"least eigenvalue plus ridge is {float(rate.min()):g}; no limit unless it exceeds 0 by more than"
                    f" {error:g}, the eigenvalues' rounding"
                )
            return 1 / rate
        safe = torch.where(rate == 0, torch.ones_like(rate), rate)
        return torch.where(rate == 0, torch.full_like(rate, time), -torch.expm1(-safe * time) / safe)
