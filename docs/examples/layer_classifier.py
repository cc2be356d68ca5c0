"""A topographic layer as the last block of a classifier: the features are places on a map that you can look at.

An encoder, the layer's soft activations, and a linear readout, trained together by cross-entropy plus `gamma` times the
map's own free energy. Without the second term the classifier is as good, and the map is less of a map.

Run with ``python docs/examples/layer_classifier.py``; some seconds.
"""

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tables import Column, Table, publish
from torch import Tensor, nn

from sktopo.nn import TopographicLayer

SIGMA, TEMPERATURE, GAMMA, EPOCHS = 1.0, 0.02, 1.0, 30
SEEDS = range(3)


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


def train(X: Tensor, y: Tensor, gamma: float, seed: int) -> MapClassifier:
    """Minibatches of 64; sigma falls to its last value."""
    torch.manual_seed(seed)
    model = MapClassifier(torch.Generator().manual_seed(seed))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(EPOCHS):
        sigma = max(SIGMA, 3.0 * (1 - epoch / EPOCHS))
        for rows in torch.randperm(len(X)).split(64):
            scores, code = model(X[rows])
            loss = nn.functional.cross_entropy(scores, y[rows])
            loss = loss + gamma * model.map.loss(code, sigma, TEMPERATURE)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model


def run(gamma: float, seed: int) -> list[float]:
    """Accuracy and topographic error on the rows that were held out."""
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = (
        torch.from_numpy(part) for part in train_test_split((X / 16).astype(np.float32), y, random_state=seed)
    )
    model = train(X_train, y_train, gamma, seed)
    with torch.no_grad():
        scores, code = model(X_test)
        two_best = model.map(code).sqdist.topk(2, largest=False).indices
    accuracy = (scores.argmax(dim=1) == y_test).double().mean().item()
    folded = ~model.map.lattice.adjacent(*two_best.T)
    return [accuracy, folded.double().mean().item()]


def tables() -> dict[str, Table]:
    rows = {}
    for gamma in (GAMMA, 0.0):
        runs = np.array([run(gamma, seed) for seed in SEEDS])
        rows[f"gamma = {gamma:g}"] = np.stack([runs.mean(axis=0), runs.std(axis=0)], axis=1).tolist()
    columns = (Column("accuracy", ".3f", 0.03), Column("topographic error (8 neighbors)", ".2f", 0.12))
    return {"classifier": Table("cross-entropy + gamma * free energy", columns, rows)}


if __name__ == "__main__":
    publish(__file__, tables())
