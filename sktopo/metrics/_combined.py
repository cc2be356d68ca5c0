"""The combined error: how far a sample is from the map, and how far apart on the map its two best units are."""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra
from torch import Tensor

from sktopo._device import wide_dtype
from sktopo._fitted import FittedMap, open_query
from sktopo._forks import in_any_process
from sktopo._means import check_distances, chunk_mean, weighted_mean
from sktopo._pipelines import unwrapped
from sktopo._sources import positively_weighted
from sktopo.distances import paired_distance

# Sources whose shortest paths to all units are held at once.
SOURCES_AT_ONCE = 256


class _Pairs(NamedTuple):
    """What one chunk adds: distances to the best units, and the weight of each pair of best units."""

    to_best: tuple[float, float]
    pair: Tensor  # (pairs,): best * n_units + second best
    weight: Tensor  # (pairs,)


@in_any_process
def combined_error(
    map: Any, X: ArrayLike, *, neighbors: int | None = None, sample_weight: ArrayLike | None = None
) -> float:
    """Mean length of the way from a sample to its best unit and on, over the map, to its second-best unit.

    ``C = sum_i a_i (|x_i - w_b(i)|_p + path(b(i), s(i))) / sum_i a_i``, with ``b(i)`` and ``s(i)`` the nearest and the
    second-nearest unit, and `path` the length of the shortest way between them along edges of the lattice, an edge
    between units `u` and `v` being ``|w_u - w_v|_p`` long. A map that folds pays for it by detours.

    Parameters
    ----------
    map : TopographicMap, Pipeline or search
        A fitted map, or a fitted Pipeline or search that ends in one.
    X : array-like of shape (n_samples, n_features)
        Samples, as the map or Pipeline takes them.
    neighbors : {4, 6, 8}, optional
        Which units share an edge: 8 (the default) or 4 on a rectangular lattice, 6 on a hexagonal one.
    sample_weight : array-like of shape (n_samples,), optional
        Weights of the mean.

    Returns
    -------
    float
        The error, in the units of the data that reach the map.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the map is not fitted.
    ValueError
        If X, the weights or `neighbors` are not usable.

    References
    ----------
    S. Kaski and K. Lagus, "Comparing self-organizing maps", Proc. ICANN, 1996.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sktopo import TopographicMap
    >>> from sktopo.metrics import combined_error
    >>> X, _ = load_iris(return_X_y=True)
    >>> som = TopographicMap(6, 6).fit(X)
    >>> print(f"{combined_error(som, X):.2f}")
    0.70
    """
    fitted, source = open_query(*unwrapped(map, X), sample_weight)
    edges = fitted.lattice.edges(neighbors)
    search, n_units = fitted.search(source.dtype), fitted.lattice.n_units

    def update(x: Tensor, weight: Tensor) -> _Pairs:
        x, weight = positively_weighted(x, weight)
        best, second = search.two_best(x).T
        pair, place = torch.unique(best * n_units + second, return_inverse=True)
        shares = weight.new_zeros(len(pair)).index_add_(0, place, weight)
        return _Pairs(chunk_mean(check_distances(search.distance(x, best)), weight), pair.cpu(), shares.cpu())

    chunks = list(source.map_chunks(update))
    pair, place = torch.unique(torch.cat([chunk.pair for chunk in chunks]), return_inverse=True)
    shares = torch.cat([chunk.weight for chunk in chunks])
    length = check_distances(_path_lengths(fitted, edges, pair // n_units, pair % n_units))[place]
    return weighted_mean([chunk.to_best for chunk in chunks]) + weighted_mean([chunk_mean(length, shares)])


def _path_lengths(fitted: FittedMap, edges: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Length of the shortest way along edges between each pair of units (n,)."""
    codebook, wide = fitted.codebook.cpu(), wide_dtype(fitted.codebook.device)
    edge_length = paired_distance(codebook[edges[:, 0]], codebook[edges[:, 1]], fitted.p_norm, wide)
    ends = tuple(edges.T.int().numpy())  # SciPy 1.11 takes no longer integers
    graph = coo_array((edge_length.numpy(), ends), shape=(fitted.lattice.n_units,) * 2).tocsr()
    # no detour is shorter than an edge (triangle inequality), so joined units need no search
    keys = edges[:, 0] * fitted.lattice.n_units + edges[:, 1]
    joined = torch.isin(torch.minimum(first, second) * fitted.lattice.n_units + torch.maximum(first, second), keys)
    length = paired_distance(codebook[first], codebook[second], fitted.p_norm, wide)
    apart = torch.nonzero(~joined & (first != second))[:, 0]
    for start in range(0, len(apart), SOURCES_AT_ONCE):
        some = apart[start : start + SOURCES_AT_ONCE]
        starts, row = np.unique(first[some].numpy(), return_inverse=True)
        ways = dijkstra(graph, directed=False, indices=starts)
        length[some] = torch.from_numpy(ways[row, second[some].numpy()]).to(length)
    return length
