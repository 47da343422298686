"""`elbound show tangent/lazy --data FILE`: what the lazy theorem demands of the user's own inputs, and its refusals."""

import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from elbound.impl.kernels import ERF, RELU, Activation, fresh_noise_kernel
from elbound.properties.cli import main

Show = Callable[..., tuple[int, str, str]]
TABLE = np.random.default_rng(3).normal(size=(9, 5)) / math.sqrt(5)


def marred(row: int, values: np.ndarray) -> np.ndarray:
    table = TABLE.copy()
    table[row] = values
    return table


# Opposite rows along e_1, e_2 and e_1 + e_2; nothing else is wrong with them.
DEPENDENT = np.array([[1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0], [1, 1, 0], [-1, -1, 0], [0, 0, 1.0]])
TABLES = {
    "good": TABLE,
    "equal": marred(6, TABLE[1]),
    "opposite": marred(6, -TABLE[1]),
    "parallel": marred(6, 3 * TABLE[1]),
    "zero": marred(3, 0 * TABLE[3]),
    "dependent": DEPENDENT,
    "many": np.random.default_rng(4).normal(size=(513, 2)),
    "close": np.random.default_rng(5).normal(size=(30, 4)),
}
TABLES["close"][17] = TABLES["close"][4] * (1 + 2.0**-52)


@pytest.fixture
def show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Show:
    """Runs `show NAME`, on a table where one is named; exit code, output, complaint."""

    def run(name: str, table: str = "", *words: str) -> tuple[int, str, str]:
        given = []
        if table:
            np.save(tmp_path / f"{table}.npy", TABLES[table])
            given = ["--data", str(tmp_path / f"{table}.npy")]
        code = main(["show", name, *given, *words])
        return code, *capsys.readouterr()

    return run


def demanded(output: str) -> dict[str, int]:
    """Widths by confidence level."""
    return {level: int(width) for level, width in re.findall(r"^(0\.\d+) +\S+ +(\d+) *$", output, re.MULTILINE)}


@pytest.mark.parametrize(
    ("words", "activation", "s"),
    [
        ((), RELU, 1.0),
        (("--activation", "erf", "--noise", "0.3"), ERF, 0.3),
        (("--activation", "erf", "--noise", "0"), ERF, 0),
    ],
    ids=["relu", "erf", "erf without noise"],
)
def test_the_width_is_the_theorems_at_each_confidence(
    show: Show, words: tuple[str, ...], activation: Activation, s: float
) -> None:
    code, out, err = show("tangent/lazy", "good", *words)
    assert (code, err) == (0, "")
    X = torch.from_numpy(TABLE)
    least = float(torch.linalg.eigvalsh(fresh_noise_kernel(X, X, s, activation))[0])
    c = 1 / (1 + 2 * s**2)
    slope = 1.0 if activation is RELU else 2 * math.sqrt(c / math.pi)
    curvature = 1 / math.sqrt(2 * math.pi) if activation is RELU else 2 * c * math.sqrt(2 / (math.pi * math.e))
    gram = float(np.linalg.eigvalsh(TABLE @ TABLE.T)[-1])
    longest, size = float(np.linalg.norm(TABLE, axis=1).max()), float(np.linalg.norm(TABLE))
    widths = demanded(out)
    assert list(widths) == ["0.9", "0.99", "0.999"]
    for level, width in widths.items():
        concentrated = 4 * 5 * slope**2 * gram * math.log(9 * 5 / (1 - float(level))) / least
        lazy = 4 * curvature**2 * longest**2 * 5 * gram * size**2 / least**2
        needed = (math.sqrt(concentrated) + math.sqrt(lazy)) ** 2
        # The eigenvalue in doubles is good to 1e-15 of the largest, so here to 1e-11 of itself; and pairs are whole.
        assert needed * (1 - 1e-9) <= width <= needed * (1 + 1e-9) + 2
        assert width % 2 == 0


def test_every_quantity_is_named_and_the_eigenvalue_is_enclosed(show: Show) -> None:
    _, out, _ = show("tangent/lazy", "good", "--activation", "erf", "--noise", "0.5", "--confidence", "0.95")
    assert list(demanded(out)) == ["0.95"]
    for letter in ("N", "d", "phi_1", "phi_2", "x_max", "G_norm", "r_0", "lambda_0"):
        assert re.search(rf"^{letter} +\S", out, re.MULTILINE), letter
    low, high = map(float, re.findall(r"lambda_0 +\[(\S+), (\S+)\]", out)[0])
    X = torch.from_numpy(TABLE)
    # Printed to twelve digits, enclosed to twelve.
    known = float(torch.linalg.eigvalsh(fresh_noise_kernel(X, X, 0.5, ERF))[0])
    assert low * (1 - 1e-9) <= known <= high * (1 + 1e-9)
    assert "K1, the kernel of fresh noise of deviation 0.5, erf, certified by" in out


