"""Duplicate, antipodal, zero and non-finite inputs, width 0, negative ridges and singular kernels, for every kernel.

Each call either refuses in one line that names what and the allowed range, or gives finite numbers that are right.
"""

import math
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from elbound.impl.exact_kernels import Kernels
from elbound.impl.kernels import (
    ERF,
    RELU,
    Activation,
    fresh_noise_kernel,
    frozen_noise_kernel,
    output_layer_kernel,
    shared_noise_kernel,
    summand_second_moment,
    tangent_fluctuation,
    variance_floor,
)
from elbound.impl.ridge import KernelFlow
from elbound.impl.tangent_gram import output, tangent_gram
from elbound.impl.trained_variances import GaussianNetwork, RidgeCoordinates, hessian_bound
from elbound.impl.user_table import read
from elbound.impl.wide_network import tangent_entries, tangent_kernel
from elbound.impl.wide_training import (
    Training,
    WideNetwork,
    curvature_bound,
    random_start,
    stationary_point,
    whitened,
)
from elbound.properties.datasets import user_option
from elbound.properties.evidence.budget import Budget
from elbound.properties.evidence.enclosure import best
from elbound.properties.evidence.spectrum import least_eigenvalue
from elbound.properties.experiment import Context, Experiment, experiments
from elbound.properties.experiments.frozen_adam import FROZEN_ADAM
from elbound.properties.experiments.limit_spectrum import BITS
from elbound.properties.experiments.linear_vae_runs import SMALL, RunProblem
from elbound.properties.spaces import Configuration, Scalar
from elbound.properties.trial import Trial
from elbound.reports.ledger import Ledger
from elbound.reports.row import Verdict
from elbound.theory.catalogue import catalogue
from elbound.theory.descent import adam_bias
from elbound.theory.symbols import g_2

EPS = torch.finfo(torch.float64).eps
WIDTH, S = 4, 0.5
x, z = [0.6, -0.8, 0.3], [0.2, 0.5, -1.0]
DEGENERATE = {
    "duplicates": [x, x, z],
    "antipodes": [x, [-c for c in x], z],
    "a zero row": [x, [0.0, 0.0, 0.0], z],
    "only zeros": [[0.0, 0.0, 0.0]] * 2,
    "multiples": [x, [2 * c for c in x], [1e-9 * c for c in x]],
    "far apart in size": [[1e6 * c for c in x], [1e-6 * c for c in z]],
}
NOT_FINITE = {"NaN": math.nan, "infinity": math.inf}


def tensor(rows: Any) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def drawn(activation: Activation, s: float = S) -> tuple[WideNetwork, Tensor]:
    return random_start((2, WIDTH, 3), s, activation, seed=3)


def gaussian(activation: Activation) -> tuple[RidgeCoordinates, Tensor]:
    network, means = drawn(activation)
    return RidgeCoordinates(GaussianNetwork(network.signs, activation), S), torch.cat((means, 0 * means), dim=1)


def noises(X: Tensor) -> Tensor:
    return torch.linspace(-1, 1, len(X) * WIDTH, dtype=X.dtype).view(len(X), WIDTH, 1)


def trained(network: Any, W: Tensor, X: Tensor) -> Tensor:
    y = torch.linspace(-1, 1, 2 * len(X), dtype=X.dtype).view(-1, 2)
    return stationary_point(Training(network, X, y, W, 0.5)).weights


PERCEPTRON = [tensor([[1.0, -0.5, 0.3], [0.2, 0.8, -1.0]]), tensor([[1.0, 2.0]])]


OF_INPUTS: dict[str, Callable[[Tensor, float, Activation], Any]] = {
    "fresh noise": lambda X, s, phi: fresh_noise_kernel(X, X, s, phi),
    "shared noise": lambda X, s, phi: shared_noise_kernel(X, X, s, phi),
    "frozen noise": frozen_noise_kernel,
    "output layer": lambda X, s, phi: output_layer_kernel(X, X, s, phi),
    "variance floor": variance_floor,
    "second moment": lambda X, s, phi: summand_second_moment(X, X, s, phi),
    "fluctuation": tangent_fluctuation,
    "empirical kernel": lambda X, s, phi: tangent_kernel(drawn(phi)[1][..., None], X, s, phi),
    "empirical entries": lambda X, s, phi: tangent_entries(drawn(phi)[1][..., None], X, noises(X), noises(X), s, phi),
    "output": lambda X, s, phi: drawn(phi, s)[0].output(drawn(phi)[1], X),
    "tangent": lambda X, s, phi: drawn(phi, s)[0].tangent(drawn(phi)[1], X),
    "pull": lambda X, s, phi: drawn(phi, s)[0].pull(drawn(phi)[1], X, X[:, :2]),
    "push": lambda X, s, phi: drawn(phi, s)[0].push(drawn(phi)[1], X, drawn(phi)[1]),
    "trained": lambda X, s, phi: trained(*drawn(phi, s), X),
    "perceptron": lambda X, s, phi: output(PERCEPTRON, X, phi),  # noqa: ARG005
    "perceptron kernel": lambda X, s, phi: tangent_gram(PERCEPTRON, X, phi),  # noqa: ARG005
    "trained variances": lambda X, s, phi: trained(*gaussian(phi), X),  # noqa: ARG005
    "variances' Jacobian": lambda X, s, phi: gaussian(phi)[0].pull(gaussian(phi)[1], X, X[:, :2]),  # noqa: ARG005
}
# Without noise ReLU is not smooth, and at the kink its training has no stationary point to ask for.
CASES = [
    (call, rows, phi, s)
    for call, rows, (phi, s) in product(OF_INPUTS, DEGENERATE, ((RELU, S), (RELU, 0.0), (ERF, S), (ERF, 0.0)))
    if call != "trained" or s > 0
]


