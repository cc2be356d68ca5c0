"""
Hexagonal or rectangular?
=========================

On a hexagonal lattice every unit has six neighbors, all at distance 1. On a rectangular one there are four at
distance 1 and four more across the corners. Both maps below show the breast cancer data, coloured by the share of
malignant tumors.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from sktopo import TopographicMap
from sktopo.metrics import quantization_error, topographic_error

X, y = load_breast_cancer(return_X_y=True)
X = StandardScaler().fit_transform(X)
malignant = (y == 0).astype(float)
maps = {lattice: TopographicMap(10, 10, lattice=lattice).fit(X) for lattice in ("rectangular", "hexagonal")}

# %%
# ``unit_coordinates_`` says where the units sit; a hit histogram weighted by the class, divided by a plain one, is
# the share of the class in each unit.
figure, axes = plt.subplots(1, 2, figsize=(9, 4.4))
for ax, (lattice, som) in zip(axes, maps.items(), strict=True):
    hits = som.hit_histogram(X)
    share = np.divide(som.hit_histogram(X, malignant), hits, out=np.full(hits.shape, np.nan), where=hits > 0)
    rows, columns = som.unit_coordinates_.T
    marker = {"rectangular": "s", "hexagonal": "h"}[lattice]
    points = ax.scatter(columns, rows, c=share.ravel(), marker=marker, s=330, cmap="cividis", edgecolors="0.8")
    ax.set(title=lattice, aspect="equal", xlabel="column", ylabel="row")
    ax.invert_yaxis()
figure.colorbar(points, ax=axes, label="share of malignant tumors (white: no sample)")

# %%
# Which one is better? The quantization errors are nearly the same. The topographic error counts the samples whose two
# best units are not adjacent, and *adjacent* means something else on each lattice: 8, 4 or 6 neighbors. Compare only
# like with like; choose the hexagonal lattice for pictures, where it has no preferred directions, and the rectangular
# one where you want to store the map as a plain image.
for lattice, som in maps.items():
    errors = {
        neighbors: topographic_error(som, X, neighbors=neighbors) for neighbors in ((8, 4), (6,))[lattice[0] == "h"]
    }
    print(f"{lattice:12} quantization {quantization_error(som, X):.3f}", end="")
    for neighbors, error in errors.items():
        print(f"   topographic, {neighbors} neighbors: {error:.3f}", end="")
    print()
