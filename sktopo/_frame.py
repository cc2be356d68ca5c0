"""The frame of reference of a run: measured from the features' midranges, in units of the largest half range.

Data of any size and offset become numbers of moderate size, by steps that are exact or right to the last digit.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from sktopo._device import wide_dtype
from sktopo._sources import Source


@dataclass(frozen=True)
class DataRange:
    """Least and greatest value of each feature over the rows that count, and what their weights are like."""

    low: Tensor  # (features,)
    high: Tensor  # (features,)
    total_weight: float
    largest_weight: float
    whole_weights: bool

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
        return cls(low, high, total, largest, whole)

    def including(self, points: Tensor) -> "DataRange":
        """The same for a range that holds some more points, of shape (n, n_features)."""
        low, high = torch.minimum(self.low, points.amin(dim=0)), torch.maximum(self.high, points.amax(dim=0))
        return DataRange(low, high, self.total_weight, self.largest_weight, self.whole_weights)


class Frame:
    """Statistics and codebooks *in the frame* are measured from the midranges, in units of the largest half range.

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
        self._feature_unit = torch.where(varies, unit, self.scale)
        size = extent.low.abs() / 4 + extent.high.abs() / 4 + self._feature_unit / 4
        self._rounding = 8 * torch.finfo(unit.dtype).eps * size

    def to_frame(self, codebook: Tensor) -> Tensor:
        """A codebook in the frame."""
        return (codebook / 2 - self._half_centre) * (2 / self.scale)

    def position(self, codebook: Tensor) -> Tensor:
        """A codebook in the data's own coordinates, to the last rounding error."""
        return self._half_centre.add(codebook, alpha=float(self.scale / 2)).mul_(2)

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

    def samples(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        """Samples in the frame, in the widest type."""
        # halves, because the difference of two huge values of opposite sign must stay finite
        return torch.add(-self._half_centre, x, alpha=0.5, out=out).mul_(2 / self.scale)
