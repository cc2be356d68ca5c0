"""Data with outliers and distances of order 1 and 3: the gradient solver's loss beside that of the mean update.

Run with ``python docs/examples/other_norms.py``; some minutes. For p other than 2 the mean of the samples around a unit
is not its best prototype. Both maps have 6 x 6 units and the same last sigma; the loss is the p-distortion
``mean_i sum_j h(c_i, j) |x_i - w_j|_p^2`` of the training rows, with `c` the winner that was trained with.
"""

import numpy as np
import torch
from tables import Column, Table, publish

from sktopo import TopographicMap

SEEDS = range(5)
ROWS = 600


def normal_rows(rng: np.random.Generator) -> np.ndarray:
    X = rng.normal(size=(ROWS, 4))
    X[:30] *= 10
    return X


def clusters(rng: np.random.Generator) -> np.ndarray:
    centers = rng.normal(size=(6, 4)) * 3
    X = centers[rng.integers(6, size=ROWS)] + 0.4 * rng.normal(size=(ROWS, 4))
    X[:30] = rng.uniform(-20, 20, size=(30, 4))
    return X


def student(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_t(2, size=(ROWS, 4))


def values(rng: np.random.Generator) -> np.ndarray:
    X = rng.normal(size=(ROWS, 4))
    return np.where(rng.uniform(size=X.shape) < 0.02, X * 10, X)


DATA = {
    "normal, 5 % of the rows times 10": normal_rows,
    "clusters, 5 % of the rows anywhere": clusters,
    "Student's t with 2 degrees": student,
    "normal, 2 % of the values times 10": values,
}


def distortion(som: TopographicMap, X: np.ndarray) -> float:
    """The loss of the layer that holds the map, over all rows."""
    with torch.no_grad():
        return float(som.to_layer(dtype=torch.float64).loss(torch.from_numpy(X), som.sigma_))


def ratios(X: np.ndarray, p: float, seed: int) -> list[float]:
    """The gradient solver's loss over the mean update's: nearest unit, local error, and the latter's map polished."""
    found = []
    for winner in ("nearest", "local"):
        mean_update = TopographicMap(6, 6, p_norm=p, winner=winner, solver="batch").fit(X)
        gradient = TopographicMap(6, 6, p_norm=p, winner=winner, solver="gradient", random_state=seed).fit(X)
        found.append(distortion(gradient, X) / distortion(mean_update, X))
    last = mean_update.sigma_
    gradient.set_params(init=mean_update.codebook_, sigma_initial=last, sigma_final=last)
    return [*found, distortion(gradient.fit(X), X) / distortion(mean_update, X)]


def table(p: float) -> Table:
    columns, rows = [], {}
    for way in ("nearest unit", "local error", "local error, from the mean update's map"):
        columns += [Column(way, ".2f", 0.06), Column("lower in", ".0f", 1)]
    for name, make in DATA.items():
        values = np.array([ratios(make(np.random.default_rng(seed)), p, seed) for seed in SEEDS])  # (seeds, ways)
        cells = [[[float(v.mean()), float(v.std())], int((v < 1).sum())] for v in values.T]
        rows[name] = [cell for pair in cells for cell in pair]
    return Table(f"loss over that of the mean update, p = {p}", tuple(columns), rows)


def tables() -> dict[str, Table]:
    return {f"p{p}": table(p) for p in (1, 3)}


if __name__ == "__main__":
    publish(__file__, tables())
