"""The tangent kernel of a network of any depth is a sum over layers of products of two Gram matrices.

With activations h_l entering layer l, its fan-in m_l, and backward signals B_l,

    Theta[(i, k), (j, l')]  =  sum over layers l of  (h_l(x_i) . h_l(x_j)) (B_l(x_i)_k . B_l(x_j)_l') / m_l,

which is the contraction of the Jacobian with itself. So N^2 d^2 entries cost a forward pass, d backward passes and two
Gram products per layer, and no Jacobian, whose size is N d times the number of weights, is ever formed. It holds at any
weights and width, so it checks the implementation, and says nothing of a limit.

Units: squared output per squared unit of the weights.
"""

from sympy import Eq

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import PERCEPTRON_KERNEL
from elbound.theory.symbols import k_first, k_jacobian, k_last, k_layers

LAYERWISE = Claim(
    PERCEPTRON_KERNEL,
    Eq(k_layers, k_jacobian),
    standing=Standing.CODE,
    source="novak-2022",
    proof="A layer's gradient is the outer product of its backward signal and what enters it, over sqrt(fan-in); the "
    "inner product of two outer products is the product of the inner products.",
    wrong={
        "first layer missing": Eq(k_layers, k_jacobian - k_first),
        "output layer missing": Eq(k_layers, k_jacobian - k_last),
        "output layer alone": Eq(k_layers, k_last),
        "doubled": Eq(k_layers, 2 * k_jacobian),
    },
)
