"""Sparse matrices and arrays, in compressed rows."""

from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from sktopo._sources._array import ArraySource
from sktopo._sparse import sparse_rows


class SparseSource(ArraySource):
    """Rows of a matrix in SciPy's CSR format with sorted columns; chunks arrive as sparse tensors.

    Parameters
    ----------
    X : scipy.sparse.csr_array or csr_matrix of shape (n, n_features)
        Samples, float32 or float64.
    sample_weight : ndarray of shape (n,), optional
        Weights; None counts every row once.
    device : torch.device
        Where chunks arrive.
    prepare : callable, optional
        Applied to every chunk of samples (normalization).
    rows : int, optional
        Rows a chunk, if fewer than by default; None chooses by the number of stored values.
    """

    is_dense = False
    queued = 0  # one at a time: what is summed up for the units may be far larger than a sparse chunk

    @classmethod
    def of(cls, rows: Tensor) -> "SparseSource":
        """Rows that have arrived as a sparse tensor, as a source."""
        (row, column), values = rows.indices(), rows.values()
        indptr = np.r_[0, np.bincount(row, minlength=rows.shape[0]).cumsum()]
        X = scipy.sparse.csr_array((values.numpy(), column.numpy(), indptr), shape=tuple(rows.shape))
        return cls(X, None, rows.device)

    @property
    def _values_of_a_row(self) -> int:
        """How many are stored for each row, on the average."""
        return 1 + int(self._X.nnz) // self.n_rows

    def _tensor(self, rows: Any) -> Tensor:
        row = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
        column = torch.from_numpy(rows.indices.astype(np.int64))
        x = sparse_rows(torch.from_numpy(row), column, torch.from_numpy(rows.data.copy()), rows.shape).to(self.device)
        return x if self._prepare is None else self._prepare(x)
