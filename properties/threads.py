"""One thread for linear algebra in every process that judges: several would wait for one another on small matrices."""

import os
from typing import Final

_VARIABLES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def one_thread() -> None:
    """Limits the libraries that this process and those it starts load from now on to one thread."""
    os.environ.update(dict.fromkeys(_VARIABLES, "1"))
