"""The error budget of one run: what a refutation must reach, and what the run achieved."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """Thresholds with E[false refutations per run of the suite] <= alpha_suite, whatever the search.

    A claim is refuted when an e-process reaches `screen` within `screen_replicates` and a second one, on a
    fresh stream, reaches `refute` within `confirm_replicates`; noise comes in chunks of `chunk` replicates.
    `support` is the threshold of a supporting e-process. Given the past, an execution reads a stream not read
    before, so Ville's inequality applies to it conditionally; summing over executions gives N / refute (own
    derivation). The threshold is constant, so that a verdict depends on its configuration alone. Raises
    ValueError for values out of range.
    """

    alpha_suite: float = 1e-6
    max_claims: int = 1_000
    max_executions: int = 10_000
    screen: float = 1e3
    support: float = 1e6
    screen_replicates: int = 256
    confirm_replicates: int = 4096
    chunk: int = 32

    def __post_init__(self) -> None:
        if not 0 < self.alpha_suite < 1:
            raise ValueError(f"alpha_suite is {self.alpha_suite!r}; it must lie strictly between 0 and 1")
        for name in ("screen", "support"):
            if not (getattr(self, name) > 1 and math.isfinite(getattr(self, name))):
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be finite and above 1")
        for name in ("max_claims", "max_executions", "screen_replicates", "confirm_replicates", "chunk"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be at least 1")
        for name in ("screen_replicates", "confirm_replicates"):
            if getattr(self, name) % self.chunk:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be a multiple of chunk = {self.chunk}")

    @property
    def refute(self) -> float:
        """Threshold of the confirmation: max_claims * max_executions / alpha_suite."""
        return self.max_claims * self.max_executions / self.alpha_suite

    def achieved(self, confirmations: int, executions: int) -> float:
        """Bound on the expected number of false refutations in a run with these counts.

        max(confirmations, executions / screen) / refute, at most 1. Only confirmations can refute, so their
        expected number over `refute` is a bound even where the screens are worthless; with independent
        screens executions / screen bounds the confirmations of true claims. The larger of the two has an
        expectation that is a bound either way, and is not zero when nothing happened to be confirmed. Raises
        ValueError unless 0 <= confirmations <= executions.
        """
        if not 0 <= confirmations <= executions:
            raise ValueError(f"confirmations is {confirmations}; it must lie between 0 and executions = {executions}")
        return min(1.0, max(confirmations, executions / self.screen) / self.refute)