@pytest.mark.parametrize(("call", "rows", "phi", "s"), CASES, ids=[f"{c}, {r}, {p.name}, {s}" for c, r, p, s in CASES])
def test_degenerate_inputs_have_finite_values(call: str, rows: str, phi: Activation, s: float) -> None:
    assert bool(torch.as_tensor(OF_INPUTS[call](tensor(DEGENERATE[rows]), s, phi)).isfinite().all())


@pytest.mark.parametrize("bad", NOT_FINITE)
@pytest.mark.parametrize(
    "call", [*(x for x in OF_INPUTS if x != "perceptron"), "Lipschitz constant", "Hessian bound", "whitened"]
)
def test_inputs_that_are_not_finite_are_refused_with_their_place(call: str, bad: str) -> None:
    others = {
        "Lipschitz constant": lambda X, s, phi: drawn(phi, s)[0].jacobian_lipschitz(X),
        "Hessian bound": lambda X, s, phi: hessian_bound(phi, X, s),
        "whitened": lambda X, s, phi: whitened(X),  # noqa: ARG005
    }
    X = tensor([x, z])
    X[1, 2] = NOT_FINITE[bad]
    for phi in (RELU, ERF):
        with pytest.raises(ValueError, match=rf"entry \[1, 2\] is {NOT_FINITE[bad]}; it must be finite") as refused:
            (OF_INPUTS | others)[call](X, S, phi)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("s", [0.0, 0.5])
@pytest.mark.parametrize("phi", [RELU, ERF], ids=lambda phi: phi.name)
def test_equal_and_opposite_inputs_have_equal_and_opposite_rows(phi: Activation, s: float) -> None:
    K = fresh_noise_kernel(tensor([x, x, z]), tensor([x, z]), s, phi)
    assert torch.equal(K[0], K[1])
    empirical = drawn(phi, s)[0].tangent(drawn(phi)[1], tensor([x, x]))
    assert torch.equal(empirical[:2, :2], empirical[2:, 2:])
    zero = fresh_noise_kernel(tensor([[0.0] * 3]), tensor([x, z]), s, phi)
    assert torch.equal(zero, torch.zeros_like(zero))
    opposite = fresh_noise_kernel(tensor([x, [-c for c in x]]), tensor([z]), s, ERF)
    # Two roundings of numbers below 1.
    assert float((opposite[0] + opposite[1]).abs().max()) <= 4 * EPS


