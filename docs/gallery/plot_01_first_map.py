"""
A first map
===========

The handwritten digits are 64 numbers each, one a pixel. A map of 12 x 16 units gives every digit a place so that
similar digits are neighbors. The labels are not used to fit it.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from sktopo import TopographicMap
from sktopo.plotting import LabelMapDisplay

X, y = load_digits(return_X_y=True)
som = TopographicMap(height=12, width=16)
places = som.fit_transform(X)
row, column = places[0]
print(f"the first digit, a {y[0]}, is at row {row:.0f}, column {column:.0f}")

# %%
# Each unit has a **prototype**: the mean of the digits around it on the map, weighted by how near they are.
# Prototypes live in the space of the data, so here they are pictures, and the whole map is one picture of them.
prototypes = som.codebook_.reshape(som.height_, som.width_, 8, 8)
mosaic = prototypes.transpose(0, 2, 1, 3).reshape(som.height_ * 8, som.width_ * 8)
figure, ax = plt.subplots(figsize=(8, 6))
ax.imshow(mosaic, cmap="gray_r")
ax.set(xticks=[], yticks=[], title="192 prototypes: walk along a row, and one digit turns into another")
figure.tight_layout()

# %%
# Now the labels come in, for the first time: each unit shows the digit that most of its samples are. Every digit has
# its country, some have two, and the borders run where handwriting is ambiguous. Units without a number hold no sample.
LabelMapDisplay.from_estimator(som, X, y).figure_.set_size_inches(8, 5.5)
