"""One run at a time in a folder: a lock that the system holds for a process, and lets go of when the process ends."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAME = "run.lock"
# Where there is no flock, one byte is locked, far behind what the file says, so that others can still read that.
FAR_BYTE = 1 << 30

try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

    windows: Any = msvcrt  # its functions are unknown to a type checker on other systems

    def _lock(descriptor: int) -> None:
        os.lseek(descriptor, FAR_BYTE, os.SEEK_SET)
        try:
            windows.locking(descriptor, windows.LK_NBLCK, 1)
        except PermissionError:
            raise BlockingIOError from None
        os.lseek(descriptor, 0, os.SEEK_SET)

else:

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Occupied(Exception):
    """Another process holds the folder; the message says which."""


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Holds a folder, made where it is missing, for the block.

    The lock is a file there. It is removed at the end; one that a killed process left behind hinders nobody.
    Raises Occupied where another process holds the folder, OSError where no file can be written or locked.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    descriptor = _acquired(path)
    try:
        os.truncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()}".encode())
        yield
    finally:
        # While it is locked, so that nobody has locked a file that is no longer there.
        with contextlib.suppress(OSError):  # Windows removes no open file; it is no hindrance
            path.unlink()
        os.close(descriptor)


def _acquired(path: Path) -> int:
    """The lock file, open and locked, and still the one of that name."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor)
            if _is_still(path, descriptor):
                return descriptor
        except BlockingIOError:
            raise Occupied(_holder(descriptor)) from None
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)  # the process that held it has removed it in the meantime


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _holder(descriptor: int) -> str:
    """What the holder wrote of itself, which it does as soon as it has the lock."""
    try:
        for _ in range(20):
            os.lseek(descriptor, 0, os.SEEK_SET)
            if said := os.read(descriptor, 64).decode("ascii", "replace"):
                return said
            time.sleep(0.01)
        return "another process"
    finally:
        os.close(descriptor)
