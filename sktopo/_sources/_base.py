"""What every container of samples offers, so that no solver knows where the rows live."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, Protocol, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sktopo._device import chunk_rows, wide_dtype
from sktopo._products import rounded_rows
from sktopo._sources._draws import MOST_AT_ONCE, DrawnPositions, strata
from sktopo._threads import QUEUED_PER_WORKER, Chunk, map_chunks, run_alone

Result = TypeVar("Result")


class Addable(Protocol):
    """What chunks are reduced to: it adds."""

    def __add__(self, other: Any, /) -> Self:
        """The sum of two."""


Sum = TypeVar("Sum", bound=Addable)


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

    # chunks that wait or run for each worker
    queued: ClassVar[int] = QUEUED_PER_WORKER

    # whether chunks are dense tensors of rows that are at hand
    is_dense: ClassVar[bool] = False

    def __init__(self, n_rows: int, n_features: int, dtype: torch.dtype, device: torch.device) -> None:
        self.n_rows = n_rows
        self.n_features = n_features
        self.dtype = dtype
        self.device = device

    @abstractmethod
    def chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """All rows in order: chunks of samples (n, n_features) and their weights (n,) in the widest type."""

    def alone(self, function: Callable[[], Result]) -> Result:
        """``function()``, on the CPU by a thread that computes alone and leaves the other cores to the chunks."""
        return run_alone(function) if self.device.type == "cpu" else function()

    def map_chunks(self, step: Callable[[Tensor, Tensor], Result]) -> Iterator[Result]:
        """``step(x, weight)`` of every chunk, in order."""
        return self._each(lambda chunk: step(*chunk), self.chunks())

    def _each(self, function: Callable[[Chunk], Result], chunks: Iterable[Chunk]) -> Iterator[Result]:
        """``function`` of every chunk, in order; on the CPU several chunks are worked on at a time."""
        return map_chunks(function, chunks, self.queued) if self.device.type == "cpu" else map(function, chunks)

    @property
    @abstractmethod
    def total_weight(self) -> float:
        """Sum of the weights."""

    @abstractmethod
    def take(self, positions: Tensor) -> Tensor:
        """The rows (n, n_features) at ascending positions (n,)."""

    @abstractmethod
    def weights(self, positions: Tensor) -> Tensor:
        """The weights (n,) of the rows at positions (n,), in the widest type."""

    @abstractmethod
    def rows_at(self, fractions: Tensor) -> Tensor:
        """Positions of the rows at which these fractions (n,), in [0, 1), of the total weight are reached."""

    def draw(self, n: int, generator: torch.Generator) -> "Subset":
        """`n` rows in random order, drawn in proportion to their weights; as a source in which all weigh the same.

        Rows come from strata of equal weight, one from each: in a whole pass equally weighted rows are drawn once each,
        in a part of one a row that lies in two strata may come from both; the order in which rows lie does not matter.
        """
        return Subset(self, self.drawn_positions(n, generator))

    def draw_in_parts(self, n: int, generator: torch.Generator) -> "Parts":
        """The same for any number of rows, of which parts are asked for one after the other."""
        if n <= MOST_AT_ONCE:
            return self.draw(n, generator)
        return Drawn(self, DrawnPositions(self.rows_at, self.n_rows, n, generator))

    def drawn_positions(self, n: int, generator: torch.Generator) -> Tensor:
        """Positions of `n` rows drawn at once, in their order."""
        positions = []
        for m in strata(self.n_rows, n):
            fractions = (
                torch.arange(m, dtype=torch.float64, device="cpu")
                + torch.rand(m, generator=generator, dtype=torch.float64, device="cpu")
            ) / m
            positions.append(self.rows_at(fractions)[torch.randperm(m, generator=generator, device="cpu")])
        return torch.cat(positions)

    def shuffled(self, generator: torch.Generator) -> "Subset":
        """All rows once in random order, with their weights."""
        order = torch.randperm(self.n_rows, generator=generator, device="cpu")
        return Subset(self, order, self.weights(order))

    def reduce(self, step: Callable[[Tensor, Tensor], Sum]) -> Sum:
        """The sum of ``step(x, weight)`` over all chunks, added in their order."""
        return self.alone(lambda: added(self.map_chunks(step)))

    def accumulate(self, zeros: Callable[[], Sum], add: Callable[[Sum, Tensor, Tensor], None]) -> Sum:
        """`zeros` after ``add(total, x, weight)`` of all chunks in any order."""
        return self.accumulate_over(self.chunks(), zeros, add)

    def accumulate_over(
        self,
        chunks: Iterable[tuple[Tensor, Tensor]],
        zeros: Callable[[], Sum],
        add: Callable[[Sum, Tensor, Tensor], None],
    ) -> Sum:
        """The same over what has been made of the chunks; each thread has a total of its own."""
        totals: list[Sum] = []

        def step(chunk: tuple[Tensor, Tensor]) -> None:
            try:
                total = totals.pop()
            except IndexError:
                total = zeros()
            add(total, *chunk)
            totals.append(total)

        def run() -> Sum:
            for _ in self._each(step, chunks):
                pass
            return added(iter(totals))

        return self.alone(run)

    def map_rows(self, step: Callable[[Tensor], Tensor]) -> Tensor:
        """``step(x)`` of every chunk, row by row in one CPU tensor."""
        return self.alone(lambda: self._side_by_side(self.map_chunks(lambda x, _: step(x))))

    def _side_by_side(self, parts: Iterator[Tensor]) -> Tensor:
        result, start = None, 0
        for part in parts:
            if result is None:
                result = torch.empty((self.n_rows, *part.shape[1:]), dtype=part.dtype, device="cpu")
            # by NumPy: torch would wake its threads for so large a copy, and their spinning would slow the workers down
            result.numpy()[start : start + len(part)] = part.cpu().numpy()
            start += len(part)
        assert result is not None  # no source is empty
        return result


class Parts(Protocol):
    """Rows in an order of their own, of which parts are asked for one after the other."""

    n_rows: int

    def part(self, start: int, stop: int) -> "Subset":
        """Rows `start` to `stop` in ascending order of their positions, so that memory is read forward."""


class Subset(Source):
    """Some rows of a source, in an order of their own.

    Parameters
    ----------
    whole : Source
        Where the rows are.
    positions : Tensor of shape (n,)
        Which rows.
    weight : Tensor of shape (n,), optional
        Their weights; None counts every row once.
    """

    def __init__(self, whole: Source, positions: Tensor, weight: Tensor | None = None) -> None:
        super().__init__(len(positions), whole.n_features, whole.dtype, whole.device)
        self._whole = whole
        self._positions = positions
        self._weight = weight

    @property
    def total_weight(self) -> float:
        """Sum of the weights."""
        return float(self.n_rows if self._weight is None else self._weight.sum())

    def part(self, start: int, stop: int) -> "Subset":
        """Rows `start` to `stop` in ascending order of their positions, so that memory is read forward."""
        chosen = self._positions[start:stop]
        if self._weight is None:
            return Subset(self._whole, torch.from_numpy(np.sort(chosen.numpy())))  # NumPy sorts with SIMD
        positions, order = chosen.sort()
        return Subset(self._whole, positions, self._weight[start:stop][order])

    def chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Rows in their order."""
        return map(self._rows, _slices(0, self.n_rows, chunk_rows(self.n_features)))

    def share_out(self, step: Callable[[Iterator[tuple[Tensor, Tensor]]], Sum], shares: int, size: int) -> Sum:
        """The sum of ``step(chunks)`` over equal shares of the rows, added in their order.

        Dense chunks have at most `size` rows; what a step makes of sparse ones is dense, so that each share is one.
        """
        share = rounded_rows(-(-self.n_rows // shares))
        size = size if self._whole.is_dense else share

        def of_share(places: slice) -> Sum:
            return step(map(self._rows, _slices(places.start, places.stop, size)))

        return added(self._each(of_share, _slices(0, self.n_rows, share)))

    def _rows(self, places: slice) -> tuple[Tensor, Tensor]:
        """The rows at consecutive places of this subset, and their weights."""
        positions = self._positions[places]
        weight = self.weights(positions) if self._weight is None else self._weight[places]
        return self._whole.take(positions), weight

    def take(self, positions: Tensor) -> Tensor:
        """The rows at places of this subset."""
        return self._whole.take(self._positions[positions])

    def weights(self, positions: Tensor) -> Tensor:
        """Their weights."""
        if self._weight is None:
            return torch.ones(len(positions), dtype=wide_dtype(self.device), device=self.device)
        return self._weight[positions]

    def rows_at(self, fractions: Tensor) -> Tensor:
        """Places in this subset, whose rows count alike."""
        return evenly(fractions, self.n_rows)


class Drawn:
    """Very many drawn rows, more than positions are held of at once.

    Parameters
    ----------
    whole : Source
        Where the rows are.
    draws : DrawnPositions
        Which rows.
    """

    def __init__(self, whole: Source, draws: DrawnPositions) -> None:
        self.n_rows = draws.n
        self._whole = whole
        self._draws = draws

    def part(self, start: int, stop: int) -> Subset:
        """Rows `start` to `stop` in ascending order of their positions, so that memory is read forward."""
        return Subset(self._whole, self._draws.positions(start, stop)).part(0, stop - start)


def added(parts: Iterator[Sum]) -> Sum:
    """Their sum, added in their order; tensors are added in place."""
    total = next(parts)
    for part in parts:
        total += part
    return total


def _slices(start: int, stop: int, size: int) -> list[slice]:
    """Consecutive slices of a size, of which the last may be shorter."""
    return [slice(first, min(first + size, stop)) for first in range(start, stop, size)]


def evenly(fractions: Tensor, n_rows: int) -> Tensor:
    """Positions at fractions (n,), in [0, 1), of rows that count alike."""
    return (fractions * n_rows).long().clamp_(max=n_rows - 1)


def by_weight(fractions: Tensor, reached: NDArray[np.float64]) -> Tensor:
    """Positions at fractions (n,) of the total weight; `reached` is the cumulative weight, the row itself included.

    Rows of weight 0 are never met.
    """
    positions = np.searchsorted(reached, fractions.numpy() * reached[-1], side="right")
    return torch.from_numpy(np.minimum(positions, np.searchsorted(reached, reached[-1])))


def positively_weighted(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of a chunk that count, and their weights: a row of weight 0 may be too far away for numbers."""
    counts = weight > 0
    if bool(counts.all()):
        return x, weight
    rows = torch.nonzero(counts)[:, 0]
    some = x.index_select(0, rows)
    return some.coalesce() if some.is_sparse else some, weight[rows]
