"""The pytest plugin: options --elbound-*, Hypothesis profiles, and one campaign that all tests of a session share.

It is loaded wherever elbound is installed, so it imports nothing heavy and changes nothing unless asked.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from elbound.reports.row import Row

EXAMPLES = {"quick": 25, "default": 200, "thorough": 5_000}
DEVICES = ("auto", "cpu", "cuda", "all")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the suite."""
    group = parser.getgroup("elbound", "theorems on trial")
    group.addoption("--elbound-device", choices=DEVICES, default="cpu", help="where models run; all: every one present")
    group.addoption("--elbound-claims", default="", metavar="PATTERN", help="judge only claims whose name matches")
    group.addoption("--elbound-report", default="", metavar="DIR", help="write ledger, summary and page there")
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
        try:
            carry_out(brief, place, count=default_workers(), resume=False, console=Console(quiet=True))
        except BadInput as failure:
            raise pytest.UsageError(str(failure)) from None
        yield place.folder
