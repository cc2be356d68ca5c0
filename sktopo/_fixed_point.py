"""Per-unit sums that do not depend on the order of the rows: the batch solver's, on the CPU.

The total is the same to the last bit for any order, chunking or number of workers, because it is made of integers. Each
feature is centered on its midrange and scaled by a power of two to [-1, 1]; a value is then cut into two integers of 26
bits, whose sums are exact in float64, or in int64 where rows are very many. Integer weights multiply those integers, so
that they equal repeated rows to the last bit too.
"""

import math

import torch
from torch import Tensor

from sktopo._device import blocks
from sktopo._frame import DataRange, Frame
from sktopo._sparse import row_sums
from sktopo._statistics import UnitStatistics, filled, weigh

LIMB_BITS = 26
# Up to so many rows, and as large a total of integer weights, sums stay below 2^53, where float64 is exact; integer
# weights up to the second total are added in int64, which is slower.
LARGEST_TOTAL = 2 ** (52 - LIMB_BITS)
LARGEST_INTEGER_TOTAL = 2**36


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
            values = filled(on_grid)
            on_grid = values[:, : x.shape[1]]
        squares = (on_grid * self._square_scale).square_().sum(dim=1, keepdim=True)
        if self.extent.missing:
            values[:, -1:] = squares
        else:
            values = torch.cat([on_grid, torch.ones_like(squares), squares], dim=1)
        return self._weighted_limbs(values, weight / self._weight_scale)

    @property
    def _columns(self) -> int:
        """The features, which of them are there if values are missing, ones and the squares."""
        return len(self._relative_scale) * (2 if self.extent.missing else 1) + 2

    def n_bytes(self, n_rows: int) -> int:
        """Size of the limbs of so many samples."""
        return n_rows * 2 * self._columns * self.scale.itemsize

    def zeros(self, n_units: int) -> Tensor:
        """Integer sums of no samples: (n_units, 2, columns)."""
        dtype = self.scale.dtype if self._in_floats else torch.int64
        return torch.zeros((n_units, 2, self._columns), dtype=dtype, device=self.scale.device)

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

        Observed values are counted through their gaps, as negative numbers; `statistics` adds the rows.
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
            return weigh(_limbs(values, LIMB_BITS), weight)
        return _limbs(weigh(values, weight), 2 * LIMB_BITS)

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


def _limbs(values: Tensor, bits: int) -> Tensor:
    """Values as ``high 2^-bits + low 2^-(bits + 26)`` with integers `high` and `low`: (n, 2) or (n, 2, m)."""
    limbs = values.new_empty((len(values), 2, *values.shape[1:]))
    high, low = limbs.unbind(1)
    torch.mul(values, 2.0**bits, out=low)
    torch.round(low, out=high)
    low.sub_(high).mul_(2.0**LIMB_BITS).round_()
    return limbs
