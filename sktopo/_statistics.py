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

from sktopo._device import LARGEST_CHUNK, wide_dtype
from sktopo._sources import Source

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

    def __add__(self, other: "UnitStatistics") -> "UnitStatistics":
        """Statistics of both sets of samples together."""
        return UnitStatistics(self.counts + other.counts, self.sums + other.sums, self.squares + other.squares)


@dataclass(frozen=True)
class DataRange:
    """Least and greatest value of each feature over the rows that count, and what their weights are like."""

    low: Tensor  # (features,)
    high: Tensor  # (features,)
    total_weight: float
    integer_weights: bool
    small_weights: bool

    @classmethod
    def of(cls, source: Source) -> "DataRange":
        """Read a source once."""
        low = torch.full((source.n_features,), math.inf, dtype=wide_dtype(source.device), device=source.device)
        high, total, largest, whole = -low, 0.0, 0.0, True
        for x, weight in source.chunks():
            counted = x if bool((weight > 0).all()) else x[weight > 0]
            if len(counted):
                low = torch.minimum(low, counted.amin(dim=0).to(low))
                high = torch.maximum(high, counted.amax(dim=0).to(high))
            total += float(weight.sum())
            largest = max(largest, float(weight.max()))
            whole = whole and bool((weight == weight.round()).all())
        integers = whole and total <= LARGEST_INTEGER_TOTAL
        return cls(low, high, total, integers, not integers or largest <= LARGEST_INTEGER_WEIGHT)


class Grid:
    """The fixed-point grid on which one data set is summed, and its frame of reference.

    Statistics and codebooks *in the frame* are measured from the features' midranges, in units of the largest
    half range: values of any size become numbers of moderate size.

    Parameters
    ----------
    extent : DataRange
        What the data covers.
    """

    def __init__(self, extent: DataRange) -> None:
        self.extent = extent
        self._half_centre = extent.low / 4 + extent.high / 4
        half_range = extent.high / 2 - extent.low / 2
        varies = half_range > 0
        exponents = torch.frexp(half_range).exponent.clamp(-1000, 1023)
        unit = torch.ldexp(torch.ones_like(half_range), exponents)  # a feature lies within [-1, 1] times this
        self.scale = unit[varies].max() if bool(varies.any()) else torch.ones_like(unit[0])
        unit = torch.where(varies, unit, self.scale)
        self._rounding = 8 * torch.finfo(unit.dtype).eps * (extent.low.abs() / 4 + extent.high.abs() / 4 + unit / 4)
        self._to_grid = 2 / unit
        self._relative_unit = unit / self.scale
        self._square_unit = self._relative_unit / math.sqrt(len(unit))
        # Weights that are no integers are scaled so that no sum exceeds 1. A total of exactly 1 is common, and must
        # not fall on either side of a power of two by a rounding error.
        self._weight_unit = 1.0 if extent.integer_weights else 2.0 ** math.frexp(extent.total_weight * 1.000001)[1]

    def to_frame(self, codebook: Tensor) -> Tensor:
        """A codebook in the frame."""
        return (codebook / 2 - self._half_centre) * (2 / self.scale)

    def from_frame(self, codebook: Tensor) -> Tensor:
        """A codebook in the data's own coordinates; what rounding pushed out of the data's range is put back."""
        half = self._half_centre + codebook * (self.scale / 2)
        low, high = self.extent.low / 2, self.extent.high / 2
        half = torch.where((half < low) & (half > low - self._rounding), low, half)
        half = torch.where((half > high) & (half < high + self._rounding), high, half)
        return half * 2

    def clipped(self, codebook: Tensor) -> Tensor:
        """A codebook in the frame, moved into the data's range."""
        low, high = self.to_frame(self.extent.low), self.to_frame(self.extent.high)
        return torch.minimum(torch.maximum(codebook, low), high)

    def samples(self, x: Tensor) -> Tensor:
        """Samples in the frame."""
        return self._on_grid(x).mul_(self._relative_unit)

    def totals(self, x: Tensor, weight: Tensor, unit: Tensor, n_units: int) -> Tensor:
        """Integer sums of one chunk: int64 (2, n_units, n_features + 2). Totals of chunks add."""
        on_grid = self._on_grid(x)
        squares = (on_grid * self._square_unit).square_().sum(dim=1, keepdim=True)
        values = torch.cat([on_grid, torch.ones_like(squares), squares], dim=1)
        weight = (weight / self._weight_unit)[:, None]
        if self.extent.integer_weights:
            limbs = [limb.mul_(weight) for limb in _limbs(values, LIMB_BITS)]
        else:
            limbs = _limbs(values.mul_(weight), 2 * LIMB_BITS)
        dtype = values.dtype if self.extent.small_weights else torch.int64
        sums = torch.zeros((2, n_units, values.shape[1]), dtype=dtype, device=values.device)
        for limb, into in zip(limbs, sums, strict=True):
            into.scatter_add_(0, unit[:, None].expand_as(limb), limb.to(dtype))  # exact: integers below 2^53
        return sums.to(torch.int64)

    def statistics(self, totals: Tensor) -> UnitStatistics:
        """Statistics in the frame from integer sums, rounded once."""
        high_bits = LIMB_BITS if self.extent.integer_weights else 2 * LIMB_BITS
        high, low = totals.to(self.scale.dtype)
        values = (high * 2.0**-high_bits + low * 2.0 ** -(high_bits + LIMB_BITS)) * self._weight_unit
        n_features = values.shape[1] - 2
        return UnitStatistics(values[:, -2], values[:, :-2] * self._relative_unit, values[:, -1] * n_features)

    def _on_grid(self, x: Tensor) -> Tensor:
        """Samples with each feature in [-1, 1], in the widest type (a copy)."""
        return x.to(self.scale.dtype, copy=True).mul_(0.5).sub_(self._half_centre).mul_(self._to_grid)


def _limbs(values: Tensor, bits: int) -> list[Tensor]:
    """Values as ``high 2^-bits + low 2^-(bits + 26)`` with integers `high` and `low`."""
    fine = values * 2.0**bits
    high = fine.round()
    return [high, fine.sub_(high).mul_(2.0**LIMB_BITS).round_()]


def update_codebook(statistics: UnitStatistics, smooth: Callable[[Tensor], Tensor], previous: Tensor) -> Tensor:
    """Kohonen's batch update ``(H S) / (H n)``, the kernel regression of samples on lattice positions.

    Everything is in one frame. A unit whose neighborhood holds no mass keeps its
    previous prototype (Mulier & Cherkassky, Neural Computation 7, 1995).
    """
    mass = smooth(statistics.counts)[:, None]
    updated = smooth(statistics.sums) / torch.where(mass > 0, mass, 1.0)
    return torch.where(mass > NEGLIGIBLE_MASS * statistics.counts.mean(), updated, previous)


def distortion_sum(statistics: UnitStatistics, smooth: Callable[[Tensor], Tensor], codebook: Tensor) -> float:
    """``sum_i sum_k h_{c_i k} |x_i - w_k|^2`` from the statistics alone, all in one frame."""
    gathered = smooth(torch.cat([statistics.sums, statistics.counts[:, None], statistics.squares[:, None]], dim=1))
    sums, counts, squares = gathered[:, :-2], gathered[:, -2], gathered[:, -1]
    energies = squares - 2 * (codebook * sums).sum(dim=1) + counts * codebook.square().sum(dim=1)
    return max(0.0, float(energies.sum()))
