"""Property-based verification of theorems about training variational autoencoders."""

__version__ = "0.1.0"
