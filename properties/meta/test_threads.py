"""Linear algebra takes one thread wherever elbound judges, whatever the shell says."""

import os
import subprocess
import sys

ASKED = """
from elbound.properties.cli import main
main(["list", "settings"])
import numpy, scipy.linalg, threadpoolctl
assert threadpoolctl.threadpool_info()
print("threads", max(library["num_threads"] for library in threadpoolctl.threadpool_info()))
"""


def test_a_command_takes_one_thread_for_linear_algebra() -> None:
    shell = {**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    said = subprocess.run([sys.executable, "-c", ASKED], env=shell, capture_output=True, text=True, check=True)
    assert said.stdout.splitlines()[-1] == "threads 1"
