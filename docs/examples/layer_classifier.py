"""A topographic layer as the last block of a classifier: the features are places on a map that you can look at.

An encoder, the layer's soft activations, and a linear readout, trained together by cross-entropy plus the map's own
free energy. Without the second term the classifier is as good, and the map is not a map.

Run with ``python docs/examples/layer_classifier.py``; a few seconds.
"""

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

from sktopo.nn import TopographicLayer

SIGMA, TEMPERATURE, GAMMA, EPOCHS = 1.0, 0.02, 1.0, 30


class MapClassifier(nn.Module):
    """64 pixels, 16 latent features, 10 x 10 units, 10 classes."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16))
        self.map = TopographicLayer(16, 10, 10, winner="local", generator=generator)
        self.readout = nn.Linear(100, 10)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Class scores, and the latent code."""
        code = self.encoder(x)
        return self.readout(self.map.activations(code, SIGMA, TEMPERATURE)), code


def main() -> None:
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = (
        torch.from_numpy(part) for part in train_test_split((X / 16).astype(np.float32), y, random_state=0)
    )
    for gamma in (GAMMA, 0.0):
        torch.manual_seed(0)
        model = MapClassifier(torch.Generator().manual_seed(0))
        optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
        for epoch in range(EPOCHS):
            sigma = max(SIGMA, 3.0 * (1 - epoch / EPOCHS))
            for rows in torch.randperm(len(X_train)).split(64):
                scores, code = model(X_train[rows])
                loss = nn.functional.cross_entropy(scores, y_train[rows])
                loss = loss + gamma * model.map.loss(code, sigma, TEMPERATURE)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        with torch.no_grad():
            scores, code = model(X_test)
            two_best = model.map(code).sqdist.topk(2, largest=False).indices
        accuracy = (scores.argmax(dim=1) == y_test).double().mean().item()
        folded = ~model.map.lattice.adjacent(*two_best.T)
        print(f"gamma {gamma:.1f}: accuracy {accuracy:.3f}, topographic error {folded.double().mean().item():.3f}")


if __name__ == "__main__":
    main()
