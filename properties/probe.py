"""A user's file read in a process of its own first, so that one which ends its process ends nothing else."""

from functools import cache
from pathlib import Path

from elbound.properties.analysis import BadInput, read_analysis, tree_of
from elbound.properties.limits import Stopped, Watch
from elbound.properties.workers import Crew, Ended

# Seconds beyond the limit before a statement that does not answer its alarm is ended with its process.
UNANSWERED = 5.0
Skipped = tuple[tuple[int, str], ...]


@cache
def skipped_in(file: str, limit: float, *, climbs: bool = False) -> Skipped:
    """The lines of the statements that fail or end their process, each with what is wrong with it.

    Raises BadInput, one line, for a file that is no Python, or ends its process at no statement of its own.
    """
    tree_of(Path(file))
    skipped: Skipped = ()
    with Crew(1, "cpu", limit + UNANSWERED, climbs=climbs, quiet=True) as crew:
        while True:
            crew.begin(file, failing, file, limit, skipped)
            _, answer = crew.next()
            if not isinstance(answer, Ended):
                found: Skipped = answer
                return found
            if answer.stopped is None:
                raise BadInput(f"file {file}: {answer.how} while it was read")
            skipped = (*skipped, (answer.stopped.piece["line"], _said(file, answer.how, answer.stopped, limit)))


def failing(file: str, limit: float, skipped: Skipped, watch: Watch) -> Skipped:
    """The statements that fail, besides those that were skipped, in a process that may end of them."""
    try:
        return read_analysis(Path(file), limit, skipped, watch).failed
    except BadInput:
        return skipped  # whoever reads it next is told the same


def _said(file: str, how: str, stopped: Stopped, limit: float) -> str:
    line = next((line for name, line in stopped.frames if name == file), stopped.piece["line"])
    return f"{file}:{line}: " + (f"time limit: still running after {limit:g} s" if stopped.timed_out else how)
