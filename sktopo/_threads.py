"""A small pool of threads that each compute alone.

A chunk's matrix product, argmin and sums release Python's lock, so chunks side by side on single-threaded workers use
the cores better than one chunk spread over all of them. The workers belong to the process and are shared: callers in
many threads do not multiply them. What limits a worker to one core is set inside the worker's own thread; the process
and all other threads keep their settings.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

# Chunks that wait or run, for each worker: enough that none is idle, few enough that memory stays bounded.
QUEUED_PER_WORKER = 2


Chunk = TypeVar("Chunk")
Result = TypeVar("Result")


def map_chunks(function: Callable[[Chunk], Result], chunks: Iterable[Chunk]) -> Iterator[Result]:
    """``function`` of every chunk, in order, on as many workers as torch would use threads here."""
    workers = torch.get_num_threads()
    if workers == 1:
        yield from map(function, chunks)
        return
    executor, waiting = _executor(os.getpid(), workers), deque[Future[Result]]()
    try:
        for chunk in chunks:
            waiting.append(executor.submit(function, chunk))
            if len(waiting) > QUEUED_PER_WORKER * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


@cache
def _executor(process: int, workers: int) -> ThreadPoolExecutor:  # noqa: ARG001
    """The process's pool; a forked child starts its own, because threads do not survive a fork."""
    return ThreadPoolExecutor(workers, thread_name_prefix="sktopo", initializer=_compute_alone)


def _compute_alone() -> None:
    torch.get_num_threads()  # torch sets a new thread up at its first question; only then can it be told otherwise
    threadpool_limits(1, user_api="openmp")
