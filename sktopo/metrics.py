"""Quality measures of a fitted map.

A measure that is a mean over samples is a pair: `weighted_sum` updates with the numbers of a chunk, and its sums add;
`weighted_mean` divides at the end. So every measure streams, takes weights and works for any source.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from sktopo._fitted import FittedMap, open_query
from sktopo._sources import Source

__all__ = ["quantization_error", "topographic_error"]


def weighted_sum(values: Tensor, weight: Tensor) -> tuple[float, float]:
    """Update step of a mean over samples: one chunk's weighted sum, and its weight.

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
    return float((values.to(weight) * weight).sum()), float(weight.sum())


def weighted_mean(parts: Sequence[tuple[float, float]]) -> float:
    """Compute step of a mean over samples: divide what the chunks have summed.

    Parameters
    ----------
    parts : sequence of tuple of float
        Results of `weighted_sum`.

    Returns
    -------
    float
        The weighted mean.
    """
    return math.fsum(total for total, _ in parts) / math.fsum(weight for _, weight in parts)


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
    return weighted_mean(list(source.map_chunks(lambda x, weight: weighted_sum(per_row(x), weight))))


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
    return lambda x: search.distance(x, search.bmu(x))


def quantization_error(map: Any, X: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """Mean distance of the samples to their best matching units.

    ``QE = sum_i a_i |x_i - w_b(i)|_p / sum_i a_i``, with ``b(i)`` the nearest unit and `p` the map's `p_norm`.

    Parameters
    ----------
    map : TopographicMap or Pipeline
        A fitted map, or a fitted Pipeline that ends in one.
    X : array-like of shape (n_samples, n_features)
        Samples, as the map or Pipeline takes them.
    sample_weight : array-like of shape (n_samples,), optional
        Weights of the mean.

    Returns
    -------
    float
        The error, in the units of the data that reach the map. Distances, not their squares.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the map is not fitted.
    ValueError
        If X or the weights are not usable.

    References
    ----------
    T. Kohonen, "Self-Organizing Maps", 3rd ed., Springer, 2001.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sktopo import TopographicMap
    >>> from sktopo.metrics import quantization_error
    >>> X, _ = load_iris(return_X_y=True)
    >>> som = TopographicMap(6, 6).fit(X)
    >>> bool(quantization_error(som, X) < 0.5)
    True
    """
    fitted, source = open_query(*_unwrapped(map, X), sample_weight)
    return mean_over_samples(distances_to_bmu(fitted, source.dtype), source)


def topographic_error(
    map: Any, X: ArrayLike, *, neighbors: int | None = None, sample_weight: ArrayLike | None = None
) -> float:
    """Share of samples whose two best matching units are not adjacent on the lattice.

    Parameters
    ----------
    map : TopographicMap or Pipeline
        A fitted map, or a fitted Pipeline that ends in one.
    X : array-like of shape (n_samples, n_features)
        Samples, as the map or Pipeline takes them.
    neighbors : {4, 6, 8}, optional
        Which units are adjacent: 8 (the default) or 4 on a rectangular lattice, 6 on a hexagonal one. Errors with 8 and
        4 neighbors differ up to tenfold on the same map: compare only like with like.
    sample_weight : array-like of shape (n_samples,), optional
        Weights of the share.

    Returns
    -------
    float
        Between 0 and 1; 0 on a map of one unit.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the map is not fitted.
    ValueError
        If X, the weights or `neighbors` are not usable.

    References
    ----------
    K. Kiviluoto, "Topology preservation in self-organizing maps", Proc. Int. Conf. on Neural Networks, 1996.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sktopo import TopographicMap
    >>> from sktopo.metrics import topographic_error
    >>> X, _ = load_iris(return_X_y=True)
    >>> som = TopographicMap(6, 6).fit(X)
    >>> bool(topographic_error(som, X) <= topographic_error(som, X, neighbors=4) < 0.5)
    True
    """
    fitted, source = open_query(*_unwrapped(map, X), sample_weight)
    search, lattice = fitted.search(source.dtype), fitted.lattice

    def folded(x: Tensor) -> Tensor:
        best, second = search.two_best(x).cpu().T
        return torch.logical_and(~lattice.adjacent(best, second, neighbors), best != second)

    return mean_over_samples(folded, source)


def _unwrapped(map: Any, X: ArrayLike) -> tuple[Any, Any]:
    """The map at the end of a Pipeline, and X as it arrives there."""
    if not hasattr(map, "steps"):
        return map, X
    return map[-1], (map[:-1].transform(X) if len(map.steps) > 1 else X)
