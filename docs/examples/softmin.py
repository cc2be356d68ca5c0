"""The softmin trap: digits on 10 x 10 units from random starts, trained by gradients of six losses.

Run with ``python docs/examples/softmin.py``; under a minute. docs/explanation/argmin.md shows the tables. Everything
but the loss is the same: Adam on minibatches of 64, 20 passes, sigma from 2.5 to 0.5, T = 20 in squared gray levels.
"""

from collections.abc import Callable

import numpy as np
import torch
from sklearn.datasets import load_digits
from tables import Column, Table, publish
from torch import Tensor

from sktopo.annealing import critical_temperature
from sktopo.nn import TopographicLayer
from sktopo.schedules import ExponentialSchedule

SIDE, PASSES, SEEDS = 10, 20, range(3)
GRAY = 16.0  # samples are divided by it
T = 20.0 / GRAY**2
SIGMA = ExponentialSchedule(2.5, 0.5, hold=0.4)
CORNERS = torch.tensor([0, SIDE - 1, SIDE * (SIDE - 1), SIDE * SIDE - 1])

Loss = Callable[[TopographicLayer, Tensor, float], Tensor]


def softmin_alone(layer: TopographicLayer, z: Tensor, sigma: float) -> Tensor:  # noqa: ARG001
    """Soft k-means: ``-2T log sum_j exp(-|z - w_j|^2 / 2T)``."""
    return layer.loss(z, 1e-3, T)


def softmin_of_coordinates(layer: TopographicLayer, z: Tensor, sigma: float) -> Tensor:
    """The question's loss with the BMU's place on the lattice replaced by its mean under a softmin over distances."""
    squares = layer(z).sqdist
    places = layer.coordinates_of_units
    expected = torch.softmax(-squares / (2 * T), dim=1) @ places
    h = torch.exp(-(expected[:, None] - places).square().sum(dim=2) / (2 * sigma**2))
    return (h * squares).sum(dim=1).mean()


def expected_cost(layer: TopographicLayer, z: Tensor, sigma: float) -> Tensor:
    """``sum_j p_j e_j``, differentiated through the responsibilities `p` of the local errors `e`."""
    places = layer.coordinates_of_units
    h = torch.exp(-layer.lattice.sqdist(places[:, None], places, 2.0) / (2 * sigma**2))
    errors = layer(z).sqdist @ (h / h.sum(dim=1, keepdim=True)).T
    return (torch.softmax(-errors / (2 * T), dim=1) * errors).sum(dim=1).mean()


LOSSES: dict[str, tuple[str, Loss]] = {
    "softmin alone": ("local", softmin_alone),
    "softmin for the BMU's coordinates": ("nearest", softmin_of_coordinates),
    "expected cost, through its softmin": ("local", expected_cost),
    "nearest unit": ("nearest", lambda layer, z, sigma: layer.loss(z, sigma)),
    "local error": ("local", lambda layer, z, sigma: layer.loss(z, sigma)),
    "free energy": ("local", lambda layer, z, sigma: layer.loss(z, sigma, T)),
}


def train(X: Tensor, winner: str, loss: Loss, seed: int) -> TopographicLayer:
    """A layer after PASSES passes over shuffled rows; the step size falls over the last two fifths."""
    generator = torch.Generator().manual_seed(seed)
    layer = TopographicLayer(X.shape[1], SIDE, SIDE, normalize=False, winner=winner, generator=generator)
    with torch.no_grad():
        layer.codebook.copy_(X.mean(dim=0) + torch.randn(layer.codebook.shape, generator=generator) * X.std(dim=0))
    optimizer = torch.optim.Adam(layer.parameters())
    batches = [rows for _ in range(PASSES) for rows in torch.randperm(len(X), generator=generator).split(64)]
    for step, rows in enumerate(batches):
        t = step / len(batches)
        optimizer.param_groups[0]["lr"] = 0.01 * min(1.0, (1 - t) / SIGMA.hold)
        optimizer.zero_grad()
        loss(layer, X[rows], SIGMA(t)).backward()
        optimizer.step()
    return layer


def judge(layer: TopographicLayer, X: Tensor) -> list[float]:
    """Topographic error, quantization error in gray levels, and the share of samples whose BMU is a corner."""
    with torch.no_grad():
        two = layer(X).sqdist.topk(2, largest=False)
    folded = ~layer.lattice.adjacent(*two.indices.T)
    cornered = torch.isin(two.indices[:, 0], CORNERS)
    return [
        folded.double().mean().item(),
        GRAY * two.values[:, 0].sqrt().mean().item(),
        cornered.double().mean().item(),
    ]


def tables() -> dict[str, Table]:
    X = torch.from_numpy(load_digits().data / GRAY).float()
    rows = {}
    for name, (winner, loss) in LOSSES.items():
        values = np.array([judge(train(X, winner, loss, seed), X) for seed in SEEDS])
        rows[name] = np.stack([values.mean(axis=0), values.std(axis=0)], axis=1).tolist()
    covariance = torch.from_numpy(np.cov(load_digits().data.T, bias=True))
    critical = {f"{sigma}": [critical_temperature(covariance, SIDE, SIDE, sigma)] for sigma in (2.5, 1.0, 0.5)}
    columns = (
        Column("topographic error (8 neighbors)", ".2f", 0.04),
        Column("quantization error", ".1f", 0.4),
        Column("samples at the 4 corners", ".2f", 0.04),
    )
    return {
        "losses": Table("loss", columns, rows),
        "critical": Table("sigma", (Column("critical temperature of the digits", ".0f", 1.0),), critical),
    }


if __name__ == "__main__":
    publish(__file__, tables())
