"""How sharp a ratio the adversary reaches alone, with every named instance hidden from it.

python -m elbound.properties.benchmarks.adversary [PATTERN ...]: for each tight inequality and ten seeds, the share of
its sharpest known ratio reached within the default budget, on the experiment whose instance is the sharpest. Only the
certain part of exact ratios counts.
"""

import statistics
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from elbound.properties.adversary import Effort
from elbound.properties.campaign import Bench
from elbound.properties.docket import PROFILES, Brief, docket_of, select
from elbound.properties.experiment import experiments
from elbound.properties.run import default_workers
from elbound.properties.workers import prepare
from elbound.reports.row import Row

SEEDS = range(1, 11)
TIGHT, REACHED, OFTEN = 0.95, 0.95, 8


def ratios_of(rows: Iterable[Row]) -> dict[str, float]:
    """The largest certain ratio of each claim itself among exact rows."""
    found: dict[str, float] = {}
    for row in rows:
        if not (row.version or row.replicates) and row.judged and row.certified_ratio is not None:
            found[row.claim] = max(found.get(row.claim, 0.0), row.certified_ratio)
    return found


def bench_on(key: str) -> Bench:
    """The bench of an experiment, by its key, with the whole catalogue on trial."""
    prepare("cpu")
    return Bench(Brief(), docket_of(Brief()), next(x for x in experiments() if x.key == key))


def at_instances(key: str) -> dict[str, float]:
    """The ratios at an experiment's named instances."""
    bench = bench_on(key)
    for name, configuration in bench.experiment.instances.items():
        bench.judge(configuration, f"instance: {name}")
    return ratios_of(bench.rows)


def reached(key: str, seed: int) -> dict[str, float]:
    """The ratios one run of the adversary reaches, the instances hidden."""
    bench = bench_on(key)
    bench.adversary(Effort.of(PROFILES["default"].adversary, bench.experiment.share, seed, hide_instances=True))
    return ratios_of(bench.rows)


def main(patterns: list[str]) -> int:
    claims = [x.name for x in select(patterns) if x.claim.attained >= TIGHT]
    serving = [x.key for x in experiments() if any(x.setting.serves(y.claim.setting) for y in select(patterns))]
    often = 0
    with ProcessPoolExecutor(default_workers(), mp_context=get_context("forkserver")) as pool:
        known = dict(zip(serving, pool.map(at_instances, serving), strict=True))
        home = {name: max((known[key].get(name, 0.0), key) for key in serving)[1] for name in claims}
        for key in dict.fromkeys(home.values()):
            runs = list(pool.map(reached, [key] * len(SEEDS), SEEDS))
            for name in (x for x in claims if home[x] == key):
                found = [run.get(name, 0.0) for run in runs]
                often += _printed(name, found, max(known[key][name], *found))
    sys.stdout.write(f"{often} of {len(claims)} tight inequalities reached in at least {OFTEN} of {len(SEEDS)} seeds\n")
    return 0


def _printed(name: str, found: Sequence[float], sharpest: float) -> bool:
    shares = [x / sharpest for x in found]
    hits = sum(x >= REACHED for x in shares)
    cells = " ".join(f"{x:5.3f}" for x in shares)
    median = statistics.median(shares)
    sys.stdout.write(f"{name:<44}{sharpest:8.5f} {hits:3d}/{len(shares)} median {median:5.3f}: {cells}\n")
    sys.stdout.flush()
    return hits >= OFTEN


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
