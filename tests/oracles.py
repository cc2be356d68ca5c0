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


def local_errors(X, W, H, p=2.0):
    """Mean squared distance to the prototypes around each unit, weighted by its neighborhood."""
    G = H / H.sum(axis=1, keepdims=True)
    return np.array([[sum(g * distance(x, w, p) ** 2 for g, w in zip(row, W, strict=True)) for row in G] for x in X])


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
