"""A small made-up run for tests of the reports: rows, entries and facts, deterministic and of any size."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from elbound.reports.ledger import Ledger
from elbound.reports.row import Entry, Row, Verdict

T = TypeVar("T")

HOSTILE = "<script>alert(1)</script>\"'&{{7*7}} ελβο \u202e $x_\\frac{"

RUN: dict[str, Any] = {
    "started": "2026-01-02T03:04:05Z",
    "wall_s": 81.5,
    "profile": "default",
    "device": "cpu",
    "dtype": "float64",
    "epoch": 0,
    "executions": 90_210,
    "alpha_suite": 1e-6,
    "achieved_false_refutation_bound": 3.1e-8,
    "versions": {"elbound": "0.1.0", "torch": "2.6"},
    "papers": [
        {
            "id": "rates",
            "paper": "A paper on rates",
            "sentence": "The averaged squared gradient decays like log n over the root of n.",
            "standing": "True with explicit constants, under a random index.",
        },
        {
            "id": "alone",
            "paper": "A paper on rates",
            "sentence": "Nobody speaks to this one.",
            "standing": "",
        },
        {"id": "width", "paper": "A paper on width", "sentence": "The loss tends to zero.", "standing": ""},
    ],
}

LATEX = r"\sum_{k=1}^{n} \gamma_k \mathbb{E}\|g_k\|^2 \le \Delta + \frac{L}{2} \sum_{k=1}^{n} \gamma_k^2"


def entry(key: str, **changes: Any) -> Entry:
    """An entry with every field filled."""
    fields: dict[str, Any] = {
        "key": key,
        "part": None,
        "kind": "claim",
        "setting": "an SGD run with step C / sqrt(k)",
        "title": "The weighted sum of squared gradients along SGD is at most the offset plus the noise.",
        "statement": "sum(gamma[k] a[k]) <= Delta + L/2 sum(gamma[k]^2 sigma2[k])",
        "latex": LATEX,
        "assumptions": [
            {"text": "steps are short", "latex": "L C < 2"},
            {"text": "unbiased gradients", "latex": ""},
        ],
        "standing": "proved",
        "source": "Ghadimi and Lan, 2013",
        "source_link": "https://example.org/paper",
        "proof": "Add the descent inequality over all steps; the martingale term has mean zero.",
        "papers": [{"sentence": "rates", "relation": "carries"}],
        "wrong": ["2 percent less", "no log"],
        "faults": ["biased gradient"],
        "tight": True,
        "repaired_by": "",
        "derivation": "The weighted sum is at most the offset plus the noise.\n\n    gamma[k] a[k] <= ...",
    }
    return Entry(**{**fields, **changes})


def row(claim: str, index: int = 0, **changes: Any) -> Row:
    """A row whose numbers depend on its index alone."""
    right = 10.0 ** (-3 + (index * 7 % 50) / 10)
    ratio = math.exp(-abs(math.sin(1.0 + index)) * 4)
    fields: dict[str, Any] = {
        "claim": claim,
        "version": "",
        "experiment": "quadratic",
        "origin": "random",
        "configuration": {"n": 10 + index, "C": 0.5, "beta": 1.0 / (1 + index), "optimiser": "sgd"},
        "parameters": {"L": 2.0, "Delta": 0.25},
        "verdict": Verdict.SUPPORTED,
        "basis": "exact",
        "reason": "",
        "left": right * ratio,
        "right": right,
        "error": 1e-15 * right,
        "ratio": ratio,
        "certified_ratio": ratio * (1 - 1e-14),
        "resolution": None,
        "log_e": None,
        "replicates": 0,
        "device": "cpu",
        "dtype": "float64",
        "epoch": 0,
        "data": "",
        "curves": {},
        "expected": False,
        "vacuous": False,
        "seconds": 0.01,
    }
    return Row(**{**fields, **changes})


def fallen(claim: str, version: str, index: int = 0, **changes: Any) -> Row:
    """A refuted row of a version that must fall."""
    right = 0.5
    given = {"version": version, "verdict": Verdict.REFUTED, "expected": True, "ratio": 1.02, "left": 0.51}
    return row(claim, index, **{**given, "right": right, "certified_ratio": 1.01, **changes})


def curve(n: int = 300) -> Mapping[str, list[float]]:
    """Observed and bound over n steps, with a band."""
    x = [float(k) for k in range(1, n + 1)]
    observed = [0.8 / math.sqrt(k) for k in x]
    return {
        "x": x,
        "observed": observed,
        "bound": [1.0 / math.sqrt(k) for k in x],
        "low": [0.9 * v for v in observed],
        "high": [1.1 * v for v in observed],
    }


def entries() -> list[Entry]:
    """Claims of every verdict, two findings, and one claim made of hostile names."""
    finding = {"kind": "finding", "wrong": [], "faults": [], "tight": False, "standing": "refuted"}
    return [
        entry("descent/sgd-sharp"),
        entry("descent/sgd-sharp", part="last", wrong=["half"], faults=[], papers=[]),
        entry(
            "importance/monotone",
            wrong=[],
            faults=[],
            papers=[{"sentence": "rates", "relation": "qualifies"}],
        ),
        entry("landscape/infimum", wrong=["survivor"], faults=[], papers=[]),
        entry("tangent/never-judged", wrong=[], faults=[], papers=[]),
        entry(
            HOSTILE,
            part=HOSTILE,
            title=HOSTILE,
            statement=HOSTILE,
            latex=r"\text{<script>alert(2)</script>}",
            assumptions=[{"text": HOSTILE, "latex": HOSTILE}],
            source_link="javascript:alert(1)",
            proof=HOSTILE,
            papers=[],
            wrong=[HOSTILE],
            faults=[],
        ),
        entry(
            "findings/loss-to-zero",
            **finding,
            repaired_by="the noise-averaged output",
            papers=[{"sentence": "width", "relation": "contradicts"}],
        ),
        entry("findings/log-needed", **finding, papers=[]),
    ]


def rows(size: int = 60) -> list[Row]:
    """About `size` rows that give every verdict, basis and kind of origin."""
    sharp = "descent/sgd-sharp"
    hostile = f"{HOSTILE}/{HOSTILE}"
    named = {"origin": "instance: offset at optimum, n=1000", "ratio": 0.998, "certified_ratio": 0.9979}
    sampled = {
        "verdict": Verdict.CONSISTENT,
        "basis": "sampled",
        "resolution": 0.05,
        "log_e": 1.5,
        "replicates": 256,
    }
    return [
        *(row(sharp, i, data="digits" if i % 5 == 0 else "") for i in range(size - 20)),
        row(sharp, size, **named, curves=curve()),
        row(
            sharp,
            size + 1,
            verdict=Verdict.ASSUMPTION_NOT_MET,
            reason="L C = 2.5, must be below 2",
            ratio=None,
        ),
        fallen(sharp, "wrong: 2 percent less", origin="instance: offset at optimum, n=1000"),
        fallen(sharp, "wrong: no log", 1),
        fallen(sharp, "fault: biased gradient", 2, log_e=44.2, basis="sampled", replicates=512),
        *(row(f"{sharp}/last", i, **sampled) for i in range(4)),
        fallen(f"{sharp}/last", "wrong: half"),
        row("importance/monotone", 0, vacuous=True, ratio=1e-9, left=1e-12),
        row(
            "landscape/infimum",
            0,
            verdict=Verdict.REFUTED,
            ratio=1.3,
            left=1.3,
            right=1.0,
            origin="adversary",
        ),
        row("landscape/infimum", 1, verdict=Verdict.REFUTED, ratio=1.1, left=1.1, right=1.0, origin="shrunk"),
        row("landscape/infimum", 2, version="wrong: survivor"),
        row("landscape/infimum", 3, verdict=Verdict.ERROR, reason=HOSTILE, ratio=None, left=None, right=None),
        row(hostile, 0, origin=HOSTILE, experiment=HOSTILE, configuration={HOSTILE: HOSTILE}, ratio=math.inf),
        row(hostile, 1, parameters={HOSTILE: math.nan}, right=0.0, data=HOSTILE, curves={HOSTILE: [1.0, -2.0]}),
        fallen(hostile, f"wrong: {HOSTILE}", origin=f"instance: {HOSTILE}"),
        fallen("findings/loss-to-zero", "", ratio=3.5, origin="adversary", curves=curve(40)),
        fallen("findings/loss-to-zero", "", 1, ratio=2.5, origin="shrunk"),
        row("findings/log-needed", 0),
    ]


def made_or_refused(make: Callable[[], T]) -> T | None:
    """What `make` gives, or None where it refuses with a ValueError of one line."""
    try:
        return make()
    except ValueError as error:
        if "\n" in str(error):
            raise AssertionError(f"more than one line: {error}") from error
        return None


def clean() -> tuple[list[Row], list[Entry]]:
    """A run in which everything went as it must."""
    names = {"descent/sgd-sharp", "descent/sgd-sharp/last", "importance/monotone", "findings/loss-to-zero"}
    return [r for r in rows() if r.claim in names], [e for e in entries() if e.name in names]


def write(path: Path, judged: list[Row], described: list[Entry], run: Mapping[str, Any] = RUN) -> Path:
    """A finished ledger with these rows, in tasks of 50."""
    with Ledger.create(path, run) as ledger:
        ledger.record_entries(described)
        for start in range(0, len(judged), 50):
            ledger.finish(f"task {start}", judged[start : start + 50])
        ledger.close_run({"wall_s": 81.5})
    return path
