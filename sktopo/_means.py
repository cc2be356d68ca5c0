"""Means over samples as pairs: `chunk_mean` updates with the numbers of a chunk, `weighted_mean` joins them at the end.

Every measure built on them streams, takes weights and works for any source. A mean of huge numbers, or under huge
weights, is finite where their sum would not be.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from sktopo._fitted import FittedMap
from sktopo._options import check_total_weight
from sktopo._sources import Source, positively_weighted

# A smaller sum of products may have lost parts to underflow.
SMALLEST_SUM = 2.0**-60
# Powers of numbers that `within_powers` has scaled stay below about 2 to this.
POWER_BITS = 960


def chunk_mean(values: Tensor, weight: Tensor) -> tuple[float, float]:
    """Update step of a mean over samples: one chunk's weighted mean, and its weight.

    Parameters
    ----------
    values : Tensor of shape (n,)
        One number a sample.
    weight : Tensor of shape (n,)
        Their weights.

    Returns
    -------
    tuple of float
        What `weighted_mean` takes a sequence of.
    """
    total = float(weight.sum())
    if not total > 0:
        return 0.0, 0.0
    values = values.to(weight)
    weighted = float((values * weight).sum())
    if SMALLEST_SUM < weighted < math.inf and total < math.inf:
        return weighted / total, total
    scaled, exponent = near_one(values)
    shares, _ = near_one(weight)
    return math.ldexp(float((scaled * shares).sum() / shares.sum()), exponent), total


def weighted_mean(parts: Sequence[tuple[float, float]]) -> float:
    """Compute step of a mean over samples: the mean of what the chunks have found.

    Parameters
    ----------
    parts : sequence of tuple of float
        Results of `chunk_mean`.

    Returns
    -------
    float
        The weighted mean.
    """
    heaviest = max(weight for _, weight in parts)
    check_total_weight(heaviest)  # of a dask collection nobody knows before
    total = math.fsum(weight / heaviest for _, weight in parts)
    return math.fsum(mean * (weight / heaviest / total) for mean, weight in parts)


def near_one(values: Tensor) -> tuple[Tensor, int]:
    """Numbers divided by a power of two, so that no sum or product of them leaves the range.

    Parameters
    ----------
    values : Tensor
        Of any shape; missing values (NaN) stay missing.

    Returns
    -------
    Tensor
        Numbers of which the largest is about 1.
    int
        The power's exponent.
    """
    if not values.numel():  # sparse rows of zeros hold no numbers
        return values, 0
    largest = float(torch.nan_to_num(values.abs(), nan=0.0, posinf=torch.inf).max())
    lowest = 8 - math.frexp(torch.finfo(values.dtype).max)[1]
    exponent = max(lowest, math.frexp(largest)[1]) if math.isfinite(largest) else 0
    return values * 2.0**-exponent, exponent


def within_powers(values: Tensor, p_norm: float) -> Tensor:
    """Numbers times a power of two that leaves powers of the small ones all the range below those of the largest.

    Parameters
    ----------
    values : Tensor of float64
        Of any shape; missing values (NaN) stay missing.
    p_norm : float
        Order of the powers, at least 1, or inf.

    Returns
    -------
    Tensor
        Numbers in whose differences a far one does not drown the others.
    """
    return near_one(values)[0] * math.ldexp(1.0, int(POWER_BITS // p_norm))


def mean_over_samples(per_row: Callable[[Tensor], Tensor], source: Source) -> float:
    """Weighted mean over a source of one number a sample.

    Parameters
    ----------
    per_row : callable
        Turns a chunk of samples ``(n, n_features)`` into ``(n,)`` numbers.
    source : Source
        Samples and weights.

    Returns
    -------
    float
        The weighted mean.
    """

    def step(x: Tensor, weight: Tensor) -> tuple[float, float]:
        x, weight = positively_weighted(x, weight)
        return chunk_mean(per_row(x), weight) if len(weight) else (0.0, 0.0)

    return weighted_mean(list(source.map_chunks(step)))


def distances_to_bmu(fitted: FittedMap, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    """The exact distance of each sample to its best matching unit, as a function of a chunk.

    Parameters
    ----------
    fitted : FittedMap
        A fitted map.
    dtype : torch.dtype
        Type of the samples.

    Returns
    -------
    callable
        Chunk ``(n, n_features)`` to distances ``(n,)``.
    """
    search = fitted.search(dtype)
    return lambda x: check_distances(search.distance(x, search.bmu(x)))


def check_distances(distance: Tensor) -> Tensor:
    """Distances themselves, or a ValueError if one of them is beyond the largest number.

    Parameters
    ----------
    distance : Tensor of shape (n,)
        Distances.

    Returns
    -------
    Tensor
        The same.
    """
    if not bool(torch.isfinite(distance).all()):
        raise ValueError(f"The distance of a row of X to its unit is too large for {distance.dtype}: scale X down.")
    return distance
