"""Two runs side by side: verdicts, sharpness, formulas and wrong versions that changed, and which changes are worse."""

import math
import operator
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import starmap, takewhile
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from elbound.reports.document import flag, mapping, number, one_of, optional, parse, several, text
from elbound.reports.ledger import Ledger
from elbound.reports.row import Verdict
from elbound.reports.summary import NOT_JUDGED, SCHEMA, count, summarise

ALLOWED = "run's folder, its summary.json (schema 1) or its ledger.sqlite"
TOLERANCE = 0.01
_AROUND = 16
TERMS = ("profile", "epoch", "device")

_RANKS = {
    Verdict.SUPPORTED: 0,
    Verdict.CONSISTENT: 1,
    NOT_JUDGED: 2,
    Verdict.ERROR: 2,
    Verdict.INCONSISTENT: 3,
    Verdict.REFUTED: 4,
}
# A finding must fall, so its order is the other way round.
_FINDING_RANKS = {
    Verdict.REFUTED: 0,
    Verdict.INCONSISTENT: 0,
    NOT_JUDGED: 1,
    Verdict.ERROR: 1,
    Verdict.CONSISTENT: 2,
    Verdict.SUPPORTED: 2,
}


@dataclass(frozen=True)
class Stand:
    """What one run says of one statement: the parts that are compared."""

    name: str
    finding: bool
    statement: str
    verdict: str
    standing: str = ""
    sharpest: float | None = None
    instances: Mapping[str, float | None] | None = None
    killed: Mapping[str, bool] | None = None


@dataclass(frozen=True)
class Run:
    """One side of a comparison: the terms of the run and its statements by name."""

    terms: Mapping[str, str | int]
    stands: Mapping[str, Stand]


@dataclass(frozen=True)
class Change:
    """One difference between two runs; `worse` where it is a loss."""

    name: str
    what: str
    old: str
    new: str
    worse: bool


@dataclass(frozen=True)
class Comparison:
    """All differences, how many statements have none, and the terms in which the two runs differ."""

    changes: tuple[Change, ...]
    unchanged: int
    differing_terms: tuple[str, ...]
    tolerance: float

    @property
    def worse(self) -> bool:
        return any(change.worse for change in self.changes)


