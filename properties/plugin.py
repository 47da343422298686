"""The pytest plugin: options --elbound-*, Hypothesis profiles, a user's analysis as tests, the catalogue's campaign.

It is loaded wherever elbound is installed, so it imports nothing heavy and changes nothing unless asked: only a file
that pytest collects anyway, that defines claims and no tests, is collected as an analysis.
"""

import ast
import os
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from elbound.reports.compare import Run
    from elbound.reports.row import Row

# Of Hypothesis's own profiles elbound-quick, elbound-default and elbound-thorough, under which property tests run. How
# many configurations of an experiment a run draws is another number: that of `docket.PROFILES`.
EXAMPLES = {"quick": 25, "default": 200, "thorough": 5_000}
JUDGED_BY = "JUDGED_BY"
COMMON = ("catalogue", "claim", "evaluate", "papers", "settings", "symbols")  # of theory, without claims
DEVICES = ("auto", "cpu", "cuda", "all")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the suite."""
    group = parser.getgroup("elbound", "theorems on trial")
    group.addoption("--elbound-device", choices=DEVICES, default="cpu", help="where models run; all: every one present")
    group.addoption("--elbound-claims", default="", metavar="PATTERN", help="judge only claims whose name matches")
    group.addoption("--elbound-report", default="", metavar="DIR", help="write ledger, summary and page there")
    group.addoption(
        "--elbound-limit", type=float, default=60.0, metavar="S", help="seconds for one claim at one configuration"
    )
    group.addoption("--elbound-baseline", default="", metavar="FILE", help="a run that this one must not fall behind")
    group.addoption("--elbound-profile", choices=tuple(EXAMPLES), help="how hard to search (default: quick)")


def pytest_configure(config: pytest.Config) -> None:
    """Registers the Hypothesis profiles; one that is asked for is loaded also where CI has loaded its own."""
    from hypothesis import settings

    for name, examples in EXAMPLES.items():
        profile = settings(max_examples=examples, derandomize=True, database=None, deadline=None)
        settings.register_profile(f"elbound-{name}", profile)
    if chosen := config.getoption("--elbound-profile"):
        settings.load_profile(f"elbound-{chosen}")

    limit = config.getoption("--elbound-limit")
    if not 0.1 <= limit <= 86_400:
        raise pytest.UsageError(f"--elbound-limit {limit:g}; allowed: seconds from 0.1 to 86400")
    if gathers(config) and not hasattr(config, "workerinput"):  # in xdist's workers nobody sees all tests
        folder, baseline = config.getoption("--elbound-report"), _baseline(config)
        config.pluginmanager.register(Gathering(config, folder, baseline), "elbound-gathering")


def gathers(config: pytest.Config) -> bool:
    """Whether anybody asks for what the tests of analyses leave."""
    return bool(config.getoption("--elbound-report") or config.getoption("--elbound-baseline"))


def _baseline(config: pytest.Config) -> "Run | None":
    from elbound.reports.compare import read_run

    try:
        given = config.getoption("--elbound-baseline")
        return read_run(Path(given)) if given else None
    except ValueError as failure:
        raise pytest.UsageError(f"--elbound-baseline: {failure}") from None


class Gathering:
    """When all tests of the analyses are done: writes their report, and holds them to the baseline."""

    def __init__(self, config: pytest.Config, folder: str, baseline: "Run | None") -> None:
        self.config, self.folder, self.baseline = config, folder, baseline
        self.kept: dict[str, list[dict[str, object]]] = {}
        self.told: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Takes what a test left, in whatever process it ran."""
        if found := getattr(report, "elbound", None):
            self.kept.setdefault(found["file"], []).extend(found["kept"])

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """What could not be written, or got worse, is no success of the session."""
        from elbound.properties.docket import BadInput
        from elbound.properties.testing import held_to, write_report

        for file, kept in self.kept.items():
            if self.folder:
                try:
                    self.told.append(f"report: {write_report(self.config, file, kept, self._place(file))}")
                except BadInput as failure:
                    self.told.append(f"report: not written: {failure}")
                    session.exitstatus = session.exitstatus or pytest.ExitCode.USAGE_ERROR
            if self.baseline:
                said, worse = held_to(self.baseline, self.config, file, kept)
                self.told += [f"baseline: {line}" for line in said]
                session.exitstatus = session.exitstatus or (pytest.ExitCode.TESTS_FAILED if worse else 0)

    def _place(self, file: str) -> Path:
        """One folder for one file; for several one below it for each, of its name, or of its path if two share that."""
        path, stems = Path(file), [Path(x).stem for x in self.kept]
        if len(stems) == 1:
            return Path(self.folder)
        alone = stems.count(path.stem) == 1
        return Path(self.folder) / (path.stem if alone else os.path.relpath(path.with_suffix("")).replace(os.sep, "-"))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Where the pages are, and how the analyses stand beside the baseline."""
        for told in self.told:
            terminalreporter.write_line(f"elbound {told}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Puts what a test of an analysis leaves into its report, which finds its way out of xdist's workers."""
    report = yield
    kept = getattr(item, "kept", None) if call.when == "call" and gathers(item.config) else None
    if kept:
        report.elbound = {"file": str(item.path), "kept": kept}  # type: ignore[attr-defined]
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A file of claims without tests is collected as an analysis."""
    if not is_analysis(module_path):
        return None
    from elbound.properties.testing import AnalysisFile

    return AnalysisFile.from_parent(parent, path=module_path)


def is_analysis(path: Path) -> bool:
    """Whether a file states claims or has experiments judged, and defines no test; of a broken one, whether it might.

    It assigns a Claim or JUDGED_BY at its top, or imports claims beside a class of its own.
    """
    source = path.read_text(encoding="utf-8", errors="replace")
    if "elbound." not in source or not any(sign in source for sign in ("Claim(", JUDGED_BY, "Experiment")):
        return False
    try:
        statements = ast.parse(source).body
    except (SyntaxError, ValueError):
        return "def test_" not in source and "class Test" not in source
    named = (x.name for x in statements if isinstance(x, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef))
    if any(name.startswith(("test", "Test")) for name in named):
        return False
    classes = any(isinstance(x, ast.ClassDef) for x in statements)
    if any(map(_names_claims, statements)) or (classes and any(map(_takes_claims, statements))):
        return True
    given = (x.value for x in statements if isinstance(x, ast.Assign | ast.AnnAssign))
    called = (x.func for x in given if isinstance(x, ast.Call))
    return any((x.id if isinstance(x, ast.Name) else getattr(x, "attr", "")) == "Claim" for x in called)


def _names_claims(statement: ast.stmt) -> bool:
    """Whether a statement assigns JUDGED_BY."""
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    return any(isinstance(x, ast.Name) and x.id == JUDGED_BY for x in targets)


def _takes_claims(statement: ast.stmt) -> bool:
    """Whether a statement imports from a room of the catalogue."""
    module = statement.module or "" if isinstance(statement, ast.ImportFrom) else ""
    return module.startswith("elbound.theory.") and module.split(".")[2] not in COMMON


def pytest_report_header(config: pytest.Config) -> str:
    """The terms of the campaign."""
    profile = config.getoption("--elbound-profile") or "quick"
    return f"elbound: profile {profile}, device {config.getoption('--elbound-device')}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests that ask for a campaign run once for each device; an absent one is a visible skip, never a silent pass."""
    if "elbound_device" not in metafunc.fixturenames:
        return
    chosen = metafunc.config.getoption("--elbound-device")
    names = ("cpu", "cuda") if chosen == "all" else (_present(chosen),)
    marks = {
        "cuda": (
            pytest.mark.cuda,
            pytest.mark.skipif(_present("auto") != "cuda", reason="no CUDA device here"),
        )
    }
    metafunc.parametrize("elbound_device", [pytest.param(x, marks=marks.get(x, ())) for x in names], scope="session")


