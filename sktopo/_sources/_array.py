"""Dense NumPy arrays."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sktopo._device import chunk_rows, wide_dtype
from sktopo._sources._base import Source


class ArraySource(Source):
    """Rows of a dense floating point array, of any strides, writable or not.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
        Samples, float32 or float64.
    sample_weight : ndarray of shape (n,), optional
        Weights; None counts every row once.
    device : torch.device
        Where chunks arrive.
    prepare : callable, optional
        Applied to every chunk of samples (normalisation).
    rows : int, optional
        Rows a chunk, at most 8192; None chooses by the width of the data.
    """

    def __init__(
        self,
        X: NDArray[Any],
        sample_weight: NDArray[np.float64] | None,
        device: torch.device,
        prepare: Callable[[Tensor], Tensor] | None = None,
        rows: int | None = None,
    ) -> None:
        super().__init__(X.shape[0], X.shape[1], torch.float32 if X.dtype == np.float32 else torch.float64, device)
        self._X = X
        self._weight = sample_weight
        self._prepare = prepare
        default = chunk_rows(self.n_features)
        self._rows = default if rows is None else min(rows, default)

    def chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Consecutive rows."""
        for start in range(0, self.n_rows, self._rows):
            x = _as_tensor(self._X[start : start + self._rows]).to(self.device)
            yield x if self._prepare is None else self._prepare(x), self._weights(start, len(x))

    def _weights(self, start: int, n: int) -> Tensor:
        wide = wide_dtype(self.device)
        if self._weight is None:
            return torch.ones(n, dtype=wide, device=self.device)
        return _as_tensor(self._weight[start : start + n]).to(self.device, wide)


def _as_tensor(rows: NDArray[Any]) -> Tensor:
    """A tensor of some rows; what torch cannot share (read-only memory, negative strides) is copied."""
    contiguous = np.ascontiguousarray(rows)
    return torch.from_numpy(contiguous if contiguous.flags.writeable else contiguous.copy())
