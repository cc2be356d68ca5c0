"""The first codebook: the plane of the two leading principal components, or random prototypes.

Both are made from moments of all rows, so that integer weights equal repeated rows. Everything is computed in the frame
of a grid, where no value is huge or tiny.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sktopo._sources import Source
from sktopo._statistics import Grid
from sktopo.lattices import Lattice

# Up to this many features the covariance is formed; beyond it the plane is found by a block power iteration.
LARGEST_COVARIANCE = 1000
POWER_BLOCK = 8
POWER_PASSES = 12
LARGEST_AUTOMATIC_MAP = 10_000
# Components this close to the largest one count as tied when the sign of an axis is fixed.
SIGN_TOLERANCE = 1e-4


@dataclass(frozen=True)
class PrincipalPlane:
    """The plane through the mean that holds most of the variance, in a grid's frame.

    Parameters
    ----------
    mean : Tensor of shape (n_features,)
        Weighted mean.
    axes : Tensor of shape (2, n_features)
        Orthonormal principal axes (zero where the data has fewer dimensions), their signs fixed.
    spread : Tensor of shape (2,)
        Standard deviations along the axes.
    """

    mean: Tensor
    axes: Tensor
    spread: Tensor


def weighted_mean(source: Source, grid: Grid) -> Tensor:
    """Weighted mean of the samples, in the frame.

    Parameters
    ----------
    source : Source
        Samples.
    grid : Grid
        Their frame.

    Returns
    -------
    Tensor of shape (n_features,)
        The mean.
    """
    return source.reduce(lambda x, weight: weight @ grid.samples(x)) / _total_weight(source)


def principal_plane(source: Source, grid: Grid) -> PrincipalPlane:
    """The two leading principal components of all rows.

    Parameters
    ----------
    source : Source
        Samples.
    grid : Grid
        Their frame.

    Returns
    -------
    PrincipalPlane
        Mean, axes and standard deviations.
    """
    mean = weighted_mean(source, grid)
    find = _from_covariance if source.n_features <= LARGEST_COVARIANCE else _by_power_iteration
    axes, variances = find(source, grid, mean)
    axes, variances = _two(axes), _two(variances[:, None])[:, 0].clamp(min=0)
    # rounding leaves a tiny variance in directions that the data does not have
    real = variances > 1e-14 * variances[0]
    axes = torch.where(real[:, None], _with_fixed_signs(axes), torch.zeros_like(axes))
    return PrincipalPlane(mean, axes, torch.where(real, variances, torch.zeros_like(variances)).sqrt())


def pca_codebook(
    lattice: Lattice,
    source: Source,
    grid: Grid,
    make_generator: Callable[[], torch.Generator],  # noqa: ARG001
) -> Tensor:
    """Prototypes spread evenly over the principal plane, two standard deviations to either side.

    The longer side of the map lies along the first axis.

    Parameters
    ----------
    lattice : Lattice
        Where the units sit.
    source : Source
        Samples.
    grid : Grid
        Their frame.
    make_generator : callable
        Not called: nothing is random here.

    Returns
    -------
    Tensor of shape (n_units, n_features)
        Prototypes in the frame.
    """
    plane = principal_plane(source, grid)
    coordinates = lattice.coordinates().to(plane.mean)
    half = coordinates.amax(dim=0) / 2
    place = (coordinates - half) / torch.where(half > 0, half, torch.ones_like(half))  # (units, 2), in [-1, 1]
    if lattice.width >= lattice.height:
        place = place.flip(1)
    return plane.mean + 2 * (place * plane.spread) @ plane.axes


def random_codebook(
    lattice: Lattice, source: Source, grid: Grid, make_generator: Callable[[], torch.Generator]
) -> Tensor:
    """Prototypes drawn from a normal distribution with the data's mean and standard deviation, feature by feature.

    Parameters
    ----------
    lattice : Lattice
        Where the units sit.
    source : Source
        Samples.
    grid : Grid
        Their frame.
    make_generator : callable
        Makes the source of randomness, a generator on the CPU.

    Returns
    -------
    Tensor of shape (n_units, n_features)
        Prototypes in the frame.
    """
    mean = weighted_mean(source, grid)
    variance = source.reduce(lambda x, weight: weight @ (grid.samples(x) - mean).square_()) / _total_weight(source)
    noise = torch.randn((lattice.n_units, source.n_features), generator=make_generator(), dtype=torch.float64)
    return mean + noise.to(mean) * variance.sqrt()


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
    ratio = min(1.0, max(second / first, 0.1)) if first > 0 else 1.0
    if height is not None:
        return height, (width if width is not None else max(1, round(units / height)))
    wanted = units / width if width is not None else math.sqrt(units * ratio)
    height = max(1, round(wanted / height_multiple)) * height_multiple
    if width is None:
        width = max(1, min(round(units / height), LARGEST_AUTOMATIC_MAP // height))
    return height, width


Initializer = Callable[[Lattice, Source, Grid, Callable[[], torch.Generator]], Tensor]
INITIALIZERS: dict[str, Initializer] = {"pca": pca_codebook, "random": random_codebook}


def _total_weight(source: Source) -> float:
    return float(source.reduce(lambda _, weight: weight.sum()))


def _from_covariance(source: Source, grid: Grid, mean: Tensor) -> tuple[Tensor, Tensor]:
    """Principal axes as rows, and variances, in descending order."""

    def scatter(x: Tensor, weight: Tensor) -> Tensor:
        centred = grid.samples(x).sub_(mean)
        return (centred * weight[:, None]).T @ centred

    variances, axes = torch.linalg.eigh(source.reduce(scatter) / _total_weight(source))
    return axes.T.flip(0), variances.flip(0)


def _by_power_iteration(source: Source, grid: Grid, mean: Tensor) -> tuple[Tensor, Tensor]:
    """The same for many features: a block power iteration over chunks, without a covariance matrix."""
    # a fixed start: the plane belongs to the data and does not depend on random_state
    start = torch.randn((source.n_features, POWER_BLOCK), generator=torch.Generator().manual_seed(0))
    block = torch.linalg.qr(start.to(mean)).Q
    total = _total_weight(source)

    def product(x: Tensor, weight: Tensor) -> Tensor:
        centred = grid.samples(x).sub_(mean)
        projected: Tensor = weight[:, None] * (centred @ block)
        return centred.T @ projected

    for _ in range(POWER_PASSES):
        block = torch.linalg.qr(source.reduce(product)).Q
    variances, rotation = torch.linalg.eigh(block.T @ source.reduce(product) / total)
    return (block @ rotation).T.flip(0), variances.flip(0)


def _two(rows: Tensor) -> Tensor:
    """The first two rows, with a zero row where there is only one."""
    return torch.cat([rows, torch.zeros_like(rows[:1])])[:2]


def _with_fixed_signs(axes: Tensor) -> Tensor:
    """Turn each axis so that its largest component (the first one among ties) is positive."""
    size = axes.abs()
    leading = (size >= (1 - SIGN_TOLERANCE) * size.amax(dim=1, keepdim=True)).int().argmax(dim=1, keepdim=True)
    sign: Tensor = torch.where(axes.gather(1, leading) < 0, -1.0, 1.0)
    return axes * sign
