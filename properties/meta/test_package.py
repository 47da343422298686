"""The distribution: what sdist and wheel hold, and that the wheel works where there is no repository."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("theory", "impl", "properties", "reports")
CARRIED = {".py", ".html", ".j2", ".css", ".js", ".bib"}
TIMEOUT = 300

pytestmark = pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="not in a repository")


def command(*words: str | Path, folder: Path, **variables: str) -> str:
    """The standard output of a Python command, run in a folder; what it said when it fails."""
    run = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def files_of(wheel: Path) -> dict[str, bytes]:
    """What a wheel holds, by name, without its own record of it."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith(("/", "/RECORD"))]
        return {name: archive.read(name) for name in names}


@dataclass(frozen=True)
class Built:
    """A copy of the sources, with a report and caches that must not be shipped, and what was built from it."""

    source: Path
    sdist: Path
    wheel: Path  # by way of the sdist
    direct: Path  # from the tree itself


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    source, products = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("products")
    unwanted = shutil.ignore_patterns("__pycache__", "latest")
    for name in (*FOLDERS, ".ns"):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=unwanted)
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, source)
    for name in ("reports/latest/index.html", "reports/latest/old.py", "impl/__pycache__/noise.cpython-311.pyc"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("not for shipping")
    build = ("-m", "build", "--no-isolation", "--outdir")
    command(*build, products, source, folder=products)
    command(*build, products / "direct", "--wheel", source, folder=products)
    found = [next(products.glob(pattern)) for pattern in ("*.tar.gz", "*.whl", "direct/*.whl")]
    return Built(source, *found)


def carried(source: Path) -> set[str]:
    """The files of the four folders that the package needs, as the wheel must name them."""
    paths = (path for folder in FOLDERS for path in (source / folder).rglob("*") if path.suffix in CARRIED)
    inside = (path.relative_to(source) for path in paths)
    return {f"elbound/{path.as_posix()}" for path in inside if path.parts[:2] != ("reports", "latest")}


def test_the_wheel_holds_every_module_template_and_reference(built: Built) -> None:
    needed = carried(built.source) | {"elbound/__init__.py", "elbound/py.typed"}
    assert {Path(name).suffix for name in needed} >= {".py", ".j2", ".css", ".js", ".bib"}
    assert needed <= set(files_of(built.wheel))


def test_the_wheel_holds_nothing_else(built: Built) -> None:
    names = files_of(built.wheel)
    tops = {name.partition("/")[0] for name in names}
    assert len(tops) == 2
    assert tops - {"elbound"} == {top for top in tops if top.startswith("elbound-") and top.endswith(".dist-info")}
    rooms = {name.split("/")[1] for name in names if name.startswith("elbound/")}
    assert rooms == {*FOLDERS, "__init__.py", "py.typed"}
    assert not [name for name in names if "reports/latest" in name or "__pycache__" in name]


def test_the_sdist_gives_the_same_wheel_as_the_tree(built: Built) -> None:
    assert files_of(built.wheel) == files_of(built.direct)


def test_the_sdist_holds_no_report_and_no_cache(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        names = archive.getnames()
    assert any(name.endswith("/theory/claim.py") for name in names)
    assert not [name for name in names if "reports/latest" in name or "__pycache__" in name]


def test_the_installed_wheel_works_outside_the_repository(built: Built, tmp_path: Path) -> None:
    target, elsewhere = tmp_path / "target", tmp_path / "elsewhere"
    elsewhere.mkdir()
    options = ("--no-deps", "--no-index", "--disable-pip-version-check", "--quiet")
    command("-m", "pip", "install", *options, "--target", target, built.wheel, folder=elsewhere)
    tell = "import elbound; print(elbound.__file__)"
    where = command("-c", tell, folder=elsewhere, PYTHONPATH=str(target)).strip()
    assert Path(where) == target / "elbound" / "__init__.py"
    shown = command(target / "bin" / "elbound", "list", folder=elsewhere, PYTHONPATH=str(target))
    assert "descent/sgd-sharp" in shown
    assert not any(elsewhere.iterdir())
