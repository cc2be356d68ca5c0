"""The frame of reference of a run: measured from the features' midranges, in units of the largest half range.

Data of any size and offset become numbers of moderate size, by steps that are exact or right to the last digit.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sktopo._sources import Source, positively_weighted
from sktopo._sparse import extremes, with_values


@dataclass(frozen=True)
class DataRange:
    """Least and greatest value of each feature over the rows that count, and what their weights are like."""

    low: Tensor  # (features,)
    high: Tensor  # (features,)
    n_rows: int
    total_weight: float
    whole_weights: bool
    missing: bool = False  # whether there are missing values (NaN)
    from_zero: bool = False  # whether rows are sparse, so that the frame must leave zero at zero

    @classmethod
    def of(cls, source: Source) -> "DataRange":
        """Read a source once."""
        return source.reduce(cls.of_chunk)

    @classmethod
    def of_chunk(cls, x: Tensor, weight: Tensor) -> "DataRange":
        """The range of some rows (n, n_features) and weights (n,)."""
        rows, _ = positively_weighted(x, weight)
        if x.is_sparse:
            missing = bool(torch.isnan(x.values()).any())
            low, high = extremes(rows)
        else:
            least = x.amin(dim=0)
            missing = bool(torch.isnan(least).any())
            low, high = (least, x.amax(dim=0)) if rows is x and not missing else _extremes(rows)
        whole = bool((weight == weight.round()).all())
        low, high = low.to(weight.dtype), high.to(weight.dtype)
        return cls(low, high, len(weight), float(weight.sum()), whole, missing, x.is_sparse)

    def __add__(self, other: "DataRange") -> "DataRange":
        """The range of both sets of rows."""
        return DataRange(
            torch.minimum(self.low, other.low),
            torch.maximum(self.high, other.high),
            self.n_rows + other.n_rows,
            self.total_weight + other.total_weight,
            self.whole_weights and other.whole_weights,
            self.missing or other.missing,
            self.from_zero or other.from_zero,
        )

    def including(self, points: Tensor) -> "DataRange":
        """The same for a range that holds some more points, of shape (n, n_features)."""
        low, high = torch.minimum(self.low, points.amin(dim=0)), torch.maximum(self.high, points.amax(dim=0))
        return replace(self, low=low, high=high)

    @property
    def unknown(self) -> Tensor:
        """Features of which no row has a value, as booleans: (features,)."""
        return self.low > self.high

    def settled(self) -> "DataRange":
        """The same, with features that no row has (yet) at zero."""
        low, high = (side.masked_fill(self.unknown, 0) for side in (self.low, self.high))
        return replace(self, low=low, high=high)


class Frame:
    """Statistics and codebooks *in the frame* are measured from the midranges, in units of the largest half range.

    Parameters
    ----------
    extent : DataRange
        What the data covers.

    Attributes
    ----------
    extent : DataRange
        The same; features that no row has are at zero.
    unknown : Tensor of bool of shape (n_features,)
        Features that no row has.
    scale : Tensor of shape ()
        The unit, in the data's own: the largest half range, rounded up to a power of two.
    """

    def __init__(self, extent: DataRange) -> None:
        self.unknown = extent.unknown
        self.extent = extent = extent.settled()
        if extent.from_zero:
            self._half_center = torch.zeros_like(extent.low)
            half_range = torch.maximum(extent.high, -extent.low)
        else:
            self._half_center = extent.low / 4 + extent.high / 4
            half_range = extent.high / 2 - extent.low / 2
        varies = half_range > 0
        exponents = torch.frexp(half_range).exponent.clamp(-1000, 1023)
        unit = torch.ldexp(torch.ones_like(half_range), exponents)  # a feature lies within [-1, 1] times this
        self.scale = unit[varies].max() if bool(varies.any()) else torch.ones_like(unit[0])
        self._feature_scale = torch.where(varies, unit, self.scale)
        size = extent.low.abs() / 4 + extent.high.abs() / 4 + self._feature_scale / 4
        self._half_low, self._half_high = extent.low / 2, extent.high / 2
        self._rounding = 8 * torch.finfo(unit.dtype).eps * size
        self._half_scale, self._per_scale = float(self.scale / 2), float(1 / self.scale)
        self._minus_center = self._half_center * (-2 / self.scale)  # in the frame's unit
        # not if a constant feature lies too far away for its scaled center to be finite
        self._in_one_pass = bool(torch.isfinite(self._minus_center).all())

    def to_frame(self, codebook: Tensor) -> Tensor:
        """A codebook in the frame."""
        return (codebook / 2 - self._half_center) * (2 * self._per_scale)

    def from_frame_unclipped(self, codebook: Tensor) -> Tensor:
        """A codebook in the data's own coordinates, to the last rounding error."""
        return self._half_center.add(codebook, alpha=self._half_scale).mul_(2)

    def from_frame(self, codebook: Tensor) -> Tensor:
        """A codebook in the data's own coordinates; what rounding pushed out of the data's range is put back."""
        half = self._half_center.add(codebook, alpha=self._half_scale)
        inside = half.clamp(self._half_low, self._half_high)
        return torch.where((half - inside).abs_() < self._rounding, inside, half).mul_(2)

    def clipped(self, codebook: Tensor) -> Tensor:
        """A codebook in the frame, moved into the data's range."""
        low, high = self.to_frame(self.extent.low), self.to_frame(self.extent.high)
        return torch.minimum(torch.maximum(codebook, low), high)

    def samples(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        """Samples in the frame, in the widest type; sparse ones stay sparse."""
        if x.is_sparse:
            return with_values(x, x.values().to(self.scale.dtype) * self._per_scale)
        if self._in_one_pass:  # scaling by a power of two commutes with rounding: the same difference
            return torch.add(self._minus_center, x, alpha=self._per_scale, out=out)
        # halves, because the difference of two huge values of opposite sign must stay finite
        return torch.add(-self._half_center, x, alpha=0.5, out=out).mul_(2 * self._per_scale)


def _extremes(x: Tensor) -> tuple[Tensor, Tensor]:
    """Least and greatest value of each feature that is not missing; infinite, and crossed, where there is none."""
    if not len(x):
        return x.new_full((x.shape[1],), math.inf), x.new_full((x.shape[1],), -math.inf)
    gaps = torch.isnan(x)
    return x.masked_fill(gaps, math.inf).amin(dim=0), x.masked_fill(gaps, -math.inf).amax(dim=0)
