"""What a map learns from: per-unit weighted counts and sums, which only ever add.

On the CPU the batch solver adds them in integer fixed point, so that the total is the same to the last bit for any
order, chunking or number of workers. Each feature is centred on its midrange and scaled by a power of two to [-1, 1];
a value is then cut into two integers of 26 bits, exactly summable in float64 within a chunk and in int64 across chunks.
Integer weights multiply those integers, so that they equal repeated rows to the last bit too.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sktopo._device import LARGEST_CHUNK
from sktopo._frame import DataRange, Frame
from sktopo._threads import scratch

LIMB_BITS = 26
# Integer weights up to this keep the sum of a chunk's integers below 2^53, where float64 is exact. Larger ones are
# added in int64, which is slower.
LARGEST_INTEGER_WEIGHT = 2 ** (52 - LIMB_BITS) // LARGEST_CHUNK
LARGEST_INTEGER_TOTAL = 2**36
# A denominator below this share of the mean mass is rounding, and the old prototype is kept.
NEGLIGIBLE_MASS = 1e-12


@dataclass(frozen=True)
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
    """

    counts: Tensor
    sums: Tensor
    squares: Tensor

    @classmethod
    def none(cls, n_units: int, like: Tensor) -> "UnitStatistics":
        """No samples yet, for prototypes of the width, type and device of `like`."""
        return cls(like.new_zeros(n_units), like.new_zeros(n_units, like.shape[1]), like.new_zeros(n_units))

    @classmethod
    def of(cls, frame: Frame, x: Tensor, weight: Tensor, unit: Tensor, n_units: int) -> "UnitStatistics":
        """Statistics, in a frame, of samples (n, n_features) that went to units (n,)."""
        n, width = x.shape
        values = scratch("values", n, width + 2, frame.scale)
        samples = frame.samples(x, out=values[:, :width])
        values[:, width] = 1
        torch.linalg.vector_norm(samples, dim=1, out=values[:, width + 1]).square_()
        if bool((weight != 1).any()):
            values.mul_(weight[:, None])
        table = values.new_zeros(n_units, width + 2).index_add_(0, unit, values)
        return cls(table[:, width], table[:, :width], table[:, width + 1])

    def __add__(self, other: "UnitStatistics") -> "UnitStatistics":
        """Statistics of both sets of samples together."""
        return UnitStatistics(self.counts + other.counts, self.sums + other.sums, self.squares + other.squares)

    def scaled(self, factor: float) -> "UnitStatistics":
        """Statistics of the same samples with their weights times a factor."""
        return UnitStatistics(self.counts * factor, self.sums * factor, self.squares * factor)

    def moved(self, units: Tensor, shares: Tensor, n_units: int) -> "UnitStatistics":
        """Statistics on another lattice, where unit j's samples are shared among `units[j]` by `shares[j]`."""
        table = torch.cat([self.sums, self.counts[:, None], self.squares[:, None]], dim=1)
        moved = table.new_zeros(n_units, table.shape[1])
        for unit, share in zip(units.T, shares.T, strict=True):
            moved.index_add_(0, unit, table * share[:, None])
        return UnitStatistics(moved[:, -2], moved[:, :-2], moved[:, -1])


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
        self._in_floats = not self._integer_weights or extent.largest_weight <= LARGEST_INTEGER_WEIGHT
        self._to_grid = 2 / self._feature_unit
        self._relative_unit = self._feature_unit / self.scale
        self._square_unit = self._relative_unit / math.sqrt(len(self._feature_unit))
        # Weights that are no integers are scaled so that no sum exceeds 1. A total of exactly 1 is common, and must
        # not fall on either side of a power of two by a rounding error.
        self._weight_unit = 1.0 if self._integer_weights else 2.0 ** math.frexp(extent.total_weight * 1.000001)[1]

    def limbs(self, x: Tensor, weight: Tensor) -> Tensor:
        """Weighted samples, their weights and squares as integers: (2, n, n_features + 2), in the widest type."""
        on_grid = self._on_grid(x)
        squares = (on_grid * self._square_unit).square_().sum(dim=1, keepdim=True)
        values = torch.cat([on_grid, torch.ones_like(squares), squares], dim=1)
        weight = (weight / self._weight_unit)[:, None]
        if self._integer_weights:
            return _limbs(values, LIMB_BITS).mul_(weight)
        return _limbs(values.mul_(weight), 2 * LIMB_BITS)

    def totals(self, limbs: Tensor, unit: Tensor, n_units: int) -> Tensor:
        """Integer sums of one chunk: int64 (2, n_units, n_features + 2). Totals of chunks add."""
        dtype = limbs.dtype if self._in_floats else torch.int64
        sums = torch.zeros((2, n_units, limbs.shape[2]), dtype=dtype, device=limbs.device)
        for limb, into in zip(limbs, sums, strict=True):
            into.scatter_add_(0, unit[:, None].expand_as(limb), limb.to(dtype))  # exact: integers below 2^53
        return sums.to(torch.int64)

    def statistics(self, totals: Tensor) -> UnitStatistics:
        """Statistics in the frame from integer sums, rounded once."""
        high_bits = LIMB_BITS if self._integer_weights else 2 * LIMB_BITS
        high, low = totals.to(self.scale.dtype)
        values = (high * 2.0**-high_bits + low * 2.0 ** -(high_bits + LIMB_BITS)) * self._weight_unit
        n_features = values.shape[1] - 2
        return UnitStatistics(values[:, -2], values[:, :-2] * self._relative_unit, values[:, -1] * n_features)

    def _on_grid(self, x: Tensor) -> Tensor:
        """Samples with each feature in [-1, 1], in the widest type (a copy)."""
        return torch.add(-self._half_centre, x, alpha=0.5).mul_(self._to_grid)


def _limbs(values: Tensor, bits: int) -> Tensor:
    """Values as ``high 2^-bits + low 2^-(bits + 26)`` with integers `high` and `low`: (2, n, m)."""
    limbs = values.new_empty((2, *values.shape))
    high, low = limbs
    torch.mul(values, 2.0**bits, out=low)
    torch.round(low, out=high)
    low.sub_(high).mul_(2.0**LIMB_BITS).round_()
    return limbs


def update_codebook(statistics: UnitStatistics, smooth: Callable[[Tensor], Tensor], previous: Tensor) -> Tensor:
    """Kohonen's batch update ``(H S) / (H n)``, the kernel regression of samples on lattice positions.

    Everything is in one frame. A unit whose neighborhood holds no mass keeps its
    previous prototype (Mulier & Cherkassky, Neural Computation 7, 1995).
    """
    gathered = smooth(torch.cat([statistics.sums, statistics.counts[:, None]], dim=1))
    mass = gathered[:, -1:]
    updated = gathered[:, :-1] / torch.where(mass > 0, mass, 1.0)
    return torch.where(mass > NEGLIGIBLE_MASS * statistics.counts.mean(), updated, previous)


def distortion_sum(statistics: UnitStatistics, smooth: Callable[[Tensor], Tensor], codebook: Tensor) -> float:
    """``sum_i sum_k h_{c_i k} |x_i - w_k|^2`` from the statistics alone, all in one frame."""
    gathered = smooth(torch.cat([statistics.sums, statistics.counts[:, None], statistics.squares[:, None]], dim=1))
    sums, counts, squares = gathered[:, :-2], gathered[:, -2], gathered[:, -1]
    energies = squares - 2 * (codebook * sums).sum(dim=1) + counts * codebook.square().sum(dim=1)
    return max(0.0, float(energies.sum()))
