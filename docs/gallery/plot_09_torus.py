"""
Colors on a torus
=================

A planar map has an edge, and units there have fewer neighbors than others. ``periodic=True`` joins opposite edges:
what leaves on the right comes back on the left, and every unit is like every other. The colors of a photo show it.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image

from sktopo import TopographicMap

pixels = load_sample_image("flower.jpg").reshape(-1, 3)[::40] / 255
maps = {periodic: TopographicMap(18, 18, periodic=periodic, solver="batch").fit(pixels) for periodic in (False, True)}

# %%
# Repeated side by side, the planar map shows seams. The torus has none: it could pave a floor.
figure, axes = plt.subplots(1, 2, figsize=(9, 4.8))
for ax, (periodic, som) in zip(axes, maps.items(), strict=True):
    colors = np.clip(som.codebook_.reshape(18, 18, 3), 0, 1)
    ax.imshow(np.tile(colors, (2, 2, 1)))
    ax.axhline(17.5, color="w", linewidth=0.5, linestyle=":")
    ax.axvline(17.5, color="w", linewidth=0.5, linestyle=":")
    ax.set(xticks=[], yticks=[], title=f"periodic={periodic}, shown four times")
figure.tight_layout()

# %%
# Joining edges costs something when the data themselves have ends: dark and bright must meet somewhere. The distances
# between prototypes on both sides of the joint show how far apart the ends of a planar map are.
for periodic, som in maps.items():
    colors = som.codebook_.reshape(18, 18, 3)
    joint = np.linalg.norm(colors[:, 0] - colors[:, -1], axis=1).mean()
    inside = np.linalg.norm(colors[:, 1:] - colors[:, :-1], axis=2).mean()
    print(f"periodic={periodic!s:5}  distances across the joint {joint:.3f}, inside {inside:.3f}", end="")
    print(f"  quantization error {-som.score(pixels):.4f}")