X = tensor([x, z])
SIGNS = torch.ones(1, WIDTH, dtype=torch.float64)
MEANS = torch.ones(WIDTH, 3, dtype=torch.float64)
NETWORK = WideNetwork(SIGNS, S, ERF)
Y1 = torch.ones(2, 1, dtype=torch.float64)
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "width 0": (lambda: WideNetwork(SIGNS[:, :0], S, ERF), "width m at least 1"),
    "no output": (lambda: WideNetwork(SIGNS[:0], S, ERF), "outputs d and width m at least 1"),
    "width 0, Gaussian weights": (lambda: GaussianNetwork(SIGNS[:, :0], ERF), "width m at least 1"),
    "width 0, at random": (lambda: random_start((1, 0, 3), S, ERF, 1), "must be at least 1"),
    "width 0, empirical": (lambda: tangent_kernel(torch.ones(0, 3, 1), X.float(), S, ERF), "m at least 1"),
    "width 0, perceptron": (lambda: tangent_gram([MEANS[:0], torch.ones(1, 0).double()], X, ERF), "widths of at least"),
    "no input": (
        lambda: Training(NETWORK, X[:0], Y1[:0], MEANS),
        r"inputs of shape \(0, 3\) must be at least \[1, 1\]",
    ),
    "no input, Lipschitz": (lambda: NETWORK.jacobian_lipschitz(X[:0]), r"must be at least \[1, 1\]"),
    "no input, whitened": (lambda: whitened(X[:0]), "no singular value to whiten; one must exceed 0"),
    "only zeros, whitened": (lambda: whitened(0 * X), "no singular value to whiten; one must exceed 0"),
    "negative ridge": (lambda: Training(NETWORK, X, Y1, MEANS, -0.1), "ridge = -0.1 must be finite and at least 0"),
    "ridge NaN": (lambda: Training(NETWORK, X, Y1, MEANS, math.nan), "ridge = nan must be finite and at least 0"),
    "ridge 0, stationary": (lambda: stationary_point(Training(NETWORK, X, Y1, MEANS)), "ridge = 0.0 must exceed 0"),
    "negative ridge, flow": (lambda: KernelFlow.of(X @ X.T, -1.0), "ridge = -1.0 must be finite and at least 0"),
    "infinite ridge, flow": (lambda: KernelFlow.of(X @ X.T, math.inf), "ridge = inf must be finite and at least 0"),
    "kernel NaN": (lambda: KernelFlow.of(math.nan * X @ X.T, 1.0), "kernel has entries that are not finite"),
    "no kernel": (lambda: KernelFlow.of(X[:0] @ X[:0].T, 1.0), r"kernel of shape \(0, 0\) must be at least \[1, 1\]"),
    "targets NaN": (lambda: Training(NETWORK, X, math.nan * Y1, MEANS), "targets of shape .* not finite; all must be"),
    "weights NaN": (lambda: Training(NETWORK, X, Y1, math.nan * MEANS), "first weights of shape .* not finite"),
    "negative noise": (lambda: WideNetwork(SIGNS, -0.5, ERF), "s = -0.5 must be finite and at least 0"),
    "noise NaN, kernel": (lambda: fresh_noise_kernel(X, X, math.nan, ERF), "s = nan must be finite and at least 0"),
    "infinite noise, empirical": (lambda: tangent_kernel(MEANS[..., None], X, math.inf, ERF), "s = inf must be finite"),
    "negative noise, curvature": (lambda: curvature_bound(RELU, -1.0), "s = -1.0 must be finite and at least 0"),
    "prior 0": (lambda: RidgeCoordinates(GaussianNetwork(SIGNS, ERF), 0.0), "s = 0.0 must be finite and exceed 0"),
    "empty matrix": (lambda: least_eigenvalue([], best(BITS)), r"must be square, at least \[1\]\[1\]"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_answer_is_refused_in_one_line(case: str) -> None:
    call, message = REFUSED[case]
    with pytest.raises(ValueError, match=message) as refused:
        call()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("rows", ["duplicates", "a zero row", "only zeros"])
@pytest.mark.parametrize("phi", [RELU, ERF], ids=lambda phi: phi.name)
def test_a_singular_kernel_has_a_limit_with_a_ridge_alone(rows: str, phi: Activation) -> None:
    kernel = fresh_noise_kernel(tensor(DEGENERATE[rows]), tensor(DEGENERATE[rows]), S, phi)
    y = torch.linspace(1, 2, len(kernel), dtype=kernel.dtype)
    with pytest.raises(ValueError, match="no limit unless it exceeds 0 by more than"):
        KernelFlow.of(kernel, 0.0).coefficients(y)
    assert bool(KernelFlow.of(kernel, 0.0).coefficients(y, 1e3).isfinite().all())
    dual = KernelFlow.of(kernel, 0.1).coefficients(y)
    # A backward stable solve of a system whose condition number is below 1 + 10 |kernel| < 20.
    assert torch.allclose(kernel @ dual + 0.1 * dual, y, rtol=0, atol=20 * 64 * EPS)


@pytest.mark.parametrize(
    ("rows", "activation", "singular"),
    [
        ("duplicates", "erf", True),
        ("antipodes", "erf", True),
        ("antipodes", "ReLU", False),
        ("multiples", "erf", False),
    ],
)
def test_a_least_eigenvalue_is_certified_positive_or_its_enclosure_holds_zero(
    rows: str, activation: str, singular: bool
) -> None:
    exact = {
        "duplicates": ["3 4", "3 4", "1 -2"],
        "antipodes": ["3 4", "-3 -4", "1 -2"],
        "multiples": ["3 4", "6 8", "1 -2"],
    }
    inputs = [tuple(map(Fraction, row.split())) for row in exact[rows]]
    arithmetic = best(BITS)
    found = least_eigenvalue(Kernels(inputs, Fraction(1, 2), "added", activation, arithmetic).fresh(), arithmetic)
    assert found.contains(0.0) == singular
    assert float(found.low) > 0 or singular


def test_a_matrix_with_an_infinite_entry_has_no_certificate() -> None:
    arithmetic = best(BITS)
    one = arithmetic.rational(1)
    infinite: Any = one / arithmetic.rational(0)
    with pytest.raises(ArithmeticError, match="no certificate"):
        least_eigenvalue([[one, infinite], [infinite, one]], arithmetic)


TABLES = {
    "degenerate": "1,2,0.5\n1,2,0.5\n0,0,0\n-1,-2,-0.5\n3,1,2\n",
    "three rows": "1,2\n1,2\n0,0\n",
    "far apart in size": "1e6,-1e6\n1e-9,1e-9\n-1e6,1e6\n0,0\n",
    "one other row": "0.1,0.3\n" * 9 + "0.9,0.7\n",
}
TAKING_DATA = [
    experiment
    for experiment in experiments()
    if experiment.key.startswith(("tangent/", "descent/"))
    and experiment.key != "descent/frozen-adam"  # seconds a configuration; see below
    and any(axis.name == "data" for axis in experiment.space.axes)
]
# Widths and steps that keep a configuration below a tenth of a second.
NARROW: dict[str, Scalar] = {"half m": 32, "m": 256, "n": 50}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("experiment", TAKING_DATA, ids=lambda x: x.key)
def test_degenerate_tables_are_judged_without_an_error_or_a_nan(
    experiment: Experiment, table: str, tmp_path: Path
) -> None:
    file = tmp_path / "table.csv"
    file.write_text(TABLES[table])
    context = Context(user_data=read(file))
    for instance in experiment.instances.values():
        if instance.get("net") == "one neuron":
            continue  # it has an input of its own
        fixed = {**instance, "data": user_option(context)}
        narrow = fixed | {k: min(int(fixed[k]), int(v)) for k, v in NARROW.items() if k in fixed}
        trial = Trial(experiment.situation(narrow, context), experiment.measure(narrow, context), Budget())
        for listed in catalogue():
            if not experiment.setting.serves(listed.claim.setting):
                continue
            said = trial.judge(listed.claim)
            assert said.verdict is not Verdict.ERROR, said.reason
            assert (said.verdict is Verdict.REFUTED) <= listed.claim.is_finding
            assert not any(math.isnan(x) for x in (said.left, said.right, said.ratio, said.error) if x is not None)


@pytest.mark.parametrize("table", ["three rows", "one other row"])
def test_adam_on_equal_data_is_outside_the_claims_on_its_bias(table: str, tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text(TABLES[table])
    context = Context(user_data=read(file))
    fixed = {**FROZEN_ADAM.instances["one in ten, beta_2 = 0.99"], "data": user_option(context), "N": 3}
    alike = [c for c in ({**fixed, "seed": seed} for seed in range(8)) if _silent(c, context)]
    assert bool(alike) == (table == "one other row")
    for c in alike:
        trial = Trial(FROZEN_ADAM.situation(c, context), FROZEN_ADAM.measure(c, context), Budget())
        for claim in (adam_bias.ADAM_BIAS, adam_bias.PAST):
            assert trial.judge(claim).verdict is Verdict.ASSUMPTION_NOT_MET


def _silent(configuration: Configuration, context: Context) -> bool:
    """Whether the data drawn are all equal."""
    return bool(FROZEN_ADAM.situation(configuration, context).values[g_2] == 0)


@pytest.mark.parametrize("replacement", [True, False])
def test_a_batch_without_replacement_is_at_most_the_table(tmp_path: Path, *, replacement: bool) -> None:
    file = tmp_path / "table.csv"
    file.write_text(TABLES["degenerate"])
    context = Context(user_data=read(file))
    fixed = SMALL | {"data": user_option(context), "B": 8, "replacement": replacement}
    run = RunProblem.of(fixed, context)
    assert run.problem.data_count == 5
    assert run.sgd(1.0).batch_size == (8 if replacement else 5)
    assert run.noise(run.sgd(1.0)) > 0


def test_the_command_judges_a_degenerate_table_to_the_end(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(TABLES["degenerate"])
    command = (sys.executable, "-m", "elbound.properties", "verify", "tangent/ridge-linear*")
    options = ("--data", "table.csv", "--profile", "quick", "--workers", "1", "--output", "out")
    run = subprocess.run((*command, *options), cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert (run.returncode, run.stderr) == (0, ""), run
    with Ledger.open(tmp_path / "out" / "ledger.sqlite", readonly=True) as ledger:
        rows = list(ledger.rows())
    assert any(row.data.startswith("user:table:") and row.judged for row in rows)
    assert not any("NaN" in row.to_json() or row.verdict is Verdict.ERROR for row in rows)
