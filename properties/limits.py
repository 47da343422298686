"""Time limits: for a question within a process, and for work that only the end of its process can stop."""

import contextlib
import faulthandler
import json
import re
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import IO, Any

# An alarm that was swallowed, by a bare except or by a callback of the garbage collector, comes again this soon.
AGAIN = 1.0
_FRAME = re.compile(r'  File "(?P<file>.*)", line (?P<line>\d+) in (?P<function>.*)')


class TimeLimit(BaseException):
    """Raised inside work that has taken too long; no Exception, so that the work itself does not answer it."""


def _alarm(_signum: int, _frame: FrameType | None) -> None:
    raise TimeLimit


@contextlib.contextmanager
def stopped_after(seconds: float) -> Iterator[None]:
    """Raises TimeLimit inside the block, where it stands then.

    Without an alarm (outside the main thread, or on a system that has none) the block is not limited.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGALRM, _alarm)
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass(frozen=True)
class Stopped:
    """A piece of work that was not done in time: what it was, and file and line where it stood, innermost first."""

    piece: dict[str, Any]
    frames: tuple[tuple[str, int], ...]

    def place(self, file: str | None) -> str:
        """File and line where the work stood: in the given file if it was called from there."""
        own = next((frame for frame in self.frames if frame[0] == file), None)
        found = own or next(iter(self.frames), ("unknown", 0))
        return f"{Path(found[0]).name}:{found[1]}"


class Watch:
    """Ends the process when a piece of work takes longer than the limit, and leaves a note of what it was and where.

    The watchdog is faulthandler's own thread in C, which no loop in C code can hold up.
    """

    def __init__(self, note: Path, limit: float) -> None:
        self._path, self._limit = note, limit

    @cached_property
    def _note(self) -> IO[str]:
        # Not before there is work: a process that starts when all is done finds no folder any more.
        return self._path.open("w", encoding="utf-8")

    @contextlib.contextmanager
    def over(self, piece: dict[str, Any]) -> Iterator[None]:
        """Watches over one piece of work, which its note describes."""
        self._note.seek(0)
        self._note.truncate()
        self._note.write(json.dumps(piece) + "\n")
        self._note.flush()
        faulthandler.dump_traceback_later(self._limit, exit=True, file=self._note)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


def stopped_in(folder: Path) -> list[Stopped]:
    """The work that ended its process, by the notes that were left in a folder."""
    found = []
    for note in sorted(folder.iterdir()):
        first, _, rest = note.read_text(encoding="utf-8", errors="replace").partition("\n")
        # Other threads only wait; the one at work is the one that came through the campaign, or is too deep to show it.
        threads = [part for part in rest.split("Thread 0x")[1:] if "_end_with_parent" not in part]
        if threads:
            working = next((part for part in threads if "campaign.py" in part), threads[-1])
            frames = tuple((m["file"], int(m["line"])) for m in _FRAME.finditer(working))
            found.append(Stopped(json.loads(first), frames))
    return found
