"""Quality measures of a fitted map.

A measure that is a mean over samples is a pair: `update` turns a chunk into one number a row, and the weighted sums of
chunks add; `compute` divides at the end. So every measure streams, takes weights and works for any source.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from sktopo._fitted import FittedMap, open_query
from sktopo._sources import Source

__all__ = ["quantization_error", "topographic_error"]


class MeanOverSamples:
    """A weighted mean that is summed chunk by chunk.

    Parameters
    ----------
    per_row : callable
        Turns a chunk of samples ``(n, n_features)`` into one number a row, ``(n,)``.
    """

    def __init__(self, per_row: Callable[[Tensor], Tensor]) -> None:
        self.per_row = per_row

    def update(self, x: Tensor, weight: Tensor) -> tuple[float, float]:
        """Weighted sum and weight of one chunk.

        Parameters
        ----------
        x : Tensor of shape (n, n_features)
            Samples.
        weight : Tensor of shape (n,)
            Their weights.

        Returns
        -------
        tuple of float
            What `compute` takes a list of.
        """
        return float((self.per_row(x).to(weight) * weight).sum()), float(weight.sum())

    def compute(self, parts: list[tuple[float, float]]) -> float:
        """The mean over all chunks.

        Parameters
        ----------
        parts : list of tuple of float
            Results of `update`.

        Returns
        -------
        float
            The weighted mean.
        """
        return math.fsum(total for total, _ in parts) / math.fsum(weight for _, weight in parts)

    def over(self, source: Source) -> float:
        """The mean over a source.

        Parameters
        ----------
        source : Source
            Samples and weights.

        Returns
        -------
        float
            The weighted mean.
        """
        return self.compute([self.update(x, weight) for x, weight in source.chunks()])


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
    return MeanOverSamples(distances_to_bmu(fitted, source.dtype)).over(source)


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
        best, second = search.two_best(x).T
        return torch.logical_and(~lattice.adjacent(best, second, neighbors), best != second)

    return MeanOverSamples(folded).over(source)


def _unwrapped(map: Any, X: ArrayLike) -> tuple[Any, Any]:
    """The map at the end of a Pipeline, and X as it arrives there."""
    if not hasattr(map, "steps"):
        return map, X
    return map[-1], (map[:-1].transform(X) if len(map.steps) > 1 else X)
