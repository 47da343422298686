"""What one run says: a row per judged configuration, an entry per claim of the catalogue."""

import enum
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import ClassVar

from elbound.reports.document import (
    Document,
    Reader,
    Scalar,
    among,
    flag,
    integer,
    mapping,
    number,
    one_of,
    optional,
    record,
    scalar,
    several,
    tagged,
    text,
)


class Verdict(enum.StrEnum):
    """What became of one claim in one configuration.

    Inconsistent: the measured slopes contradict the claimed rate, approximately; finite data cannot refute it.
    """

    SUPPORTED = "supported"
    CONSISTENT = "consistent"
    REFUTED = "refuted"
    INCONSISTENT = "inconsistent"
    ASSUMPTION_NOT_MET = "assumption not met"
    ERROR = "error"


LADDER = "ladder: "  # begins the version of a row about a mutant; its family and name follow
UNDECIDED = "not decided at this resolution"  # the reason of a mutant's row where the evidence fell short

JUDGED = frozenset({Verdict.SUPPORTED, Verdict.CONSISTENT, Verdict.REFUTED, Verdict.INCONSISTENT})
CONTRADICTED = frozenset({Verdict.REFUTED, Verdict.INCONSISTENT})  # what was measured speaks against the statement


@dataclass(frozen=True, slots=True)
class Row(Document):
    """One claim (or one wrong version of it) judged in one configuration.

    claim is the key, or key/part; version is "" for the claim itself, else "wrong: ...", "fault: ..." or
    "ladder: family: name".
    left, right are the two sides with the measurement's error; ratio is left / right in the direction of the
    relation, certified_ratio its certified lower end; log_e the log of the evidence against the claim.
    Of a rate left is the measured slope, right the claimed one, slopes the local ones along the index.
    reach is the largest that the terms of left - right counting towards a violation can be, over those against one:
    however the relation is written, it is attained where this is 1; None where no two terms stand against each other.
    curves hold what a plot over an index needs ("x", "observed", "bound", "low", "high").
    rivals hold what known claims, by name, allow the same left side here, the claim itself among them.
    data_rows, data_columns: how much of a user's table the configuration used, zero where none.
    expected is True where refutation is what must happen.

    Raises ValueError: a field has the wrong type.
    """

    claim: str
    version: str
    experiment: str
    origin: str
    configuration: Mapping[str, Scalar]
    parameters: Mapping[str, float]
    verdict: Verdict
    basis: str
    reason: str
    left: float | None
    right: float | None
    error: float | None
    ratio: float | None
    certified_ratio: float | None
    resolution: float | None
    log_e: float | None
    replicates: int
    device: str
    dtype: str
    epoch: int
    data: str
    curves: Mapping[str, Sequence[float]]
    expected: bool
    vacuous: bool
    seconds: float
    rivals: Mapping[str, float] = field(default_factory=dict)
    data_rows: int = 0
    data_columns: int = 0
    slopes: Sequence[float] = ()
    reach: float | None = None

    READERS: ClassVar[Mapping[str, Reader]] = {
        "claim": text,
        "version": text,
        "experiment": text,
        "origin": text,
        "configuration": mapping(scalar),
        "parameters": mapping(number),
        "verdict": one_of(Verdict),
        "basis": text,
        "reason": text,
        "left": optional(number),
        "right": optional(number),
        "error": optional(number),
        "ratio": optional(number),
        "certified_ratio": optional(number),
        "resolution": optional(number),
        "log_e": optional(number),
        "replicates": integer,
        "device": text,
        "dtype": text,
        "epoch": integer,
        "data": text,
        "curves": mapping(several(number)),
        "expected": flag,
        "vacuous": flag,
        "seconds": number,
        "rivals": mapping(number),
        "data_rows": integer,
        "data_columns": integer,
        "slopes": several(number),
        "reach": optional(number),
    }
    TAGGED: ClassVar[frozenset[str]] = frozenset({"configuration"})

    @property
    def identity(self) -> str:
        """12 hexadecimal digits that name claim, version, experiment, configuration and epoch."""
        named = [self.claim, self.version, self.experiment, tagged(self.configuration), self.epoch]
        canonical = json.dumps(named, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return blake2b(canonical.encode(), digest_size=6).hexdigest()

    @property
    def judged(self) -> bool:
        """Whether the configuration met the assumptions and was measured without error."""
        return self.verdict in JUDGED

    @property
    def contradicted(self) -> bool:
        """Whether what was measured speaks against the statement: refuted, or inconsistent slopes."""
        return self.verdict in CONTRADICTED


@dataclass(frozen=True, slots=True)
class Entry(Document):
    """What the catalogue says of one claim or finding, all of it as text.

    assumptions: mappings with "text" and "latex". papers: mappings with "sentence" (the id of a sentence of
    the run) and "relation" (carries, qualifies or contradicts). tight: the claim must reach its ratio floor
    on its equality instances. repaired_by: for a finding, the condition that makes the statement true.
    where: file and line of a claim of a user's own; symbolic: questions about its right side, with "answer" and
    "how" it was found (symbolic, numeric or open).
    derivation: how the statement is obtained, as plain text; rate: it speaks of a limit of slopes.

    Raises ValueError: a field has the wrong type.
    """

    key: str
    part: str | None
    kind: str
    setting: str
    title: str
    statement: str
    latex: str
    assumptions: Sequence[Mapping[str, str]]
    standing: str
    source: str
    source_link: str
    proof: str
    papers: Sequence[Mapping[str, str]]
    wrong: Sequence[str]
    faults: Sequence[str]
    tight: bool
    repaired_by: str
    derivation: str
    where: str = ""
    relation: str = "<="
    symbolic: Sequence[Mapping[str, str]] = ()
    rate: bool = False

    READERS: ClassVar[Mapping[str, Reader]] = {
        "key": text,
        "part": optional(text),
        "kind": among("claim", "finding"),
        "setting": text,
        "title": text,
        "statement": text,
        "latex": text,
        "assumptions": several(record(text=text, latex=text)),
        "standing": text,
        "source": text,
        "source_link": text,
        "proof": text,
        "papers": several(record(sentence=text, relation=among("carries", "qualifies", "contradicts"))),
        "wrong": several(text),
        "faults": several(text),
        "tight": flag,
        "repaired_by": text,
        "where": text,
        "relation": among("<=", ">=", "="),
        "symbolic": several(record(question=text, answer=text, how=among("symbolic", "numeric", "open"))),
        "derivation": text,
        "rate": flag,
    }

    @property
    def name(self) -> str:
        """key, or key/part: what rows call the claim."""
        return self.key if self.part is None else f"{self.key}/{self.part}"

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions that must fall, as rows name them."""
        return (*(f"wrong: {name}" for name in self.wrong), *(f"fault: {name}" for name in self.faults))
