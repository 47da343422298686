"""The two papers' sentences that claims carry, qualify or contradict.

Only what the abstracts and one poster say is put into a paper's mouth; what we inferred is marked reconstructed.
"""

from dataclasses import dataclass

from elbound.theory.claim import Standing


@dataclass(frozen=True)
class Sentence:
    """One statement of a paper, in our words, with what vouches for our reading of it."""

    paper: str
    text: str
    standing: Standing


A, B = "surendran-2025", "wang-huang-2024"

SENTENCES = {
    "A-sgd-adam-rate": Sentence(
        A,
        "Variational autoencoders trained with SGD or Adam converge at rate O(log n / sqrt n).",
        Standing.RECALLED,
    ),
    "A-explicit-dependence": Sentence(
        A,
        "The rate shows its dependence on batch size, number of samples and other hyperparameters.",
        Standing.RECALLED,
    ),
    "A-bounded-iterates": Sentence(
        A, "The iterates stay in a bounded set of parameters, an assumption on the run.", Standing.RECALLED
    ),
    "A-soft-clipping": Sentence(
        A,
        "A generalised soft-clip is Lipschitz, smooth and bounded, and replaces unbounded activations.",
        Standing.RECALLED,
    ),
    "A-iwae": Sentence(
        A,
        "The analysis covers the importance-weighted autoencoder, with the number of importance samples.",
        Standing.RECALLED,
    ),
    "B-kernel-limit": Sentence(
        B,
        "The tangent kernels of a wide stochastic network converge to deterministic ones.",
        Standing.RECALLED,
    ),
    "B-linear-convergence": Sentence(
        B,
        "An over-parameterised VAE, as a stochastic network, converges in the tangent-kernel regime.",
        Standing.RECALLED,
    ),
    "B-krr": Sentence(B, "The full training problem corresponds to kernel ridge regression.", Standing.RECALLED),
}
