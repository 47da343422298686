"""A claim's place among known claims on the same left side: right sides compared where both were evaluated."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from elbound.reports.row import Entry, Row

# Right sides that agree to this relative difference are one bound.
AGREEMENT = 1e-9


@dataclass(frozen=True)
class Place:
    """One known claim beside a claim: pairs (row, own right side, known right side), own over known by tightness.

    `alone` counts judged configurations on which the known claim says nothing.
    """

    rival: str
    pairs: tuple[tuple[Row, float, float], ...]
    alone: int
    lower: bool

    def _is_tighter(self, own: float, known: float) -> bool:
        return own > known if self.lower else own < known

    @property
    def compared(self) -> list[int]:
        """For each pair 1 where the claim is tighter, -1 where it is looser, 0 where both agree."""
        found = []
        for _, own, known in self.pairs:
            agree = abs(own - known) <= AGREEMENT * max(abs(own), abs(known))
            found.append(0 if agree else 1 if self._is_tighter(own, known) else -1)
        return found

    @property
    def word(self) -> str:
        """How the claim stands to the known one, on what was judged."""
        kinds = set(self.compared)
        words = {
            frozenset({0}): "the same",
            frozenset({1}): "tighter everywhere",
            frozenset({0, 1}): "nowhere looser, tighter here and there",
            frozenset({-1}): "dominated: looser everywhere",
            frozenset({0, -1}): "dominated: nowhere tighter",
        }
        return words.get(frozenset(kinds), "incomparable: tighter here, looser there")

    @property
    def plain(self) -> dict[str, Any]:
        """The comparison as a summary holds it; shares are of the configurations on which both speak."""
        compared, size = self.compared, len(self.pairs)
        return {
            "claim": self.rival,
            "word": self.word,
            "configurations": size,
            "tighter": compared.count(1) / size,
            "looser": compared.count(-1) / size,
            "alone": self.alone,
        }


def places_of(entry: Entry, rows: Sequence[Row]) -> list[Place]:
    """The known claims that spoke where the claim was judged, in the order of their names."""
    judged = [row for row in rows if row.judged and row.rivals]
    names = sorted({name for row in judged for name in row.rivals} - {entry.name})
    found = []
    for name in names:
        both = [row for row in judged if name in row.rivals and entry.name in row.rivals]
        pairs = tuple((row, row.rivals[entry.name], row.rivals[name]) for row in both)
        if pairs:
            found.append(Place(name, pairs, sum(row.judged for row in rows) - len(pairs), entry.relation == ">="))
    return found
