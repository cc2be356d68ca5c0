"""Matrix products of which each row is the same beside any others, for any number of threads.

A BLAS sums in another order where a product is small, or where rows or columns are left over beside its tiles; so
numbers of rows and columns are rounded up, and wide rows are summed in slices (docs/decisions/0002-stable-rows.md).
"""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

# Below 64 rows, and for numbers of rows that are no multiple of it, a matrix product may sum in another order.
ROW_MULTIPLE = 64
# A product of so many columns consists of whole tiles, whatever the BLAS: 192 is a multiple of 4, 12, 24, 32 and 64.
COLUMN_MULTIPLE = 192
# Matrix products over more features than this are summed in slices: within a slice a row's result depends neither on
# the number of rows nor on the number of threads (docs/decisions/0002-stable-rows.md).
LARGEST_SLICE = 320
# A matrix product with fewer columns takes another path through the BLAS, and columns that are left over beside its
# tiles are summed in an order that depends on the row's place: their number is made a multiple of this.
FEWEST_UNITS, UNIT_MULTIPLE = 16, 4


def rounded_rows(rows: int) -> int:
    """The next multiple of the row count for which matrix products are reproducible row by row.

    Parameters
    ----------
    rows : int
        Number of rows at hand.

    Returns
    -------
    int
        A multiple of 64, at least 64.
    """
    return max(1, -(-rows // ROW_MULTIPLE)) * ROW_MULTIPLE


def heights(rows: int, most: int) -> list[int]:
    """Heights of blocks that hold so many rows: a library that generates code for each height should meet few of them.

    Parameters
    ----------
    rows : int
        Number of rows at hand.
    most : int
        Height of a full block, a multiple of 64.

    Returns
    -------
    list of int
        Full blocks and, for the rows that are left over, 64 times powers of two or a full one: the least that holds
        them, or smaller ones where these save more than an eighth.
    """
    full, left = divmod(rows, most)
    last = [min(most, _power_of_two(left))] if left else []
    if left > ROW_MULTIPLE:
        below = _power_of_two(left) // 2
        more = [below, *heights(left - below, most)]
        last = more if sum(more) < last[0] * 7 / 8 else last
    return [most] * full + last


def _power_of_two(rows: int) -> int:
    """64 times the least power of two that holds the rows."""
    return ROW_MULTIPLE << max(0, math.ceil(rows / ROW_MULTIPLE) - 1).bit_length()


def stacked(values: Tensor, n: int, most: int) -> Iterator[tuple[slice, Tensor]]:
    """Blocks of the first n rows of values that are as long as `heights` together; the last has its padding with it.

    Parameters
    ----------
    values : Tensor of shape (m, n_columns)
        Rows.
    n : int
        Number of rows that count.
    most : int
        Height of a full block.

    Yields
    ------
    tuple
        Places of the rows that count, and the block.
    """
    start, sizes = 0, heights(n, most)
    # each call of torch may hand Python's lock to another worker, so all blocks are cut by one call
    for size, block in zip(sizes, torch.split(values, sizes), strict=True):
        yield slice(start, min(n, start + size)), block
        start += size


def row_by_row(product: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
    """Apply a product from the left to rows, passed to it as columns; a row's result does not depend on the others.

    Parameters
    ----------
    product : callable
        Takes columns ``(m, b)``.
    values : Tensor of shape (n, m)
        Rows.

    Returns
    -------
    Tensor of shape (n, m)
        Results, a row for each row.
    """
    padded = torch.nn.functional.pad(values, (0, 0, 0, -len(values) % COLUMN_MULTIPLE))
    parts = [product(part.T) for part in torch.split(padded, COLUMN_MULTIPLE)]
    return torch.cat(parts, dim=1).T[: len(values)]


def padded_units(n_units: int) -> int:
    """Number of columns for which each row of a product is independent of the others.

    Parameters
    ----------
    n_units : int
        Columns that are wanted.

    Returns
    -------
    int
        A multiple of 4, at least 16.
    """
    return max(FEWEST_UNITS, -(-n_units // UNIT_MULTIPLE) * UNIT_MULTIPLE)


def padded(right: Tensor) -> Tensor:
    """A right factor of `scores` with as many columns as `padded_units` says.

    Parameters
    ----------
    right : Tensor of shape (n_features + 1, n_units)
        Prototypes as columns.

    Returns
    -------
    Tensor of shape (n_features + 1, n_columns)
        With columns of zeros after those of the units, contiguous.
    """
    n_units = right.shape[1]
    return torch.nn.functional.pad(right, (0, padded_units(n_units) - n_units)).contiguous()


def scores(samples: Tensor, right: Tensor, out: Tensor | None = None) -> Tensor:
    """``|w|^2 - 2 x.w``: squared Euclidean distances less the sample's own ``|x|^2``.

    Parameters
    ----------
    samples : Tensor of shape (n, n_features + 1)
        Samples minus the center, with a last feature that is 1.
    right : Tensor of shape (n_features + 1, n_units)
        ``-2 W^T`` of prototypes minus the same center, and a last row ``|w|^2``, which meets the feature that is 1.
    out : Tensor of shape (n, n_units), optional
        Where to put the result.

    Returns
    -------
    Tensor of shape (n, n_units)
        Scores; the least in a row is the best matching unit.
    """
    if samples.shape[1] <= LARGEST_SLICE:
        return torch.mm(samples, right, out=out)
    first, *others = slices(samples.shape[1])
    total = torch.mm(samples[:, first], right[first], out=out)
    for features in others:
        total = torch.addmm(total, samples[:, features], right[features], out=out)
    return total


def slices(n_features: int) -> list[slice]:
    """As few slices of equal size as there must be.

    Parameters
    ----------
    n_features : int
        Inner dimension of a product.

    Returns
    -------
    list of slice
        One up to 320 features; the last may be shorter.
    """
    # ONNX rounds quotients of negative numbers the other way
    size = 1 + (n_features - 1) // (1 + (n_features - 1) // LARGEST_SLICE)
    return [slice(start, start + size) for start in range(0, n_features, size)]


def expanded_scores(samples: Tensor, prototypes: Tensor, sqnorm: Tensor | None = None) -> Tensor:
    """``q - 2 x.w`` of every sample and prototype; differentiable.

    Parameters
    ----------
    samples : Tensor of shape (n, n_features)
        Samples minus a center.
    prototypes : Tensor of shape (n_units, n_features)
        Prototypes minus the same center.
    sqnorm : Tensor of shape (n_units, 1), optional
        The constant q of each prototype; its squared norm without one.

    Returns
    -------
    Tensor of shape (n, n_units)
        Scores.
    """
    last = prototypes.square().sum(dim=1, keepdim=True) if sqnorm is None else sqnorm
    right = torch.cat([-2 * prototypes, last], dim=1).T
    return scores(torch.nn.functional.pad(samples, (0, 1), value=1.0), right)
