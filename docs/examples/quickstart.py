"""Map scikit-learn's handwritten digits, look at the map, and use it as a feature step.

Run with ``python docs/examples/quickstart.py [picture.png]``. It needs sktopo with the extra ``plot``.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from sktopo import TopographicMap
from sktopo.metrics import quantization_error, topographic_error

X, y = load_digits(return_X_y=True)

# 1. A map: 12 x 16 prototypes of 8 x 8 pixels, neighbors alike.
som = TopographicMap(height=12, width=16)
units = som.fit_predict(X)
print(f"map            {som.height_} x {som.width_} units, {som.n_iter_} passes over {len(X)} digits")
print(f"quantization   {quantization_error(som, X):.2f} (mean distance to the best matching unit)")
print(f"topography     {topographic_error(som, X):.3f} (share of digits whose two best units are not neighbors)")

# 2. Each unit is named after the digit it holds most of: how often is that the right one?
counts = np.zeros((som.height_ * som.width_, 10))
np.add.at(counts, (units, y), 1)
name = np.where(counts.any(axis=1), counts.argmax(axis=1), -1)
print(f"purity         {np.mean(name[units] == y):.3f} (digits that agree with the majority of their unit)")

# 3. A step of a Pipeline: soft activations of 12 x 12 units into a linear classifier.
model = make_pipeline(MinMaxScaler(), TopographicMap(12, 12, output="activations"), LogisticRegression(max_iter=1000))
scores = cross_val_score(model, X, y, cv=5)
print(f"classification {scores.mean():.3f} +- {scores.std():.3f} accuracy, 5-fold cross-validation")

# 4. The picture: every unit's prototype, colored by its digit.
path = sys.argv[1] if len(sys.argv) > 1 else "digits_map.png"
colors = plt.get_cmap("tab10")
figure, axes = plt.subplots(som.height_, som.width_, figsize=(8, 6.7))
for unit, axis in enumerate(axes.flat):
    axis.imshow(som.codebook_[unit].reshape(8, 8), cmap="gray_r")
    axis.set(xticks=[], yticks=[])
    for spine in axis.spines.values():
        spine.set(color=colors(name[unit]) if name[unit] >= 0 else "0.8", linewidth=2)
    if name[unit] >= 0:
        axis.text(0.05, 0.95, name[unit], transform=axis.transAxes, va="top", color=colors(name[unit]), weight="bold")
figure.suptitle("A topographic map of handwritten digits: similar digits are neighbors")
figure.tight_layout(pad=0.4, h_pad=0.1, w_pad=0.1, rect=(0, 0, 1, 0.98))
figure.savefig(path, dpi=100)
print(f"picture        {path}")
