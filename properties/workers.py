"""Worker processes: each carries out one call at a time, and one that dies takes nothing with it but that call."""

import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import connection, forkserver, resource_tracker
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import torch

from elbound.impl.device import deterministic, keep_memory
from elbound.properties.limits import Stopped, Watch, read_note
from elbound.properties.slips import raised
from elbound.properties.threads import one_thread

# Seconds that a worker is given to end by itself when there is nothing left to do.
GRACE: Final = 5.0
PRELOADED: Final = ("elbound.properties.interruptible", "elbound.properties.ready")
CLIMBING: Final = ("scipy.stats",)


def prepare(device: str) -> None:
    """One thread and deterministic kernels, and freed memory kept, in every process that judges."""
    deterministic(torch.device(device))
    keep_memory()


@dataclass(frozen=True)
class Ended:
    """A call that ended its process: how, as in "the process ended with exit status 3", and what its note says.

    `stopped` is None where the call was at no watched piece of work.
    """

    how: str
    stopped: Stopped | None


def serve(pipe: connection.Connection, device: str, note: Path, limit: float, *, quiet: bool) -> None:
    """What a worker process does: one call after the other, each with the watch of the process as its last argument.

    An interrupt is its parent's to answer, and the parent's end is its own. What is printed goes to standard error.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _redirect(quiet=quiet)
    prepare(device)
    watch = Watch(note, limit)
    while True:
        try:
            function, arguments = pipe.recv()
        except EOFError:
            return
        try:
            answer = True, function(*arguments, watch)
        except BaseException as failure:  # whatever a user's code raises that is not answered where it was called
            answer = False, raised(failure)
        pipe.send(answer)
        if not answer[0]:
            return


def _redirect(*, quiet: bool) -> None:
    """Standard output belongs to the parent, which may be writing JSON to it."""
    sys.stdout.flush()
    if not quiet:
        os.dup2(2, 1)
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


@dataclass
class _Worker:
    process: ForkServerProcess
    pipe: connection.Connection
    note: Path
    call: Any = None

    def answer(self) -> Any:
        """What the call gave. Raises EOFError where the process ended without an answer."""
        try:
            if self.pipe.poll():
                return self.pipe.recv()
        except OSError:
            pass  # it ended in the middle of its answer
        raise EOFError


class Crew:
    """Up to `count` single-threaded worker processes, started as they are needed.

    Even a single worker is a process: in this one, Hypothesis's callback of the garbage collector can swallow an
    interrupt, and a user's code can end it. `limit` is how many seconds a watched piece of work may take; with `climbs`
    what the adversary needs is loaded once for all; `quiet` workers print nothing.
    """

    def __init__(self, count: int, device: str, limit: float, *, climbs: bool = False, quiet: bool = False) -> None:
        self._count, self._device, self._limit = count, device, limit
        self._climbs, self._quiet = climbs, quiet
        self._workers: list[_Worker] = []
        self._started = 0
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        start_server(climbs=self._climbs)
        self._stack.enter_context(_broken_pipes_told())
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            for worker in self._workers:
                worker.pipe.close()
                # Whatever ended the run, nobody waits for the calls under way.
                if kind is not None or worker.call is not None:
                    worker.process.kill()
            for worker in self._workers:
                worker.process.join(GRACE)
                if worker.process.is_alive():
                    worker.process.kill()
                    worker.process.join()

    @property
    def busy(self) -> bool:
        """Whether any call is under way."""
        return any(worker.call is not None for worker in self._workers)

    @property
    def free(self) -> bool:
        """Whether another call can begin at once."""
        return len(self._workers) < self._count or any(worker.call is None for worker in self._workers)

    def begin(self, call: Any, function: Callable[..., Any], *arguments: Any) -> None:
        """Begins `function(*arguments, watch)` in a free worker; the answer comes under the name `call`."""
        idle = (worker for worker in self._workers if worker.call is None and worker.process.is_alive())
        worker = next(idle, None) or self._start()
        worker.call = call
        with contextlib.suppress(BrokenPipeError):  # it has ended meanwhile, which is told like any other end
            worker.pipe.send((function, arguments))

    def _start(self) -> _Worker:
        context = multiprocessing.get_context("forkserver")
        note = self._folder / str(self._started)
        self._started += 1
        ours, theirs = context.Pipe()
        terms = (theirs, self._device, note, self._limit)
        process = context.Process(target=serve, args=terms, kwargs={"quiet": self._quiet})
        process.start()
        theirs.close()
        self._workers.append(_Worker(process, ours, note))
        return self._workers[-1]

    def next(self, timeout: float | None = None) -> tuple[Any, Any]:
        """The name of the next call that is done, and what it gave, or how it ended its process.

        Raises TimeoutError where none is done within so many seconds.
        """
        busy = [worker for worker in self._workers if worker.call is not None]
        signs: dict[Any, _Worker] = {sign: x for x in busy for sign in (x.pipe, x.process.sentinel)}
        ready = connection.wait(list(signs), timeout)
        if not ready:
            raise TimeoutError
        worker = signs[ready[0]]
        try:
            well, answer = worker.answer()
        except EOFError:
            well, answer = False, ""
        if well:
            call, worker.call = worker.call, None
            return call, answer
        self._workers.remove(worker)
        worker.pipe.close()
        worker.process.join()
        code = worker.process.exitcode or 0
        return worker.call, Ended(answer or _how(code), read_note(worker.note))


def _how(code: int) -> str:
    if code >= 0:
        return f"the process ended with exit status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"the process was ended by {name}"


def start_server(*, climbs: bool = False) -> None:
    """Starts the process that workers are forked from; until its first import an interrupt is held back from it."""
    one_thread()
    preloaded = [*PRELOADED, *CLIMBING] if climbs else list(PRELOADED)
    multiprocessing.get_context("forkserver").set_forkserver_preload(preloaded)
    resource_tracker.ensure_running()  # by itself: it takes the mask away
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _broken_pipes_told() -> Iterator[None]:
    """SIGPIPE ignored: a call may be sent to a worker that has just ended, which must be told and not end this one."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGPIPE"):
        yield
        return
    before = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGPIPE, before)