def _present(name: str) -> str:
    from elbound.impl.device import resolve

    try:
        return resolve(name).type
    except ValueError as failure:
        raise pytest.UsageError(str(failure)) from None


@pytest.fixture(scope="session")
def campaign(campaign_folder: Path) -> "tuple[Row, ...]":
    """The rows of one run over the chosen claims, judged once for the whole session."""
    from elbound.reports.ledger import Ledger

    with Ledger.open(campaign_folder / "ledger.sqlite", readonly=True) as ledger:
        return tuple(ledger.rows())


@pytest.fixture(scope="session")
def campaign_folder(request: pytest.FixtureRequest, elbound_device: str) -> Iterator[Path]:
    """The folder of that run, with its ledger, summary and page."""
    from rich.console import Console

    from elbound.properties.docket import BadInput, Brief
    from elbound.properties.experiment import Context
    from elbound.properties.run import Place, carry_out, default_workers

    option = request.config.getoption
    patterns = (option("--elbound-claims"),) if option("--elbound-claims") else ()
    brief = Brief(option("--elbound-profile") or "quick", patterns, Context(device=elbound_device))
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(option("--elbound-report") or folder))
        with ExitStack() as held:
            try:
                held.enter_context(place.held())
                carry_out(brief, place, count=default_workers(), resume=False, console=Console(quiet=True))
            except BadInput as failure:
                raise pytest.UsageError(str(failure)) from None
            yield place.folder
