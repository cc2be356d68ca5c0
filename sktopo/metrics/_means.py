"""Means over samples as pairs: `weighted_sum` updates with the numbers of a chunk, `weighted_mean` divides at the end.

The sums of chunks add, so every measure built on them streams, takes weights and works for any source.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from sktopo._fitted import FittedMap
from sktopo._sources import Source


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


def unwrapped(map: Any, X: Any) -> tuple[Any, Any]:
    """The map at the end of a Pipeline, and X as it arrives there.

    Parameters
    ----------
    map : TopographicMap or Pipeline
        A fitted map, or a fitted Pipeline that ends in one.
    X : object
        Samples, as the map or Pipeline takes them.

    Returns
    -------
    tuple
        The map and what its own methods take.
    """
    while hasattr(map, "steps"):  # a Pipeline may end in a Pipeline
        map, X = map[-1], (map[:-1].transform(X) if len(map.steps) > 1 else X)
    return map, X


def last_step(map: Any) -> Any:
    """The map at the end of a Pipeline.

    Parameters
    ----------
    map : TopographicMap or Pipeline
        A map, or a Pipeline that ends in one.

    Returns
    -------
    TopographicMap
        The map itself.
    """
    while hasattr(map, "steps"):
        map = map[-1]
    return map
