"""What a run amounts to: rows, entries and facts of the run in, `summary.json` (schema 1) out."""

import json
import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from elbound.reports.document import integer, mapping, number, plain, record, scalar, several, text
from elbound.reports.place import places_of
from elbound.reports.power import tally, tried
from elbound.reports.row import CONTRADICTED, JUDGED, Entry, Row, Verdict
from elbound.reports.table_use import TABLE, use_of

SCHEMA = 1
NOT_JUDGED = "not judged"
INSTANCE = "instance: "
# A bound is loose when no configuration came within this factor of attaining it, and says nothing when none came within
# the other.
LOOSE = 0.5
EMPTY = 1e-6
# A verdict that rests on fewer configurations than these is told with how many they were.
FEW = 10
UNDECIDED_BECAUSE = "undecided: "  # begins the reason of a configuration that the evidence could not decide

_RUN = {
    "started": (text, ""),
    "wall_s": (number, 0.0),
    "profile": (text, ""),
    "device": (text, ""),
    "dtype": (text, ""),
    "epoch": (integer, 0),
    "data": (mapping(integer), {}),
    "executions": (integer, 0),
    "alpha_suite": (number, 0.0),
    "achieved_false_refutation_bound": (number, 0.0),
    "boundary_judged": (integer, 0),
    "boundary_refuted": (integer, 0),
    "versions": (mapping(scalar), {}),
    "file": (text, ""),
    "problems": (several(text), ()),
    "table": (TABLE, None),
}
_PAPERS = several(record(id=text, paper=text, sentence=text, standing=text))


