"""Every claim the project carries, found by walking the modules of this folder: one theorem, one module."""

import fnmatch
import importlib
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import ModuleType

from sympy import Expr

import elbound.theory
from elbound.theory.claim import Claim

ROOMS = ("landscape", "smoothness", "estimators", "descent", "importance", "tangent", "findings")


@dataclass(frozen=True)
class Listed:
    """A claim under its key: the module's path, and the claim's own part where the module holds several.

    `where` is file and line of a claim of a user's own.
    """

    key: str
    part: str | None
    claim: Claim
    doc: str
    where: str = ""

    @property
    def name(self) -> str:
        return self.key if self.part is None else f"{self.key}/{self.part}"

    def matches(self, pattern: str) -> bool:
        """Whether a pattern (shell wildcards) matches the claim's name, key or room."""
        return any(fnmatch.fnmatchcase(name, pattern) for name in (self.name, self.key, self.key.partition("/")[0]))

    @property
    def title(self) -> str:
        return self.claim.title or next(iter(self.doc.strip().splitlines()), self.name)


def listed_in(module: ModuleType, key: str) -> tuple[Listed, ...]:
    """The claims a module defines, in the order of their definition; one that bears the module's name has no part."""
    found = {name: x for name, x in vars(module).items() if isinstance(x, Claim) and not name.startswith("_")}
    own, alone = module.__name__.rpartition(".")[2], len(found) == 1
    parts = {name: part_of(name, alone=alone, module=own) for name in found}
    return tuple(Listed(key, parts[name], claim, module.__doc__ or "") for name, claim in found.items())


def part_of(name: str, *, alone: bool, module: str) -> str | None:
    """A claim's own part of its key; none where it is alone in its module or bears the module's name in capitals."""
    return None if alone or name == module.upper() else name.lower().replace("_", "-")


def _modules() -> Iterator[tuple[str, str]]:
    for room in ROOMS:
        for path in elbound.theory.__path__:
            for info in pkgutil.iter_modules([f"{path}/{room}"]):
                yield f"elbound.theory.{room}.{info.name}", f"{room}/{info.name.replace('_', '-')}"


@cache
def catalogue() -> tuple[Listed, ...]:
    """All claims and findings, room by room."""
    return tuple(x for name, key in _modules() for x in listed_in(importlib.import_module(name), key))


def at_data(key: str) -> dict[str, Expr]:
    """What a module's theorem demands of a user's own data, by name, as expressions; empty for most."""
    module = importlib.import_module(f"elbound.theory.{key.replace('/', '.').replace('-', '_')}")
    return dict(getattr(module, "AT_DATA", {}))


@cache
def references() -> dict[str, str]:
    """The bibliography: key to one line of text."""
    text = (files(elbound.theory) / "references.bib").read_text(encoding="utf-8")
    found = {}
    for key, body in re.findall(r"@\w+\{([\w-]+),\n(.*?)\n\}", text, flags=re.DOTALL):
        fields = dict(re.findall(r"(\w+) = \{(.*)\}", body))
        parts = (fields.get(name, "") for name in ("author", "title", "journal", "booktitle", "year", "note"))
        found[key] = ". ".join(part for part in parts if part)
    return found
