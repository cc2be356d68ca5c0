"""
Hexagonal or rectangular?
=========================

On a hexagonal lattice every unit has six neighbors, all at distance 1. On a rectangular one there are four at
distance 1 and four more across the corners. Both maps below show the breast cancer data; each pie is a unit, with the
shares of benign and malignant tumors on it.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from sktopo import TopographicMap
from sktopo.metrics import quantization_error, topographic_error
from sktopo.plotting import HitHistogramDisplay

data = load_breast_cancer()
X = StandardScaler().fit_transform(data.data)
diagnosis = data.target_names[data.target]
maps = {lattice: TopographicMap(10, 10, lattice=lattice).fit(X) for lattice in ("rectangular", "hexagonal")}
figure, axes = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained")
for ax, (lattice, som) in zip(axes, maps.items(), strict=True):
    HitHistogramDisplay.from_estimator(som, X, diagnosis, ax=ax)
    ax.set_title(lattice)

# %%
# Which one is better? The quantization errors are nearly the same. The topographic error counts the samples whose two
# best units are not adjacent, and *adjacent* means something else on each lattice: 8, 4 or 6 neighbors. Compare only
# like with like; choose the hexagonal lattice for pictures, where it has no preferred directions, and the rectangular
# one where you want to store the map as a plain image.
for (lattice, som), neighborhoods in zip(maps.items(), ((8, 4), (6,)), strict=True):
    print(f"{lattice}: quantization error {quantization_error(som, X):.3f}")
    for neighbors in neighborhoods:
        print(f"    topographic error, {neighbors} neighbors: {topographic_error(som, X, neighbors=neighbors):.3f}")
