"""Dense NumPy arrays."""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sktopo._device import chunk_rows, numpy_dtype, torch_dtype, wide_dtype
from sktopo._sources._base import Source, by_weight, evenly


class ArraySource(Source):
    """Rows of a dense array of numbers, of any strides, writable or not.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
        Samples; chunks of float32 stay so, others arrive in float64.
    sample_weight : ndarray of shape (n,), optional
        Weights; None counts every row once.
    device : torch.device
        Where chunks arrive.
    prepare : callable, optional
        Applied to every chunk of samples (normalization).
    rows : int, optional
        Rows a chunk, if fewer than by default; None chooses by the size of the data.
    """

    is_dense: ClassVar[bool] = True

    def __init__(
        self,
        X: Any,
        sample_weight: NDArray[np.float64] | None,
        device: torch.device,
        prepare: Callable[[Tensor], Tensor] | None = None,
        rows: int | None = None,
    ) -> None:
        super().__init__(X.shape[0], X.shape[1], torch_dtype(X.dtype), device)
        self._X = X
        self._weight = sample_weight
        self._prepare = prepare
        default = chunk_rows(self._values_of_a_row, self.n_rows)
        self._rows = default if rows is None else min(rows, default)

    @property
    def _values_of_a_row(self) -> int:
        """How many a chunk holds for each row."""
        return self.n_features

    def chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Consecutive rows."""
        for start in range(0, self.n_rows, self._rows):
            rows = slice(start, start + self._rows)
            x = self._tensor(self._X[rows])
            yield x, self._weights(x.shape[0], rows)

    @property
    def total_weight(self) -> float:
        """Sum of the weights."""
        return float(self.n_rows if self._weight is None else self._weight.sum())

    def take(self, positions: Tensor) -> Tensor:
        """The rows at ascending positions."""
        return self._tensor(_picked(self._X, positions.numpy()))

    def weights(self, positions: Tensor) -> Tensor:
        """The weights at positions."""
        return self._weights(len(positions), positions.numpy())

    def rows_at(self, fractions: Tensor) -> Tensor:
        """Positions at fractions of the total weight; rows of weight 0 are never met."""
        return evenly(fractions, self.n_rows) if self._weight is None else by_weight(fractions, self._cumulative)

    @cached_property
    def _cumulative(self) -> NDArray[np.float64]:
        """Weight of all rows up to each one, itself included."""
        assert self._weight is not None  # without weights no one asks
        return np.cumsum(self._weight)

    def _tensor(self, rows: Any) -> Tensor:
        x = _as_tensor(floating(rows)).to(self.device)
        return x if self._prepare is None else self._prepare(x)

    def _weights(self, n: int, rows: slice | NDArray[np.int64]) -> Tensor:
        wide = wide_dtype(self.device)
        if self._weight is None:
            return torch.ones(n, dtype=wide, device=self.device)
        return _as_tensor(self._weight[rows]).to(self.device, wide)


def floating(rows: NDArray[Any]) -> NDArray[Any]:
    """Rows of numbers in the type that they are computed with; themselves where they have it."""
    return rows.astype(numpy_dtype(torch_dtype(rows.dtype)), copy=False)


def _picked(X: Any, positions: NDArray[np.int64]) -> Any:
    """Rows of an array or a matrix: `take` is quicker than an index, but copies an array of other layout whole."""
    if isinstance(X, np.ndarray) and X.flags.c_contiguous and X.flags.aligned:
        return X.take(positions, axis=0)
    return X[positions]


def _as_tensor(rows: NDArray[Any]) -> Tensor:
    """A tensor of some rows; what torch cannot share (read-only memory, negative strides) is copied."""
    contiguous = np.ascontiguousarray(rows)
    return torch.from_numpy(contiguous if contiguous.flags.writeable else contiguous.copy())
