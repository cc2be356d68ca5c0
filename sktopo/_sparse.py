"""Rows of which only a few values are stored: coalesced COO tensors, and what is asked of them.

What is not stored is zero; NaN that is stored is missing.
A product takes time and memory in proportion to the stored values; only `dense_blocks` makes rows dense, few at a time.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from sktopo._device import chunk_rows
from sktopo._powers import elementwise_power

# Shares of stored values above which a product is faster when rows are made dense for it (decision 10).
FULL = {torch.float32: 1 / 20, torch.float64: 1 / 10}


def sparse_rows(row: Tensor, column: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    """A chunk of rows from its stored values, which are in row-major order and occur once."""
    return _coalesced(torch.stack([row, column]), values, shape)


def with_values(x: Tensor, values: Tensor) -> Tensor:
    """The same places with other values."""
    return _coalesced(x.indices(), values, x.shape)


def _coalesced(indices: Tensor, values: Tensor, shape: tuple[int, ...]) -> Tensor:
    # without a device, torch would take its default device
    return torch.sparse_coo_tensor(
        indices, values, shape, device=values.device, is_coalesced=True, check_invariants=False
    )


def product(x: Tensor, right: Tensor) -> Tensor:
    """``x @ right`` for a dense right factor: (n, m)."""
    result: Tensor = torch.sparse.mm(x, right)
    return result


def adjoint_product(x: Tensor, left: Tensor) -> Tensor:
    """``x^T @ left`` for dense rows (n, m): (n_features, m)."""
    result: Tensor = torch.sparse.mm(x.t(), left)
    return result


def weighted_sum(x: Tensor, weight: Tensor) -> Tensor:
    """``sum_i a_i x_i`` over what is not missing: (n_features,)."""
    row, column = x.indices()
    return weight.new_zeros(x.shape[1]).index_add_(0, column, x.values().to(weight).nan_to_num(0.0) * weight[row])


def missing_weight(x: Tensor, weight: Tensor) -> Tensor:
    """Sum of the weights of the rows in which each feature is missing: (n_features,)."""
    row, column = x.indices()[:, torch.isnan(x.values())]
    return weight.new_zeros(x.shape[1]).index_add_(0, column, weight[row])


def with_means(x: Tensor, mean: Tensor) -> Tensor:
    """The same rows with the features' means for what is missing."""
    return with_values(x, torch.where(torch.isnan(x.values()), mean[x.indices()[1]], x.values()))


def row_sums(x: Tensor, values: Tensor) -> Tensor:
    """Sums of one number for each stored value over the rows: (n,)."""
    return values.new_zeros(x.shape[0]).index_add_(0, x.indices()[0], values)


def row_range(x: Tensor, start: int, stop: int) -> Tensor:
    """Rows `start` to `stop`."""
    stop = min(stop, x.shape[0])
    first, last = torch.searchsorted(x.indices()[0].contiguous(), torch.tensor([start, stop], device=x.device)).tolist()
    row, column = x.indices()[:, first:last]
    return sparse_rows(row - start, column, x.values()[first:last], (stop - start, x.shape[1]))


def full_rows(x: Tensor) -> Tensor:
    """Which rows store so much that they had better be dense: bool (n,)."""
    return torch.bincount(x.indices()[0], minlength=x.shape[0]) > FULL[x.dtype] * x.shape[1]


def chosen_rows(x: Tensor, where: Tensor) -> Tensor:
    """The rows where a mask (n,) is true, in their order; `x` itself if that is all of them."""
    if bool(where.all()):
        return x
    row, column = x.indices()
    kept = where[row]
    place = where.cumsum(0) - 1
    return sparse_rows(place[row[kept]], column[kept], x.values()[kept], (int(where.sum()), x.shape[1]))


def dense_blocks(x: Tensor, rows: int) -> Iterator[tuple[slice, Tensor]]:
    """Consecutive blocks of rows; sparse ones are made dense, no more than a chunk of them at a time."""
    if x.is_sparse:
        rows = min(rows, chunk_rows(x.shape[1]))
    for start in range(0, x.shape[0], rows):
        stop = min(start + rows, x.shape[0])
        yield slice(start, stop), row_range(x, start, stop).to_dense() if x.is_sparse else x[start:stop]


def extremes(x: Tensor) -> tuple[Tensor, Tensor]:
    """Least and greatest value of each feature, the zeros that are not stored among them: (n_features,) each.

    Infinite, and crossed, where every value is missing.
    """
    column, values = x.indices()[1], x.values()
    stored = torch.bincount(column, minlength=x.shape[1])
    known = ~torch.isnan(values)
    column, values = column[known], values[known]
    low = torch.where(stored < x.shape[0], 0.0, math.inf).to(values)
    high = -low
    return low.scatter_reduce_(0, column, values, "amin"), high.scatter_reduce_(0, column, values, "amax")


def normalized_rows(x: Tensor, p_norm: float) -> Tensor:
    """Rows scaled to unit p-norm over what is not missing; zero rows stay zero."""
    row, values = x.indices()[0], x.values()
    peak = values.new_zeros(x.shape[0]).scatter_reduce_(0, row, values.abs().nan_to_num(0.0), "amax")
    moderate = values / torch.where(peak > 0, peak, 1.0)[row]
    if math.isinf(p_norm):
        return with_values(x, moderate)
    length = elementwise_power(row_sums(x, elementwise_power(moderate.abs(), p_norm).nan_to_num(0.0)), 1 / p_norm)
    return with_values(x, moderate / torch.where(length > 0, length, 1.0)[row])
