"""Dask arrays, of dense or sparse blocks, and data frames: rows stay on the workers, and what they add up to travels.

A pass is one task for each partition and a tree of additions over them. What the tasks do, the codebook included, is
one node of the graph, so it travels to each worker once, as a parcel. A worker that dies takes nothing with it: dask
computes its partitions again, and sums of integers are the same in any order.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sktopo._device import numpy_dtype
from sktopo._options import check_total_weight
from sktopo._sources._base import Result, Source, Subset, Sum, by_weight, evenly
from sktopo._sources._columns import all_single
from sktopo._sources._parcel import Parcel
from sktopo._sources._sparse import SparseSource
from sktopo._sources._torch import TensorSource

# How many partial sums are added by one task.
FOLD = 8

Opener = Callable[[Any, Any], Source]

# of what errors count the rows: where a partition is asked about, no method knows how many there are before it
_whole: ContextVar[str | None] = ContextVar("_whole", default=None)


def is_dask(X: Any) -> bool:
    """Whether X is a dask collection; dask is not imported to find out."""
    return type(X).__module__.partition(".")[0] in ("dask", "dask_expr")


@dataclass(frozen=True)
class DaskRows:
    """A dask collection as a list of partitions.

    Parameters
    ----------
    blocks : list of Delayed
        Partitions of rows, each with all features.
    weights : list
        Weights of their rows, checked, as Delayed or None.
    lengths : list of int
        Numbers of rows; known ones are not computed.
    n_features : int
        Width of a row.
    dtype : torch.dtype
        Type to compute in.
    """

    blocks: list[Any]
    weights: list[Any]
    lengths: list[int]
    n_features: int
    dtype: torch.dtype

    @classmethod
    def of(cls, X: Any) -> "DaskRows":
        """Look at a collection without computing more than the lengths of its partitions, where they are not known."""
        import dask

        if hasattr(X, "columns"):
            n_features = len(X.columns)
            blocks, known = X.to_delayed(), None
        else:
            X = _whole_rows(X)
            n_features = X.shape[1]
            blocks, known = X.to_delayed().ravel().tolist(), X.chunks[0]
        if known is None or not np.isfinite(known).all():
            known = dask.compute(*[dask.delayed(_n_rows)(block) for block in blocks])
        lengths = [int(length) for length in known]
        return cls(list(blocks), [None] * len(lengths), lengths, n_features, dask_dtype(X))

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return sum(self.lengths)

    def weighted(self, sample_weight: Any, check: Callable[[Any], NDArray[np.float64]]) -> "DaskRows":
        """The same rows with weights (n_rows,): a checked array, or a dask collection whose parts `check` sees."""
        weight = _checked_parts(sample_weight, check)
        if weight.shape != (self.n_rows,):
            raise ValueError(f"sample_weight.shape == {weight.shape}, expected {(self.n_rows,)}!")
        return replace(self, weights=weight.rechunk((tuple(self.lengths),)).to_delayed().tolist())

    @cached_property
    def all_weights(self) -> Tensor | None:
        """The weights of all rows, brought here; None without weights."""
        import dask

        if self.weights[0] is None:
            return None
        total = torch.from_numpy(np.concatenate(dask.compute(*self.weights)))
        check_total_weight(float(total.sum()))
        return total


def dask_dtype(X: Any) -> torch.dtype:
    """float32 if all of X is, else float64."""
    return torch.float32 if all_single(X) else torch.float64


class DaskSource(Source):
    """Rows on the workers of a cluster.

    Parameters
    ----------
    rows : DaskRows
        Where they are.
    opener : callable
        Makes a local source of a partition and its weights, on the worker; it checks them.
    """

    def __init__(self, rows: DaskRows, opener: Opener) -> None:
        super().__init__(rows.n_rows, rows.n_features, rows.dtype, torch.device("cpu"))
        self._rows = rows
        self._opener = opener

    def __getstate__(self) -> dict[str, Any]:
        """A source that travels with a step leaves its rows behind: the graph of all data is no part of a step."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """All rows, brought here partition by partition."""
        for block, weight in zip(self._rows.blocks, self._rows.weights, strict=True):
            yield from self._delayed(_chunks, None, block, weight).compute()

    def alone(self, function: Callable[[], Result]) -> Result:
        """``function()``: the work is done elsewhere."""
        return function()

    def map_chunks(self, step: Callable[[Tensor, Tensor], Result]) -> Iterator[Result]:
        """``step(x, weight)`` of every chunk, in order; for small results."""
        import dask

        for results in dask.compute(*self._tasks(_map, step)):
            yield from results

    def reduce(self, step: Callable[[Tensor, Tensor], Sum]) -> Sum:
        """The sum of ``step(x, weight)`` over all chunks, added up in a tree on the workers."""
        total: Sum = self._folded(self._tasks(_reduce, step))
        return total

    def accumulate(self, zeros: Callable[[], Sum], add: Callable[[Sum, Tensor, Tensor], None]) -> Sum:
        """``zeros()`` after ``add(total, x, weight)`` of all chunks; totals of partitions add up in the same tree."""
        total: Sum = self._folded(self._tasks(_accumulate, (zeros, add)))
        return total

    def _folded(self, parts: list[Any]) -> Any:
        import dask

        while len(parts) > 1:
            parts = [dask.delayed(_add, pure=False)(parts[i : i + FOLD]) for i in range(0, len(parts), FOLD)]
        (total,) = dask.compute(parts[0])
        return total

    @cached_property
    def total_weight(self) -> float:
        """Sum of the weights."""
        weight = self._rows.all_weights
        return float(self.n_rows if weight is None else weight.sum())

    def take(self, positions: Tensor) -> Tensor:
        """The rows at ascending positions, fetched from the workers."""
        import dask

        stops = torch.tensor(self._rows.lengths, device="cpu").cumsum(0)
        wanted = torch.tensor_split(positions, torch.searchsorted(positions, stops[:-1]))
        starts = (stops - torch.tensor(self._rows.lengths, device="cpu")).tolist()
        tasks = [
            self._delayed(_take, some - start, block, weight)
            for some, start, block, weight in zip(wanted, starts, self._rows.blocks, self._rows.weights, strict=True)
            if len(some)
        ]
        rows = torch.cat(dask.compute(*tasks))
        return rows.coalesce() if rows.is_sparse else rows

    def weights(self, positions: Tensor) -> Tensor:
        """The weights at positions."""
        weight = self._rows.all_weights
        return torch.ones(len(positions), dtype=torch.float64, device="cpu") if weight is None else weight[positions]

    def rows_at(self, fractions: Tensor) -> Tensor:
        """Positions at fractions of the total weight; rows of weight 0 are never met."""
        weight = self._rows.all_weights
        return evenly(fractions, self.n_rows) if weight is None else by_weight(fractions, weight.cumsum(0).numpy())

    def draw(self, n: int, generator: torch.Generator) -> Subset:
        """`n` rows in random order, drawn in proportion to their weights and brought here, each one once."""
        positions, order = torch.unique(self.drawn_positions(n, generator), return_inverse=True)
        rows = self.take(positions)
        drawn = SparseSource.of(rows) if rows.is_sparse else TensorSource(rows, None, self.device)
        return Subset(drawn, order)

    def draw_in_parts(self, n: int, generator: torch.Generator) -> Subset:
        """The same: they are brought here together."""
        return self.draw(n, generator)

    def _tasks(self, function: Callable[..., Any], step: Any) -> list[Any]:
        import dask

        node = dask.delayed(Parcel(step), pure=False, traverse=False)
        pairs = zip(self._rows.blocks, self._rows.weights, strict=True)
        return [self._delayed(function, node, block, weight) for block, weight in pairs]

    def _delayed(self, function: Callable[..., Any], node: Any, block: Any, weight: Any) -> Any:
        import dask

        return dask.delayed(function, pure=False)(node, self._opener, block, weight)


def counted_in() -> str | None:
    """What the rows at hand are a part of, in which errors count them; None for all rows."""
    return _whole.get()


@contextmanager
def in_a_partition() -> Iterator[None]:
    """Errors count rows from the start of a partition, and say so."""
    token = _whole.set("a partition of X")
    try:
        yield
    finally:
        _whole.reset(token)


def ask_lazily(estimator: Any, X: Any, method: str, columns: int | None = None, dtype: Any = None) -> NDArray[Any]:
    """A dask array of what a fitted map says of each partition, in the type of X unless another is given.

    `columns` is None for one number a row.
    """
    import dask
    import dask.array as da

    if hasattr(X, "columns"):
        blocks, lengths = X.to_delayed(), [np.nan] * X.npartitions
    else:
        X = _whole_rows(X)
        blocks, lengths = X.to_delayed().ravel(), X.chunks[0]
    dtype = np.dtype(numpy_dtype(dask_dtype(X)) if dtype is None else dtype)
    # a copy: the answer belongs to the map as it is now
    node = dask.delayed(copy(estimator), pure=False, traverse=False)
    shape = () if columns is None else (columns,)
    task = dask.delayed(_ask, pure=False)
    parts = [
        da.from_delayed(task(node, block, method, shape, dtype), (length, *shape), dtype=dtype)
        for block, length in zip(blocks, lengths, strict=True)
    ]
    answer: NDArray[Any] = da.concatenate(parts, allow_unknown_chunksizes=True)
    return answer


def _ask(estimator: Any, block: Any, method: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    if not _n_rows(block):
        return np.empty((0, *shape), dtype=dtype)
    with in_a_partition():
        return np.asarray(getattr(estimator, method)(block), dtype=dtype)


def _whole_rows(X: Any) -> Any:
    """A dask array whose blocks have all columns; those of sparse blocks must have them already."""
    if X.numblocks[1] > 1 and hasattr(X._meta, "tocsr"):
        raise ValueError(
            f"X has sparse blocks of {X.chunks[1]} columns; they must hold whole rows: {X.shape[1]} columns."
        )
    return X.rechunk({1: -1})


def _n_rows(block: Any) -> int:
    return int(block.shape[0])


def _checked_parts(weight: Any, check: Callable[[Any], NDArray[np.float64]]) -> Any:
    """Weights as a dask array, checked on the workers if they are there."""
    import dask
    import dask.array as da

    if not is_dask(weight):
        return da.from_array(weight)
    if isinstance(weight, da.Array):
        weight = weight.map_blocks(check, dtype=np.float64, meta=np.empty(0))
        return weight.compute_chunk_sizes() if np.isnan(weight.shape).any() else weight
    parts = weight.to_delayed()
    lengths = dask.compute(*[dask.delayed(_n_rows)(part) for part in parts])
    checked = [dask.delayed(check)(part) for part in parts]
    return da.concatenate(
        [da.from_delayed(part, (n,), dtype=np.float64) for part, n in zip(checked, lengths, strict=True)]
    )


def _reduce(step: Parcel, opener: Opener, block: Any, weight: Any) -> Any:
    return opener(block, weight).reduce(step.open()) if _n_rows(block) else None


def _accumulate(how: Parcel, opener: Opener, block: Any, weight: Any) -> Any:
    return opener(block, weight).accumulate(*how.open()) if _n_rows(block) else None


def _add(parts: list[Any]) -> Any:
    present = [part for part in parts if part is not None]
    return sum(present[1:], present[0]) if present else None


def _map(step: Parcel, opener: Opener, block: Any, weight: Any) -> list[Any]:
    return list(opener(block, weight).map_chunks(step.open())) if _n_rows(block) else []


def _take(positions: Tensor, opener: Opener, block: Any, weight: Any) -> Tensor:
    return opener(block, weight).take(positions)


def _chunks(_: None, opener: Opener, block: Any, weight: Any) -> list[tuple[Tensor, Tensor]]:
    return list(opener(block, weight).chunks()) if _n_rows(block) else []
