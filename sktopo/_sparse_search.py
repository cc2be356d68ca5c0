"""The search for sparse rows: the product of a chunk with the codebook uses the sparsity.

Centering would make rows dense, so the center c is folded into the units' bias,
``|x - w|^2 - |x - c|^2 = (|w - c|^2 + 2 c.(w - c)) - 2 x.(w - c)``, in the widest type. That is as good as centering
unless a row is far closer to the center than the center is to zero; such rows, rows that store so much that a dense
product is faster, and all rows for other norms are made dense a few at a time. Each row decides for itself, so that its
answer does not depend on its neighbors.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from sktopo._device import block_rows, wide_dtype
from sktopo._minima import Repeats, minima
from sktopo._powers import moderating_scale
from sktopo._sparse import chosen_rows, dense_blocks, full_rows, product, row_range, row_sums, with_values
from sktopo.distances import CANCELLED

Answer = Callable[[Tensor], Tensor]


class DenseSearch(Protocol):
    """What is asked about rows that have been made dense."""

    def best(self, x: Tensor, k: int) -> Tensor:
        """The k best units."""

    def distance(self, x: Tensor, unit: Tensor) -> Tensor:
        """Distance of each sample to its unit."""

    def distances(self, x: Tensor) -> Tensor:
        """Distance of each sample to every unit."""


class SparseSearch:
    """Nearest units of one codebook for sparse rows.

    Parameters
    ----------
    codebook : Tensor of shape (n_units, n_features)
        Prototypes.
    p_norm : float
        Order of the distance.
    offset_root : Tensor of shape (n_units,), optional
        Its square is added to the squared distance from each unit.

    Notes
    -----
    Every method receives the search of the same codebook for dense rows as an argument: storing it here would create a
    reference cycle, which keeps the codebooks of wide data alive until garbage collection.
    """

    def __init__(self, codebook: Tensor, p_norm: float, offset_root: Tensor | None = None) -> None:
        wide = codebook.to(wide_dtype(codebook.device))
        self._codebook = wide
        self._euclidean = p_norm == 2
        self._scale = moderating_scale(wide)
        scaled = wide * self._scale
        self._center = scaled.median(dim=0).values
        centered = scaled - self._center
        self._right = (-2 * centered).T.contiguous()
        self._sqnorm = centered.square().sum(dim=1)
        self._bias = self._sqnorm + 2 * (centered @ self._center)
        compared = centered
        if offset_root is not None:
            root = offset_root.to(wide) * self._scale
            self._bias, compared = self._bias + root.square(), torch.cat([centered, root[:, None]], dim=1)
        self._repeats = Repeats(compared)
        self._sqcenter = float(self._center.square().sum())
        self._rows = block_rows(len(codebook), wide.element_size())

    def best(self, x: Tensor, k: int, dense: DenseSearch) -> Tensor:
        """The k best units of a chunk: int64 (n, k), ties to the lowest unit."""
        found = (k, torch.int64)
        return self._by_fill(x, found, partial(self._best, k=k, dense=dense), partial(dense.best, k=k))

    def distance(self, x: Tensor, unit: Tensor, dense: DenseSearch) -> Tensor:
        """Distance of each sample to its unit, in the widest type: (n,)."""
        result = torch.empty(x.shape[0], dtype=self._codebook.dtype, device=x.device)
        sure = torch.zeros(x.shape[0], dtype=torch.bool, device=x.device)
        if self._euclidean:  # |x - w|^2 = |w|^2 + sum over the stored values of x (x - 2 w)
            row, column = x.indices()
            values = x.values().to(self._codebook) * self._scale
            scaled = self._codebook * self._scale
            own = scaled.square().sum(dim=1)[unit]
            square = own + row_sums(x, values * (values - 2 * scaled[unit[row], column]))
            sure = (square > CANCELLED * (own + row_sums(x, values.square()))) & torch.isfinite(square)
            result = square.clamp(min=0).sqrt() / self._scale
        for some, block in _dense_rows(x, ~sure):
            result[some] = dense.distance(block, unit[some])
        return result

    def distances(self, x: Tensor, dense: DenseSearch) -> Tensor:
        """Distance of each sample to every unit: (n, n_units)."""
        found = (len(self._codebook), self._codebook.dtype)
        return self._by_fill(x, found, partial(self._distances, dense=dense), dense.distances)

    def _by_fill(self, x: Tensor, found: tuple[int, torch.dtype], sparse: Answer, dense: Answer) -> Tensor:
        """What one function says of rows that are nearly empty, and another of the rest, made dense.

        `found` is how many columns they answer with, and the type.
        """
        full = full_rows(x) if self._euclidean else torch.ones(x.shape[0], dtype=torch.bool, device=x.device)
        if not bool(full.any()):
            return sparse(x)
        columns, dtype = found
        result = torch.empty((x.shape[0], columns), dtype=dtype, device=x.device)
        for some, block in _dense_rows(x, full):
            result[some] = dense(block).to(dtype)
        if not bool(full.all()):
            result[~full] = sparse(chosen_rows(x, ~full))
        return result

    def _best(self, x: Tensor, k: int, dense: DenseSearch) -> Tensor:
        found = torch.empty((k, x.shape[0]), dtype=torch.int64, device=x.device)
        for rows, piece in self._pieces(x):
            block, _, sure = self._scores(piece)
            minima(block, found[:, rows].unbind())
            for some, samples in _dense_rows(piece, ~sure):
                found[:, rows.start + some] = dense.best(samples, k).T
        return found.T

    def _distances(self, x: Tensor, dense: DenseSearch) -> Tensor:
        result = torch.empty((x.shape[0], len(self._codebook)), dtype=self._codebook.dtype, device=x.device)
        for rows, piece in self._pieces(x):
            block, own, sure = self._scores(piece)
            square = block + own[:, None]
            cancelled = square <= CANCELLED * (own[:, None] + self._sqnorm)
            result[rows] = square.clamp(min=0).sqrt() / self._scale
            for some, samples in _dense_rows(piece, ~sure | cancelled.any(dim=1)):
                result[rows.start + some] = dense.distances(samples).to(result.dtype)
        return result

    def _pieces(self, x: Tensor) -> Iterator[tuple[slice, Tensor]]:
        for start in range(0, x.shape[0], self._rows):
            piece = row_range(x, start, start + self._rows)
            yield slice(start, start + piece.shape[0]), piece

    def _scores(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Scores (n, n_units), squared distances to the center (n,), and for which rows they are right."""
        values = x.values().to(self._codebook) * self._scale
        scaled = with_values(x, values)
        own = row_sums(x, values * (values - 2 * self._center[x.indices()[1]])) + self._sqcenter
        sure = (own >= CANCELLED * self._sqcenter) & torch.isfinite(own)
        return self._repeats.copy_first(product(scaled, self._right).add_(self._bias)), own, sure


def _dense_rows(x: Tensor, where: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Positions of the rows where a mask is true, and the rows themselves, made dense a few at a time."""
    positions = torch.nonzero(where)[:, 0]
    if len(positions):
        for rows, block in dense_blocks(chosen_rows(x, where), len(positions)):
            yield positions[rows], block
