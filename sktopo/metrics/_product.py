"""The topographic product: whether units and prototypes have the same neighbors, at every scale."""

import math
from typing import Any

import torch
from torch import Tensor

from sktopo._device import block_rows
from sktopo._fitted import FittedMap
from sktopo._forks import in_any_process
from sktopo._means import within_powers
from sktopo._pipelines import last_step
from sktopo._threads import map_chunks
from sktopo.distances import minkowski

# Distances whose logarithms agree to so many decimals are ties.
DECIMALS = 9


@in_any_process
def topographic_product(map: Any) -> float:
    """Whether units and prototypes have the same neighbors: 0 if so, negative for a map of too few dimensions.

    ``P = 1 / (K (K - 1)) sum_j sum_{k=1}^{K-1} 1 / (2 k) sum_{l=1}^{k} log(Q1(j, l) Q2(j, l))`` over the K units, where
    ``Q1`` compares the distance of prototype `j` to that of its l-th neighbor on the lattice with the distance to its
    l-th neighbor among the prototypes, and ``Q2`` does so for distances on the lattice. Units at equal lattice
    distance have no order of their own: distances that differ by less than about a billionth of themselves are ties,
    which go by unit number; so the value is reproducible, but not the same for a mirrored map.

    Parameters
    ----------
    map : TopographicMap, Pipeline or search
        A fitted map, or a fitted Pipeline or search that ends in one. Its codebook alone counts.

    Returns
    -------
    float
        Negative: the data have more dimensions than the map, positive: fewer. 0 on a map of one unit.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the map is not fitted.
    ValueError
        If two prototypes are equal: the logarithm of their distance does not exist.

    References
    ----------
    H.-U. Bauer and K. R. Pawelzik, "Quantifying the neighborhood preservation of self-organizing feature maps",
    IEEE Trans. Neural Networks 3, 1992.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sktopo import TopographicMap
    >>> from sktopo.metrics import topographic_product
    >>> X, _ = load_iris(return_X_y=True)
    >>> print(f"{topographic_product(TopographicMap(6, 6).fit(X)):.3f}")
    0.021
    """
    fitted = FittedMap.of(last_step(map))
    n_units, units = fitted.lattice.n_units, torch.arange(fitted.lattice.n_units, device="cpu")
    if n_units == 1:
        return 0.0
    codebook = within_powers(fitted.codebook.cpu().double(), fitted.p_norm)  # no scale changes a ratio of distances
    # the ways to neighbor l = 1 .. K - 1 count in all means over k >= l
    tail = (0.5 / units[1:].double()).flip(0).cumsum(0).flip(0)

    def of_units(rows: Tensor) -> float:
        on_lattice = fitted.lattice.sqdist_to_all(rows).sqrt()
        among = minkowski(codebook[rows], codebook, fitted.p_norm)
        _check_apart(among, rows)
        on_lattice, among = on_lattice.log(), among.log()
        near_lattice, near_prototype = (_order(each.round(decimals=DECIMALS), rows) for each in (on_lattice, among))
        logarithm = among.gather(1, near_lattice) - among.gather(1, near_prototype)
        logarithm += on_lattice.gather(1, near_lattice) - on_lattice.gather(1, near_prototype)
        return float((logarithm @ tail).sum())

    return math.fsum(map_chunks(of_units, torch.split(units, block_rows(n_units, 8)))) / (n_units * (n_units - 1))


def _order(logarithm: Tensor, own: Tensor) -> Tensor:
    """Units by ascending distance (n, n_units - 1), ties by number, without the row's own."""
    others = logarithm.scatter(1, own[:, None], -math.inf)
    return others.argsort(dim=1, stable=True)[:, 1:]


def _check_apart(distance: Tensor, rows: Tensor) -> None:
    least, nearest = distance.scatter(1, rows[:, None], math.inf).min(dim=1)
    equal = torch.nonzero(least == 0)[:, 0]
    if len(equal):
        first, second = sorted((int(rows[equal[0]]), int(nearest[equal[0]])))
        raise ValueError(
            f"The prototypes of units {first} and {second} are equal, so that the topographic product does not exist; "
            "use fewer units, or a larger sigma_final."
        )
