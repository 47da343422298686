"""Time limits: for a question within a process, and for work that only the end of its process can stop."""

import contextlib
import faulthandler
import json
import os
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
_THREAD = re.compile("[Tt]hread 0x")
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
    """A piece of work that ended its process: what it was, and file and line where it stood, innermost first.

    The frames are known where the time limit or a fault of the processor ended it.
    """

    piece: dict[str, Any]
    frames: tuple[tuple[str, int], ...] = ()
    timed_out: bool = False

    def place(self, file: str | None) -> str:
        """File and line where the work stood: in the given file if it was called from there."""
        own = next((frame for frame in self.frames if frame[0] == file), None)
        found = own or next(iter(self.frames), ("unknown", 0))
        return f"{Path(found[0]).name}:{found[1]}"


class Watch:
    """Keeps a note of the piece of work a process is at, and ends the process when it takes longer than the limit.

    The note outlives the process: it says what was under way, and where that stood if the limit or a fault of the
    processor ended it. The watchdog is faulthandler's own thread in C, which no loop in C code can hold up.
    """

    def __init__(self, note: Path, limit: float) -> None:
        self._path, self._limit, self._process = note, limit, os.getpid()

    @cached_property
    def _note(self) -> IO[str]:
        note = self._path.open("w", encoding="utf-8")
        faulthandler.enable(note)
        return note

    @contextlib.contextmanager
    def over(self, piece: dict[str, Any]) -> Iterator[None]:
        """Watches over one piece of work, which its note describes until it is done or has failed."""
        self._write(json.dumps(piece) + "\n")
        faulthandler.dump_traceback_later(self._limit, exit=True, file=self._note)
        try:
            yield
        except Exception:
            self._write("")
            raise
        finally:
            if os.getpid() != self._process:  # a copy that the work forked: what goes on from here is not its own
                os._exit(0)
            faulthandler.cancel_dump_traceback_later()
        self._write("")

    def _write(self, text: str) -> None:
        self._note.seek(0)
        self._note.truncate()
        self._note.write(text)
        self._note.flush()


def read_note(note: Path) -> Stopped | None:
    """The work that was under way when a process ended, by the note it left; None where it was at none."""
    if not note.is_file():
        return None
    first, _, rest = note.read_text(encoding="utf-8", errors="replace").partition("\n")
    if not first:
        return None
    # Other threads only wait; the one at work is the one that came through the campaign, or is too deep to show it.
    threads = [part for part in _THREAD.split(rest)[1:] if "_end_with_parent" not in part]
    working = next((part for part in threads if "campaign.py" in part), threads[-1] if threads else "")
    frames = tuple((m["file"], int(m["line"])) for m in _FRAME.finditer(working))
    return Stopped(json.loads(first), frames, rest.startswith("Timeout"))
