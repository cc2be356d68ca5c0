"""What a map learns from: per-unit weighted counts and sums, which only ever add.

On the CPU the batch solver adds them in integer fixed point, so that the total is the same to the last bit for any
order, chunking or number of workers. Each feature is centered on its midrange and scaled by a power of two to [-1, 1];
a value is then cut into two integers of 26 bits, whose sums are exact in float64, or in int64 where rows are very many.
Integer weights multiply those integers, so that they equal repeated rows to the last bit too.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from sktopo._device import blocks
from sktopo._frame import DataRange, Frame
from sktopo._sparse import row_sums
from sktopo._threads import scratch

LIMB_BITS = 26
# Up to so many rows, and as large a total of integer weights, sums stay below 2^53, where float64 is exact; integer
# weights up to the second total are added in int64, which is slower.
LARGEST_TOTAL = 2 ** (52 - LIMB_BITS)
LARGEST_INTEGER_TOTAL = 2**36
# A denominator below this share of the mean mass is rounding, and the old prototype is kept.
NEGLIGIBLE_MASS = 1e-12


@dataclass(frozen=True, eq=False)
class UnitStatistics:
    """Sums over the samples of each unit.

    Parameters
    ----------
    counts : Tensor of shape (n_units,)
        Sums of weights.
    sums : Tensor of shape (n_units, n_features)
        Weighted sums of samples.
    squares : Tensor of shape (n_units,)
        Weighted sums of squared Euclidean norms.
    observed : Tensor of shape (n_units, n_features), optional
        Sums of the weights of the values that were not missing; None where no value was.

    Examples
    --------
    >>> import sktopo
    >>> statistics = sktopo.chunk_statistics([[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0]])
    >>> (statistics + statistics).sums
    tensor([[ 8., 12.]], dtype=torch.float64)
    """

    counts: Tensor
    sums: Tensor
    squares: Tensor
    observed: Tensor | None = None

    @property
    def mass(self) -> Tensor:
        """What sums are divided by: (n_units, n_features), or (n_units, 1) where nothing is missing."""
        return self.counts[:, None] if self.observed is None else self.observed

    @property
    def means(self) -> Tensor:
        """Weighted means of what was observed, (n_units, n_features); 0 where nothing was."""
        return quotient(self.sums, self.mass)

    @classmethod
    def none(cls, n_units: int, like: Tensor) -> "UnitStatistics":
        """No samples yet, for prototypes of the width, type and device of `like`."""
        width = like.shape[1]  # a single zero in memory
        return cls.from_table(like.new_zeros(1, 1).expand(n_units, width + 2), width)

    @classmethod
    def of(cls, frame: Frame, x: Tensor, weight: Tensor, unit: Tensor, n_units: int) -> "UnitStatistics":
        """Statistics, in a frame, of samples (n, n_features) that went to units (n,)."""
        if x.is_sparse:
            return cls._of_sparse(frame, x, weight, unit, n_units)
        width = x.shape[1]
        weighted = bool((weight != 1).any())
        table = frame.scale.new_zeros(n_units, width + 2)
        for rows in blocks(len(x), width + 2, table.itemsize):
            values = scratch("values", rows.stop - rows.start, width + 2, table)
            samples = frame.samples(x[rows], out=values[:, :width])
            values[:, width] = 1
            torch.linalg.vector_norm(samples, dim=1, out=values[:, width + 1]).square_()
            if weighted:
                _weigh(values, weight[rows])
            table.index_add_(0, unit[rows], values)
        if bool(torch.isnan(table[:, width + 1]).any()):
            return cls._of_incomplete(frame, x, weight, unit, n_units)
        return cls.from_table(table, width)

    @classmethod
    def of_shares(cls, frame: Frame, x: Tensor, weight: Tensor, shares: Tensor) -> "UnitStatistics":
        """Statistics, in a frame, of dense samples (n, n_features) of which unit j takes ``shares[:, j]``."""
        samples = frame.samples(x)
        missing = bool(torch.isnan(samples).any())
        values = _filled(samples) if missing else _with_squares(samples)
        table = shares.T @ _weigh(values, weight)
        return cls.from_table(table, x.shape[1])

    @classmethod
    def _of_sparse(cls, frame: Frame, x: Tensor, weight: Tensor, unit: Tensor, n_units: int) -> "UnitStatistics":
        samples = frame.samples(x)
        (row, column), gaps = samples.indices(), torch.isnan(samples.values())
        values, place = samples.values().masked_fill(gaps, 0), unit[row] * x.shape[1] + column
        values.masked_fill_(weight[row] == 0, 0)
        sums = values.new_zeros(n_units * x.shape[1]).index_add_(0, place, values * weight[row])
        of_rows = torch.stack([weight, weight * row_sums(x, values.square())], dim=1)
        counts, squares = values.new_zeros(n_units, 2).index_add_(0, unit, of_rows).T
        observed = None
        if bool(gaps.any()):
            lost = torch.zeros_like(sums).index_add_(0, place[gaps], weight[row[gaps]])
            observed = counts[:, None] - lost.view(n_units, -1)
        return cls(counts, sums.view(n_units, -1), squares, observed)

    @classmethod
    def _of_incomplete(cls, frame: Frame, x: Tensor, weight: Tensor, unit: Tensor, n_units: int) -> "UnitStatistics":
        """Statistics of samples of which some values are missing."""
        width = 2 * x.shape[1] + 2
        table = frame.scale.new_zeros(n_units, width)
        for rows in blocks(len(x), width, table.itemsize):
            table.index_add_(0, unit[rows], _weigh(_filled(frame.samples(x[rows])), weight[rows]))
        return cls.from_table(table, x.shape[1])

    def __add__(self, other: "UnitStatistics") -> "UnitStatistics":
        """Statistics of both sets of samples together."""
        return self.plus(other, 1.0)

    def plus(self, other: "UnitStatistics", factor: float) -> "UnitStatistics":
        """The same, with the weights of the other samples times a factor."""
        if (self.observed is None) == (other.observed is None):
            return self._of_table(torch.add(self._table, other._table, alpha=factor))
        return UnitStatistics(
            torch.add(self.counts, other.counts, alpha=factor),
            torch.add(self.sums, other.sums, alpha=factor),
            torch.add(self.squares, other.squares, alpha=factor),
            torch.add(self.mass, other.mass, alpha=factor),
        )

    def smoothed(self, smooth: Callable[[Tensor], Tensor]) -> "UnitStatistics":
        """What every unit gathers from the units around it, by one product."""
        return self._of_table(smooth(self._table))

    def moved(self, units: Tensor, shares: Tensor, n_units: int) -> "UnitStatistics":
        """Statistics on another lattice, where unit j's samples are shared among `units[j]` by `shares[j]`."""
        table = self._table
        moved = table.new_zeros(n_units, table.shape[1])
        for unit, share in zip(units.T, shares.T, strict=True):
            moved.index_add_(0, unit, table * share[:, None])
        return self._of_table(moved)

    @cached_property
    def _table(self) -> Tensor:
        """All sums side by side, a row for each unit: features, what was observed of them, counts, squares."""
        observed = [] if self.observed is None else [self.observed]
        return torch.cat([self.sums, *observed, self.counts[:, None], self.squares[:, None]], dim=1)

    def _of_table(self, table: Tensor) -> "UnitStatistics":
        """Statistics of the same kind from such a table."""
        return UnitStatistics.from_table(table, self.sums.shape[1])

    @classmethod
    def from_table(cls, table: Tensor, n_features: int) -> "UnitStatistics":
        """Statistics whose sums are columns of a table."""
        observed = table[:, n_features:-2] if table.shape[1] > n_features + 2 else None
        statistics = cls(table[:, -2], table[:, :n_features], table[:, -1], observed)
        vars(statistics)["_table"] = table
        return statistics

    def __getstate__(self) -> dict[str, Any]:
        """The sums alone travel; a table is made of them again."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


class Grid(Frame):
    """A frame with the fixed-point grid on which one data set is summed.

    Parameters
    ----------
    extent : DataRange
        What the data covers.
    """

    def __init__(self, extent: DataRange) -> None:
        super().__init__(extent)
        self._integer_weights = extent.whole_weights and extent.total_weight <= LARGEST_INTEGER_TOTAL
        total = extent.total_weight if self._integer_weights else 0.0
        self._in_floats = max(extent.n_rows, total) <= LARGEST_TOTAL
        self._to_grid = 2 / self._feature_scale
        self._relative_scale = self._feature_scale / self.scale
        self._square_scale = self._relative_scale / math.sqrt(len(self._feature_scale))
        # Weights that are no integers are scaled so that no sum exceeds 1. A total of exactly 1 is common, and must
        # not fall on either side of a power of two by a rounding error.
        self._weight_scale = 1.0 if self._integer_weights else 2.0 ** math.frexp(extent.total_weight * 1.000001)[1]

    def limbs(self, x: Tensor, weight: Tensor) -> Tensor:
        """Weighted samples as integers: (n, 2, columns), in the widest type.

        The columns are the features, which of them are there if values are missing, ones and the squares.
        """
        on_grid = self._on_grid(x)
        if self.extent.missing:
            values = _filled(on_grid)
            on_grid = values[:, : x.shape[1]]
        squares = (on_grid * self._square_scale).square_().sum(dim=1, keepdim=True)
        if self.extent.missing:
            values[:, -1:] = squares
        else:
            values = torch.cat([on_grid, torch.ones_like(squares), squares], dim=1)
        return self._weighted_limbs(values, weight / self._weight_scale)

    def none(self, n_units: int) -> Tensor:
        """Integer sums of no samples: (n_units, 2, columns)."""
        columns = len(self._relative_scale) * (1 + self.extent.missing) + 2
        dtype = self.scale.dtype if self._in_floats else torch.int64
        return torch.zeros((n_units, 2, columns), dtype=dtype, device=self.scale.device)

    def add(self, totals: Tensor, x: Tensor, weight: Tensor, unit: Tensor) -> None:
        """Add samples (n, n_features) that went to units (n,) to integer sums; sums of others add to these."""
        if x.is_sparse:
            self._add_sparse(totals, x, weight, unit)
            return
        for rows in blocks(len(x), totals.shape[2], self.scale.itemsize):
            self.add_limbs(totals, self.limbs(x[rows], weight[rows]), unit[rows])

    def add_limbs(self, totals: Tensor, limbs: Tensor, unit: Tensor) -> None:
        """The same, from the limbs of the samples."""
        totals.flatten(1).index_add_(0, unit, limbs.flatten(1).to(totals.dtype))

    def _add_sparse(self, totals: Tensor, x: Tensor, weight: Tensor, unit: Tensor) -> None:
        """The same, stored value by stored value: zero is zero on the grid of sparse rows.

        What was observed of a feature is counted as the gaps that it has, below zero.
        """
        n_features, width = x.shape[1], totals.shape[2]
        (row, column), weight = x.indices(), weight / self._weight_scale
        on_grid = (x.values().to(self.scale.dtype) * 0.5).mul_(self._to_grid[column])
        first = unit * (2 * width)
        places, weights = first[row] + column, weight[row]
        if self.extent.missing:
            gaps = torch.isnan(on_grid)
            places, on_grid = places + n_features * gaps, torch.where(gaps, -1.0, on_grid)
        stored = on_grid * self._square_scale[column]
        squares = row_sums(x, (stored.masked_fill_(gaps, 0) if self.extent.missing else stored).square_())
        places = torch.cat([places, first + width - 2, first + width - 1])
        limbs = self._weighted_limbs(
            torch.cat([on_grid, torch.ones_like(squares), squares]), torch.cat([weights, weight, weight])
        )
        for limb, shift in zip(limbs.unbind(1), (0, width), strict=True):
            totals.view(-1).scatter_add_(0, places + shift, limb.to(totals.dtype))

    def _weighted_limbs(self, values: Tensor, weight: Tensor) -> Tensor:
        """Integers that stand for values times weights."""
        if self._integer_weights:
            return _weigh(_limbs(values, LIMB_BITS), weight)
        return _limbs(_weigh(values, weight), 2 * LIMB_BITS)

    def statistics(self, totals: Tensor) -> UnitStatistics:
        """Statistics in the frame from integer sums, rounded once."""
        high_bits = LIMB_BITS if self._integer_weights else 2 * LIMB_BITS
        n_features = len(self._relative_scale)
        if self.extent.missing and self.extent.from_zero:
            gaps = totals[:, :, n_features:-2]
            totals = torch.cat([totals[:, :, :n_features], gaps + totals[:, :, -2:-1], totals[:, :, -2:]], dim=2)
        high, low = totals.to(self.scale.dtype).unbind(1)
        values = (high * 2.0**-high_bits).add_(low, alpha=2.0 ** -(high_bits + LIMB_BITS)).mul_(self._weight_scale)
        values[:, :n_features].mul_(self._relative_scale)
        values[:, -1].mul_(n_features)
        return UnitStatistics.from_table(values, n_features)

    def _on_grid(self, x: Tensor) -> Tensor:
        """Samples with each feature in [-1, 1], in the widest type (a copy)."""
        return torch.add(-self._half_center, x, alpha=0.5).mul_(self._to_grid)


def _with_squares(samples: Tensor, *others: Tensor) -> Tensor:
    """Samples, other columns, ones, and squared norms: (n, n_features + others + 2)."""
    squares = samples.square().sum(dim=1, keepdim=True)
    return torch.cat([samples, *others, torch.ones_like(squares), squares], dim=1)


def _filled(samples: Tensor) -> Tensor:
    """Samples with zeros for missing values, which values are there, ones, and squared norms: (n, 2 n_features + 2)."""
    gaps = torch.isnan(samples)
    filled = samples.masked_fill(gaps, 0)
    return _with_squares(filled, (~gaps).to(filled))


def _weigh(values: Tensor, weight: Tensor) -> Tensor:
    """Values (n, ...) times weights (n,), in place; what has no weight counts for nothing, even if it is infinite."""
    values.mul_(weight.view(-1, *[1] * (values.ndim - 1)))
    nothing = weight == 0
    if bool(nothing.any()):
        values[nothing] = 0
    return values


def _limbs(values: Tensor, bits: int) -> Tensor:
    """Values as ``high 2^-bits + low 2^-(bits + 26)`` with integers `high` and `low`: (n, 2) or (n, 2, m)."""
    limbs = values.new_empty((len(values), 2, *values.shape[1:]))
    high, low = limbs.unbind(1)
    torch.mul(values, 2.0**bits, out=low)
    torch.round(low, out=high)
    low.sub_(high).mul_(2.0**LIMB_BITS).round_()
    return limbs


def quotient(sums: Tensor, mass: Tensor) -> Tensor:
    """Sums divided by masses that broadcast to them; 0 where there is no mass, and so no sum."""
    return sums / torch.where(mass > 0, mass, 1.0)


def update_codebook(gathered: UnitStatistics, previous: Tensor) -> Tensor:
    """Kohonen's batch update ``(H S) / (H n)``, the kernel regression of samples on lattice positions.

    From smoothed statistics, in their frame. Where values are missing, each feature has masses of its own. A unit whose
    neighborhood holds no mass keeps its previous prototype (Mulier & Cherkassky, Neural Computation 7, 1995).
    """
    reached = gathered.mass > NEGLIGIBLE_MASS * gathered.counts.mean()
    return gathered.sums / gathered.mass if bool(reached.all()) else torch.where(reached, gathered.means, previous)


def distortion_sum(gathered: UnitStatistics, codebook: Tensor) -> float:
    """``sum_i sum_k h_{c_i k} |x_i - w_k|^2`` from smoothed statistics alone, all in one frame."""
    products = gathered.mass * codebook.square() - 2 * codebook * gathered.sums
    # unit by unit: a sum over everything would depend on the number of threads
    return max(0.0, float((gathered.squares + products.sum(dim=1)).sum()))