def facts(run: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a run that reports show, each of its type, neutral where the run says nothing.

    Raises ValueError: a fact has the wrong type.
    """
    found = {}
    for name, (read, default) in (*_RUN.items(), ("papers", (_PAPERS, ()))):
        try:
            found[name] = read(run.get(name, default))
        except ValueError as error:
            raise ValueError(f"run fact {name}: {error}") from None
    return found


def summarise(rows: Iterable[Row], entries: Sequence[Entry], run: Mapping[str, Any]) -> dict[str, Any]:
    """The summary of a run, schema 1: the same rows in any order give the same summary.

    Raises ValueError: a row of a claim that no entry describes, or a fact of the run of the wrong type.
    """
    return condense(group(rows, entries), entries, run)


def condense(
    by_claim: Mapping[str, Mapping[str, Sequence[Row]]], entries: Sequence[Entry], run: Mapping[str, Any]
) -> dict[str, Any]:
    """The summary, schema 1, of rows that are grouped already."""
    claims, findings = [], []
    for entry in sorted(entries, key=lambda e: (e.key, e.part or "")):
        versions = by_claim[entry.name]
        if entry.kind == "claim":
            claims.append(_claim(entry, versions))
        else:
            findings.append(_finding(entry, versions))
    known = facts(run)
    shown = {name: known[name] for name in _RUN}
    shown["elsewhere"] = elsewhere(by_claim, known["device"])
    # A path of the user's machine is of no use to other readers.
    shown["file"] = shown["file"].replace("\\", "/").rpartition("/")[2]
    shown["data"] = shown["data"] or _total(claim["data"] for claim in claims)
    shown["table"] = use_of(known["table"], (row for versions in by_claim.values() for row in versions.get("", [])))
    return {"schema": SCHEMA, "run": shown, "claims": claims, "findings": findings}


def elsewhere(by_claim: Mapping[str, Mapping[str, Sequence[Row]]], device: str) -> dict[str, list[str]]:
    """The experiments that were measured on another device than the run asked for, by that device."""
    rows = (row for versions in by_claim.values() for listed in versions.values() for row in listed)
    found = defaultdict[str, set[str]](set)
    for row in rows:
        if device and row.judged and row.device != device:
            found[row.device].add(row.experiment)
    return {name: sorted(found[name]) for name in sorted(found)}


def group(rows: Iterable[Row], entries: Sequence[Entry]) -> dict[str, dict[str, list[Row]]]:
    """Rows by claim and version, each list in the order of identities.

    Raises ValueError: a row of a claim that no entry describes.
    """
    by_claim: dict[str, dict[str, list[Row]]] = {entry.name: defaultdict(list) for entry in entries}
    for row in rows:
        if row.claim not in by_claim:
            raise ValueError(f"no entry describes claim {row.claim!r}, of which there are rows")
        by_claim[row.claim][row.version].append(row)
    for versions in by_claim.values():
        for listed in versions.values():
            listed.sort(key=_place)
    return by_claim


def _place(row: Row) -> tuple[str, ...]:
    measured = (row.left, row.right, row.ratio, row.certified_ratio, row.log_e, row.replicates)
    return (row.identity, row.origin, row.verdict, row.basis, row.reason, repr(measured))


def verdict_of(rows: Sequence[Row]) -> str:
    """Refuted if a row is, else inconsistent if one is, supported if every judged row is, else consistent.

    "not judged" if no row is judged.
    """
    verdicts = {row.verdict for row in rows if row.judged}
    if not verdicts:
        return NOT_JUDGED
    for against in (Verdict.REFUTED, Verdict.INCONSISTENT):
        if against in verdicts:
            return against
    return Verdict.SUPPORTED if verdicts == {Verdict.SUPPORTED} else Verdict.CONSISTENT


def fell(version: str, rows: Sequence[Row]) -> bool:
    """Whether a version was refuted, or as a rate inconsistent; a planted fault in every experiment that has it."""
    places = {row.experiment for row in rows if version.startswith("fault: ")}
    parts = ([row for row in rows if row.experiment == place] for place in places)
    return verdict_of(rows) in CONTRADICTED and all(verdict_of(part) in CONTRADICTED for part in parts)


def basis_of(rows: Sequence[Row]) -> str:
    """What the verdict rests on: the bases of the rows that decide it."""
    against = [row for row in rows if row.contradicted]
    return ", ".join(sorted({row.basis for row in against or rows if row.judged and row.basis}))


def sharpest_of(rows: Sequence[Row]) -> Row | None:
    """The judged row whose ratio is largest; among equals the one of smallest configuration."""
    judged = [row for row in rows if row.judged and row.ratio is not None and not math.isnan(row.ratio)]
    return max(judged, key=lambda row: (row.ratio, -_size(row)[1]), default=None)


def strongest_of(rows: Sequence[Row]) -> Row | None:
    """The row with the most evidence against the claim: refuted ones first, of these exact ones, then by log evidence.

    Among equals the one whose sides are surely farthest apart, as a share of the larger.
    """

    def evidence(row: Row) -> tuple[bool, float, float, float]:
        return (row.verdict is Verdict.REFUTED, _known(row.log_e, math.inf), apart(row), _known(row.ratio))

    return max((row for row in rows if row.contradicted), key=evidence, default=None)


def apart(row: Row) -> float:
    """By what share of the larger side the two surely differ: 1 - 1/ratio of a bound, up to 2 where signs differ.

    Of a rate by how much: slopes are logarithms' already.
    """
    if row.left is None or row.right is None:
        return -math.inf
    size = 1.0 if row.verdict is Verdict.INCONSISTENT else max(abs(row.left), abs(row.right))
    return (abs(row.left - row.right) - _known(row.error, 0.0)) / size if 0 < size < math.inf else 0.0


def smallest_of(rows: Sequence[Row]) -> Row | None:
    """The row against the claim that is simplest to read: shrunk ones first, then the shortest configuration."""
    return min((row for row in rows if row.contradicted), key=_size, default=None)


def _known(value: float | None, absent: float = -math.inf) -> float:
    return absent if value is None or math.isnan(value) else value


def _size(row: Row) -> tuple[bool, int, str]:
    return (row.origin != "shrunk", len(json.dumps(plain(row.configuration))), row.identity)


def instances_of(rows: Sequence[Row]) -> dict[str, Row]:
    """The named instances: for each the judged row of largest ratio."""
    named = defaultdict(list)
    for row in rows:
        if row.origin.startswith(INSTANCE):
            named[row.origin.removeprefix(INSTANCE)].append(row)
    sharpest = {name: sharpest_of(named[name]) for name in sorted(named)}
    return {name: row for name, row in sharpest.items() if row is not None}


def versions_of(entry: Entry, versions: Mapping[str, Sequence[Row]]) -> list[str]:
    """The versions that must fall: those the catalogue names, then those that only rows name."""
    return [*entry.versions, *sorted(v for v in tried(versions) if v and v not in entry.versions)]


def _witness(row: Row | None) -> dict[str, Any] | None:
    if row is None:
        return None
    shown = (
        "experiment",
        "origin",
        "basis",
        "reason",
        "left",
        "right",
        "error",
        "ratio",
        "certified_ratio",
        "log_e",
        "slopes",
    )
    return {
        "identity": row.identity,
        "configuration": dict(row.configuration),
        "parameters": dict(row.parameters),
        "replicates": row.replicates,
        **{name: getattr(row, name) for name in shown},
    }


def _witnesses(rows: Sequence[Row]) -> dict[str, Any] | None:
    strongest = _witness(strongest_of(rows))
    return None if strongest is None else {"strongest": strongest, "smallest": _witness(smallest_of(rows))}


def _total(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return dict(sorted(total.items()))


def _claim(entry: Entry, versions: Mapping[str, Sequence[Row]]) -> dict[str, Any]:
    rows = versions.get("", [])
    judged = [row for row in rows if row.judged]
    counts = Counter(row.verdict for row in rows)
    sharpest = sharpest_of(rows)
    named = [
        {
            "name": name.removeprefix("wrong: "),
            "killed": fell(name, versions.get(name, [])),
        }
        for name in versions_of(entry, versions)
    ]
    return {
        "key": entry.key,
        "part": entry.part,
        "setting": entry.setting,
        "statement": entry.statement,
        "latex": entry.latex,
        "standing": entry.standing,
        "source": entry.source,
        "verdict": verdict_of(rows),
        "basis": basis_of(rows),
        "vacuous": is_vacuous(judged),
        # an error in a wrong version leaves the claim as unexamined as one in the claim itself
        "configurations": {str(verdict): counts[verdict] for verdict in Verdict} | {"error": _errors(versions)},
        "instances": {name: row.ratio for name, row in instances_of(rows).items()},
        "sharpest": {
            "ratio": sharpest and sharpest.ratio,
            "certified_ratio": sharpest and sharpest.certified_ratio,
            "at": dict(sharpest.configuration) if sharpest else {},
        },
        "rate": _rate(rows) if entry.rate else None,
        "undecided": _undecided(rows),
        "mutants": {"named": named, "ladder": tally(versions)},
        "data": dict(sorted(Counter(row.data for row in judged if row.data).items())),
        "witness": _witnesses(rows),
        "loose": is_loose(judged),
        "where": entry.where,
        "symbolic": [dict(answer) for answer in entry.symbolic],
        "place": [place.plain for place in places_of(entry, rows)],
    }


def _undecided(rows: Sequence[Row]) -> dict[str, Any] | None:
    """Why configurations are consistent and no more: the sharpest one's reason, else the commonest, and how many."""
    reasons = {row.identity: row.reason for row in rows if row.verdict is Verdict.CONSISTENT and row.reason}
    told = {name: reason for name, reason in reasons.items() if reason.startswith(UNDECIDED_BECAUSE)}
    if not told:
        return None
    sharpest = sharpest_of(rows)
    commonest = Counter(sorted(told.values())).most_common(1)[0][0]
    reason = told.get(sharpest.identity, commonest) if sharpest else commonest
    return {"configurations": len(told), "reason": reason.removeprefix(UNDECIDED_BECAUSE)}


def _rate(rows: Sequence[Row]) -> dict[str, Any] | None:
    """The measured slope beside the claimed one where they are farthest apart, with the local slopes there."""
    found = farthest_of(rows)
    if found is None:
        return None
    shown = {"measured": found.left, "claimed": found.right, "error": found.error, "slopes": list(found.slopes)}
    return {**shown, "experiment": found.experiment, "identity": found.identity}


def farthest_of(rows: Sequence[Row]) -> Row | None:
    """Of a rate the strongest witness, else the judged row whose slope is farthest from the claimed one."""

    def distance(row: Row) -> tuple[float, str]:
        return (abs((row.left or 0.0) - (row.right or 0.0)), row.identity)

    judged = (row for row in rows if row.judged and row.left is not None)
    return strongest_of(rows) or max(judged, key=distance, default=None)


def outside_of(rows: Sequence[Row]) -> int:
    """How many configurations did not meet the assumptions."""
    return sum(row.verdict is Verdict.ASSUMPTION_NOT_MET for row in rows)


def few(claim: Mapping[str, Any]) -> str:
    """A warning where a verdict rests on few configurations; empty where it does not."""
    counts = claim["configurations"]
    judged, outside = sum(counts[verdict] for verdict in JUDGED), counts[Verdict.ASSUMPTION_NOT_MET]
    if not 0 < judged < FEW or claim["verdict"] in CONTRADICTED:
        return ""
    were = "was" if outside == 1 else "were"
    besides = f"; {outside:,} {were} outside the assumptions" if outside else ""
    return f"{claim['verdict']} on {count(judged, 'configuration')} only{besides}"


def is_vacuous(judged: Sequence[Row]) -> bool:
    """Whether the claim says nothing where it was judged: true whatever is measured, or a million times too large."""
    return _at_most(EMPTY, judged)


def is_loose(judged: Sequence[Row]) -> bool:
    """Whether the claim certainly stays a factor two from being attained on every configuration that was judged.

    That is asked of `reach`, which does not depend on how the relation is written.
    """
    return not is_vacuous(judged) and _at_most(LOOSE, judged)


def _at_most(level: float, judged: Sequence[Row]) -> bool:
    """Whether the claim is true whatever is measured, or stays below a level, wherever that is known."""
    known = [0.0 if row.vacuous else row.reach for row in judged if row.vacuous or row.reach is not None]
    return bool(known) and all(reach is not None and reach < level for reach in known)


def _finding(entry: Entry, versions: Mapping[str, Sequence[Row]]) -> dict[str, Any]:
    rows = versions.get("", [])
    return {
        "key": entry.name,
        "statement": entry.statement,
        "verdict": Verdict.ERROR if _errors(versions) else verdict_of(rows),
        "witness": _witnesses(rows),
        "source": entry.source,
    }


def _errors(versions: Mapping[str, Sequence[Row]]) -> int:
    return sum(row.verdict is Verdict.ERROR for listed in tried(versions).values() for row in listed)


def named_versions(summary: Mapping[str, Any]) -> tuple[int, int]:
    """How many named wrong versions and faults were refuted, and how many there are."""
    named = [version for claim in summary["claims"] for version in claim["mutants"]["named"]]
    return sum(version["killed"] for version in named), len(named)


def exit_code(summary: Mapping[str, Any]) -> int:
    """0: all judged, no claim contradicted, all findings and wrong versions fell; 1: not so; 2: not all judged.

    2 takes precedence: a run with an error, with a claim or finding that no configuration judged, or with
    nothing to judge at all, has not answered the question.
    """
    return 2 if unanswered(summary) else int(unexpected(summary))


def unanswered(summary: Mapping[str, Any]) -> bool:
    """Whether something could not be judged, or there was nothing to judge."""
    both = [*summary["claims"], *summary["findings"]]
    errors = any(claim["configurations"]["error"] for claim in summary["claims"])
    unknown = any(one["verdict"] in (NOT_JUDGED, Verdict.ERROR) for one in both)
    return not both or errors or unknown or bool(summary["run"]["problems"])


def unexpected(summary: Mapping[str, Any]) -> bool:
    """Whether a claim was contradicted, one at its bound included, or a judged finding or wrong version was not."""
    killed, named = named_versions(summary)
    refuted = any(claim["verdict"] in CONTRADICTED for claim in summary["claims"])
    refuted |= summary["run"]["boundary_refuted"] > 0
    stands = (Verdict.SUPPORTED, Verdict.CONSISTENT)
    return refuted or killed < named or any(finding["verdict"] in stands for finding in summary["findings"])


def count(n: int, thing: str) -> str:
    """A number with its noun: 1 claim, 2 claims, 1,204 claims."""
    return f"{n:,} {thing}" if n == 1 else f"{n:,} {thing}s"


def headline(summary: Mapping[str, Any]) -> str:
    """The outcome of a run in words, such as "11 claims judged on 812 configurations: none refuted; ...".

    Rates are counted apart: finite data cannot refute a statement about a limit.
    """
    claims, findings = summary["claims"], summary["findings"]
    rates = [claim for claim in claims if claim["rate"] is not None and claim["verdict"] != NOT_JUDGED]
    judged = [claim for claim in claims if claim["verdict"] != NOT_JUDGED]
    if not judged and not any(finding["verdict"] != NOT_JUDGED for finding in findings):
        return "Nothing was judged."
    decided = [claim for claim in judged if claim not in rates]
    said = []
    if decided or not rates:
        configurations = sum(claim["configurations"][verdict] for claim in decided for verdict in JUDGED)
        refuted = sum(claim["verdict"] == Verdict.REFUTED for claim in decided)
        judged_on = f"{count(len(decided), 'claim')} judged on {count(configurations, 'configuration')}"
        said.append(f"{judged_on}: {refuted or 'none'} refuted")
    if rates:
        against = sum(claim["verdict"] == Verdict.INCONSISTENT for claim in rates)
        said.append(f"{count(len(rates), 'rate')} compared with measured slopes: {against or 'none'} inconsistent")
    if findings:
        said.append(_fallen(sum(f["verdict"] in CONTRADICTED for f in findings), len(findings)))
    killed, named = named_versions(summary)
    if named:
        said.append(f"{killed:,} of {count(named, 'wrong version')} {'was' if named == 1 else 'were'} refuted")
    if unjudged := sum(one["verdict"] == NOT_JUDGED for one in [*claims, *findings]):
        said.append(f"{count(unjudged, 'statement')} could not be judged")
    errors = sum(claim["configurations"]["error"] for claim in claims)
    if problems := len(summary["run"]["problems"]):
        said.append(f"{count(problems, 'problem')} in {summary['run']['file']}")
    if errors := errors + sum(finding["verdict"] == Verdict.ERROR for finding in findings):
        said.append(f"{count(errors, 'error')}")
    if boundary := summary["run"]["boundary_refuted"]:
        fell = f"{count(boundary, 'true claim')} exactly at the bound {'was' if boundary == 1 else 'were'} refuted"
        said.append(f"{fell}: NO REFUTATION IN THIS RUN CAN BE TRUSTED")
    return "; ".join(said) + "."


def _fallen(fallen: int, total: int) -> str:
    if fallen < total:
        return f"only {fallen:,} of {count(total, 'finding')} fell" if fallen else f"no finding of {total:,} fell"
    words = {1: "the finding fell", 2: "both findings fell"}
    return words.get(total, f"all {total:,} findings fell")


def write_text(path: Path, content: str) -> None:
    """Writes a file whole or not at all: a reader never sees half of it, nor what two processes wrote at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    unfinished.write_text(content, encoding="utf-8", newline="\n")
    unfinished.replace(path)


def write_summary(summary: Mapping[str, Any], path: Path | str) -> None:
    """Writes `summary.json`, whole or not at all; infinities and nan become their names."""
    write_text(Path(path), json.dumps(plain(summary), indent=1, allow_nan=False) + "\n")
