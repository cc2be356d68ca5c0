"""At which temperature a soft map opens: computed, not guessed.

Above the critical temperature the state with every prototype at the mean is a minimum of the free energy; below it
the prototypes leave the mean along the leading principal axis. (T. Graepel, M. Burger, K. Obermayer, "Phase transitions
in stochastic self-organizing maps", Phys. Rev. E 56, 1997.) That is a local statement: on skewed or heavy-tailed data a
spread map may be a second minimum above it, and the lower one.
"""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor

from sktopo._assignment import Averaging
from sktopo._options import check_sigma, chosen
from sktopo._smoothing import make_smoother
from sktopo._threads import run_alone
from sktopo.lattices import Lattice, make_lattice
from sktopo.neighborhoods import NEIGHBORHOODS, Neighborhood

__all__ = ["critical_temperature"]

# A temperature may exceed the critical one by this factor before it counts as higher: who cools down starts at it.
ROUNDING = 1.001


def critical_temperature(
    covariance: ArrayLike | Tensor,
    height: int,
    width: int,
    sigma: float,
    *,
    lattice: str = "rectangular",
    periodic: bool = False,
    neighborhood: str = "gaussian",
) -> float:
    """Temperature above which a soft map with every prototype at the mean of the data is stable.

    ``T_c = lambda_max(C) lambda_max(D^-1 G^T (I - 11^T / K) G)``, with `C` the covariance of the samples, `G` the
    row-normalized neighborhood of the `K` units and `D` the diagonal of its column sums. Above it maps usually collapse
    to the mean, though on skewed or heavy-tailed data they may stay spread. A useful soft map has a temperature well
    below, such as a twentieth of it. The formula is for squared Euclidean distances of complete rows; with
    ``normalize=True`` maps may collapse elsewhere.

    Parameters
    ----------
    covariance : array-like or Tensor of shape (n_features, n_features)
        Covariance of the samples (``numpy.cov(X.T, bias=True)``).
    height, width : int
        Sides of the map, in units.
    sigma : float
        Radius of the neighborhood, in lattice units.
    lattice : {"rectangular", "hexagonal"}, default="rectangular"
        Arrangement of the units.
    periodic : bool, default=False
        Whether opposite edges are joined.
    neighborhood : {"gaussian", "bubble", "epanechnikov"}, default="gaussian"
        Function of the lattice distance.

    Returns
    -------
    float
        In squared units of the data; 0 for a map of one unit.

    Raises
    ------
    ValueError
        If `covariance` is not a square matrix of finite numbers, or another argument is not as above.

    References
    ----------
    T. Graepel, M. Burger, K. Obermayer, "Phase transitions in stochastic self-organizing maps", Phys. Rev. E 56, 1997.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sktopo import TopographicMap
    >>> from sktopo.annealing import critical_temperature
    >>> X, _ = load_iris(return_X_y=True)
    >>> T = critical_temperature(np.cov(X.T, bias=True), 6, 6, sigma=1.0)
    >>> 3 < T < 4.2  # the leading variance is 4.2
    True
    >>> som = TopographicMap(6, 6, sigma_final=1.0, winner="local", temperature=T / 20).fit(X)
    """
    matrix = _matrix(covariance)
    check_sigma(sigma)
    units = make_lattice(lattice, height, width, periodic)
    kind = chosen("neighborhood", neighborhood, NEIGHBORHOODS)

    def product() -> float:
        variance = float(torch.linalg.eigvalsh(matrix)[-1])
        return max(0.0, variance) * _Stiffness(units, kind, sigma).largest()  # rounding may leave it below zero

    return run_alone(product)  # a forked child has none of its parent's threads


def _matrix(covariance: ArrayLike | Tensor) -> Tensor:
    """A covariance as a tensor of its own, or a ValueError."""
    values = covariance.detach().cpu().double().numpy() if isinstance(covariance, Tensor) else covariance
    matrix = np.array(values, dtype=np.float64, order="C")
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"covariance must be a square matrix, got shape {matrix.shape}.")
    if not np.isfinite(matrix).all():
        raise ValueError("covariance holds NaN or infinite values.")
    return torch.from_numpy(matrix)


def above_critical(
    temperature: float, variance: float, lattice: Lattice, neighborhood: Neighborhood, sigma: float
) -> bool:
    """Whether a temperature is above the critical one, at the least cost.

    Parameters
    ----------
    temperature : float
        In squared units of the data.
    variance : float
        The samples' variance along their leading principal axis.
    lattice : Lattice
        Where the units sit.
    neighborhood : Neighborhood
        Function of the lattice distance.
    sigma : float
        Its radius.

    Returns
    -------
    bool
        Whether it is; by a rounding error is not enough.
    """
    if temperature >= variance:
        return True
    stiffness, wanted = _Stiffness(lattice, neighborhood, sigma), temperature / variance / ROUNDING
    return wanted > stiffness.at_least() and wanted > stiffness.largest()


class _Stiffness:
    """The matrix ``D^-1 G^T (I - 11^T / K) G``, whose eigenvalues are at most 1, as a product: it is never formed."""

    def __init__(self, lattice: Lattice, neighborhood: Neighborhood, sigma: float) -> None:
        self._lattice = lattice
        like = torch.empty(0, dtype=torch.float64, device="cpu")
        self._averaging = Averaging(make_smoother(lattice, neighborhood).at(sigma), like, lattice.n_units)
        self._root = self._averaging.spread(like.new_ones(lattice.n_units, 1)).sqrt()

    def largest(self) -> float:
        """Largest eigenvalue, by Lanczos iteration."""
        n_units = self._lattice.n_units
        start = torch.randn(n_units, generator=torch.Generator().manual_seed(0), dtype=torch.float64, device="cpu")
        if not self._times(start.numpy()).any():  # a single unit, or a neighborhood that makes all units alike
            return 0.0
        operator = LinearOperator((n_units, n_units), matvec=self._times, dtype=np.float64)
        return float(eigsh(operator, k=1, which="LA", v0=start.numpy(), return_eigenvectors=False)[0])

    def at_least(self) -> float:
        """A lower bound of it: the map's longer axis, stretched evenly."""
        axis = self._lattice.coordinates()[:, int(self._lattice.width > self._lattice.height)]
        stretched = ((axis - axis.mean()) * self._root.view(-1)).numpy()
        length = float(stretched @ stretched)
        return float(stretched @ self._times(stretched)) / length if length > 0 else 0.0

    def _times(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The product of a symmetric matrix with the same eigenvalues, ``D^-1/2 G^T (I - 11^T / K) G D^-1/2``."""
        means = self._averaging.average(torch.from_numpy(values).view(-1, 1) / self._root)
        return (self._averaging.spread(means - means.mean()) / self._root).view(-1).numpy()
