"""
Color a map by what it was not told
===================================

A fitted map is a floor plan. Any quantity can be drawn on it: average it over the samples of each unit. Here ten
measurements of diabetes patients make the map, and the progress of the disease a year later colors it.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.model_selection import KFold

from sktopo import TopographicMap

data = load_diabetes(as_frame=True)
som = TopographicMap(height="auto", width="auto").fit(data.data)
print(f"{som.height_} x {som.width_} units for {len(data.data)} patients")

# %%
# With few patients a unit, plain means are noisy. ``output="activations"`` says how strongly each unit takes part in
# each patient; means weighted by it are smooth, and every unit has one.


def smoothed(som, X, target):
    activations = som.set_params(output="activations").transform(X)
    return activations.T @ target / activations.sum(axis=0)


hits = som.hit_histogram(data.data)
total = som.hit_histogram(data.data, sample_weight=data.target)
plain = np.divide(total, hits, out=np.full(hits.shape, np.nan), where=hits > 0)
smooth = smoothed(som, data.data, data.target).reshape(hits.shape)

figure, axes = plt.subplots(1, 3, figsize=(11, 2.8), layout="constrained")
for ax, values, title in zip(
    axes,
    (plain, smooth, som.component_planes()[data.feature_names.index("bmi")]),
    ("progression, mean of each unit", "progression, smoothed", "body mass index (a feature)"),
    strict=True,
):
    image = ax.imshow(values, cmap="viridis")
    ax.set(title=title, xticks=[], yticks=[])
    figure.colorbar(image, ax=ax)

# %%
# The disease progresses most where body mass index is high. How much of it does the map know? Its prediction for a
# patient is the smoothed value of the patient's unit. Patients who colored the map flatter it, so each tenth is
# predicted by a map that nine tenths made and colored:
predicted = np.empty(len(data.target))
for train, test in KFold(10, shuffle=True, random_state=0).split(data.data):
    fold = TopographicMap(height="auto", width="auto").fit(data.data.iloc[train])
    predicted[test] = smoothed(fold, data.data.iloc[train], data.target.iloc[train])[fold.predict(data.data.iloc[test])]
flattering = smooth.ravel()[som.predict(data.data)]
print(f"correlation of progression with its smoothed map: {np.corrcoef(flattering, data.target)[0, 1]:.2f}")
print(f"the same for patients that the map has not seen:  {np.corrcoef(predicted, data.target)[0, 1]:.2f}")
