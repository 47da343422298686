"""Which claims are tried, on which experiments, how hard: what a worker process needs to know to judge."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path

from sympy import Eq

from elbound.properties.analysis import Analysis, read_analysis
from elbound.properties.analysis import BadInput as BadInput
from elbound.properties.experiment import Context, Experiment, experiments
from elbound.properties.mutants import Family, ladder
from elbound.properties.unknown import unknown
from elbound.reports.row import LADDER, Entry
from elbound.theory.catalogue import Listed, catalogue, references
from elbound.theory.claim import OWN_DERIVATION, Claim, Fact, to_latex
from elbound.theory.papers import SENTENCES


@dataclass(frozen=True)
class Profile:
    """How hard to search, for an experiment of share one: configurations drawn, and the adversary's evaluations.

    `survivors` are its evaluations for the mutants that all this left standing, `boundary_seeds` is how often the
    boundary campaign is judged besides.
    """

    name: str
    examples: int
    adversary: int
    survivors: int = 0
    boundary_seeds: int = 0


PROFILES = {
    "quick": Profile("quick", examples=24, adversary=0),
    "default": Profile("default", examples=120, adversary=128, survivors=64),
    "thorough": Profile("thorough", examples=4_000, adversary=2_000, survivors=1_000, boundary_seeds=100),
}


# Far above what any configuration of the catalogue needs, compiling a model on a busy machine included.
LIMIT = 60.0


@dataclass(frozen=True)
class Brief:
    """What to judge and how; small, and the same in every process.

    `patterns` select claims by name (shell wildcards); `file` is a user's own Python file, whose claims are judged
    instead of the catalogue's, without the statements at the lines `skipped`, each with what is wrong with it. `limit`
    is how many seconds one claim or one measurement may take at one configuration; `without` names what took longer or
    ended its process, as "claim ...", "experiment ..." or "configuration ...".
    """

    profile: str = "default"
    patterns: tuple[str, ...] = ()
    context: Context = field(default_factory=Context)
    file: str | None = None
    skipped: tuple[tuple[int, str], ...] = ()
    limit: float = LIMIT
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Versions:
    """What is tried beside a claim: its named wrong versions, and its ladder by the versions' names in rows.

    `freed` are the mutants that lack an assumption, and are judged where the claim is silent; `mutants` all others.
    """

    named: Mapping[str, Claim]
    mutants: Mapping[str, Claim]
    freed: Mapping[str, Claim]

    @staticmethod
    def of(claim: Claim) -> "Versions":
        rungs = [(x.family is Family.ASSUMPTION, f"{LADDER}{x.family}: {x.name}", x.claim) for x in ladder(claim)]
        return Versions(
            named={f"wrong: {name}": claim.version(name) for name in claim.versions},
            mutants={name: mutant for free, name, mutant in rungs if not free},
            freed={name: mutant for free, name, mutant in rungs if free},
        )

    def __getitem__(self, name: str) -> Claim:
        return next(kind[name] for kind in (self.mutants, self.named, self.freed) if name in kind)

    def __contains__(self, name: object) -> bool:
        return name in self.mutants or name in self.named or name in self.freed


@dataclass(frozen=True)
class Docket:
    """The claims on trial and the experiments that can judge them.

    `planted` are the keys of the experiments whose planted faults are tried: of the catalogue's or the file's own,
    where all its claims are on trial, since any of them may be the one that notices. `borrowed` are the names of claims
    of the catalogue that a file has judged on `own`, the keys of its experiments, and nowhere else.
    """

    listed: tuple[Listed, ...]
    experiments: tuple[Experiment, ...]
    planted: frozenset[str] = frozenset()
    borrowed: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()

    def trying(self, experiment: Experiment) -> tuple[Listed, ...]:
        """The claims this experiment can judge."""
        own = experiment.key in self.own
        able = (x for x in self.listed if experiment.setting.serves(x.claim.setting))
        return tuple(x for x in able if own or x.name not in self.borrowed)

    def plants(self, experiment: Experiment) -> bool:
        """Whether the faults of an experiment are tried; not where only findings could notice them."""
        return experiment.key in self.planted and not all(x.claim.is_finding for x in self.trying(experiment))

    def versions(self, listed: Listed) -> "Versions":
        """What is tried beside the claim itself, made once per process: it takes a few milliseconds."""
        if listed.name not in self._versions:
            self._versions[listed.name] = Versions.of(listed.claim)
        return self._versions[listed.name]

    @cached_property
    def _versions(self) -> dict[str, "Versions"]:
        return {}

    def entries(self) -> list[Entry]:
        """What reports say of each claim."""
        return [entry_of(x) for x in self.listed]


def docket_of(brief: Brief) -> Docket:
    """The docket of a brief. Raises BadInput for a pattern without a claim, or a file that cannot be used."""
    whole = _docket(brief.patterns, brief.file, brief.skipped, brief.limit)
    if not brief.without:
        return whole
    listed = tuple(x for x in whole.listed if f"claim {x.name}" not in brief.without)
    able = tuple(x for x in whole.experiments if f"experiment {x.key}" not in brief.without)
    planted = whole.planted if listed == whole.listed else frozenset()
    return replace(whole, listed=listed, experiments=able, planted=planted)


@cache
def _docket(patterns: tuple[str, ...], file: str | None, skipped: tuple[tuple[int, str], ...], limit: float) -> Docket:
    if file is not None:
        found = analysis_of(file, skipped, limit)
        chosen = select(patterns, found.listed)
        own = found.experiments if chosen == found.listed else ()
        keys, planted = (frozenset(x.key for x in each) for each in (found.experiments, own))
        docket = Docket(chosen, (*experiments(), *found.experiments), planted, found.borrowed, keys)
        return replace(docket, experiments=tuple(x for x in docket.experiments if docket.trying(x)))
    chosen = select(patterns)
    own = experiments() if chosen == catalogue() else ()
    return Docket(chosen, _serving(chosen, experiments()), frozenset(x.key for x in own))


def _serving(chosen: tuple[Listed, ...], known: tuple[Experiment, ...]) -> tuple[Experiment, ...]:
    settings = {x.claim.setting for x in chosen}
    return tuple(e for e in known if any(e.setting.serves(setting) for setting in settings))


@cache
def analysis_of(file: str, skipped: tuple[tuple[int, str], ...] = (), limit: float = LIMIT) -> Analysis:
    """What a user's file defines, read once in each process. Raises BadInput."""
    return read_analysis(Path(file), limit, skipped)


