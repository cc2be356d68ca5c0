"""Threads that each compute alone.

A chunk's matrix product, argmin and sums release Python's lock, so chunks side by side on single threads use the cores
better than one chunk spread over all of them. A call runs on a thread of its own, and helpers take a part of its
chunks; the helpers belong to the process and are shared by all callers. What limits such a thread to one core is set
inside it; the process and all other threads keep their settings.
"""

import ctypes
import multiprocessing
import multiprocessing.context
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from itertools import islice
from pathlib import Path
from queue import LifoQueue
from typing import Generic, TypeVar

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

# Chunks that wait or run, for each worker: enough that none is idle, few enough that memory stays bounded.
QUEUED_PER_WORKER = 2
# Bytes that a thread keeps for a use: chunks of very wide rows, or blocks of very large maps, are larger.
LARGEST_KEPT = 16 * 2**20
# Further callers wait for their turn.
MOST_CONDUCTORS = 64

Spaces = dict[tuple[str, torch.dtype, torch.device], Tensor]
Chunk = TypeVar("Chunk")
Result = TypeVar("Result")

_FIRST_PROCESS = os.getpid()
# A child of `multiprocessing` that was forked may come from a process in which torch had threads, before sktopo came.
_BORN_BY_FORK = isinstance(multiprocessing.current_process(), getattr(multiprocessing.context, "ForkProcess", ()))

_owned = threading.local()


def scratch(use: str, rows: int, columns: int, like: Tensor) -> Tensor:
    """Memory of this thread for a use, of the type and device of `like`: valid until the thread asks for it again.

    Fresh memory is paid for page by page when it is first written; a thread that works block after block keeps its own,
    unless it is large. The caller may be in inference mode, and the next one not.
    """
    if rows * columns * like.element_size() > LARGEST_KEPT:
        return like.new_empty(rows, columns)
    if getattr(_owned, "spaces", None) is None:
        _owned.spaces = {}
    spaces: Spaces = _owned.spaces
    key, size = (use, like.dtype, like.device), rows * columns
    if key not in spaces or len(spaces[key]) < size:
        spaces.pop(key, None)  # what is too small is let go first
        with torch.inference_mode(False):
            spaces[key] = like.new_empty(size)
    return spaces[key][:size].view(rows, columns)


def map_chunks(
    function: Callable[[Chunk], Result], chunks: Iterable[Chunk], queued: int = QUEUED_PER_WORKER
) -> Iterator[Result]:
    """``function`` of every chunk, in order, on as many threads as torch would use for the caller.

    A caller that computes alone is one of them, and gets the first results while others are still to come.
    """
    workers = _n_workers()
    if workers == 1:
        return map(function, chunks)
    if _computes_alone():
        return _share_out(function, chunks, workers - 1, max(1, queued * workers))
    return iter(run_alone(lambda: list(map_chunks(function, chunks, queued))))


def _share_out(
    function: Callable[[Chunk], Result], chunks: Iterable[Chunk], helpers: int, most: int
) -> Iterator[Result]:
    """Chunks for the caller and so many helpers, each of which takes what is left; at most so many wait or run."""
    executor, numbered = _executor(os.getpid(), helpers), enumerate(chunks)
    work = _Work(function, _desks(os.getpid(), helpers + 1))
    helping: list[Future[None]] = []
    taken = given = 0
    try:
        while True:
            stop_if_abandoned()
            fresh = list(islice(numbered, most - (taken - given)))
            taken += len(fresh)
            work.left.extend(fresh)
            if taken == given:
                return
            if work.left:
                helping = _still_at_it(helping)
                wanted = min(helpers, len(work.left) - 1) - len(helping)
                helping += [executor.submit(work.do_all) for _ in range(wanted)]
                work.do_one()
            else:  # those that have begun come to an end, because nothing is left
                for helper in helping:
                    if not helper.cancel():
                        helper.result()
                helping = []
            while given in work.done:
                yield work.done.pop(given)
                given += 1
    finally:
        work.left.clear()  # after an error nothing more is begun


def _still_at_it(helping: list[Future[None]]) -> list[Future[None]]:
    """Those that have not ended; raises what went wrong in one that has."""
    others = []
    for helper in helping:
        if helper.done():
            helper.result()
        else:
            others.append(helper)
    return others


