"""A user's own file: the claims and experiments it defines, statement by statement.

A statement that fails is a problem with file and line; the others still count, unless they ask for what it would have
defined.
"""

import __future__

import ast
import contextlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from elbound.properties.experiment import Experiment, experiments
from elbound.properties.limits import TimeLimit, Watch, stopped_after
from elbound.properties.slips import instead, one_line, raised
from elbound.properties.spaces import Space
from elbound.properties.unknown import BadInput as BadInput
from elbound.properties.unknown import unknown
from elbound.theory.catalogue import Listed, catalogue, part_of
from elbound.theory.claim import Claim, Setting
from elbound.theory.symbols import OwnLetters, letters_of

# The name of a user's file as a module: what its frames in a traceback are known by.
OWN_MODULE = "elbound_user_"
# What a file calls the catalogue's claims that its own experiments are judged by.
JUDGED_BY = "JUDGED_BY"
SYMBOLS = "elbound.theory.symbols"
# How a user's code fails: sys.exit is a failure of what called it; an interrupt is none.
FAILURES = (Exception, SystemExit)
NEEDED = {"key": str, "title": str, "setting": Setting, "space": Space, "instances": dict, "faults": dict}


@dataclass(frozen=True)
class Analysis:
    """What a user's file defines, its problems in words, and for each statement that failed its line and the reason.

    `borrowed` names those of its claims that are the catalogue's: they are judged on the file's experiments alone.
    """

    listed: tuple[Listed, ...]
    experiments: tuple[Experiment, ...]
    problems: tuple[str, ...] = ()
    failed: tuple[tuple[int, str], ...] = ()
    borrowed: frozenset[str] = frozenset()


def read_analysis(
    path: Path, limit: float, skipped: tuple[tuple[int, str], ...] = (), watch: Watch | None = None
) -> Analysis:
    """Runs the file, every statement for at most `limit` seconds.

    The statements at the skipped lines are not run, and have failed for the reasons given. The watch keeps a note of
    the line. Raises BadInput, naming file and line, for a file that is no Python or defines no claim.
    """
    reading, amiss = _Reading(path, tree_of(path)), dict(skipped)
    with _printing_to_stderr(), letters_of(OwnLetters(_letters(reading.tree))):
        for statement in reading.tree.body:
            if statement.lineno in amiss:
                reading.fail(statement, amiss[statement.lineno])
                continue
            with watch.over({"line": statement.lineno}) if watch else contextlib.nullcontext():
                reading.run(statement, limit)
    return reading.analysis()


@contextlib.contextmanager
def _printing_to_stderr() -> Iterator[None]:
    """What a file prints is no part of a summary that is asked for as JSON, whether or not it prints through Python."""
    with contextlib.redirect_stdout(sys.stderr), contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # where one of the two is closed, nothing is to be kept apart
            before = os.dup(1)
            stack.callback(os.close, before)
            sys.__stdout__.flush() if sys.__stdout__ else None
            os.dup2(2, 1)
            stack.callback(os.dup2, before, 1)
        yield


def tree_of(path: Path) -> ast.Module:
    """The file's syntax tree. Raises BadInput, naming file and line, for a file that is no Python."""
    if not path.is_file():
        raise BadInput(f"file {path}: no such file")
    if path.suffix != ".py":
        raise BadInput(f"file {path}: not a Python file; its name must end in .py")
    try:
        return ast.parse(path.read_bytes(), str(path))
    except SyntaxError as failure:
        raise BadInput(f"{path}:{failure.lineno or 1}: syntax error: {failure.msg}") from None
    except (ValueError, RecursionError, MemoryError) as failure:
        raise BadInput(f"{path}:1: not Python: {one_line(failure)}") from None


def line_in(path: Path | str, failure: BaseException) -> int:
    """The innermost line of a file that an exception came through; 0 for none."""
    line, trace = 0, failure.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


