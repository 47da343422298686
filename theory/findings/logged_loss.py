"""Commonly logged: the self-normalised sum of log-weights, as if it were the importance-weighted bound.

Its gradient, with the normalised weights w~ held fixed, is that of the bound. Its value is not: the sum of w~ log w
exceeds the logarithm of the mean weight by log K - H(w~), H the entropy of the normalised weights, so a loss logged
this way is too low by up to log K, and more so the more samples are drawn.

Units: nats.
"""

from sympy import Eq

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import IWAE
from elbound.theory.symbols import K, gap, logged

LOGGED_LOSS = Claim(
    IWAE,
    Eq(logged[K], gap[K]),
    standing=Standing.CONJECTURE,
    proof="Refuted: the two differ by the expectation of log K - H(w~), which is positive unless all weights agree.",
    papers={"A-iwae": "qualifies"},
    repaired_by="logging the logarithm of the mean weight",
)
