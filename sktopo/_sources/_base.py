"""What every container of samples offers, so that no solver knows where the rows live."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

import torch
from torch import Tensor


class Source(ABC):
    """Weighted rows that arrive as chunks of tensors on one device.

    Parameters
    ----------
    n_rows, n_features : int
        Shape of the data.
    dtype : torch.dtype
        Type of the rows.
    device : torch.device
        Where chunks arrive.
    """

    def __init__(self, n_rows: int, n_features: int, dtype: torch.dtype, device: torch.device) -> None:
        self.n_rows = n_rows
        self.n_features = n_features
        self.dtype = dtype
        self.device = device

    @abstractmethod
    def chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """All rows in order: chunks of samples (n, n_features) and their weights (n,) in the widest type."""

    def reduce(self, step: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """The sum of ``step(x, weight)`` over all chunks."""
        parts = (step(x, weight) for x, weight in self.chunks())
        total = next(parts)
        for part in parts:
            total = total + part
        return total

    def map_rows(self, step: Callable[[Tensor], Tensor]) -> Tensor:
        """``step(x)`` of every chunk, row by row in one CPU tensor."""
        result, start = None, 0
        for x, _ in self.chunks():
            part = step(x)
            if result is None:
                result = torch.empty((self.n_rows, *part.shape[1:]), dtype=part.dtype)
            result[start : start + len(part)] = part
            start += len(part)
        assert result is not None  # no source is empty
        return result