@dataclass
class _Reading:
    """The namespace of a file as its statements run, and what is remarkable about them."""

    path: Path
    tree: ast.Module
    module: ModuleType = field(init=False)
    flags: int = 0
    lines: dict[str, int] = field(default_factory=dict)  # of the statement that bound a name last
    claims: dict[str, tuple[Claim, int]] = field(default_factory=dict)
    imported: dict[str, tuple[Claim, int]] = field(default_factory=dict)  # of the catalogue
    problems: list[str] = field(default_factory=list)
    failed: list[tuple[int, str]] = field(default_factory=list)
    missing: dict[str, int] = field(default_factory=dict)  # names that failed statements would have bound

    def __post_init__(self) -> None:
        name = OWN_MODULE + self.path.stem
        self.module = ModuleType(name, ast.get_docstring(self.tree, clean=False))
        self.module.__file__ = str(self.path)
        sys.modules[name] = self.module

    def at(self, line: int) -> str:
        return f"{self.path}:{line}"

    def run(self, statement: ast.stmt, limit: float) -> None:
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            self.flags |= sum(getattr(__future__, alias.name).compiler_flag for alias in statement.names)
            return
        known = dict(vars(self.module))
        try:
            with stopped_after(limit):
                code = compile(ast.Module([statement], []), str(self.path), "exec", self.flags, dont_inherit=True)
                exec(code, vars(self.module))
        except TimeLimit as failure:
            line = line_in(self.path, failure) or statement.lineno
            self.fail(statement, f"{self.at(line)}: time limit: still running after {limit:g} s")
        except SyntaxError as failure:
            raise BadInput(f"{self.at(failure.lineno or 1)}: syntax error: {failure.msg}") from None
        except FAILURES as failure:
            line = line_in(self.path, failure) or statement.lineno
            wanted = getattr(failure, "name", None) if isinstance(failure, NameError) else None
            said = f"{self.at(line)}: {raised(failure)}{instead(failure)}"
            self.fail(
                statement,
                f"{said}, which line {self.missing[wanted]} failed to define" if wanted in self.missing else said,
            )
        for name, value in vars(self.module).items():
            if known.get(name) is not value:
                self._bound(name, value, statement.lineno)

    def fail(self, statement: ast.stmt, said: str) -> None:
        self.problems.append(said)
        self.failed.append((statement.lineno, said))
        self.missing |= dict.fromkeys(_names(statement), statement.lineno)

    def _bound(self, name: str, value: object, line: int) -> None:
        self.lines[name] = line
        if not isinstance(value, Claim) or name.startswith("_"):
            return
        if _imported(value):
            # Imported, perhaps under several names: the last of them.
            known = {x: (claim, at) for x, (claim, at) in self.imported.items() if claim is not value}
            self.imported = {**known, name: (value, line)}
            return
        twin = next((other for other in self.claims if other.lower() == name.lower()), None)
        if twin is None:
            self.claims[name] = (value, line)
        else:
            first = self.claims[twin][1]
            self.problems.append(f"{self.at(line)}: claim {name}: the claim {twin} of line {first} has the same key")

    def analysis(self) -> Analysis:
        own = tuple(self._experiments())
        written = [claim for claim, _ in self.claims.values()]
        self.claims |= {k: x for k, x in self.imported.items() if _served(x[0], own) and x[0] not in written}
        listed = (*self._listed(), *self._judged_by(own))
        if not listed and self.problems:
            raise BadInput(self.problems[0])
        if not listed:
            named = f'or name some of the catalogue for its experiments, as in {JUDGED_BY} = ("estimators/unbiased",)'
            raise BadInput(f"{self.path}: defines no Claim; assign one to a name, as in MY_BOUND = Claim(...), {named}")
        self.problems += self._unserved(listed, own)
        borrowed = frozenset(x.name for x in listed if _served(x.claim, own) and _known(x.claim))
        return Analysis(listed, own, tuple(self.problems), tuple(self.failed), borrowed)

    def _listed(self) -> Iterator[Listed]:
        for name, (claim, line) in self.claims.items():
            part = part_of(name, alone=len(self.claims) == 1, module=self.path.stem)
            yield Listed(self.path.stem, part, claim, self.module.__doc__ or "", f"{self.path.name}:{line}")

    def _judged_by(self, own: tuple[Experiment, ...]) -> Iterator[Listed]:
        """The claims of the catalogue that the file names, by key or pattern, to be judged on its own experiments."""
        given, line = getattr(self.module, JUDGED_BY, ()), self.lines.get(JUDGED_BY, 1)
        patterns = (given,) if isinstance(given, str) else given
        if not isinstance(patterns, tuple | list) or not all(isinstance(x, str) for x in patterns):
            allowed = 'names of claims, as in ("estimators/unbiased",)'
            self.problems.append(f"{self.at(line)}: {JUDGED_BY} is {given!r}; allowed: {allowed}")
            return
        there = [claim for claim, _ in self.claims.values()]
        for pattern in patterns:
            found = [x for x in catalogue() if x.matches(pattern)]
            served = [x for x in found if _served(x.claim, own)]
            if not found:
                said = unknown("claim", pattern, (x.name for x in catalogue()), "elbound list")
                self.problems.append(f"{self.at(line)}: {JUDGED_BY}: {said}")
            elif not served:
                names = ", ".join(dict.fromkeys(x.claim.setting.name for x in found))
                self.problems.append(f"{self.at(line)}: {JUDGED_BY} {pattern!r}: no experiment of this file on {names}")
            # A finding must fall somewhere, which only one that is named asks of these experiments.
            for x in served:
                named = not x.claim.is_finding or pattern in (x.name, x.key)
                if named and not any(x.claim is claim for claim in there):
                    there.append(x.claim)
                    yield Listed(self.path.stem, x.name, x.claim, x.doc, f"{self.path.name}:{line}")

    def _experiments(self) -> Iterator[Experiment]:
        found = {name: x for name, x in vars(self.module).items() if isinstance(x, Experiment)}
        taken = {x.key: "in the catalogue" for x in experiments()}
        for name, value in vars(self.module).items():
            if self._lacks_instance(value, found.values()):
                where = f"{self.at(self.lines.get(name, 1))}: experiment {name}"
                self.problems.append(f"{where}: a class without an instance; add a line such as MINE = {name}()")
        for name, experiment in found.items():
            where = f"{self.at(self.lines.get(name, 1))}: experiment {name}"
            if amiss := _amiss(experiment):
                self.problems.append(f"{where}: {amiss}")
            elif experiment.key in taken:
                self.problems.append(
                    f"{where}: the key {experiment.key!r} is that of an experiment {taken[experiment.key]}"
                )
            else:
                taken[experiment.key] = f"by {name} above"
                yield experiment

    def _lacks_instance(self, value: Any, found: Iterable[Experiment]) -> bool:
        own = isinstance(value, type) and issubclass(value, Experiment) and value.__module__ == self.module.__name__
        return own and hasattr(value, "key") and not any(isinstance(x, value) for x in found)

    def _unserved(self, listed: tuple[Listed, ...], own: tuple[Experiment, ...]) -> Iterator[str]:
        serving = (*experiments(), *own)
        for x in listed:
            if not any(experiment.setting.serves(x.claim.setting) for experiment in serving):
                yield f"{x.where}: claim {x.name}: no experiment on the setting {x.claim.setting.name}; define one here"


