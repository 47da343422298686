"""A user's claim among the catalogue's: which known claims bound the same quantity, the same way."""

from dataclasses import dataclass

from sympy import Eq, Expr

from elbound.properties.experiment import Experiment
from elbound.theory.catalogue import catalogue
from elbound.theory.claim import Claim
from elbound.theory.evaluate import symbols_of


@dataclass(frozen=True)
class Rival:
    """A known claim, and the factor that turns its left side into that of the claim it is compared with."""

    name: str
    claim: Claim
    factor: Expr

    @property
    def bound(self) -> Expr:
        """What the known claim allows the left side of the claim it is compared with, where the factor is positive."""
        return self.factor * self.claim.right


def rivals_of(claim: Claim, experiment: Experiment) -> tuple[Rival, ...]:
    """The catalogue's bounds in the same direction on the same left side, up to a known factor.

    The factor holds nothing that is measured, so that right sides are comparable configuration by configuration. An
    identity is no bound: beside the exact value every bound that holds would be looser everywhere.
    """
    if isinstance(claim.relation, Eq) or claim.is_rate:
        return ()
    found = []
    for x in catalogue():
        comparable = x.claim.relation.func is claim.relation.func and not (x.claim.is_finding or x.claim.is_rate)
        if not comparable or not experiment.setting.serves(x.claim.setting):
            continue
        if x.claim.left != 0:
            factor = claim.left / x.claim.left
            if not symbols_of(factor) & {*claim.setting.observables, *x.claim.setting.observables}:
                found.append(Rival(x.name, x.claim, factor))
    return tuple(found)
