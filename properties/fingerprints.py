"""What a run was made with: versions, and digests of the source code that its verdicts are a function of."""

import ast
import contextlib
import hashlib
import platform
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import elbound.impl
import elbound.properties
import elbound.reports
import elbound.theory
from elbound import __version__

LIBRARIES = ("torch", "numpy", "scipy", "sympy", "hypothesis", "mpmath", "scikit-learn", "cma", "python-flint")
FOLDERS = (elbound.theory, elbound.impl, elbound.properties, elbound.reports)
# Below properties/, what judges nothing: the project's own tests and benchmarks.
ASIDE = ("meta", "oracles", "benchmarks")


def versions() -> dict[str, str]:
    """The versions of elbound, Python and the libraries that verdicts may depend on."""
    found = {"elbound": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


@cache
def package_digest() -> str:
    """SHA-256 of the installed package's own modules, by name and content; its tests aside."""
    return _digest((str(path.relative_to(folder.parent)), path) for folder in _folders() for path in _modules(folder))


def _folders() -> Iterator[Path]:
    for module in FOLDERS:
        yield Path(module.__path__[0])


def _modules(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*.py") if not {*ASIDE} & {*path.relative_to(folder).parts})
    return sorted(path for path in found if not path.name.startswith("test_"))


def file_digest(file: Path) -> str:
    """SHA-256 of a user's file and of the modules in its folder that it imports, and they."""
    paths = sorted(_with_imports(file))
    return _digest((path.relative_to(file.parent).as_posix(), path) for path in paths)


def _with_imports(file: Path) -> set[Path]:
    found, waiting = set[Path](), [file]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += [x for name in _imported(path) for x in _named(name, file.parent)]
    return found


def _imported(path: Path) -> Iterator[str]:
    """The dotted names that a module may import, wherever in it; of one that is no Python nothing is known."""
    with contextlib.suppress(SyntaxError, ValueError):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _named(name: str, folder: Path) -> Iterator[Path]:
    """The files of a module and of the packages around it, where they lie in a folder."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        base = folder.joinpath(*parts[:length])
        yield from (path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file())


def _digest(files: Iterable[tuple[str, Path]]) -> str:
    total = hashlib.sha256()
    for name, path in files:
        content = path.read_bytes()
        total.update(f"{name} {len(content)}\n".encode() + content)
    return total.hexdigest()
