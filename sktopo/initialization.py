"""The first codebook: the plane of the two leading principal components, or random prototypes.

Both are made from moments of all rows, so that integer weights equal repeated rows. Everything is computed in a
frame, where no value is huge or tiny.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from sktopo._device import chunk_rows
from sktopo._frame import Frame
from sktopo._sources import Source, positively_weighted
from sktopo._sparse import (
    adjoint_product,
    full_rows,
    missing_weight,
    product,
    row_range,
    weighted_sum,
    with_means,
    with_values,
)
from sktopo._statistics import quotient
from sktopo.lattices import Lattice

# Up to this many features the covariance is formed; beyond it the plane is found by a block power iteration.
LARGEST_COVARIANCE = 1000
# So many columns and passes find nearly all of the plane's variance: 98 % even of a round cloud of 1100 features.
POWER_BLOCK, POWER_PASSES = 8, 12
LARGEST_AUTOMATIC_MAP = 10_000
# Sides of a map that is chosen here have at least this ratio.
LEAST_RATIO = 0.1
# Components, and variances, this close to the largest one count as tied when an axis is fixed.
SIGN_TOLERANCE = 1e-4
TIE_TOLERANCE = 1e-7
# Prototypes start at multiples of this power of two, relative to the range of each feature on the map.
STEADY_BITS = 30


@dataclass(frozen=True)
class PrincipalPlane:
    """The plane through the mean that holds most of the variance, in the frame.

    Parameters
    ----------
    mean : Tensor of shape (n_features,)
        Weighted mean.
    axes : Tensor of shape (2, n_features)
        Orthonormal principal axes; zero where the data has fewer dimensions.
    spread : Tensor of shape (2,)
        Standard deviations along the axes.
    """

    mean: Tensor
    axes: Tensor
    spread: Tensor


class Moments:
    """First and second moments of all rows, each computed when it is first asked for.

    Parameters
    ----------
    source : Source
        Samples.
    frame : Frame
        Their frame of reference.
    largest_covariance : int, optional
        Up to this many features the covariance is formed.
    """

    def __init__(self, source: Source, frame: Frame, largest_covariance: int = LARGEST_COVARIANCE) -> None:
        self.source = source
        self.frame = frame
        self._largest_covariance = largest_covariance
        self.total_weight = frame.extent.total_weight

    @cached_property
    def mean(self) -> Tensor:
        """Weighted mean of the samples, in the frame: (n_features,)."""
        return self._averaged(lambda x: x)

    @cached_property
    def variance(self) -> Tensor:
        """Weighted variance of each feature, in the frame: (n_features,)."""
        mean = self.mean
        if not self.frame.extent.from_zero:
            return self._averaged(lambda x: (x - mean).square_())
        squares = self._averaged(lambda x: with_values(x, x.values().square()))
        return (squares - mean.square()).clamp_(min=0)

    @cached_property
    def plane(self) -> PrincipalPlane:
        """The two leading principal components of all rows."""
        mean = self.mean  # known before it travels with a step to other machines
        narrow = self.source.n_features <= self._largest_covariance
        axes, variances = self._from_covariance() if narrow else self._by_power_iteration()
        variances = variances.clamp(min=0)
        leading = _canonical_axes(axes, variances)
        spread = variances.new_zeros(2)
        spread[: len(variances)] = variances[:2].sqrt()
        # rounding leaves a tiny variance in directions that the data does not have
        real = spread > 1e-7 * spread[0]
        return PrincipalPlane(mean, leading * real[:, None], spread * real)

    def _averaged(self, function: Callable[[Tensor], Tensor]) -> Tensor:
        """Weighted mean of a function of each value that is not missing: (n_features,)."""

        def total(x: Tensor, weight: Tensor) -> Tensor:
            samples = function(self.frame.samples(x))
            if x.is_sparse:
                mass = [weight.sum() - missing_weight(samples, weight)] if self.frame.extent.missing else []
                return torch.cat([weighted_sum(samples, weight), *mass])
            if not self.frame.extent.missing:
                return weight @ samples
            gaps = torch.isnan(samples)
            return torch.cat([weight @ samples.masked_fill_(gaps, 0), weight @ (~gaps).to(weight)])

        totals, width = self._summed(total), self.source.n_features
        sums, mass = totals[:width], totals[width:]
        if not len(mass):
            return sums / self.total_weight
        return quotient(sums, mass)

    def _summed(self, step: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """The sum of ``step(x, weight)`` over all chunks, of the rows that count."""
        return self.source.reduce(lambda x, weight: step(*positively_weighted(x, weight)))

    def _centered(self, x: Tensor) -> Tensor:
        """Samples measured from the mean, which stands in for missing values."""
        centered = self.frame.samples(x).sub_(self.mean)
        return centered.nan_to_num_(0.0) if self.frame.extent.missing else centered

    def _from_covariance(self) -> tuple[Tensor, Tensor]:
        """Principal axes as rows, and variances, in descending order."""

        def scatter(x: Tensor, weight: Tensor) -> Tensor:
            if x.is_sparse:
                return _sum_over_pieces(scatter, x, weight)
            centered = self._centered(x)
            return (centered * weight[:, None]).T @ centered

        variances, axes = torch.linalg.eigh(self._summed(scatter) / self.total_weight)
        return axes.T.flip(0), variances.flip(0)

    def _by_power_iteration(self) -> tuple[Tensor, Tensor]:
        """The same for many features: a block power iteration over chunks, without a covariance matrix."""
        # a fixed start: the plane belongs to the data and does not depend on random_state
        shape, generator = (self.source.n_features, POWER_BLOCK), torch.Generator().manual_seed(0)
        start = torch.randn(shape, generator=generator, dtype=torch.float32, device="cpu")
        block = torch.linalg.qr(start.to(self.mean)).Q

        def covariance_product(x: Tensor, weight: Tensor) -> Tensor:
            if x.is_sparse and 2 * int(full_rows(x).sum()) > x.shape[0]:
                return _sum_over_pieces(covariance_product, x, weight)
            if x.is_sparse:  # centered by algebra, so that rows stay sparse
                samples = with_means(self.frame.samples(x), self.mean)
                scores: Tensor = weight[:, None] * (product(samples, block) - self.mean @ block)
                return adjoint_product(samples, scores) - torch.outer(self.mean, scores.sum(dim=0))
            centered = self._centered(x)
            projected: Tensor = weight[:, None] * (centered @ block)
            return centered.T @ projected

        for _ in range(POWER_PASSES):
            block = torch.linalg.qr(self._summed(covariance_product)).Q
        variances, rotation = torch.linalg.eigh(block.T @ self._summed(covariance_product) / self.total_weight)
        return (block @ rotation).T.flip(0), variances.flip(0)


def _sum_over_pieces(step: Callable[[Tensor, Tensor], Tensor], x: Tensor, weight: Tensor) -> Tensor:
    """The sum of ``step(piece, weight)`` over dense pieces of sparse rows."""
    rows = chunk_rows(x.shape[1])
    pieces = (slice(start, start + rows) for start in range(0, max(1, x.shape[0]), rows))
    parts = [step(row_range(x, piece.start, piece.stop).to_dense(), weight[piece]) for piece in pieces]
    return sum(parts[1:], parts[0])


def pca_codebook(
    lattice: Lattice,
    moments: Moments,
    generator: torch.Generator,  # noqa: ARG001
) -> Tensor:
    """Prototypes spread evenly over the principal plane, two standard deviations to either side.

    The longer side of the map lies along the first axis.

    Parameters
    ----------
    lattice : Lattice
        Where the units sit.
    moments : Moments
        Moments of the samples.
    generator : torch.Generator
        Not used: nothing is random here.

    Returns
    -------
    Tensor of shape (n_units, n_features)
        Prototypes in the frame.
    """
    plane = moments.plane
    coordinates = lattice.coordinates().to(plane.mean)
    half = coordinates.amax(dim=0) / 2
    place = (coordinates - half) / torch.where(half > 0, half, torch.ones_like(half))  # (units, 2), in [-1, 1]
    if lattice.width >= lattice.height:
        place = place.flip(1)
    return _steady(plane.mean + 2 * (place * plane.spread) @ plane.axes)


def random_codebook(lattice: Lattice, moments: Moments, generator: torch.Generator) -> Tensor:
    """Prototypes drawn from a normal distribution with the data's mean and standard deviation, feature by feature.

    Parameters
    ----------
    lattice : Lattice
        Where the units sit.
    moments : Moments
        Moments of the samples.
    generator : torch.Generator
        Source of randomness, on the CPU.

    Returns
    -------
    Tensor of shape (n_units, n_features)
        Prototypes in the frame.
    """
    noise = torch.randn((lattice.n_units, len(moments.mean)), generator=generator, dtype=torch.float64, device="cpu")
    return _steady(moments.mean + noise.to(moments.mean) * moments.variance.sqrt())


def _steady(codebook: Tensor) -> Tensor:
    """Prototypes rounded to about a billionth of what each feature covers on the map.

    Moments differ in their last digits with the order of the rows, or where rows are repeated instead of weighted.
    Without rounding those digits would decide ties between equally near units.
    """
    covered = codebook.amax(dim=0) - codebook.amin(dim=0)
    quantum = torch.ldexp(torch.ones_like(covered), torch.frexp(covered).exponent - STEADY_BITS)
    quantum.clamp_(min=torch.finfo(covered.dtype).tiny)
    return torch.where(covered > 0, (codebook / quantum).round_() * quantum, codebook)


def automatic_shape(
    total_weight: float, plane: PrincipalPlane, height: int | None, width: int | None, height_multiple: int = 1
) -> tuple[int, int]:
    """Sides of a map of about ``5 sqrt(n)`` units whose ratio is that of the two leading standard deviations.

    Parameters
    ----------
    total_weight : float
        Sum of the sample weights: n.
    plane : PrincipalPlane
        Principal plane of the data.
    height, width : int or None
        A side that is given is kept.
    height_multiple : int, default=1
        What the height must be a multiple of (2 on a periodic hexagonal lattice).

    Returns
    -------
    tuple of (int, int)
        Height and width; at most 10 000 units where both are chosen here. The longer side lies along the first
        principal axis.

    References
    ----------
    J. Vesanto et al., "SOM Toolbox for Matlab 5", Helsinki University of Technology, 2000.
    """
    units = min(LARGEST_AUTOMATIC_MAP, max(1.0, 5 * math.sqrt(total_weight)))
    first, second = map(float, plane.spread)
    # a nearly one-dimensional data set still gets a map, not a thread
    ratio = min(1.0, max(second / first, LEAST_RATIO)) if first > 0 else 1.0
    if height is not None:
        return height, (width if width is not None else max(1, round(units / height)))
    wanted = units / width if width is not None else math.sqrt(units * ratio)
    height = max(1, round(wanted / height_multiple)) * height_multiple
    if width is None:
        if units / height > height / LEAST_RATIO:  # rounding has made the height too small
            height += height_multiple
        width = max(1, min(round(units / height), LARGEST_AUTOMATIC_MAP // height))
    return height, width


Initializer = Callable[[Lattice, Moments, torch.Generator], Tensor]
INITIALIZERS: dict[str, Initializer] = {"pca": pca_codebook, "random": random_codebook}


def _canonical_axes(axes: Tensor, variances: Tensor) -> Tensor:
    """The first two principal axes, (2, n_features), such that rounding decides neither their signs nor rotations.

    Where variances tie, any rotation of the axes is as good; then (and for the sign of a single axis) the axis is taken
    that is closest to a coordinate axis, the first such one.
    """
    chosen: list[Tensor] = []
    first = 0
    while first < len(variances) and len(chosen) < 2:
        tied = int((variances[first:] >= variances[first] - TIE_TOLERANCE * variances[0]).sum())
        space = axes[first : first + tied].clone()
        for _ in range(min(tied, 2 - len(chosen))):
            reach = space.square().sum(dim=0)
            feature = int((reach >= (1 - SIGN_TOLERANCE) * reach.max()).int().argmax())
            axis = space.T @ space[:, feature]
            chosen.append(axis / axis.norm())
            space -= torch.outer(space @ chosen[-1], chosen[-1])
        first += tied
    chosen += [torch.zeros_like(axes[0])] * (2 - len(chosen))
    return torch.stack(chosen)
