"""Seconds from a tight bound halved to its confirmed refutation, in a process that is warm.

python -m elbound.properties.benchmarks.refutation_time [PATTERN ...]: each tight claim with half of its larger side, or
an equality with half of its right side, is judged at the named instances, experiments of the largest share first, until
one refutes it. Prints the slowest, the median and the largest.
"""

import statistics
import sys
import time
from dataclasses import replace

from sympy import Eq, Ge, Le

from elbound.properties.campaign import Bench
from elbound.properties.docket import Brief, Docket, select
from elbound.properties.experiment import experiments
from elbound.properties.workers import prepare
from elbound.reports.row import Verdict
from elbound.theory.catalogue import Listed
from elbound.theory.claim import Claim

TIGHT, SHOWN = 0.95, 10


def halved(claim: Claim) -> Claim:
    """The claim with half of the side claimed to be larger, or an equality with half of its right side."""
    left, right = claim.relation.lhs, claim.relation.rhs
    relation = {Le: Le(left, right / 2), Ge: Ge(left / 2, right), Eq: Eq(left, right / 2)}[type(claim.relation)]
    return replace(claim, relation=relation, wrong={}, attained=0.0)


def tight(claim: Claim) -> bool:
    """Whether some configuration attains the claim, and there is a bound to halve."""
    return (
        claim.relation.rhs != 0
        and not claim.is_rate
        and not claim.is_finding
        and (claim.attained >= TIGHT or isinstance(claim.relation, Eq))
    )


def refute(listed: Listed) -> float | None:
    """Seconds until an instance refutes the claim, None where none does."""
    began = time.perf_counter()
    serving = [x for x in experiments() if x.setting.serves(listed.claim.setting)]
    for experiment in sorted(serving, key=lambda x: -x.share):
        bench = Bench(Brief(), Docket((listed,), tuple(serving)), experiment)
        for name, configuration in experiment.instances.items():
            (row,) = bench.judge(configuration, f"instance: {name}").values()
            if row.verdict is Verdict.REFUTED:
                return time.perf_counter() - began
    return None


def main(patterns: list[str]) -> int:
    prepare("cpu")
    claims = [replace(x, claim=halved(x.claim)) for x in select(patterns) if tight(x.claim)]
    refute(claims[0])
    found = {x.name: refute(x) for x in claims}
    taken = {name: seconds for name, seconds in found.items() if seconds is not None}
    for name in sorted(taken, key=lambda name: -taken[name])[:SHOWN]:
        sys.stdout.write(f"{name:<52}{taken[name]:8.3f} s\n")
    for name in found.keys() - taken.keys():
        sys.stdout.write(f"{name:<52} not refuted\n")
    median, largest = statistics.median(taken.values()), max(taken.values())
    counted = f"{len(taken)} of {len(found)} halved bounds refuted"
    sys.stdout.write(f"{counted}: median {median:.3f} s, largest {largest:.3f} s\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
