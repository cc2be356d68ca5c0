"""Where a computation runs, in which floating point type, and in what portions: decided here and nowhere else."""

import math
import os
from typing import Any

import numpy as np
import torch

from sktopo._products import ROW_MULTIPLE, rounded_rows

# Kinds of devices that are known.
KINDS = ("cpu", "cuda", "mps")
# Small enough to stay in a core's cache between one operation and the next, large enough to pay for the calls.
BLOCK_BYTES = 2**20
# A product with many units costs more a row where rows are few, which outweighs the cache: scores of so many rows may
# take so much.
WANTED_ROWS, LARGEST_BLOCK_BYTES = 256, 3 * 2**20
CHUNK_BYTES = 4 * 2**20
LARGEST_CHUNK = 25_600
# Chunks come in multiples of this where there are many, so that two, four or eight workers have equal shares.
SHARES = 8
# Of fewer rows or values a chunk is not worth handing to a worker.
WORTHWHILE_ROWS, WORTHWHILE_VALUES = 2**11, 2**16


def resolve_device(device: str | torch.device | None, dtype: torch.dtype) -> torch.device:
    """The torch device that `device` names.

    Parameters
    ----------
    device : None, "auto", "cpu", "cuda", "mps" or torch.device
        None is the CPU for arrays; "auto" is the accelerator if there is one.
    dtype : torch.dtype
        Type of the samples.

    Returns
    -------
    torch.device
        A device that is there.

    Raises
    ------
    ValueError
        If it is no device, or one that is not available or cannot compute in `dtype`.
    """
    if device is None:
        return torch.device("cpu")
    if device == "auto":
        return _accelerator(dtype)
    try:
        wanted = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"device={device!r} is no device; use None, 'auto', 'cpu', 'cuda' or 'mps', or a torch.device."
        ) from error
    if not is_available(wanted):
        present = ", ".join(repr(name) for name in KINDS if is_available(torch.device(name)))
        raise ValueError(f"device={device!r} is not available here; use None, 'auto' or one of: {present}.")
    if wanted.type == "mps" and dtype == torch.float64:
        raise ValueError("device='mps' computes in float32 only: pass X as float32, or use device='cpu'.")
    return wanted


def check_reachable(device: str | torch.device | None) -> None:
    """Raise ValueError for a device that torch does not know, or cannot reach here.

    Parameters
    ----------
    device : torch.device, str, int or None
        What a user has written.

    Raises
    ------
    ValueError
        If no tensor can be made there.
    """
    try:
        torch.empty(0, device=device)
    except (RuntimeError, TypeError, AssertionError) as error:
        raise ValueError(f"device={device!r} cannot be used: {error}") from error


def is_available(device: torch.device) -> bool:
    """Whether a device is here.

    Parameters
    ----------
    device : torch.device
        Any device.

    Returns
    -------
    bool
        False also for unknown kinds of devices.
    """
    if device.type == "cuda":
        return torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    return torch.backends.mps.is_available() if device.type == "mps" else device.type == "cpu"


def _accelerator(dtype: torch.dtype) -> torch.device:
    cuda, mps = torch.device("cuda"), torch.device("mps")
    if is_available(cuda):
        return cuda
    return mps if is_available(mps) and dtype != torch.float64 else torch.device("cpu")


def numpy_dtype(dtype: torch.dtype) -> type[np.floating[Any]]:
    """NumPy's name of a type that samples have.

    Parameters
    ----------
    dtype : torch.dtype
        float32 or float64.

    Returns
    -------
    type
        The same type.
    """
    return np.float32 if dtype == torch.float32 else np.float64


def torch_dtype(dtype: np.dtype[Any] | torch.dtype) -> torch.dtype:
    """The type in which numbers of a type are computed with.

    Parameters
    ----------
    dtype : numpy.dtype or torch.dtype
        That of numbers, of any byte order.

    Returns
    -------
    torch.dtype
        float32 for float32, else float64.
    """
    single = dtype == torch.float32 if isinstance(dtype, torch.dtype) else (dtype.kind, dtype.itemsize) == ("f", 4)
    return torch.float32 if single else torch.float64


def wide_dtype(device: torch.device) -> torch.dtype:
    """The widest floating point type that a device has.

    Parameters
    ----------
    device : torch.device
        The device that sums.

    Returns
    -------
    torch.dtype
        float64, or float32 on MPS.
    """
    return torch.float32 if device.type == "mps" else torch.float64


def machine_memory() -> float:
    """Memory of this machine, if its system says so.

    Returns
    -------
    float
        Bytes; infinity where nothing is known.
    """
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # another system than a POSIX one
        return math.inf


def chunk_rows(n_features: int, n_rows: int | None = None) -> int:
    """Rows that travel from a source in one chunk.

    Parameters
    ----------
    n_features : int
        Width of a row.
    n_rows : int, optional
        Number of rows in all, where it is known.

    Returns
    -------
    int
        A multiple of 64: at most 25 600 rows and about 4 MB of float64. Many rows are cut into a multiple of 8 chunks,
        fewer into an even number of chunks that are worth handing to a worker, or one.
    """
    largest = min(LARGEST_CHUNK, max(1, CHUNK_BYTES // (8 * n_features) // ROW_MULTIPLE) * ROW_MULTIPLE)
    if n_rows is None:
        return largest
    if n_rows > largest:
        chunks = -(-n_rows // (largest * SHARES)) * SHARES
    else:
        worthwhile = min(n_rows // WORTHWHILE_ROWS, n_rows * n_features // WORTHWHILE_VALUES)
        chunks = min(SHARES, max(1, worthwhile // 2 * 2))
    return rounded_rows(-(-n_rows // chunks))


def block_rows(n_units: int, itemsize: int, n_bytes: int = BLOCK_BYTES) -> int:
    """Rows whose scores against all units fill one block: up to 256 rows may take more bytes than it should have.

    Parameters
    ----------
    n_units : int
        Number of scores a row.
    itemsize : int
        Bytes a score.
    n_bytes : int, default=2**20
        Bytes that a block should have.

    Returns
    -------
    int
        A multiple of 64.
    """
    row = n_units * itemsize
    many = min(WANTED_ROWS, LARGEST_BLOCK_BYTES // row // ROW_MULTIPLE * ROW_MULTIPLE)
    return max(many, min(LARGEST_CHUNK, rounded_rows(n_bytes // row)))


def blocks(n: int, columns: int, itemsize: int) -> list[slice]:
    """Consecutive rows in cache-sized blocks.

    Parameters
    ----------
    n : int
        Number of rows.
    columns : int
        Number of values a row.
    itemsize : int
        Bytes a value.

    Returns
    -------
    list of slice
        All `n` rows together.
    """
    size = min(LARGEST_CHUNK, rounded_rows(BLOCK_BYTES // (columns * itemsize)))
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]
