"""How far samples are from their units, and how often their two best units lie apart."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from sktopo._device import block_rows, wide_dtype
from sktopo._fitted import FittedMap, open_query
from sktopo._forks import in_any_process
from sktopo._frame import DataRange
from sktopo._means import distances_to_bmu, mean_over_samples
from sktopo._pipelines import unwrapped
from sktopo._sparse import dense_blocks
from sktopo.distances import CANCELLED, minkowski


@in_any_process
def quantization_error(map: Any, X: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """Mean distance of the samples to their best matching units.

    ``QE = sum_i a_i |x_i - w_b(i)|_p / sum_i a_i``, with ``b(i)`` the nearest unit and `p` the map's `p_norm`.

    Parameters
    ----------
    map : TopographicMap, Pipeline or search
        A fitted map, or a fitted Pipeline or search that ends in one.
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
    >>> print(f"{quantization_error(som, X):.2f}")
    0.28
    """
    fitted, source = open_query(*unwrapped(map, X), sample_weight)
    return mean_over_samples(distances_to_bmu(fitted, source.dtype), source)


@in_any_process
def topographic_error(
    map: Any, X: ArrayLike, *, neighbors: int | None = None, sample_weight: ArrayLike | None = None
) -> float:
    """Share of samples whose two best matching units are not adjacent on the lattice.

    Parameters
    ----------
    map : TopographicMap, Pipeline or search
        A fitted map, or a fitted Pipeline or search that ends in one.
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
    >>> print(f"{topographic_error(som, X):.2f}, with 4 neighbors {topographic_error(som, X, neighbors=4):.2f}")
    0.05, with 4 neighbors 0.17
    """
    fitted, source = open_query(*unwrapped(map, X), sample_weight)
    search, lattice = fitted.search(source.dtype), fitted.lattice

    def folded(x: Tensor) -> Tensor:
        best, second = search.two_best(x).cpu().T
        return torch.logical_and(~lattice.adjacent(best, second, neighbors), best != second)

    return mean_over_samples(folded, source)


@in_any_process
def distortion(map: Any, X: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """Mean over samples of the neighborhood-weighted squared distance to all prototypes.

    ``E = sum_i a_i sum_j h(b(i), j; sigma) |x_i - w_j|_p^2 / sum_i a_i``, with ``b(i)`` the nearest unit and sigma the
    map's `sigma_`. Maps with different sigma are not comparable by it.

    Parameters
    ----------
    map : TopographicMap, Pipeline or search
        A fitted map, or a fitted Pipeline or search that ends in one.
    X : array-like of shape (n_samples, n_features)
        Samples, as the map or Pipeline takes them.
    sample_weight : array-like of shape (n_samples,), optional
        Weights of the mean.

    Returns
    -------
    float
        The distortion, in squared units of the data that reach the map.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the map is not fitted.
    ValueError
        If X or the weights are not usable.

    References
    ----------
    J. Lampinen and E. Oja, "Clustering properties of hierarchical self-organizing maps", J. Math. Imaging Vis. 2, 1992.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sktopo import TopographicMap
    >>> from sktopo.metrics import distortion
    >>> X, _ = load_iris(return_X_y=True)
    >>> som = TopographicMap(6, 6).fit(X)
    >>> print(f"{distortion(som, X):.2f}")
    0.45
    """
    estimator, samples = unwrapped(map, X)
    fitted, source = open_query(estimator, samples, sample_weight)
    directly = fitted.p_norm != 2 or DataRange.of(source).missing
    return mean_over_samples((_energy if directly else _energy_by_means)(fitted, source.dtype), source)


def _energy(fitted: FittedMap, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    """``sum_j h_bj |x - w_j|^2`` of samples of a type, (n,), from their distances to all units."""
    nearest, wide = fitted.search(dtype), fitted.wide_search()
    rows = block_rows(fitted.lattice.n_units, fitted.codebook.itemsize)

    def of_block(x: Tensor) -> Tensor:
        sqdist = wide.distances(x).square()
        return (_around(fitted, nearest.bmu(x)).to(sqdist) * sqdist).sum(dim=1)

    return lambda x: torch.cat([of_block(part) for _, part in dense_blocks(x, rows)])


def _energy_by_means(fitted: FittedMap, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    """The same where distances are Euclidean and nothing is missing: ``s_b |x - v_b|^2 + sum_j h_bj |v_b - w_j|^2``.

    ``v_b = sum_j h_bj w_j / s_b`` is the mean of the prototypes around a unit, ``s_b`` the sum of their weights.
    """
    nearest, averaging = fitted.search(dtype), fitted.averaging()
    codebook = fitted.codebook.to(wide_dtype(fitted.codebook.device))
    middle = codebook.mean(dim=0)
    codebook = codebook - middle
    total, mean = averaging.row_sums[:, 0], averaging.average(codebook)
    terms = averaging.smooth(codebook.square().sum(dim=1, keepdim=True))[:, 0]
    spread = terms - total * mean.square().sum(dim=1)
    lost = torch.nonzero(~(spread > CANCELLED * terms))[:, 0]
    for units in torch.split(lost, block_rows(len(codebook), codebook.itemsize)):
        sqdist = minkowski(mean[units], codebook, 2.0).square()
        spread[units] = (_around(fitted, units).to(sqdist) * sqdist).sum(dim=1)
    to_mean = replace(fitted, codebook=mean + middle).wide_search()

    def energy(x: Tensor) -> Tensor:
        bmu = nearest.bmu(x)
        return total[bmu] * to_mean.distance(x, bmu).square() + spread[bmu]

    return energy


def _around(fitted: FittedMap, units: Tensor) -> Tensor:
    """Weights (n, n_units) of all units in the neighborhoods of some."""
    return fitted.neighborhood(fitted.lattice.sqdist_to_all(units.cpu()), fitted.sigma)


@dataclass(frozen=True)
class _FeatureMeans:
    """Weighted means of what was observed of each feature, and its weight, (n_features,) each; they add."""

    mean: Tensor
    mass: Tensor

    @classmethod
    def of(cls, x: Tensor, weight: Tensor) -> "_FeatureMeans":
        """The means of a chunk; a sum of shares of huge values is finite where the sum of the values is not."""
        total = weight.sum()
        share = weight / torch.where(total > 0, total, 1.0)
        seen = 1 - torch.mv(torch.isnan(x).to(weight).T, share)
        sums = torch.mv(torch.nan_to_num(x).to(weight).T, share)
        return cls(torch.where(seen > 0, sums / seen, 0.0), seen.clamp(min=0) * total)

    def __add__(self, other: "_FeatureMeans") -> "_FeatureMeans":
        """The means of both chunks together."""
        mass = self.mass + other.mass
        share = torch.where(mass > 0, other.mass / mass, 0.0)
        return _FeatureMeans(self.mean * (1 - share) + other.mean * share, mass)


@in_any_process
def explained_variance(map: Any, X: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """Share of the samples' spread that the prototypes account for.

    ``1 - sum_i a_i |x_i - w_b(i)|_p^2 / sum_i a_i |x_i - mean|_p^2``, with ``b(i)`` the nearest unit.

    Parameters
    ----------
    map : TopographicMap, Pipeline or search
        A fitted map, or a fitted Pipeline or search that ends in one.
    X : array-like of shape (n_samples, n_features)
        Samples, as the map or Pipeline takes them; their own (weighted) mean is taken.
    sample_weight : array-like of shape (n_samples,), optional
        Weights of the samples.

    Returns
    -------
    float
        At most 1; below 0 if the mean would do better. Samples that are all alike: 1 if a prototype equals them, else
        0, as in scikit-learn's `r2_score`.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the map is not fitted.
    ValueError
        If X or the weights are not usable.

    References
    ----------
    A. W. F. Edwards and L. L. Cavalli-Sforza, "A method for cluster analysis", Biometrics 21, 1965.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sktopo import TopographicMap
    >>> from sktopo.metrics import explained_variance
    >>> X, _ = load_iris(return_X_y=True)
    >>> som = TopographicMap(6, 6).fit(X)
    >>> print(f"{explained_variance(som, X):.2f}")
    0.98
    """
    fitted, source = open_query(*unwrapped(map, X), sample_weight)
    mean = source.reduce(_FeatureMeans.of).mean[None]
    to_bmu = distances_to_bmu(fitted, source.dtype)
    # the rows are of unit norm already, and their mean is no prototype
    from_mean = distances_to_bmu(replace(fitted, codebook=mean, normalize=False), source.dtype)
    size = mean_over_samples(from_mean, source)
    extent = DataRange.of(source).settled()
    # the mean of rows that are all alike may differ from them by its rounding
    if size == 0 or torch.equal(extent.low, extent.high):
        return float(mean_over_samples(to_bmu, source) == 0)
    # in units of the size, whose square may be no number
    unexplained = mean_over_samples(lambda x: to_bmu(x).div(size).square(), source)
    return 1 - unexplained / mean_over_samples(lambda x: from_mean(x).div(size).square(), source)
