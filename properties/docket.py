"""Which claims are tried, on which experiments, how hard: what a worker process needs to know to judge."""

import contextlib
import fnmatch
import importlib.util
import inspect
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

from sympy import Eq

from elbound.properties.experiment import Context, Experiment, experiments, experiments_in
from elbound.properties.mutants import Family, ladder
from elbound.reports.row import LADDER, Entry
from elbound.theory.catalogue import Listed, catalogue, listed_in, references
from elbound.theory.claim import Claim, Fact, to_latex
from elbound.theory.papers import SENTENCES


class BadInput(ValueError):
    """Something a user gave cannot be used; the message is one line that says what, and what is allowed."""


@dataclass(frozen=True)
class Profile:
    """How hard to search, for an experiment of share one: Hypothesis examples, and the adversary's evaluations.

    `boundary_seeds` is how often the boundary campaign is judged besides.
    """

    name: str
    examples: int
    adversary: int
    boundary_seeds: int = 0


PROFILES = {
    "quick": Profile("quick", examples=24, adversary=0),
    "default": Profile("default", examples=120, adversary=128),
    "thorough": Profile("thorough", examples=2_000, adversary=2_000, boundary_seeds=100),
}


@dataclass(frozen=True)
class Brief:
    """What to judge and how; small, and the same in every process.

    `patterns` select claims by name (shell wildcards); `file` is a user's own Python file, whose claims are judged
    instead of the catalogue's.
    """

    profile: str = "default"
    patterns: tuple[str, ...] = ()
    context: Context = field(default_factory=Context)
    file: str | None = None


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


@dataclass(frozen=True)
class Docket:
    """The claims on trial and the experiments that can judge them."""

    listed: tuple[Listed, ...]
    experiments: tuple[Experiment, ...]

    def trying(self, experiment: Experiment) -> tuple[Listed, ...]:
        """The claims this experiment can judge."""
        return tuple(x for x in self.listed if experiment.setting.serves(x.claim.setting))

    @cached_property
    def complete(self) -> bool:
        """Whether the whole catalogue is on trial, so that every planted fault has the claims that notice it."""
        return {x.name for x in catalogue()} <= {x.name for x in self.listed}

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
    return _docket(brief.patterns, brief.file)


@cache
def _docket(patterns: tuple[str, ...], file: str | None) -> Docket:
    if file is not None:
        own, added = load_file(Path(file))
        return Docket(own, (*experiments(), *added))
    chosen = select(patterns)
    settings = {x.claim.setting for x in chosen}
    serving = tuple(e for e in experiments() if any(e.setting.serves(setting) for setting in settings))
    return Docket(chosen, serving)


def select(patterns: Sequence[str]) -> tuple[Listed, ...]:
    """The catalogue's claims whose name, key or room matches a pattern; all without patterns. BadInput for no match."""
    if not patterns:
        return catalogue()
    for pattern in patterns:
        if not any(_matches(x, pattern) for x in catalogue()):
            keys = ", ".join(dict.fromkeys(x.key for x in catalogue()))
            raise BadInput(f"claim {pattern!r}: unknown; known are {keys}")
    return tuple(x for x in catalogue() if any(_matches(x, pattern) for pattern in patterns))


def _matches(listed: Listed, pattern: str) -> bool:
    names = (listed.name, listed.key, listed.key.partition("/")[0])
    return any(fnmatch.fnmatchcase(name, pattern) for name in names)


def load_file(path: Path) -> tuple[tuple[Listed, ...], tuple[Experiment, ...]]:
    """The claims and experiments that a user's Python file defines. Raises BadInput, naming file and line."""
    if not path.is_file():
        raise BadInput(f"file {path}: no such file")
    name = f"elbound_user_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadInput(f"file {path}: not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        # What the file prints is no part of a summary that is asked for as JSON.
        with contextlib.redirect_stdout(sys.stderr):
            spec.loader.exec_module(module)
    except SyntaxError as failure:
        where = f"{failure.filename or path}:{failure.lineno or 1}"
        raise BadInput(f"{where}: syntax error: {failure.msg}") from None
    except (Exception, SystemExit) as failure:
        raise BadInput(f"{path}:{_line_in(path, failure)}: {type(failure).__name__}: {_one_line(failure)}") from None
    known = {id(x.claim) for x in catalogue()}
    listed = tuple(x for x in listed_in(module, path.stem) if id(x.claim) not in known)
    if not listed:
        raise BadInput(f"{path}: defines no Claim; assign one to a name, as in MY_BOUND = Claim(...)")
    return listed, experiments_in(module)


def _line_in(path: Path, failure: BaseException) -> int:
    line, trace = 1, failure.__traceback__
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename) == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _one_line(failure: BaseException) -> str:
    return " ".join(str(failure).split())


def entry_of(listed: Listed) -> Entry:
    """The catalogue's text on one claim, for reports."""
    claim = listed.claim
    texts = references()
    return Entry(
        key=listed.key,
        part=listed.part,
        kind="finding" if claim.is_finding else "claim",
        setting=claim.setting.title,
        title=listed.title,
        statement=claim.statement,
        latex=claim.latex,
        assumptions=[{"text": str(x), "latex": _assumption_latex(x)} for x in claim.assuming],
        standing=str(claim.standing),
        source=texts.get(claim.source, claim.source),
        source_link="",
        proof=" ".join(claim.proof.split()),
        papers=[{"sentence": name, "relation": relation} for name, relation in claim.papers.items()],
        wrong=list(claim.versions),
        faults=[],
        tight=claim.attained >= 0.95 or isinstance(claim.relation, Eq),
        repaired_by=claim.repaired_by,
        derivation=inspect.cleandoc(listed.doc),
    )


def _assumption_latex(assumption: object) -> str:
    return "" if isinstance(assumption, Fact) else to_latex(assumption)


def papers() -> list[dict[str, str]]:
    """The two papers' sentences, for reports."""
    texts = references()
    return [
        {"id": name, "paper": texts[x.paper], "sentence": x.text, "standing": str(x.standing)}
        for name, x in SENTENCES.items()
    ]
