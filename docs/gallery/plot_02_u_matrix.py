"""
Reading a U-matrix
==================

A map shows what is near what, but not how near. The U-matrix does: for every unit, the mean distance of its prototype
to those of the adjacent units. Valleys are groups of similar samples; ridges are gaps between groups.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_iris
from sklearn.preprocessing import StandardScaler

from sktopo import TopographicMap
from sktopo.plotting import HitHistogramDisplay, UMatrixDisplay

iris = load_iris()
X = StandardScaler().fit_transform(iris.data)
som = TopographicMap(height=14, width=9, sigma_final=0.7).fit(X)

# %%
# The numbers are distances in the units of the data (here: standard deviations), not rescaled, so that two maps of the
# same data can be compared. One ridge crosses the map. On one side of it lies the species setosa; on the other side
# versicolor and virginica pass into each other without a gap, which is what this data set is known for.
figure, axes = plt.subplots(1, 2, figsize=(9, 5.8), layout="constrained")
UMatrixDisplay.from_estimator(som, ax=axes[0])
HitHistogramDisplay.from_estimator(som, X, iris.target_names[iris.target], ax=axes[1])
axes[1].set_title("The species of the samples on each unit")
