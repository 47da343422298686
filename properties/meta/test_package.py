"""The distribution: what sdist and wheel hold, and that the wheel works where there is no repository."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


def installed(built: Built, target: Path) -> Path:
    """A folder into which the wheel is installed, without what it depends on."""
    options = ("--no-deps", "--no-index", "--disable-pip-version-check", "--quiet")
    command("-m", "pip", "install", *options, "--target", target, built.wheel, folder=target.parent)
    return target


def test_the_installed_wheel_works_outside_the_repository(built: Built, tmp_path: Path) -> None:
    target, elsewhere = tmp_path / "target", tmp_path / "elsewhere"
    elsewhere.mkdir()
    installed(built, target)
    tell = "import elbound; print(elbound.__file__)"
    where = command("-c", tell, folder=elsewhere, PYTHONPATH=str(target)).strip()
    assert Path(where) == target / "elbound" / "__init__.py"
    shown = command(target / "bin" / "elbound", "list", folder=elsewhere, PYTHONPATH=str(target))
    assert "descent/sgd-sharp" in shown
    assert not any(elsewhere.iterdir())


# One that is measured exactly and one that is sampled.
PATTERNS = ("smoothness/soft-clipping/slope", "estimators/variance-split")
NUMBERS = ", ".join(str(7_316_552_048_169 + 1009 * j) for j in range(200))
MINE = f"""
from elbound.theory.claim import Claim
from elbound.theory.settings import IWAE, WEIGHT_BOUNDED
from elbound.theory.symbols import K, chi2, gap, w_max
from sympy import Ge
NUMBERS = [{NUMBERS}, 123456, 1048577]
DIVIDED = Claim(IWAE, Ge(gap[K], chi2 / (2 * K * w_max)), assuming=(WEIGHT_BOUNDED,))
"""
# All but the seconds it took, and where a user's file lies.
TIMELESS = """
import json, sys
from pathlib import Path
from elbound.reports.ledger import Ledger
with Ledger.open(Path(sys.argv[1]) / "ledger.sqlite", readonly=True) as ledger:
    print(json.dumps([{**json.loads(row.to_json()), "seconds": 0} for row in ledger.rows()]))
"""


def rows_in(place: Path, folder: Path, *words: str) -> list[dict[str, Any]]:
    """The rows of a run by the package that lies in a place; floats as they stand in JSON, which is to the last bit."""
    folder.mkdir(exist_ok=True)
    (folder / "mine.py").write_text(MINE)
    run: tuple[str | Path, ...] = (
        "-m",
        "elbound.properties",
        *words,
        "--profile",
        "quick",
        "--output",
        folder / words[0],
    )
    command(*run, "--workers", "1", folder=folder, PYTHONPATH=str(place))
    told = command("-c", TIMELESS, folder / words[0], folder=folder, PYTHONPATH=str(place))
    found: list[dict[str, Any]] = json.loads(told)
    return found


@pytest.mark.parametrize("words", [("verify", *PATTERNS), ("check", "mine.py")], ids=lambda words: words[0])
def test_a_wheel_and_a_copy_elsewhere_judge_the_same_configurations_to_the_same_bits(
    built: Built, tmp_path: Path, words: tuple[str, ...]
) -> None:
    editable = rows_in(ROOT / ".ns", tmp_path / "editable", *words)
    wheel = rows_in(installed(built, tmp_path / "site-packages"), tmp_path / "wheel", *words)
    copy = rows_in(built.source / ".ns", tmp_path / "copy", *words)
    assert len({str(row["configuration"]) for row in editable if row["origin"] == "random"}) >= 20
    assert wheel == editable
    assert copy == editable
