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

# Chunks in flight for each thread: enough that none is idle, few enough that memory stays bounded.
QUEUED_PER_WORKER = 2
# Larger buffers, in bytes, are not kept: those of very wide rows or very large maps.
LARGEST_KEPT = 16 * 2**20
# Callers beyond this number wait for their turn.
MOST_RUN_THREADS = 64
# A caller that waits looks so often, in seconds, whether it was interrupted: a signal that comes just before it begins
# to wait, or that another thread receives, does not wake it.
HEEDING = 0.5

# For each use, type and device all of the memory, and the part of it that was asked for last.
Buffers = dict[tuple[str, torch.dtype, torch.device], tuple[Tensor, Tensor]]
Chunk = TypeVar("Chunk")
Result = TypeVar("Result")

_FIRST_PROCESS = os.getpid()
# A child of `multiprocessing` that was forked may come from a process in which torch had threads, before sktopo came.
_BORN_BY_FORK = isinstance(multiprocessing.current_process(), getattr(multiprocessing.context, "ForkProcess", ()))

_owned = threading.local()


def scratch(use: str, rows: int, columns: int, like: Tensor) -> Tensor:
    """Memory of this thread for a use, of the type and device of `like`: valid until the thread asks for it again.

    The first write to each page of new memory is slow, so a thread that works block after block keeps its own, unless
    it is large. It is usable in any mode: the caller may be in inference mode, and the next one not.
    """
    if getattr(_owned, "buffers", None) is None:
        _owned.buffers = {}
    buffers: Buffers = _owned.buffers
    key, size = (use, like.dtype, like.device), rows * columns
    memory, last = buffers.get(key, (None, None))
    if last is not None and last.shape == (rows, columns):
        return last
    if size * like.element_size() > LARGEST_KEPT:
        return like.new_empty(rows, columns)
    with torch.inference_mode(False):
        if memory is None or memory.shape[0] < size:
            memory = last = None  # what is too small is let go first
            buffers.pop(key, None)
            memory = like.new_empty(size)
        buffers[key] = memory, memory[:size].view(rows, columns)
    return buffers[key][1]


def map_chunks(
    function: Callable[[Chunk], Result], chunks: Iterable[Chunk], queued: int = QUEUED_PER_WORKER
) -> Iterator[Result]:
    """``function`` of every chunk, in order, on as many threads as torch would use for the caller.

    A caller inside `run_alone` computes some of the chunks itself, and receives the first results while later chunks
    are still running.
    """
    workers = _n_workers()
    if workers == 1:
        return map(function, chunks)
    if _is_run_thread():
        return _share_out(function, chunks, workers - 1, max(1, queued * workers))
    return iter(run_alone(lambda: list(map_chunks(function, chunks, queued))))


def _share_out(
    function: Callable[[Chunk], Result], chunks: Iterable[Chunk], helpers: int, in_flight: int
) -> Iterator[Result]:
    """Results in order, computed by the caller and helpers side by side; at most `in_flight` chunks wait or run."""
    executor, numbered = _executor(os.getpid(), helpers), enumerate(chunks)
    work = _Work(function, _buffer_pool(os.getpid(), helpers + 1))
    helping: list[Future[None]] = []
    submitted = yielded = 0
    try:
        while True:
            stop_if_abandoned()
            fresh = list(islice(numbered, in_flight - (submitted - yielded)))
            submitted += len(fresh)
            work.left.extend(fresh)
            if submitted == yielded:
                return
            if work.left:
                helping = _unfinished(helping)
                wanted = min(helpers, len(work.left) - 1) - len(helping)
                helping += [executor.submit(work.do_all) for _ in range(wanted)]
                work.do_one()
            else:  # nothing is left to begin: wait for the helpers that are still computing
                for helper in helping:
                    if not helper.cancel():
                        helper.result()
                helping = []
            while yielded in work.done:
                yield work.done.pop(yielded)
                yielded += 1
    finally:
        work.left.clear()  # after an error no further chunk is begun


