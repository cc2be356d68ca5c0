"""The smallest score of each row, found in the memory that a matrix product has just written.

Ties go to the lowest unit. Equal prototypes must tie, though a matrix product may not give them equal scores.
"""

import math
from collections.abc import Iterable
from functools import cache
from itertools import pairwise

import torch
from torch import Tensor


def first_minimum(block: Tensor, out: Tensor) -> Tensor:
    """Position of the least score of each row, the first one on ties.

    Parameters
    ----------
    block : Tensor of shape (n, n_units)
        Scores.
    out : Tensor of int64 of shape (n,)
        Where to put the result.

    Returns
    -------
    Tensor of int64 of shape (n,)
        `out`.
    """
    if block.device.type == "cpu":
        block.numpy().argmin(axis=1, out=out.numpy())  # SIMD over the product's own memory
        return out
    return torch.argmin(block, dim=1, out=out)


def minima(block: Tensor, out: Iterable[Tensor]) -> None:
    """Positions of the k least scores of each row in ascending order, the first ones on ties.

    Parameters
    ----------
    block : Tensor of shape (n, n_units)
        Scores; those of the first k - 1 minima are overwritten.
    out : iterable of k tensors of int64 of shape (n,)
        Where to put the result.
    """
    first, *others = out
    first_minimum(block, first)
    for previous, following in pairwise([first, *others]):
        block.scatter_(1, previous[:, None], math.inf)
        first_minimum(block, following)


@cache
def _irregular(n: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Numbers without a pattern."""
    return torch.arange(n, dtype=dtype, device=device).cos()


class Repeats:
    """Which of some points repeat an earlier one, to the last bit.

    A matrix product may sum its last columns in another order than the others, so that scores of equal prototypes
    differ in their last bit and the higher unit wins.

    Parameters
    ----------
    points : Tensor of shape (n, n_features)
        Prototypes, without NaN.
    """

    def __init__(self, points: Tensor) -> None:
        self._repeats: tuple[Tensor, Tensor] | None = None  # points that repeat an earlier one, and the first of each
        # equal points have equal keys, because contiguous rows are each added up in the same order; in float64,
        # different points almost never share one
        weights = _irregular(points.shape[1], points.dtype, points.device)
        keys = (points * weights).contiguous().cpu().sum(dim=1, dtype=torch.float64).numpy()
        keys.sort()
        if not (keys[1:] == keys[:-1]).any():
            return
        kinds, kind = torch.unique(points, dim=0, return_inverse=True)
        number = torch.arange(len(points), device=points.device)
        first = torch.full_like(number[: len(kinds)], len(points)).scatter_reduce(0, kind, number, "amin")[kind]
        later = torch.nonzero(first < number)[:, 0]
        if len(later):
            self._repeats = later, first[later]

    def __bool__(self) -> bool:
        """Whether there are any."""
        return self._repeats is not None

    def copy_first(self, block: Tensor) -> Tensor:
        """Give repeated points the scores of the first ones, in place.

        Parameters
        ----------
        block : Tensor of shape (m, n)
            Scores, a column for each point; there may be more columns.

        Returns
        -------
        Tensor of shape (m, n)
            `block`.
        """
        if self._repeats is not None:
            later, first = self._repeats
            block[:, later] = block[:, first]
        return block
