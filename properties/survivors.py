"""The mutants that a run left standing for want of search, and where each came closest to falling.

They are known when every other task is done, from its rows alone, and so are the climbs on their own ratios.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from elbound.properties.adversary import Point
from elbound.properties.mutants import Family
from elbound.properties.spaces import Configuration, Space
from elbound.reports.power import reason_of
from elbound.reports.row import LADDER, Row
from elbound.reports.summary import INSTANCE

Name = tuple[str, str]  # of a claim and of its mutant


@dataclass(frozen=True)
class Seen:
    """A configuration of the search, and a mutant's ratio there."""

    configuration: Configuration
    ratio: float


@dataclass(frozen=True)
class Target:
    """A mutant that survived, and what the search saw of it on the experiment where it came closest to falling."""

    claim: str
    version: str
    seen: tuple[Seen, ...]

    @property
    def name(self) -> Name:
        return self.claim, self.version

    @property
    def closest(self) -> float:
        return max(x.ratio for x in self.seen)

    @property
    def family(self) -> str:
        return self.version.removeprefix(LADDER).partition(": ")[0]

    def heights(self, space: Space) -> dict[Point, float]:
        """The logarithms of the known ratios, by grid point."""
        return {space.nearest(x.configuration): math.log(x.ratio) for x in self.seen}


def targets_of(rows: Iterable[Row]) -> dict[str, list[Target]]:
    """The mutants of one claim that more search may break, by experiment, from all rows of the claim's versions."""
    versions: dict[str, list[Row]] = {}
    for row in rows:
        if row.version.startswith(LADDER):
            versions.setdefault(row.version, []).append(row)
    found: dict[str, list[Target]] = {}
    for version, tried in sorted(versions.items()):
        if searched := _searched(tried) if reason_of(tried) == "search" else []:
            home = max(searched, key=lambda row: (row.ratio, row.experiment)).experiment
            seen = tuple(Seen(row.configuration, row.ratio or 0.0) for row in searched if row.experiment == home)
            found.setdefault(home, []).append(Target(searched[0].claim, version, seen))
    return found


def _searched(tried: Iterable[Row]) -> list[Row]:
    known = (row for row in tried if row.judged and not row.origin.startswith(INSTANCE))
    return sorted((row for row in known if row.ratio is not None and row.ratio > 0), key=lambda row: row.identity)


# A bound over a constant has the claim's own ratio but for the constant, and that was climbed before.
CLIMBED: Final = frozenset(map(str, Family)) - {Family.CONSTANT}


def in_turn(targets: Sequence[Target]) -> list[Target]:
    """Those worth a climb of their own: the closest of each claim and family first, then the next of each."""
    ranks: Counter[tuple[str, str]] = Counter()
    placed: list[tuple[int, float, str, str, Target]] = []
    for target in sorted(targets, key=lambda x: (-x.closest, x.claim, x.version)):
        place = ranks[target.claim, target.family]
        ranks[target.claim, target.family] += 1
        if target.family in CLIMBED:
            placed.append((place, -target.closest, target.claim, target.version, target))
    return [target for *_, target in sorted(placed, key=lambda x: x[:-1])]