@pytest.mark.parametrize(
    ("table", "activation", "said"),
    [
        ("equal", "relu", "rows 2 and 7 are equal"),
        ("equal", "erf", "rows 2 and 7 are equal"),
        ("opposite", "erf", "rows 2 and 7 are opposite"),
        ("zero", "relu", "row 4 is zero"),
        ("zero", "erf", "row 4 is zero"),
        ("dependent", "relu", "rows 1 and 3, 2 and 4, 5 and 6 are opposite, and their lines are linearly dependent"),
        ("dependent", "erf", "rows 1 and 3 are opposite"),
    ],
)
def test_a_singular_kernel_is_refused_in_one_line_that_names_the_rows(
    show: Show, table: str, activation: str, said: str
) -> None:
    code, out, err = show("tangent/lazy", table, "--activation", activation)
    assert (code, out) == (2, "")
    assert err.startswith(f"elbound: data {table}: lambda_0 of K1")
    assert err.count("\n") == 1
    assert said in err


@pytest.mark.parametrize(("table", "activation"), [("opposite", "relu"), ("parallel", "relu"), ("parallel", "erf")])
def test_parallel_inputs_that_the_noise_separates_are_certified(show: Show, table: str, activation: str) -> None:
    code, out, _ = show("tangent/lazy", table, "--activation", activation)
    assert code == 0
    assert float(re.findall(r"lambda_0 +\[(\S+),", out)[0]) > 0


@pytest.mark.parametrize("scale", [1e-150, 1e-3, 1e5])
@pytest.mark.parametrize("activation", ["relu", "erf"])
def test_inputs_of_any_size_are_answered_without_a_nan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], scale: float, activation: str
) -> None:
    np.save(tmp_path / "scaled.npy", scale * TABLE)
    words = ("--activation", activation, "--confidence", "0.9999999999999999")
    code = main(["show", "tangent/lazy", "--data", str(tmp_path / "scaled.npy"), *words])
    said = capsys.readouterr()
    assert (code == 0 and not said.err) or (code == 2 and said.err.count("\n") == 1)
    assert "nan" not in said.out + said.err


def test_rows_of_a_csv_are_its_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savetxt(tmp_path / "zero.csv", TABLES["zero"], delimiter=",", header="a,b,c,d,e", comments="")
    assert main(["show", "tangent/lazy", "--data", str(tmp_path / "zero.csv")]) == 2
    assert "row 5 is zero" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "table", "words", "said"),
    [
        ("tangent/krr", "good", (), ("'tangent/krr'", "asks nothing of data", "tangent/lazy")),
        ("tangent/lazy", "", ("--noise", "2"), ("--noise", "--data")),
        ("tangent/lazy", "", ("--confidence", "0.5"), ("--confidence", "--data")),
        ("tangent/lazy", "good", ("--noise", "-1"), ("--noise", "'-1'", "from 0 to 1000")),
        ("tangent/lazy", "good", ("--noise", "nan"), ("--noise", "'nan'", "from 0 to 1000")),
        ("tangent/lazy", "good", ("--noise", "x"), ("--noise", "'x'", "from 0 to 1000")),
        ("tangent/lazy", "good", ("--noise", "0"), ("noise 0", "relu", "from 1e-06 to 1000")),
        ("tangent/lazy", "good", ("--confidence", "1"), ("--confidence", "'1'", "between 0 and 1")),
        ("tangent/lazy", "good", ("--activation", "tanh"), ("--activation", "'tanh'", "relu", "erf")),
        ("tangent/lazy", "close", (), ("cannot be certified positive", "at most", "rows 5 and 18 are the closest")),
        ("tangent/lazy", "many", (), ("513 rows", "at most 512")),
    ],
)
def test_bad_questions_are_refused_in_one_line(
    show: Show, name: str, table: str, words: tuple[str, ...], said: tuple[str, ...]
) -> None:
    code, out, err = show(name, table, *words)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert not [fragment for fragment in said if fragment not in err], err
