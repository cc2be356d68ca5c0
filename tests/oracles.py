"""Naive implementations in NumPy: loops over definitions, to check the package against."""

import math
from functools import cache

import numpy as np

# Every lattice, planar and joined at the edges.
ARRANGEMENTS = [(lattice, periodic) for lattice in ("rectangular", "hexagonal") for periodic in (False, True)]


def coordinates(height, width, hexagonal):
    result = []
    for row in range(height):
        for column in range(width):
            if hexagonal:
                result.append((row * math.sqrt(3) / 2, column + (0.5 if row % 2 else 0.0)))
            else:
                result.append((float(row), float(column)))
    return np.array(result)


def lattice_distance(a, b, height, width, hexagonal, periodic, p=2.0):
    """The least distance between `a` and all periodic images of `b`."""
    images = [(0, 0)]
    if periodic:
        rows = height * (math.sqrt(3) / 2 if hexagonal else 1.0)
        images = [(i * rows, j * width) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return min(np.linalg.norm(np.array([a[0] - b[0] + i, a[1] - b[1] + j]), ord=p) for i, j in images)


@cache
def lattice_distances(height, width, hexagonal, periodic, p=2.0):
    units = coordinates(height, width, hexagonal)
    apart = np.array([[lattice_distance(a, b, height, width, hexagonal, periodic, p) for b in units] for a in units])
    apart.flags.writeable = False  # all tests get the same
    return apart


def unit_distances(lattice, p=2.0):
    """The same for a lattice of sktopo."""
    return lattice_distances(lattice.height, lattice.width, lattice.name == "hexagonal", lattice.periodic, p)


def neighborhood(name, distance, sigma):
    if name == "gaussian":
        return math.exp(-(distance**2) / (2 * sigma**2))
    if name == "bubble":
        return 1.0 if distance <= sigma + 1e-6 else 0.0
    return max(0.0, 1 - distance**2 / sigma**2)


def neighborhood_matrix(name, distances, sigma):
    return np.array([[neighborhood(name, d, sigma) for d in row] for row in distances])


def arranged_matrix(shape, arrangement, sigma, name="gaussian"):
    """The same for an estimator's parameters `lattice` and `periodic`."""
    apart = lattice_distances(*shape, arrangement["lattice"] == "hexagonal", arrangement["periodic"])
    return neighborhood_matrix(name, apart, sigma)


def distance(x, w, p):
    difference = np.abs(np.asarray(x, dtype=np.float64) - np.asarray(w, dtype=np.float64))
    return difference.max(initial=0.0) if math.isinf(p) else (difference**p).sum() ** (1 / p)


def distances(X, W, p):
    return np.array([[distance(x, w, p) for w in W] for x in X])


def unit_norm(X, p):
    result = np.array(X, dtype=np.float64)
    for i, row in enumerate(result):
        length = distance(row, np.zeros_like(row), p)
        if length > 0:
            result[i] = row / length
    return result


def batch_epoch(X, weight, W, H):
    """Assign every row to its nearest prototype, then Kohonen's batch update with loops."""
    winners = distances(X, W, 2).argmin(axis=1)
    updated = np.empty_like(W, dtype=np.float64)
    for j in range(len(W)):
        mass = sum(a * H[c, j] for a, c in zip(weight, winners, strict=True))
        gathered = sum(a * H[c, j] * x for a, c, x in zip(weight, winners, X, strict=True))
        updated[j] = gathered / mass if mass > 0 else W[j]
    loss = sum(
        a * sum(H[c, j] * distance(x, W[j], 2) ** 2 for j in range(len(W)))
        for a, c, x in zip(weight, winners, X, strict=True)
    )
    return winners, updated, loss / sum(weight)


def neighbors_of(height, width, hexagonal, periodic, neighbors=None):
    """For each unit, the units at distance 1 (of 8: along diagonals too)."""
    order = 2.0 if hexagonal else {None: np.inf, 8: np.inf, 4: 1.0}[neighbors]
    apart = lattice_distances(height, width, hexagonal, periodic, order)
    return [[k for k in range(len(apart)) if k != j and apart[j, k] < 1.001] for j in range(len(apart))]


def shortest_paths(W, near, p):
    """Floyd and Warshall's three loops."""
    n = len(W)
    length = np.full((n, n), np.inf)
    for j in range(n):
        length[j, j] = 0
        for k in near[j]:
            length[j, k] = distance(W[j], W[k], p)
    for via in range(n):
        for j in range(n):
            for k in range(n):
                length[j, k] = min(length[j, k], length[j, via] + length[via, k])
    return length


def topographic_product(W, apart, p):
    """Bauer and Pawelzik's definition, loop for loop; `apart` are the lattice distances."""
    n = len(W)
    between = distances(W, W, p)
    total = 0.0
    for j in range(n):
        others = [k for k in range(n) if k != j]
        on_lattice = sorted(others, key=lambda k: (round(apart[j, k], 9), k))
        among = sorted(others, key=lambda k: (between[j, k], k))
        for k in range(1, n):
            product = 0.0
            for a, v in zip(on_lattice[:k], among[:k], strict=True):
                product += math.log(between[j, a] / between[j, v]) + math.log(apart[j, a] / apart[j, v])
            total += product / (2 * k)
    return total / (n * (n - 1))


def neighbors_kept(near, far, k):
    """Venna and Kaski's measure: the k nearest by `near`, their ranks by `far` (both (n, n)), ties averaged."""
    n, behind = len(near), 0.0
    for i in range(n):
        others = [j for j in range(n) if j != i]
        last = sorted(near[i][j] for j in others)[k - 1]
        closer = sum(near[i][j] < last for j in others)
        tied = sum(near[i][j] == last for j in others)
        for j in others:
            share = 1.0 if near[i][j] < last else (k - closer) / tied if near[i][j] == last else 0.0
            before = sum(far[i][m] < far[i][j] for m in others)
            alike = sum(far[i][m] == far[i][j] for m in others)
            behind += share * max(0.0, before + (alike + 1) / 2 - k)
    return 1 - behind * 2 / (n * k * (2 * n - 3 * k - 1))


def local_errors(X, W, H, p=2.0):
    """Mean squared distance to the prototypes around each unit, weighted by its neighborhood."""
    G, squares = H / H.sum(axis=1, keepdims=True), distances(X, W, p) ** 2
    return np.array([[sum(g * d for g, d in zip(row, apart, strict=True)) for row in G] for apart in squares])


def responsibilities(errors, temperature):
    result = []
    for row in errors:
        terms = np.array([math.exp(-(e - row.min()) / (2 * temperature)) for e in row])
        result.append(terms / terms.sum())
    return np.array(result)


def free_energies(errors, temperature):
    """Of each sample, ``-T log sum_j exp(-e_j / 2T)``."""
    return np.array(
        [row.min() / 2 - temperature * math.log(np.exp(-(row - row.min()) / (2 * temperature)).sum()) for row in errors]
    )


def masked_distances(X, W, p, normalize=False):
    """Distances over the observed features, as they are: nothing is scaled up."""
    result = np.empty((len(X), len(W)))
    for i, x in enumerate(X):
        seen = ~np.isnan(x)
        for j, w in enumerate(W):
            a, b = x[seen], w[seen]
            if normalize:
                a, b = unit_norm([a], p)[0], unit_norm([b], p)[0]
            result[i, j] = distance(a, b, p)
    return result


def reported_distances(X, W, p, normalize=False):
    """The same, scaled up to all features."""
    share = (~np.isnan(X)).sum(axis=1) / X.shape[1]
    return masked_distances(X, W, p, normalize) / (1.0 if math.isinf(p) else share[:, None] ** (1 / p))


def masked_epoch(X, weight, W, H, p=2):
    """Assign every row to its nearest prototype over the observed features, then average feature by feature."""
    winners = masked_distances(X, W, p).argmin(axis=1)
    updated = np.array(W, dtype=np.float64)
    loss = 0.0
    for j in range(len(W)):
        for f in range(X.shape[1]):
            mass = total = 0.0
            for a, c, x in zip(weight, winners, X, strict=True):
                if not np.isnan(x[f]):
                    mass += a * H[c, j]
                    total += a * H[c, j] * x[f]
                    loss += a * H[c, j] * (x[f] - W[j, f]) ** 2
            if mass > 0:
                updated[j, f] = total / mass
    return winners, updated, loss / sum(weight)


def masked_local_errors(X, W, H, p=2.0, normalize=False):
    """``sum_k g_jk d_ik`` with squared distances over the observed features, as they are."""
    G, squares = H / H.sum(axis=1, keepdims=True), masked_distances(X, W, p, normalize) ** 2
    return np.array([[sum(g * d for g, d in zip(row, apart, strict=True)) for row in G] for apart in squares])


def masked_local_step(X, weight, W, H, temperature, p=2.0, normalize=False):
    """An E-step over the observed features, an M-step feature by feature, and the energy before it."""
    errors, G = masked_local_errors(X, W, H, p, normalize), H / H.sum(axis=1, keepdims=True)
    if temperature > 0:
        shares, energy = responsibilities(errors, temperature), 2 * free_energies(errors, temperature)
    else:
        shares, energy = np.eye(len(W))[errors.argmin(axis=1)], errors.min(axis=1)
    updated = np.array(W, dtype=np.float64)
    for k in range(len(W)):
        pull = weight * sum(np.outer(shares[:, j], G[j, k])[:, 0] for j in range(len(W)))
        for f in range(X.shape[1]):
            mass = sum(a for a, x in zip(pull, X, strict=True) if not np.isnan(x[f]))
            if mass > 0:
                updated[k, f] = sum(a * x[f] for a, x in zip(pull, X, strict=True) if not np.isnan(x[f])) / mass
    return updated, (weight * energy).sum() / weight.sum()


def common_distances(X, p, normalize=False):
    """Between samples, over the features that both have, scaled up to all; infinite where there is none."""
    result = np.full((len(X), len(X)), np.inf)
    for i, x in enumerate(X):
        for j, y in enumerate(X):
            common = ~np.isnan(x) & ~np.isnan(y)
            if common.any():
                a, b = (unit_norm([v[common]], p)[0] if normalize else v[common] for v in (x, y))
                result[i, j] = distance(a, b, p) * (1 if math.isinf(p) else (X.shape[1] / common.sum()) ** (1 / p))
    return result


def with_gaps(X, share, rng):
    """A share of the values removed, but never all of a row or column."""
    X = X.copy()
    X[rng.uniform(size=X.shape) < share] = np.nan
    rows, columns = X.shape
    X[np.arange(rows), rng.integers(0, columns, rows)] = rng.normal(size=rows)
    return X
