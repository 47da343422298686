"""The property, written once: no configuration refutes a claim, and every wrong version and finding falls.

The rows come from one campaign over the catalogue, shared by all tests here; each failure names the row to replay.
"""

from importlib.resources import files
from pathlib import Path

import pytest

from elbound import reports
from elbound.properties.docket import select
from elbound.properties.experiment import experiments
from elbound.reports.compare import Run, compare, read_run, restricted
from elbound.reports.row import Row, Verdict


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per claim and experiment, per wrong version, per fault and per finding."""
    pattern = metafunc.config.getoption("--elbound-claims")
    listed = select((pattern,) if pattern else ())
    pairs = [(x, e) for x in listed for e in experiments() if e.setting.serves(x.claim.setting)]
    if "wrong" in metafunc.fixturenames:
        cases = [(x.name, name) for x in listed for name in x.claim.versions]
        metafunc.parametrize(
            ("claim", "wrong"), cases, ids=[f"{name} is wrong as {version}" for name, version in cases]
        )
    elif "fault" in metafunc.fixturenames:
        faults = [] if pattern else [(e.key, fault) for e in experiments() for fault in e.faults]
        metafunc.parametrize(("experiment", "fault"), faults, ids=[f"{key} shows {fault}" for key, fault in faults])
    elif "finding" in metafunc.fixturenames:
        metafunc.parametrize("finding", [x.name for x in listed if x.claim.is_finding])
    elif "experiment" in metafunc.fixturenames:
        tried = [(x.name, e.key) for x, e in pairs if not x.claim.is_finding]
        metafunc.parametrize(("claim", "experiment"), tried, ids=[f"{name} on {key}" for name, key in tried])


def told(rows: list[Row]) -> str:
    """What a person needs to see of rows that should not be there."""
    lines = (f"elbound replay {row.identity}: {row.verdict} at {dict(row.configuration)}; {row.reason}" for row in rows)
    return "\n".join(lines)


def test_no_configuration_refutes_the_claim(claim: str, experiment: str, campaign: tuple[Row, ...]) -> None:
    rows = [row for row in campaign if (row.claim, row.experiment, row.version) == (claim, experiment, "")]
    assert rows, f"{claim} was not tried on {experiment}"
    bad = [row for row in rows if row.contradicted or row.verdict is Verdict.ERROR]
    assert not bad, told(bad)


def test_the_wrong_version_is_refuted(claim: str, wrong: str, campaign: tuple[Row, ...]) -> None:
    rows = [row for row in campaign if (row.claim, row.version) == (claim, f"wrong: {wrong}")]
    assert any(row.contradicted for row in rows), told(rows)


def test_some_claim_notices_the_fault(experiment: str, fault: str, campaign: tuple[Row, ...]) -> None:
    rows = [row for row in campaign if (row.experiment, row.version) == (experiment, f"fault: {fault}")]
    assert any(row.contradicted for row in rows), told(rows)


def test_the_finding_falls(finding: str, campaign: tuple[Row, ...]) -> None:
    rows = [row for row in campaign if (row.claim, row.version) == (finding, "")]
    assert any(row.contradicted for row in rows), told(rows)


def test_every_claim_was_judged_somewhere(campaign: tuple[Row, ...]) -> None:
    judged = {row.claim for row in campaign if row.version == "" and row.judged}
    assert judged == {row.claim for row in campaign}


def test_nothing_is_worse_than_the_baseline(
    campaign_folder: Path, catalogue_baseline: Run, pytestconfig: pytest.Config
) -> None:
    now = read_run(campaign_folder)
    pattern = pytestconfig.getoption("--elbound-claims")
    before = restricted(catalogue_baseline, now) if pattern else catalogue_baseline
    worse = [change for change in compare(before, now).changes if change.worse]
    assert not worse, "\n".join(map(str, worse))


def test_the_baseline_states_what_the_catalogue_states(catalogue_baseline: Run) -> None:
    stated = {x.name: x.claim.statement for x in select(())}
    assert {name: stand.statement for name, stand in catalogue_baseline.stands.items()} == stated, "run make baseline"


@pytest.fixture(scope="module")
def catalogue_baseline(pytestconfig: pytest.Config) -> Run:
    """The run that --elbound-baseline names, else the committed one."""
    given = pytestconfig.getoption("--elbound-baseline")
    return read_run(Path(given) if given else Path(str(files(reports) / "baselines" / "catalogue.json")))
