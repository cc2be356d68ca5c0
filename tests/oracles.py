"""Naive implementations in NumPy: loops over definitions, to check the package against."""

import math

import numpy as np


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


def lattice_distances(height, width, hexagonal, periodic, p=2.0):
    units = coordinates(height, width, hexagonal)
    return np.array([[lattice_distance(a, b, height, width, hexagonal, periodic, p) for b in units] for a in units])


def neighborhood(name, distance, sigma):
    if name == "gaussian":
        return math.exp(-(distance**2) / (2 * sigma**2))
    if name == "bubble":
        return 1.0 if distance <= sigma + 1e-6 else 0.0
    return max(0.0, 1 - distance**2 / sigma**2)


def neighborhood_matrix(name, distances, sigma):
    return np.array([[neighborhood(name, d, sigma) for d in row] for row in distances])


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
