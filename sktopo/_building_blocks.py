"""One pass over the data, in pieces, for engines that sktopo does not know: statistics of a chunk, and the update.

Statistics of chunks add with ``+``, wherever the chunks are; only then is anything divided.
"""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from sktopo._forks import in_any_process
from sktopo._frame import DataRange, Frame
from sktopo._options import check_p_norm
from sktopo._search import Search
from sktopo._smoothing import make_smoother
from sktopo._sources import as_source
from sktopo._statistics import UnitStatistics, batch_update
from sktopo._validation import check_codebook, check_geometry, check_rows

__all__ = ["chunk_statistics", "update_codebook"]


@in_any_process
def chunk_statistics(
    X: ArrayLike, codebook: ArrayLike, *, sample_weight: ArrayLike | None = None, p_norm: float = 2
) -> UnitStatistics:
    """What one chunk of rows tells each unit: assign every row to its nearest prototype, and add up.

    ``counts_j = sum_{i: c_i = j} a_i`` and ``sums_j = sum_{i: c_i = j} a_i x_i``, with `c_i` the nearest unit of row i
    and `a_i` its weight.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n, n_features)
        Rows; NaN means missing.
    codebook : array-like of shape (n_units, n_features)
        Prototypes, the same for all chunks of a pass.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows.
    p_norm : float, default=2
        Order of the distance that decides the nearest prototype.

    Returns
    -------
    UnitStatistics
        Tensors in float64; those of several chunks add with ``+``, and they pickle.

    Raises
    ------
    ValueError
        If an argument is not usable; the message names the cause.

    See Also
    --------
    update_codebook : What comes after the last chunk of a pass.

    Examples
    --------
    >>> import numpy as np
    >>> import sktopo
    >>> codebook = np.array([[0.0, 0.0], [4.0, 4.0]])
    >>> first = sktopo.chunk_statistics([[1.0, 0.0], [5.0, 4.0]], codebook)
    >>> second = sktopo.chunk_statistics([[0.0, 1.0]], codebook)
    >>> (first + second).counts
    tensor([2., 1.], dtype=torch.float64)
    """
    rows, weight = check_rows(X, sample_weight)
    prototypes = torch.from_numpy(check_codebook(codebook, None, rows.shape[1]))
    source = as_source(rows, weight, prototypes.device)
    search = Search(prototypes, check_p_norm(p_norm), source.dtype)
    frame = _plain_frame(prototypes)

    def step(x: Tensor, weight: Tensor) -> UnitStatistics:
        return UnitStatistics.of(frame, [(x, weight, search.bmu(x))], len(prototypes))

    total = source.reduce(step)
    observed = None if total.observed is None else total.observed.contiguous()
    # each in memory of its own, as what sends tensors from machine to machine wants them
    return UnitStatistics(total.counts.contiguous(), total.sums.contiguous(), total.squares.contiguous(), observed)


@in_any_process
def update_codebook(
    statistics: UnitStatistics,
    codebook: ArrayLike,
    *,
    height: int,
    width: int,
    sigma: float,
    lattice: str = "rectangular",
    periodic: bool = False,
    neighborhood: str = "gaussian",
) -> NDArray[np.float64]:
    """Kohonen's batch update from the statistics of all rows.

    ``w_j = sum_k h(k, j) sums_k / sum_k h(k, j) counts_k``; a unit whose neighborhood holds no row keeps its prototype.

    Parameters
    ----------
    statistics : UnitStatistics
        The sum of `chunk_statistics` over all chunks.
    codebook : array-like of shape (n_units, n_features)
        The prototypes that they were taken with.
    height, width : int
        Sides of the map.
    sigma : float
        Radius of the neighborhood in this pass.
    lattice : {"rectangular", "hexagonal"}, default="rectangular"
        Arrangement of the units.
    periodic : bool, default=False
        Whether opposite edges are joined.
    neighborhood : {"gaussian", "bubble", "epanechnikov"}, default="gaussian"
        Function of the lattice distance.

    Returns
    -------
    ndarray of shape (n_units, n_features)
        The next codebook.

    Raises
    ------
    ValueError
        If an argument is not usable; the message names the cause.

    See Also
    --------
    chunk_statistics : What is added up before.

    Examples
    --------
    >>> import numpy as np
    >>> import sktopo
    >>> X = np.random.default_rng(0).normal(size=(300, 2))
    >>> codebook = X[:12]
    >>> for sigma in (2.0, 1.0, 0.5):
    ...     total = sum((sktopo.chunk_statistics(x, codebook) for x in (X[100:], X[200:])),
    ...                 sktopo.chunk_statistics(X[:100], codebook))
    ...     codebook = sktopo.update_codebook(total, codebook, height=3, width=4, sigma=sigma)
    >>> codebook.shape
    (12, 2)
    """
    units, h = check_geometry(height, width, sigma=sigma, lattice=lattice, periodic=periodic, neighborhood=neighborhood)
    previous = check_codebook(codebook, units.n_units, statistics.sums.shape[1])
    if len(statistics.counts) != units.n_units:
        raise ValueError(
            f"statistics are of {len(statistics.counts)} units, and the map has {units.n_units}; "
            "take them with this codebook."
        )
    smooth = make_smoother(units, h).at(float(sigma))
    return batch_update(statistics.smoothed(smooth), torch.from_numpy(previous)).numpy()


def _plain_frame(prototypes: Tensor) -> Frame:
    """The frame that changes nothing: from zero, in units of 1."""
    half = torch.full_like(prototypes[0], 0.5)
    return Frame(DataRange(-half, half, 1, 1.0, True, from_zero=True))
