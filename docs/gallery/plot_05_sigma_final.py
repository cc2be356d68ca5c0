"""
How narrow a neighborhood? The last sigma
=========================================

``sigma_final`` is *the* choice to make. A narrow neighborhood lets the map follow the data closely (a low
quantization error) and fold; a wide one keeps neighbors together (a low topographic error) and blurs. There is no
free lunch, only a front to choose a point of.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sktopo import TopographicMap
from sktopo.metrics import quantization_error, topographic_error

train, test = train_test_split(load_digits().data, random_state=0)
sigmas = [0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.3, 1.7]
maps = [TopographicMap(12, 12, sigma_final=sigma).fit(train) for sigma in sigmas]
errors = np.array([[quantization_error(som, test), topographic_error(som, test)] for som in maps])

# %%
# Both errors on digits that the maps have not seen:
default = TopographicMap(12, 12).fit(train)
figure, ax = plt.subplots(figsize=(6.5, 4.2))
ax.plot(*errors.T, "o-", color="C0")
for sigma, (quantization, topographic) in zip(sigmas, errors, strict=True):
    ax.annotate(f"{sigma}", (quantization, topographic), xytext=(5, 5), textcoords="offset points")
ax.plot(quantization_error(default, test), topographic_error(default, test), "s", color="C1", label="default")
ax.set(xlabel="quantization error (pixel values)", ylabel="topographic error", title="Each point is a sigma_final")
ax.legend()
figure.tight_layout()

# %%
# The default is ``0.5 + ln(n_units / 100) / 4``, at least 0.5:
print(f"{default.sigma_:.2f} for {default.height_} x {default.width_} units")

# %%
# Around the bend of the curve both errors are low. Left of it the map folds for little gain; right of it prototypes
# become averages of different digits:
figure, axes = plt.subplots(1, 3, figsize=(10, 3.6))
for ax, som in zip(axes, (maps[0], maps[3], maps[-1]), strict=True):
    prototypes = som.codebook_.reshape(12, 12, 8, 8).transpose(0, 2, 1, 3).reshape(96, 96)
    ax.imshow(prototypes, cmap="gray_r")
    ax.set(xticks=[], yticks=[], title=f"sigma_final={som.sigma_:g}")
figure.tight_layout()
