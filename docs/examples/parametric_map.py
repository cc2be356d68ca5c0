"""A map that shapes its encoder: an autoencoder and a topographic layer trained together on handwritten digits.

The loss is reconstruction + GAMMA * map loss, with sigma annealed per step (the idea of DESOM: F. Forest et al., "Deep
embedded self-organizing maps for joint representation learning and topology-preserving clustering", 2021). Beside it:
the map fitted afterwards on a frozen autoencoder, the map on raw pixels, and k-means with as many centers. Half of the
digits train, the other half is judged; mean and standard deviation over seeds.

Run with ``python docs/examples/parametric_map.py``; under three minutes on two cores.
"""

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.metrics import normalized_mutual_info_score
from sklearn.model_selection import train_test_split
from tables import Column, Table, publish
from torch import Tensor, nn

from sktopo import TopographicMap
from sktopo.lattices import RectangularLattice
from sktopo.nn import TopographicLayer
from sktopo.schedules import ExponentialSchedule

SIDE, LATENT, EPOCHS, BATCH, GAMMA = 8, 10, 40, 64, 0.05
LEARNING_RATE, MAP_LEARNING_RATE = 2e-3, 0.03
SIGMA = ExponentialSchedule(2.5, 0.5)
SEEDS = range(3)
LATTICE = RectangularLattice(SIDE, SIDE)


class Autoencoder(nn.Module):
    """64 pixels to a latent code and back."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, LATENT))
        self.decoder = nn.Sequential(nn.Linear(LATENT, 128), nn.ReLU(), nn.Linear(128, 64))


def train(X: Tensor, seed: int, layer: TopographicLayer | None, step_size: float = MAP_LEARNING_RATE) -> Autoencoder:
    """Minibatch training; with a layer, of both together, the codebook at a step size of its own."""
    torch.manual_seed(seed)
    model = Autoencoder()
    groups = [{"params": model.parameters()}]
    if layer is not None:
        groups.append({"params": layer.parameters(), "lr": step_size})
    optimizer = torch.optim.Adam(groups, lr=LEARNING_RATE)
    n_steps, step = EPOCHS * (len(X) // BATCH), 0
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(X))[: len(X) // BATCH * BATCH].split(BATCH):
            code = model.encoder(X[rows])
            loss = (model.decoder(code) - X[rows]).square().sum(dim=1).mean()
            if layer is not None:
                loss = loss + GAMMA * layer.loss(code, SIGMA(step / (n_steps - 1)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
    return model


def purity(units: np.ndarray, y: np.ndarray, learned: np.ndarray, y_learned: np.ndarray) -> float:
    """Share of test digits that agree with the majority of the training digits of their unit."""
    counts = np.zeros((SIDE * SIDE, 10))
    np.add.at(counts, (learned, y_learned), 1)
    name = np.where(counts.any(axis=1), counts.argmax(axis=1), -1)
    return float(np.mean(name[units] == y))


def judge(
    codes: tuple[np.ndarray, np.ndarray], codebook: np.ndarray, pixels: np.ndarray, y: tuple[np.ndarray, np.ndarray],
    X: np.ndarray, *, has_lattice: bool = True,
) -> list[float]:  # fmt: skip
    """Purity, NMI, topographic error, and mean squared error of a digit drawn as its unit's prototype in pixels."""
    (best, _), (test, second) = (
        np.argsort(((code[:, None] - codebook) ** 2).sum(axis=2), axis=1)[:, :2].T for code in codes
    )
    folded = ~LATTICE.adjacent(torch.from_numpy(test), torch.from_numpy(second)).numpy()
    return [
        purity(test, y[1], best, y[0]),
        normalized_mutual_info_score(y[1], test),
        float(folded.mean()) if has_lattice else np.nan,
        float(((pixels[test] - X) ** 2).mean()),
    ]


def run(seed: int) -> dict[str, list[float]]:
    """All four on one split."""
    X, y = load_digits(return_X_y=True)
    X_train, X_test, *labels = train_test_split((X / 16).astype(np.float32), y, test_size=0.5, random_state=seed)
    rows, held_out = torch.from_numpy(X_train), torch.from_numpy(X_test)
    schedule = {"sigma_initial": SIGMA.initial, "sigma_final": SIGMA.final, "random_state": seed}
    results = {}

    joint = {}
    for name, step_size in (
        ("joint autoencoder and map", MAP_LEARNING_RATE),
        ("the same, one step size", LEARNING_RATE),
    ):
        layer = TopographicLayer(
            LATENT, SIDE, SIDE, normalize=False, winner="local", generator=torch.Generator().manual_seed(seed)
        )
        joint[name] = train(rows, seed, layer, step_size), layer
    frozen = train(rows, seed, None)
    with torch.no_grad():
        for name, (model, layer) in joint.items():
            codes = tuple(model.encoder(x).numpy() for x in (rows, held_out))
            prototypes = layer.codebook.detach()
            pixels = model.decoder(prototypes).numpy()
            results[name] = judge(codes, prototypes.numpy(), pixels, labels, X_test)

        codes = tuple(frozen.encoder(x).numpy() for x in (rows, held_out))
        after = TopographicMap(SIDE, SIDE, winner="local", **schedule).fit(codes[0]).codebook_
        pixels = frozen.decoder(torch.from_numpy(after)).numpy()
        results["map on a frozen autoencoder"] = judge(codes, after, pixels, labels, X_test)

    raw = TopographicMap(SIDE, SIDE, winner="local", **schedule).fit(X_train).codebook_
    results["map on raw pixels"] = judge((X_train, X_test), raw, raw, labels, X_test)
    centers = KMeans(SIDE * SIDE, n_init=1, random_state=seed).fit(X_train).cluster_centers_
    results["k-means on raw pixels"] = judge((X_train, X_test), centers, centers, labels, X_test, has_lattice=False)
    return results


def tables() -> dict[str, Table]:
    runs = [run(seed) for seed in SEEDS]
    rows = {}
    for name in runs[0]:
        values = np.array([each[name] for each in runs])
        cells = np.stack([values.mean(axis=0), values.std(axis=0)], axis=1).tolist()
        rows[name] = [None if np.isnan(mean) else [mean, deviation] for mean, deviation in cells]
    columns = (
        Column("purity", ".3f", 0.04),
        Column("NMI", ".3f", 0.03),
        Column("topographic error (8 neighbors)", ".3f", 0.04),
        Column("reconstruction of a digit by its unit (MSE a pixel)", ".3f", 0.003),
    )
    return {"digits": Table("8 x 8 units, held-out digits", columns, rows)}


if __name__ == "__main__":
    publish(__file__, tables())
