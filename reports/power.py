"""The power of a run: what became of each claim's ladder of mutants, as numbers, a table and a heat map.

A mutant is *false* when a named instance measured exactly has its sides certainly apart the wrong way; *killed* when
any evidence of the run refuted it; *found*, of the false ones, when the random and steered search refuted it too, which
knows no instance. Killing what an instance already shows to be false is no feat: `found` is the score that tells.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from elbound.reports.row import LADDER, UNDECIDED, Row, Verdict

FAMILIES: Final = (*("constant", "coefficient", "exponent", "dropped term", "power", "dropped assumption", "reversed"),)
COUNTS: Final = ("total", "false", "killed", "found")
# A search that came this much closer than every named instance may come closer still.
AHEAD: Final = 1.01
_CONSTANT: Final = re.compile(r"the bound (?:over|times) ([0-9]{1,4}(?:\.[0-9]{1,4})?)")


def tried(versions: Mapping[str, Sequence[Row]]) -> dict[str, Sequence[Row]]:
    """The claim itself, its named wrong versions and planted faults: what must come out as expected."""
    return {name: rows for name, rows in versions.items() if not name.startswith(LADDER)}


def tally(versions: Mapping[str, Sequence[Row]]) -> dict[str, Any]:
    """What became of a claim's mutants, from all rows of its versions.

    Mutants that no configuration judged, or that never said more than the claim, are silent and no part of the total.
    Each survivor has its reason: "resolution", the evidence could not decide, though more might; "search", closer in
    the search than on every named instance, so that more search may break it; "loose", the bound leaves room for it.
    """
    families: dict[str, Counter[str]] = {}
    survivors, missed, constants, silent = [], [], [], 0
    for version, rows in sorted(versions.items()):
        if not version.startswith(LADDER):
            continue
        family, _, name = version.removeprefix(LADDER).partition(": ")
        fate = _fate([row for row in rows if row.judged])
        silent += not fate["total"]
        if fate["total"]:
            families.setdefault(family, Counter()).update(fate)
            if not fate["killed"]:
                survivors.append({"name": f"{family}: {name}", "reason": reason_of(rows)})
            if fate["false"] > fate["found"]:
                missed.append(f"{family}: {name}")
            if fate["killed"] and family == "constant" and (found := _CONSTANT.fullmatch(name)):
                constants.append(float(found[1]))
    counted = sum(families.values(), Counter())
    certified = (row.certified_ratio for row in versions.get("", ()) if row.judged and row.certified_ratio is not None)
    return {
        **{count: counted[count] for count in COUNTS},
        "silent": silent,
        "families": {name: {count: families[name][count] for count in COUNTS} for name in sorted(families, key=_place)},
        "certified_sharpness": max(certified, default=None),
        "smallest_killed_constant": min(constants, default=None),
        "survivors": survivors,
        "missed": missed,
    }


def _place(family: str) -> tuple[int, str]:
    return (FAMILIES.index(family) if family in FAMILIES else len(FAMILIES), family)


def _fate(judged: Sequence[Row]) -> dict[str, int]:
    refuted = [row for row in judged if row.verdict is Verdict.REFUTED]
    false = any(_named(row) and not row.replicates for row in refuted)
    found = false and any(row.origin == "random" for row in refuted)
    return {"total": int(bool(judged)), "false": int(false), "killed": int(bool(refuted)), "found": int(found)}


def _named(row: Row) -> bool:
    return row.origin.startswith("instance: ")


def reason_of(rows: Iterable[Row]) -> str:
    """Why a mutant survived: "resolution", "search" or "loose"; empty where it did not, or was never judged."""
    judged = [row for row in rows if row.judged]
    if not judged or any(row.verdict is Verdict.REFUTED for row in judged):
        return ""
    if any(row.reason == UNDECIDED for row in judged):
        return "resolution"
    known, searched = (max(_ratios(judged, named=named), default=0.0) for named in (True, False))
    return "search" if searched > AHEAD * known else "loose"


def _ratios(rows: Iterable[Row], *, named: bool) -> Iterable[float]:
    return (row.ratio for row in rows if row.ratio is not None and _named(row) == named)


def full_name(claim: Mapping[str, Any]) -> str:
    """key, or key/part, of a claim of a summary."""
    return str(claim["key"]) if claim["part"] is None else f"{claim['key']}/{claim['part']}"


def claims_of(summary: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The claims of a summary that have a ladder, each with its tally."""
    ladders = ((full_name(claim), claim["mutants"]["ladder"]) for claim in summary["claims"])
    return [(name, ladder) for name, ladder in ladders if ladder["total"]]


def by_family(summary: Mapping[str, Any]) -> dict[str, Counter[str]]:
    """The counts of each family over all claims, and under "all" their sum."""
    total: dict[str, Counter[str]] = {}
    for _, ladder in claims_of(summary):
        for family, counts in ladder["families"].items():
            total.setdefault(family, Counter()).update(counts)
    ordered = {family: total[family] for family in sorted(total, key=_place)}
    return {**ordered, "all": sum(total.values(), Counter())}


def power_of(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The ladder alone, for machines: the counts of every family, then each claim's tally."""
    return {"families": by_family(summary), "claims": dict(claims_of(summary))}


def power_tables(summary: Mapping[str, Any]) -> list[Table | Text]:
    """The score of each family, then every claim with its certified sharpness, smallest constant and survivors."""
    families = Table(title="The ladder, by what is changed", title_justify="left", pad_edge=False, box=None)
    families.add_column("family")
    for title in ("mutants", "killed", "false on an exact instance", "of these found by search"):
        families.add_column(title, justify="right")
    for family, counts in by_family(summary).items():
        families.add_row(Text(family), *(f"{counts[name]:,}" for name in ("total", "killed", "false", "found")))
    claims = Table(title="\nThe ladder, claim by claim", title_justify="left", pad_edge=False, box=None)
    claims.add_column("claim", overflow="fold", min_width=32)
    for title in ("killed", "found/false", "certified", "constant", "resolution", "search", "loose"):
        claims.add_column(title, justify="right")
    for name, ladder in claims_of(summary):
        reasons = Counter(survivor["reason"] for survivor in ladder["survivors"])
        claims.add_row(
            Text("".join(c if c.isprintable() else "\ufffd" for c in name)),
            f"{ladder['killed']}/{ladder['total']}",
            f"{ladder['found']}/{ladder['false']}",
            _figure(ladder["certified_sharpness"]),
            _figure(ladder["smallest_killed_constant"]),
            *(str(reasons[reason]) for reason in ("resolution", "search", "loose")),
        )
    return [families, claims, Text(score(summary), "bold")]


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def score(summary: Mapping[str, Any]) -> str:
    """The score in words."""
    counts = by_family(summary)["all"]
    if not counts["total"]:
        return "No mutant was judged."
    killed = f"{counts['killed']:,} of {counts['total']:,} mutants were killed"
    if not counts["false"]:
        return f"{killed}; none is false on an exact instance."
    share = 100 * counts["found"] / counts["false"]
    return (
        f"{killed}; of the {counts['false']:,} that are false on an exact named instance, which kills them all, "
        f"the search alone found {counts['found']:,} ({share:.1f} percent)."
    )
