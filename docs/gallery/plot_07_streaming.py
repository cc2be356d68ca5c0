"""
Data that comes in chunks
=========================

``partial_fit`` learns from one chunk at a time and needs none of the chunks before: what it keeps are a count and a
sum for each unit. Here the chunks are blocks of pixels of a photo with 273 280 pixels, and the map learns its
colors.
"""

# sphinx_gallery_thumbnail_number = 2
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image

from sktopo import TopographicMap

photo = load_sample_image("china.jpg") / 255
pixels = photo.reshape(-1, 3)
shuffled = np.random.default_rng(0).permutation(pixels)

# %%
# The neighborhood narrows with the number of rows seen and stays at its last width from then on. The error is
# measured on all pixels after each of the first chunks.
som = TopographicMap(16, 24, random_state=0)
seen, errors, pictures = [], [], {}
for number, chunk in enumerate(np.array_split(shuffled, 60)):
    som.partial_fit(chunk)
    if number % 3 == 0:
        seen.append((number + 1) * len(chunk))
        errors.append(-som.score(pixels[::50]))
    if number in (0, 6, 59):
        pictures[(number + 1) * len(chunk)] = som.codebook_.reshape(16, 24, 3)

figure, ax = plt.subplots(figsize=(7, 3.2))
ax.plot(seen, errors)
ax.set(
    xlabel="pixels seen",
    ylabel="quantization error",
    ylim=(0, None),
    title="The map settles long before the last chunk",
)
figure.tight_layout()

# %%
# The prototypes are colors, so that the codebook is a picture of itself:
figure, axes = plt.subplots(1, 3, figsize=(10, 2.8))
for ax, (rows, picture) in zip(axes, pictures.items(), strict=True):
    ax.imshow(np.clip(picture, 0, 1))
    ax.set(xticks=[], yticks=[], title=f"after {rows:,} pixels")
figure.tight_layout()

# %%
# Painting every pixel in the color of its prototype shows what 384 colors make of the photo.
figure, axes = plt.subplots(1, 2, figsize=(10, 3.6))
axes[0].imshow(photo)
axes[1].imshow(np.clip(som.codebook_[som.predict(pixels)].reshape(photo.shape), 0, 1))
for ax, title in zip(axes, ("photo", "384 colors"), strict=True):
    ax.set(title=title)
    ax.axis("off")
figure.tight_layout()