def select(patterns: Sequence[str], known: tuple[Listed, ...] | None = None) -> tuple[Listed, ...]:
    """The claims (the catalogue's without any) whose name, key or room a pattern matches. BadInput for no match."""
    known = catalogue() if known is None else known
    if not patterns:
        return known
    for pattern in patterns:
        if not any(x.matches(pattern) for x in known):
            every = "elbound list" if known == catalogue() else "the same command without a pattern"
            raise BadInput(unknown("claim", pattern, (name for x in known for name in (x.key, x.name)), every))
    return tuple(x for x in known if any(x.matches(pattern) for pattern in patterns))


def entry_of(listed: Listed) -> Entry:
    """The catalogue's text on one claim, for reports."""
    claim = listed.claim
    return Entry(
        key=listed.key,
        part=listed.part,
        kind="finding" if claim.is_finding else "claim",
        setting=claim.setting.title,
        title=listed.title,
        statement=claim.statement,
        latex=claim.latex,
        assumptions=[{"text": str(x), "latex": _assumption_latex(x, claim)} for x in claim.assuming],
        standing=str(claim.standing),
        source=source_of(claim),
        source_link="",
        proof=" ".join(claim.proof.split()),
        papers=[{"sentence": name, "relation": relation} for name, relation in claim.papers.items()],
        wrong=list(claim.versions),
        faults=[],
        tight=claim.attained >= 0.95 or isinstance(claim.relation, Eq),
        repaired_by=claim.repaired_by,
        where=listed.where,
        relation={"<=": "<=", ">=": ">=", "==": "="}[claim.relation.rel_op],
        derivation=inspect.cleandoc(listed.doc),
        rate=claim.is_rate,
    )


def source_of(claim: Claim) -> str:
    """Where a claim comes from, in words; of one's own without a proof that none is given."""
    if claim.source == OWN_DERIVATION and not claim.proof.strip():
        return "No source and no proof idea are given"
    return references().get(claim.source, claim.source)


def _assumption_latex(assumption: object, claim: Claim) -> str:
    return "" if isinstance(assumption, Fact) else to_latex(assumption, claim.setting.strangers)


def papers() -> list[dict[str, str]]:
    """The two papers' sentences, for reports."""
    texts = references()
    return [
        {"id": name, "paper": texts[x.paper], "sentence": x.text, "standing": str(x.standing)}
        for name, x in SENTENCES.items()
    ]