class _Work(Generic[Chunk, Result]):
    """Numbered chunks that are left, and the results of those that are done."""

    def __init__(self, function: Callable[[Chunk], Result], desks: "LifoQueue[Spaces]") -> None:
        self.left = deque[tuple[int, Chunk]]()
        self.done: dict[int, Result] = {}
        self._function = function
        self._desks = desks

    def do_one(self) -> None:
        """The next chunk, if another thread has not been quicker."""
        try:
            index, chunk = self.left.popleft()
        except IndexError:
            return
        desk = self._desks.get()
        own, _owned.spaces = getattr(_owned, "spaces", None), desk
        try:
            self.done[index] = self._function(chunk)
        finally:
            _owned.spaces = own
            self._desks.put(desk)

    def do_all(self) -> None:
        """One after the other, until none is left."""
        while self.left:
            self.do_one()


def run_alone(function: Callable[[], Result]) -> Result:
    """``function()`` on a thread that computes alone, while the caller waits.

    A run of many small operations is slowed down by a second core more than it is helped: between them the threads of
    OpenMP spin, and take that core from the workers that chunks go to. A thread that computes alone already goes on
    itself. If the caller is interrupted, what `function` still has to hand out or to begin is abandoned.
    """
    workers = _n_workers()
    if workers == 1 or _computes_alone():
        stop_if_abandoned()
        return function()
    abandoned = threading.Event()

    def conduct() -> Result:
        _owned.workers, _owned.abandoned = workers, abandoned
        return function()

    future = _conductors(os.getpid()).submit(conduct)
    try:
        return future.result()
    except BaseException:
        abandoned.set()
        raise


def is_forked() -> bool:
    """Whether this process was forked: by `multiprocessing`, or in any way after sktopo was imported."""
    return _BORN_BY_FORK or os.getpid() != _FIRST_PROCESS


def _computes_alone() -> bool:
    """Whether this thread is one that `run_alone` has started."""
    return hasattr(_owned, "abandoned")


def stop_if_abandoned() -> None:
    """Leave a run whose caller was interrupted; a long run asks this from time to time."""
    abandoned = getattr(_owned, "abandoned", None)
    if abandoned is not None and abandoned.is_set():
        raise KeyboardInterrupt


def _n_workers() -> int:
    """Workers that chunks of this thread go to; a conductor hands out as many as its caller would."""
    return getattr(_owned, "workers", None) or torch.get_num_threads()


@cache
def _executor(process: int, helpers: int) -> ThreadPoolExecutor:  # noqa: ARG001
    """The process's pool; a forked child starts its own, because threads do not survive a fork."""
    return ThreadPoolExecutor(helpers, thread_name_prefix="sktopo", initializer=_compute_alone)


@cache
def _desks(process: int, threads: int) -> "LifoQueue[Spaces]":  # noqa: ARG001
    """Where chunks are worked on, the one that was left last first: of many callers no more compute at a time."""
    desks: LifoQueue[Spaces] = LifoQueue()
    for _ in range(threads):
        desks.put({})
    return desks


@cache
def _conductors(process: int) -> ThreadPoolExecutor:  # noqa: ARG001
    """Threads for `run_alone`: one for every caller that is running, which waits for it."""
    return ThreadPoolExecutor(MOST_CONDUCTORS, thread_name_prefix="sktopo-run", initializer=_compute_alone)


def _compute_alone() -> None:
    torch.get_num_threads()  # torch sets a new thread up at its first question; only then can it be told otherwise
    threadpool_limits(1, user_api="openmp")
    limit_mkl = _mkl_limit()
    if limit_mkl is not None:  # once torch.set_num_threads was called, MKL heeds no limit but its own
        limit_mkl(1)


@cache
def _mkl_limit() -> Callable[[int], int] | None:
    """What sets the threads that MKL, if torch was built with it, uses for the calls of this thread."""
    libraries = Path(torch.__file__).parent / "lib"
    for name in ("libtorch_cpu.so", "mkl_rt.2.dll"):
        try:
            return ctypes.CDLL(str(libraries / name)).MKL_Set_Num_Threads_Local
        except (OSError, AttributeError):
            continue
    return None