def _amiss(experiment: Experiment) -> str:
    """What an experiment lacks, or gives that cannot be used; empty where it can be tried."""
    wrong = [part for part, kind in NEEDED.items() if not isinstance(getattr(experiment, part, None), kind)]
    if wrong:
        return "needs " + ", ".join(f"{part} (a {NEEDED[part].__name__})" for part in wrong)
    names = [axis.name for axis in experiment.space.axes]
    for name, given in experiment.instances.items():
        if not isinstance(given, Mapping) or not given.keys() >= set(names):
            return f"instance {name!r} is {given!r}; allowed: a mapping with a value for {', '.join(names)}"
    for fault, instance in experiment.faults.items():
        if instance not in list(experiment.instances):
            return f"fault {fault!r} is planted on {instance!r}; allowed: the name of one of its instances"
    share = experiment.share
    return (
        "" if isinstance(share, int | float) and 0 < share <= 1 else f"share is {share!r}; allowed: above 0, at most 1"
    )


def _served(claim: Claim, own: tuple[Experiment, ...]) -> bool:
    return any(experiment.setting.serves(claim.setting) for experiment in own)


def _known(claim: Claim) -> bool:
    """Whether the catalogue makes the same statement, word for word."""
    said = [(x.claim.setting, x.claim.relation, x.claim.assuming, x.claim.where) for x in catalogue()]
    return (claim.setting, claim.relation, claim.assuming, claim.where) in said


def _letters(tree: ast.Module) -> Iterator[str]:
    """The letters that a file takes from the catalogue, by name; all it mentions where it imports them together."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == SYMBOLS:
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Attribute):
            yield node.attr
    if any(isinstance(x, ast.ImportFrom) and x.module == SYMBOLS and x.names[0].name == "*" for x in ast.walk(tree)):
        yield from (x.id for x in ast.walk(tree) if isinstance(x, ast.Name) and isinstance(x.ctx, ast.Load))


def _imported(claim: Claim) -> bool:
    """Whether a claim is the catalogue's own: then its module is loaded, and the others need not be for this."""
    loaded = (vars(module) for name, module in list(sys.modules.items()) if name.startswith("elbound.theory."))
    return any(value is claim for names in loaded for value in names.values())


def _names(statement: ast.stmt) -> Iterator[str]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
