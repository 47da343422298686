"""How sharp a ratio the adversary reaches alone, with every named instance hidden from it.

python -m elbound.properties.benchmarks.adversary [PATTERN ...]: for each tight inequality and ten seeds, the share of
its sharpest known ratio reached within the default budget, on the experiment whose instance is the sharpest. What counts
is the certain part of exact ratios.
"""

import statistics
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from elbound.properties.adversary import Effort
from elbound.properties.campaign import Bench
from elbound.properties.docket import PROFILES, Brief, docket_of, select
from elbound.properties.experiment import Experiment, experiments
from elbound.properties.run import default_workers, prepare
from elbound.reports.row import Row
from elbound.theory.catalogue import Listed

SEEDS = range(1, 11)
TIGHT, REACHED, OFTEN = 0.95, 0.95, 8


@dataclass(frozen=True)
class Climbed:
    """The ratios one run of the adversary reached, by claim."""

    experiment: str
    seed: int
    ratios: Mapping[str, float]


def ratios_of(rows: Iterable[Row]) -> dict[str, float]:
    """The largest certain ratio of each claim itself among exact rows."""
    found: dict[str, float] = {}
    for row in rows:
        if not (row.version or row.replicates) and row.judged and row.certified_ratio is not None:
            found[row.claim] = max(found.get(row.claim, 0.0), row.certified_ratio)
    return found


def bench_on(experiment: Experiment) -> Bench:
    return Bench(Brief(), docket_of(Brief()), experiment)


def instances(key: str) -> dict[str, float]:
    """The ratios at an experiment's named instances."""
    prepare("cpu")
    bench = bench_on(experiment_of(key))
    for name, configuration in bench.experiment.instances.items():
        bench.judge(configuration, f"instance: {name}")
    return ratios_of(bench.rows)


def climbed(key: str, seed: int) -> Climbed:
    prepare("cpu")
    bench = bench_on(experiment_of(key))
    bench.adversary(Effort.of(PROFILES["default"].adversary, bench.experiment.share, seed, hide_instances=True))
    return Climbed(key, seed, ratios_of(bench.rows))


def experiment_of(key: str) -> Experiment:
    return next(x for x in experiments() if x.key == key)


def tight(patterns: Iterable[str]) -> list[Listed]:
    """The inequalities that some configuration attains."""
    return [x for x in select(tuple(patterns)) if x.claim.attained >= TIGHT]


def main(patterns: list[str]) -> int:
    claims = tight(patterns)
    serving = [x.key for x in experiments() if any(x.setting.serves(y.claim.setting) for y in claims)]
    with ProcessPoolExecutor(default_workers(), mp_context=get_context("forkserver")) as pool:
        known = dict(zip(serving, pool.map(instances, serving), strict=True))
        home = {x.name: max(serving, key=lambda key: known[key].get(x.name, 0.0)) for x in claims}
        runs = [(key, seed) for key in dict.fromkeys(home.values()) for seed in SEEDS]
        found = list(pool.map(climbed, *zip(*runs, strict=True)))
    often = 0
    for listed in claims:
        key = home[listed.name]
        reached = [x.ratios.get(listed.name, 0.0) for x in found if x.experiment == key]
        sharpest = max(known[key][listed.name], *reached)
        shares = [x / sharpest for x in reached]
        hits = sum(x >= REACHED for x in shares)
        often += hits >= OFTEN
        cells = " ".join(f"{x:5.3f}" for x in shares)
        line = f"{listed.name:<44}{sharpest:8.5f} {hits:3d}/{len(shares)} {statistics.median(shares):6.3f}  {cells}"
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"{often} of {len(claims)} tight inequalities reached in at least {OFTEN} of {len(SEEDS)} seeds\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
