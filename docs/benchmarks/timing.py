"""How time and memory are measured: tasks in turns, beside the bare matrix product; peaks in a fresh process."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SHORTEST_SECONDS, SHORT_SECONDS, LONG_SECONDS = 0.02, 1.0, 5.0
REST_SECONDS = 0.02
FLOOR_MEGABYTES = (1, 2, 4, 64, 1024)

Key = TypeVar("Key", bound=Hashable)


def seconds_of(task: Callable[[], Any]) -> float:
    """Time one call, or the mean of as many as fill the shortest time that is worth measuring."""
    start, calls, elapsed = time.perf_counter(), 0, 0.0
    while elapsed < SHORTEST_SECONDS:
        task()
        calls, elapsed = calls + 1, time.perf_counter() - start
    return elapsed / calls


def rounds(first: float, repeats: int) -> int:
    """Times to run a task that first took so long: slow ones thrice, very slow ones once."""
    if first < SHORT_SECONDS:
        return repeats
    return min(repeats, 3) if first < LONG_SECONDS else 1


def in_turns(tasks: Mapping[Key, Callable[[], Any]], repeats: int) -> dict[Key, list[float]]:
    """Time all tasks round robin, so that whatever else the machine does meets them alike.

    A first call says how often a task is worth running. A short one is called once more before it is timed: after a
    rest, or after another library's threads, the first call may take half as long again.
    """
    firsts = {key: seconds_of(task) for key, task in tasks.items()}
    seconds = {key: [] if first < SHORT_SECONDS else [first] for key, first in firsts.items()}
    for _ in range(repeats):
        for key, task in tasks.items():
            if len(seconds[key]) < rounds(firsts[key], repeats):
                time.sleep(REST_SECONDS)  # for threads of the one before, which may spin while they wait for work
                if firsts[key] < SHORT_SECONDS:
                    task()
                seconds[key].append(seconds_of(task))
    return seconds


def pass_over(chunks: tuple[Tensor, ...], prototypes: Tensor, out: Tensor) -> None:
    """Multiply all chunks with all prototypes, into one buffer."""
    for chunk in chunks:
        torch.mm(chunk, prototypes, out=out[: len(chunk)])


def floor_of(X: NDArray[np.float32], n_units: int) -> tuple[int, Callable[[], None]]:
    """Make the least work that finds nearest prototypes: one float32 product of all rows with all of them, no more.

    The product is cut into chunks of rows whose result stays in one buffer; the fastest of a few sizes is taken.
    Returns the rows of a chunk and the task.
    """
    prototypes = np.random.default_rng(0).standard_normal((X.shape[1], n_units), dtype=np.float32)
    sizes = {min(len(X), max(1, (megabytes << 18) // n_units)) for megabytes in FLOOR_MEGABYTES}
    tasks = {
        size: partial(
            pass_over, torch.from_numpy(X).split(size), torch.from_numpy(prototypes), torch.empty(size, n_units)
        )
        for size in sizes
    }
    seconds = in_turns(tasks, 3)
    fastest = min(sizes, key=lambda size: median(seconds[size]))
    return fastest, tasks[fastest]


def product_of(X: NDArray[np.float32], n_units: int) -> Callable[[], None]:
    """Make the plain pass: one call of torch's product of all rows with all prototypes, into memory at hand."""
    prototypes = torch.from_numpy(np.random.default_rng(0).standard_normal((X.shape[1], n_units), dtype=np.float32))
    return partial(torch.mm, torch.from_numpy(X), prototypes, out=torch.zeros(len(X), n_units))


def probe(path: Path, contender: str, height: int, width: int, budget: int) -> dict[str, Any]:
    """Fit once in a fresh process: its peak memory, or why there is none ("status")."""
    command = [sys.executable, Path(__file__).with_name("probe.py"), path, contender, height, width, budget]
    child = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if child.returncode == -signal.SIGALRM:
        return {"status": f"over {budget} s"}
    if child.returncode != 0:
        return {"status": "failed: " + (child.stderr.strip().splitlines() or ["no message"])[-1]}
    return {"status": "measured", **json.loads(child.stdout.splitlines()[-1])}
