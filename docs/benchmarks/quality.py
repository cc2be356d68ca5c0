"""How good a codebook is, computed in float64 NumPy and without sktopo: the same functions judge every contender."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BLOCK_SCORES = 4_000_000
TRUSTWORTHINESS_ROWS = 2000


class Quality(NamedTuple):
    """Measures of one codebook; the last two need a lattice."""

    quantization_error: float
    topographic_error: float | None
    trustworthiness: float | None


def best_units(X: NDArray[np.float32], codebook: NDArray[np.floating]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find the two nearest prototypes of each row, ``(n, 2)``, and the distance to the nearest, ``(n,)``."""
    center = codebook.mean(axis=0, dtype=np.float64)
    prototypes = codebook - center
    bias = (prototypes**2).sum(axis=1) / 2
    units, distances = np.empty((len(X), 2), dtype=np.int64), np.empty(len(X))
    step = max(1, BLOCK_SCORES // len(codebook))
    for rows in (slice(start, start + step) for start in range(0, len(X), step)):
        x = X[rows] - center
        scores = bias - x @ prototypes.T  # (rows, units), half the squared distance less a constant of the row
        nearest = scores.argmin(axis=1)
        distances[rows] = np.linalg.norm(x - prototypes[nearest], axis=1)
        scores[np.arange(len(x)), nearest] = np.inf
        units[rows] = np.column_stack([nearest, scores.argmin(axis=1)])
    return units, distances


def topographic_error(units: NDArray[np.int64], width: int) -> float:
    """Share of rows whose two nearest units are not among each other's 8 neighbors."""
    row, column = np.divmod(units, width)
    apart = np.maximum(np.abs(np.diff(row)), np.abs(np.diff(column)))
    return float((apart > 1).mean())


def map_trustworthiness(X: NDArray[np.float32], bmu: NDArray[np.int64], width: int) -> float:
    """Trustworthiness (5 neighbors) of evenly spaced rows placed at their BMUs.

    Rows that share a unit are at distance 0 of each other; scikit-learn takes tied neighbors in its own order.
    """
    from sklearn.manifold import trustworthiness

    rows = slice(None, None, -(-len(X) // TRUSTWORTHINESS_ROWS))
    places = np.column_stack(np.divmod(bmu[rows], width)).astype(np.float64)
    return float(trustworthiness(X[rows].astype(np.float64), places, n_neighbors=5))


def judge(X: NDArray[np.float32], codebook: NDArray[np.floating], width: int, *, on_lattice: bool) -> Quality:
    """Measure a codebook; ``on_lattice`` says whether its prototypes have places on a map."""
    units, distances = best_units(X, codebook)
    error = float(distances.mean())
    if not on_lattice:
        return Quality(error, None, None)
    return Quality(error, topographic_error(units, width), map_trustworthiness(X, units[:, 0], width))
