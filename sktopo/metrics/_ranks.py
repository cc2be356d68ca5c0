"""Do samples keep their neighbors on the map? Compared by ranks.

Samples of one unit share a place, and many more are equally far apart on a lattice. Ties are averaged: tied ranks get
their mean, and where the k-th neighbor is tied, each tied sample counts with its probability of being among the k.

Samples with missing values are compared over the features that both have, scaled up to all features; a pair that has
none in common is farther apart than every other, and all such pairs are tied.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.stats import rankdata
from torch import Tensor

from sktopo._device import block_rows, chunk_rows
from sktopo._fitted import FittedMap, open_query
from sktopo._forks import in_any_process
from sktopo._means import near_one, within_powers
from sktopo._options import check_size
from sktopo._pipelines import unwrapped
from sktopo._sparse import dense_blocks, with_values
from sktopo._threads import map_chunks
from sktopo._validation import make_generator
from sktopo.distances import common_minkowski, minkowski

# Lattice distances that agree to so many decimals are ties, and so are distances between rows of unit norm.
DECIMALS = 9


@in_any_process
def trustworthiness(
    map: Any, X: ArrayLike, n_neighbors: int = 5, *, max_samples: int = 5000, random_state: Any = None
) -> float:
    """Whether neighbors on the map are neighbors in the data.

    ``T = 1 - 2 / (n k (2 n - 3 k - 1)) sum_i sum_j max(0, r(i, j) - k)`` over the k nearest samples `j` of each sample
    `i` on the map, with ``r(i, j)`` the rank of `j` among the neighbors of `i` in the data. Places on the map are those
    of the best matching units; ties are averaged, so the order of the samples does not matter.

    Parameters
    ----------
    map : TopographicMap, Pipeline or search
        A fitted map, or a fitted Pipeline or search that ends in one.
    X : array-like of shape (n_samples, n_features)
        Samples, as the map or Pipeline takes them. Samples with missing values (NaN) are compared over the features
        that both have, scaled up to all features; pairs without a common one are the farthest.
    n_neighbors : int, default=5
        Number of neighbors k, below half the number of samples compared.
    max_samples : int, default=5000
        If there are more samples, a random subset of this size is used.
    random_state : int, RandomState instance or None, default=None
        Randomness of that choice.

    Returns
    -------
    float
        Between 0 and 1; 1 if all neighbors on the map are neighbors in the data.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the map is not fitted.
    ValueError
        If X or `n_neighbors` are not usable.

    References
    ----------
    J. Venna and S. Kaski, "Neighborhood preservation in nonlinear projection methods: an experimental study",
    Proc. ICANN, 2001.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sktopo import TopographicMap
    >>> from sktopo.metrics import trustworthiness
    >>> X, _ = load_iris(return_X_y=True)
    >>> print(f"{trustworthiness(TopographicMap(6, 6).fit(X), X):.2f}")
    0.96
    """
    places = _Places(map, X, n_neighbors, max_samples, random_state)
    return places.kept(places.on_map, places.in_data)


@in_any_process
def continuity(
    map: Any, X: ArrayLike, n_neighbors: int = 5, *, max_samples: int = 5000, random_state: Any = None
) -> float:
    """Whether neighbors in the data are neighbors on the map.

    ``C = 1 - 2 / (n k (2 n - 3 k - 1)) sum_i sum_j max(0, s(i, j) - k)`` over the k nearest samples `j` of each sample
    `i` in the data, with ``s(i, j)`` the rank of `j` among the neighbors of `i` on the map, tied ranks averaged.

    Parameters
    ----------
    map : TopographicMap, Pipeline or search
        A fitted map, or a fitted Pipeline or search that ends in one.
    X : array-like of shape (n_samples, n_features)
        Samples, as the map or Pipeline takes them. Samples with missing values (NaN) are compared over the features
        that both have, scaled up to all features; pairs without a common one are the farthest.
    n_neighbors : int, default=5
        Number of neighbors k, below half the number of samples compared.
    max_samples : int, default=5000
        If there are more samples, a random subset of this size is used.
    random_state : int, RandomState instance or None, default=None
        Randomness of that choice.

    Returns
    -------
    float
        Between 0 and 1; 1 if all neighbors in the data are neighbors on the map.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the map is not fitted.
    ValueError
        If X or `n_neighbors` are not usable.

    References
    ----------
    J. Venna and S. Kaski, "Neighborhood preservation in nonlinear projection methods: an experimental study",
    Proc. ICANN, 2001.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sktopo import TopographicMap
    >>> from sktopo.metrics import continuity
    >>> X, _ = load_iris(return_X_y=True)
    >>> print(f"{continuity(TopographicMap(6, 6).fit(X), X):.2f}")
    0.96
    """
    places = _Places(map, X, n_neighbors, max_samples, random_state)
    return places.kept(places.in_data, places.on_map)


class _Places:
    """Samples in the data and on the map; distances between them come row by row."""

    def __init__(self, map: Any, X: ArrayLike, n_neighbors: int, max_samples: int, random_state: Any) -> None:
        fitted, source = open_query(*unwrapped(map, X))
        rows = torch.arange(source.n_rows, device="cpu")
        if source.n_rows > check_size("max_samples", max_samples):
            rows = torch.randperm(source.n_rows, generator=make_generator(random_state), device="cpu")
            rows = rows[:max_samples].sort().values
        self.n, self.k = len(rows), check_size("n_neighbors", n_neighbors)
        if self.k >= self.n / 2:
            raise ValueError(
                f"n_neighbors must be less than half the {self.n} samples compared, got {n_neighbors!r}; "
                "compare more samples (in a search: use fewer folds), or lower it."
            )
        samples = source.take(rows)
        self._fitted: FittedMap = fitted
        self._bmu = fitted.search(source.dtype).bmu(samples).cpu()
        samples = samples.cpu().double()
        values = samples.values() if samples.is_sparse else samples
        self._gaps = bool(torch.isnan(values).any())
        if not fitted.normalize:  # no scale changes a rank
            values = near_one(values)[0] if self._gaps else within_powers(values, fitted.p_norm)
        self._samples = with_values(samples, values) if samples.is_sparse else values

    def in_data(self, rows: Tensor) -> Tensor:
        """Distances of some samples to all (b, n)."""
        fitted, size = self._fitted, chunk_rows(self._samples.shape[1])
        some = self._samples.index_select(0, rows).to_dense()
        if self._gaps:
            size = max(1, size // len(some))
        apart = torch.cat([self._apart(some, others) for _, others in dense_blocks(self._samples, size)], dim=1)
        # rows of unit norm that have few features in common are often as far apart, but for rounding
        return apart.round(decimals=DECIMALS) if fitted.normalize else apart

    def _apart(self, some: Tensor, others: Tensor) -> Tensor:
        """Distances between dense rows, over the features that both have."""
        fitted = self._fitted
        if self._gaps:
            return common_minkowski(some, others, fitted.p_norm, normalize=fitted.normalize)
        return minkowski(some, others, fitted.p_norm)

    def on_map(self, rows: Tensor) -> Tensor:
        """Squared lattice distances of some samples to all (b, n); what is tied is equal."""
        sqdist = self._fitted.lattice.sqdist_to_all(self._bmu[rows])
        return sqdist.round(decimals=DECIMALS)[:, self._bmu]

    def kept(self, near: Callable[[Tensor], Tensor], far: Callable[[Tensor], Tensor]) -> float:
        """1 minus how far the k nearest by `near` fall behind rank k by `far`, relative to the worst case."""

        def behind(rows: Tensor) -> float:
            member = membership(near(rows).scatter(1, rows[:, None], -1.0), self.k)
            rank = mean_rank(far(rows).scatter(1, rows[:, None], -1.0))
            return float((member * (rank - self.k).clamp(min=0)).sum())

        blocks = torch.split(torch.arange(self.n, device="cpu"), block_rows(self.n, 8))
        return 1 - math.fsum(map_chunks(behind, blocks)) * 2 / (self.n * self.k * (2 * self.n - 3 * self.k - 1))


def membership(distance: Tensor, k: int) -> Tensor:
    """Share with which each column is among the k nearest of its row.

    Parameters
    ----------
    distance : Tensor of shape (b, n)
        Distances, -1 for the row's own column.
    k : int
        Number of neighbors.

    Returns
    -------
    Tensor of shape (b, n)
        1 or 0, and in between where the k-th is tied; rows sum to k, and the own column counts 0.
    """
    last = torch.from_numpy(np.partition(distance.numpy(), k, axis=1)[:, k : k + 1])
    closer, tied = (distance < last) & (distance >= 0), distance == last
    left = k - closer.sum(dim=1, keepdim=True)
    return closer + tied * (left.double() / tied.sum(dim=1, keepdim=True))


def mean_rank(distance: Tensor) -> Tensor:
    """Rank of each column in its row, from 1; ties get the mean of their ranks.

    Parameters
    ----------
    distance : Tensor of shape (b, n)
        Distances, -1 for the row's own column.

    Returns
    -------
    Tensor of shape (b, n)
        Ranks; the own column's is 0.
    """
    return torch.from_numpy(rankdata(distance.numpy(), axis=1) - 1)
