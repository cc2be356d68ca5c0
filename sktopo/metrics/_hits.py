"""How evenly samples use the units."""

from typing import Any

from numpy.typing import ArrayLike
from torch import Tensor

from sktopo import maps
from sktopo._fitted import open_query
from sktopo._forks import in_any_process
from sktopo._options import check_total_weight
from sktopo._pipelines import unwrapped


@in_any_process
def hit_entropy(map: Any, X: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """How evenly the samples are spread over the units.

    ``-sum_j p_j log p_j / log K``, with ``p_j`` the (weighted) share of samples whose best matching unit is `j` and K
    the number of units.

    Parameters
    ----------
    map : TopographicMap, Pipeline or search
        A fitted map, or a fitted Pipeline or search that ends in one.
    X : array-like of shape (n_samples, n_features)
        Samples, as the map or Pipeline takes them.
    sample_weight : array-like of shape (n_samples,), optional
        Weights of the samples.

    Returns
    -------
    float
        Between 0 (one unit takes all) and 1 (all units take alike); 1 on a map of one unit.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the map is not fitted.
    ValueError
        If X or the weights are not usable.

    References
    ----------
    C. E. Shannon, "A mathematical theory of communication", Bell Syst. Tech. J. 27, 1948.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sktopo import TopographicMap
    >>> from sktopo.metrics import hit_entropy
    >>> X, _ = load_iris(return_X_y=True)
    >>> print(f"{hit_entropy(TopographicMap(6, 6).fit(X), X):.2f}")
    0.92
    """
    fitted, source = open_query(*unwrapped(map, X), sample_weight)
    search = fitted.search(source.dtype)
    hits: Tensor = source.reduce(lambda x, weight: maps.hit_histogram(search.bmu(x), weight, fitted.lattice))
    check_total_weight(float(hits.sum()))  # of a dask collection nobody knows before
    if fitted.lattice.n_units == 1:
        return 1.0
    share = hits.flatten() / hits.sum()
    used = share[share > 0]
    return float((used * -used.log()).sum() / hits.new_tensor(fitted.lattice.n_units).log())
