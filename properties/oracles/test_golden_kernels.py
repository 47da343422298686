"""Limit kernels in closed form against 20 digits computed by quadrature alone."""

import json
from pathlib import Path

import pytest
import torch

from elbound.impl.kernels import (
    ERF,
    RELU,
    fresh_noise_kernel,
    frozen_noise_kernel,
    output_layer_kernel,
    shared_noise_kernel,
    variance_floor,
)
from elbound.theory import symbols
from elbound.theory.settings import ERF as ERF_FACT
from elbound.theory.settings import RELU as RELU_FACT
from elbound.theory.settings import SAME_INPUT
from elbound.theory.tangent import kernels as claims

GOLDEN = json.loads(Path(__file__).with_name("golden_kernels.json").read_text(encoding="utf-8"))
X = torch.tensor(GOLDEN["inputs"], dtype=torch.float64)
# Entries below 2.6 from a few dozen operations, each rounded; the floor is a difference of two such entries.
CLOSE = 64 * torch.finfo(torch.float64).eps


@pytest.mark.parametrize("name", GOLDEN["kernels"])
def test_kernels_agree_with_the_golden_values(name: str) -> None:
    activation, s = {"relu": RELU, "erf": ERF}[name.split()[0]], float(name.split()[1])
    golden = {
        k: torch.tensor([float(x) for row in v for x in ([row] if k == "V" else row)], dtype=torch.float64)
        for k, v in GOLDEN["kernels"][name].items()
    }
    found = {
        "K1": fresh_noise_kernel(X, X, s, activation),
        "K2": shared_noise_kernel(X, X, s, activation),
        "KV": output_layer_kernel(X, X, s, activation),
        "V": variance_floor(X, s, activation),
    }
    for kernel, values in found.items():
        assert (values.flatten() - golden[kernel]).abs().max() <= CLOSE, kernel
    K1, K2 = (golden[k].reshape(3, 3) for k in ("K1", "K2"))
    frozen = torch.where(torch.eye(3, dtype=torch.bool), K2, K1)
    assert (frozen_noise_kernel(X, s, activation) - frozen).abs().max() <= CLOSE
    wrong = fresh_noise_kernel(X, X, 1.1 * s, activation), K2, frozen_noise_kernel(X, s, activation)
    assert all((each - K1).abs().max() > 1e6 * CLOSE for each in wrong)


@pytest.mark.parametrize("name", GOLDEN["kernels"])
def test_the_claims_say_the_golden_values(name: str) -> None:
    kind, s, golden = name.split()[0], float(name.split()[1]), GOLDEN["kernels"][name]
    said = {
        "K1": claims.RELU_FRESH if kind == "relu" else claims.ERF_FRESH,
        "K2": claims.RELU_SHARED if kind == "relu" else claims.ERF_SHARED,
        "KV": claims.RELU_OUTPUT if kind == "relu" else claims.ERF_OUTPUT,
    }
    floor = claims.RELU_FLOOR if kind == "relu" else claims.ERF_FLOOR
    gram = (X @ X.T).tolist()
    for i in range(3):
        for j in range(3):
            values = {symbols.s_z: s, symbols.g: gram[i][j], symbols.x2: gram[i][i], symbols.y2: gram[j][j]}
            facts = frozenset({RELU_FACT if kind == "relu" else ERF_FACT, *({SAME_INPUT} if i == j else set())})
            for kernel, claim in said.items():
                # arccos of a correlation of 1 gives half of the digits.
                close = 1e-7 if i == j else CLOSE
                assert abs(claim.bound_at(values, facts) - float(golden[kernel][i][j])) <= close, (kernel, i, j)
            if i == j:
                assert abs(floor.bound_at(values, facts) - float(golden["V"][i])) <= CLOSE
