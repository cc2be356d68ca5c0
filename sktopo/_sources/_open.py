"""The one way in."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sktopo._sources._array import ArraySource
from sktopo._sources._base import Source
from sktopo._sources._sparse import SparseSource
from sktopo._sources._torch import TensorSource


def as_source(
    X: Any,
    sample_weight: NDArray[np.float64] | None,
    device: torch.device,
    prepare: Callable[[Tensor], Tensor] | None = None,
    rows: int | None = None,
) -> Source:
    """Checked samples in the memory of this machine as a source of chunks.

    Parameters
    ----------
    X : ndarray, CSR matrix or array, or Tensor, of shape (n, n_features)
        Samples, float32 or float64; arrays and tensors of any numbers, which are cast chunk by chunk.
    sample_weight : ndarray of shape (n,), optional
        Weights; None counts every row once.
    device : torch.device
        Where chunks arrive.
    prepare : callable, optional
        Applied to every chunk of samples (normalization).
    rows : int, optional
        Rows a chunk, if fewer than by default; None chooses by the size of the data.

    Returns
    -------
    Source
        Of the kind that reads such a container.
    """
    kind = ArraySource if isinstance(X, np.ndarray) else TensorSource if isinstance(X, Tensor) else SparseSource
    return kind(X, sample_weight, device, prepare, rows)