def read_run(path: Path) -> Run:
    """The run in a folder, a summary.json or a ledger. Nothing in it is evaluated.

    Raises ValueError, one line naming the file: missing, malformed, of another schema, or with a field of a wrong type.
    """
    file = _file_of(path)
    try:
        if file.suffix == ".sqlite":
            with Ledger.open(file, readonly=True) as ledger:
                return run_of(summarise(ledger.rows(), ledger.entries(), ledger.run))
        return run_of(parse(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as failure:
        said = failure.strerror if isinstance(failure, OSError) else " ".join(str(failure).split())
        raise ValueError(f"run {path}: {said}; allowed: a {ALLOWED}") from None


def _file_of(path: Path) -> Path:
    if not path.is_dir():
        return path
    summary, ledger = path / "summary.json", path / "ledger.sqlite"
    return ledger if ledger.is_file() and not summary.is_file() else summary


def run_of(summary: Mapping[str, Any]) -> Run:
    """The compared parts of a summary. Raises ValueError naming the field that is missing or of a wrong type."""
    if summary.get("schema") != SCHEMA or isinstance(summary.get("schema"), bool):
        raise ValueError(f"schema {summary.get('schema')!r}, not {SCHEMA}")
    run = _field("", summary, "run", mapping(lambda value: value))
    claims = [_claim(f"claim {i}", claim) for i, claim in enumerate(_field("", summary, "claims", several(_any)))]
    findings = [_finding(f"finding {i}", x) for i, x in enumerate(_field("", summary, "findings", several(_any)))]
    stands: dict[str, Stand] = {}
    for stand in (*claims, *findings):
        if stand.name in stands:
            raise ValueError(f"two statements are named {stand.name!r}")
        stands[stand.name] = stand
    return Run({name: _term(run.get(name, "")) for name in TERMS}, stands)


def _any(value: Any) -> Any:
    return value


def _term(value: Any) -> str | int:
    return value if isinstance(value, int) else text(value)


def _field(where: str, holder: Any, name: str, read: Any) -> Any:
    try:
        return read(mapping(_any)(holder)[name])
    except KeyError:
        raise ValueError(f"{where or 'summary'}: {name} is missing") from None
    except ValueError as failure:
        raise ValueError(f"{where or 'summary'}: {name} {failure}") from None


def _verdict(value: Any) -> str:
    return NOT_JUDGED if value == NOT_JUDGED else str(one_of(Verdict)(value))


def _claim(where: str, claim: Any) -> Stand:
    key, part = _field(where, claim, "key", text), _field(where, claim, "part", optional(text))
    mutants = _field(where, claim, "mutants", mapping(_any))
    named = _field(where, mutants, "named", several(_any))
    return Stand(
        name=key if part is None else f"{key}/{part}",
        finding=False,
        statement=_field(where, claim, "statement", text),
        verdict=_field(where, claim, "verdict", _verdict),
        standing=_field(where, claim, "standing", text),
        sharpest=_field(where, _field(where, claim, "sharpest", mapping(_any)), "ratio", optional(number)),
        instances=_field(where, claim, "instances", mapping(optional(number))),
        killed={_field(where, x, "name", text): _field(where, x, "killed", flag) for x in named},
    )


def _finding(where: str, finding: Any) -> Stand:
    read = {name: _field(where, finding, name, text) for name in ("key", "statement")}
    return Stand(
        read["key"], finding=True, statement=read["statement"], verdict=_field(where, finding, "verdict", _verdict)
    )


def compare(old: Run, new: Run, tolerance: float = TOLERANCE) -> Comparison:
    """What changed from an old run to a new one, in the order of names.

    Ratios of instances and of the sharpest configuration are compared to the relative tolerance; the sharpest only
    where both runs searched under the same terms.

    >>> half = Stand("a", False, "x <= y/2", "refuted", "proved", 2.0, {}, {})
    >>> whole = Stand("a", False, "x <= y", "supported", "proved", 1.0, {}, {})
    >>> [change.what for change in compare(Run({}, {"a": whole}), Run({}, {"a": half})).changes]
    ['formula', 'verdict', 'sharpest ratio']
    """
    differing = tuple(name for name in TERMS if old.terms.get(name) != new.terms.get(name))
    names = sorted(old.stands.keys() | new.stands.keys())
    found = {name: tuple(_changes(name, old, new, tolerance, searched=not differing)) for name in names}
    unchanged = sum(not changes for changes in found.values())
    return Comparison(tuple(x for changes in found.values() for x in changes), unchanged, differing, tolerance)


def _changes(name: str, old: Run, new: Run, tolerance: float, *, searched: bool) -> Iterator[Change]:
    before, after = old.stands.get(name), new.stands.get(name)
    if before is None or after is None:
        if after is not None:
            yield Change(name, "new", "-", after.verdict, worse=_rank(after) >= _ranks(after)[Verdict.ERROR])
        elif before is not None:
            yield Change(name, "vanished", before.verdict, "-", worse=True)
        return
    if before.finding != after.finding:
        was, now = (("finding" if stand.finding else "claim") for stand in (before, after))
        yield Change(name, "kind", was, now, worse=True)
        return
    if before.statement != after.statement:
        yield Change(name, "formula", before.statement, after.statement, worse=False)
    if before.standing != after.standing:
        yield Change(name, "standing", before.standing, after.standing, worse=False)
    if before.verdict != after.verdict:
        yield Change(name, "verdict", before.verdict, after.verdict, worse=_rank(after) > _rank(before))
    yield from _ratios(before, after, tolerance, searched=searched)
    yield from _versions(before, after)


def _ranks(stand: Stand) -> Mapping[str, int]:
    return _FINDING_RANKS if stand.finding else _RANKS


def _rank(stand: Stand) -> int:
    return _ranks(stand)[stand.verdict]


def _ratios(before: Stand, after: Stand, tolerance: float, *, searched: bool) -> Iterator[Change]:
    old, new = before.instances or {}, after.instances or {}
    pairs = {f"instance {name}": (old.get(name), new.get(name)) for name in sorted(old.keys() | new.keys())}
    if searched:
        pairs["sharpest ratio"] = (before.sharpest, after.sharpest)
    for what, (first, second) in pairs.items():
        if not _close(first, second, tolerance):
            # A ratio that fell is sharpness lost; one that is gone cannot be relied upon any more.
            lost = first is not None and (second is None or not second >= first)
            yield Change(before.name, what, _figure(first), _figure(second), worse=lost)


def _close(first: float | None, second: float | None, tolerance: float) -> bool:
    if first is None or second is None:
        return first is second
    if not (math.isfinite(first) and math.isfinite(second)):
        return repr(first) == repr(second)
    return abs(first - second) <= tolerance * max(abs(first), abs(second))


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def _versions(before: Stand, after: Stand) -> Iterator[Change]:
    old, new = before.killed or {}, after.killed or {}
    words = {True: "refuted", False: "survives", None: "-"}
    for name in sorted(old.keys() | new.keys()):
        was, now = old.get(name), new.get(name)
        if was is not now:
            yield Change(before.name, f"wrong version {name}", words[was], words[now], worse=bool(was) or now is False)


def restricted(run: Run, part: Run) -> Run:
    """What a run of a part of the catalogue can be held to: the statements it judged, the versions it tried.

    Planted faults are tried only where the whole catalogue is, since another claim may be the one to notice.
    """
    return Run(run.terms, {name: _within(run.stands[name], x) for name, x in part.stands.items() if name in run.stands})


def _within(stand: Stand, part: Stand) -> Stand:
    tried = part.killed or {}
    return replace(stand, killed={name: killed for name, killed in (stand.killed or {}).items() if name in tried})


def headline(comparison: Comparison) -> str:
    """The outcome in one sentence."""
    touched = len({change.name for change in comparison.changes})
    if not touched:
        return f"No difference in {count(comparison.unchanged, 'statement')}."
    worse = len({change.name for change in comparison.changes if change.worse})
    said = f"{count(touched, 'statement')} changed, {worse or 'none'} for the worse"
    return f"{said}; {comparison.unchanged:,} unchanged."


def notes(comparison: Comparison) -> str:
    """What the reader must know of the terms of the two runs; empty where there is nothing to know."""
    if not comparison.differing_terms:
        return ""
    terms = ", ".join(comparison.differing_terms)
    return f"The runs differ in {terms}: sharpest ratios of the search are not compared, instances are."


def document(comparison: Comparison) -> dict[str, Any]:
    """The comparison as a JSON mapping, schema 1."""
    return {
        "schema": SCHEMA,
        "tolerance": comparison.tolerance,
        "unchanged": comparison.unchanged,
        "differing_terms": list(comparison.differing_terms),
        "worse": comparison.worse,
        "changes": [asdict(change) for change in comparison.changes],
    }


def table(comparison: Comparison) -> Table:
    """The changes on a terminal."""
    shown = Table(title="Changes", title_justify="left", pad_edge=False, box=None)
    for name in ("statement", "what", "old", "new", ""):
        shown.add_column(name, overflow="fold")
    for change in comparison.changes:
        old, new = _apart(change.old, change.new)
        cells = (change.name, change.what, old, new, "worse" if change.worse else "")
        style = "bold red" if change.worse else ""
        shown.add_row(*(Text(_printable(cell), style) for cell in cells))
    return shown


def _apart(old: str, new: str) -> tuple[str, str]:
    """Two texts cut down to where they differ, with a few characters on both sides."""
    start = _shared(old, new)
    rest = _shared(old[start:][::-1], new[start:][::-1])
    first = max(0, start - _AROUND)

    def cut(words: str) -> str:
        last = min(len(words), len(words) - rest + _AROUND)
        return ("..." if first else "") + words[first:last] + ("..." if last < len(words) else "")

    return (cut(old), cut(new)) if max(len(old), len(new)) > 4 * _AROUND else (old, new)


def _shared(first: str, second: str) -> int:
    """How many characters two texts begin with in common."""
    return sum(takewhile(bool, starmap(operator.eq, zip(first, second, strict=False))))


def _printable(words: str) -> str:
    return "".join(c if c.isprintable() else "\ufffd" for c in words)
