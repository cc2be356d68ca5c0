"""What every container of samples offers, so that no solver knows where the rows live."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from torch import Tensor

from sktopo._threads import map_chunks

Result = TypeVar("Result")


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

    def map_chunks(self, step: Callable[[Tensor, Tensor], Result]) -> Iterator[Result]:
        """``step(x, weight)`` of every chunk, in order; on the CPU several chunks are worked on at a time."""
        if self.device.type == "cpu":
            return map_chunks(lambda chunk: step(*chunk), self.chunks())
        return (step(x, weight) for x, weight in self.chunks())

    def reduce(self, step: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """The sum of ``step(x, weight)`` over all chunks, added in their order."""
        parts = self.map_chunks(step)
        total = next(parts)
        for part in parts:
            total = total + part
        return total

    def map_rows(self, step: Callable[[Tensor], Tensor]) -> Tensor:
        """``step(x)`` of every chunk, row by row in one CPU tensor."""
        result, start = None, 0
        for part in self.map_chunks(lambda x, _: step(x)):
            if result is None:
                result = torch.empty((self.n_rows, *part.shape[1:]), dtype=part.dtype)
            result[start : start + len(part)] = part
            start += len(part)
        assert result is not None  # no source is empty
        return result
