"""
Reading a U-matrix
==================

A map shows what is near what, but not how near. The U-matrix does: for every unit, the mean distance of its prototype
to those of the adjacent units. Valleys are groups of similar samples; ridges are gaps between groups.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris
from sklearn.preprocessing import StandardScaler

from sktopo import TopographicMap

iris = load_iris()
X = StandardScaler().fit_transform(iris.data)
som = TopographicMap(height=14, width=9, sigma_final=0.7).fit(X)

# %%
# The numbers are distances in the units of the data (here: standard deviations), not rescaled, so that two maps of the
# same data can be compared. One ridge crosses the map. On one side of it lies the species setosa; on the other side
# versicolor and virginica pass into each other without a gap, which is what this data set is known for.
figure, axes = plt.subplots(1, 2, figsize=(8, 5.8), sharex=True, sharey=True, layout="constrained")
image = axes[0].imshow(som.u_matrix(), cmap="cividis")
figure.colorbar(image, ax=axes[0], label="mean distance to adjacent prototypes", shrink=0.8)
axes[0].set(title="U-matrix", xlabel="column", ylabel="row")
moved = som.transform(X) + np.random.default_rng(0).uniform(-0.3, 0.3, (len(X), 2))
for species, name in enumerate(iris.target_names):
    rows, columns = moved[iris.target == species].T
    axes[1].scatter(columns, rows, s=12, label=name)
axes[1].set(title="the species, not used to fit", xlabel="column", aspect="equal")
axes[1].legend(fontsize=8)
