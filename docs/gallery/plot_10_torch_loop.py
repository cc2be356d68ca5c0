"""
The layer in a torch training loop
==================================

``TopographicLayer`` is the same map as a torch module with gradients. Here an autoencoder squeezes digits into 8
numbers, and the layer's loss pulls those numbers onto a map at the same time: reconstruction and order are learned
together.
"""

# sphinx_gallery_thumbnail_number = 2
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from sktopo.nn import TopographicLayer

X, y = load_digits(return_X_y=True)
X = torch.as_tensor(X / 16, dtype=torch.float32)
torch.manual_seed(0)
encoder = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 8))
decoder = nn.Sequential(nn.Linear(8, 128), nn.ReLU(), nn.Linear(128, 64))
layer = TopographicLayer(8, height=10, width=14, normalize=False)
optimizer = torch.optim.Adam(
    [
        {"params": [*encoder.parameters(), *decoder.parameters()], "lr": 3e-3},
        {"params": layer.parameters(), "lr": 0.05},  # prototypes have further to go than weights
    ]
)

# %%
# Sigma shrinks from step to step, as it does in the estimator. The best matching unit is an argmin, which has no
# derivative and needs none: with the winner held fixed, the gradient is Kohonen's rule.
n_steps, history = 300, []
for step in range(n_steps):
    sigma = 3.5 * (0.7 / 3.5) ** (step / n_steps)
    batch = X[torch.randint(len(X), (128,))]
    z = encoder(batch)
    reconstruction = (decoder(z) - batch).square().sum(dim=1).mean()
    topography = layer.loss(z, sigma)
    optimizer.zero_grad()
    (reconstruction + 0.05 * topography).backward()
    optimizer.step()
    history.append((reconstruction.item(), topography.item()))

figure, ax = plt.subplots(figsize=(7, 3))
for values, label in zip(zip(*history, strict=True), ("reconstruction", "map"), strict=True):
    ax.plot(values, label=label)
ax.set(xlabel="step", ylabel="loss", yscale="log")
ax.legend()
figure.tight_layout()

# %%
# Prototypes live in the latent space, and the decoder turns them back into digits.
with torch.no_grad():
    pictures = decoder(layer.codebook).reshape(10, 14, 8, 8).transpose(1, 2).reshape(80, 112).numpy()
    places = layer.coordinates(encoder(X)).numpy()
figure, axes = plt.subplots(1, 2, figsize=(11, 4.2))
axes[0].imshow(pictures, cmap="gray_r", vmin=0, vmax=1)
axes[0].set(xticks=[], yticks=[], title="decoded prototypes")
jitter = np.random.default_rng(0).uniform(-0.35, 0.35, places.shape)
points = axes[1].scatter(*(places + jitter).T[::-1], c=y, cmap="tab10", s=5)
axes[1].set(title="digits on the map", aspect="equal", xlabel="column", ylabel="row")
axes[1].invert_yaxis()
figure.colorbar(points, ax=axes[1], label="digit", shrink=0.8)
figure.tight_layout()
