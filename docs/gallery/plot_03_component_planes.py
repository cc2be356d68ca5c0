"""
Component planes: which features go together?
=============================================

A component plane shows one feature of all prototypes over the map. All planes share the same map: the same place on
each of them is the same kind of wine. Planes that look alike are features that rise and fall together.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sktopo import TopographicMap

wine = load_wine(as_frame=True)
model = make_pipeline(StandardScaler(), TopographicMap(height=9, width=7)).fit(wine.data)

# %%
# The map has seen standardized features. To show planes in the units of the data, its codebook goes back through the
# scaler.
scaler, som = model
planes = scaler.inverse_transform(som.codebook_).T.reshape(-1, som.height_, som.width_)
figure, axes = plt.subplots(3, 5, figsize=(10, 7))
for ax, plane, name in zip(axes.flat, planes, wine.data.columns, strict=False):
    image = ax.imshow(plane, cmap="viridis")
    ax.set(xticks=[], yticks=[])
    ax.set_title(name.replace("od280/od315_of_diluted_wines", "od280/od315"), fontsize=9)
    figure.colorbar(image, ax=ax, shrink=0.7)
for ax in axes.flat[len(planes) :]:
    ax.axis("off")
figure.tight_layout()

# %%
# Total phenols, flavanoids and proanthocyanins look alike, and color intensity follows alcohol. How alike two planes
# are is the correlation of their prototypes:
correlation = np.corrcoef(som.codebook_.T)
names = list(wine.data.columns)
pairs = [(correlation[i, j], names[i], names[j]) for i in range(len(names)) for j in range(i)]
for value, first, second in sorted(pairs, reverse=True)[:4]:
    print(f"{value:.2f}  {first}, {second}")