def _unfinished(helpers: list[Future[None]]) -> list[Future[None]]:
    """The helpers that are still running; raises the error of one that has failed."""
    running = []
    for helper in helpers:
        if helper.done():
            helper.result()
        else:
            running.append(helper)
    return running


class _Work(Generic[Chunk, Result]):
    """Numbered chunks that nobody has begun, and the results of those that are done."""

    def __init__(self, function: Callable[[Chunk], Result], pool: "LifoQueue[Buffers]") -> None:
        self.left = deque[tuple[int, Chunk]]()
        self.done: dict[int, Result] = {}
        self._function = function
        self._buffer_pool = pool

    def do_one(self) -> None:
        """Compute the next chunk, unless another thread has just taken the last one."""
        try:
            index, chunk = self.left.popleft()
        except IndexError:
            return
        buffers = self._buffer_pool.get()
        own, _owned.buffers = getattr(_owned, "buffers", None), buffers
        try:
            self.done[index] = self._function(chunk)
        finally:
            _owned.buffers = own
            self._buffer_pool.put(buffers)

    def do_all(self) -> None:
        """Compute one chunk after the other until none is left."""
        while self.left:
            self.do_one()


def run_alone(function: Callable[[], Result]) -> Result:
    """``function()`` on a thread that is limited to one core, while the caller waits.

    Many small operations run slower on two cores than on one: between them OpenMP's threads spin, and take a core from
    the workers that compute chunks. On a thread that `run_alone` has started, `function` is just called. If the caller
    is interrupted, chunks that have not begun are dropped.
    """
    workers = _n_workers()
    if workers == 1 or _is_run_thread():
        stop_if_abandoned()
        return function()
    abandoned = threading.Event()

    def conduct() -> Result:
        _owned.workers, _owned.abandoned = workers, abandoned
        return function()

    try:
        return _awaited(_run_threads(os.getpid()).submit(conduct))
    except BaseException:
        abandoned.set()
        raise


def _awaited(future: Future[Result]) -> Result:
    """What becomes of a future; an interrupt is heeded soon, whichever thread received it."""
    while True:
        try:
            return future.result(HEEDING)
        except TimeoutError:
            if future.done():  # it may have raised one itself
                return future.result()


def is_forked() -> bool:
    """Whether this process was forked: by `multiprocessing`, or in any way after sktopo was imported."""
    return _BORN_BY_FORK or os.getpid() != _FIRST_PROCESS


def _is_run_thread() -> bool:
    """Whether `run_alone` has started this thread."""
    return hasattr(_owned, "abandoned")


def stop_if_abandoned() -> None:
    """Raise KeyboardInterrupt in a run whose caller was interrupted; long runs call this from time to time."""
    abandoned = getattr(_owned, "abandoned", None)
    if abandoned is not None and abandoned.is_set():
        raise KeyboardInterrupt


def _n_workers() -> int:
    """How many threads compute the chunks of this one; a thread of `run_alone` uses as many as its caller would."""
    return getattr(_owned, "workers", None) or torch.get_num_threads()


@cache
def _executor(process: int, helpers: int) -> ThreadPoolExecutor:  # noqa: ARG001
    """The process's pool; a forked child starts its own, because threads do not survive a fork."""
    return ThreadPoolExecutor(helpers, thread_name_prefix="sktopo", initializer=_limit_to_one_thread)


@cache
def _buffer_pool(process: int, threads: int) -> "LifoQueue[Buffers]":  # noqa: ARG001
    """Scratch buffers, one set a thread, the last used first: however many callers there are, no more chunks run."""
    pool: LifoQueue[Buffers] = LifoQueue()
    for _ in range(threads):
        pool.put({})
    return pool


@cache
def _run_threads(process: int) -> ThreadPoolExecutor:  # noqa: ARG001
    """Threads for `run_alone`: one for each caller that waits for it."""
    return ThreadPoolExecutor(MOST_RUN_THREADS, thread_name_prefix="sktopo-run", initializer=_limit_to_one_thread)


def _limit_to_one_thread() -> None:
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
